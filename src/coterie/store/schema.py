"""Bringing a store to the schema of this version of the code, and refusing a newer one."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from coterie.kit.errors import CannotStart
from coterie.store.db import Db

HEAD = "0008"
"""The newest revision. A store that is at it is opened without loading Alembic, which a start need not wait for."""


class NewerSchema(CannotStart):
    """The store was written by a newer Coterie."""


def migrate(db: Db) -> None:
    """Bring the store to HEAD. Raises NewerSchema for a store that is past it."""
    with db.write() as tx:
        present = current(tx)
        if present != HEAD:
            _upgrade(tx, present)


def current(tx: Connection) -> str | None:
    """The store's revision, None for an empty store."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    revision: str | None = tx.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(tx: Connection, present: str | None) -> None:
    # Imported where it works: a start that finds the schema up to date does not pay for it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = tx
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise NewerSchema(
            f"this data folder has schema {present}, newer than this Coterie's {HEAD}: "
            "start the newer version, or restore a backup"
        )
    command.upgrade(config, "head")
