"""Runs that last: groups and their labels, enrichments, triggers, webhooks; what came to a collection"""

import sqlalchemy as sa
from alembic import op

from coterie.store.types import Large, Text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("added", "updated", "batches"):
        op.add_column("collections", sa.Column(name, Large, server_default="0", nullable=False))
    op.execute("UPDATE collections SET added = document_count")
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("documents", recreate="always", table_kwargs={"sqlite_autoincrement": True}):
            pass
        # SQLite's indexes are copied without their directions.
        op.drop_index("ix_documents_newest", "documents")
        op.create_index(
            "ix_documents_newest", "documents", ["collection_id", sa.literal_column("created_at DESC"), "id"]
        )
    op.create_index("ix_documents_arrivals", "documents", ["collection_id", "pk"])
    _create_tables_of_definitions()
    _create_tables_of_organizations()


def _create_tables_of_definitions() -> None:
    op.create_table(
        "groups",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("cluster_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("merged_into", Text, nullable=True),
        sa.Column("resource", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(["cluster_id"], ["clusters.id"], name=op.f("fk_groups_cluster_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_groups_namespace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_groups")),
        sa.UniqueConstraint("cluster_id", "id", name=op.f("uq_groups_cluster_id_id")),
    )
    op.create_table(
        "group_labels",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("cluster_id", Text, nullable=False),
        sa.Column("group_id", Text, nullable=False),
        sa.Column("run_id", Text, nullable=True),
        sa.Column("user_id", Text, nullable=True),
        sa.Column("label", Text, nullable=False),
        sa.Column("source", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name=op.f("fk_group_labels_cluster_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_group_labels_namespace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_group_labels")),
    )
    op.create_index("ix_group_labels_group", "group_labels", ["cluster_id", "group_id", "pk"])
    op.create_table(
        "enrichments",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("task_id", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_enrichments_namespace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_enrichments")),
        sa.UniqueConstraint("id", name=op.f("uq_enrichments_id")),
    )
    op.create_index(
        "ix_enrichments_newest", "enrichments", ["namespace_id", sa.literal_column("created_at DESC"), "id"]
    )
    op.create_table(
        "enrichment_changes",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("enrichment_id", Text, nullable=False),
        sa.Column("document_pk", sa.Integer(), nullable=False),
        sa.Column("before", Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["enrichment_id"], ["enrichments.id"], name=op.f("fk_enrichment_changes_enrichment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_enrichment_changes")),
        sa.UniqueConstraint(
            "enrichment_id", "document_pk", name=op.f("uq_enrichment_changes_enrichment_id_document_pk")
        ),
    )
    op.create_table(
        "triggers",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("org_id", Text, nullable=False),
        sa.Column("namespace_id", Text, nullable=False),
        sa.Column("cluster_id", Text, nullable=True),
        sa.Column("status", Text, nullable=False),
        sa.Column("next_at", Text, nullable=True),
        sa.Column("state", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["clusters.id"], name=op.f("fk_triggers_cluster_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_triggers_namespace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_triggers_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_triggers")),
        sa.UniqueConstraint("id", name=op.f("uq_triggers_id")),
    )
    op.create_index("ix_triggers_due", "triggers", ["status", "next_at"])
    op.create_index("ix_triggers_newest", "triggers", ["namespace_id", sa.literal_column("created_at DESC"), "id"])
    op.create_table(
        "trigger_firings",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("trigger_id", Text, nullable=False),
        sa.Column("due_at", Text, nullable=False),
        sa.Column("task_id", Text, nullable=True),
        sa.Column("status", Text, nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["trigger_id"], ["triggers.id"], name=op.f("fk_trigger_firings_trigger_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_trigger_firings")),
        sa.UniqueConstraint("trigger_id", "due_at", name=op.f("uq_trigger_firings_trigger_id_due_at")),
    )
    op.create_index("ix_trigger_firings_newest", "trigger_firings", ["trigger_id", "pk"])
    op.create_index("ix_trigger_firings_task", "trigger_firings", ["task_id"])


def _create_tables_of_organizations() -> None:
    op.create_table(
        "webhooks",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("org_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("secret", Text, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("resource", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_webhooks_org_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("id", name=op.f("uq_webhooks_id")),
        sa.UniqueConstraint("org_id", "name", name=op.f("uq_webhooks_org_id_name")),
    )
    op.create_index("ix_webhooks_newest", "webhooks", ["org_id", sa.literal_column("created_at DESC"), "id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("webhook_id", Text, nullable=False),
        sa.Column("channel", sa.Integer(), nullable=False),
        sa.Column("event", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", Text, nullable=True),
        sa.Column("resource", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_deliveries_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("id", name=op.f("uq_webhook_deliveries_id")),
    )
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["status", "next_at"])
    op.create_index(
        "ix_webhook_deliveries_newest", "webhook_deliveries", ["webhook_id", sa.literal_column("created_at DESC"), "id"]
    )
