"""What is drawn of the errors of a submission, and what a page and a comparison need of it.

A sheet is a blob that belongs to the submission: whoever shows it has no way to the truth of other images.
"""

from typing import Annotated

from pydantic import Field, FiniteFloat

from overtrace.host.blobs import Blobs
from overtrace.host.contest import Frozen

Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
"""Of a blob; empty for none."""


class Line(Frozen):
    """An outline."""

    layer: Annotated[str, Field(pattern="^(hit|false|missed|cut)$")]
    told: str
    path: Annotated[str, Field(pattern=r"^[MZh0-9 .\-]*$")]
    """Of SVG, in pixels of the image."""
    object: int
    """Key of the object that it is, or that it hit; -1 for none."""


class ClassShare(Frozen):
    """A class of a picture of labels."""

    name: str
    colour: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
    truth: int
    """Pixels of the picture."""
    answer: int


class Drawn(Frozen):
    """An image that is drawn."""

    row: int
    """Its place among the images of the sheet."""
    name: str
    note: str
    is_worst: bool
    """Whether it is one of those with the most errors; else it was drawn by lot, the same for all submissions."""
    frame: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    """Left, top, width and height of what is shown, in pixels of the image."""
    photo: Sha256 = ""
    lines: tuple[Line, ...] = ()
    truth: Sha256 = ""
    """A map of labels; the other two as well."""
    answer: Sha256 = ""
    wrong: Sha256 = ""
    classes: tuple[ClassShare, ...] = ()


class Judged(Frozen):
    """An image, drawn or not."""

    name: str
    errors: int
    """Objects, or pixels."""
    found: tuple[int, ...] = ()
    """Keys of its objects."""
    missed: tuple[int, ...] = ()


class Sheet(Frozen):
    """All that is shown of the errors of a submission."""

    unit: Annotated[str, Field(pattern="^(objects|pixels)$")]
    """What errors are counted in."""
    images: tuple[Judged, ...]
    pictures: tuple[Drawn, ...]

    def find(self, row: int) -> Drawn | None:
        """The picture of an image."""
        return next((one for one in self.pictures if one.row == row), None)

    @property
    def layers(self) -> frozenset[str]:
        """Of all outlines."""
        return frozenset(line.layer for one in self.pictures for line in one.lines)

    @property
    def has_objects(self) -> bool:
        """Whether it is known which objects were found."""
        return any(image.found or image.missed for image in self.images)


def read_sheet(blobs: Blobs, sha256: str) -> Sheet:
    """A sheet that is kept."""
    return Sheet.model_validate_json(b"".join(blobs.read(sha256)))
