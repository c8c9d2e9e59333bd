"""A narrower field index, which the next start fills; who has a task; vectors that are to go"""

import sqlalchemy as sa
from alembic import op

from coterie.store.tables import TRIGRAM_EXTENSION, TRIGRAMS
from coterie.store.types import Number, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STRINGS = sa.text("str IS NOT NULL")


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.add_column("tasks", sa.Column("owner", Text, nullable=True))
    with op.batch_alter_table("documents") as batch:
        batch.drop_constraint("fk_documents_collection_id", type_="foreignkey")
    op.create_table(
        "retired_vectors",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("collection_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("keys", Text, nullable=False),
        sa.Column("retired_at", Text, nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_retired_vectors")),
    )
    op.create_index("ix_retired_vectors_retired_at", "retired_vectors", ["retired_at"])
    op.create_table(
        "settings",
        sa.Column("name", Text, nullable=False),
        sa.Column("value", Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.drop_table("fields")
    op.drop_column("clusters", "search_text")
    op.create_index("ix_clusters_rows", "clusters", ["namespace_id", "pk"])
    op.create_table(
        "paths",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scope", Text, nullable=False),
        sa.Column("path", Text, nullable=False),
        sa.Column("multiple", sa.Boolean(), nullable=False),
        sa.Column("long", sa.Boolean(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paths")),
        sa.UniqueConstraint("scope", "path", name=op.f("uq_paths_scope_path")),
    )
    for name in ("cluster_fields", "document_fields"):
        _create_field_index(name)
    op.create_table(
        "cluster_texts",
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("row_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("search", Text, nullable=False),
        sa.Column("strings", Text, nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "row_id", name=op.f("pk_cluster_texts")),
        sqlite_with_rowid=False,
    )
    if on_sqlite:
        op.execute(TRIGRAMS)
        return
    op.alter_column("cluster_counts", "documents", type_=sa.BigInteger())
    op.alter_column("sequences", "next", type_=sa.BigInteger())
    op.execute(TRIGRAM_EXTENSION)
    op.create_index(
        "ix_cluster_texts_trigrams",
        "cluster_texts",
        ["strings"],
        postgresql_using="gin",
        postgresql_ops={"strings": "gin_trgm_ops"},
    )


def _create_field_index(name: str) -> None:
    op.create_table(
        name,
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("path_id", sa.Integer(), nullable=False),
        sa.Column("type", Text, nullable=False),
        sa.Column("element", sa.Boolean(), nullable=False),
        sa.Column("num", Number(), nullable=True),
        sa.Column("str", Text, nullable=True),
        sa.Column("folded", Text, nullable=True),
        sa.Column("whole", Text, nullable=True),
        sa.Column("whole_folded", Text, nullable=True),
    )
    op.create_index(f"ix_{name}_row", name, ["row_id", "path_id"])
    op.create_index(f"ix_{name}_num", name, ["path_id", "type", "num", "row_id"])
    for column in ("str", "folded"):
        op.create_index(
            f"ix_{name}_{column}",
            name,
            ["path_id", column, "row_id", "element"],
            sqlite_where=STRINGS,
            postgresql_where=STRINGS,
        )
