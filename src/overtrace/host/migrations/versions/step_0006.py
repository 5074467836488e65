"""Boards show one scoring of a phase; others are shelved."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
CURRENT = sa.text("current")
FIRST = sa.text("scoring_id IS NULL")
NEWEST = """
SELECT submissions.phase, scores.scorer, scores.truth, scores.made_at
FROM scores JOIN submissions ON submissions.id = scores.submission_id ORDER BY scores.made_at, scores.submission_id
"""


def upgrade() -> None:
    """Forward; the way back is a copy of the database that was made before."""
    op.create_table(
        "scorings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("phase", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("scorer", sa.String(length=64), nullable=False),
        sa.Column("truth", sa.String(length=64), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("applied_at", sa.BigInteger(), nullable=True),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scorings")),
        sa.UniqueConstraint("phase", "number", name=op.f("uq_scorings_phase")),
    )
    with op.batch_alter_table("scorings", schema=None) as batch_op:
        batch_op.create_index("one_current", ["phase"], unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT)

    op.create_table(
        "shelved",
        sa.Column("scoring_id", sa.String(length=26), nullable=False),
        sa.Column("submission_id", sa.String(length=26), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["scoring_id"], ["scorings.id"], name=op.f("fk_shelved_scoring_id")),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_shelved_submission_id")),
        sa.PrimaryKeyConstraint("scoring_id", "submission_id", name=op.f("pk_shelved")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("scoring_id", sa.String(length=26), nullable=True))
        batch_op.drop_constraint(op.f("uq_jobs_submission_id"), type_="unique")
        batch_op.create_unique_constraint(op.f("uq_jobs_submission_id"), ["submission_id", "scoring_id"])
        batch_op.create_foreign_key(op.f("fk_jobs_scoring_id"), "scorings", ["scoring_id"], ["id"])
        batch_op.create_index("one_job", ["submission_id"], unique=True, sqlite_where=FIRST, postgresql_where=FIRST)
    _name_what_is_shown()


def _name_what_is_shown() -> None:
    """Scores from before: the newest of a phase say what its boards show."""
    connection = op.get_bind()
    names = ("id", "phase", "number", "scorer", "truth", "current", "made_at", "asked_at", "applied_at", "left_at")
    scorings = sa.table("scorings", *(sa.column(name) for name in names))
    shown = {phase: facts for phase, *facts in connection.execute(sa.text(NEWEST))}
    for i, (phase, (scorer, truth, made_at)) in enumerate(sorted(shown.items())):
        facts = {"id": f"{i:026}", "phase": phase, "number": 1, "scorer": scorer, "truth": truth, "current": True}
        connection.execute(scorings.insert().values(**facts, made_at=made_at, applied_at=made_at))
