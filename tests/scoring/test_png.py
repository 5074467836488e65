import io
import struct
import zlib
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from overtrace.errors import BadAnswer
from overtrace.scoring.png import read_labels


def write_png(lines: bytes, width: int, height: int, depth: int = 8, colour: int = 0, parts: int = 1) -> bytes:
    """A PNG of lines that are already filtered."""
    packed = zlib.compress(lines)
    cuts = [len(packed) * i // parts for i in range(parts + 1)]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = [(b"PLTE", bytes(range(256)) * 3)] if colour == 3 else []
    data = [(b"IDAT", packed[a:b]) for a, b in pairwise(cuts)]
    chunks = [(b"IHDR", header), *palette, *data, (b"IEND", b"")]
    framed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 20), st.sampled_from([0, 3]), st.integers(1, 3))
def test_every_filter_is_undone_as_pillow_does(seed, height, width, colour, parts):
    rng = np.random.default_rng(seed)
    lines = rng.integers(0, 256, (height, width + 1), dtype=np.uint8)
    lines[:, 0] = rng.integers(0, 5, height)
    data = write_png(lines.tobytes(), width, height, colour=colour, parts=parts)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image)
    found = read_labels(data, "a.png")
    np.testing.assert_array_equal(found.labels, expected)
    assert found.from_palette == (colour == 3)


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_what_pillow_writes(mode):
    pixels = np.random.default_rng(0).integers(0, 2 if mode == "1" else 151, (40, 70), dtype=np.uint8)
    image = Image.fromarray(pixels * 255).convert("1") if mode == "1" else Image.fromarray(pixels)
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    np.testing.assert_array_equal(read_labels(stream.getvalue(), "a.png").labels, pixels * (255 if mode == "1" else 1))


def png_of(mode: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (8, 8)).save(stream, "PNG")
    return stream.getvalue()


GOOD = png_of("L")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a.png is no PNG"),
        (b"GIF89a", "a.png is no PNG"),
        (GOOD[:20], "a.png is damaged"),
        (GOOD[:45], "a.png is damaged"),
        (GOOD[:-14], "a.png is damaged"),
        (GOOD[:48] + b"\xff" + GOOD[49:], "a.png is damaged"),
        (png_of("RGB"), r"a.png is a colour \(RGB\) PNG: send labels as 8-bit PNG of one band"),
        (png_of("I;16"), "a.png is a 16-bit PNG: send labels as 8-bit PNG of one band"),
        (write_png(bytes(3), 2, 2), "its pixels do not fill it"),
        (write_png(bytes(9), 2, 2), "a.png is damaged"),
        (write_png(b"\x09ab" * 2, 2, 2), "it uses a filter that PNG does not have"),
        (write_png(b"", 0, 0), "a.png is damaged"),
        (write_png(b"", 2**31 - 1, 2**31 - 1), "a.png"),
    ],
)
def test_what_is_no_label_map(data, said):
    with pytest.raises(BadAnswer, match=said):
        read_labels(data, "a.png")


@given(st.integers(0, len(GOOD)), st.binary(max_size=8))
def test_damage_anywhere_is_an_error_of_ours_or_nothing(at, patch):
    with suppress(BadAnswer):
        assert read_labels(GOOD[:at] + patch + GOOD[at + len(patch) :], "a.png").labels.ndim == 2
