"""The database of a host: SQLite in one file, or PostgreSQL.

Each transaction is one function that is given a session. It is begun for writing at once, so that two of them on
SQLite wait for each other instead of failing half-way; on PostgreSQL a row that decides is locked by who reads it.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from overtrace.errors import BadOption, Unavailable
from overtrace.host import events

BUSY_S = 30.0
"""How long SQLite waits for another process that writes."""


def open_database(url: str) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql+psycopg://user:password@host/name``.

    Raises:
        BadOption: if it is neither.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadOption(f"--db {url}: wanted sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME") from error
    if parsed.drivername == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise BadOption(f"--db {url}: name a file, as in sqlite:///contest.db")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"timeout": BUSY_S, "check_same_thread": False})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.drivername == "postgresql+psycopg":
        return create_engine(parsed, pool_pre_ping=True)
    raise BadOption(f"--db {parsed.drivername}: wanted sqlite or postgresql+psycopg")


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver would begin transactions by itself, and later than is wanted.
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Change to WAL; where several begin together, SQLite refuses at once what it would wait for elsewhere."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Any) -> None:
    # A transaction that reads first and writes later could find that another one wrote between: it waits here instead.
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


class Database:
    """Sessions on an engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._write = sessionmaker(engine, expire_on_commit=False)
        events.chain(self._write)
        self._read = sessionmaker(engine.execution_options(reads=True), expire_on_commit=False)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: kept if the block ends, else as if it had never begun.

        Raises:
            Unavailable: if the database is not there, or the connection breaks; whether it was kept is not known if
                that came at its end.
        """
        with reach(), self._write.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One view that does not change while it is read.

        Raises:
            Unavailable: if the database is not there, or the connection breaks.
        """
        with reach(), self._read.begin() as session:
            yield session


def add_if_new(session: Session, row: object) -> bool:
    """Add a row unless one that must be unique is there already, perhaps written by someone else just now."""
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


@contextmanager
def reach() -> Iterator[None]:
    """Raise Unavailable for a database that is not there."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(f"the database cannot be used: {str(error.orig).splitlines()[0]}: try again later") from error


def now() -> datetime:
    """The time, by the clock of this machine."""
    return datetime.now(UTC)
