"""The photos that the pictures of a report are drawn over: found by name, shrunk, and packed as JPEG or PNG."""

import io
import os
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
LONGEST_PX = 900
QUALITY = 75
STRETCH = (2, 98)
ASPECT = 0.01
"""By this much the shape of a photo may differ from that of its image."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo, shrunk."""

    jpeg: bytes
    height: int
    """Pixels of the file, not of the JPEG."""
    width: int


class Photos:
    """The photos of a folder, or of a zip archive, by name."""

    def __init__(self, folder: Path) -> None:
        """Look through a folder and all that are in it.

        Raises:
            BadZipFile: if it is a file, and no archive.
        """
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self._archive = folder if folder.is_file() else None
        if self._archive is not None:
            with zipfile.ZipFile(folder) as archive:
                for name in sorted(archive.namelist()):
                    self._add(Path(name))
            return
        for parent, folders, files in os.walk(folder):
            folders.sort()
            for file in sorted(files):
                self._add(Path(parent, file))

    def _add(self, path: Path) -> None:
        if path.name.lower().endswith(SUFFIXES):
            self._by_stem[path.stem].append(path)

    def find(self, name: str, part: str) -> list[Path]:
        """The photos of an image: of its stem, or else of a longer one that ends in ``_`` and its stem.

        Of several, those in a folder named after the part.
        """
        stem = PurePosixPath(name.replace("\\", "/")).stem if name.lower().endswith(SUFFIXES) else name
        found = self._by_stem.get(stem, [])
        if not found:
            found = [path for other, paths in self._by_stem.items() if other.endswith(f"_{stem}") for path in paths]
        if len(found) > 1:
            found = [path for path in found if part in path.parts] or found
        return found

    def read(self, name: str, part: str, size: tuple[int, int] | None) -> Photo | str:
        """The photo of an image, or why there is none.

        Args:
            size: height and width that it should have, or a multiple of them.
        """
        found = self.find(name, part)
        if len(found) != 1:
            return "several photos have its name" if found else "no photo found"
        (path,) = found
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                place = str(path) if self._archive is None else f"zip://{self._archive}!{path.as_posix()}"
                return _read(place, path.name, size)
        except (RasterioError, OSError, ValueError) as error:
            return f"{path.name} cannot be read: {error}"


def _read(place: str, name: str, size: tuple[int, int] | None) -> Photo | str:
    with rasterio.open(place) as image:
        if size is not None and abs(image.height / image.width * size[1] / size[0] - 1) > ASPECT:
            return f"{name} is {image.width} x {image.height} pixels, the image {size[1]} x {size[0]}"
        shrink = min(1.0, LONGEST_PX / max(image.height, image.width))
        shape = max(round(image.height * shrink), 1), max(round(image.width * shrink), 1)
        bands = [1, 2, 3] if image.count >= 3 else [1]
        values = image.read(bands, out_shape=(len(bands), *shape), resampling=Resampling.average)
        valid = image.dataset_mask(out_shape=shape) > 0
        return Photo(encode_jpeg(_to_bytes(values, valid)), image.height, image.width)


def _to_bytes(values: NDArray[np.generic], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3); what is not 8-bit is stretched between its percentiles 2 and 98, band by band."""
    if values.dtype != np.uint8:
        real = np.nan_to_num(values.astype(np.float64))
        known = valid if valid.any() else np.ones_like(valid)
        dark, bright = np.percentile(real[:, known], STRETCH, axis=1)
        light = (real - dark[:, None, None]) / np.maximum(bright - dark, 1e-9)[:, None, None]
        values = np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8)
    picture: NDArray[np.uint8] = np.squeeze(np.moveaxis(values, 0, -1).astype(np.uint8))
    return picture.reshape(*valid.shape, 3) if len(values) == 3 else picture.reshape(valid.shape)


def encode_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """JPEG of (H, W) or (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()


def encode_labels(labels: NDArray[np.uint8], colours: Mapping[int, tuple[int, int, int]]) -> bytes:
    """PNG of (H, W) labels in colours; those that have none are black."""
    image = Image.fromarray(labels)
    image.putpalette([channel for label in range(256) for channel in colours.get(label, (0, 0, 0))])
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
