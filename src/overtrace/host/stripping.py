"""Images without what their files say beside the pixels: places, dates, cameras, colour profiles, comments.

PNG and JPEG lose blocks, so that every decoder finds the pixels that it found before. TIFF is written anew: of where it
lies, the size of a pixel is kept.
"""

import struct
from collections.abc import Iterator
from typing import Any

from affine import Affine
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from overtrace.challenges.truth import SOMEWHERE
from overtrace.errors import BadContest
from overtrace.raster.grid import measure_pixel

PNG = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
JPEG = b"\xff\xd8"
JPEG_SCAN = 0xDA
JPEG_DROPPED = {*range(0xE1, 0xEE), 0xEF, 0xFE}
"""Application segments but those of JFIF and Adobe, which say how colours are stored; and comments."""
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def strip(data: bytes, shown: str) -> bytes:
    """The file of an image with the same pixels, and little else.

    Args:
        shown: what errors call it.
    Raises:
        BadContest: if it is no PNG, JPEG or TIFF, or damaged.
    """
    try:
        if data.startswith(PNG):
            return PNG + b"".join(_chunks(data))
        if data.startswith(JPEG):
            return JPEG + b"".join(_segments(data))
        if data.startswith(TIFF):
            return _rewrite(data)
    except (struct.error, ValueError, RasterioError) as error:
        raise BadContest(f"{shown} is damaged: {error}: containers cannot be run on it") from error
    raise BadContest(f"{shown} is no PNG, JPEG or TIFF: wanted one of these, to take off what tells data sets apart")


def _chunks(data: bytes) -> Iterator[bytes]:
    place = len(PNG)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise ValueError("it ends in the midst of a chunk")
        if kind in PNG_KEPT:
            yield data[place:end]
        if kind == b"IEND":
            return
        place = end
    raise ValueError("it has no end")


def _segments(data: bytes) -> Iterator[bytes]:
    place = len(JPEG)
    while True:
        mark, kind, length = struct.unpack_from(">BBH", data, place)
        if mark != 0xFF:
            raise ValueError("a segment is not where it should be")
        if kind == JPEG_SCAN:
            end = data.rfind(b"\xff\xd9")
            yield data[place : end + 2] if end > place else data[place:]
            return
        if kind not in JPEG_DROPPED:
            yield data[place : place + 2 + length]
        place += 2 + length


def _rewrite(data: bytes) -> bytes:
    with MemoryFile(data) as memory, memory.open() as file:
        size = measure_pixel(file.transform, file.crs, file.height, file.width)
        profile: dict[str, Any] = {
            name: file.profile[name] for name in ("height", "width", "count", "dtype", "nodata") if name in file.profile
        }
        profile |= {"driver": "GTiff", "compress": "deflate", "zlevel": 1, "tiled": False}
        if size is not None:
            crs, east, north = SOMEWHERE
            profile |= {"crs": crs, "transform": Affine(size[0], 0, east, 0, -size[1], north)}
        colours, names = file.colorinterp, file.descriptions
        palette = file.colormap(1) if colours[0].name == "palette" else None
        pixels = file.read()
    with MemoryFile() as memory:
        with memory.open(**profile) as out:
            out.write(pixels)
            out.colorinterp = colours
            out.descriptions = names
            if palette is not None:
                out.write_colormap(1, palette)
        return bytes(memory.read())
