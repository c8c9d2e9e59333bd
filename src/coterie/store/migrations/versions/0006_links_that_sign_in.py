"""Links that sign a browser in, until they are used"""

import sqlalchemy as sa
from alembic import op

from coterie.store.types import Text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_links",
        sa.Column("hash", Text, nullable=False),
        sa.Column("org_id", Text, nullable=False),
        sa.Column("user_id", Text, nullable=False),
        sa.Column("expires_at", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["organizations.id"], name=op.f("fk_sign_in_links_org_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_in_links_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sign_in_links")),
    )
