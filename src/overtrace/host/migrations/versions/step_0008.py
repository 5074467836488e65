"""Containers are run again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Forward; the way back is a copy of the database that was made before."""
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("log", sa.String(length=64), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("run_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("worker", sa.String(length=100), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("lease", sa.String(length=26), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("lease_until", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("error", sa.String(length=2000), nullable=False, server_default=""))
