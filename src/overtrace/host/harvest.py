"""What a container has left in its output, copied without following anything: regular files of bounded number and size.

A container can leave ``answer.json -> /etc/shadow``; whoever reads that by its name reads the file of this machine. So
nothing here goes by a path that has more than one part, and nothing that is not a regular file is opened.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from overtrace.host.replication import Reason

CHUNK = 2**20
MOST_DEPTH = 2


class BadHarvest(Exception):
    """An output that is not taken."""

    def __init__(self, reason: Reason, said: str) -> None:
        super().__init__(said)
        self.reason = reason
        self.said = said


@dataclass(frozen=True, slots=True)
class Harvest:
    """What was copied."""

    names: tuple[str, ...]
    total_bytes: int


@dataclass(slots=True)
class _Room:
    files: int
    bytes: int


def harvest(output: Path, into: Path, most_files: int, most_bytes: int) -> Harvest:
    """Copy the files of an output, of its folder and those in it, by their names alone.

    Args:
        output: what a container that has ended has written.
        into: an empty folder.
    Raises:
        BadHarvest: if it holds a link, a special file, two files of one name, or too much.
    """
    room = _Room(most_files, most_bytes)
    names: list[str] = []
    handle = os.open(output, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _copy_folder(handle, "", into, room, names, MOST_DEPTH)
    finally:
        os.close(handle)
    if not names:
        raise BadHarvest(Reason.NO_ANSWER, "it has left no file in /output")
    return Harvest(tuple(sorted(names)), most_bytes - room.bytes)


def _copy_folder(folder: int, shown: str, into: Path, room: _Room, names: list[str], depth: int) -> None:
    for name in _list(folder, room):
        place = f"{shown}{_show(name)}"
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(facts.st_mode):
            if depth == 0:
                raise BadHarvest(Reason.MANY_FILES, f"/output/{place} lies deeper than {MOST_DEPTH} folders")
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                _copy_folder(inner, f"{place}/", into, room, names, depth - 1)
            finally:
                os.close(inner)
        elif not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
            raise BadHarvest(Reason.LINKS, f"/output/{place} is {_name_kind(facts)}: only regular files are read")
        elif name.startswith("."):
            continue
        elif name in names or not name.isprintable() or "\\" in name:
            raise BadHarvest(
                Reason.FAULTS, f"/output/{place} has the name of another file, or one that cannot be shown"
            )
        else:
            room.bytes -= _copy(folder, name, place, into / name, room.bytes)
            names.append(name)


def _list(folder: int, room: _Room) -> list[str]:
    found: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            room.files -= 1
            if room.files < 0:
                raise BadHarvest(Reason.MANY_FILES, "/output holds more files than there are images to answer")
            found.append(entry.name)
    return sorted(found)


def _copy(folder: int, name: str, shown: str, into: Path, most: int) -> int:
    """Bytes that were copied."""
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise BadHarvest(Reason.LINKS, f"/output/{shown} is no regular file")
        copied = 0
        with into.open("xb") as out:
            while part := os.read(source, CHUNK):
                copied += len(part)
                # A file with holes takes no room where it lies.
                if copied > most:
                    raise BadHarvest(Reason.DISK, f"/output/{shown} is larger than the output may be")
                out.write(part)
        return copied
    finally:
        os.close(source)


def _name_kind(facts: os.stat_result) -> str:
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
    }
    return kinds.get(stat.S_IFMT(facts.st_mode), "a hard link")


def _show(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:100]
