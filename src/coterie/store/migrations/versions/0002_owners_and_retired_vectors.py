"""Who has a task in hand, which vectors are to go, and documents that outlive their collection for a moment"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tasks") as batch:
        batch.add_column(sa.Column("owner", sa.Text(), nullable=True))
    with op.batch_alter_table("documents") as batch:
        batch.drop_constraint("fk_documents_collection_id", type_="foreignkey")
    op.create_table(
        "retired_vectors",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("namespace_id", sa.Text(), nullable=False),
        sa.Column("collection_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_retired_vectors")),
    )
    op.create_index("ix_retired_vectors_retired_at", "retired_vectors", ["retired_at"])
