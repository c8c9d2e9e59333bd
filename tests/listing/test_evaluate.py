"""What each operator means. Every case is asked of the reference, the field index and the JSON rows alike."""

from typing import Any

import pytest

from listing.support import Store, definition

SAME = {"created_at": "2025-03-01T10:00:00.000000Z"}


def condition(operator: str, value: Any, field: str = "f") -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("value", "wanted", "equal"),
    [
        (5, 5.0, True),
        (0.0, -0.0, True),
        (2**53, 2**53 + 1, False),
        (2**53 + 1, float(2**53), False),
        (2**63 - 1, float(2**63), False),
        (2**63, float(2**63), True),
        (1, True, False),
        (False, 0, False),
        (True, True, True),
        (5, "5", False),
        ("STRASSE", "straße", True),
        ("İ", "i̇", True),
        ("e\u0301", "É", True),
        ("%", "_", False),
        ("a\\'\"%_", "A\\'\"%_", True),
        ([1, "x"], "x", True),
        ([[1], [2, [3]]], 3, True),
        ([], None, False),
        ({}, None, False),
        (None, None, True),
        ([None], None, True),
        ([1], None, False),
        (0, None, False),
    ],
)
def test_equality_is_within_a_kind_and_exact(store: Store, value: Any, wanted: Any, equal: bool) -> None:
    assert store.holds({"f": value}, {"f": wanted}) is equal
    assert store.holds({"f": value}, condition("ne", wanted)) is not equal
    assert store.holds({"f": value}, condition("in", ["other", wanted])) is equal
    assert store.holds({"f": value}, condition("nin", ["other", wanted])) is not equal


def test_missing_is_null(store: Store) -> None:
    assert store.holds({}, {"f": None})
    assert store.holds({}, condition("in", [1, None]))
    assert store.holds({}, condition("ne", 1))
    assert store.holds({}, condition("nin", [1]))
    assert not store.holds({}, condition("nin", [1, None]))
    assert not store.holds({}, condition("in", []))
    assert store.holds({}, condition("nin", []))


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("value", [None, True, [], {}, "10"])
def test_nothing_of_another_kind_is_ordered_with_a_number(store: Store, operator: str, value: Any) -> None:
    assert not store.holds({"f": value}, condition(operator, 1))


@pytest.mark.parametrize(
    ("value", "operator", "bound", "held"),
    [
        (2, "gt", 1.5, True),
        (2, "gt", 2, False),
        (2, "gte", 2.0, True),
        (2**53 + 1, "gt", 2.0**53, True),
        (1, "lt", 1e300, True),
        (1, "lte", 0.999, False),
        ("b", "gt", "A", True),
        ("B", "lt", "a", False),
        ("\U0001f600", "gt", "\uffff", True),
        ([1, 9], "gt", 8, True),
        ([1, 9], "lt", 2, True),
    ],
)
def test_order(store: Store, value: Any, operator: str, bound: Any, held: bool) -> None:
    assert store.holds({"f": value}, condition(operator, bound)) is held


@pytest.mark.parametrize(
    ("value", "operator", "wanted", "held"),
    [
        ("100% pure", "contains", "0% P", True),
        ("100 pure", "contains", "%", False),
        ("ab", "contains", "_", False),
        ("ab", "contains", "", True),
        (["abc"], "contains", "ab", False),
        (["abc"], "contains", "ABC", True),
        ([{"g": "abc"}], "contains", "ab", False),
        (5, "contains", 5, False),
        ([5.0], "contains", 5, True),
        ([True], "contains", 1, False),
        ([True], "contains", True, True),
        ("Straße", "starts_with", "STRASS", True),
        ("ab", "starts_with", "abc", False),
        ("", "starts_with", "", True),
        (5, "starts_with", "5", False),
        ("Straße", "ends_with", "SSE", True),
        ("ab", "ends_with", "", True),
        ("ab", "ends_with", "xab", False),
        ("ab", "ends_with", "xxxxab", False),
        ("İstanbul", "ends_with", "BUL", True),
        (["ab", "cd"], "ends_with", "D", True),
        ("the Quick-brown fox", "text", "quick FOX", True),
        ("the quick", "text", "qui", False),
        (["the quick", "fox"], "text", "quick fox", False),
        ("ÉCOLE normale", "text", "e\u0301cole", True),
        ("col_products_v2", "regex", r"^COL_.*_v\d$", True),
        ("abc", "regex", "b", True),
        ("abc", "regex", "^b", False),
        (["abc", "xyz"], "regex", "^x", True),
        (7, "regex", "7", False),
    ],
)
def test_strings(store: Store, value: Any, operator: str, wanted: Any, held: bool) -> None:
    assert store.holds({"f": value}, condition(operator, wanted)) is held


@pytest.mark.parametrize(
    ("operator", "value", "wanted"),
    [
        ("eq", "Ab", "ab"),
        ("in", "Ab", ["ab"]),
        ("contains", "xAb", "ab"),
        ("starts_with", "Abx", "ab"),
        ("ends_with", "xAb", "ab"),
        ("text", "x Ab", "ab"),
        ("regex", "Ab", "ab"),
        ("lt", "b", "C"),
    ],
)
def test_case_matters_when_asked(store: Store, operator: str, value: Any, wanted: Any) -> None:
    node = condition(operator, wanted)
    assert store.holds({"f": value}, node)
    assert not store.holds({"f": value}, {"AND": [node], "case_sensitive": True})
    assert store.holds({"f": value}, {"case_sensitive": True, "OR": {"case_sensitive": False, "AND": node}})
    assert not store.holds({"f": value}, {"case_sensitive": True, "OR": {"case_sensitive": None, "AND": node}})


def test_case_sensitive_compares_code_points(store: Store) -> None:
    assert not store.holds({"f": "e\u0301"}, {"f": "\u00e9", "case_sensitive": True})
    assert store.holds({"f": "e\u0301"}, {"f": "e\u0301", "case_sensitive": True})


@pytest.mark.parametrize(
    ("resource", "present"),
    [
        ({}, False),
        ({"f": None}, False),
        ({"f": {"g": None}}, True),
        ({"f": [None]}, True),
        ({"f": []}, True),
        ({"f": {}}, True),
        ({"f": False}, True),
        ({"f": ""}, True),
    ],
)
def test_presence(store: Store, resource: dict[str, Any], present: bool) -> None:
    assert store.holds(resource, condition("exists", True)) is present
    assert store.holds(resource, condition("exists", False)) is not present
    assert store.holds(resource, condition("is_null", True)) is not present
    assert store.holds(resource, condition("is_null", False)) is present


@pytest.mark.parametrize(
    ("resource", "path", "value", "held"),
    [
        ({"a": {"b": {"c": 1}}}, "a.b.c", 1, True),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.b", 2, True),
        ({"a": [[{"b": [3]}]]}, "a.b", 3, True),
        ({"a.b": 1}, "a.b", 1, True),
        ({"a": {"b.c": 1}}, "a.b.c", 1, True),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", 2, True),
        ({"a": [1, 2]}, "a.0", 1, False),
        ({"a": {"0": 1}}, "a.0", 1, True),
        ({"a": 1}, "a.b", None, True),
        ({"a": [{"b": 1}, {}]}, "a.b", None, False),
        ({"": {"a": 1}}, "a", 1, False),
        ({"a": {"": 1}}, "a", 1, False),
    ],
)
def test_paths(store: Store, resource: dict[str, Any], path: str, value: Any, held: bool) -> None:
    assert store.holds(resource, {path: value}) is held


@pytest.mark.parametrize(
    ("operator", "value", "held"),
    [
        ("eq", "2025-03-01T12:00:00+02:00", True),
        ("eq", "2025-03-01 10:00", True),
        ("ne", "2025-03-01T10:00:00Z", False),
        ("gt", "2025-03-01", True),
        ("lt", "2025-03-01T05:00:00.000001-05:00", True),
        ("gte", "2025-03-01T10:00:00.000001z", False),
        ("in", ["2025-03-01T10:00:00", None], True),
        ("starts_with", "2025-03-01t10", True),
        ("contains", "10:00:00", True),
        ("eq", None, False),
    ],
)
def test_timestamps_compare_as_instants_and_read_as_text(store: Store, operator: str, value: Any, held: bool) -> None:
    assert store.holds(SAME, condition(operator, value, "created_at")) is held


def test_what_is_no_instant_equals_none_and_has_no_order(store: Store) -> None:
    values: tuple[Any, ...] = ("soon", 7, [], None)
    for value in values:
        assert not store.holds({"updated_at": value}, condition("gt", "2000-01-01", "updated_at"))
        assert store.holds({"updated_at": value}, condition("ne", "2000-01-01", "updated_at"))


@pytest.mark.parametrize(
    ("filters", "held"),
    [
        ({}, True),
        (None, True),
        ({"AND": [], "OR": [], "NOT": []}, True),
        ({"AND": [{"f": 1}, {"g": 2}]}, True),
        ({"AND": [{"f": 1}, {"g": 3}]}, False),
        ({"OR": [{"f": 0}, {"g": 2}]}, True),
        ({"OR": [{"f": 0}, {"g": 0}]}, False),
        ({"NOT": [{"f": 0}, {"g": 0}]}, True),
        ({"NOT": [{"f": 0}, {"g": 2}]}, False),
        ({"NOT": {"f": 0}}, True),
        ({"NOT": {}}, False),
        ({"f": 1, "g": 2}, True),
        ({"f": 1, "OR": [{"g": 3}]}, False),
        ({"AND": {"f": 1}, "NOT": {"g": 2}}, False),
        ({"field": "f", "value": 1}, True),
        ({"field": "f", "operator": "gt", "value": 1}, False),
        ({"AND": [{"OR": [{"f": 9}, {"NOT": {"AND": [{"f": 1}, {"g": 9}]}}]}]}, True),
    ],
)
def test_logic(store: Store, filters: Any, held: bool) -> None:
    assert store.holds({"f": 1, "g": 2}, filters) is held


def test_a_lone_field_key_is_a_field_of_that_name(store: Store) -> None:
    assert store.holds({"field": "x"}, {"AND": [{"field": "x"}]})


def test_aliases_stand_for_the_resources_own_name_and_id(store: Store) -> None:
    assert store.holds({"name": "other"}, {"name": "C1", "id": "CLUST_00001"})
    assert not store.holds({"name": "other"}, {"name": "other"})


VALUES: list[Any] = [
    None,
    [],
    {},
    True,
    False,
    "b",
    "B",
    "a",
    10,
    9.5,
    2**53 + 1,
    2.0**53,
    [3, 11],
    ["z", 12],
    [None, "c"],
]


def test_sorting_puts_kinds_in_order_and_missing_last(store: Store) -> None:
    store.fill([definition(at, f=value) for at, value in enumerate(VALUES)])

    def ordered(direction: str) -> list[int]:
        ids = store.agreed({"sort": {"field": "f", "direction": direction}, "limit": 50})
        return [int(identifier[-5:]) for identifier in ids]

    assert ordered("asc") == [12, 9, 8, 13, 11, 10, 6, 7, 5, 14, 4, 3, 0, 1, 2]
    assert ordered("desc") == [10, 11, 13, 12, 8, 9, 14, 5, 7, 6, 3, 4, 0, 1, 2]


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_only_an_arrays_first_leaf_counts(store: Store, direction: str) -> None:
    store.fill([definition(1, f=[5, "m"]), definition(2, f=[5, "a", True]), definition(3, f=["z", 5])])
    ids = store.agreed({"sort": {"field": "f", "direction": direction}})
    assert [identifier[-1] for identifier in ids] == ["1", "2", "3"]


def test_timestamps_sort_as_instants(store: Store) -> None:
    moments = ["2025-01-01T03:00:00+05:00", "2025-01-01", "2025-01-01T00:00:00-01:00", "soon", None]
    store.fill([definition(at, updated_at=moment) for at, moment in enumerate(moments)])
    ids = store.agreed({"sort": {"field": "updated_at"}})
    assert [int(identifier[-5:]) for identifier in ids] == [0, 1, 2, 3, 4]
    ids = store.agreed({"sort": {"field": "updated_at", "direction": "desc"}})
    assert [int(identifier[-5:]) for identifier in ids] == [2, 1, 0, 3, 4]


def test_ties_go_by_id_and_later_keys_break_earlier_ones(store: Store) -> None:
    rows = [
        definition(1, f=1, g="y"),
        definition(2, f=0, g="x"),
        definition(3, f=1, g="x"),
        definition(4, f=1, g="y"),
    ]
    store.fill(rows)
    sorts = [{"field": "f", "direction": "desc"}, {"field": "g", "direction": "desc"}]
    assert [identifier[-1] for identifier in store.agreed({"sorts": sorts})] == ["1", "4", "3", "2"]
    assert [identifier[-1] for identifier in store.agreed({"sort": {"field": "f"}})] == ["2", "1", "3", "4"]


def test_the_newest_come_first_by_default(store: Store) -> None:
    store.fill([definition(number) for number in (2, 5, 9)])
    assert [identifier[-1] for identifier in store.agreed({})] == ["9", "5", "2"]
    assert [identifier[-1] for identifier in store.agreed({"sort": {"field": "id"}})] == ["2", "5", "9"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", [1, 2]),
        ("  \n ", [1, 2]),
        ("STRASSE", [1]),
        ("aß ber", [1]),
        ("erb", []),
        ("%", []),
        ("100%", []),
        ("produ", [2]),
        ("lin", [1]),
        ("in", [1, 2]),
    ],
)
def test_search_wants_every_word_somewhere(store: Store, search: str, found: list[int]) -> None:
    store.fill(
        [
            definition(1, cluster_name="Straße", description="Berlin"),
            definition(2, cluster_name="products", description="in a shop"),
        ]
    )
    ids = store.agreed({"search": search, "sort": {"field": "id"}})
    assert [int(identifier[-5:]) for identifier in ids] == found
