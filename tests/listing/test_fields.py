"""The rows of the field index."""

from typing import Any

from coterie.listing.fields import FieldRow, rows_for, search_text
from listing.support import PROFILE


def rows(resource: dict[str, Any]) -> list[FieldRow]:
    return sorted(rows_for(resource, PROFILE), key=repr)


def mark(path: str) -> FieldRow:
    return FieldRow(path, "x", False, None, None, None)


def test_a_row_a_leaf_and_a_mark_a_path() -> None:
    expected = [
        mark("a"),
        mark("a.b"),
        FieldRow("a.b", "s", False, None, "Straße", "strasse"),
        mark("n"),
        FieldRow("n", "n", False, 1.5, None, None),
        FieldRow("t", "z", False, None, None, None),
        mark("y"),
        FieldRow("y", "b", False, 1, None, None),
    ]
    assert rows({"a": {"b": "Straße"}, "n": 1.5, "t": None, "y": True}) == sorted(expected, key=repr)


def test_an_arrays_elements_share_their_path_and_equal_ones_a_row() -> None:
    found = rows({"a": [1, 1.0, True, None, ["x"], {"b": 2}]})
    assert sorted((row.path, row.type, row.element) for row in found) == [
        ("a", "b", True),
        ("a", "n", True),
        ("a", "s", True),
        ("a", "x", False),
        ("a", "z", True),
        ("a.b", "n", False),
        ("a.b", "x", False),
    ]


def test_empty_things_are_only_there() -> None:
    assert rows({"a": [], "b": {}}) == [mark("a"), mark("b")]


def test_a_timestamps_row_holds_its_instant_and_its_text() -> None:
    text = "1970-01-01T00:00:01Z"
    assert FieldRow("created_at", "s", False, 1_000_000, text, text.lower()) in rows({"created_at": text})
    assert FieldRow("other", "s", False, None, text, text.lower()) in rows({"other": text})
    assert FieldRow("created_at", "s", False, None, "soon", "soon") in rows({"created_at": "soon"})


def test_what_no_request_can_name_has_no_rows() -> None:
    assert rows({"": 1, "a..b": 1, "a" * 256: 1, "c": {"": {"d": 1}}}) == [mark("c")]


def test_numbers_out_of_range_are_there_without_a_value() -> None:
    assert rows({"a": 10**400}) == [mark("a")]
    assert FieldRow("b", "n", False, 2.0**63, None, None) in rows({"b": 2**63})


def test_search_text_is_folded_a_part_a_line() -> None:
    assert search_text(["Straße", None, "", "B"]) == "strasse\nb"
