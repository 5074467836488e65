"""Teams appeal."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Forward; the way back is a copy of the database that was made before."""
    op.create_table(
        "appeals",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.String(length=26), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "upheld", "rejected", "withdrawn", name="appealstate", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column(
            "effect",
            sa.Enum(
                "none",
                "take a submission off the boards",
                "put a submission back on the boards",
                "disqualify a team",
                "take a disqualification back",
                "ask a team for its container again",
                name="effect",
                native_enum=False,
                length=48,
            ),
            nullable=False,
        ),
        sa.Column("target", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_appeals_person_id")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_appeals_team_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeals")),
        sa.UniqueConstraint("number", name=op.f("uq_appeals_number")),
    )
    with op.batch_alter_table("appeals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_appeals_team_id"), ["team_id"], unique=False)

    op.create_table(
        "appeal_words",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("appeal_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(length=26), nullable=False),
        sa.Column("organises", sa.Boolean(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["appeal_id"], ["appeals.id"], name=op.f("fk_appeal_words_appeal_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_appeal_words_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal_words")),
        sa.UniqueConstraint("appeal_id", "number", name=op.f("uq_appeal_words_appeal_id")),
    )
    with op.batch_alter_table("appeal_words", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_appeal_words_appeal_id"), ["appeal_id"], unique=False)
