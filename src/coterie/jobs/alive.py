"""Which workers are alive, by their heartbeats: for those who only look, without the job engine."""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import func, select

from coterie.store.db import Db
from coterie.store.tables import workers


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
