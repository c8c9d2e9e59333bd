"""The API's own document as a page to read: no script, nothing from elsewhere.

The usual viewers load their code from a distributor's host, onto the origin that the console's session belongs to.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Coterie: API</title>
<link rel="icon" href="/favicon.svg">
<link rel="stylesheet" href="/reference.css">
</head>
<body>
"""
METHODS = ("get", "post", "put", "patch", "delete")

Document = Mapping[str, Any]


def reference(document: Document) -> bytes:
    """An OpenAPI 3.1 document as HTML: the operations by tag, each with its parameters and the fields of its body."""
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method in METHODS:
            if operation := operations.get(method):
                tag = (operation.get("tags") or ["Other"])[0]
                by_tag.setdefault(tag, []).append(_operation(document, path, method, operation))
    links = " ".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in by_tag)
    parts = [
        HEAD,
        f"<header><h1>{escape(document['info']['title'])} <small>{escape(document['info']['version'])}</small></h1>",
        f"<p>{escape(document['info'].get('description', ''))}</p>",
        '<p>For programs: <a href="/openapi.json">openapi.json</a>. To look at: <a href="/">the console</a>.</p>',
        f"<nav>{links}</nav></header><main>",
        *(f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>{"".join(found)}' for tag, found in by_tag.items()),
        "</main></body></html>",
    ]
    return "".join(parts).encode()


def _operation(document: Document, path: str, method: str, operation: Document) -> str:
    about = operation.get("description") or operation.get("summary", "")
    rows = [
        _row(each["name"], each["in"], each.get("schema", {}), each.get("required", False), each.get("description"))
        for each in operation.get("parameters", ())
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        rows += _fields(document, kind, content.get("schema", {}))
    table = f"<table><tbody>{''.join(rows)}</tbody></table>" if rows else ""
    name = f"<b>{method.upper()}</b> <code>{escape(path)}</code> <span>{escape(operation.get('summary', ''))}</span>"
    answers = ", ".join(operation.get("responses", {}))
    return f"<details><summary>{name}</summary><p>{escape(about)}</p>{table}<p>Answers: {escape(answers)}</p></details>"


def _fields(document: Document, kind: str, schema: Document) -> Iterator[str]:
    whole = _resolved(document, schema)
    if not whole.get("properties"):
        yield _row("body", kind, whole, True, whole.get("description"))
    for name, each in whole.get("properties", {}).items():
        yield _row(name, "body", each, name in whole.get("required", ()), each.get("description"))


def _row(name: str, place: str, schema: Document, required: bool, about: str | None) -> str:
    told = "required" if required else f"default {schema['default']}" if schema.get("default") is not None else ""
    cells = (place, _type(schema), told, about or "")
    return f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _type(schema: Document) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(map(_type, choices))
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    return str(schema.get("const", schema.get("type", "any")))


def _resolved(document: Document, schema: Document) -> Document:
    if "$ref" not in schema:
        return schema
    found: Document = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _anchor(tag: str) -> str:
    return escape(tag.lower().replace(" ", "-"))
