"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Forward; the way back is a copy of the database that was made before."""
    ${upgrades if upgrades else "pass"}
