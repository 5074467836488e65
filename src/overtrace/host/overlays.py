"""Pictures of errors as SVG: outlines over a photo, of one submission or of what two of them differ in."""

import io
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from PIL import Image

from overtrace.host.sheets import Drawn, Judged, Line, Sheet

GROUND = "#2a2f2c"
DASHED = "6 3"
STYLES: Mapping[str, tuple[str, str]] = {
    "cut": ("#c3cac5", "2 3"),
    "hit": ("#56b4e9", ""),
    "false": ("#ff5a1f", ""),
    "missed": ("#f7e84a", DASHED),
    "both": ("#c3cac5", "1 2"),
    "neither": ("#f7e84a", DASHED),
    "false-first": ("#a5512f", "2 2"),
    "false-second": ("#b2568a", "2 2"),
    "first": ("#56b4e9", ""),
    "second": ("#f29c38", ""),
}
"""Colour and dashes of each layer, in the order in which they are drawn."""
ERRORS = {
    "hit": "right, found by this submission",
    "false": "false, or badly outlined: of this submission",
    "missed": "missed: true, and not found",
    "cut": "not counted, beyond the cap",
}
"""What the layers of a submission say."""
WIDTH_PX = 2
DOT_PX = 8
Layers = Mapping[str, Sequence[Line]]


@dataclass(frozen=True, slots=True)
class Change:
    """What two submissions differ in at an image."""

    row: int
    name: str
    first: frozenset[int]
    """Keys of the objects that only the first found."""
    second: frozenset[int]
    errors: tuple[int, int]
    """Of the first and of the second."""

    @property
    def size(self) -> int:
        """By how much they differ."""
        return len(self.first) + len(self.second) + abs(self.errors[0] - self.errors[1])


def sort_errors(drawn: Drawn) -> Layers:
    """The outlines of a picture by what they are."""
    return {layer: [line for line in drawn.lines if line.layer == layer] for layer in ERRORS}


def draw(drawn: Drawn, layers: Layers, photo: bytes | None) -> Markup:
    """An SVG that needs nothing but itself.

    Args:
        drawn: whose frame is taken.
        layers: outlines by the names in ``STYLES``.
        photo: JPEG; None for a plain ground.
    """
    left, top, width, height = drawn.frame
    parts = [Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>').format(*drawn.frame, GROUND)]
    if photo is not None:
        address = f"data:image/jpeg;base64,{b64encode(photo).decode('ascii')}"
        image = Markup('<image href="{}" x="{}" y="{}" width="{}" height="{}" preserveAspectRatio="none"/>')
        parts.append(image.format(address, *drawn.frame))
    parts += [_draw_layer(name, layers[name]) for name in STYLES if layers.get(name)]
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="{} {} {} {}" width="{}" height="{}">{}</svg>'
    return Markup(head).format(left, top, width, height, width, height, Markup("").join(parts))


def _draw_layer(name: str, lines: Sequence[Line]) -> Markup:
    colour, dashes = STYLES[name]
    path = Markup('<path vector-effect="non-scaling-stroke" d="{}"><title>{}</title></path>')
    paths = Markup("").join(path.format(line.path, line.told) for line in lines)
    # A point is a line of no length, whose round end is seen.
    width = DOT_PX if all(line.path.endswith("h0") for line in lines) else WIDTH_PX
    group = (
        '<g class="{}" fill="#fff" fill-opacity="0" stroke="{}" stroke-width="{}" stroke-dasharray="{}" '
        'stroke-linejoin="round" stroke-linecap="round">{}</g>'
    )
    return Markup(group).format(name, colour, width, dashes or "none", paths)


def compare(first: Sheet, second: Sheet) -> list[Change]:
    """What two submissions differ in, image by image, those with the largest difference first; none where they do not.

    Raises:
        ValueError: if they are of different images.
    """
    changes = [
        _compare(row, one, other) for row, (one, other) in enumerate(zip(first.images, second.images, strict=True))
    ]
    return sorted((change for change in changes if change.size), key=lambda change: (-change.size, change.row))


def _compare(row: int, one: Judged, other: Judged) -> Change:
    if one.name != other.name:
        raise ValueError(f"image {row} is {one.name} and {other.name}")
    found = frozenset(one.found), frozenset(other.found)
    return Change(row, one.name, found[0] - found[1], found[1] - found[0], (one.errors, other.errors))


def sort_difference(row: int, first: Sheet, second: Sheet) -> Layers:
    """The outlines of an image by which of two submissions found the object; an object that somebody missed is drawn as
    it is, another one as it was found."""
    one, other = first.find(row), second.find(row)
    lines = [line for drawn in (one, other) if drawn is not None for line in drawn.lines]
    shapes: dict[int, Line] = {}
    for line in sorted(lines, key=lambda line: line.layer != "missed"):
        if line.object >= 0:
            shapes.setdefault(line.object, line)
    found = set(first.images[row].found), set(second.images[row].found)
    missed = set(first.images[row].missed) & set(second.images[row].missed)
    return {
        "first": _tell(shapes, found[0] - found[1], "found by the first alone"),
        "second": _tell(shapes, found[1] - found[0], "found by the second alone"),
        "both": _tell(shapes, found[0] & found[1], "found by both"),
        "neither": _tell(shapes, missed, "found by neither"),
        "false-first": [line for line in one.lines if line.layer == "false"] if one is not None else [],
        "false-second": [line for line in other.lines if line.layer == "false"] if other is not None else [],
    }


def _tell(shapes: Mapping[int, Line], keys: Iterable[int], told: str) -> list[Line]:
    return [shapes[key].model_copy(update={"told": told}) for key in sorted(keys) if key in shapes]


SAME_RIGHT, SAME_WRONG, FIRST, SECOND = (58, 66, 61), (122, 132, 126), (86, 180, 233), (242, 156, 56)
"""Colours of pixels that both, or neither, or one of two submissions has right."""


def draw_pixels(first: bytes, second: bytes) -> bytes:
    """A PNG of the pixels that one of two submissions alone has right.

    Args:
        first: PNG with palette: 0 where nothing counts, 1 where it is right, 2 where it is wrong.
        second: likewise, of the same size.
    """
    one, other = (np.asarray(Image.open(io.BytesIO(data))) for data in (first, second))
    kinds = np.select(
        [(one == 1) & (other == 1), (one == 2) & (other == 2), (one == 1) & (other == 2), (one == 2) & (other == 1)],
        [1, 2, 3, 4],
    ).astype(np.uint8)
    image = Image.fromarray(kinds)
    image.putpalette([0, 0, 0, *SAME_RIGHT, *SAME_WRONG, *FIRST, *SECOND])
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
