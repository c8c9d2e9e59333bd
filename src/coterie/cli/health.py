"""`coterie health`: for the checks of containers and supervisors."""

from pathlib import Path
from typing import Annotated

import httpx
import typer

from coterie.cli.options import DEFAULT_DATA_DIR, DataDir, Url, address_of, fail


def health(
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    worker: Annotated[bool, typer.Option("--worker", help="Ask for a worker of this host instead.")] = False,
) -> None:
    """Say whether the server is ready, or a worker of this host alive; the exit status is 1 if not."""
    if worker:
        _check_worker(data_dir)
    else:
        _check_server(address_of(url, data_dir))
    typer.echo("OK")


def _check_server(address: str) -> None:
    answer = httpx.get(f"{address}/readyz", timeout=5)
    if answer.status_code != 200:
        fail(f"the server is not ready ({answer.status_code}): {answer.text}")


def _check_worker(data_dir: Path) -> None:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from coterie.config import Settings  # noqa: PLC0415
    from coterie.jobs.alive import count_alive, host_of_this_process  # noqa: PLC0415
    from coterie.store.db import Db  # noqa: PLC0415

    settings = Settings(data_dir=data_dir)
    if isinstance(settings.records, Path) and not settings.records.exists():
        fail(f"there are no records in {data_dir}: set --data-dir, or COTERIE_DATABASE_URL for those in PostgreSQL")
    db = Db(settings.records)
    try:
        alive = count_alive(db, settings.worker_grace_seconds, host_of_this_process())
    except SQLAlchemyError as error:
        fail(f"the records do not answer ({type(error).__name__}): is COTERIE_DATABASE_URL right?")
    finally:
        db.close()
    if not alive:
        fail("no worker of this host was heard of lately: its log says more")
