"""The fifteen operators: what value each takes, and the node that it becomes.

Limits: 4,096 characters of a string value, 1,000 values of a list, 256 characters of a pattern.
"""

from collections.abc import Callable
from typing import NamedTuple

from coterie.kit.errors import invalid
from coterie.listing.patterns import MAX_PATTERN, BadPattern, compile_pattern
from coterie.listing.tree import Condition, Node, Not, Operand, Operator, Pair
from coterie.listing.values import fold, instant, kind_of, number, words

MAX_VALUES = 1_000
MAX_STRING = 4_096
OPERATORS = (
    "eq", "ne", "gt", "gte", "lt", "lte", "in", "nin",
    "contains", "starts_with", "ends_with", "regex", "text", "exists", "is_null",
)  # fmt: skip

Loc = tuple[str | int, ...]


class Draft(NamedTuple):
    """A condition whose value is still as the request gave it. At a `timestamp` its path holds instants."""

    path: str
    value: object
    loc: Loc
    case_sensitive: bool
    timestamp: bool

    def node(self, operator: Operator, operand: Operand = None, instant: bool = False) -> Condition:
        """The finished condition."""
        return Condition(self.path, operator, operand, self.case_sensitive, instant)


def build_node(operator: str, draft: Draft) -> Node:
    """The node of one of OPERATORS. Raises Invalid at the draft's loc when it can't take the value."""
    _refuse_dynamic(draft)
    return _BUILDERS[operator](draft)


def plain_string(value: object, loc: Loc) -> str:
    """The string, if every store can hold it: neither NUL nor half a surrogate pair. Raises Invalid."""
    if not isinstance(value, str):
        raise invalid(loc, "Input should be a string", "string_type")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise invalid(loc, "Strings may hold neither NUL nor lone surrogates", "string_unicode")
    return value


def _refuse_dynamic(draft: Draft) -> None:
    """A dynamic value is a placeholder that a retriever fills in from its inputs; a list request has no
    inputs.
    """
    if isinstance(draft.value, dict) and draft.value.get("type") == "dynamic":
        raise invalid(draft.loc, "A dynamic value has no meaning in a list request; send the value itself", "dynamic")


def _string(draft: Draft) -> str:
    text = plain_string(draft.value, draft.loc)
    if len(text) > MAX_STRING:
        raise invalid(draft.loc, f"A value has at most {MAX_STRING} characters", "string_too_long")
    return text


def _folded(draft: Draft) -> str:
    text = _string(draft)
    return text if draft.case_sensitive else fold(text)


def _scalar(draft: Draft) -> Pair:
    """A string, number, boolean or null, ready to compare."""
    value = draft.value
    if isinstance(value, str):
        return "s", _folded(draft)
    if value is None or isinstance(value, bool):
        return kind_of(value), value
    if isinstance(value, int | float):
        if (held := number(value)) is None:
            raise invalid(draft.loc, "Numbers are finite and within the range of a 64-bit float", "finite_number")
        return "n", held
    _refuse_dynamic(draft)
    raise invalid(draft.loc, 'Input should be a scalar; use {"operator": "in"} for a list of them', "scalar_type")


def _comparable(draft: Draft) -> Pair:
    """A scalar as the field's leaves are compared with it; at a timestamp's path, an instant or null."""
    if not draft.timestamp or draft.value is None:
        return _scalar(draft)
    moment = instant(draft.value) if isinstance(draft.value, str) else None
    if moment is None:
        raise invalid(draft.loc, "Input should be a timestamp such as 2025-01-31T12:00:00Z", "datetime_parsing")
    return "s", moment


def _eq(draft: Draft) -> Node:
    return draft.node("in", frozenset({_comparable(draft)}), draft.timestamp)


def _in(draft: Draft) -> Node:
    values = draft.value
    if not isinstance(values, list):
        raise invalid(draft.loc, "Input should be a list of scalars", "list_type")
    if len(values) > MAX_VALUES:
        raise invalid(draft.loc, f"A list has at most {MAX_VALUES} values", "too_long")
    parts = (draft._replace(value=value, loc=(*draft.loc, at)) for at, value in enumerate(values))
    return draft.node("in", frozenset(map(_comparable, parts)), draft.timestamp)


def _ordered(operator: Operator) -> Callable[[Draft], Node]:
    def build(draft: Draft) -> Node:
        if draft.value is None or isinstance(draft.value, bool):
            raise invalid(draft.loc, "Order is defined for numbers, strings and timestamps", "not_ordered")
        return draft.node(operator, _comparable(draft), draft.timestamp)

    return build


def _contains(draft: Draft) -> Node:
    if draft.value is None:
        raise invalid(draft.loc, "Input should be a string, number or boolean", "scalar_type")
    return draft.node("contains", _scalar(draft))


def _text(draft: Draft) -> Node:
    wanted = words(_folded(draft))
    if not wanted:
        raise invalid(draft.loc, "Input should hold at least one word", "no_words")
    return draft.node("text", tuple(sorted(wanted)))


def _regex(draft: Draft) -> Node:
    pattern = plain_string(draft.value, draft.loc)
    if len(pattern) > MAX_PATTERN:
        raise invalid(draft.loc, f"A pattern has at most {MAX_PATTERN} characters", "string_too_long")
    try:
        compile_pattern(pattern, draft.case_sensitive)
    except BadPattern as error:
        raise invalid(draft.loc, f"Input should be an RE2 pattern: {error}", "regex") from None
    return draft.node("regex", pattern)


def _exists(wanted: bool) -> Callable[[Draft], Node]:
    """A builder of `exists` or its negation: the value that asks for presence is `wanted`."""

    def build(draft: Draft) -> Node:
        if not isinstance(draft.value, bool):
            raise invalid(draft.loc, "Input should be true or false", "bool_type")
        present = Condition(draft.path, "exists")
        return present if draft.value is wanted else Not(present)

    return build


_BUILDERS: dict[str, Callable[[Draft], Node]] = {
    "eq": _eq,
    "ne": lambda draft: Not(_eq(draft)),
    "gt": _ordered("gt"),
    "gte": _ordered("gte"),
    "lt": _ordered("lt"),
    "lte": _ordered("lte"),
    "in": _in,
    "nin": lambda draft: Not(_in(draft)),
    "contains": _contains,
    "starts_with": lambda draft: draft.node("starts_with", _folded(draft)),
    "ends_with": lambda draft: draft.node("ends_with", _folded(draft)),
    "regex": _regex,
    "text": _text,
    "exists": _exists(True),
    "is_null": _exists(False),
}
