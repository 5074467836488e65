"""Images and the maps of their classes: files of two folders that belong together by name."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from overtrace.data.files import digest, read_rgb, tell_left_out
from overtrace.data.labelled import VOID, Scene
from overtrace.errors import BadData

PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Numbering:
    """What the values of a map stand for: classes from ``first`` on, and ``void`` for none."""

    classes: int
    first: int
    void: int


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its map."""

    name: str
    image: Path
    classes: Path
    size: tuple[int, int] | None = None
    """Width and height, where a list tells them."""


def pair_files(images: Path, maps: Path) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """The images that have a map, in the order of their names, and a note on each kind of file that is left out.

    Raises:
        BadData: if a folder is missing, two images share a name, or no image has a map.
    """
    notes: list[str] = []
    pictures, drawn = _list_names(images, PICTURES, notes), _list_names(maps, (".png",), notes)
    both = sorted(pictures.keys() & drawn.keys())
    if not both:
        raise BadData(
            f"none of the {len(pictures)} images of {images} has a map of its name among the {len(drawn)} of {maps}: "
            f"a.jpg goes with a.png"
        )
    notes += tell_left_out(sorted(pictures.keys() - drawn.keys()), f"of {images} without a map")
    notes += tell_left_out(sorted(drawn.keys() - pictures.keys()), f"of {maps} without an image")
    return tuple(Pair(name, pictures[name], drawn[name]) for name in both), tuple(notes)


def _list_names(folder: Path, suffixes: Sequence[str], notes: list[str]) -> dict[str, Path]:
    """The pictures of a folder by their names without extension."""
    if not folder.is_dir():
        raise BadData(f"{folder} is no folder: unpack the data set as its owners publish it")
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            raise BadData(f"{path} and {found[path.stem].name} have one name: keep one of them")
        found[path.stem] = path
    strange = [path.name for path in files if path.suffix.lower() not in suffixes]
    notes += tell_left_out(strange, f"of {folder} that are no {' or '.join(suffixes)}")
    return found


def tell_facts(pairs: Sequence[Pair], split: str) -> str:
    """What tells this set from another: see ``DataSet.facts``."""
    return digest([path for pair in pairs for path in (pair.image, pair.classes)], {"split": split})


def choose(pairs: Iterable[Pair], wanted: Sequence[tuple[str, tuple[int, int] | None]], path: Path) -> tuple[Pair, ...]:
    """The pairs that a list names, in its order, with the sizes that it tells.

    Raises:
        BadData: if it names an image that is not there, one twice, or none.
    """
    known = {pair.name: pair for pair in pairs}
    names = [name for name, _ in wanted]
    if not names:
        raise BadData(f"{path} names no image: use the list of these images")
    for name, times in Counter(names).items():
        if name not in known or times > 1:
            found = "of which there is no image or no map" if name not in known else f"{times} times"
            raise BadData(f"{path} names {name} {found}: use the list of these images")
    return tuple(Pair(name, known[name].image, known[name].classes, size) for name, size in wanted)


def read_scene(pairs: Sequence[Pair], numbering: Numbering, number: int) -> Scene:
    """An image with its classes.

    Raises:
        BadData: if a file cannot be read, their sizes differ, or the map holds a value that stands for nothing.
    """
    pair = pairs[number]
    image, values = read_rgb(pair.image), _read_map(pair.classes)
    for path, array in ((pair.image, image), (pair.classes, values)):
        if pair.size is not None and array.shape[1::-1] != pair.size:
            raise BadData(f"{path} is {_show(array)}, the list says {_show_size(*pair.size)}: get the right file")
    if values.shape != image.shape[:2]:
        raise BadData(f"{pair.classes} is {_show(values)}, its image is {_show(image)}: get the right file")
    return Scene(name=pair.name, pixel_size_m=None, image=image, classes=_number(values, numbering, pair.classes))


def _read_map(path: Path) -> NDArray[np.uint8]:
    """(H, W) the grey values, or the indices of the palette."""
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P"):
                raise BadData(f"{path} is of mode {image.mode}: wanted an 8-bit PNG of one band, a number a class")
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadData(f"{path} cannot be read: {error}: get the file again") from error


def _number(values: NDArray[np.uint8], numbering: Numbering, path: Path) -> NDArray[np.uint8]:
    """Classes from 0, or VOID."""
    first, stop = numbering.first, numbering.first + numbering.classes
    classes = np.full(256, VOID, np.uint8)
    classes[first:stop] = np.arange(numbering.classes)
    allowed = classes != VOID
    allowed[numbering.void] = True
    if not allowed[values].all():
        strange = int(values[~allowed[values]].min())
        raise BadData(f"{path} holds {strange}: wanted {first} to {stop - 1}, or {numbering.void} for no class")
    return classes[values]


def _show(array: NDArray[np.uint8]) -> str:
    return _show_size(array.shape[1], array.shape[0])


def _show_size(width: int, height: int) -> str:
    return f"{width} x {height} pixels (width x height)"
