"""Which workers are alive, by their heartbeats: for those who only look, without the job engine."""

import time

from sqlalchemy import func, select

from coterie.store.db import Db
from coterie.store.tables import workers


def count_alive(db: Db, grace_seconds: float, host: str | None = None) -> int:
    """How many workers, of one host or of all, were heard of within the grace time. Raises SQLAlchemyError."""
    heard = select(func.count()).select_from(workers).where(workers.c.seen_at >= time.time() - grace_seconds)
    with db.read() as tx:
        return tx.scalar(heard if host is None else heard.where(workers.c.host == host)) or 0
