"""`filters` of a list request: JSON to tree, or a 422 that points at the very node.

Limits: logicals nest 8 deep (the top one is the first), 100 conditions (a shorthand pair is one), 255
characters of a path.
"""

from typing import Any, NamedTuple

from coterie.kit.errors import invalid
from coterie.listing.operands import OPERATORS, Draft, Loc, build_node, plain_string
from coterie.listing.tree import And, Listable, Node, Not, Or
from coterie.listing.values import MAX_PATH, is_path

MAX_DEPTH = 8
MAX_CONDITIONS = 100
_NO_INSTANTS = frozenset({"contains", "starts_with", "ends_with", "regex", "text", "exists", "is_null"})
"""The operators that see a timestamp as the text it is."""


def parse_filters(filters: object, profile: Listable, case_sensitive: bool, loc: Loc) -> Node | None:
    """The tree of a request's filters, None when they ask for nothing. Raises Invalid at the first fault."""
    if filters is None:
        return None
    node = _Parser(profile).node(filters, _Place(loc, 1, case_sensitive))
    return None if node == And(()) else node


def parse_path(path: object, profile: Listable, loc: Loc) -> str:
    """A dotted path with its alias resolved. Raises Invalid when it is none that a resource can have."""
    text = plain_string(path, loc)
    if not is_path(text):
        raise invalid(loc, f"A field is a dotted path of 1 to {MAX_PATH} characters without empty parts", "path")
    return profile.resolve(text)


def parse_flag(value: object, loc: Loc, default: bool) -> bool:
    """A boolean, or the default for null. Raises Invalid."""
    if value is None:
        return default
    if not isinstance(value, bool):
        raise invalid(loc, "Input should be true or false", "bool_type")
    return value


class _Place(NamedTuple):
    """Where in the filters a node stands, and what it inherits there."""

    loc: Loc
    depth: int
    case_sensitive: bool

    def at(self, *keys: str | int) -> Loc:
        return (*self.loc, *keys)


class _Parser:
    """One parse: the profile that names are resolved by, and how many conditions were seen."""

    def __init__(self, profile: Listable) -> None:
        self._profile = profile
        self._conditions = 0

    def node(self, node: object, place: _Place) -> Node:
        """A logical or a condition: what has `field` and one of `operator` and `value` is a condition
        anywhere.
        """
        if not isinstance(node, dict):
            raise invalid(place.loc, "Input should be an object: a condition, or AND, OR and NOT of them", "dict_type")
        for key in node:
            plain_string(key, place.loc)
        if "field" in node and ("operator" in node or "value" in node):
            return self._full(node, place)
        return self._logical(node, place)

    def _logical(self, node: dict[str, Any], place: _Place) -> Node:
        if place.depth > MAX_DEPTH:
            raise invalid(place.loc, f"Filters nest at most {MAX_DEPTH} deep", "too_deep")
        flag = parse_flag(node.get("case_sensitive"), place.at("case_sensitive"), place.case_sensitive)
        parts: list[Node] = []
        for key, value in node.items():
            below = _Place(place.at(key), place.depth + 1, flag)
            if key in ("AND", "OR", "NOT"):
                parts += _joined(key, self._nodes(value, below))
            elif key != "case_sensitive":
                parts.append(self._shorthand(key, value, below))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _nodes(self, value: object, place: _Place) -> tuple[Node, ...]:
        """The nodes of AND, OR or NOT: a list, a single node in its place, or null for none."""
        if value is None:
            return ()
        if isinstance(value, dict):
            return (self.node(value, place),)
        if not isinstance(value, list):
            raise invalid(place.loc, "Input should be a list of conditions", "list_type")
        return tuple(self.node(item, place._replace(loc=place.at(at))) for at, item in enumerate(value))

    def _shorthand(self, field: str, value: object, place: _Place) -> Node:
        self._count(place.loc)
        path = parse_path(field, self._profile, place.loc)
        return build_node("eq", self._draft(path, "eq", value, place.loc, place.case_sensitive))

    def _full(self, node: dict[str, Any], place: _Place) -> Node:
        self._count(place.loc)
        for key in node.keys() - {"field", "operator", "value", "case_sensitive"}:
            raise invalid(place.at(key), "A condition has field, operator and value only", "extra_forbidden")
        # The v1 API's own client writes `false` into every condition: here it cannot undo what encloses it.
        own = parse_flag(node.get("case_sensitive"), place.at("case_sensitive"), False)
        path = parse_path(node["field"], self._profile, place.at("field"))
        operator = node.get("operator", "eq")
        if operator not in OPERATORS:
            raise invalid(place.at("operator"), f"Input should be one of {', '.join(OPERATORS)}", "enum")
        if "value" not in node:
            raise invalid(place.at("value"), "A value is required; exists and is_null take true or false", "missing")
        draft = self._draft(path, operator, node["value"], place.at("value"), own or place.case_sensitive)
        return build_node(operator, draft)

    def _draft(self, path: str, operator: str, value: object, loc: Loc, case_sensitive: bool) -> Draft:
        timestamp = path in self._profile.timestamps and operator not in _NO_INSTANTS
        return Draft(path, value, loc, case_sensitive, timestamp)

    def _count(self, loc: Loc) -> None:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise invalid(loc, f"Filters hold at most {MAX_CONDITIONS} conditions", "too_many_conditions")


def _joined(key: str, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """What a part of a logical asks for; an empty list asks for nothing."""
    if not nodes or key == "AND":
        return nodes
    either = nodes[0] if len(nodes) == 1 else Or(nodes)
    return (either,) if key == "OR" else (Not(either),)
