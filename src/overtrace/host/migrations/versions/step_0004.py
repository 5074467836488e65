"""Scores have intervals, boards have ties."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Forward; the way back is a copy of the database that was made before."""
    op.create_table(
        "ties",
        sa.Column("phase", sa.String(length=64), nullable=False),
        sa.Column("board", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("ranks", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("phase", "board", name=op.f("pk_ties")),
    )
    with op.batch_alter_table("scores", schema=None) as batch_op:
        batch_op.add_column(sa.Column("interval", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column("draws", sa.String(length=64), server_default="", nullable=False))
