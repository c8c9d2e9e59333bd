"""The first schema"""

import sqlalchemy as sa
from alembic import op

from coterie.store.types import Number, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", Text, nullable=False),
        sa.Column("internal_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("metadata", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("internal_id", name=op.f("uq_organizations_internal_id")),
    )
    op.create_table(
        "sequences",
        sa.Column("name", Text, nullable=False),
        sa.Column("next", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sequences")),
    )
    op.create_table(
        "workers",
        sa.Column("id", Text, nullable=False),
        sa.Column("host", Text, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", Text, nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("adopter", Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "namespaces",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("org_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("search_text", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("deleting", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["organizations.id"], name=op.f("fk_namespaces_org_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_namespaces")),
        sa.UniqueConstraint("id", name=op.f("uq_namespaces_id")),
        sa.UniqueConstraint("org_id", "name", name=op.f("uq_namespaces_org_id_name")),
    )
    with op.batch_alter_table("namespaces", schema=None) as batch_op:
        batch_op.create_index(
            "ix_namespaces_newest", ["org_id", sa.literal_column("created_at DESC"), "id"], unique=False
        )

    op.create_table(
        "tasks",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("org_id", Text, nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("payload", Text, nullable=False),
        sa.Column("lock", Text, nullable=True),
        sa.Column("status", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("dispatched_at", Text, nullable=True),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_tasks_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_tasks")),
        sa.UniqueConstraint("id", name=op.f("uq_tasks_id")),
    )
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.create_index("ix_tasks_lock", ["lock", "status"], unique=False)
        batch_op.create_index(
            "ix_tasks_newest", ["namespace_id", sa.literal_column("created_at DESC"), "id"], unique=False
        )
        batch_op.create_index("ix_tasks_open", ["status", "pk"], unique=False)
        batch_op.create_index(
            "ix_tasks_organization", ["org_id", sa.literal_column("created_at DESC"), "id"], unique=False
        )

    op.create_table(
        "users",
        sa.Column("id", Text, nullable=False),
        sa.Column("org_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("email", Text, nullable=False),
        sa.Column("metadata", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_users_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("org_id", "email", name=op.f("uq_users_org_id_email")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", Text, nullable=False),
        sa.Column("org_id", Text, nullable=False),
        sa.Column("user_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("hash", Text, nullable=False),
        sa.Column("hint", Text, nullable=False),
        sa.Column("permissions", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("expires_at", Text, nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_api_keys_org_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_keys_hash")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_api_keys_user_id_name")),
    )
    op.create_table(
        "cluster_counts",
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("definitions", sa.Integer(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_cluster_counts_namespace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("namespace_id", "status", name=op.f("pk_cluster_counts")),
    )
    op.create_table(
        "clusters",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("search_text", Text, nullable=False),
        sa.Column("run_text", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("last_run_id", Text, nullable=True),
        sa.Column("num_documents", sa.Integer(), nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_clusters_namespace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_clusters")),
        sa.UniqueConstraint("id", name=op.f("uq_clusters_id")),
        sa.UniqueConstraint("namespace_id", "name", name=op.f("uq_clusters_namespace_id_name")),
    )
    with op.batch_alter_table("clusters", schema=None) as batch_op:
        batch_op.create_index(
            "ix_clusters_newest", ["namespace_id", sa.literal_column("created_at DESC"), "id"], unique=False
        )

    op.create_table(
        "collections",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("search_text", Text, nullable=False),
        sa.Column("document_count", sa.Integer(), nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_collections_namespace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_collections")),
        sa.UniqueConstraint("id", name=op.f("uq_collections_id")),
        sa.UniqueConstraint("namespace_id", "name", name=op.f("uq_collections_namespace_id_name")),
    )
    with op.batch_alter_table("collections", schema=None) as batch_op:
        batch_op.create_index(
            "ix_collections_newest", ["namespace_id", sa.literal_column("created_at DESC"), "id"], unique=False
        )

    op.create_table(
        "fields",
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("path", Text, nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("type", Text, nullable=False),
        sa.Column("element", sa.Boolean(), nullable=False),
        sa.Column("num", Number(), nullable=True),
        sa.Column("str", Text, nullable=True),
        sa.Column("folded", Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_fields_namespace_id"), ondelete="CASCADE"
        ),
    )
    with op.batch_alter_table("fields", schema=None) as batch_op:
        batch_op.create_index("ix_fields_folded", ["namespace_id", "kind", "path", "folded", "row_id"], unique=False)
        batch_op.create_index("ix_fields_num", ["namespace_id", "kind", "path", "type", "num", "row_id"], unique=False)
        batch_op.create_index("ix_fields_row", ["row_id", "kind"], unique=False)
        batch_op.create_index("ix_fields_str", ["namespace_id", "kind", "path", "str", "row_id"], unique=False)

    op.create_table(
        "documents",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("collection_id", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("vectors", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_documents_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_documents")),
        sa.UniqueConstraint("collection_id", "id", name=op.f("uq_documents_collection_id_id")),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index(
            "ix_documents_newest", ["collection_id", sa.literal_column("created_at DESC"), "id"], unique=False
        )

    op.create_table(
        "runs",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("cluster_id", Text, nullable=True),
        sa.Column("task_id", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("plan", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.Column("completed_at", Text, nullable=True),
        sa.ForeignKeyConstraint(["cluster_id"], ["clusters.id"], name=op.f("fk_runs_cluster_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_runs_namespace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_runs")),
        sa.UniqueConstraint("id", name=op.f("uq_runs_id")),
        sa.UniqueConstraint("task_id", name=op.f("uq_runs_task_id")),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_runs_cluster", ["cluster_id", sa.literal_column("created_at DESC"), "id"], unique=False
        )
        batch_op.create_index(
            "ix_runs_newest", ["namespace_id", sa.literal_column("created_at DESC"), "id"], unique=False
        )

    op.create_table(
        "vector_spaces",
        sa.Column("collection_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_vector_spaces_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "name", name=op.f("pk_vector_spaces")),
    )
