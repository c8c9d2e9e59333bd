"""Filters to tree, and each fault at its place."""

from typing import Any

import pytest

from coterie.kit.errors import Invalid, Issue
from coterie.listing.operands import OPERATORS
from coterie.listing.syntax import parse_list
from coterie.listing.tree import And, Condition, Node, Not, Or
from listing.support import PROFILE

HERE = ("body", "filters")


def parsed(filters: object) -> Node | None:
    return parse_list({"filters": filters}, profile=PROFILE).where


def fault(filters: object) -> Issue:
    with pytest.raises(Invalid) as caught:
        parsed(filters)
    (issue,) = caught.value.issues
    return issue


def nested(depth: int) -> dict[str, Any]:
    """A condition inside so many logicals."""
    node: dict[str, Any] = {"field": "f", "value": 1}
    for _ in range(depth):
        node = {"AND": [node]}
    return node


def equal(path: str, value: str) -> Condition:
    return Condition(path, "in", frozenset({("s", value)}))


def test_the_tree_of_each_part() -> None:
    tree = parsed({"AND": [{"f": "A"}], "OR": [{"g": "b"}, {"h": "c"}], "NOT": [{"i": "d"}, {"j": "e"}]})
    assert tree == And(
        (
            equal("f", "a"),
            Or((equal("g", "b"), equal("h", "c"))),
            Not(Or((equal("i", "d"), equal("j", "e")))),
        )
    )


@pytest.mark.parametrize("filters", [None, {}, {"AND": []}, {"OR": None}, {"case_sensitive": True}])
def test_nothing_asked_is_no_tree(filters: object) -> None:
    assert parsed(filters) is None


def test_a_condition_may_stand_for_a_logical_and_eq_is_its_default() -> None:
    assert parsed({"field": "name", "value": "A"}) == equal("cluster_name", "a")
    assert parsed({"NOT": {"field": "id", "operator": "eq", "value": "A"}}) == Not(equal("cluster_id", "a"))


def test_all_fifteen_operators_are_known() -> None:
    values: dict[str, Any] = {"in": ["a"], "nin": ["a"], "exists": True, "is_null": True}
    for operator in OPERATORS:
        assert parsed({"field": "f", "operator": operator, "value": values.get(operator, "a")}) is not None
    assert len(OPERATORS) == 15


@pytest.mark.parametrize(
    ("node", "loc", "kind"),
    [
        ({"field": "f", "operator": "like", "value": 1}, ("operator",), "enum"),
        ({"field": "f", "operator": None, "value": 1}, ("operator",), "enum"),
        ({"field": "f", "operator": ["eq"], "value": 1}, ("operator",), "enum"),
        ({"field": "f", "operator": "eq"}, ("value",), "missing"),
        ({"field": "f", "operator": "exists"}, ("value",), "missing"),
        ({"field": "f", "value": 1, "case_sensitive": 1}, ("case_sensitive",), "bool_type"),
        ({"field": 5, "value": 1}, ("field",), "string_type"),
        ({"field": "", "value": 1}, ("field",), "path"),
        ({"field": "..", "value": 1}, ("field",), "path"),
        ({"field": ".a", "value": 1}, ("field",), "path"),
        ({"field": "a.", "value": 1}, ("field",), "path"),
        ({"field": "a" * 256, "value": 1}, ("field",), "path"),
        ({"field": "a\0", "value": 1}, ("field",), "string_unicode"),
        ({"field": "f", "value": [1]}, ("value",), "scalar_type"),
        ({"field": "f", "value": {"a": 1}}, ("value",), "scalar_type"),
        ({"field": "f", "value": {"type": "dynamic", "field": "x"}}, ("value",), "dynamic"),
        ({"field": "f", "operator": "in", "value": [{"type": "dynamic"}]}, ("value", 0), "dynamic"),
        ({"field": "f", "operator": "in", "value": "a"}, ("value",), "list_type"),
        ({"field": "f", "operator": "in", "value": [0] * 1001}, ("value",), "too_long"),
        ({"field": "f", "operator": "nin", "value": [1, []]}, ("value", 1), "scalar_type"),
        ({"field": "f", "operator": "gt", "value": None}, ("value",), "not_ordered"),
        ({"field": "f", "operator": "lte", "value": True}, ("value",), "not_ordered"),
        ({"field": "f", "operator": "lt", "value": [1]}, ("value",), "scalar_type"),
        ({"field": "f", "operator": "contains", "value": None}, ("value",), "scalar_type"),
        ({"field": "f", "operator": "contains", "value": ["a"]}, ("value",), "scalar_type"),
        ({"field": "f", "operator": "starts_with", "value": 1}, ("value",), "string_type"),
        ({"field": "f", "operator": "ends_with", "value": None}, ("value",), "string_type"),
        ({"field": "f", "operator": "text", "value": "-- !"}, ("value",), "no_words"),
        ({"field": "f", "operator": "regex", "value": "(a"}, ("value",), "regex"),
        ({"field": "f", "operator": "regex", "value": "(?=a)"}, ("value",), "regex"),
        ({"field": "f", "operator": "regex", "value": "a" * 257}, ("value",), "string_too_long"),
        ({"field": "f", "operator": "exists", "value": "true"}, ("value",), "bool_type"),
        ({"field": "f", "operator": "is_null", "value": 1}, ("value",), "bool_type"),
        ({"field": "f", "value": "a" * 4097}, ("value",), "string_too_long"),
        ({"field": "f", "value": "a\0"}, ("value",), "string_unicode"),
        ({"field": "f", "value": "\ud800"}, ("value",), "string_unicode"),
        ({"field": "f", "value": 10**400}, ("value",), "finite_number"),
        ({"field": "f", "value": float("nan")}, ("value",), "finite_number"),
        ({"field": "f", "operator": "gt", "value": float("inf")}, ("value",), "finite_number"),
        ({"field": "created_at", "value": "soon"}, ("value",), "datetime_parsing"),
        ({"field": "created_at", "operator": "gt", "value": 5}, ("value",), "datetime_parsing"),
        (
            {"field": "created_at", "operator": "in", "value": ["2025-01-01", "x"]},
            ("value", 1),
            "datetime_parsing",
        ),
    ],
)
def test_a_fault_in_a_condition_is_shown_at_its_part(node: Any, loc: tuple[str | int, ...], kind: str) -> None:
    assert fault({"AND": [node]})[::2] == ((*HERE, "AND", 0, *loc), kind)
    assert fault(node)[::2] == ((*HERE, *loc), kind)


@pytest.mark.parametrize(
    ("filters", "loc", "kind"),
    [
        ([], (), "dict_type"),
        ("a", (), "dict_type"),
        ({"AND": "a"}, ("AND",), "list_type"),
        ({"OR": [None]}, ("OR", 0), "dict_type"),
        ({"NOT": [{"f": 1}, 5]}, ("NOT", 1), "dict_type"),
        ({"case_sensitive": "yes"}, ("case_sensitive",), "bool_type"),
        ({"f": [1]}, ("f",), "scalar_type"),
        ({"f": {"type": "dynamic"}}, ("f",), "dynamic"),
        ({"a..b": 1}, ("a..b",), "path"),
        ({"\ud800": 1}, (), "string_unicode"),
        ({"created_at": "x"}, ("created_at",), "datetime_parsing"),
        ({"OR": [{"AND": {"NOT": [{"f": {}}]}}]}, ("OR", 0, "AND", "NOT", 0, "f"), "scalar_type"),
    ],
)
def test_a_fault_in_a_logical_is_shown_at_its_node(filters: Any, loc: tuple[str | int, ...], kind: str) -> None:
    assert fault(filters)[::2] == ((*HERE, *loc), kind)


def test_the_unknown_operator_is_told_the_known_ones() -> None:
    message = fault({"field": "f", "operator": "like", "value": 1}).msg
    assert all(operator in message for operator in OPERATORS)


def test_re2_says_what_is_wrong_with_a_pattern() -> None:
    assert "missing )" in fault({"field": "f", "operator": "regex", "value": "(a"}).msg


def test_depth_eight_is_the_limit() -> None:
    assert parsed(nested(8)) == parsed(nested(1))
    issue = fault(nested(9))
    assert issue.loc == HERE + ("AND", 0) * 8
    assert "8" in issue.msg


def test_a_hundred_conditions_are_the_limit() -> None:
    many = [{"field": "f", "value": at} for at in range(99)]
    assert parsed({"g": 1, "AND": many}) is not None
    issue = fault({"g": 1, "AND": [*many, {"h": 1}]})
    assert issue.loc == (*HERE, "AND", 99, "h")
    assert "100" in issue.msg


def test_limits_are_inclusive() -> None:
    assert parsed({"field": "f", "operator": "in", "value": list(range(1000))}) is not None
    assert parsed({"a" * 255: "b" * 4096}) is not None
    assert parsed({"field": "f", "operator": "regex", "value": "a" * 256}) is not None
