"""Winners deliver containers, teams may be disqualified."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Forward; the way back is a copy of the database that was made before."""
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("team_id", sa.String(length=26), nullable=False),
        sa.Column("submission_id", sa.String(length=26), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("promoted", sa.Boolean(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "asked",
                "reminded",
                "delivered",
                "verifying",
                "verified",
                "within tolerance",
                "failed",
                "declined",
                "not delivered",
                name="deliverystate",
                native_enum=False,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("image", sa.String(length=64), nullable=False),
        sa.Column("image_name", sa.String(length=200), nullable=False),
        sa.Column("image_size", sa.BigInteger(), nullable=False),
        sa.Column("weights", sa.String(length=64), nullable=False),
        sa.Column("weights_name", sa.String(length=200), nullable=False),
        sa.Column("weights_size", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_deliveries_submission_id")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_deliveries_team_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("team_id", name=op.f("uq_deliveries_team_id")),
    )
    with op.batch_alter_table("teams", schema=None) as batch_op:
        batch_op.add_column(sa.Column("disqualified_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("disqualified_why", sa.String(length=300), nullable=False, server_default=""))

    with op.batch_alter_table("uploads", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "kind",
                sa.Enum("answer", "document", "image", "weights", name="filekind", native_enum=False, length=16),
                nullable=False,
                server_default="answer",
            )
        )
    op.execute("UPDATE uploads SET kind = 'document' WHERE phase = ''")
