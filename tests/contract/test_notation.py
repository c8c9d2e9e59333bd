"""The reduction of OpenAPI documents and their comparison, on documents small enough to read."""

import copy
from typing import Any

import pytest

from contract.comparison import differences
from contract.notation import Document, as_field, reduce, references

TYPES = [
    ({"type": "integer"}, "integer"),
    ({}, "any"),
    ({"anyOf": [{"type": "null"}, {"type": "string", "format": "date-time"}]}, "string:date-time|null"),
    ({"type": "array", "items": {"$ref": "#/components/schemas/B"}}, "[B]"),
    ({"type": "object", "additionalProperties": True}, "object"),
    ({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}}, "{[number]}"),
    ({"anyOf": [{"$ref": "#/x/B-Input"}, {}, {"type": "null"}]}, "any|null"),
    ({"oneOf": [{"$ref": "#/x/app__B"}, {"$ref": "#/x/A-Output"}]}, "A|B"),
    ({"const": "dynamic"}, "string"),
]


def _document(request: Document, fields: Document, required: list[str] | None = None) -> Document:
    """An API of one operation, whose body is the schema `A`."""
    operation = {
        "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "default": 5}}],
        "requestBody": {"content": {"application/json": {"schema": request}}},
        "responses": {"200": {"content": {"application/json": {"schema": request}}}, "204": {}},
    }
    schema = {"type": "object", "properties": fields, "required": required or []}
    return {"paths": {"/v1/x": {"post": operation}}, "components": {"schemas": {"A": schema}}}


def _table(**fields: Any) -> Document:
    return reduce(_document({"$ref": "#/components/schemas/A"}, fields))


@pytest.mark.parametrize(("schema", "type_"), TYPES)
def test_a_type_has_one_notation(schema: Document, type_: str) -> None:
    assert _table(f=schema)["schemas"]["A"]["fields"]["f"] in (type_, {"type": type_, "enum": ["dynamic"]})


def test_an_operation_is_its_bodies_and_query_parameters() -> None:
    table = reduce(_document({"type": "object"}, {"f": {"type": "string"}}, ["f"]))
    assert table == {
        "operations": {
            "POST /v1/x": {
                "request": "object",
                "responses": {"200": "object", "204": None},
                "query": {"limit": {"type": "integer", "default": 5}},
            }
        },
        "schemas": {"A": {"fields": {"f": "string!"}}},
    }


def test_limits_and_values_are_found_inside_unions() -> None:
    field = {"anyOf": [{"type": "string", "enum": ["a", "b"], "maxLength": 3}, {"type": "null"}]}
    assert _table(f=field)["schemas"]["A"]["fields"]["f"] == {
        "type": "string|null",
        "enum": ["a", "b"],
        "maxLength": 3,
    }


def test_the_two_directions_of_a_schema_are_one_unless_they_differ() -> None:
    document = _document({"$ref": "#/components/schemas/A-Input"}, {})
    schemas = document["components"]["schemas"]
    schemas["A-Input"] = schemas["A-Output"] = schemas.pop("A")
    assert list(reduce(document)["schemas"]) == ["A"]
    schemas["A-Output"] = {"properties": {"id": {"type": "string"}}}
    assert list(reduce(document)["schemas"]) == ["A-Input", "A-Output"]


def test_a_field_has_a_long_form() -> None:
    assert as_field("string!") == {"type": "string", "required": True}
    assert as_field({"type": "integer", "default": 1}) == {"type": "integer", "default": 1, "required": False}
    assert references("{[A]}|B|null") == {"A", "B", "null"}


def test_more_than_theirs_is_no_difference() -> None:
    theirs = _table(f={"type": "integer"}, e={"enum": ["a"], "type": "string"})
    ours = _table(f={"type": "integer", "minimum": 1}, e={"enum": ["a", "b"], "type": "string"}, g={"type": "string"})
    assert differences(theirs, ours, {}) == {}


CHANGES = [
    ({"f": {"type": "string", "default": 5}}, "A.f type"),
    ({"f": {"type": "integer"}}, "A.f default"),
    ({"f": {"type": "integer", "default": True}}, "A.f default"),
    ({"f": {"type": "integer", "default": 5, "maximum": 9}}, "A.f minimum"),
    ({}, "A.f missing"),
    ({"e": {"type": "string", "enum": ["b"]}}, "A.e enum"),
]


@pytest.mark.parametrize(("fields", "where"), CHANGES)
def test_a_field_that_differs_is_found(fields: Document, where: str) -> None:
    theirs = {"f": {"type": "integer", "default": 5, "minimum": 1}, "e": {"type": "string", "enum": ["a"]}}
    kept = {name: field for name, field in theirs.items() if name != where[2]}
    assert where in differences(_table(**theirs), _table(**{**kept, **fields}), {})


def test_a_change_of_an_operation_is_found() -> None:
    theirs = _table(f={"type": "integer"})
    ours = copy.deepcopy(theirs)
    operation = ours["operations"]["POST /v1/x"]
    operation["request"] = "B"
    del operation["responses"]["204"]
    operation["query"]["limit"]["type"] = "integer!"
    assert differences(theirs, ours, {}).keys() == {
        "POST /v1/x request",
        "POST /v1/x 204 missing",
        "POST /v1/x ?limit required",
    }
    del ours["operations"]["POST /v1/x"]
    assert differences(theirs, ours, {}) == {"POST /v1/x missing": "not served"}


def test_a_schema_under_another_name_is_compared_there() -> None:
    theirs = _table(f={"type": "integer"})
    ours = reduce(_document({"$ref": "#/components/schemas/B"}, {}))
    ours["schemas"] = {"B": {"fields": {"f": "string"}}}
    assert differences(theirs, ours, {"A": "B"}) == {"A.f type": "'integer' there, 'string' here"}
    assert "A missing" in differences(theirs, ours, {})
    one_way = differences(theirs, ours, {"A-Output": "B"})
    assert one_way.keys() == {"POST /v1/x request", "A missing", "A.f type"}
