"""What a host keeps, table by table, as archives, exports and erasure have to treat it.

Each of them goes over all tables there are. A table that is not named here ends them, and a test.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, or_

from overtrace.host import tables_access  # noqa: F401 (its tables are among those of Base)
from overtrace.host.table_base import Base
from overtrace.host.tables_after import Delivery


@dataclass(frozen=True, slots=True)
class Kept:
    """How a table is treated."""

    archived: bool = True
    """Not what lets someone in, or is on its way."""
    secret: tuple[str, ...] = ()
    """Columns that a person is not handed: what is digested of passwords and codes, or was given once."""
    address: str = ""
    """The column with the e-mail address of whom a row is about."""
    typed: tuple[str, ...] = ()
    """Columns with what someone has typed, which is blanked when they are erased."""
    blobs: tuple[str, ...] = ()
    """Columns with the SHA-256 of a file in the store; empty or None for none."""
    claims: tuple[str, ...] = ()
    """The same, of a file that may never have come."""
    results: bool = False
    """What submissions are worth, by ``submission_id``: shelved when boards show another scoring."""


DELIVERIES = Delivery.__tablename__
TABLES = {
    "appeal_words": Kept(typed=("text",)),
    "appeals": Kept(typed=("subject",)),
    "codes": Kept(archived=False, secret=("digest",), address="email"),
    "declarations": Kept(),
    DELIVERIES: Kept(typed=("image_name", "weights_name"), blobs=("image",), claims=("weights",)),
    "events": Kept(),
    "facts": Kept(),
    "invitations": Kept(secret=("digest",), address="email"),
    "jobs": Kept(),
    "mails": Kept(archived=False, secret=("body",), address="to", typed=("body", "error")),
    "members": Kept(),
    "people": Kept(secret=("password",), address="email"),
    "scores": Kept(blobs=("draws",), results=True),
    "scorings": Kept(),
    "shelved": Kept(),
    "submissions": Kept(typed=("name", "note"), blobs=("sha256", "sheet")),
    "teams": Kept(typed=("name", "folded", "method", "document", "document_name"), blobs=("document",)),
    "ties": Kept(),
    "tokens": Kept(archived=False, secret=("digest",), typed=("name",)),
    "uploads": Kept(typed=("name",)),
    "visits": Kept(archived=False, secret=("digest",)),
}


def list_tables() -> Iterator[tuple[Table, Kept]]:
    """All tables, each after those that it refers to.

    Raises:
        LookupError: if one is not named here.
    """
    for table in Base.metadata.sorted_tables:
        if table.name not in TABLES:
            raise LookupError(f"table {table.name}: say in host/kept.py how archives and exports treat it")
        yield table, TABLES[table.name]


def find_own(table: Table, kept: Kept, person_id: str, email: str) -> ColumnElement[bool] | None:
    """Which rows of a table are about a person; None for a table that is about nobody."""
    owners = [
        column for column in table.columns if any(key.column.table.name == "people" for key in column.foreign_keys)
    ]
    found = [column == person_id for column in owners]
    if kept.address:
        found.append(table.c[kept.address] == email)
    return or_(*found) if found else None
