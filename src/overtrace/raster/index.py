"""Lists of images: STAC item collections and GeoParquet indexes."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from overtrace.errors import BadImage, BadOption
from overtrace.raster.addresses import conceal, is_remote
from overtrace.raster.handles import is_address
from overtrace.raster.remote import read_whole
from overtrace.raster.source import find_images

INDEXES = frozenset((".geojson", ".json", ".parquet"))
"""How files end that list images."""
IMAGE_TYPES = ("image/tiff", "image/jp2", "image/png", "image/jpeg")
FAVOURITES = ("image", "visual", "data", "rgb", "cog")
"""Names of assets that are looked for in turn, where several are images."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image, and when it was taken where a list says so."""

    path: str
    date: datetime | None = None


def is_index(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a list of images."""
    return os.path.splitext(urlsplit(str(path)).path)[1].lower() in INDEXES and not os.path.isdir(path)


def find_sources(paths: Sequence[str | os.PathLike[str]]) -> list[Source]:
    """The images that files, folders, addresses and indexes name, in that order; a folder in the order of its names.

    Raises:
        BadImage: if a path does not exist, or an index cannot be read or names no image.
        BadOption: if a package that an index needs is not installed.
    """
    sources: list[Source] = []
    for path in map(str, paths):
        if not is_index(path):
            sources += map(Source, find_images([path]))
        elif not is_remote(path) and not os.path.exists(path):
            raise BadImage(f"{path} does not exist: check the path")
        else:
            shown = conceal(path)
            sources += _read_table(shown) if urlsplit(shown).path.lower().endswith(".parquet") else _read_stac(shown)
    return sources


def _read_stac(path: str) -> list[Source]:
    """Items of an item collection, or the one item of a file."""
    try:
        import pystac
    except ImportError as error:
        raise BadOption(f"{path} needs the package pystac: pip install 'overtrace[cloud]'") from error
    try:
        content = json.loads(_read(path))
        whole = content["type"] == "FeatureCollection"
        items = pystac.ItemCollection.from_dict(content) if whole else [pystac.Item.from_dict(content)]
        found = [Source(_place(_choose(item.assets, item.id), path), item.datetime) for item in items]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pystac.STACError) as error:
        raise BadImage(f"{path} is no STAC item collection ({error}): wanted one, or a GeoParquet index") from error
    return _check(found, path)


def _read(path: str) -> bytes:
    return read_whole(path) if is_remote(path) else Path(path).read_bytes()


def _choose(assets: Mapping[str, Any], item: str) -> str:
    """The address of the asset that is the image."""
    images = {
        name: asset.href
        for name, asset in assets.items()
        if (asset.media_type or "").startswith(IMAGE_TYPES) and not {"thumbnail", "overview"} & set(asset.roles or ())
    }
    if len(images) == 1:
        return str(next(iter(images.values())))
    for name in FAVOURITES:
        if name in images:
            return str(images[name])
    raise BadImage(
        f"item {item} has {len(images)} assets that are images ({', '.join(images) or 'none'}): wanted one, "
        f"or one that is called {', '.join(FAVOURITES[:-1])} or {FAVOURITES[-1]}"
    )


def _read_table(path: str) -> list[Source]:
    """Rows of a GeoParquet file: of stac-geoparquet, or with a column ``location`` as gdaltindex writes it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BadOption(f"{path} needs the package pyarrow: pip install 'overtrace[parquet]'") from error
    try:
        file = pyarrow.BufferReader(_read(path))
        names = pyarrow.parquet.read_schema(file).names
        wanted = [name for name in ("id", "location", "assets", "datetime") if name in names]
        rows = pyarrow.parquet.read_table(file, columns=wanted).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise BadImage(f"{path} is no GeoParquet index: {error}") from error
    if not {"location", "assets"} & set(names):
        raise BadImage(f"{path} has no column location or assets: wanted what gdaltindex or stac-geoparquet write")
    found = []
    for number, row in enumerate(rows, start=1):
        href = row.get("location") or _choose_of_row(row.get("assets") or {}, str(row.get("id", number)))
        date = row.get("datetime")
        if date is not None and not isinstance(date, datetime):
            raise BadImage(f"{path}: the datetime of row {number} is {date!r}: wanted a column of time stamps")
        if date is not None and date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        found.append(Source(_place(href, path), date))
    return _check(found, path)


@dataclass(frozen=True, slots=True)
class _Asset:
    href: str
    media_type: str | None
    roles: Sequence[str]


def _choose_of_row(assets: Mapping[str, Any], item: str) -> str:
    known = {name: facts for name, facts in assets.items() if facts}
    return _choose({n: _Asset(f["href"], f.get("type"), f.get("roles") or ()) for n, f in known.items()}, item)


def _place(href: str, index: str) -> str:
    """Relative paths count from the folder of the index."""
    if is_address(href) or os.path.isabs(href):
        return conceal(href)
    return urljoin(index, href) if is_remote(index) else os.path.join(os.path.dirname(index), href)


def _check(found: list[Source], path: str) -> list[Source]:
    if not found:
        raise BadImage(f"{path} names no image")
    return found
