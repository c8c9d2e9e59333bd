"""Stages in a child process of this one: started afresh (spawned, never forked), kept warm, killed to cancel.

A child that is killed for its memory ends one stage, not the worker. A child whose parent is gone ends itself.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from coterie.compute.executor import Poll, StageError
from coterie.compute.peak import peak_bytes, restart_peak
from coterie.compute.stage import call, call_for_part
from coterie.kit import metrics, telemetry
from coterie.kit.telemetry import Telemetry

log = logging.getLogger("coterie.compute")

POLL_SECONDS = 0.2
NICENESS = 10
"""Below the server beside it: a child that computes then costs the API a fifth of its speed, not a third."""


class LocalExecutor:
    """One warm child a thread of jobs; a stage at a time in each."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._lock = threading.Lock()
        self._closing = False

    def run(self, stage: str, arguments: Mapping[str, Any], poll: Poll) -> Any:
        with self._child() as child:
            result = child.call("run", stage, arguments, poll)
        return _unwrap(result)

    def map(
        self, stage: str, parts: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any], poll: Poll
    ) -> Iterator[Any]:
        """One part after the other, in one child: a stage uses every processor by itself."""
        with self._child() as child:
            result = child.call("common", stage, arguments, poll)
            for number, part in enumerate(parts):
                result = child.call("part", stage, part, partial(_poll_share, poll, number / len(parts)))
                if result[0] == "error":
                    break
                yield result[1]
            child.call("common", stage, {}, poll)  # it lets go of them
        _unwrap(result)

    def close(self) -> None:
        """Kill every child. The process must end next: what waits in `run` then waits for ever."""
        with self._lock:
            self._closing = True
            children = [*self._idle, *self._busy]
        for child in children:
            child.end()

    def _stay_if_closing(self) -> None:
        # A stage that was killed because the worker stops has not failed, and an error that left this function would
        # be recorded as the step's result. The process ends while the job waits here, and another one repeats the step.
        if self._closing:
            threading.Event().wait()

    @contextmanager
    def _child(self) -> Iterator["_Child"]:
        """A child for as long as nothing goes wrong with it."""
        child = self._take()
        try:
            yield child
        except BaseException:
            self._stay_if_closing()
            self._discard(child)
            raise
        self._give_back(child)

    def _take(self) -> "_Child":
        self._stay_if_closing()
        with self._lock:
            child = next((child for child in iter(self._pop_idle, None) if child.is_alive()), None)
            child = child or _Child(self._context)
            self._busy.add(child)
        return child

    def _pop_idle(self) -> "_Child | None":
        return self._idle.pop() if self._idle else None

    def _give_back(self, child: "_Child") -> None:
        with self._lock:
            self._busy.discard(child)
            self._idle.append(child)

    def _discard(self, child: "_Child") -> None:
        child.discard()
        with self._lock:
            self._busy.discard(child)


class _Child:
    """A process that answers one call at a time over a pipe."""

    def __init__(self, context: multiprocessing.context.SpawnContext) -> None:
        self._pipe, theirs = context.Pipe()
        told = (theirs, telemetry.current())
        self._process = context.Process(target=serve_stages, args=told, name="coterie-stage", daemon=True)
        self._process.start()
        theirs.close()

    def is_alive(self) -> bool:
        """Whether the process can take a call: one that waited may have been killed for its memory."""
        return self._process.is_alive()

    def call(self, kind: str, stage: str, arguments: Mapping[str, Any], poll: Poll) -> tuple[str, Any]:
        """The child's last message: ("result", value) or ("error", (code, message)). It is to "run" a stage, to keep
        the arguments that are "common" to parts, or to run it for a "part"."""
        share: float | None = None
        self._send(kind, stage, arguments)
        while True:
            ready = wait([self._pipe, self._process.sentinel], timeout=POLL_SECONDS)
            if self._pipe in ready:
                answer, value = self._receive()
                if answer == "peak":
                    metrics.stage_peak_bytes.labels(stage.rpartition(":")[2]).observe(value)
                elif answer == "progress":
                    share = value
                else:
                    return answer, value
            elif ready:
                raise self._death()
            poll(share)

    def end(self) -> None:
        """Kill the process. The pipe stays: whoever waits at it would close it too, or meet another file's number."""
        self._process.kill()
        self._process.join(5)

    def discard(self) -> None:
        """Kill the process and let go of it, by the one who has called it."""
        self.end()
        self._pipe.close()

    def _send(self, kind: str, stage: str, arguments: Mapping[str, Any]) -> None:
        try:
            self._pipe.send((kind, stage, dict(arguments), telemetry.origin()))
        except (BrokenPipeError, OSError) as error:
            raise self._death() from error

    def _receive(self) -> tuple[str, Any]:
        try:
            message: tuple[str, Any] = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        return message

    def _death(self) -> StageError:
        self._process.join(5)
        code = self._process.exitcode
        if code == -9:
            return StageError(
                "out_of_memory",
                "the computation was killed, most likely for want of memory: "
                "set a sample_size, or use a worker with more memory",
            )
        return StageError("child_died", f"the computing process ended unexpectedly (exit code {code})")


def _unwrap(message: tuple[str, Any]) -> Any:
    kind, value = message
    if kind == "error":
        raise StageError(*value)
    return value


def _poll_share(poll: Poll, share: float, _: float | None) -> None:
    poll(share)


def serve_stages(pipe: Connection, told: Telemetry | None) -> None:
    """The child's life: take a call, run it, answer, until the parent is gone. It logs and traces as it is told."""
    if told is not None:
        telemetry.start(told, "stage")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all: the worker says what ends, and how
    os.nice(NICENESS)
    common: dict[str, Any] = {}
    while True:
        try:
            kind, stage, arguments, origin = pipe.recv()
        except EOFError:
            return
        if kind == "common":
            common = arguments
            pipe.send(("result", None))
            continue
        restart_peak()
        with telemetry.continued(origin, f"stage {stage.rpartition(':')[2]}") as span:
            try:
                if kind == "part":
                    answer = "result", call_for_part(stage, arguments, common)
                else:
                    answer = "result", call(stage, partial(_report, pipe), arguments)
            except StageError as error:
                span.fail(error.code)
                answer = "error", (error.code, error.message)
            log.debug("stage %s: %s", stage, answer[0])
        if (peak := peak_bytes()) is not None:
            pipe.send(("peak", peak))
        pipe.send(answer)


def _report(pipe: Connection, share: float) -> None:
    pipe.send(("progress", share))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)
