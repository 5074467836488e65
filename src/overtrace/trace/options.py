"""What a user may choose when tracing."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from overtrace.decode.parameters import Parameters
from overtrace.errors import BadOption
from overtrace.models.card import Card, DetectParameters
from overtrace.models.runtime import Runtime
from overtrace.raster.grid import Grid
from overtrace.raster.mosaic import MosaicRule
from overtrace.trace.executor import Kind

WHOLE = [f.name for f in fields(Parameters) if f.type is int]
"""Decode parameters of planes that are whole numbers."""
PARTS = list(DetectParameters.model_fields)
"""Decode parameters of detections, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Length:
    """A length in pixels of the image, or in metres."""

    value: float
    unit: str
    """``px`` or ``m``."""

    def in_pixels(self, grid: Grid) -> float:
        """The length in pixels of a grid.

        Raises:
            BadOption: if it is in metres and the pixel size is not known.
        """
        if self.unit == "px" or self.value == 0:
            return self.value
        if grid.pixel_size_m is None:
            raise BadOption(
                f"--simplify {self.value:g}m: the image does not say its scale: give --pixel-size, or use px"
            )
        return self.value / math.sqrt(grid.pixel_size_m[0] * grid.pixel_size_m[1])


@dataclass(frozen=True, slots=True)
class Options:
    """How to trace; the defaults are those of the command line."""

    model: str = "trees"
    runtime: Runtime = "openvino"
    views: int = 1
    """How often the network looks at each window: see ``overtrace.models.views``."""
    block: int = 1024
    """Pixels along a side of the unit of work, rounded up to whole lattice cells; changes memory, not the answer."""
    workers: int = 0
    """0 for as many as there are cores."""
    executor: Kind = "threads"
    mosaic: MosaicRule | None = None
    """How all images are seen as one; None to trace them one by one."""
    simplify: Length = Length(0.75, "px")
    pixel_size_m: float | None = None
    see_at_m: float | None = None
    """Pixel size to which finer images are reduced for the model; None for the finest that it knows."""
    bands: Mapping[str, int] = field(default_factory=dict)
    """Role to band number, from 1, where the image does not say or says it wrong."""
    decode: Mapping[str, float] = field(default_factory=dict)
    """Decode parameters that differ from those of the card."""
    min_area_m2: float | None = None
    """None for what the card says."""
    min_score: float = 0.0
    resume: bool = False
    scratch: str | Path | None = None
    """Folder, or s3://BUCKET/PREFIX, in which that of the work under way is made; beside the first output where it is
    None."""
    cluster: str | None = None
    """tcp://HOST:PORT of a Dask scheduler, local:N or slurm:FILE; None for this process alone."""


def parse_length(text: str) -> Length:
    """A length such as ``0.5px`` or ``0.3m``; a plain 0 needs no unit.

    Raises:
        BadOption: for anything else.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(px|m|)", text.strip())
    if match is None or (match[2] == "" and float(match[1]) != 0):
        raise BadOption(f"{text!r} is no length: wanted 0.5px (pixels), 0.3m (metres) or 0")
    return Length(float(match[1]), match[2] or "px")


def parse_parameters(text: str) -> dict[str, float]:
    """Decode parameters such as ``interior=120,grow_px=24`` or ``overlap=0.3``.

    Raises:
        BadOption: if it is not written like that.
    """
    pairs = [re.fullmatch(r"\s*(\w+)\s*=\s*(\d+\.?\d*|\.\d+)\s*", part) for part in text.split(",") if part.strip()]
    if not all(pairs):
        raise BadOption(f"--decode {text!r} is not understood: wanted NAME=NUMBER,NAME=NUMBER")
    return {pair[1]: float(pair[2]) for pair in pairs if pair}


def choose_parameters(card: Card, options: Options) -> tuple[Parameters, DetectParameters]:
    """The decode parameters of the card, changed where the user says so.

    Raises:
        BadOption: for a name that is none of those of the task, or a value out of range.
    """
    names = WHOLE if card.task == "planes" else [*PARTS, "min_area_px"]
    for name, value in options.decode.items():
        if name not in names:
            raise BadOption(f"--decode {name} is unknown: wanted one of {', '.join(names)}")
        if name in WHOLE and value != int(value):
            raise BadOption(f"--decode {name}={value:g} is no whole number")
        if name in ("interior", "touch", "distance") and not 1 <= value <= 255:
            raise BadOption(f"--decode {name}={value:g} is out of range: wanted 1 to 255")
    whole: dict[str, Any] = {name: int(value) for name, value in options.decode.items() if name in WHOLE}
    parts = {name: value for name, value in options.decode.items() if name in PARTS}
    try:
        detect = DetectParameters(**card.detect.model_dump() | parts)
    except ValidationError as error:
        first = error.errors()[0]
        said = f"--decode {first['loc'][0]}={first['input']:g} is out of range: {first['msg'].lower()}"
        raise BadOption(said) from error
    parameters = replace(Parameters(**card.decode.model_dump()), **whole)
    if parameters.peak_px > card.margin:
        raise BadOption(
            f"--decode peak_px={parameters.peak_px}: wanted at most the margin of {card.name}, {card.margin}"
        )
    if parameters.peak_px and parameters.min_seed_px > 1:
        raise BadOption("--decode: peaks are seeds of 1 pixel: where peak_px is not 0, min_seed_px=1 is wanted")
    if options.min_area_m2 is not None:
        parameters = replace(parameters, min_area_m2=options.min_area_m2)
    return parameters, detect


def check_scene_options(card: Card, options: Options) -> None:
    """Make sure that nothing is asked of a *classes* model that only objects have.

    Raises:
        BadOption: if it is.
    """
    default = Options()
    given = {
        "--decode": options.decode != default.decode,
        "--min-area": options.min_area_m2 != default.min_area_m2,
        "--min-score": options.min_score != default.min_score,
        "--simplify": options.simplify != default.simplify,
        "--resume": options.resume != default.resume,
    }
    idle = [name for name, is_given in given.items() if is_given]
    if idle:
        raise BadOption(f"{', '.join(idle)}: {card.name} gives each pixel a class, there are no objects: leave it out")
