"""The images that an answer is for: found by name, or by the list of the contest."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from overtrace.data.spacenet import COLOURS, RGB, list_chips, stack_chip
from overtrace.errors import BadAnswer, BadImage
from overtrace.formats.id_lists import read_ids, read_numbers
from overtrace.raster.roles import merge_roles
from overtrace.raster.source import Raster, find_images, open_raster

PRODUCT = re.compile(r"^(RGB|MUL)(-PanSharpen)?_")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, and what the contest calls it."""

    name: str
    """Without folders and extension."""
    number: int
    """Its id, where images have one; else 0."""
    raster: Raster


@dataclass(frozen=True, slots=True)
class Source:
    """The files of an image."""

    path: str | Path
    more: Path | None = None
    """Further bands."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the files are read."""

    roles: tuple[str, ...]
    """The bands that the model wants."""
    bands: Mapping[str, int]
    """Role to band number, from 1, where the image does not say or says it wrong."""
    pixel_size_m: float | None
    """None for what the image says."""


def list_pictures(
    challenge: str, images: Sequence[str | Path], ids: Path | None, reading: Reading
) -> tuple[list[Picture], list[str]]:
    """The images to answer, by name, and a note on those that the list leaves out.

    Args:
        challenge: itc needs a list, as nothing else says the ids; others may have one.
        images: files, folders of images, or for deepglobe a folder of SpaceNet-2, of one city or of several.
        ids: the list.
    Raises:
        BadImage: if there is none, one cannot be opened, or one of the list is missing.
        BadAnswer: if the list cannot be read.
    """
    sources = _find_sources(challenge, images)
    if ids is None and challenge == "itc":
        raise BadAnswer("itc goes by the ids of images: give the list of the contest with --ids")
    wanted = dict.fromkeys(sources, 0) if ids is None else _read_list(challenge, ids)
    missing, strays = sorted(wanted.keys() - sources.keys()), sorted(sources.keys() - wanted.keys())
    if missing:
        raise BadImage(f"{ids} names images that are not there: {_list(missing)}: check --images")
    notes = [f"left out what {ids} does not name: {_list(strays)}"] if strays else []
    return [Picture(name, wanted[name], _open(sources[name], reading)) for name in sorted(wanted)], notes


def _read_list(challenge: str, ids: Path) -> dict[str, int]:
    return read_numbers(ids) if challenge == "itc" else dict.fromkeys(read_ids(ids), 0)


def _find_sources(challenge: str, images: Sequence[str | Path]) -> dict[str, Source]:
    if challenge != "deepglobe":
        return _by_name([(Path(path).stem, Source(path)) for path in find_images(images)])
    named: list[tuple[str, Source]] = []
    for folder in images:
        if Path(folder, RGB).is_dir() or any(Path(folder).glob(f"*/{RGB}")):
            named += [
                (name, Source(rgb, None if mul is None else Path(mul))) for name, rgb, mul in list_chips(Path(folder))
            ]
        else:
            named += [(PRODUCT.sub("", Path(path).stem), Source(path)) for path in find_images([folder])]
    return _by_name(named)


def _by_name(named: Sequence[tuple[str, Source]]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for name, source in named:
        if name in sources:
            raise BadImage(f"{sources[name].path} and {source.path} are both called {name}: answer them apart")
        sources[name] = source
    return sources


def _open(source: Source, reading: Reading) -> Raster:
    if source.more is None or set(reading.roles) <= set(COLOURS):
        return open_raster(source.path, bands=reading.bands, pixel_size_m=reading.pixel_size_m)
    raster = stack_chip(Path(source.path), source.more)
    size, grid = reading.pixel_size_m, raster.grid
    return replace(
        raster,
        roles=merge_roles(raster.roles, reading.bands, raster.band_count),
        grid=grid if size is None else replace(grid, pixel_size_m=(size, size)),
    )


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"
