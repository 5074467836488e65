"""Label maps read from PNG files: one byte a pixel, inflated by libdeflate and unfiltered here, which is most of the
cost of scoring them. What this reader does not know (16 bits, colours, interlacing) goes to Pillow.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import deflate
import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from overtrace.errors import BadAnswer
from overtrace.formats.text import signed

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, PALETTE = 0, 3
MOST_PIXELS = 2**28
"""Of an image that is opened; a small file may claim to be enormous."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Labels of an image."""

    labels: NDArray[np.uint8]
    """(H, W)."""
    from_palette: bool
    """They are indices of a palette."""


def read_labels(data: bytes, name: str | Path) -> LabelMap:
    """The labels that a PNG holds: its grey values, or the indices of its palette.

    Args:
        data: the file.
        name: what errors call it.
    Raises:
        BadAnswer: if it is no PNG, is damaged, or has 16 bits or colours.
    """
    if data[:8] != SIGNATURE:
        raise BadAnswer(f"{name} is no PNG: send labels as 8-bit PNG")
    try:
        return _read_plain(data) or _read_any(data, name)
    except (struct.error, deflate.DeflateError, IndexError) as error:
        raise BadAnswer(f"{name} is damaged: {error or 'it is cut short'}: send it again") from error


def _read_plain(data: bytes) -> LabelMap | None:
    """Eight bits a pixel, not interlaced; None for other PNGs."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if depth != 8 or colour not in (GREY, PALETTE) or interlaced or not 0 < width * height <= MOST_PIXELS:
        return None
    parts, at = [], 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            parts.append(data[at + 8 : at + 8 + length])
        elif kind == b"IEND":
            break
        at += length + 12
    packed = parts[0] if len(parts) == 1 else b"".join(parts)
    lines = np.frombuffer(deflate.zlib_decompress(packed, height * (width + 1)), np.uint8)
    if len(lines) != height * (width + 1):
        raise IndexError("its pixels do not fill it")
    labels = np.empty((height, width), np.uint8)
    if not _unfilter(lines, labels):
        raise IndexError("it uses a filter that PNG does not have")
    return LabelMap(labels, colour == PALETTE)


def _read_any(data: bytes, name: str | Path) -> LabelMap:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadAnswer(f"{name} has {image.width} x {image.height} pixels: nobody's labels are that large")
            if image.mode not in ("L", "P", "1"):
                kind = "16-bit" if image.mode.startswith("I") else f"colour ({image.mode})"
                raise BadAnswer(f"{name} is a {kind} PNG: send labels as 8-bit PNG of one band")
            return LabelMap(np.asarray(image.convert("L") if image.mode == "1" else image), image.mode == "P")
    except UnidentifiedImageError as error:
        raise BadAnswer(f"{name} is damaged: its header makes no sense: send it again") from error
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise BadAnswer(f"{name} is damaged: {error}: send it again") from error


@njit(cache=True, nogil=True)
def _unfilter(lines: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bool:
    """Undo the filter of each line, which its first byte names.

    Source:
        W3C, Portable Network Graphics (PNG) Specification, third edition, 9 Filtering
    """
    height, width = labels.shape
    above = np.zeros(width, np.uint8)
    for y in range(height):
        begin = y * (width + 1)
        line, out = lines[begin + 1 : begin + 1 + width], labels[y]
        kind = lines[begin]
        if kind == 0:
            out[:] = line
        elif kind == 1:
            left = np.uint8(0)
            for x in range(width):
                left = np.uint8(line[x] + left)
                out[x] = left
        elif kind == 2:
            for x in range(width):
                out[x] = line[x] + above[x]
        elif kind == 3:
            before = 0
            for x in range(width):
                before = (signed(line[x]) + ((before + signed(above[x])) >> 1)) & 255
                out[x] = before
        elif kind == 4:
            before, corner = 0, 0
            for x in range(width):
                up = signed(above[x])
                by_left, by_up = abs(up - corner), abs(before - corner)
                by_corner = abs(before + up - 2 * corner)
                nearest = up if by_up <= by_corner else corner
                if by_left <= by_up and by_left <= by_corner:
                    nearest = before
                before = (signed(line[x]) + nearest) & 255
                corner = up
                out[x] = before
        else:
            return False
        above = out
    return True
