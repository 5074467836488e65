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


@dataclass(frozen=True, slots=True)
class Limits:
    """What an answer may be at most."""

    files: int = 100_000
    total_bytes: int = 16 * 2**30
    """Unpacked."""


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
    limits = limits or Limits()
    if path.is_dir():
        members = _open_folder(path, limits)
    elif not path.is_file():
        raise BadAnswer(f"{path} does not exist: check the path")
    elif zipfile.is_zipfile(path):
        members = _open_zip(path, limits)
    elif _begins_with(path, b"\x1f\x8b"):
        members = [Member(path.name.removesuffix(".gz"), str(path), partial(_unpack_gzip, path, limits))]
    else:
        members = [Member(path.name, str(path), path.read_bytes, path)]
    if not members:
        raise BadAnswer(f"{path} holds no file: pack the answer again")
    return sorted(_unwrap(members), key=lambda member: member.name)


def _begins_with(path: Path, magic: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(magic)) == magic


def _is_left_behind(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1].lower() in ("thumbs.db", "desktop.ini")


def _open_folder(folder: Path, limits: Limits) -> list[Member]:
    members: list[Member] = []
    total = 0
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(parent, file)
            name = path.relative_to(folder).as_posix()
            if _is_left_behind(name) or path.is_symlink() or not path.is_file():
                continue
            total += path.stat().st_size
            members.append(Member(name, str(path), path.read_bytes, path))
            _check_limits(folder, len(members), total, limits)
    return members


def _open_zip(path: Path, limits: Limits) -> list[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise BadAnswer(f"{path} is no whole zip archive: {error}: pack it again") from error
    _check_limits(path, len(infos), sum(info.file_size for info in infos), limits)
    members, seen = [], set()
    for info in infos:
        shown = f"{path}/{info.filename}"
        place = PurePosixPath(info.filename.replace("\\", "/"))
        if not place.parts or place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
            raise BadAnswer(f"{shown} leads out of the archive: pack it again with plain names")
        if info.flag_bits & 1:
            raise BadAnswer(f"{shown} is encrypted: pack it again without a password")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise BadAnswer(f"{shown} is a link: pack the file itself")
        if _is_left_behind(place.as_posix()):
            continue
        if place.as_posix() in seen:
            raise BadAnswer(f"{shown} is in the archive twice: pack it again")
        seen.add(place.as_posix())
        members.append(Member(place.as_posix(), shown, partial(_unpack_member, path, info)))
    return members


def _check_limits(path: Path, files: int, total: int, limits: Limits) -> None:
    if files > limits.files:
        raise BadAnswer(f"{path} holds {files:,} files: at most {limits.files:,} are read")
    if total > limits.total_bytes:
        raise BadAnswer(f"{path} holds {total:,} bytes: at most {limits.total_bytes:,} are read")


def _unpack_member(path: Path, info: zipfile.ZipInfo) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as file:
            # An archive may claim less than it holds.
            data = file.read(info.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadAnswer(f"{path}/{info.filename} cannot be unpacked: {error}: pack it again") from error
    if len(data) != info.file_size:
        raise BadAnswer(f"{path}/{info.filename} is not as long as the archive says: pack it again")
    return data


def _unpack_gzip(path: Path, limits: Limits) -> bytes:
    try:
        with gzip.open(path) as file:
            data = file.read(limits.total_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadAnswer(f"{path} cannot be unpacked: {error}: pack it again") from error
    _check_limits(path, 1, len(data), limits)
    return data


def _unwrap(members: list[Member]) -> list[Member]:
    """Without the folders that all files have in common."""
    parts = [PurePosixPath(member.name).parts for member in members]
    depth = 0
    while all(len(names) > depth + 1 and names[depth] == parts[0][depth] for names in parts):
        depth += 1
    return [
        replace(member, name=PurePosixPath(*names[depth:]).as_posix())
        for names, member in zip(parts, members, strict=True)
    ]
