"""The log is a chain of digests."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
AT_ONCE = 1000


def upgrade() -> None:
    """Forward; the way back is a copy of the database that was made before."""
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("digest", sa.String(length=64), nullable=True))
    events = sa.table(
        "events",
        sa.column("id", sa.BigInteger()),
        sa.column("at", sa.BigInteger()),
        sa.column("actor", sa.String()),
        sa.column("action", sa.String()),
        sa.column("subject", sa.String()),
        sa.column("details", sa.JSON()),
        sa.column("digest", sa.String()),
    )
    names = ("id", "at", "actor", "action", "subject", "details")
    number, digest = 0, "0" * 64
    connection = op.get_bind()
    query = sa.select(*(events.c[name] for name in names)).order_by(events.c.id).limit(AT_ONCE)
    while rows := connection.execute(query.where(events.c.id > number)).all():
        for row in rows:
            said = dict(zip(names, row, strict=True)) | {"before": digest}
            text = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
            number, digest = row[0], hashlib.sha256(text.encode()).hexdigest()
            connection.execute(events.update().where(events.c.id == number).values(digest=digest))
    facts = sa.table("facts", sa.column("name", sa.String()), sa.column("value", sa.JSON()))
    connection.execute(facts.insert().values(name="log head", value={"number": number, "sha256": digest}))
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.alter_column("digest", existing_type=sa.String(length=64), nullable=False)
