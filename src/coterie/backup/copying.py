"""Making a backup and reading it back.

The records are one snapshot; vectors and artifacts are copied after it. Both are only ever added to, and what the
records named at that moment stays for as long as the copying holds the upkeep, but for what people delete meanwhile:
that is noted, and deleted from the copy as it is read back. A backup counts once its manifest is there, the last file.
"""

from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from sqlalchemy import Connection, delete, select, update

import coterie
from coterie.api.context import Services
from coterie.backup.records import is_empty, load_records, save_records
from coterie.clusters.service import reindex
from coterie.documents.payload_indexes import follow_declaration
from coterie.jobs import queue
from coterie.kit.clock import iso
from coterie.kit.errors import CannotStart
from coterie.store import schema
from coterie.store.dialects import among, upsert
from coterie.store.hold import held
from coterie.store.storage import Storage
from coterie.store.tables import clusters, collections, namespaces, runs, sequences, tasks, triggers, webhooks
from coterie.store.vectors import VectorStore

MANIFEST = "manifest.json"
WITH_FILES = (namespaces, collections, clusters, runs)
CHUNK = 8 * 1024 * 1024
Tell = Callable[[str], None]
"""Called with what is being done."""


class BadBackup(CannotStart):
    """A place that is no backup, or not one for this service; the message says what to do."""


@dataclass(frozen=True)
class Copied:
    """What a backup holds; `gone` was deleted while it was made, and `sequences` go on after what was added meanwhile:
    vectors of documents that it has not may be among those that it has."""

    schema: str
    version: str
    created_at: str
    records: dict[str, int]
    vectors: int
    files: int
    gone: dict[str, list[str]]
    sequences: dict[str, int]


def back_up(services: Services, target: Storage, tell: Tell = print) -> Copied:
    """Copy everything to an empty place, while the service runs. Raises BadBackup, StorageFailed."""
    _require_apart(services, target)
    target.check()
    if next(iter(target.files()), None) is not None:
        raise BadBackup("there is something in that place already: name an empty one for each backup")
    created = iso(services.clock.now())
    with held(services.db) as lasted:
        tell("records")
        with services.db.read() as tx:
            named = _identities(tx)
            counts = save_records(tx, target)
        tell("vectors")
        vectors = _copy_vectors(services.vectors, VectorStore(target.below("vectors")), named["collections"])
        tell("artifacts")
        files = _copy_files(services.blobs, target.below("artifacts"))
        with services.db.read() as tx:
            left, following = _identities(tx), dict(tx.execute(select(sequences.c.name, sequences.c.next)).all())
        if not lasted():
            raise BadBackup(
                "the records could not be reached for so long that the upkeep may have gone on: begin again"
            )
    gone = {name: sorted(named[name] - left[name]) for name in named}
    copied = Copied(schema.HEAD, coterie.__version__, created, counts, vectors, files, gone, following)
    target.write(MANIFEST, orjson.dumps(copied))
    return copied


def restore(services: Services, source: Storage, *, paused: bool, tell: Tell = print) -> Copied:
    """Read a backup into a service that has nothing yet and does not run; with `paused` its triggers and webhooks are
    off. Jobs that were under way begin anew. Raises BadBackup, StorageFailed."""
    copied = find_backup(source)
    _require_apart(services, source)
    with services.db.read() as tx:
        if not is_empty(tx):
            raise BadBackup("there are records already: restore into an empty database and data folder")
    tell("vectors")
    vectors = VectorStore(source.below("vectors"))
    for key in list(vectors.storage.folders(3)):
        vectors.copy(key, services.vectors)
    tell("artifacts")
    _copy_files(source.below("artifacts"), services.blobs)
    tell("records")
    with services.db.write() as tx:
        load_records(tx, source, copied.records["last_document"])
        _settle(tx, copied, paused)
    tell("indexes")
    reindex(services.db)
    with services.db.read() as tx:
        declared = tx.scalars(select(namespaces.c.id)).all()
    for namespace_id in declared:
        follow_declaration(services.db, namespace_id)
    return copied


def find_backup(source: Storage) -> Copied:
    """What the backup in a place holds. Raises BadBackup."""
    try:
        copied = Copied(**orjson.loads(source.read(MANIFEST)))
    except FileNotFoundError as error:
        raise BadBackup(f"there is no backup in that place, or it was not finished: it has no {MANIFEST}") from error
    if copied.schema != schema.HEAD:
        raise BadBackup(
            f"the backup is of schema {copied.schema} and this Coterie's is {schema.HEAD}: restore it with Coterie "
            f"{copied.version}, and start the newer one on it then"
        )
    return copied


def _require_apart(services: Services, place: Storage) -> None:
    """Raise BadBackup for a place that is the service's own, or where its vectors and artifacts are."""
    own = (services.vectors.storage, services.blobs)
    for theirs in (place, place.below("vectors"), place.below("artifacts")):
        if any(f"{theirs.lance('-')[0]}/".startswith(each.lance("-")[0].removesuffix("-")) for each in own):
            raise BadBackup("that place is the service's own storage: a backup needs one apart from it")


def _identities(tx: Connection) -> dict[str, set[str]]:
    """What has files of its own, or is above what has."""
    return {str(table.name): set(tx.scalars(select(table.c.id))) for table in WITH_FILES}


def _copy_vectors(ours: VectorStore, theirs: VectorStore, own: Container[str]) -> int:
    """Copy the vectors of those collections, but for those that are deleted meanwhile; how many there were."""
    rows = 0
    for key in list(ours.storage.folders(3)):
        if key.split("/")[1] not in own:
            continue
        try:
            rows += ours.copy(key, theirs)
        except OSError:
            if ours.storage.added(key):  # it is there: this is another fault
                raise
    return rows


def _copy_files(ours: Storage, theirs: Storage) -> int:
    """Copy all files but those that are deleted meanwhile; how many there were."""
    files = 0
    with TemporaryDirectory(prefix="coterie-backup-") as folder:
        for key in list(ours.files()):
            with suppress(FileNotFoundError):
                _fetch(ours, key, Path(folder) / "file")
                theirs.publish(key, Path(folder) / "file")
                files += 1
    return files


def _fetch(storage: Storage, key: str, path: Path) -> None:
    if storage.size(key) <= CHUNK:
        path.write_bytes(storage.read(key))
        return
    with storage.open(key) as file, path.open("wb") as out:
        while chunk := file.read(CHUNK):
            out.write(chunk)


def _settle(tx: Connection, copied: Copied, paused: bool) -> None:
    """Let go of what was deleted while the copy was made, and hand open jobs out anew."""
    for table in WITH_FILES:
        tx.execute(delete(table).where(among(tx, table.c.id, copied.gone[str(table.name)])))
    for name, following in copied.sequences.items():
        new = upsert(tx.dialect, sequences).values(name=name, next=following)
        tx.execute(new.on_conflict_do_update(index_elements=["name"], set_={"next": new.excluded.next}))
    anew = {"owner": None, "dispatched_at": None, "workspace": None, "attempt": tasks.c.attempt + 1, "recoveries": 0}
    tx.execute(update(tasks).where(tasks.c.status.in_(queue.OPEN)).values(**anew))
    if paused:
        for row in tx.execute(select(triggers).where(triggers.c.status == "active")).all():
            _show(tx, triggers, row, status="paused", shown={"status": "paused"})
        for row in tx.execute(select(webhooks).where(webhooks.c.active)).all():
            _show(tx, webhooks, row, active=False, shown={"is_active": False})


def _show(tx: Connection, table: Any, row: Any, *, shown: dict[str, Any], **columns: Any) -> None:
    resource = orjson.dumps({**orjson.loads(row.resource), **shown}).decode()
    tx.execute(update(table).where(table.c.pk == row.pk).values(resource=resource, **columns))
