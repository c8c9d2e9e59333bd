"""What our API does differently from the v1 clusters API, as one line for each difference.

More is allowed: operations, statuses, fields, parameters, enum members and limits of ours, and a body that refuses
keys it does not know. What the v1 API has must be there under the same name, with the same type, requiredness, default
and stated limits.
"""

import re
from collections.abc import Iterator, Mapping

from contract.notation import LIMITS, SUFFIXES, Document, as_field, references

Differences = dict[str, str]
"""Where (`POST /v1/x ?limit type`, `Schema.field default`) to what."""


def differences(theirs: Document, ours: Document, renamed: Mapping[str, str]) -> Differences:
    """Every difference of the operations, and of the schemas that they reach.

    `theirs` and `ours` are tables (`notation.reduce`); `renamed` maps a schema's name of theirs to ours, with
    `-Input` or `-Output` behind it where that holds in one direction only.
    """
    comparison = _Comparison(theirs["schemas"], ours["schemas"], renamed)
    for name, operation in theirs["operations"].items():
        comparison.operation(name, operation, ours["operations"].get(name))
    return comparison.found


class _Comparison:
    """One walk over two tables; `found` grows as it goes."""

    def __init__(self, theirs: Document, ours: Document, renamed: Mapping[str, str]) -> None:
        self.found: Differences = {}
        self._theirs = theirs
        self._ours = ours
        self._renamed = renamed
        self._seen: set[tuple[str, str]] = set()

    def operation(self, name: str, theirs: Document, ours: Document | None) -> None:
        if ours is None:
            self.found[f"{name} missing"] = "not served"
            return
        self._body(f"{name} request", theirs["request"], ours["request"], "-Input")
        for status, type_ in theirs["responses"].items():
            if status not in ours["responses"]:
                self.found[f"{name} {status} missing"] = "not documented"
            else:
                self._body(f"{name} {status}", type_, ours["responses"][status], "-Output")
        self._fields(f"{name} ?", theirs["query"], ours["query"], "-Input")

    def _body(self, where: str, theirs: str | None, ours: str | None, direction: str) -> None:
        self._equal(where, self._our(theirs, direction), ours)
        for name in references(theirs or ""):
            self._schema(name, direction)

    def _schema(self, name: str, direction: str) -> None:
        """Compare a schema of theirs, once in each direction, and those that its fields name."""
        if (name, direction) in self._seen:
            return
        self._seen.add((name, direction))
        theirs = _named(self._theirs, name, direction)
        if theirs is None:
            return
        ours = _named(self._ours, self._our(name, direction) or name, direction)
        if ours is None:
            self.found[f"{name} missing"] = "no such schema"
            return
        self._members(name, theirs, ours, direction)
        for field in theirs.get("fields", {}).values():
            for reference in references(as_field(field)["type"]):
                self._schema(reference, direction)

    def _members(self, name: str, theirs: Document, ours: Document, direction: str) -> None:
        self._contains(f"{name} enum", theirs.get("enum", []), ours.get("enum", []))
        self._equal(f"{name} type", theirs.get("type"), ours.get("type"))
        if theirs.get("closed") and not ours.get("closed"):
            self.found[f"{name} closed"] = "other keys are refused there, accepted here"
        self._fields(f"{name}.", theirs.get("fields", {}), ours.get("fields", {}), direction)

    def _fields(self, prefix: str, theirs: Document, ours: Document, direction: str) -> None:
        for name, field in theirs.items():
            where = prefix + name
            if name not in ours:
                self.found[f"{where} missing"] = "no such field"
                continue
            expected, actual = as_field(field), as_field(ours[name])
            self._equal(f"{where} type", self._our(expected["type"], direction), actual["type"])
            self._contains(f"{where} enum", expected.get("enum", []), actual.get("enum", []))
            for key in ("required", "default", *_stated(expected)):
                self._equal(f"{where} {key}", expected.get(key), actual.get(key))

    def _our(self, type_: str | None, direction: str) -> str | None:
        """A type with their names replaced by ours."""
        for name in references(type_ or ""):
            ours = self._renamed.get(name + direction, self._renamed.get(name))
            if ours is not None:
                type_ = re.sub(rf"\b{name}\b", ours, type_ or "")
        return type_

    def _equal(self, where: str, theirs: object, ours: object) -> None:
        if theirs != ours or isinstance(theirs, bool) != isinstance(ours, bool):
            self.found[where] = f"{theirs!r} there, {ours!r} here"

    def _contains(self, where: str, theirs: list[object], ours: list[object]) -> None:
        missing = [member for member in theirs if member not in ours]
        if missing:
            self.found[where] = f"{missing!r} missing"


def _named(schemas: Document, name: str, direction: str) -> Document | None:
    """A schema that has the name in this direction, whether or not it differs in the other."""
    assert direction in SUFFIXES
    found: Document | None = schemas.get(name, schemas.get(name + direction))
    return found


def _stated(field: Document) -> Iterator[str]:
    return (key for key in LIMITS if key in field)
