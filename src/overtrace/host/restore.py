"""An archive opened again: its contest, its rows and what was sent in, in a folder that appears whole or not at all."""

import base64
import json
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import JSON, Connection, LargeBinary, MetaData, Table, delete, insert, update
from sqlalchemy.exc import IntegrityError, StatementError

from overtrace.errors import BadData, BadOption
from overtrace.host.archive import CONTEST, Manifest, find_free_bytes
from overtrace.host.archive_file import Archive, read_head
from overtrace.host.audit import Audit, audit, audit_database
from overtrace.host.blobs import Blobs, open_blobs
from overtrace.host.database import Database, open_database, reach
from overtrace.host.events import HEAD, Head
from overtrace.host.places import BLOBS, DATABASE
from overtrace.host.rows import Row
from overtrace.host.schema import is_known, migrate
from overtrace.raster.aside import FolderAside

NOTE = "archive.json"
"""In the folder: which archive was opened there."""
AT_ONCE = 500
ROOM_BYTES = 2**26


def restore(path: Path, folder: Path, db: str = "", store: str = "") -> Manifest:
    """Open an archive in a folder; one that was opened there before is left as it is.

    Args:
        folder: that is not there, or in which the same archive was opened.
        db: of an empty database; "" for a file in the folder.
        store: "" for a folder in it.
    Raises:
        BadData: if the archive is none, or was changed.
        BadOption: if the database is not empty, or knows other tables.
        BadOutput: if the folder holds something else.
    """
    with Archive(path) as archive:
        if _is_opened(archive.manifest, folder):
            return archive.manifest
        needed = sum(entry.size for entry in archive.manifest.files)
        if needed + ROOM_BYTES > find_free_bytes(folder.absolute()):
            raise BadOption(f"{path} needs {needed:,} bytes, which the disk of {folder} has not: name another --folder")
        aside = FolderAside(folder, lambda _: False)
        with aside.guard():
            aside.path.chmod(0o700)
            _copy_contest(archive, aside.path)
            _copy_blobs(archive, open_blobs(store or str(aside.path / BLOBS)))
            _fill(archive, db or f"sqlite:///{aside.path / DATABASE}")
            (aside.path / NOTE).write_text(_describe(archive.manifest))
        aside.commit()
        return archive.manifest


def find_contest(folder: Path) -> Path:
    """The contest file of an archive that was opened in a folder."""
    return folder / CONTEST


def audit_archive(path: Path, held: dict[str, Head]) -> Audit:
    """Look at the log in an archive.

    Raises:
        BadData: if the archive is none, or was changed.
    """
    with Archive(path) as archive:
        head = next((row.get("value") for row in archive.read_rows("facts") if row.get("name") == HEAD), None)
        manifest = archive.manifest
        if head != read_head(archive):
            return audit(archive.read_rows("events"), "manifest and rows tell of other ones", held)
        return audit(archive.read_rows("events"), Head(manifest.log, manifest.log_sha256), held)


def _is_opened(manifest: Manifest, folder: Path) -> bool:
    try:
        return (folder / NOTE).read_text() == _describe(manifest)
    except (OSError, UnicodeDecodeError):
        return False


def _describe(manifest: Manifest) -> str:
    return json.dumps(manifest.model_dump(mode="json", exclude={"files"}), indent=1) + "\n"


def _copy_contest(archive: Archive, folder: Path) -> None:
    for name in archive.list_names("contest/"):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        archive.copy(name, place)
        place.chmod(0o600)


def _copy_blobs(archive: Archive, blobs: Blobs) -> None:
    with TemporaryDirectory(prefix="overtrace-archive-") as scratch:
        for name in archive.list_names("blobs/"):
            place = Path(scratch) / "blob"
            archive.copy(name, place)
            blobs.put(place, name.removeprefix("blobs/"))
            place.unlink()


def _fill(archive: Archive, db: str) -> None:
    """Rows into the tables as they were then, which are brought up to date afterwards."""
    step = archive.manifest.schema_step
    if not is_known(step):
        raise BadData(f"{archive.path} has tables of step {step[:60]}, which a newer overtrace made: update overtrace")
    engine = open_database(db)
    try:
        with reach():
            migrate(engine, step)
            with engine.begin() as connection:
                _insert_all(archive, connection)
        migrate(engine)
        found = audit_database(Database(engine))
        if found.faults:
            raise BadData(f"{archive.path}: the log in it was changed: {found.faults[0]}: take another copy of it")
    finally:
        engine.dispose()


def _insert_all(archive: Archive, connection: Connection) -> None:
    metadata = MetaData()
    metadata.reflect(connection)
    _refuse_full(connection, metadata)
    for column in (column for table in metadata.tables.values() for column in table.columns):
        if isinstance(column.type, JSON):
            column.type = JSON(none_as_null=True)
    tables = [table for table in metadata.sorted_tables if archive.has(f"rows/{table.name}.jsonl")]
    known = {f"rows/{table.name}.jsonl" for table in tables}
    unknown = [name for name in archive.list_names("rows/") if name not in known]
    if unknown:
        raise BadData(f"{archive.path} has {unknown[0]}, which is no table of step {archive.manifest.schema_step}")
    for table in reversed(tables):
        connection.execute(delete(table))
    for table in tables:
        rows = (_load(archive, table, row) for row in archive.read_rows(table.name))
        while some := list(islice(rows, AT_ONCE)):
            try:
                connection.execute(insert(table), some)
            except (IntegrityError, StatementError) as error:
                reason = str(error.orig or error).splitlines()[0]
                raise BadData(f"{archive.path}: rows of {table.name} do not fit: {reason}") from error
    # Parts of files that were on their way are not in it.
    uploads = metadata.tables["uploads"]
    made_at = archive.manifest.made_at
    ended = int(made_at.timestamp() * 1_000_000)
    connection.execute(update(uploads).where(uploads.c.ended_at.is_(None)).values(ended_at=ended))


def _refuse_full(connection: Connection, metadata: MetaData) -> None:
    if connection.execute(metadata.tables["people"].select().limit(1)).first() is not None:
        where = connection.engine.url.render_as_string(hide_password=True)
        raise BadOption(f"--db {where} holds a contest already: name an empty one")


def _load(archive: Archive, table: Table, row: Row) -> dict[str, Any]:
    if row.keys() != {column.name for column in table.columns}:
        raise BadData(f"{archive.path}: a row of {table.name} has other columns than the table")
    binary = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
    try:
        return {**row, **{name: base64.b64decode(row[name]) for name in binary if row[name] is not None}}
    except (TypeError, ValueError) as error:
        raise BadData(f"{archive.path}: a row of {table.name} is no row: {error}") from error
