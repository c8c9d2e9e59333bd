"""The rows of the field index."""

from typing import Any

from coterie.listing.fields import FieldRow, all_strings, rows_for, search_text
from listing.support import PROFILE


def rows(resource: dict[str, Any]) -> list[FieldRow]:
    return sorted(rows_for(resource, PROFILE), key=repr)


def row(path: str, kind: str, number: float | None = None, text: str | None = None, folded: str | None = None) -> Any:
    return FieldRow(path, kind, False, number, text, folded, None, None)


def mark(path: str) -> FieldRow:
    return FieldRow(path, "x", False, None, None, None, None, None)


def test_a_row_a_leaf_and_a_mark_where_there_is_none() -> None:
    expected = [mark("a"), row("a.b", "s", None, "Straße", "strasse"), row("n", "n", 1.5), row("y", "b", 1)]
    assert rows({"a": {"b": "Straße"}, "n": 1.5, "t": None, "y": True}) == sorted(expected, key=repr)


def test_a_null_has_a_row_beside_others_only() -> None:
    assert rows({"a": None, "b": [{"c": None}]}) == [mark("b")]
    found = rows({"b": [{"c": None}, {"c": 1}], "d": [None]})
    assert sorted((each.path, each.type) for each in found) == [
        ("b", "x"),
        ("b.c", "n"),
        ("b.c", "z"),
        ("d", "x"),
        ("d", "z"),
    ]


def test_a_long_string_is_cut_for_its_index_and_kept_whole() -> None:
    (found,) = rows({"a": "ß" * 150})
    assert (found.str, found.folded) == ("ß" * 150, "s" * 200)
    assert (found.whole, found.whole_folded) == ("ß" * 150, "s" * 300)


def test_an_arrays_elements_share_their_path_and_equal_ones_a_row() -> None:
    found = rows({"a": [1, 1.0, True, None, ["x"], {"b": 2}]})
    assert sorted((row.path, row.type, row.element) for row in found) == [
        ("a", "b", True),
        ("a", "n", True),
        ("a", "s", True),
        ("a", "z", True),
        ("a.b", "n", False),
    ]


def test_empty_things_are_only_there() -> None:
    assert rows({"a": [], "b": {}}) == [mark("a"), mark("b")]


def test_a_timestamps_row_holds_its_instant_and_its_text() -> None:
    text = "1970-01-01T00:00:01Z"
    assert rows({"created_at": text}) == [row("created_at", "s", 1_000_000, text, text.lower())]
    assert rows({"other": text}) == [row("other", "s", None, text, text.lower())]
    assert rows({"created_at": "soon"}) == [row("created_at", "s", None, "soon", "soon")]


def test_what_no_request_can_name_has_no_rows() -> None:
    assert rows({"": 1, "a..b": 1, "a" * 256: 1, "c": {"": {"d": 1}}}) == [mark("c")]


def test_numbers_out_of_range_are_there_without_a_value() -> None:
    assert rows({"a": 10**400}) == [mark("a")]
    assert rows({"b": 2**63}) == [row("b", "n", 2.0**63)]


def test_search_text_is_folded_a_part_a_line() -> None:
    assert search_text(["Straße", None, "", "B"]) == "strasse\nb"


def test_all_strings_leave_out_the_members_that_are_named() -> None:
    resource = {"a": "X", "b": {"c": ["Y", "x"], "d": 1}, "e": "no"}
    assert sorted(all_strings(resource, frozenset({"e"})).split("\n")) == ["x", "x", "y"]
