"""What a language model answered about a group: read leniently, checked strictly, made plain text."""

import html
import re
import unicodedata
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from coterie.labeling.unique import cut

MAX_LABEL = 80
MAX_SUMMARY = 600
MAX_KEYWORDS = 10
MAX_KEYWORD = 50
MAX_ANSWER = 20_000
"""Characters of an answer that are looked at."""

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.S | re.I)
_LABEL = re.compile(r'"label"\s*:\s*("[^"\\\x00-\x1f]*")')
"""A label in an object that has no end: small models repeat themselves until they are stopped."""

_TAG = re.compile(r"<[^<>]*>")
_LINK = re.compile(r"!?\[([^\]\[]*)\]\([^()]*\)")
_ADDRESS = re.compile(r"(?:\b[a-z][a-z0-9+.-]{1,20}:(?=[/\w])\S*|\bwww\.\S+)", re.I)
_SCHEMES = ("http", "https", "ftp", "file", "javascript", "data", "mailto", "vbscript", "blob", "ws", "wss")
_MARKUP = re.compile(r"[<>`*|\\{}\[\]]|_{2,}|~{2,}")


class BadAnswer(ValueError):
    """An answer that is of no use; the message tells the model why."""


def plain(text: str) -> str:
    """A text as one line without markup, links, control and invisible characters."""
    text = unicodedata.normalize("NFC", html.unescape(html.unescape(text[:MAX_ANSWER])))
    text = "".join(each if _is_visible(each) else " " if each.isspace() else "" for each in text)
    text = _LINK.sub(r"\1", _TAG.sub(" ", text))
    text = _ADDRESS.sub(lambda found: "" if _is_address(found[0]) else found[0], text)
    return re.sub(r"\s+", " ", _MARKUP.sub("", text)).lstrip("# ").strip(" \"'“”„«»")


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _is_address(text: str) -> bool:
    return "://" in text or text.lower().startswith("www.") or text.lower().partition(":")[0] in _SCHEMES


def _label(value: Any) -> Any:
    return plain(value).strip(" :;,.-–—") if isinstance(value, str) else value


def _summary(value: Any) -> Any:
    return cut(plain(value), MAX_SUMMARY) or None if isinstance(value, str) else value


def _keywords(value: Any) -> Any:
    words = re.split(r"[,;\n]", value) if isinstance(value, str) else value
    if not isinstance(words, list):
        return words
    found = [cut(plain(word), MAX_KEYWORD) for word in words[: 10 * MAX_KEYWORDS] if isinstance(word, str)]
    return list(dict.fromkeys(word for word in found if word))[:MAX_KEYWORDS]


class Answer(BaseModel):
    """A group's label, summary and keywords, in plain text within their limits."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    label: Annotated[str, BeforeValidator(_label), Field(min_length=1, max_length=MAX_LABEL)]
    summary: Annotated[str | None, BeforeValidator(_summary)] = None
    keywords: Annotated[list[str], BeforeValidator(_keywords), Field(max_length=MAX_KEYWORDS)] = []


def read_answer(text: str, nonce: str) -> Answer:
    """The answer in a text, which may stand amid prose. Raises BadAnswer: there is none, it has not the form asked for,
    it is empty or too long, or it holds the marks of the documents."""
    whole = _THOUGHT.sub("", text[:MAX_ANSWER])
    if not whole.strip():
        raise BadAnswer("the answer was empty")
    try:
        found = Answer.model_validate(_object_in(whole))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)[:3]
        said = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}" for fault in faults)
        raise BadAnswer(f"the JSON object was not as asked for ({said})") from None
    if nonce in found.label or nonce in (found.summary or "") or not any(map(str.isalnum, found.label)):
        raise BadAnswer("the label was not one: it names no subject")
    return found


def _object_in(text: str) -> dict[str, Any]:
    """The first JSON object of a text that has a label, or else the first one."""
    found: list[dict[str, Any]] = []
    ends = [at for at, letter in enumerate(text) if letter == "}"][-50:]
    for start in [at for at, letter in enumerate(text) if letter == "{"][:50]:
        for end in reversed(ends):
            if end > start and (read := _loads(text[start : end + 1])) is not None:
                found.append(read)
                break
    labelled = [each for each in found if "label" in each]
    if not found and (cut_short := _LABEL.search(text)):
        return {"label": orjson.loads(cut_short[1])}
    if not found:
        raise BadAnswer("the answer held no JSON object")
    return (labelled or found)[0]


def _loads(text: str) -> dict[str, Any] | None:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return read if isinstance(read, dict) else None
