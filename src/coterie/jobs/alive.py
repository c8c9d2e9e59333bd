"""Which workers are alive, by their heartbeats. Without the job engine, for those who only look."""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from coterie.store.db import Db
from coterie.store.tables import workers

LIVE_PROCESS_GRACES = 20
"""A silent worker whose process still runs on this machine gets so many times the grace."""


def host_of_this_process() -> str:
    """Within what process numbers mean one process each: the host's name and, on Linux, which start of which machine it
    is and the namespace of the numbers. Machines and containers may share their names."""
    name = socket.gethostname()
    with suppress(OSError):
        name += f" {Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    return name


def count_alive(db: Db, grace_seconds: float, host: str | None = None) -> int:
    """How many workers, of one host or of all, were heard of within the grace time. Raises SQLAlchemyError."""
    heard = select(func.count()).select_from(workers).where(workers.c.seen_at >= time.time() - grace_seconds)
    with db.read() as tx:
        return tx.scalar(heard if host is None else heard.where(workers.c.host == host)) or 0


def beat(tx: Connection, worker_id: str, workspace: str, memory: int, now: str) -> None:
    """Say that a worker of this process lives, and if nobody knows it what it can take."""
    seen = time.time()
    if not tx.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=seen)).rowcount:
        what = {"id": worker_id, "host": host_of_this_process(), "pid": os.getpid(), "started_at": now}
        tx.execute(insert(workers).values(**what, seen_at=seen, workspace=workspace, memory=memory))


def silent(tx: Connection, worker_id: str, grace_seconds: float) -> list[str]:
    """The workers, but for one, that are dead: the process of this machine is gone, or said nothing for so long.

    A process that runs may just be held up; but its number may also be another program's by now.
    """
    rows = tx.execute(select(workers).where(workers.c.id != worker_id)).all()
    return [row.id for row in rows if _is_silent(row, grace_seconds)]


def _is_silent(row: Row[Any], grace_seconds: float) -> bool:
    silence = time.time() - row.seen_at
    if row.host != host_of_this_process() or row.seen_at == 0:
        return bool(silence > grace_seconds)
    if row.pid == os.getpid() or _process_is_gone(row.pid):
        return True
    return bool(silence > grace_seconds * LIVE_PROCESS_GRACES)


def _process_is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
