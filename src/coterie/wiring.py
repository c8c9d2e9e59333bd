"""Settings to services: the only place where adapters are chosen."""

import logging
import os
import signal
import threading
from pathlib import Path

from sqlalchemy import insert, select

import coterie
from coterie.api.context import Services
from coterie.clusters.service import follow_rename, reindex
from coterie.compute.executor import Executor, StageError
from coterie.config import Settings
from coterie.documents.payload_indexes import follow_declaration
from coterie.enrichment.service import write_back
from coterie.kit import telemetry
from coterie.kit.clock import SystemClock, iso
from coterie.kit.errors import CannotStart
from coterie.kit.ids import new_id
from coterie.store.db import Db
from coterie.store.schema import migrate
from coterie.store.storage import open_storage
from coterie.store.tables import settings as known_settings
from coterie.store.vectors import VectorStore
from coterie.tenancy.bootstrap import bootstrap
from coterie.triggers.service import follow_definition

log = logging.getLogger("coterie.worker")

PARENT_SECONDS = 1.0
RECORDS_ELSEWHERE = "records-in-postgresql"
"""The file that says so in a data folder."""

STORAGE_MARK = "storage.id"


def open_services(settings: Settings, statement_seconds: float | None = None) -> tuple[Services, str | None]:
    """The services on a data folder, made and migrated as needed; and the key, on the very first start.

    `statement_seconds` bounds the reads of a server; a worker's may take their time.
    """
    services = open_empty(settings, statement_seconds)
    reindex(services.db)
    key = bootstrap(services.db, services.clock, settings.key_path)
    return services, key


def open_empty(settings: Settings, statement_seconds: float | None = None) -> Services:
    """The same without the first organization and its key: for what is to be restored from a backup.

    Raises CannotStart.
    """
    for folder in (settings.data_dir, settings.scratch_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_store(settings)
    open_storage(settings.storage).check()
    if settings.database_url is not None:
        (settings.data_dir / RECORDS_ELSEWHERE).touch()
    services = connect(settings, statement_seconds)
    migrate(services.db)
    _check_storage(services)
    return services


class WrongStore(CannotStart):
    """The records, the storage and the folder do not belong together."""


def _check_storage(services: Services) -> None:
    """Refuse to go on with records whose vectors and artifacts are elsewhere: both have one mark, made by the first
    start. Raises WrongStore."""
    storage, own = open_storage(services.settings.storage), known_settings.c.name == STORAGE_MARK
    with services.db.write() as tx:
        mark = tx.scalar(select(known_settings.c.value).where(own))
        found = storage.read(STORAGE_MARK).decode() if storage.exists(STORAGE_MARK) else None
        if mark is None and found is not None:
            raise WrongStore(
                "the storage belongs to other records: set COTERIE_DATABASE_URL to theirs, or COTERIE_STORAGE_URL to "
                f"an empty place (if those records are gone for good, delete its file `{STORAGE_MARK}`)"
            )
        own_folder = services.settings.data_dir / "vectors"
        if mark is None and services.settings.storage_url is not None and own_folder.exists():
            raise WrongStore(
                f"vectors of these records are in {own_folder}: start without COTERIE_STORAGE_URL, `coterie backup`, "
                "and `coterie restore` into an empty place with it"
            )
        if mark is None:
            mark = found = new_id("storage")
            storage.write(STORAGE_MARK, mark.encode())
            tx.execute(insert(known_settings).values(name=STORAGE_MARK, value=mark))
    if found != mark:
        raise WrongStore(
            "the vectors and artifacts of these records are in another storage: set COTERIE_STORAGE_URL to the one "
            f"whose file `{STORAGE_MARK}` says {mark}"
        )


def check_store(settings: Settings) -> None:
    """Refuse to make empty records beside a folder whose records are in PostgreSQL, for want of a variable.

    Raises WrongStore.
    """
    if settings.database_url is None and (settings.data_dir / RECORDS_ELSEWHERE).exists():
        raise WrongStore(f"the records of {settings.data_dir} are in PostgreSQL: set COTERIE_DATABASE_URL")


def connect(settings: Settings, statement_seconds: float | None = None) -> Services:
    """The services on a data folder that is ready."""
    storage = open_storage(settings.storage)
    return Services(
        settings=settings,
        db=Db(settings.records, statement_seconds),
        vectors=VectorStore(storage.below("vectors")),
        blobs=storage.below("artifacts"),
        clock=SystemClock(),
        on_collection_renamed=follow_rename,
        on_indexes_declared=follow_declaration,
        on_definition_written=follow_definition,
        on_run_completed=write_back,
    )


def run_worker(settings: Settings, parent_pid: int | None = None) -> None:
    """Do jobs until SIGTERM or SIGINT, or until the parent is gone. Does not return: the process ends.

    The job engine is imported here, in the worker alone: it costs half a second and the server needs none of it.
    """
    from coterie.documents.embedding import Embedding  # noqa: PLC0415
    from coterie.documents.upkeep import sweep_leftovers, upkeep  # noqa: PLC0415
    from coterie.documents.waiting import JOB as EMBED_JOB  # noqa: PLC0415
    from coterie.enrichment.enrich import ClusterEnrichment  # noqa: PLC0415
    from coterie.enrichment.service import JOB as ENRICH_JOB  # noqa: PLC0415
    from coterie.enrichment.service import UNDO_JOB  # noqa: PLC0415
    from coterie.enrichment.undo import EnrichmentUndo  # noqa: PLC0415
    from coterie.jobs.job import Handler  # noqa: PLC0415
    from coterie.jobs.worker import Worker  # noqa: PLC0415
    from coterie.runs.retention import sweep_scratch, tidy_runs  # noqa: PLC0415
    from coterie.runs.run import ClusterRun  # noqa: PLC0415
    from coterie.runs.suggest import JOB as SUGGEST_JOB  # noqa: PLC0415
    from coterie.runs.suggest import ClusterSuggestion  # noqa: PLC0415
    from coterie.tenancy.namespaces import DELETE_JOB, NamespaceDeletion, resume_deletions  # noqa: PLC0415
    from coterie.triggers.firing import keep_firing  # noqa: PLC0415
    from coterie.webhooks.delivery import prune_deliveries  # noqa: PLC0415
    from coterie.webhooks.sender import Sender  # noqa: PLC0415

    services, _ = open_services(settings)
    handlers: dict[str, Handler] = {
        "cluster.run": ClusterRun(services),
        SUGGEST_JOB: ClusterSuggestion(services),
        EMBED_JOB: Embedding(services),
        ENRICH_JOB: ClusterEnrichment(services),
        UNDO_JOB: EnrichmentUndo(services),
        DELETE_JOB: NamespaceDeletion(services.vectors, services.blobs),
    }
    with services.db.write() as tx:
        resume_deletions(tx, iso(services.clock.now()))
    executor = choose_executor(settings)

    def tidy() -> None:
        sweep_leftovers(services)
        sweep_scratch(services)

    def keep_up() -> None:
        upkeep(services)
        prune_deliveries(services)
        tidy_runs(services)

    worker = Worker(settings, services.db, services.clock, executor, handlers, upkeep=keep_up, tidy=tidy)
    sender = Sender(services)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    keep_compiled(settings)
    threading.Thread(target=_prepare, args=(executor,), name="coterie-prepare", daemon=True).start()
    worker.start()
    sender.start()
    threading.Thread(target=keep_firing, args=(services, stopping), name="coterie-triggers", daemon=True).start()
    while not stopping.wait(PARENT_SECONDS):
        if parent_pid is not None and os.getppid() != parent_pid:
            break
    stopping.set()
    try:
        sender.stop()
        worker.stop()
    except Exception:  # its records may be out of reach; it then counts as dead after a while
        log.exception("the worker ends without a goodbye")
    telemetry.stop()
    os._exit(0)  # jobs in hand stay as they are, for the next worker: their threads must not go on here


def choose_executor(settings: Settings) -> Executor:
    """Where stages over parts run: in a child process, or on the Ray cluster that the settings name."""
    from coterie.compute.local import LocalExecutor  # noqa: PLC0415
    from coterie.compute.ray import RayExecutor  # noqa: PLC0415

    return LocalExecutor() if settings.ray_address is None else RayExecutor(settings.ray_address)


def keep_compiled(settings: Settings) -> None:
    """Where the engine's compiled loops are kept: beside their source, or in the data folder if that is read-only."""
    if not os.access(Path(coterie.__file__).parent / "engine", os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(settings.data_dir.resolve() / "compiled"))


def _prepare(executor: Executor) -> None:
    """Have the child process that will do the jobs load what it needs, and say so: the first time takes a while."""
    log.info("preparing the engine; the first time after an installation it is compiled, in about half a minute")
    try:
        seconds = executor.run("coterie.runs.stages:prepare", {}, lambda share: None)
    except StageError as error:
        log.warning("the engine could not be prepared: %s", error.message)
    else:
        log.info("the engine is ready after %.1f s", seconds)
