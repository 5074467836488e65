"""Files on their way to a cloud: written here, put there when they are complete.

A store shows an object once all of it has come, so nobody sees half of one.
"""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from overtrace.errors import BadOption, BadOutput
from overtrace.raster.remote import Refused, open_bucket, without_secrets

RETRIES = 6
RETRY_FOR = timedelta(minutes=5)


def check_place(address: str) -> None:
    """Make sure that files can be put to an address, now rather than after hours of work.

    Raises:
        BadOutput: if they cannot.
        BadOption: if a package is missing.
    """
    if urlsplit(address).scheme in ("http", "https"):
        raise BadOutput(f"{address} takes no files: write to s3://, gs:// or az://")
    if find_spec("obstore") is None:
        raise BadOption(f"{address} needs the package obstore: pip install 'overtrace[cloud]'")
    import obstore

    probe = f"{_key(address)}.{uuid.uuid4().hex}.part"
    _try(address, lambda store: obstore.put(store, probe, b""))
    _try(address, lambda store: obstore.delete(store, probe))


def upload(path: Path, address: str) -> None:
    """Put a file to an address, or the files of a folder below it.

    Of a folder, ``parts.json`` comes last, and what an earlier list named and this one does not is then removed.

    Raises:
        BadOutput: if the store does not take it.
    """
    import obstore

    key = _key(address)
    if not path.is_dir():
        _try(address, lambda store: obstore.put(store, key, path))
        return
    # The name of the list sorts after those of the parts, so that it names none that is not there yet.
    names = sorted(file.name for file in path.iterdir())
    for name in names:
        _try(address, partial(obstore.put, path=f"{key}/{name}", file=path / name))
    there = _try(address, lambda store: [item["path"] for page in obstore.list(store, f"{key}/") for item in page])
    stale = [old for old in there if re.fullmatch(r"part-[\d-]+\.parquet", old.rpartition("/")[2])]
    for old in stale:
        if old.rpartition("/")[2] not in names:
            _try(address, partial(obstore.delete, paths=old))


def _key(address: str) -> str:
    return urlsplit(address).path.strip("/")


def _try(address: str, do: Callable[[Any], Any]) -> Any:
    from obstore.exceptions import BaseError

    parts = urlsplit(address)
    try:
        retry = {"max_retries": RETRIES, "retry_timeout": RETRY_FOR}
        return do(open_bucket(f"{parts.scheme}://{parts.netloc}", retry))
    except Refused as error:
        raise BadOutput(f"{address} cannot be written: {error}") from None
    except (BaseError, OSError) as error:
        raise BadOutput(f"{address} cannot be written: {without_secrets(error)}") from None
