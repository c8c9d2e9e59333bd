"""`coterie migrate`: bring the records to this version, without starting anything."""

import typer

from coterie.cli.options import DEFAULT_DATA_DIR, DataDir, fail


def migrate(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Bring the records to this version's schema. Every start does; do it beforehand where that takes long."""
    from coterie.clusters.service import reindex  # noqa: PLC0415
    from coterie.config import Settings  # noqa: PLC0415
    from coterie.kit.errors import CannotStart  # noqa: PLC0415
    from coterie.store import schema  # noqa: PLC0415
    from coterie.store.db import Db  # noqa: PLC0415
    from coterie.wiring import check_store  # noqa: PLC0415

    settings = Settings(data_dir=data_dir)
    try:
        check_store(settings)
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = Db(settings.records)
        with db.read() as tx:
            before = schema.current(tx)
        schema.migrate(db)
    except CannotStart as error:
        fail(str(error))
    reindex(db)
    db.close()
    done = "up to date" if before == schema.HEAD else f"from {before or 'none'}"
    typer.echo(f"schema {schema.HEAD}: {done}")
