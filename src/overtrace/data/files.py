"""The files of a data set: found by name, read as pictures, and told apart from what they were before."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from overtrace.errors import BadData

PICTURES = (".jpeg", ".jpg", ".png", ".tif", ".tiff")
NAMED = 3
"""Of what is left out, so many are named."""


def list_files(folder: Path, suffixes: Sequence[str], *, deep: bool = False) -> list[Path]:
    """The files that end so, in whatever case, sorted; those whose names begin with a dot are passed over.

    Args:
        deep: in the folders within, too.
    Raises:
        BadData: if there is no such folder.
    """
    if not folder.is_dir():
        raise BadData(f"{folder} is no folder: name the one that holds the data set")
    found = folder.rglob("*") if deep else folder.iterdir()
    fitting = (path for path in found if path.suffix.lower() in suffixes and not path.name.startswith("."))
    return sorted(path for path in fitting if path.is_file())


def tell_few(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are: ``a, b, c and 4 more``."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def tell_left_out(names: Sequence[str], what: str) -> tuple[str, ...]:
    """A note of what is left out, or none: ``2 images without a .json are left out: a, b``."""
    return (f"{len(names):,} {what} left out: {tell_few(names)}",) if names else ()


def read_rgb(path: Path, shape: tuple[int, int] | None = None, *, upright: bool = False) -> NDArray[np.uint8]:
    """(H, W, 3) red, green, blue of a picture of eight bits.

    Args:
        shape: the height and width that it must have.
        upright: turn it as the camera says.
    Raises:
        BadData: if it cannot be read, or is of another size.
    """
    return read_picture(path, "RGB", shape, upright=upright)


def read_picture(
    path: Path, mode: str, shape: tuple[int, int] | None = None, *, upright: bool = False
) -> NDArray[np.uint8]:
    """A picture of eight bits, as ``read_rgb``, with the bands of one of Pillow's modes: (H, W, 4) as RGBA."""
    try:
        with Image.open(path) as image:
            deep = image.mode.startswith(("I", "F"))
            picture = np.asarray((ImageOps.exif_transpose(image) if upright else image).convert(mode))
    except FileNotFoundError as error:
        raise BadData(f"{path} does not exist: put it back, or open the data set anew") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadData(f"{path} cannot be read as a picture: {error}: get the file again") from error
    if deep:
        raise BadData(f"{path} has more than eight bits a band: convert it to eight")
    if shape is not None and picture.shape[:2] != shape:
        found, wanted = (f"{height} x {width}" for height, width in (picture.shape[:2], shape))
        raise BadData(f"{path} is {found} pixels (height x width), its labels are for {wanted}: find the right image")
    return picture


def measure_picture(path: Path) -> tuple[int, int] | None:
    """Height and width of a picture, turned as the camera says; None if it cannot be read."""
    try:
        with Image.open(path) as image:
            lies = image.getexif().get(ExifTags.Base.Orientation, 1) > 4
            return (image.width, image.height) if lies else (image.height, image.width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def read_json(path: Path) -> Any:
    """What a small JSON file holds.

    Raises:
        BadData: if it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise BadData(f"{path} does not exist: check the path") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BadData(f"{path} cannot be read as JSON: {error}: write it anew") from error


def digest(paths: Iterable[Path], options: Mapping[str, object]) -> str:
    """What tells a data set from one that another file, or another option, went into.

    Args:
        paths: of files, told by place, size and time; of one that does not exist, that is told.
        options: of the reader; told by their ``repr``.
    """
    lines = [repr(sorted(options.items()))]
    for path in sorted(paths):
        try:
            facts = os.stat(path)
        except OSError:
            lines.append(f"{os.path.abspath(path)} missing")
        else:
            lines.append(f"{os.path.abspath(path)} {facts.st_size} {facts.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
