"""Stages for the tests of the executor."""

import os
import signal
import threading
from collections.abc import Callable

from coterie.compute.executor import StageError

Report = Callable[[float], None]


def whoami(report: Report, *, value: int) -> dict[str, int]:
    return {"pid": os.getpid(), "value": value}


def progress(report: Report) -> None:
    for share in (0.25, 0.5, 1.0):
        report(share)


def refuse(report: Report) -> None:
    raise StageError("odd", "an odd thing")


def crash(report: Report) -> float:
    return 1 / 0


def die(report: Report) -> None:
    os._exit(3)


def interrupt(report: Report) -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "goes on"


def wait_for_ever(report: Report) -> None:
    report(float(os.getpid()))
    threading.Event().wait()


def square(report: Report, *, number: int, plus: int) -> tuple[int, int]:
    if number < 0:
        raise StageError("odd", "an odd thing")
    if number > 99:
        os._exit(3)
    return os.getpid(), number**2 + plus
