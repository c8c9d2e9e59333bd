"""Templates: text, or JSON with text in it, where `{{data.cluster_name}}` stands for a part of the event."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

MAX_TEMPLATE = 8192
MAX_PLACEHOLDERS = 100
MAX_RENDERED = 262_144
"""Bytes of what a template becomes."""

MAX_BLOCKS = 50
ROOTS = ("event_id", "event_type", "created_at", "namespace_id", "data")
"""The fields of an event."""

_PLACEHOLDER = re.compile(r"\{\{ {0,8}([\w.-]{1,255}) {0,8}\}\}", re.ASCII)
Escape = Callable[[str], str]


class TooLong(ValueError):
    """The template became longer than what is sent."""


def check_text(template: str) -> str:
    """The template itself. Raises ValueError for a placeholder that no event can fill, and for too many."""
    found = _PLACEHOLDER.findall(template)
    if len(found) > MAX_PLACEHOLDERS:
        raise ValueError(f"a template has at most {MAX_PLACEHOLDERS} placeholders")
    for path in found:
        if path.partition(".")[0] not in ROOTS:
            raise ValueError(f"'{{{{{path}}}}}' is no part of an event: a path begins with {', '.join(ROOTS)}")
    return template


def check_payload(template: dict[str, Any]) -> dict[str, Any]:
    """The template itself. Raises ValueError, for one that is too long too."""
    text = orjson.dumps(template)
    if len(text) > MAX_TEMPLATE:
        raise ValueError(f"a template is at most {MAX_TEMPLATE} bytes of JSON")
    check_text(text.decode())
    return template


def check_blocks(template: str) -> str:
    """The template itself. Raises ValueError unless it is a JSON list of objects."""
    try:
        blocks = orjson.loads(template)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"blocks_template is not valid JSON: {error}") from error
    if not isinstance(blocks, list) or len(blocks) > MAX_BLOCKS or not all(isinstance(each, dict) for each in blocks):
        raise ValueError(f"blocks_template is a JSON list of at most {MAX_BLOCKS} blocks")
    return check_text(template)


def render_text(template: str, event: Mapping[str, Any], escape: Escape) -> str:
    """The template with the event's values, escaped, in the placeholders' places. Raises TooLong."""
    text = _PLACEHOLDER.sub(lambda match: escape(_as_text(_value(event, match[1]))), template)
    if len(text) > MAX_RENDERED:
        raise TooLong(f"the template became longer than {MAX_RENDERED} characters")
    return text


def render_json(template: Any, event: Mapping[str, Any], escape: Escape | None = None) -> bytes:
    """The template's JSON with the event's values. A string that is one placeholder becomes the value itself, of
    whatever type, unless values are to be escaped. Raises TooLong.
    """
    text = orjson.dumps(_render(template, event, escape))
    if len(text) > MAX_RENDERED:
        raise TooLong(f"the template became longer than {MAX_RENDERED} bytes")
    return text


def _render(template: Any, event: Mapping[str, Any], escape: Escape | None) -> Any:
    if isinstance(template, dict):
        return {key: _render(value, event, escape) for key, value in template.items()}
    if isinstance(template, list):
        return [_render(value, event, escape) for value in template]
    if not isinstance(template, str):
        return template
    alone = _PLACEHOLDER.fullmatch(template)
    if alone and escape is None:
        return _value(event, alone[1])
    return render_text(template, event, escape or str)


def _value(event: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path, null where nothing does."""
    value: Any = event
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
