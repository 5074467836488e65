"""What a user tells of a model from elsewhere, in a few lines of TOML: its card, and how it differs from a model file.

task = "planes"
name = "my-crowns"
licence = "CC BY 4.0"
classes = ["tree crown"]
pixel_size_m = [0.1, 0.3]
window = 512

[input]
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[output]
activation = "softmax"
planes = { interior = 1 }
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from overtrace.errors import BadOption
from overtrace.models.card import Card, Frozen

Layout = Literal["nchw", "nhwc"]
PlaneName = Literal["interior", "touch", "distance"]
Told = TypeVar("Told", bound=BaseModel)

DEFAULTS: Mapping[str, Any] = {
    "version": "1",
    "bands": ("red", "green", "blue"),
    "precision": "fp32",
    "training": "Not told.",
    "summary": "A model from elsewhere.",
}


class Input(Frozen):
    """What the file wants instead of an image from 0 to 1: (image * scale - mean) / std."""

    scale: float = Field(1.0, gt=0)
    """What white is, before mean and std: 255 where the network was trained on bytes."""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[Annotated[float, Field(gt=0)], ...] = (1.0,)
    """One for all channels, or one for each, in the order in which the network takes them."""
    order: Literal["rgb", "bgr"] = "rgb"
    layout: Layout = "nchw"


class Output(Frozen):
    """What the file answers, and under which names."""

    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """What makes probabilities of the planes, of the classes, or of the masks of detections."""
    layout: Layout = "nchw"
    name: str | None = None
    """The output to take, where a file of planes or classes has several."""
    planes: dict[PlaneName, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Plane to output channel, from 0."""
    boxes: str = "boxes"
    scores: str = "scores"
    classes: str = "classes"
    masks: str = "masks"
    """The outputs of a file of detections."""
    first_class: Literal[0, 1] = 0
    """The number of the first class in them: 1 where 0 is the background."""


@dataclass(frozen=True, slots=True)
class Description:
    """A file from elsewhere: the card that it shall have, and how it differs from a model file."""

    card: Card
    input: Input
    output: Output


def read_description(path: Path) -> Description:
    """A description as the opening of this module shows it.

    Raises:
        BadOption: if it cannot be read, or an entry is missing, unknown or makes no sense.
    """
    entries = read_entries(path)
    given = _validate(Input, entries.pop("input", {}), f"{path}: input")
    answer = _validate(Output, entries.pop("output", {}), f"{path}: output")
    if entries.get("task") == "planes":
        if not answer.planes:
            raise BadOption(f"{path}: say which channel is which plane, as in [output] planes = {{ interior = 0 }}")
        entries = {**entries, "planes": tuple(answer.planes)}
    card = make_card(entries, path)
    for wrong, message in _contradictions(card, given, answer):
        if wrong:
            raise BadOption(f"{path}: {message}")
    return Description(card, given, answer)


def read_entries(path: Path) -> dict[str, Any]:
    """What a TOML file says; where it lies and its digest are the recipe of the card.

    Raises:
        BadOption: if it is missing or no TOML.
    """
    try:
        text = path.read_bytes()
        return {"recipe": f"{path.name} sha256 {sha256(text).hexdigest()}", **tomllib.loads(text.decode())}
    except (OSError, ValueError) as error:
        raise BadOption(f"{path} cannot be read as TOML: {error}") from error


def make_card(entries: Mapping[str, Any], told_by: str | Path) -> Card:
    """A card from what a user tells; what need not be told has a default, and the margin is an eighth of the window.

    Raises:
        BadOption: if an entry is missing, unknown or makes no sense.
    """
    window = entries.get("window")
    margin = {"margin": window // 8} if isinstance(window, int) else {}
    return _validate(Card, {**DEFAULTS, **margin, **entries}, f"{told_by}")


def _contradictions(card: Card, given: Input, answer: Output) -> list[tuple[bool, str]]:
    """What cannot be seen in one entry alone, and what is to be said then."""
    bands = len(card.bands)
    return [
        (
            given.order == "bgr" and bands != 3,
            f"order is bgr with {bands} bands: list the bands in the model's own order",
        ),
        (len(given.mean) not in (1, bands), f"mean has {len(given.mean)} values for {bands} bands"),
        (len(given.std) not in (1, bands), f"std has {len(given.std)} values for {bands} bands"),
        (
            card.task == "detections" and answer.activation == "softmax",
            "each mask of a detection stands alone: wanted activation sigmoid or none",
        ),
    ]


def _validate(kind: type[Told], entries: Any, where: str) -> Told:
    """BadOption, in one line, where the entries are not those of the kind."""
    try:
        return kind.model_validate(entries)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise BadOption(f"{where}: {place}: {first['msg']}") from error
