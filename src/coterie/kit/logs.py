"""Lines of the log: the ids that they carry, their two forms, and what they never show."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from coterie.kit import tracing

LogFormat = Literal["text", "json"]

HIDDEN = "[secret]"
_SECRETS = re.compile(
    r"\b(?:sk[_-]|whsec_|AIza)[\w+/=-]{8,}"  # keys: of this service, of language models, of webhooks
    r"|(?<=/sign-in#)\S+"
    r"|(?<=/\d{10}/)[\w-]{43}(?=/)|(?<=Signature=)[^\s&]+"  # links that open without a key: our own, an object store's
    r"|(?<=://)[^\s/@]+(?=@)"  # who signs in, in a URL
    r"|(?i:(?<=bearer ))\S+"
)
_CHATTY = ("alembic", "uvicorn.error", "httpx", "httpcore", "urllib3", "numba", "dbos")
_BREAKS = str.maketrans({"\n": "\\n", "\r": "\\r"})

_ids: ContextVar[dict[str, str] | None] = ContextVar("ids", default=None)


@contextmanager
def carrying(ids: Mapping[str, str | None]) -> Iterator[None]:
    """Have the lines of what is done within carry these ids, beside those that they carry already."""
    token = _ids.set({**known_ids(), **_given(ids)})
    try:
        yield
    finally:
        _ids.reset(token)


def note(**ids: str | None) -> None:
    """Add ids to the innermost `carrying`, also for those who share it: a request's threads and its event loop."""
    within = _ids.get()
    if within is not None:
        within.update(_given(ids))


def known_ids() -> dict[str, str]:
    """The ids that a line written now would carry, but for the trace's."""
    return dict(_ids.get() or {})


def configure(level: str, form: LogFormat) -> None:
    """One line a record on standard error, warnings of libraries among them."""
    handler = logging.StreamHandler()
    handler.addFilter(CarryIds())
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("dbos").addHandler(logging.NullHandler())  # else it adds one of its own, of another form
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


class CarryIds(logging.Filter):
    """Adds `ids` to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.ids = {**known_ids(), **_given({"trace_id": tracing.trace_id()})}
        return True


class TextLines(logging.Formatter):
    """Time, level, logger, ids in brackets, message; a traceback follows on lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(shown_ids)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={value}" for name, value in _ids_of(record).items())
        record.shown_ids = f" [{ids}]" if ids else ""
        record.message = record.message.translate(_BREAKS)  # what a caller sent cannot look like another line
        return super().formatMessage(record)


class JsonLines(logging.Formatter):
    """An object a line: `time`, `level`, `logger`, `message`, the ids, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            **_ids_of(record),
        }
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line)


def without_secrets(text: str) -> str:
    """The text with HIDDEN in the place of whatever looks like a key or a password."""
    return _SECRETS.sub(HIDDEN, text)


def _ids_of(record: logging.LogRecord) -> dict[str, str]:
    ids: dict[str, str] = getattr(record, "ids", {})
    return ids


def _given(ids: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if value is not None}
