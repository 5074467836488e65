"""Whether a log is as it was written: each line is digested anew, from the bytes that are stored.

One digest that someone else holds, in a receipt or a head that was saved, shows also that nobody has written the whole
chain anew, or left off its end.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError, OperationalError, ProgrammingError

from overtrace.errors import BadOption
from overtrace.host.database import Database, reach
from overtrace.host.events import HEAD, NOTHING, Head, digest_line

Line = dict[str, Any]
"""A line as ``events.show_line`` shows it, with its digest."""
AT_ONCE = 1000
MOST_FAULTS = 100
NUMBERS = ("id", "at")
TEXTS = ("actor", "action", "subject", "details", "digest")


@dataclass
class Audit:
    """What came of looking at a log."""

    head: Head = field(default_factory=lambda: Head(0, NOTHING))
    """The last line that is there."""
    faults: list[str] = field(default_factory=list)
    """At most ``MOST_FAULTS``."""

    def find(self, fault: str) -> None:
        """Add a fault."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)


def audit(lines: Iterable[Line | str], head: Head | str | None, held: Mapping[str, Head] | None = None) -> Audit:
    """Look at each line of a log, in order.

    Args:
        lines: in the order of their numbers; a text for one that cannot be read, which says why.
        head: what the host keeps as its head; a text says why it cannot be read, and None that it is not known.
        held: by where they come from, lines that others hold the digests of.
    """
    found = Audit()
    wanted = {source: one for source, one in (held or {}).items() if one.number}
    for line in lines:
        if isinstance(line, str):
            found.find(f"the line after {found.head.number:,} cannot be read: {line}")
            continue
        _look(found, line)
        for source in [source for source, one in wanted.items() if one.number == line["id"]]:
            if wanted.pop(source).digest != line["digest"]:
                found.find(f"line {line['id']:,} is another one than {source} names")
    for source, one in wanted.items():
        found.find(f"line {one.number:,}, which {source} names, is missing: the log ends at {found.head.number:,}")
    if isinstance(head, str):
        found.find(f"the head cannot be read: {head}")
    elif head is not None and head != found.head:
        found.find(f"the log ends at line {found.head.number:,}, and its head is another one: line {head.number:,}")
    return found


def _look(found: Audit, line: Line) -> None:
    number, before = line["id"], found.head
    if number <= before.number:
        found.find(f"line {number:,} stands after line {before.number:,}")
    elif digest_line(before.digest, {key: line[key] for key in line if key != "digest"}) != line["digest"]:
        missing = f", or lines before it are missing: the one before is {before.number:,}"
        found.find(f"line {number:,} was changed{missing if number != before.number + 1 else ''}")
    found.head = Head(number, line["digest"])


def audit_database(database: Database, held: Mapping[str, Head] | None = None) -> Audit:
    """Look at the log of a database.

    Raises:
        BadOption: if it has no chain yet, or is none of a host.
        Unavailable: if the database is not there.
    """
    # Not committed at its end, which a broken file would not let be done.
    with reach(), database.engine.execution_options(reads=True).connect() as connection:
        try:
            head = _read_head(connection)
        except (OperationalError, ProgrammingError) as error:
            where = database.engine.url.render_as_string(hide_password=True)
            raise BadOption(f"{where} has no log that is chained: start the host once, or name another one") from error
        except DatabaseError as error:
            head = _tell(error)
        return audit(_read_lines(connection), head, held)


def _read_head(connection: Connection) -> Head | str:
    said = connection.execute(text(f"SELECT {_as_bytes(connection, 'value')} FROM facts WHERE name = '{HEAD}'"))
    connection.execute(text("SELECT digest FROM events LIMIT 1"))
    row = said.one_or_none()
    if row is None:
        return "it is not there"
    try:
        value = json.loads(bytes(row[0]))
        return Head(int(value["number"]), str(value["sha256"]))
    except (ValueError, KeyError, TypeError) as error:
        return repr(error)


def _read_lines(connection: Connection) -> Iterator[Line | str]:
    """As bytes, for a text that is none would end all reading."""
    columns = ", ".join([*NUMBERS, *(_as_bytes(connection, name) for name in TEXTS)])
    query = text(f"SELECT {columns} FROM events ORDER BY id")
    try:
        for row in connection.execution_options(yield_per=AT_ONCE).execute(query):
            yield _understand(row)
    except DatabaseError as error:
        yield _tell(error)


def _tell(error: DatabaseError) -> str:
    return str(error.orig).splitlines()[0]


def _as_bytes(connection: Connection, column: str) -> str:
    is_sqlite = connection.dialect.name == "sqlite"
    return f"CAST({column} AS BLOB)" if is_sqlite else f"convert_to(CAST({column} AS TEXT), 'UTF8')"


def _understand(row: Iterable[Any]) -> Line | str:
    values = dict(zip((*NUMBERS, *TEXTS), row, strict=True))
    try:
        line: Line = {name: values[name] for name in NUMBERS}
        if not all(type(number) is int for number in line.values()):
            return "its number or its time is none"
        line |= {name: bytes(values[name]).decode() for name in TEXTS}
        details = json.loads(line["details"])
    except (ValueError, TypeError, RecursionError) as error:
        return str(error)
    # As it was written, to the blank.
    if json.dumps(details) != line["details"]:
        return f"the details of line {line['id']:,} are written in another way"
    return {**line, "details": details}
