"""Submissions have pictures of their errors."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Forward; the way back is a copy of the database that was made before."""
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sheet", sa.String(length=64), server_default="", nullable=False))
