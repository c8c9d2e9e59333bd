"""What a job asks of whatever runs its stages."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Poll = Callable[[float | None], None]
"""Called a few times a second while a stage runs, with its last reported share (0..1) or None.
It may raise to stop the stage."""


class StageError(Exception):
    """A stage refused its input or failed; `message` is fit for the user, `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Executor(Protocol):
    """Runs a stage: a function named `package.module:function` that takes and returns plain JSON-like values
    (arrays pass as files) and reports its progress by a callback."""

    def run(self, stage: str, arguments: Mapping[str, Any], poll: Poll) -> Any:
        """The stage's result. Raises StageError, or whatever `poll` raised after the stage was stopped."""
        ...

    def close(self) -> None:
        """Stop whatever runs."""
        ...
