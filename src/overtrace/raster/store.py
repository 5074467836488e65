"""Where the work under way is kept: a folder that all workers see, or a bucket of any S3 server.

What is written is there whole or not at all, and is never changed; what is written twice is the same.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from overtrace.errors import BadOption
from overtrace.raster.arrays import Arrays, Damaged, load, pack, unpack, write_whole

if TYPE_CHECKING:
    from obstore.store import S3Store

HEAD_BYTES = 2**16
"""Read at once of an object of which a few arrays are wanted: its header, and mostly more than that."""
RETRIES = 4
RETRY_FOR = timedelta(seconds=60)


class Store(Protocol):
    """Files by name; names may have folders in them. Can be pickled, and be a key."""

    def __hash__(self) -> int: ...

    @property
    def address(self) -> str:
        """What the user calls it."""
        ...

    @property
    def folder(self) -> Path | None:
        """None: it is no folder."""
        ...

    def child(self, name: str) -> "Store":
        """The store of a folder in it."""
        ...

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file.

        Raises:
            OSError: if it cannot be written.
        """
        ...

    def read(self, name: str) -> bytes:
        """A whole file.

        Raises:
            OSError: FileNotFoundError if there is none.
        """
        ...

    def load(self, name: str, names: Iterable[str] | None = None) -> Arrays:
        """The arrays of these names in a file, or all.

        Raises:
            Damaged: if the bytes are not those that were written.
            OSError: FileNotFoundError if there is none.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a file; nothing where there is none."""
        ...

    def clear(self) -> None:
        """Remove everything."""
        ...

    def holds(self, pattern: str) -> bool:
        """Whether a file of which a part of the name is ``pattern`` is there."""
        ...


def save(store: Store, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of any shape and number under their names."""
    store.write(name, pack(arrays))


def is_whole(store: Store, name: str) -> bool:
    """Whether the file is there and all its bytes are those that were written."""
    try:
        store.load(name)
    except (Damaged, FileNotFoundError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, made when something is written."""

    path: Path

    @property
    def address(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def folder(self) -> Path | None:
        """Itself."""
        return self.path

    def child(self, name: str) -> "Folder":
        """A folder in it."""
        return Folder(self.path / name)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write aside, rename."""
        path, pieces = self.path / name, list(pieces)
        try:
            write_whole(path, pieces)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, pieces)

    def read(self, name: str) -> bytes:
        """A whole file."""
        return (self.path / name).read_bytes()

    def load(self, name: str, names: Iterable[str] | None = None) -> Arrays:
        """Arrays of a file."""
        return load(self.path / name, names)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.path / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def holds(self, pattern: str) -> bool:
        """Look through it."""
        return any(pattern in path.name for path in self.path.rglob("*"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """``s3://BUCKET/PREFIX``; keys and endpoint are those of the environment of each process, and are never sent."""

    address: str

    @property
    def folder(self) -> Path | None:
        """None."""
        return None

    def child(self, name: str) -> "Bucket":
        """A longer prefix."""
        return Bucket(f"{self.address}/{name}")

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Put an object."""
        import obstore

        with self._reach():
            try:
                obstore.put(_open(self.address), name, b"".join(pieces))
            except FileNotFoundError as error:
                raise OSError(f"{self.address}: there is no such bucket") from error

    def read(self, name: str) -> bytes:
        """Get an object."""
        import obstore

        with self._reach():
            return bytes(obstore.get(_open(self.address), name).bytes())

    def load(self, name: str, names: Iterable[str] | None = None) -> Arrays:
        """Arrays of an object; where only some are wanted, by ranges."""
        import obstore

        with self._reach():
            if names is None:
                head = self.read(name)
            else:
                head = bytes(obstore.get_range(_open(self.address), name, start=0, length=HEAD_BYTES))

            def read(position: int, size: int) -> bytes:
                if position + size <= len(head) or len(head) < HEAD_BYTES or names is None:
                    return head[position : position + size]
                return bytes(obstore.get_range(_open(self.address), name, start=position, length=size))

            return unpack(read, names, f"{self.address}/{name}")

    def remove(self, name: str) -> None:
        """Delete an object."""
        import obstore

        with self._reach():
            obstore.delete(_open(self.address), name)

    def clear(self) -> None:
        """Delete all objects of the prefix."""
        import obstore

        with self._reach():
            for page in obstore.list(_open(self.address), chunk_size=1000):
                obstore.delete(_open(self.address), [entry["path"] for entry in page])

    def holds(self, pattern: str) -> bool:
        """Look through the names."""
        import obstore

        with self._reach():
            pages = obstore.list(_open(self.address), chunk_size=1000)
            return any(pattern in entry["path"].rpartition("/")[2] for page in pages for entry in page)

    @contextmanager
    def _reach(self) -> Iterator[None]:
        """What the server says, without anything that it repeats of our request: it may hold a key."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.address} does not hold what was asked for") from error
        except BaseError as error:
            raise OSError(f"{self.address}: {_reason(error)}") from None


def open_store(address: str | Path) -> Store:
    """A folder, or ``s3://BUCKET/PREFIX``.

    Raises:
        BadOption: if it is another kind of address, or what reads it is not installed.
    """
    text = str(address)
    if "://" not in text:
        return Folder(Path(text).absolute())
    if not re.fullmatch(r"s3://[^/]+/.+", text):
        raise BadOption(f"--scratch {text}: wanted a folder or s3://BUCKET/PREFIX")
    try:
        import obstore  # noqa: F401
    except ImportError as error:
        raise BadOption(f"--scratch {text}: obstore is not installed: pip install 'overtrace[cluster]'") from error
    return Bucket(text.rstrip("/"))


@lru_cache(maxsize=8)
def _open(address: str) -> "S3Store":
    from obstore.store import S3Store

    retry = {"max_retries": RETRIES, "retry_timeout": RETRY_FOR}
    return S3Store.from_url(address, retry_config=retry)  # type: ignore[arg-type]


def _reason(error: Exception) -> str:
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    status = re.search(r"status code:? (\d+)|\b([45]\d\d) \w+", text)
    known = [code[1]] if code else []
    known += [f"status {status[1] or status[2]}"] if status else []
    return ", ".join(known) or f"cannot be reached ({type(error).__name__})"
