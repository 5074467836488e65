"""The card of a model file: all that ``trace`` must know, stored in the metadata of the ONNX file itself."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from overtrace.errors import BadModel
from overtrace.models.deepness import deepness_entries
from overtrace.models.metadata import read_metadata, write_metadata
from overtrace.raster.scaling import Scaling

METADATA_KEY = "overtrace"

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
    grow_px: Pixels = 32
    hole_px: Pixels = 16
    min_seed_px: Pixels = 4
    min_area_px: Pixels = 8
    min_area_m2: Annotated[float, Field(ge=0)] = 0.0


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
    pixel_size_m: tuple[float, float]
    """The finest and the coarsest pixel that it was trained for; images outside are resampled."""
    window: int = Field(gt=0)
    """Side of the square input, in pixels."""
    margin: int = Field(ge=0)
    """Pixels at each side of the window for which it does not answer."""
    planes: tuple[str, ...] = ()
    """What the output channels are, in order: interior, touch, distance."""
    precision: Literal["fp32", "int8"]
    decode: DecodeParameters = DecodeParameters()
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
        finest, coarsest = self.pixel_size_m
        if not 0 < finest <= coarsest:
            raise ValueError(f"pixel_size_m is {finest} to {coarsest}: wanted the finest, then the coarsest")
        if self.window <= 2 * self.margin:
            raise ValueError(f"a margin of {self.margin} leaves nothing of a window of {self.window}")
        if self.task == "planes" and not self.planes:
            raise ValueError("a planes model names its planes")
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
