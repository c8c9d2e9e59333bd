"""Who changed a group's label, and from what"""

import sqlalchemy as sa
from alembic import op

from coterie.store.types import Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("group_labels", sa.Column("key_id", Text))
    op.add_column("group_labels", sa.Column("label_before", Text))
