"""What labels ask of a language model, whoever runs it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from coterie.labeling.prompts import Message


class ProviderError(Exception):
    """The provider gave no answer. `again`: it may give one later, after `retry_after` seconds if it said so;
    `hopeless`: it will refuse every request like this one. The message is fit to be shown."""

    def __init__(
        self, message: str, *, again: bool = False, hopeless: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.again, self.hopeless, self.retry_after = again, hopeless, retry_after


class Reply(NamedTuple):
    """A text, and the tokens that the provider counted, 0 if it did not."""

    text: str
    tokens: int


class Model(Protocol):
    """Whatever answers messages."""

    def complete(self, messages: Sequence[Message], schema: dict[str, Any]) -> Reply:
        """One answer. Raises ProviderError."""
        ...

    def close(self) -> None:
        """End what is under way."""
        ...
