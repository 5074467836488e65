"""The card of a model file: all that ``trace`` must know, stored in the metadata of the ONNX file itself."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from overtrace.errors import BadModel
from overtrace.models.deepness import deepness_entries
from overtrace.models.metadata import read_metadata, write_metadata
from overtrace.raster.fill import Edges
from overtrace.raster.scaling import Scaling

METADATA_KEY = "overtrace"
PLANES = ("interior", "touch", "distance")

Threshold = Annotated[int, Field(ge=1, le=255)]
Pixels = Annotated[int, Field(ge=0)]


class Frozen(BaseModel):
    """What all parts of a card share: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DecodeParameters(Frozen):
    """How planes become instances; the fields are those of ``overtrace.decode.parameters.Parameters``."""

    interior: Threshold = 128
    touch: Threshold = 128
    distance: Threshold = 64
    peak_px: Pixels = 0
    grow_px: Pixels = 32
    hole_px: Pixels = 16
    min_seed_px: Pixels = 4
    min_area_px: Pixels = 8
    min_area_m2: Annotated[float, Field(ge=0)] = 0.0
    scorer: Annotated[tuple[FiniteFloat, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.peak_px and self.min_seed_px > 1:
            raise ValueError(f"peaks are seeds of 1 pixel, and min_seed_px is {self.min_seed_px}: wanted 1")
        return self


class DetectParameters(Frozen):
    """How the detections of all windows become the objects of an image."""

    min_score: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Detections that score less are dropped."""
    overlap: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of two detections of one class whose boxes overlap more than this (IoU), the less sure one is dropped."""
    mask: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A pixel belongs to an object from this value of its mask on."""


class Score(Frozen):
    """One measured figure: on what, by which rule or recipe, when, at which commit."""

    name: str
    value: float
    data: str
    by: str
    date: str
    commit: str


class Card(Frozen):
    """What a model is, what it wants to see, what it answers, and how far it is to be trusted."""

    format_version: Literal[1] = 1
    name: str
    version: str
    task: Literal["planes", "detections", "classes"]
    classes: tuple[str, ...] = Field(min_length=1)
    bands: tuple[str, ...] = Field(min_length=1)
    """Roles, in the order of the input channels."""
    scaling: Scaling = Scaling()
    band_scaling: dict[str, Scaling] = {}
    """The scaling of single bands, by role, where it is another."""
    pixel_size_m: tuple[float, float] | None = None
    """The finest and the coarsest pixel that it was trained for; images outside are resampled. None: any."""
    short_side_px: Annotated[int, Field(gt=0)] | None = None
    """Images are resampled until their short side has this many pixels, for photos; None: they are not."""
    window: int = Field(gt=0)
    """Side of the square input, in pixels; *classes* models see an image that fits into it whole."""
    stride: int = Field(default=32, gt=0)
    """*Classes* models take images whose sides are multiples of this; the window, if they take one size alone."""
    margin: int = Field(ge=0)
    """Pixels at each side of the window for which it does not answer."""
    edges: Edges = "symmetric"
    """What it sees beyond the edges of an image."""
    planes: tuple[str, ...] = ()
    """What the output channels are: interior, and perhaps touch and distance."""
    precision: Literal["fp32", "int8"]
    decode: DecodeParameters = DecodeParameters()
    decode_rule: Literal["growth", "ternaus"] = "growth"
    """How instances are made where an image is answered as a whole: see ``decode.instances``, ``decode.ternaus``."""
    detect: DetectParameters = DetectParameters()
    licence: str
    attribution: tuple[str, ...] = ()
    training: str
    """What it was trained on, and how, in a few sentences."""
    recipe: str
    """Path and sha256 of the recipe that made it."""
    scores: tuple[Score, ...] = ()
    summary: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pixel_size_m is not None and not 0 < self.pixel_size_m[0] <= self.pixel_size_m[1]:
            finest, coarsest = self.pixel_size_m
            raise ValueError(f"pixel_size_m is {finest} to {coarsest}: wanted the finest, then the coarsest")
        if self.window <= 2 * self.margin:
            raise ValueError(f"a margin of {self.margin} leaves nothing of a window of {self.window}")
        if self.task == "classes" and self.window % self.stride:
            raise ValueError(f"window is {self.window}: wanted a multiple of the stride, {self.stride}")
        if self.task == "planes" and ("interior" not in self.planes or not set(self.planes) <= set(PLANES)):
            raise ValueError(f"planes are {', '.join(self.planes)}: wanted interior, and perhaps touch and distance")
        if self.decode.peak_px > self.margin:
            raise ValueError(f"decode.peak_px is {self.decode.peak_px}: wanted at most the margin, {self.margin}")
        if self.short_side_px is not None and self.pixel_size_m is not None:
            raise ValueError("short_side_px and pixel_size_m both say how an image is resampled: wanted one of them")
        if not set(self.band_scaling) <= set(self.bands):
            raise ValueError(f"band_scaling names {', '.join(self.band_scaling)}: wanted some of the bands")
        return self

    @property
    def channels(self) -> int:
        """Output channels of the network."""
        return len(self.planes) if self.task == "planes" else len(self.classes)


def read_card(path: str | Path) -> Card:
    """The card of a model file.

    Raises:
        BadModel: if the file is missing, damaged, no ONNX file, or has no card that this version understands.
    """
    text = read_metadata(path).get(METADATA_KEY)
    if text is None:
        raise BadModel(f"{path} is an ONNX file without an overtrace card: export it with overtrace, or write one")
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise BadModel(f"{path} has a card that this version cannot read: {place}: {first['msg']}") from error


def write_card(source: str | Path, card: Card, target: str | Path) -> None:
    """Copy an ONNX file with ``card`` in its metadata, and with the keys that the QGIS plugin Deepness reads.

    Raises:
        BadModel: if ``source`` is no ONNX file.
    """
    entries = {METADATA_KEY: card.model_dump_json(), **deepness_entries(card)}
    write_metadata(source, entries, target)
