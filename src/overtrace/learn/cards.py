"""The card of a trained model: what its recipe says, what it was trained on, and what it scored."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from overtrace.errors import BadOption
from overtrace.learn.recipe import PlanesNetwork, Recipe
from overtrace.models.card import Card, Score


def draft(
    recipe: Recipe, classes: Sequence[str], bands: Sequence[str], precision: Literal["fp32", "int8"], path: Path
) -> Card:
    """The card without scores.

    Args:
        classes, bands: of the data.
        path: of the recipe.
    Raises:
        BadOption: if what the recipe says of the card does not go together, or not with the data.
    """
    facts = recipe.card
    if recipe.task != "planes" and facts.classes and len(facts.classes) != len(classes):
        raise BadOption(
            f"{path}: card.classes names {len(facts.classes)}, the data has {len(classes)}: name each in their order"
        )
    try:
        return _draft(recipe, classes, bands, precision, path)
    except ValidationError as error:
        raise BadOption(f"{path}: card: {error.errors()[0]['msg']}") from error


def _draft(
    recipe: Recipe, classes: Sequence[str], bands: Sequence[str], precision: Literal["fp32", "int8"], path: Path
) -> Card:
    facts, network = recipe.card, recipe.network
    return Card(
        name=recipe.name if precision == "int8" or not makes_int8(recipe) else f"{recipe.name}-fp32",
        version=recipe.version,
        task=recipe.task,
        classes=tuple(facts.classes or classes),
        bands=tuple(bands),
        scaling=facts.scaling,
        band_scaling=facts.band_scaling,
        pixel_size_m=facts.pixel_size_m,
        short_side_px=facts.short_side_px,
        edges=facts.edges,
        window=facts.window,
        margin=facts.margin,
        planes=network.planes if isinstance(network, PlanesNetwork) else (),
        precision=precision,
        decode=facts.decode,
        decode_rule=facts.decode_rule,
        detect=facts.detect,
        licence=facts.licence,
        attribution=facts.attribution,
        training=facts.training,
        recipe=f"{path.as_posix()} sha256 {sha256(path.read_bytes()).hexdigest()}",
        summary=facts.summary,
    )


def makes_int8(recipe: Recipe) -> bool:
    """Whether an int8 file is made: detectors are not quantised."""
    return recipe.card.int8 and recipe.task != "detections"


def note_score(name: str, value: float, data: str, by: str) -> Score:
    """A figure that was measured now, by the code that runs."""
    return Score(
        name=name, value=round(value, 6), data=data, by=by, date=f"{datetime.now(UTC):%Y-%m-%d}", commit=_commit()
    )


def _commit() -> str:
    """The commit of the code that runs, where it is a checkout."""
    asked = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"
