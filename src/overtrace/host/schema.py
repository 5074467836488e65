"""The schema of a database, brought up to date when a host starts."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from overtrace.errors import BadOption
from overtrace.host.database import Database, open_database

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x6F76_6572
"""Of PostgreSQL, so that two processes that start together do not both change the schema."""


def open_store(url: str) -> Database:
    """A database at the newest schema, which is made where there is none.

    Raises:
        BadOption: if the address is wrong, or the database was made by a newer overtrace.
    """
    engine = open_database(url)
    migrate(engine)
    return Database(engine)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring a database to a revision, in one transaction.

    Raises:
        BadOption: if it has a revision that this overtrace does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        _refuse_newer(connection, ScriptDirectory.from_config(config))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def is_known(revision: str) -> bool:
    """Whether this overtrace has a step of this number."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return revision in _list_steps(ScriptDirectory.from_config(config))


def _list_steps(scripts: ScriptDirectory) -> set[str]:
    return {script.revision for script in scripts.walk_revisions()}


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in _list_steps(scripts):
        where = connection.engine.url.render_as_string(hide_password=True)
        raise BadOption(
            f"--db {where} has schema {found}, which a newer overtrace made: update overtrace to use this database"
        )
