"""An archive that is opened: nothing in it is believed before it is looked at.

Names lead nowhere but to where files of their kind belong, sizes are those that the manifest tells, nothing unpacks to
more than that, and each file is digested while it is read.
"""

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from pydantic import ValidationError

from overtrace.errors import BadData
from overtrace.host.archive import CHUNK_BYTES, CONTEST, KIND, MANIFEST, Entry, Manifest
from overtrace.host.contest import is_inside
from overtrace.host.rows import Row

MOST_MANIFEST_BYTES = 2**28
MOST_LINE_BYTES = 2**27
SMALL_BYTES = 2**26
MOST_RATIO = 1000
"""Of what is packed, where it is not small: rows that hardly differ may be packed well."""
NAMES = re.compile(r"manifest\.json|rows/[a-z_]{1,60}\.jsonl|blobs/[0-9a-f]{64}")
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError)


class Archive:
    """An archive that is open for reading; close it, or use it in a ``with``."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            BadData: if it is no archive of a contest, or not one that is whole.
        """
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (*BROKEN, ValueError) as error:
            raise BadData(f"{path} is no archive: {error}: overtrace contest archive writes one") from error
        try:
            self.manifest = self._read_manifest()
            self._entries = {entry.name: entry for entry in self.manifest.files}
            self._check_members()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> "Archive":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def list_names(self, begin: str) -> list[str]:
        """The files whose names begin so, in order."""
        return sorted(name for name in self._entries if name.startswith(begin))

    def has(self, name: str) -> bool:
        """Whether a file is in it."""
        return name in self._entries

    def copy(self, name: str, place: Path) -> None:
        """Write one of its files.

        Raises:
            BadData: if it is not what the manifest says; what was written is of no use then.
        """
        with place.open("xb") as out:
            for part in self._read(name):
                out.write(part)

    def read_rows(self, table: str) -> Iterator[Row]:
        """The rows of a table, none for one that is not in it.

        Raises:
            BadData: if they are not what the manifest says; perhaps only at their end.
        """
        name = f"rows/{table}.jsonl"
        rest = b""
        for part in self._read(name) if self.has(name) else ():
            *lines, rest = (rest + part).split(b"\n")
            if len(rest) > MOST_LINE_BYTES:
                raise self._fault(f"a line of {name} is longer than {MOST_LINE_BYTES:,} bytes")
            for line in lines:
                yield self._read_row(name, line)
        if rest:
            raise self._fault(f"{name} breaks off")

    def _read_row(self, name: str, line: bytes) -> Row:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._fault(f"{name}: {error}") from error
        if not isinstance(row, dict):
            raise self._fault(f"{name}: a line is no row")
        return row

    def _read(self, name: str) -> Iterator[bytes]:
        entry, digest, size = self._entries[name], hashlib.sha256(), 0
        try:
            with self._zip.open(name) as file:
                while part := file.read(CHUNK_BYTES):
                    size += len(part)
                    if size > entry.size:
                        break
                    digest.update(part)
                    yield part
        except BROKEN as error:
            raise self._fault(f"{name}: {error}") from error
        if (size, digest.hexdigest()) != (entry.size, entry.sha256):
            raise self._fault(f"{name} is not what the manifest says")

    def _read_manifest(self) -> Manifest:
        try:
            if self._zip.getinfo(MANIFEST).file_size > MOST_MANIFEST_BYTES:
                raise self._fault("its manifest is too long")
            with self._zip.open(MANIFEST) as file:
                text = _read_most(file, MOST_MANIFEST_BYTES)
            manifest = Manifest.model_validate_json(text)
        except KeyError as error:
            raise self._fault(f"it has no {MANIFEST}") from error
        except (*BROKEN, ValidationError) as error:
            raise self._fault(f"its manifest: {str(error).splitlines()[0]}") from error
        if manifest.kind != KIND:
            raise self._fault(f"it is of kind {manifest.kind[:60]!r}, wanted {KIND!r}: update overtrace")
        return manifest

    def _check_members(self) -> None:
        """Each member once, of a name and a kind that belong here, and of the size that the manifest tells."""
        members = self._zip.infolist()
        names = [member.filename for member in members]
        if sorted(names) != sorted({*self._entries, MANIFEST}) or len(self._entries) != len(self.manifest.files):
            raise self._fault("its files are not those of its manifest")
        for member in members:
            self._check_member(member, self._entries.get(member.filename))
        for name in (CONTEST, "rows/events.jsonl", "rows/facts.jsonl"):
            if not self.has(name):
                raise self._fault(f"it has no {name}")

    def _check_member(self, member: zipfile.ZipInfo, entry: Entry | None) -> None:
        name, mode = member.filename, member.external_attr >> 16
        if not NAMES.fullmatch(name) and not _is_of_contest(name):
            raise self._fault(f"{name[:80]!r} leads out of it, or does not belong there")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or member.is_dir() or member.flag_bits & 1:
            raise self._fault(f"{name} is no plain file")
        if entry is not None and member.file_size != entry.size:
            raise self._fault(f"{name} has {member.file_size:,} bytes, and {entry.size:,} by its manifest")
        if member.file_size > max(SMALL_BYTES, MOST_RATIO * member.compress_size):
            raise self._fault(f"{name} would unpack to {member.file_size:,} bytes from {member.compress_size:,}")
        if entry is not None and name.startswith("blobs/") and name != f"blobs/{entry.sha256}":
            raise self._fault(f"{name} has another digest by its manifest")

    def _fault(self, what: str) -> BadData:
        return BadData(f"{self.path} cannot be used: {what}: take another copy of it")


def _is_of_contest(name: str) -> bool:
    inside = name.removeprefix("contest/")
    plain = inside.isprintable() and "\\" not in inside and ":" not in inside and "//" not in inside
    return name.startswith("contest/") and plain and is_inside(inside) and not inside.endswith("/")


def _read_most(file: IO[bytes], most: int) -> bytes:
    parts: list[bytes] = []
    while part := file.read(CHUNK_BYTES):
        parts.append(part)
        if sum(map(len, parts)) > most:
            break
    return b"".join(parts)


def read_head(archive: Archive) -> dict[str, Any]:
    """What the manifest says of the end of the log."""
    return {"number": archive.manifest.log, "sha256": archive.manifest.log_sha256}
