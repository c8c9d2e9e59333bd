"""Vectors that the service makes: which documents wait for theirs, and what each was made of"""

import sqlalchemy as sa
from alembic import op

from coterie.store.types import Large, Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "waiting_documents",
        sa.Column("collection_id", Text, nullable=False),
        sa.Column("document_id", Text, nullable=False),
        sa.Column("revision", Large, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_waiting_documents_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "document_id", name=op.f("pk_waiting_documents")),
    )
    op.create_table(
        "embeddings",
        sa.Column("document_pk", sa.Integer(), nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("collection_id", Text, nullable=False),
        sa.Column("digest", Text, nullable=False),
        sa.Column("key", Large, nullable=False),
        sa.ForeignKeyConstraint(
            ["document_pk"], ["documents.pk"], name=op.f("fk_embeddings_document_pk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_pk", "name", name=op.f("pk_embeddings")),
    )
    op.create_index("ix_embeddings_digest", "embeddings", ["collection_id", "name", "digest"])
