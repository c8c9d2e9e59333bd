"""Asking about one group: retries, a token budget, one chance to repair an answer, and an end to it all.

Safe for several threads. Time and chance come from outside, so that tests need neither.
"""

import random
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from coterie.labeling.answers import Answer, BadAnswer, read_answer
from coterie.labeling.model import Model, ProviderError, Reply
from coterie.labeling.options import Options
from coterie.labeling.prompts import Message, Subject, messages, schema

ATTEMPTS = 5
BACKOFF_SECONDS = 1.0
MOST_BACKOFF = 30.0
MOST_RETRY_AFTER = 60.0
"""A provider that asks for a longer wait is asked again after this one."""

GIVE_UP = 5
"""Groups in a row that came to nothing, each after all its attempts: the provider is then left alone."""

LATE = "the time for labels is over (COTERIE_LABELING_STEP_SECONDS)"
CHARS_PER_TOKEN = 4
MAX_REPAIR = 2_000
"""Characters of a useless answer that are shown to the model again."""


class Stopped(Exception):
    """No more is asked; the message says why."""


class Unlabelled(Exception):
    """A group got no answer that is of use; the message says why."""


@dataclass
class Budget:
    """Tokens that may be spent, by what the provider counts or else by characters."""

    total: int
    spent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, tokens: int) -> bool:
        """Set tokens aside; False if there are not so many left."""
        with self._lock:
            if self.spent + tokens > self.total:
                return False
            self.spent += tokens
            return True

    def settle(self, taken: int, used: int) -> None:
        """Give back what was set aside and not used, or take what was used besides."""
        with self._lock:
            self.spent += used - taken


@dataclass
class Asker:
    """Asks a model about groups, within a budget and until it is stopped."""

    model: Model
    options: Options
    budget: Budget
    pause: Callable[[float], object] | None = None
    now: Callable[[], float] = time.monotonic
    dice: random.Random = field(default_factory=random.Random)
    requests: int = 0
    until: float = float("inf")
    _why: str | None = None
    _not_before: float = 0.0
    _failures: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def ask(self, subject: Subject, taken: Sequence[str] = ()) -> Answer:
        """What the model says of a group. Raises Stopped, Unlabelled."""
        nonce = secrets.token_hex(8)
        asked = messages(subject, self.options, nonce, taken)
        try:
            answer = self._answer(asked, nonce)
        except ProviderError as error:
            self._failed(error)
            raise Unlabelled(str(error)) from None
        except BadAnswer as error:
            raise Unlabelled(f"the model's answers were of no use: {error}") from None
        self._failures = 0
        return answer

    def stop(self, why: str) -> None:
        """Ask no more. Pauses end at once."""
        self._why = self._why or why
        self._stopping.set()

    @property
    def abandoned(self) -> bool:
        """Whether even the requests under way are of no interest any more: the time for all is over."""
        return self.now() >= self.until

    @property
    def stopped(self) -> str | None:
        """Why no more is asked, if so."""
        return self._why

    def _answer(self, asked: list[Message], nonce: str) -> Answer:
        reply = self._send(asked)
        try:
            return read_answer(reply.text, nonce)
        except BadAnswer as error:
            again = f"That was of no use: {error}. Answer once more, with the JSON object only."
            said = reply.text[:MAX_REPAIR] or "(nothing)"
            repair = [{"role": "assistant", "content": said}, {"role": "user", "content": again}]
            return read_answer(self._send([*asked, *repair]).text, nonce)

    def _send(self, asked: list[Message]) -> Reply:
        """An answer after as many attempts as it takes. Raises ProviderError, Stopped."""
        for attempt in range(ATTEMPTS):
            self._wait(self._not_before - self.now())
            try:
                return self._once(asked)
            except ProviderError as error:
                if not error.again or attempt == ATTEMPTS - 1:
                    raise
                self._wait(self._delay(attempt, error.retry_after))
        raise AssertionError  # the last attempt returns or raises

    def _once(self, asked: list[Message]) -> Reply:
        prompt = sum(len(message["content"]) for message in asked) // CHARS_PER_TOKEN
        taken = prompt + self.options.parameters.max_tokens
        self._check()
        if not self.budget.take(taken):
            self.stop("the run's token budget is spent (COTERIE_LABELING_TOKEN_BUDGET)")
            self._check()
        self.requests += 1
        used = prompt  # of a request that failed the prompt counts: it may have been read
        try:
            reply = self.model.complete(asked, schema(self.options))
            used = reply.tokens or prompt + len(reply.text) // CHARS_PER_TOKEN
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 - a client fails in ways of its own; its words may hold the key
            raise ProviderError(f"the request could not be made ({type(error).__name__})") from None
        finally:
            self.budget.settle(taken, used)
        return reply

    def _delay(self, attempt: int, retry_after: float | None) -> float:
        """Seconds to the next attempt: what the provider said, up to a limit, for all threads alike; else exponential
        backoff with full jitter."""
        if retry_after is None:
            return self.dice.uniform(0, min(MOST_BACKOFF, BACKOFF_SECONDS * 2**attempt))
        seconds = min(retry_after, MOST_RETRY_AFTER)
        self._not_before = max(self._not_before, self.now() + seconds)
        return seconds + self.dice.uniform(0, BACKOFF_SECONDS)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            (self.pause or self._stopping.wait)(seconds)
        self._check()

    def _check(self) -> None:
        if self.abandoned:
            self.stop(LATE)
        if self._why is not None:
            raise Stopped(self._why)

    def _failed(self, error: ProviderError) -> None:
        self._failures += 1
        if error.hopeless:
            self.stop(str(error))
        elif self._failures >= GIVE_UP:
            self.stop(f"{GIVE_UP} groups in a row came to nothing: {error}")
