"""The files of an answer, however they were packed: one file, a folder, gzip or zip; nothing is written to disk."""

import gzip
import os
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from overtrace.errors import BadAnswer
from overtrace.formats.faults import Fault, gather, refuse


@dataclass(frozen=True, slots=True)
class Limits:
    """What an answer may be at most."""

    files: int = 100_000
    total_bytes: int = 16 * 2**30
    """Unpacked."""
    small_bytes: int = 2**28
    """Up to here it does not matter how well an archive is packed."""
    ratio: int = 200
    """Beyond, at most so many bytes of one that is packed; masks as JSON take 5 to 30."""

    def most_bytes(self, packed: int) -> int:
        """What an archive of so many bytes may hold."""
        return min(self.total_bytes, max(self.small_bytes, self.ratio * packed))


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an answer."""

    name: str
    """Its path inside the answer, without folders that wrap everything."""
    shown: str
    """What errors call it."""
    read: Callable[[], bytes]
    path: Path | None = None
    """Where it lies, if it is a plain file."""


def open_answer(path: Path, limits: Limits | None = None) -> list[Member]:
    """The files of an answer, by name.

    Folders that wrap everything are taken off; what operating systems leave behind is left out.

    Raises:
        BadAnswer: if it cannot be read, is larger than the limits, or has names that lead out of it.
    """
    faults: list[Fault] = []
    members = find_members(path, faults, limits)
    if faults:
        raise refuse(faults)
    return members


def find_members(path: Path, faults: list[Fault], limits: Limits | None = None) -> list[Member]:
    """The files of an answer that can be read, by name; what is wrong with the others is added to the faults."""
    with gather(faults, str(path)):
        return sorted(_unwrap(_open(path, faults, limits or Limits())), key=lambda member: member.name)
    return []


def _open(path: Path, faults: list[Fault], limits: Limits) -> list[Member]:
    if path.is_dir():
        members = _open_folder(path, limits)
    elif not path.is_file():
        raise BadAnswer(f"{path} does not exist: check the path")
    elif zipfile.is_zipfile(path):
        members = _open_zip(path, faults, limits)
    elif _begins_with(path, b"\x1f\x8b"):
        members = [Member(path.name.removesuffix(".gz"), str(path), partial(_unpack_gzip, path, limits))]
    else:
        members = [Member(path.name, str(path), partial(_read, path), path)]
    if not members and not faults:
        raise BadAnswer(f"{path} holds no file: pack the answer again")
    return members


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadAnswer(f"{path} cannot be read: {error.strerror}: check the file") from error


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise BadAnswer(f"{path} cannot be read: {error.strerror}: check the file") from error


def _is_left_behind(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1].lower() in ("thumbs.db", "desktop.ini")


def _open_folder(folder: Path, limits: Limits) -> list[Member]:
    members: list[Member] = []
    total = 0
    for parent, folders, files in os.walk(folder):
        folders.sort()
        inside = Path(parent).relative_to(folder).as_posix()
        for file in sorted(files):
            name = file if inside == "." else f"{inside}/{file}"
            place = os.path.join(parent, file)
            facts = os.lstat(place)
            if _is_left_behind(name) or not stat.S_ISREG(facts.st_mode):
                continue
            total += facts.st_size
            path = Path(place)
            members.append(Member(name, place, partial(_read, path), path))
            _check_limits(folder, len(members), total, limits, limits.total_bytes)
    return members


def _open_zip(path: Path, faults: list[Fault], limits: Limits) -> list[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except MemoryError:
        raise
    except Exception as error:  # whatever the fields of a damaged archive lead to
        raise BadAnswer(f"{path} is no whole zip archive: {error}: pack it again") from error
    most = limits.most_bytes(path.stat().st_size)
    _check_limits(path, len(infos), sum(info.file_size for info in infos), limits, most)
    members: list[Member] = []
    seen: set[str] = set()
    for info in infos:
        shown = f"{path}/{info.filename}"
        place = PurePosixPath(info.filename.replace("\\", "/"))
        wrong = _find_fault(info, place, seen)
        if wrong is not None:
            faults.append(Fault(shown, "", *wrong))
        elif not _is_left_behind(place.as_posix()):
            seen.add(place.as_posix())
            members.append(Member(place.as_posix(), shown, partial(_unpack_member, path, info)))
    return members


def _find_fault(info: zipfile.ZipInfo, place: PurePosixPath, seen: set[str]) -> tuple[str, str] | None:
    """What was found of one file of an archive, and what was wanted."""
    if not place.parts or place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
        return "it leads out of the archive", "pack it again with plain names"
    if info.flag_bits & 1:
        return "it is encrypted", "pack it again without a password"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link", "pack the file itself"
    if place.as_posix() in seen:
        return "it is in the archive twice", "pack it again"
    return None


def _check_limits(path: Path, files: int, total: int, limits: Limits, most: int) -> None:
    if files > limits.files:
        raise BadAnswer(f"{path} holds {files:,} files: at most {limits.files:,} are read")
    if total > most:
        raise BadAnswer(f"{path} holds {total:,} bytes: at most {most:,} are read")


def _unpack_member(path: Path, info: zipfile.ZipInfo) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as file:
            # An archive may claim less than it holds.
            data = file.read(info.file_size + 1)
    except MemoryError:
        raise
    except Exception as error:  # each way of packing has errors of its own
        raise BadAnswer(f"{path}/{info.filename} cannot be unpacked: {error}: pack it again") from error
    if len(data) != info.file_size:
        raise BadAnswer(f"{path}/{info.filename} is not as long as the archive says: pack it again")
    return data


def _unpack_gzip(path: Path, limits: Limits) -> bytes:
    most = limits.most_bytes(path.stat().st_size)
    try:
        with gzip.open(path) as file:
            data = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadAnswer(f"{path} cannot be unpacked: {error}: pack it again") from error
    _check_limits(path, 1, len(data), limits, most)
    return data


def _unwrap(members: list[Member]) -> list[Member]:
    """Without the folders that all files have in common."""
    parts = [member.name.split("/") for member in members]
    depth = 0
    while parts and all(len(names) > depth + 1 and names[depth] == parts[0][depth] for names in parts):
        depth += 1
    if depth == 0:
        return members
    return [replace(member, name="/".join(names[depth:])) for names, member in zip(parts, members, strict=True)]
