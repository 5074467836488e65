"""Files that appear whole or not at all: written beside their final place, renamed when complete."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from overtrace.errors import BadOutput

FULL_BYTES = 2**20
KINDS = ("part", "old")
"""How the names of folders end that are being written, and that are being replaced."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A file that is being written, and the place it is for."""

    final: Path
    path: Path
    """Same folder, hidden, named after the process: ``.crowns.4711.part.gpkg``."""
    failures: tuple[type[Exception], ...] = (OSError,)
    """What the writer of this format raises when the disk fails it."""

    @contextmanager
    def guard(self, close: Callable[[], object] | None = None) -> Iterator[None]:
        """Whatever goes wrong within leaves no file behind.

        Args:
            close: closes the file, which some systems want before it is removed.
        Raises:
            BadOutput: one line in the place of any of ``failures``; other exceptions pass.
        """
        try:
            yield
        except BaseException as error:
            reason = _reason(error, self.final.parent) if isinstance(error, self.failures) else None
            self.discard(close)
            if reason is None:
                raise
            raise BadOutput(f"{self.final} cannot be written: {reason}") from error

    def commit(self) -> None:
        """Put the file in its place, over an older one, so that a power cut leaves the old or the new one whole."""
        with self.guard():
            _flush_to_disk(self.path)
            os.replace(self.path, self.final)
            # Windows opens no folders, and needs no flush of them.
            if os.name == "posix":
                _flush_to_disk(self.final.parent)

    def discard(self, close: Callable[[], object] | None = None) -> None:
        """Close the file, and remove it and what its format keeps beside it (journals, scratch copies)."""
        if close is not None:
            # What does not fit on a full disk is not wanted any more.
            with suppress(*self.failures):
                close()
        for leftover in _files_beside(self.final, f"{re.escape(self.path.stem)}.*"):
            leftover.unlink(missing_ok=True)


class TextAside:
    """A text file that is written aside, piece by piece."""

    def __init__(self, path: str | Path) -> None:
        self._aside = open_aside(path)
        with self._aside.guard():
            self._file = self._aside.path.open("w", encoding="utf-8", newline="\n")

    def put(self, text: str) -> None:
        """Add a piece."""
        with self._aside.guard(self._file.close):
            self._file.write(text)

    def close(self) -> None:
        """Write what is still in memory."""
        with self._aside.guard():
            self._file.close()

    def commit(self) -> None:
        """Rename the file."""
        self._aside.commit()

    def discard(self) -> None:
        """Remove the file."""
        self._aside.discard(self._file.close)


class FolderAside:
    """A folder that is written aside, file by file."""

    def __init__(self, path: str | Path, may_replace: Callable[[Path], bool]) -> None:
        """Args:
            may_replace: whether a folder that is there, and not empty, may go.
        Raises:
            BadOutput: a folder that stays, a file, or a place that cannot be written to.
        """
        self.final = Path(path)
        self._may_replace = may_replace
        self._check()
        self.path, self._old = (self.final.with_name(f".{self.final.name}.{os.getpid()}.{kind}") for kind in KINDS)
        self._remove_abandoned()
        with self.guard():
            self.path.mkdir()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Whatever goes wrong within leaves nothing behind; what the disk refuses is one line."""
        try:
            yield
        except OSError as error:
            reason = _reason(error, self.final.parent)
            self.discard()
            raise BadOutput(f"{self.final} cannot be written: {reason}") from error
        except BaseException:
            self.discard()
            raise

    def commit(self) -> None:
        """Put the folder in its place; an older one goes when the new one is there."""
        with self.guard():
            self._check()
            for file in sorted(self.path.rglob("*")):
                _flush_to_disk(file)
            if self.final.exists():
                self.final.rename(self._old)
            self.path.rename(self.final)
            if os.name == "posix":
                _flush_to_disk(self.final.parent)
        shutil.rmtree(self._old, ignore_errors=True)

    def discard(self) -> None:
        """Remove the folder; an older one is left, or put back."""
        if self._old.exists() and not self.final.exists():
            self._old.rename(self.final)
        shutil.rmtree(self.path, ignore_errors=True)

    def _check(self) -> None:
        if self.final.exists() and not self.final.is_dir():
            raise BadOutput(f"{self.final} is a file: name a folder")
        if not self.final.parent.is_dir():
            raise BadOutput(f"{self.final} cannot be written: folder {self.final.parent} does not exist: create it")
        if self.final.exists() and any(self.final.iterdir()) and not self._may_replace(self.final):
            raise BadOutput(f"{self.final} is a folder that holds something else: name another one")

    def _remove_abandoned(self) -> None:
        pattern = rf"\.{re.escape(self.final.name)}\.(\d+)\.({'|'.join(KINDS)})"
        for leftover in _files_beside(self.final, pattern):
            match = re.fullmatch(pattern, leftover.name)
            if match and not is_running(int(match[1])):
                if match[2] == "old" and not self.final.exists():
                    leftover.rename(self.final)
                shutil.rmtree(leftover, ignore_errors=True)


def open_aside(path: str | Path, *failures: type[Exception]) -> Aside:
    """An empty file to write, beside ``path``; what a killed process left there for the same ``path`` is removed.

    Args:
        failures: what the writer raises when the disk fails it, besides OSError.
    Raises:
        BadOutput: the folder is missing or not writable, or ``path`` is a folder.
    """
    final = Path(path)
    if final.is_dir():
        raise BadOutput(f"{final} is a folder: name a file in it")
    if not final.parent.is_dir():
        raise BadOutput(f"{final} cannot be written: folder {final.parent} does not exist: create it first")
    _remove_abandoned(final)
    aside = final.with_name(f".{final.stem}.{os.getpid()}.part{final.suffix}")
    try:
        aside.write_bytes(b"")
    except OSError as error:
        raise BadOutput(f"{final} cannot be written: {_reason(error, final.parent)}") from error
    return Aside(final, aside, (OSError, *failures))


def _remove_abandoned(final: Path) -> None:
    """Without this, each kill of a long run would leave a large hidden file."""
    pattern = rf"\.{re.escape(final.stem)}\.(\d+)\.part{re.escape(final.suffix)}.*"
    for leftover in _files_beside(final, pattern):
        match = re.fullmatch(pattern, leftover.name)
        if match and not is_running(int(match[1])):
            leftover.unlink(missing_ok=True)


def _files_beside(final: Path, pattern: str) -> list[Path]:
    try:
        return [entry for entry in final.parent.iterdir() if re.fullmatch(pattern, entry.name)]
    except OSError:
        return []


def is_running(process: int) -> bool:
    """Whether another process of this number is alive."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _flush_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception, folder: Path) -> str:
    """What went wrong and what to do, on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    if getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in text or _is_full(folder):
        return "no space left on the disk: free some, or write to another one"
    return f"{text}: check its folder and disk"


def _is_full(folder: Path) -> bool:
    """GDAL says of a full disk no more than that a write failed."""
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False
