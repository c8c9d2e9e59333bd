"""RE2 and its refusals."""

import pytest

from coterie.listing.patterns import BadPattern, compile_pattern, found


def test_a_pattern_is_found_anywhere_with_or_without_case() -> None:
    assert found("É.$", False, "caféX")
    assert not found("É.$", True, "caféX")
    assert found("(?i)É.$", True, "caféX")
    assert not found("^a", True, "ba")


@pytest.mark.parametrize("pattern", ["(", "a{1001}", r"(a)\1", "(?=a)", r"(\pL{500}){2}", "((a{100}){100}){100}"])
def test_what_is_not_linear_or_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern, match=r"\w"):
        compile_pattern(pattern, True)


def test_a_bomb_for_backtracking_finds_nothing_in_a_long_text() -> None:
    assert not found("(x+x+)+y", True, "x" * 50_000)
    assert not found("^(a|aa)+$", True, "a" * 50_000 + "b")
