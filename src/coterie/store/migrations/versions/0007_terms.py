"""Terms of definitions, which the next start fills"""

import sqlalchemy as sa
from alembic import op

from coterie.store.tables import POSTINGS
from coterie.store.types import Terms

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cluster_terms",
        sa.Column("row_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("terms", Terms, nullable=False),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_cluster_terms")),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(POSTINGS)
        return
    op.create_index("ix_cluster_terms_terms", "cluster_terms", ["terms"], postgresql_using="gin")
