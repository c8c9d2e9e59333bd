"""A hold on upkeep: while a backup copies what the records named a while ago, nothing that waits to be deleted is."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, delete, select

from coterie.kit.ids import new_id
from coterie.store.db import Db
from coterie.store.dialects import upsert
from coterie.store.tables import settings

log = logging.getLogger("coterie.store")

HOLD = "upkeep.held_until."
SECONDS = 600
"""A hold that is not renewed for so long has ended with its process."""


@contextmanager
def held(db: Db) -> Iterator[Callable[[], bool]]:
    """Within it no worker's upkeep deletes anything. Yields what tells whether that was so all the time."""
    name, done = new_id(HOLD), threading.Event()
    until = [time.time() + SECONDS]
    _renew(db, name)

    def renew() -> None:
        while not done.wait(SECONDS / 4):
            try:
                _renew(db, name)
            except Exception:
                log.exception("the hold on the upkeep could not be renewed; it will be tried again")
            else:
                until.append(time.time() + SECONDS)

    def lasted() -> bool:
        ends = [*until[1:], time.time() + SECONDS]
        return all(after - SECONDS < before for before, after in zip(until, ends, strict=True))

    renewing = threading.Thread(target=renew, name="coterie-hold", daemon=True)
    renewing.start()
    try:
        yield lasted
    finally:
        done.set()
        renewing.join()
        with db.write() as tx:
            tx.execute(delete(settings).where(settings.c.name == name))


def is_held(tx: Connection) -> bool:
    """Whether someone holds the upkeep."""
    found = tx.scalars(select(settings.c.value).where(settings.c.name.startswith(HOLD, autoescape=True)))
    return any(float(until) > time.time() for until in found)


def _renew(db: Db, name: str) -> None:
    with db.write() as tx:
        made = upsert(tx.dialect, settings).values(name=name, value=str(time.time() + SECONDS))
        tx.execute(made.on_conflict_do_update(index_elements=["name"], set_={"value": made.excluded.value}))
