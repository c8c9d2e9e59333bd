"""Instants, numbers, words and strings."""

import pytest

from coterie.listing.values import fold, instant, is_path, number, strings, values_at, words


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01t00:00:01z", 1_000_000),
        ("1970-01-01 01:00:00.5+01:00", 500_000),
        ("1970-01-01T00:00:00,25", 250_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
        ("1969-12-31T19:00:00-0500", 0),
        ("0001-01-01T00:00:00+14:00", -62_135_596_800_000_000 - 14 * 3_600_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_instants(text: str, micros: int) -> None:
    assert instant(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2025",
        "2025-13-01",
        "2025-02-29",
        "20250101",
        "2025-W01-1",
        "2025-01-01T",
        "2025-01-01T25:00",
        "2025-01-01x10:00",
        "2025-01-01T10:00:60Z",
        "2025-01-01T10:00+25:00",
        " 2025-01-01",
        "٢٠٢٥-01-01",
    ],
)
def test_no_instants(text: str) -> None:
    assert instant(text) is None


def test_numbers_are_what_every_store_can_hold() -> None:
    assert number(2**63 - 1) == 2**63 - 1
    assert isinstance(number(2**63), float)
    assert isinstance(number(-(2**63)), int)
    assert number(10**400) is None
    assert number(float("inf")) is None
    assert number(float("nan")) is None


def test_folding_forgets_case_and_composition() -> None:
    assert fold("STRASSE") == fold("straße") == "strasse"
    assert fold("\u0130") == "i\u0307"
    assert fold("E\u0301") == fold("\u00e9") == "\u00e9"
    assert fold("\u03b1\u0345\u0301") == fold("\u1fb4")


def test_words_are_of_any_script() -> None:
    assert words("a_1, b-ç 東京!") == {"a_1", "b", "ç", "東京"}


def test_paths_have_no_empty_part_and_an_end() -> None:
    assert is_path("a.b")
    assert is_path("a" * 255)
    assert not is_path("a" * 256)
    assert not any(map(is_path, ("", ".", "a..b", ".a", "a.")))


def test_nesting_of_any_depth_is_walked() -> None:
    deep: object = 1
    for _ in range(5_000):
        deep = [deep]
    assert values_at({"a": [[{"b": deep}]]}, "a.b") == [deep]
    assert list(strings({"a": [deep, ["x", {"b": "y"}], "data:image/png;base64,abcd"]})) == ["y", "x"]
