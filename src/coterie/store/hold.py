"""A hold on upkeep: while a backup copies what the records named a while ago, nothing that waits to be deleted is."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, delete, select

from coterie.store.db import Db
from coterie.store.dialects import upsert
from coterie.store.tables import settings

HOLD = "upkeep.held_until"
SECONDS = 600
"""A hold that is not renewed for so long has ended with its process."""


@contextmanager
def held(db: Db) -> Iterator[None]:
    """Within it no worker's upkeep deletes anything."""
    done = threading.Event()
    _renew(db)

    def renew() -> None:
        while not done.wait(SECONDS / 4):
            _renew(db)

    renewing = threading.Thread(target=renew, name="coterie-hold", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        with db.write() as tx:
            tx.execute(delete(settings).where(settings.c.name == HOLD))


def is_held(tx: Connection) -> bool:
    """Whether someone holds the upkeep."""
    until = tx.scalar(select(settings.c.value).where(settings.c.name == HOLD))
    return until is not None and float(until) > time.time()


def _renew(db: Db) -> None:
    with db.write() as tx:
        made = upsert(tx.dialect, settings).values(name=HOLD, value=str(time.time() + SECONDS))
        tx.execute(made.on_conflict_do_update(index_elements=["name"], set_={"value": made.excluded.value}))
