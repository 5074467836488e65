"""Files that were sent in, by the SHA-256 of their bytes: in a folder, or in a bucket of any S3 server.

A blob is written aside, read back, and only then put in its place: what is there is whole. It is never changed.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from overtrace.errors import BadOption, NotFound, Unavailable

CHUNK_BYTES = 2**20
RETRIES = 3
RETRY_FOR = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Blobs:
    """Where blobs are kept."""

    address: str
    store: LocalStore | S3Store
    folder: Path | None
    """None: not on this machine."""

    def put(self, content: Path | bytes, sha256: str) -> None:
        """Keep a file, or bytes.

        Raises:
            Unavailable: if the store does not take it, or gives back something else.
        """
        if self.has(sha256, content.stat().st_size if isinstance(content, Path) else len(content)):
            return
        aside = f"aside/{sha256}.{os.urandom(8).hex()}"
        with self._reach():
            obstore.put(self.store, aside, content)
            if self._digest(aside) != sha256:
                obstore.delete(self.store, aside)
                raise Unavailable(
                    f"{self.address} gave back other bytes than were written: try again, or mend the store"
                )
            self._flush(aside)
            obstore.rename(self.store, aside, _place(sha256), overwrite=True)
            self._flush(os.path.dirname(_place(sha256)))

    def has(self, sha256: str, size: int) -> bool:
        """Whether a blob of this digest and size is there."""
        with self._reach():
            try:
                return bool(obstore.head(self.store, _place(sha256))["size"] == size)
            except FileNotFoundError:
                return False

    def read(self, sha256: str) -> Iterator[bytes]:
        """A blob, piece by piece.

        Raises:
            NotFound: if there is none.
            Unavailable: if the store does not give it.
        """
        with self._reach():
            try:
                found = obstore.get(self.store, _place(sha256))
            except FileNotFoundError as error:
                raise NotFound(f"{self.address} has no blob {sha256}: was the store changed?") from error
            for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def fetch(self, sha256: str, path: Path) -> None:
        """Copy a blob to a file.

        Raises:
            NotFound: if there is none.
            Unavailable: if the store does not give it, or gives something else.
        """
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for chunk in self.read(sha256):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise Unavailable(f"{self.address} gave other bytes than those of {sha256}: mend the store")

    def _digest(self, place: str) -> str:
        digest = hashlib.sha256()
        for chunk in obstore.get(self.store, place).stream(min_chunk_size=CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()

    def _flush(self, place: str) -> None:
        """A power cut after this loses nothing."""
        if self.folder is not None:
            handle = os.open(self.folder / place, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    @contextmanager
    def _reach(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise Unavailable(f"{self.address} cannot be used: {reason}: try again later") from error


def open_blobs(address: str) -> Blobs:
    """Blobs in a folder, or in ``s3://BUCKET/PREFIX``; the environment tells keys and endpoint as for AWS's tools.

    Raises:
        BadOption: if the address is neither, or the folder cannot be made.
    """
    parts = urlsplit(address)
    if parts.scheme == "s3":
        try:
            retry = {"max_retries": RETRIES, "retry_timeout": RETRY_FOR}
            return Blobs(address, S3Store.from_url(address, retry_config=retry), None)  # type: ignore[arg-type]
        except BaseError as error:
            raise BadOption(f"--store {address}: {str(error).splitlines()[0]}") from error
    if parts.scheme not in ("", "file"):
        raise BadOption(f"--store {address}: wanted a folder or s3://BUCKET/PREFIX")
    folder = Path(parts.path if parts.scheme else address).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOption(f"--store {address} cannot be made: {error.strerror}: name another folder") from error
    return Blobs(address, LocalStore(folder), folder)


def digest_file(path: Path) -> str:
    """SHA-256 of a file, as it is written in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(sha256: str) -> str:
    # Folders of a hundred thousand files are slow to list.
    return f"{sha256[:2]}/{sha256}"
