"""One request to a language model by the `openai` client: Chat Completions at the provider's base URL, nowhere else."""

import time
from collections.abc import Callable, Iterator, Sequence
from email.utils import mktime_tz, parsedate_tz
from typing import Any

import httpx2
import openai
import orjson
from pydantic import BaseModel, Field, ValidationError

from coterie.labeling.model import ProviderError, Reply
from coterie.labeling.options import Parameters
from coterie.labeling.prompts import Message
from coterie.labeling.providers import Provider
from coterie.labeling.scrub import scrubbed

MAX_RESPONSE = 1 << 20
"""Bytes of a response that are read."""

RETRYABLE = frozenset({408, 409, 425, 429})
PLAIN, NEW_LIMIT, NO_TEMPERATURE = "plain", "max_completion_tokens", "no temperature"
"""What servers turn out not to take: structured answers, `max_tokens` by that name, a temperature."""


class _Said(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Said


class _Usage(BaseModel):
    total_tokens: int = Field(0, ge=0, le=10**9)


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class Chat:
    """A provider's model, to be asked from several threads. A request ends after so many `seconds`, however slowly its
    answer trickles in."""

    def __init__(self, provider: Provider, parameters: Parameters, seconds: float) -> None:
        self._provider = provider
        self._parameters = parameters
        self._refused: frozenset[str] = frozenset()
        hooks: dict[str, list[Callable[..., Any]]] = {"response": [_bounded(seconds)]}
        # The client's own base URL is named here, so that no variable of the environment decides it.
        self._client = openai.OpenAI(
            api_key=provider.key,
            base_url=provider.base_url or "https://api.openai.com/v1",
            max_retries=0,
            http_client=httpx2.Client(timeout=seconds, follow_redirects=False, event_hooks=hooks),
            default_headers={"Accept-Encoding": "identity"},
        )

    def complete(self, messages: Sequence[Message], schema: dict[str, Any]) -> Reply:
        while True:
            refused = self._refused
            try:
                return self._ask(messages, schema, refused)
            except openai.APIStatusError as error:
                found = _refusal(error, refused)
                if found is None:
                    raise self._told(error) from None
                self._refused |= {found}
            except (openai.OpenAIError, httpx2.HTTPError, _TooMuch) as error:
                slow = isinstance(error, openai.APITimeoutError | httpx2.TimeoutException | _TooMuch)
                said = "answered too slowly or too much" if slow else "could not be reached, or broke off"
                raise ProviderError(f"the provider {said}", again=True) from None

    def close(self) -> None:
        self._client.close()

    def _ask(self, messages: Sequence[Message], schema: dict[str, Any], refused: frozenset[str]) -> Reply:
        asked: dict[str, Any] = dict(self._parameters.extra())
        asked[NEW_LIMIT if NEW_LIMIT in refused else "max_tokens"] = self._parameters.max_tokens
        if NO_TEMPERATURE not in refused:
            asked["temperature"] = self._parameters.temperature
        if PLAIN not in refused:
            form = {"name": "group", "strict": True, "schema": schema}
            asked["response_format"] = {"type": "json_schema", "json_schema": form}
        made = self._client.chat.completions.with_raw_response.create(
            model=self._provider.model,
            messages=list(messages),  # type: ignore[arg-type]
            **asked,
        )
        try:
            read = _Completion.model_validate(orjson.loads(made.http_response.content))
        except (orjson.JSONDecodeError, ValidationError):
            raise ProviderError("the provider answered something that is no chat completion", again=True) from None
        choice = read.choices[0]
        tokens = read.usage.total_tokens if read.usage else 0
        return Reply(choice.message.content or "", tokens)

    def _told(self, error: openai.APIStatusError) -> ProviderError:
        """What became of a request, without anything that the provider should not have repeated."""
        status = error.status_code
        if status in (401, 403):
            return ProviderError(f"the provider refuses the key ({status}): check the server's settings", hopeless=True)
        if status in RETRYABLE or status >= 500:
            return ProviderError(
                f"the provider answered {status}", again=True, retry_after=_retry_after(error.response)
            )
        said = scrubbed(_message_of(error), (self._provider.key,))
        return ProviderError(f"the provider answered {status}: {said}", hopeless=status in (402, 404, 405))


class _TooMuch(Exception):
    """A response that is too long, in bytes or in seconds."""


class _Limited(httpx2.SyncByteStream):
    """A response's body up to MAX_RESPONSE bytes, and until a time."""

    def __init__(self, inner: httpx2.SyncByteStream, until: float) -> None:
        self._inner, self._until = inner, until

    def __iter__(self) -> Iterator[bytes]:
        total = 0
        for part in self._inner:
            total += len(part)
            if total > MAX_RESPONSE or time.monotonic() > self._until:
                raise _TooMuch
            yield part

    def close(self) -> None:
        self._inner.close()


def _bounded(seconds: float) -> Callable[[httpx2.Response], None]:
    def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _TooMuch  # what it is when unpacked has no limit; it was asked for as it is
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Limited(response.stream, time.monotonic() + seconds)

    return bound


def _refusal(error: openai.APIStatusError, refused: frozenset[str]) -> str | None:
    """What of a request the server does not take, if it can be left out."""
    if error.status_code not in (400, 422):
        return None
    said = _message_of(error).lower()
    wanted = []
    if NEW_LIMIT in said:
        wanted.append(NEW_LIMIT)
    if "temperature" in said:
        wanted.append(NO_TEMPERATURE)
    if (
        any(word in said for word in ("response_format", "json_schema", "schema", "grammar", "structured"))
        or not wanted
    ):
        wanted.insert(0, PLAIN)
    return next((each for each in wanted if each not in refused), None)


def _message_of(error: openai.APIStatusError) -> str:
    body = error.body
    found = body.get("message") if isinstance(body, dict) else body
    return found if isinstance(found, str) else ""


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds, where the provider says them, as a number or as a date (RFC 9110, section 10.2.3)."""
    said = response.headers.get("retry-after", "")
    try:
        date = parsedate_tz(said)
        seconds = float(said) if date is None else mktime_tz(date) - time.time()
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0.0) if seconds == seconds else None
