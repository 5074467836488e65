"""Open rasterio handles, a few for each thread.

rasterio handles are neither thread-safe nor picklable, so a Raster holds none: it asks here for the one of its thread
and process.
"""

import atexit
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from overtrace.errors import BadImage
from overtrace.raster.addresses import is_remote, reveal
from overtrace.raster.remote import can_read, forget, open_remote

CACHE_BYTES = 128 * 2**20
"""For all threads of a process together; GDAL takes 5 % of the machine's memory by default. The environment variable
GDAL_CACHEMAX goes before it."""
HANDLES_PER_THREAD = 4
PNG_TAIL_BYTES = 2**16
FAR = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_MAX_RETRY": 5, "GDAL_HTTP_RETRY_DELAY": 0.5}
"""How GDAL opens what it reads from elsewhere itself: no search for files beside it, and some patience."""

_local = threading.local()
_quieting = threading.Lock()


def open_handle(path: str) -> DatasetReader:
    """The handle of this thread for ``path``, opened at need; it is closed when others push it out.

    Raises:
        BadImage: if the file is missing, or is none that GDAL can open.
    """
    handles = _thread_handles()
    if path in handles:
        handles.move_to_end(path)
        return handles[path]
    handle = _open(path)
    handles[path] = handle
    if len(handles) > HANDLES_PER_THREAD:
        handles.popitem(last=False)[1].close()
    return handle


def forget_handle(path: str) -> None:
    """Close the handle of this thread for ``path``, as the file may be another one by now."""
    handle = _thread_handles().pop(path, None)
    if handle is not None:
        handle.close()
    if is_remote(path):
        forget(path)


@atexit.register
def close_handles() -> None:
    """Close all handles of this thread; at the end of the process too, when GDAL finds no opener any more."""
    handles = _thread_handles()
    while handles:
        handles.popitem()[1].close()


def is_address(path: str) -> bool:
    """Whether GDAL finds ``path`` by other means than the file system: https, /vsis3, NETCDF:file:band, text of VRT."""
    known = path.startswith(("<VRTDataset", "/vsi")) or "://" in path
    return known or (":" in path and not os.path.splitdrive(path)[0])


@contextmanager
def quiet() -> Iterator[None]:
    """An image without a place on the ground is nothing to warn of; one thread at a time, as filters are global."""
    with _quieting, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _thread_handles() -> OrderedDict[str, DatasetReader]:
    """Handles of this thread; a forked child starts anew, as it shares file positions with its parent."""
    if getattr(_local, "process", None) != os.getpid():
        _local.process = os.getpid()
        _local.handles = OrderedDict()
    handles: OrderedDict[str, DatasetReader] = _local.handles
    return handles


def _open(path: str) -> DatasetReader:
    if not is_address(path) and not os.path.exists(path):
        raise BadImage(f"{path} does not exist: check the path")
    # GDAL looks once, when it first reads a block: a rasterio.Env around the opening alone would come too early.
    os.environ.setdefault("GDAL_CACHEMAX", str(CACHE_BYTES // 2**20))
    try:
        handle = _open_elsewhere(path) if is_address(path) else _open_here(path)
    except RasterioError as error:
        raise BadImage(
            f"{path} cannot be opened as an image: {first_line(error).replace(reveal(path), path)}"
        ) from None
    if handle.driver == "PNG" and os.path.isfile(path) and not _has_end(path):
        raise BadImage(f"{path} is damaged: it is cut short: copy or download it again")
    return handle


def _open_here(path: str) -> DatasetReader:
    with quiet():
        return rasterio.open(path)


def _open_elsewhere(path: str) -> DatasetReader:
    """Not one at a time, as answers take their time."""
    if can_read(path):
        return open_remote(path)
    with rasterio.Env(**FAR):
        return rasterio.open(reveal(path))


def _has_end(path: str) -> bool:
    """Whether a PNG is complete; GDAL reads what is missing as noise."""
    with open(path, "rb") as file:
        file.seek(-min(PNG_TAIL_BYTES, os.path.getsize(path)), os.SEEK_END)
        return b"IEND\xaeB`\x82" in file.read()


def first_line(error: Exception) -> str:
    """What GDAL said, on one line."""
    reason = error.__cause__ or error
    return " ".join(str(reason).split())
