"""Workers that pull: attempts of a task, what a worker can take, and indexes of the tasks that wait or are in hand"""

import sqlalchemy as sa
from alembic import op

from coterie.store.types import Large, Text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPEN = "status NOT IN ('COMPLETED', 'FAILED', 'CANCELED')"


def upgrade() -> None:
    for name in ("attempt", "recoveries"):
        op.add_column("tasks", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column("tasks", sa.Column("workspace", Text, nullable=True))
    op.add_column("tasks", sa.Column("memory_needed", Large, nullable=True))
    op.add_column("workers", sa.Column("workspace", Text, nullable=True))
    op.add_column("workers", sa.Column("memory", Large, nullable=True))
    op.drop_column("workers", "adopter")
    _create_index("ix_tasks_waiting", ["org_id", "pk"], f"owner IS NULL AND {OPEN}")
    _create_index("ix_tasks_in_hand", ["owner", "org_id"], f"owner IS NOT NULL AND {OPEN}")
    _create_index("ix_tasks_unwanted", ["pk"], f"cancel_requested AND owner IS NULL AND {OPEN}")


def _create_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "tasks", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
