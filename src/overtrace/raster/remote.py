"""Images in clouds and on servers, read by ranges of bytes.

GDAL asks for the very bytes that it needs, the tiles of a window at once; here they are fetched, several at a time,
again with growing pauses where a server fails, and kept for the windows beside. Credentials come from the environment.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, TypeVar
from urllib.parse import urlsplit

import rasterio
from rasterio.abc import MultiByteRangeResourceContainer
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from overtrace.errors import BadImage
from overtrace.raster.addresses import is_remote, reveal
from overtrace.raster.ranges import Ranges, Span

PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Before each further try."""
TIMEOUT_S = 30
AT_ONCE = 8
"""Ranges of one read that are under way together."""
NEEDS = {
    "s3": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or AWS_SKIP_SIGNATURE=true for a public bucket",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""Credentials, by scheme."""
NOT_THERE = "it is not there: check the address"
NO_ENTRY = "the store refuses it: are the credentials in the environment there, and not expired?"
PAGE = 2**14
"""What is read of a header, at least."""

T = TypeVar("T")

_known = Ranges()
_sizes: dict[str, int] = {}
_local = threading.local()


class Failed(Exception):
    """A request that may succeed when it is made again; the text names no secret."""


class Refused(Exception):
    """A request that fails for good."""


def can_read(path: str) -> bool:
    """Whether ``path`` is read here; GDAL's own ways stand in where a package is missing."""
    package = "httpx" if path.startswith("http") else "obstore"
    return is_remote(path) and find_spec(package) is not None


def open_remote(path: str) -> DatasetReader:
    """Open an image by its address.

    Raises:
        BadImage: if it is not there, or its server fails.
        RasterioError: if it is no image.
    """
    # Files beside it are not looked for: each would be a request that fails.
    with watched(f"{path} cannot be opened"), rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        return rasterio.open(path, opener=_Files())


def forget(path: str) -> None:
    """Drop what is kept of a file, which may be another one by now."""
    _sizes.pop(path, None)
    _known.forget(path)


def read_whole(path: str) -> bytes:
    """All bytes of a file.

    Raises:
        BadImage: if they cannot be had.
    """
    try:
        return _fetch_all(path, [(0, _measure(path))])[0]
    except Refused as error:
        raise BadImage(f"{path} cannot be read: {error}") from error


def is_prefix(path: str) -> bool:
    """Whether an address names a folder of a bucket, by a slash at its end."""
    return is_remote(path) and not path.startswith("http") and path.endswith("/")


def list_files(path: str) -> list[str]:
    """The addresses of all files in a folder of a bucket, but not in folders in it, sorted.

    Raises:
        BadImage: if it cannot be listed.
    """
    if not can_read(path):
        raise BadImage(f"{path} cannot be listed without the package obstore: pip install 'overtrace[cloud]'")
    try:
        return sorted(_try(lambda: _bucket_of(path).list_files(path)))
    except Refused as error:
        raise BadImage(f"{path} cannot be listed: {error}") from error


@contextmanager
def watched(what: str) -> Iterator[None]:
    """Raise BadImage for whatever goes wrong on the way: GDAL would say no more than that bytes are missing.

    Args:
        what: what then cannot be done, in the words of a message.
    """
    _local.failure = None
    try:
        yield
    except (RasterioError, BadImage) as error:
        if _local.failure is None:
            raise
        raise BadImage(f"{what}: {_local.failure}") from error
    if _local.failure is not None:
        raise BadImage(f"{what}: {_local.failure}")


class _Files(MultiByteRangeResourceContainer):  # type: ignore[misc]
    """Files by their addresses, as GDAL wants them."""

    def open(self, path: str, mode: str = "r", **_: Any) -> "_File":
        return _File(path)

    def isfile(self, path: str) -> bool:
        return False

    def isdir(self, path: str) -> bool:
        return False

    def ls(self, path: str) -> list[str]:
        return []

    def mtime(self, path: str) -> int:
        return 0

    def rm(self, path: str) -> None:
        raise NotImplementedError

    def size(self, path: str) -> int:
        # GDAL once tries it with a name that is none.
        return _measure(path) if is_remote(path) else 0


class _File:
    """What GDAL opens; it asks for ``get_byte_ranges`` where it wants more than a header."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._size = _guard(lambda: _measure(path), 0)
        self._at = 0

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._size if size < 0 else min(self._at + size, self._size)
        if self._at >= stop:
            return b""
        first, last = self._at // PAGE * PAGE, min(-(-stop // PAGE) * PAGE, self._size)
        page = _guard(lambda: self._get([(first, last)])[0], b"")
        found = page[self._at - first : stop - first]
        self._at += len(found)
        return found

    def get_byte_ranges(self, offsets: Sequence[int], sizes: Sequence[int]) -> list[bytes]:
        spans = [(offset, offset + size) for offset, size in zip(offsets, sizes, strict=True)]
        return _guard(lambda: self._get(spans), [bytes(size) for size in sizes])

    def _get(self, spans: Sequence[Span]) -> list[bytes]:
        return _known.read(self._path, spans, lambda missing: _fetch_all(self._path, missing))


def _guard(get: Callable[[], T], otherwise: T) -> T:
    """What cannot be had is noted, as nothing can be raised through GDAL."""
    try:
        return get()
    except (Refused, BadImage) as error:
        _local.failure = str(error)
        return otherwise


def _measure(path: str) -> int:
    """Bytes of a file."""
    if path not in _sizes:
        _sizes[path] = int(_try(lambda: _client(path).measure(path)))
    return _sizes[path]


def _fetch_all(path: str, spans: list[Span]) -> list[bytes]:
    client = _client(path)
    if len(spans) == 1:
        return [_try(lambda: client.fetch(path, spans[0]))]
    return list(_fetchers().map(lambda span: _try(lambda: client.fetch(path, span)), spans))


@lru_cache(maxsize=1)
def _fetchers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2 * AT_ONCE, thread_name_prefix="ranges")


def _try(request: Callable[[], Any]) -> Any:
    """Make a request until it succeeds, within bounds."""
    for pause in PAUSES_S:
        try:
            return request()
        except Failed:
            time.sleep(pause)
    try:
        return request()
    except Failed as error:
        raise Refused(f"{error}, {len(PAUSES_S) + 1} times: try again later, with --resume") from error


def _client(path: str) -> "_Server | _Bucket":
    return _server() if path.startswith("http") else _bucket_of(path)


def _bucket_of(path: str) -> "_Bucket":
    parts = urlsplit(reveal(path))
    return _bucket(f"{parts.scheme}://{parts.netloc}")


@lru_cache(maxsize=1)
def _server() -> "_Server":
    return _Server()


@lru_cache(maxsize=64)
def _bucket(root: str) -> "_Bucket":
    return _Bucket(root)


class _Server:
    """Any server that gives ranges of bytes."""

    def __init__(self) -> None:
        import httpx

        self._httpx = httpx
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=True)

    def measure(self, path: str) -> int:
        answer = self._ask(path, (0, 1))
        total = answer.headers.get("content-range", "").rpartition("/")[2]
        if not total.isdecimal():
            raise Refused("its server gives no ranges of bytes: download the file first")
        return int(total)

    def fetch(self, path: str, span: Span) -> bytes:
        content: bytes = self._ask(path, span).content
        return _check(content, span)

    def _ask(self, path: str, span: Span) -> Any:
        try:
            answer = self._client.get(reveal(path), headers={"Range": f"bytes={span[0]}-{span[1] - 1}"})
        except self._httpx.HTTPError as error:
            # Its text may hold the address.
            raise Failed(f"its server does not answer as it should ({type(error).__name__})") from None
        status = answer.status_code
        if status == 206:
            return answer
        if status in (401, 403):
            raise Refused(f"its server refuses it (HTTP {status}): is the signature in the address expired?")
        if status in (404, 410):
            raise Refused(f"it is not there (HTTP {status}): check the address")
        if status == 200:
            raise Refused("its server gives no ranges of bytes: download the file first")
        if status in (408, 425, 429) or status >= 500:
            raise Failed(f"its server fails (HTTP {status})")
        raise Refused(f"its server refuses it (HTTP {status})")


class _Bucket:
    """A bucket or container of S3, Google or Azure; keys, region and endpoint come from the environment."""

    def __init__(self, root: str) -> None:
        import obstore
        import obstore.exceptions

        self._obstore = obstore
        self._missing = obstore.exceptions.NotFoundError
        self._refusals = (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError)
        self._error = obstore.exceptions.BaseError
        # Tries are counted here, for all that can go wrong.
        self._store = open_bucket(root, {"max_retries": 0})

    def measure(self, path: str) -> int:
        return int(self._ask(lambda: self._obstore.head(self._store, _key(path)))["size"])

    def fetch(self, path: str, span: Span) -> bytes:
        return _check(
            bytes(self._ask(lambda: self._obstore.get_range(self._store, _key(path), start=span[0], end=span[1]))), span
        )

    def list_files(self, path: str) -> list[str]:
        root = "/".join(path.split("/", 3)[:3])
        listed = self._ask(lambda: self._obstore.list_with_delimiter(self._store, _key(path)))
        return [f"{root}/{item['path']}" for item in listed["objects"]]

    def _ask(self, request: Callable[[], Any]) -> Any:
        try:
            return request()
        except self._refusals:
            raise Refused(NO_ENTRY) from None
        except (self._missing, FileNotFoundError):
            raise Refused(NOT_THERE) from None
        except self._error as error:
            said = without_secrets(error)
            # Of a bucket, or of what gives out credentials.
            final = {404: NOT_THERE, 401: NO_ENTRY, 403: NO_ENTRY}.get(read_status(error))
            raise Refused(final) if final else (Refused if lacks_keys(error) else Failed)(said) from None


def open_bucket(root: str, retry: Any) -> Any:
    """The store of obstore for a bucket or container.

    Args:
        root: its address, without a key.
        retry: obstore's ``retry_config``.
    Raises:
        Refused: if the environment does not say enough.
    """
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        return from_url(root, retry_config=retry)
    except BaseError:
        # Its text may hold what is wrong with a key.
        raise Refused(f"{root} cannot be reached with what the environment says: {NEEDS[root[:2]]}") from None


def _key(path: str) -> str:
    return urlsplit(path).path.lstrip("/")


def _check(content: bytes, span: Span) -> bytes:
    if len(content) != span[1] - span[0]:
        raise Failed(f"{len(content)} bytes came, {span[1] - span[0]} were wanted")
    return content


def lacks_keys(error: Exception) -> bool:
    """Whether keys were at last looked for at the machine's own service for them, which is not there."""
    return "/latest/api/token" in str(error)


def without_secrets(error: Exception) -> str:
    """Which status a store gave; its own text may hold names, keys and signatures."""
    if lacks_keys(error):
        return "no credentials in the environment: set them, or AWS_SKIP_SIGNATURE=true for a public bucket"
    status = read_status(error)
    return f"the store fails (HTTP {status})" if status else "the store does not answer as it should"


def read_status(error: Exception) -> int:
    """The status that a store gave; 0 where its error tells none."""
    # The text also has the address and a time, in which such numbers may stand.
    status = re.search(r"status code: ([45]\d\d)\b", str(error))
    return int(status[1]) if status else 0
