"""How the language reads a resource: the values at a path, their leaves, and what makes two of them equal.

Everything that must mean the same in Python and in SQL stands here: case folding, words, instants, numbers,
paths.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from coterie.listing.tree import Kind, Scalar

MAX_PATH = 255
"""Characters of a dotted path. A longer one in a resource is there, but no request can name it."""

_INT64 = range(-(2**63), 2**63)
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_WORD = re.compile(r"\w+")
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?", flags=re.ASCII
)


class Leaf(NamedTuple):
    """One scalar at a path; `element` says that an array holds it directly, which is what `contains` asks
    for.
    """

    kind: Kind
    value: Scalar
    element: bool


_MISSING = Leaf("z", None, False)


def fold(text: str) -> str:
    """The form in which two strings are equal when case does not matter.

    Unicode's full case folding between two NFC normalisations (The Unicode Standard 15.0, section 3.13,
    definition D145, with NFC for NFD): `STRASSE` equals `straße`, and `é` equals `É` however composed.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def words(text: str) -> frozenset[str]:
    r"""The runs of `\w` in the text: letters, digits and underscores of any script."""
    return frozenset(_WORD.findall(text))


def instant(text: str) -> int | None:
    """Microseconds since 1970 UTC of an ISO 8601 date or date-time (RFC 3339 and what people leave out of
    it), or None.

    Without an offset it is UTC; a date is its midnight; digits past the microsecond are cut.
    """
    if not _INSTANT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    offset = moment.utcoffset() or timedelta()
    return (moment.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND


def number(value: int | float) -> int | float | None:
    """The number as every store holds it: a 64-bit integer as it is, a larger one as the nearest float.

    None for what is not finite or too large for a float.
    """
    if isinstance(value, int) and value in _INT64:
        return value
    try:
        rounded = float(value)
    except OverflowError:
        return None
    return rounded if math.isfinite(rounded) else None


def kind_of(value: Scalar) -> Kind:
    """The kind of a scalar; a boolean is not a number."""
    if value is None:
        return "z"
    if isinstance(value, bool):
        return "b"
    return "s" if isinstance(value, str) else "n"


def is_path(path: str) -> bool:
    """Whether a request can name this path: no empty segment, at most MAX_PATH characters."""
    return len(path) <= MAX_PATH and all(path.split("."))


def values_at(resource: object, path: str) -> list[object]:
    """Every value that the dotted path reaches, in no particular order.

    An array on the way fans out over its elements, nested arrays too; at the end of the path it is a value
    like another. A key with dots of its own is reached by the path it flattens to. Iterative, because a
    payload may be nested deeply.
    """
    found: list[object] = []
    stack: list[tuple[object, tuple[str, ...]]] = [(resource, tuple(path.split(".")))]
    while stack:
        value, rest = stack.pop()
        if not rest:
            found.append(value)
        elif isinstance(value, dict):
            stack += [(value[key], rest[cut:]) for cut, key in _heads(rest) if key in value]
        elif isinstance(value, list):
            stack += [(item, rest) for item in value]
    return found


def leaves(found: Iterable[object]) -> Iterator[Leaf]:
    """The scalars among the values found at a path, arrays taken apart; one null when nothing was found.

    An object and an empty array have no leaves, and neither has a number that no store can hold.
    """
    stack = [(value, False) for value in found]
    if not stack:
        yield _MISSING
    while stack:
        value, element = stack.pop()
        if isinstance(value, list):
            stack += [(item, True) for item in value]
        elif (leaf := leaf_of(value, element)) is not None:
            yield leaf


def leaf_of(value: object, element: bool) -> Leaf | None:
    """The leaf that a JSON value is; None for an object, an array or a number outside every store's range."""
    if value is None or isinstance(value, bool | str):
        return Leaf(kind_of(value), value, element)
    if isinstance(value, int | float) and (held := number(value)) is not None:
        return Leaf("n", held, element)
    return None


def strings(resource: object) -> Iterator[str]:
    """Every string in the resource but files in line: the letters of a `data:` URI are no one's words."""
    stack = [resource]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            if not value.startswith("data:"):
                yield value
        elif isinstance(value, list | dict):
            stack += value.values() if isinstance(value, dict) else value


def _heads(rest: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Each key that the next part of a path may be, with the number of segments it takes: `a`, `a.b`,
    `a.b.c`.
    """
    yield 1, rest[0]
    for cut in range(2, len(rest) + 1):
        yield cut, ".".join(rest[:cut])
