"""What a job asks of whatever runs its stages."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

Poll = Callable[[float | None], None]
"""Called a few times a second while a stage runs, with its last reported share (0..1) or None.
It may raise to stop the stage."""


class StageError(Exception):
    """A stage refused its input or failed; `message` is fit for the user, `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class Executor(Protocol):
    """Runs a stage: a function named `package.module:function` that takes and returns plain JSON-like values
    (arrays pass as files) and reports its progress by a callback."""

    def run(self, stage: str, arguments: Mapping[str, Any], poll: Poll) -> Any:
        """The stage's result. Raises StageError, or whatever `poll` raised after the stage was stopped."""
        ...

    def map(
        self, stage: str, parts: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any], poll: Poll
    ) -> Iterator[Any]:
        """The results of a stage over parts, in their order: it is given those of a part beside the `arguments` common
        to all, and may have been moved to another machine, so that arrays pass by value and files do not exist. It
        may run more than once for a part, and shall give the same each time. Raises as `run` does."""
        ...

    def close(self) -> None:
        """Stop whatever runs."""
        ...
