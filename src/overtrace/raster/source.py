"""An image of any size: what it is, and any rectangle of its pixels."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.windows import Window

from overtrace.errors import BadImage, BadOption
from overtrace.raster.addresses import conceal, is_remote
from overtrace.raster.grid import Box, Grid, measure_pixel
from overtrace.raster.handles import first_line, forget_handle, is_address, open_handle
from overtrace.raster.remote import is_prefix, list_files, watched
from overtrace.raster.roles import find_roles, merge_roles

SUFFIXES = frozenset(
    (".bmp", ".gif", ".img", ".j2k", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".vrt", ".webp")
)
"""What a folder is searched for; a file that is named is opened whatever it is called."""

PALETTE_ROLES = {"red": 1, "green": 2, "blue": 3}


@dataclass(frozen=True)
class Raster:
    """An image as it lies on disk: a description that can be pickled; pixels are read when asked for."""

    name: str
    """The path that the user gave."""
    path: str
    """The file that is read: the image itself, or the tiled copy of it."""
    grid: Grid
    band_count: int
    """Bands that hold values; a palette counts as three, an alpha band as one."""
    dtype: str
    """Type of the values, as numpy names it."""
    roles: dict[str, int]
    """Role (red, green, blue, nir, ...) to band number, from 1."""
    nodata: tuple[float | None, ...]
    """For each band the value that stands for no data."""
    alpha: int | None
    """Number of the band that is 0 where the image is transparent."""
    mask: str
    """Where a mask is stored: ``none``, ``image`` (one for all bands) or ``band`` (one for each)."""
    palette: bytes | None
    """256 x (red, green, blue, alpha), for an image of colour indices."""
    driver: str
    block_shape: tuple[int, int]
    """Height and width of the pieces in which the file is stored."""
    compression: str | None
    notes: tuple[str, ...]
    """What the user should know about this image, a sentence each."""

    @property
    def is_far(self) -> bool:
        """Whether reading it waits for answers from elsewhere."""
        return is_remote(self.path)

    def read(self, bands: Sequence[int], box: Box) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
        """The values in ``box`` and which of them are real.

        Args:
            bands: band numbers, from 1.
        Returns:
            (bands, height, width) in the type of the file, 0 outside the image, and (height, width) True where the
            pixel lies in the image, is not transparent, not masked and not nodata.
        Raises:
            BadImage: if the file is damaged there.
        """
        inside = clip(box, self.grid)
        if inside.height == 0 or inside.width == 0:
            return np.zeros((len(bands), box.height, box.width), self.dtype), np.zeros((box.height, box.width), bool)
        values, valid = self._read_inside(list(bands), inside)
        if inside == box:
            return values, valid
        top, left = inside.row - box.row, inside.col - box.col
        padding = (top, box.height - inside.height - top), (left, box.width - inside.width - left)
        return np.pad(values, ((0, 0), *padding)), np.pad(valid, padding)

    def _read_inside(self, bands: list[int], box: Box) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
        try:
            with watched(f"{self.name}: {place_of(box)} cannot be read"):
                return self._read_stored(bands, box)
        except BaseException:
            # What it holds may be wrong.
            forget_handle(self.path)
            raise

    def _read_stored(self, bands: list[int], box: Box) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
        window = Window(box.col, box.row, box.width, box.height)
        stored = [1] if self.palette is not None else bands
        handle = open_handle(self.path)
        try:
            values = handle.read(stored, window=window)
            valid = self._find_data(values, stored)
            if self.mask != "none":
                masked = stored if self.mask == "band" else stored[:1]
                valid &= (handle.read_masks(masked, window=window) != 0).all(axis=0)
            if self.alpha is not None:
                valid &= handle.read(self.alpha, window=window) != 0
        except RasterioError as error:
            raise BadImage(f"{self.name} is damaged: {place_of(box)} cannot be read: {first_line(error)}") from error
        if self.palette is None:
            return values, valid
        colours = np.frombuffer(self.palette, np.uint8).reshape(256, 4)
        valid &= colours[values[0], 3] != 0
        return np.stack([colours[:, band - 1][values[0]] for band in bands]), valid

    def _find_data(self, values: npt.NDArray[np.generic], bands: list[int]) -> npt.NDArray[np.bool_]:
        """True where no band rules the pixel out.

        A nodata value that is also an ordinary brightness (0, or any of 8 bits) rules out a pixel only where all
        bands hold it: black in one band is a colour, black in all of them is a collar.
        """
        dtype = values.dtype
        valid = np.ones(values.shape[1:], bool)
        if dtype.kind == "f":
            valid &= np.isfinite(values).all(axis=0)
        stored = [_as_stored(self.nodata[band - 1], dtype) for band in bands]
        if all(value is not None and (value == 0 or dtype == np.uint8) for value in stored):
            valid &= (values != np.array(stored, dtype)[:, None, None]).any(axis=0)
            return valid
        for plane, value in zip(values, stored, strict=True):
            if value is not None and value != 0 and dtype != np.uint8:
                valid &= plane != value
        return valid


def find_images(paths: Sequence[str | Path]) -> list[str]:
    """The images that ``paths`` name: files and addresses as they stand, folders by the images in them, sorted.

    An address in a bucket that ends in a slash is a folder.

    Raises:
        BadImage: if a path does not exist, or a folder cannot be listed or holds no image.
    """
    images: list[str] = []
    for path in map(str, paths):
        if os.path.isdir(path) or is_prefix(path):
            images += _list_folder(path)
        elif not is_address(path) and not os.path.exists(path):
            raise BadImage(f"{path} does not exist: check the path")
        else:
            images.append(path)
    if not images:
        raise BadImage("no image given: name a file, a folder or an address")
    return images


def open_raster(
    path: str | Path, *, bands: Mapping[str, int] | None = None, pixel_size_m: float | None = None
) -> Raster:
    """Look at an image without reading its pixels.

    Args:
        bands: role to band number, from 1; goes before what the file says.
        pixel_size_m: length of a pixel on the ground; goes before what the file says.
    Raises:
        BadImage: if the file is missing, or is no image.
        BadOption: if ``bands`` names a band that the image does not have, or ``pixel_size_m`` is no length.
    """
    name = conceal(str(path))
    if pixel_size_m is not None and not 0 < pixel_size_m < math.inf:
        raise BadOption(f"--pixel-size {pixel_size_m} is no length: wanted metres, such as 0.2")
    forget_handle(name)
    handle = open_handle(name)
    if handle.count == 0:
        raise BadImage(f"{name} holds no bands itself: name one of its sub-datasets ({', '.join(handle.subdatasets)})")
    if np.dtype(handle.dtypes[0]).kind == "c":
        raise BadImage(f"{name} holds complex numbers: convert it to an image of brightness first")
    colours = handle.colorinterp
    palette = _read_palette(handle)
    band_count = 3 if palette is not None else handle.count
    roles = PALETTE_ROLES if palette is not None else find_roles(colours, handle.descriptions)
    flags = handle.mask_flag_enums[0]
    grid, notes = _place_on_ground(handle, pixel_size_m)
    return Raster(
        name=name,
        path=name,
        grid=grid,
        band_count=band_count,
        dtype=str(np.result_type(*handle.dtypes)),
        roles=merge_roles(roles, bands or {}, band_count),
        nodata=tuple(handle.nodatavals),
        alpha=_find_alpha(colours, bands or {}),
        mask=_mask_kind(flags),
        palette=palette,
        driver=handle.driver,
        block_shape=handle.block_shapes[0],
        compression=None if handle.compression is None else handle.compression.value,
        notes=notes,
    )


def clip(box: Box, grid: Grid) -> Box:
    """The part of a box that lies in the image; of height or width 0 if none does."""
    top, left = min(max(box.row, 0), grid.height), min(max(box.col, 0), grid.width)
    bottom = min(max(box.row + box.height, top), grid.height)
    right = min(max(box.col + box.width, left), grid.width)
    return Box(top, left, bottom - top, right - left)


def _list_folder(folder: str) -> list[str]:
    paths = list_files(folder) if is_prefix(folder) else [os.path.join(folder, n) for n in sorted(os.listdir(folder))]
    images = [path for path in paths if os.path.splitext(path)[1].lower() in SUFFIXES]
    if not images:
        raise BadImage(f"{folder} holds no image: wanted files ending in {' '.join(sorted(SUFFIXES))}")
    return images


def _find_alpha(colours: Sequence[ColorInterp], chosen: Mapping[str, int]) -> int | None:
    """Number of the alpha band; writers often say alpha of a fourth band that is near infrared, the user knows."""
    numbers = [number for number, colour in enumerate(colours, start=1) if colour is ColorInterp.alpha]
    return next((number for number in numbers if number not in chosen.values()), None)


def _as_stored(nodata: float | None, dtype: np.dtype[Any]) -> Any:
    """A nodata value in the type of the file; None where no pixel can hold it, or where it is NaN."""
    if nodata is None or np.isnan(nodata):
        return None
    if dtype.kind in "iu" and not (np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max and nodata == int(nodata)):
        return None
    return dtype.type(nodata)


def _read_palette(handle: DatasetReader) -> bytes | None:
    if handle.count != 1 or handle.colorinterp[0] is not ColorInterp.palette or handle.dtypes[0] != "uint8":
        return None
    colours = np.zeros((256, 4), np.uint8)
    for index, colour in handle.colormap(1).items():
        colours[index] = colour
    return colours.tobytes()


def _mask_kind(flags: list[MaskFlags]) -> str:
    if MaskFlags.alpha in flags or MaskFlags.all_valid in flags or MaskFlags.nodata in flags:
        return "none"
    return "image" if MaskFlags.per_dataset in flags else "band"


def _place_on_ground(handle: DatasetReader, pixel_size_m: float | None) -> tuple[Grid, tuple[str, ...]]:
    crs: CRS | None = handle.crs or None
    transform: Affine = handle.transform
    notes: list[str] = []
    if transform == Affine.identity() and (handle.gcps[0] or handle.rpcs is not None):
        kind = "ground control points" if handle.gcps[0] else "rational polynomial coefficients"
        notes.append(f"placed by {kind} alone, so traced in pixel coordinates: run gdalwarp first to place it")
        crs = None
    elif crs is None and transform != Affine.identity():
        notes.append("has a transform but no CRS, so traced in pixel coordinates: gdal_edit -a_srs gives it one")
    if crs is None:
        transform = Affine.identity()
    size = measure_pixel(transform, crs, handle.height, handle.width)
    if pixel_size_m is not None:
        size = (pixel_size_m, pixel_size_m)
    return Grid(handle.height, handle.width, transform, crs, size), tuple(notes)


def place_of(box: Box) -> str:
    """A box in the words of an error message."""
    return f"rows {box.row} to {box.row + box.height - 1}, columns {box.col} to {box.col + box.width - 1}"
