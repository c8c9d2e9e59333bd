"""The child process: results, progress, errors, cancel, death."""

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from coterie.compute.executor import StageError
from coterie.compute.local import LocalExecutor

HERE = "compute_stages"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child finds the stages of `compute_stages.py`."""
    monkeypatch.syspath_prepend(os.path.dirname(__file__))


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor()
    yield made
    made.close()


def ignore(_share: float | None) -> None:
    """A poll that lets everything go on."""


def test_a_stage_returns_and_its_child_is_used_again(executor: LocalExecutor) -> None:
    first = executor.run(f"{HERE}:whoami", {"value": 1}, ignore)
    second = executor.run(f"{HERE}:whoami", {"value": 2}, ignore)
    assert (first["value"], second["value"]) == (1, 2)
    assert first["pid"] == second["pid"] != os.getpid()


def test_progress_reaches_the_poll(executor: LocalExecutor) -> None:
    seen: list[float | None] = []
    executor.run(f"{HERE}:progress", {}, seen.append)
    assert [share for share in seen if share is not None][-1] == 1.0


@pytest.mark.parametrize(
    ("stage", "code", "words"),
    [("refuse", "odd", "an odd thing"), ("crash", "internal", "ZeroDivisionError"), ("die", "child_died", "code 3")],
)
def test_what_goes_wrong_is_an_error_and_the_next_stage_runs(
    executor: LocalExecutor, stage: str, code: str, words: str
) -> None:
    with pytest.raises(StageError, match=words) as error:
        executor.run(f"{HERE}:{stage}", {}, ignore)
    assert error.value.code == code
    assert executor.run(f"{HERE}:whoami", {"value": 1}, ignore)["value"] == 1


def test_a_killed_child_is_told_as_want_of_memory(executor: LocalExecutor) -> None:
    with pytest.raises(StageError) as error:
        executor.run(f"{HERE}:wait_for_ever", {}, _kill_when_it_reports())
    assert error.value.code == "out_of_memory"


def test_a_poll_that_raises_ends_the_stage_and_its_child(executor: LocalExecutor) -> None:
    pids: list[int] = []

    def cancel(share: float | None) -> None:
        if share is not None:
            pids.append(int(share))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        executor.run(f"{HERE}:wait_for_ever", {}, cancel)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_the_interrupt_of_a_terminal_is_left_to_the_worker(executor: LocalExecutor) -> None:
    assert executor.run(f"{HERE}:interrupt", {}, ignore) == "goes on"


def test_a_stage_that_is_cut_off_by_the_close_stays_there(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both threads see the child's end at once: the one that runs it has nothing to do that could fail."""

    class Stays(BaseException): ...

    def stay() -> None:
        if executor._closing:
            raise Stays

    def discard(_child: object) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(executor, "_stay_if_closing", stay)
    monkeypatch.setattr(executor, "_discard", discard)
    running, left = threading.Event(), []

    def run() -> None:
        try:
            executor.run(f"{HERE}:wait_for_ever", {}, lambda share: share is not None and running.set())
        except (Stays, OSError) as error:
            left.append(type(error))

    job = threading.Thread(target=run)
    job.start()
    assert running.wait(60)
    executor.close()
    job.join()
    assert left == [Stays]


def _kill_when_it_reports() -> Callable[[float | None], None]:
    def poll(share: float | None) -> None:
        if share is not None:
            os.kill(int(share), signal.SIGKILL)

    return poll


def test_a_child_that_died_while_it_waited_fails_no_one(executor: LocalExecutor) -> None:
    first = executor.run(f"{HERE}:whoami", {"value": 1}, ignore)
    os.kill(first["pid"], signal.SIGKILL)
    executor._idle[0]._process.join(10)
    second = executor.run(f"{HERE}:whoami", {"value": 2}, ignore)
    assert second["value"] == 2
    assert second["pid"] != first["pid"]


def squares(executor: LocalExecutor, *numbers: int, poll: Callable[[float | None], None] = ignore) -> list[int]:
    parts = [{"number": number} for number in numbers]
    return [result for _, result in executor.map(f"{HERE}:square", parts, {"plus": 1}, poll)]


def test_parts_come_in_their_order_and_the_share_done_with_them(executor: LocalExecutor) -> None:
    shares: list[float | None] = []
    assert squares(executor, *range(8), poll=shares.append) == [number**2 + 1 for number in range(8)]
    told = [share for share in shares if share is not None]
    assert told == sorted(told)
    assert len(executor._idle) == 1


@pytest.mark.parametrize(("number", "code", "words"), [(-1, "odd", "an odd thing"), (100, "child_died", "code 3")])
def test_a_part_that_goes_wrong_ends_the_others(executor: LocalExecutor, number: int, code: str, words: str) -> None:
    seen: list[int] = []
    results = executor.map(f"{HERE}:square", [{"number": at} for at in (1, number, 2)], {"plus": 0}, ignore)
    with pytest.raises(StageError, match=words) as error:
        seen.extend(result for _, result in results)
    assert error.value.code == code
    assert seen == [1]
    assert squares(executor, 3) == [10]


def test_a_poll_that_raises_ends_the_parts(executor: LocalExecutor) -> None:
    calls: list[None] = []

    def cancel(_share: float | None) -> None:
        calls.append(None)
        raise InterruptedError

    parts = executor.map(f"{HERE}:wait_for_ever", [{}, {}], {}, cancel)
    with pytest.raises(InterruptedError):
        next(parts)
    assert len(calls) == 1
    assert not executor._busy
    assert not executor._idle
