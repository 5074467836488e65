"""Folders that cannot hold more than they may: a file system in a file, or in memory where there is no loop device."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overtrace.errors import BadOption

INODE_BYTES = 16 * 1024
"""One file for so many bytes, as Linux's distributions make ext4."""
LEAST_BYTES = 2**22


@contextmanager
def mount_bounded(place: Path, size: int, inodes: int | None = None) -> Iterator[Path]:
    """An empty folder of a fixed size, mounted while the context lasts; then all of it is gone.

    What is written costs disk only as far as it is written.

    Args:
        place: a folder to be made; a file of the same name with ``.ext4`` lies beside it meanwhile.
        size: in bytes.
        inodes: how many files it can hold; by its size unless told.
    Raises:
        BadOption: if this machine can do neither.
    """
    file = place.with_name(f"{place.name}.ext4")
    place.mkdir()
    options = "nosuid,nodev"
    count = inodes or max(1024, size // INODE_BYTES)
    try:
        with file.open("wb") as made:
            made.truncate(max(size, LEAST_BYTES))
        command = ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-N", str(count), str(file)]
        why = _try(command) or _try(["mount", "-o", f"loop,{options}", str(file), str(place)])
        if why:
            kind = ["-t", "tmpfs", "-o", f"{options},mode=755,size={size},nr_inodes={count}"]
            more = _try(["mount", *kind, "tmpfs", str(place)])
            if more:
                raise BadOption(f"no folder of a fixed size can be mounted here ({why}; {more}): run it as root")
        try:
            shutil.rmtree(place / "lost+found", ignore_errors=True)
            yield place
        finally:
            unmount(place)
    finally:
        file.unlink(missing_ok=True)
        place.rmdir()


def unmount(place: Path) -> None:
    """Take a file system away, together with what is mounted in it."""
    for inside in sorted(find_mounts(place), key=len, reverse=True):
        if _try(["umount", inside]):
            # Something still has a file open there: it is gone from sight at once, and from disk when that ends.
            _try(["umount", "--lazy", inside])


def find_mounts(place: Path) -> list[str]:
    """Mount points at or below a folder."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4].encode().decode("unicode_escape") for line in file]
    root = os.path.realpath(place)
    return [point for point in points if point == root or point.startswith(f"{root}/")]


def _try(command: list[str]) -> str:
    """What a command says when it fails; empty if it does not."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    except FileNotFoundError:
        return f"{command[0]} is missing"
    return "" if done.returncode == 0 else " ".join(done.stderr.split()) or f"{command[0]} failed"
