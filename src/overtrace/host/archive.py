"""A whole contest in one file: a zip with its rows as JSON lines, the files of its contest file, and what was sent in.

    contest/contest.yaml, contest/...   the contest file and what it names
    rows/TABLE.jsonl                    one line a row, by primary key; as ``rows.dump_row`` shows it
    blobs/SHA256                        what was sent in
    manifest.json                       what is in it, with digests, and the head of the log

It is written piece by piece, from one view of the database, whichever that is.
"""

import hashlib
import itertools
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select

from overtrace import __version__
from overtrace.errors import BadOption, NotFound
from overtrace.host.blobs import Blobs
from overtrace.host.contest import Contest, Frozen
from overtrace.host.contest_file import ContestFile
from overtrace.host.database import Database, reach
from overtrace.host.events import HEAD
from overtrace.host.kept import list_tables
from overtrace.host.rows import Row, dump_row
from overtrace.raster.aside import open_aside

KIND = "overtrace archive 1"
MANIFEST = "manifest.json"
CONTEST = "contest/contest.yaml"
AT_ONCE = 500
CHUNK_BYTES = 2**20


class Entry(Frozen):
    """A file of an archive."""

    name: str
    size: int
    sha256: str


class Manifest(Frozen):
    """What an archive holds."""

    kind: str
    contest: str
    """Its name."""
    title: str
    made_at: datetime
    version: str
    """Of overtrace."""
    schema_step: str
    """Of the tables."""
    truth: bool
    """Whether what is true is in it."""
    log: int
    """Lines of the log."""
    log_sha256: str
    """Digest of the last one."""
    files: tuple[Entry, ...]


def write_archive(
    file: ContestFile, database: Database, blobs: Blobs, out: Path, at: datetime, *, truth: bool = False
) -> Manifest:
    """Write a contest into one file, which nobody else can read.

    Args:
        truth: whether what is true is put in, too.
    Raises:
        BadOption: if a file of the contest cannot be read.
        BadOutput: if the archive cannot be written.
        NotFound: if the store lacks a file that was sent in.
        Unavailable: if database or store cannot be reached.
    """
    aside = open_aside(out)
    with aside.guard():
        aside.path.chmod(0o600)
        with zipfile.ZipFile(aside.path, "w", allowZip64=True) as archive, _view(database) as connection:
            manifest = _write(_Writer(archive, at), file, connection, blobs, at, truth)
    aside.commit()
    return manifest


def _write(
    writer: "_Writer", file: ContestFile, connection: Connection, blobs: Blobs, at: datetime, truth: bool
) -> Manifest:
    writer.put(CONTEST, _read_file(file.path), packed=True)
    for inside in list_files(file.contest, file.folder, truth=truth):
        writer.put(f"contest/{inside}", _read_file(file.folder / inside))
    digests: set[str] = set()
    claims: set[str] = set()
    head: dict[str, Any] = {}
    for table, kept in list_tables():
        if not kept.archived:
            continue
        rows = connection.execution_options(yield_per=AT_ONCE).execute(select(table).order_by(*table.primary_key))
        found = (dump_row(table, dict(row)) for row in rows.mappings())
        lines = _gather(_gather(found, kept.blobs, digests), kept.claims, claims)
        writer.put(f"rows/{table.name}.jsonl", _write_lines(lines, head), packed=True)
    for sha256 in sorted(digests | claims):
        parts = blobs.read(sha256)
        try:
            first = next(parts, b"")
        except NotFound:
            if sha256 in digests:
                raise
            continue
        writer.put(f"blobs/{sha256}", itertools.chain([first], parts))
    manifest = Manifest(
        kind=KIND,
        contest=file.contest.name,
        title=file.contest.title,
        made_at=at,
        version=__version__,
        schema_step=MigrationContext.configure(connection).get_current_revision() or "",
        truth=truth,
        log=int(head["number"]),
        log_sha256=str(head["sha256"]),
        files=tuple(writer.entries),
    )
    writer.put(MANIFEST, [manifest.model_dump_json(indent=1).encode()], packed=True)
    return manifest


def _gather(rows: Iterable[Row], columns: Iterable[str], digests: set[str]) -> Iterator[Row]:
    """Which blobs rows name is noted on the way."""
    for row in rows:
        digests.update(row[name] for name in columns if row[name])
        yield row


def _write_lines(rows: Iterable[Row], head: dict[str, Any]) -> Iterator[bytes]:
    """The lines of a table; what the head of the log is is noted on the way."""
    for row in rows:
        if row.get("name") == HEAD and "value" in row:
            head.update(row["value"])
        yield json.dumps(row, separators=(",", ":")).encode() + b"\n"


class _Writer:
    """Adds files to a zip and keeps their digests."""

    def __init__(self, archive: zipfile.ZipFile, at: datetime) -> None:
        self._archive, self._time = archive, at.timetuple()[:6]
        self.entries: list[Entry] = []

    def put(self, name: str, parts: Iterable[bytes], *, packed: bool = False) -> None:
        """Add a file piece by piece; most of what is sent in or given out is packed already."""
        digest, size = hashlib.sha256(), 0
        info = zipfile.ZipInfo(name, self._time)
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        with self._archive.open(info, "w", force_zip64=True) as place:
            for part in parts:
                digest.update(part)
                size += len(part)
                place.write(part)
        self.entries.append(Entry(name=name, size=size, sha256=digest.hexdigest()))


def list_files(contest: Contest, folder: Path, *, truth: bool) -> list[str]:
    """What a contest file names beside itself, each file once.

    Raises:
        BadOption: if something is missing.
    """
    paths: set[str] = set()
    for phase in contest.phases:
        paths |= {path for path in (phase.ids, *(board.ids for board in phase.boards)) if path}
        paths |= {download.file for download in phase.downloads if download.file is not None}
        if truth and phase.truth is not None:
            paths |= _list_inside(folder, phase.truth)
    return sorted(paths)


def _list_inside(folder: Path, inside: str) -> set[str]:
    place = folder / inside
    if not place.exists():
        raise BadOption(f"{place} does not exist: the contest file names it as what is true")
    if place.is_file():
        return {inside}
    return {path.relative_to(folder).as_posix() for path in place.rglob("*") if path.is_file()}


def _read_file(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while part := file.read(CHUNK_BYTES):
                yield part
    except OSError as error:
        raise BadOption(f"{path} cannot be read: {error.strerror}: the contest file names it") from error


@contextmanager
def _view(database: Database) -> Iterator[Connection]:
    """One view of a database that does not change, however long it is read."""
    options: dict[str, Any] = {"reads": True}
    if database.engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with reach(), database.engine.execution_options(**options).connect() as connection:
        yield connection


def find_free_bytes(folder: Path) -> int:
    """Of the disk that a folder is on, or will be."""
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
