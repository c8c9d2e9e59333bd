"""What no request waits for: taking away vectors and documents that nothing leads to, and compacting what stays.

Each part does a little at a time and can be cut off anywhere: the next round goes on. A worker does it now and then.
"""

import logging
import shutil
import time
from datetime import timedelta

import numpy as np
import orjson
from sqlalchemy import delete, select

from coterie.api.context import Services
from coterie.documents.collections import delete_documents
from coterie.documents.payload_indexes import fill
from coterie.jobs import queue
from coterie.kit.clock import iso
from coterie.store.hold import is_held
from coterie.store.tables import collections, documents, paths, retired_vectors, runs
from coterie.store.vectors import Space

log = logging.getLogger("coterie.documents")

GRACE = timedelta(hours=1)
"""How long a reader may take between reading a vector's key and reading the vector."""

LEFTOVER_SECONDS = 24 * 3600
"""Files of that age in the scratch folder were left behind by a crash."""

ROWS = 1_000


def upkeep(services: Services) -> None:
    """One round of everything, but while a backup is made."""
    with services.db.read() as tx:
        if is_held(tx):
            return
    delete_retired(services)
    delete_orphans(services)
    finish_indexes(services)
    sweep_folders(services)
    services.vectors.compact(lambda: _under_way(services))


def _under_way(services: Services) -> set[str]:
    with services.db.read() as tx:
        return set(tx.scalars(select(runs.c.id).where(runs.c.status.in_(queue.OPEN))))


def delete_retired(services: Services, grace: timedelta = GRACE) -> None:
    """Delete the vectors that were retired longer ago than `grace`."""
    before = iso(services.clock.now() - grace)
    due = select(retired_vectors).where(retired_vectors.c.retired_at <= before).order_by(retired_vectors.c.pk)
    while True:
        with services.db.read() as tx:
            rows = tx.execute(due.limit(ROWS)).all()
        if not rows:
            return
        keys: dict[Space, list[int]] = {}
        for row in rows:
            keys.setdefault(Space(row.namespace_id, row.collection_id, row.name), []).extend(orjson.loads(row.keys))
        for space, numbers in keys.items():
            services.vectors.delete(space, np.array(numbers, np.int64))
        with services.db.write() as tx:
            tx.execute(delete(retired_vectors).where(retired_vectors.c.pk.in_([row.pk for row in rows])))


def delete_orphans(services: Services) -> None:
    """Delete the documents of collections that are gone."""
    present = select(collections.c.id)
    orphaned = select(documents.c.collection_id).distinct().where(documents.c.collection_id.not_in(present))
    with services.db.read() as tx:
        left = tx.scalars(orphaned).all()
    for collection_id in left:
        delete_documents(services.db, collection_id)


def finish_indexes(services: Services) -> None:
    """Make the payload indexes whole whose making was cut off."""
    with services.db.read() as tx:
        unfinished = tx.scalars(select(paths.c.scope).where(paths.c.ready.is_(False)).distinct()).all()
    for collection_id in unfinished:
        fill(services.db, collection_id)


def sweep_folders(services: Services) -> None:
    """Delete the vectors of collections that are gone."""
    found = list(services.vectors.collections())
    with services.db.read() as tx:
        present = set(tx.scalars(select(collections.c.id)))
    for namespace_id, collection_id in found:
        if collection_id in present:
            continue
        if 0 < services.vectors.added(namespace_id, collection_id) < time.time() - GRACE.total_seconds():
            services.vectors.drop(namespace_id, collection_id)


def sweep_leftovers(services: Services) -> None:
    """Delete what a crash left in this worker's scratch folder."""
    others = (path for path in services.settings.scratch_dir.glob("[!.]*") if not path.name.startswith("run_"))
    for path in others:  # those of runs go by whether they are under way
        if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
            log.warning("removing %s, which a crash left behind", path.name)
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
