"""Work in threads, with one BLAS thread in each: results then do not depend on how many there are."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from threadpoolctl import threadpool_limits

_bound: int | None = None


def cores() -> int:
    """The processors that this process may use."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(here, _bound or here)


def bound(threads: int) -> None:
    """Use no more processors than so many from now on: the others of the machine are given to others."""
    global _bound
    _bound = threads


class Workers:
    """Threads for as long as a `with` lasts."""

    def __init__(self, threads: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads or cores())

    def __enter__(self) -> "Workers":
        self._limits = threadpool_limits(1, "blas")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._limits.restore_original_limits()

    def each(self, work: Callable[..., object], tasks: Iterable[tuple[Any, ...]]) -> None:
        """Call `work` with each task's arguments. Raises the first error that one of them raised."""
        for _ in self._pool.map(lambda arguments: work(*arguments), tasks):
            pass
