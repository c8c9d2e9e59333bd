"""An OpenAPI document reduced to what a client depends on: names, types, requiredness, defaults, limits and enums.

`reduce` turns a document into the table that `v1_api.json` holds for the v1 clusters API:

    {"operations": {"POST /v1/x": {"request": type, "responses": {"200": type or null}, "query": {name: field}}},
     "schemas": {name: {"fields": {name: field}} or {"enum": [...]} or {"type": type}}}

A type is written `integer|null`, `[string]` (array), `{number}` (object of numbers), `object`, `any`,
`string:date-time` or the name of a schema; the members of a union are sorted and null is last. A field is its type,
with `!` behind it when it is required, or `{"type": ..., "default": ..., "enum": [...], "minimum": ...}`.

FastAPI names a schema that differs between request and response `X-Input` and `X-Output`, and one whose name two
modules share `module__X`: both are `X` in types here, and the suffix stays in the name of a schema only where the two
really differ.
"""

from typing import Any

Document = dict[str, Any]

LIMITS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
)
SUFFIXES = ("-Input", "-Output")
METHODS = ("get", "put", "post", "patch", "delete")


def reduce(document: Document) -> Document:
    """The table of a whole OpenAPI 3.1 document."""
    operations = {
        f"{method.upper()} {path}": _operation(item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }
    return {"operations": operations, "schemas": _schemas(document["components"]["schemas"])}


def references(type_: str) -> set[str]:
    """The names in a type, those of schemas among them: `{A|[B]}|null` holds A, B and null."""
    for sign in "[]{}!":
        type_ = type_.replace(sign, "")
    return set(type_.split("|"))


def as_field(field: str | Document) -> Document:
    """A field in its long form, with `required` spelled out."""
    long = {"type": field} if isinstance(field, str) else dict(field)
    required = long["type"].endswith("!")
    return {**long, "type": long["type"].removesuffix("!"), "required": required}


def _operation(operation: Document) -> Document:
    query = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    return {
        "request": _content_type(operation.get("requestBody", {})),
        "responses": {status: _content_type(answer) for status, answer in operation["responses"].items()},
        "query": {
            parameter["name"]: _field(parameter["schema"], parameter.get("required", False)) for parameter in query
        },
    }


def _content_type(body: Document) -> str | None:
    """The type of a JSON body, None where there is none."""
    content = body.get("content", {}).get("application/json")
    return None if content is None else _type(content.get("schema", {}))


def _schemas(schemas: Document) -> Document:
    reduced = {name: _schema(schema) for name, schema in schemas.items()}
    result: Document = {}
    for name, schema in reduced.items():
        short = _short(name)
        twins = [reduced[short + suffix] for suffix in SUFFIXES if short + suffix in reduced]
        differ = len(twins) == 2 and twins[0] != twins[1]
        result[name if differ else short] = schema
    return dict(sorted(result.items()))


def _schema(schema: Document) -> Document:
    if "enum" in schema:
        return {"enum": schema["enum"]}
    if "properties" not in schema:
        return {"type": _type(schema)}
    required = schema.get("required", [])
    fields = {name: _field(field, name in required) for name, field in schema["properties"].items()}
    closed = {"closed": True} if schema.get("additionalProperties") is False else {}
    return {**closed, "fields": fields}


def _field(schema: Document, required: bool) -> str | Document:
    members = [schema, *schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]
    type_ = _type(schema) + ("!" if required else "")
    limits = {key: member[key] for member in members for key in LIMITS if key in member}
    enum = [value for member in members for value in _values(member)]
    extra: Document = {**limits, **({"enum": enum} if enum else {})}
    if schema.get("default") is not None:
        extra["default"] = schema["default"]
    return {"type": type_, **extra} if extra else type_


def _values(schema: Document) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", []))


def _type(schema: Document) -> str:
    if "$ref" in schema:
        return _short(schema["$ref"].rsplit("/", 1)[-1])
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return _union([_type(member) for member in schema[union]])
    kind = schema.get("type", "string" if "const" in schema else "any")
    if kind == "array":
        return f"[{_type(schema.get('items', {}))}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"{{{_type(values)}}}" if isinstance(values, dict) and values else "object"
    return f"{kind}:{schema['format']}" if "format" in schema else str(kind)


def _union(members: list[str]) -> str:
    """Members in an order of their own, without repetitions; a union with anything is anything."""
    flat = {part for member in members for part in _parts(member)}
    if "any" in flat:
        flat &= {"any", "null"}
    return "|".join(sorted(flat, key=lambda part: (part == "null", part)))


def _parts(type_: str) -> list[str]:
    """The members of a union that stands at the outermost level."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(type_):
        depth += (sign in "[{") - (sign in "]}")
        if sign == "|" and depth == 0:
            parts.append(type_[start:at])
            start = at + 1
    return [*parts, type_[start:]]


def _short(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name.rsplit("__", 1)[-1]
