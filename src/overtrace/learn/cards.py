"""The cards of the tree models: what they were trained on, under which licences, and what they scored."""

import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from overtrace.decode.parameters import Parameters
from overtrace.learn.measure import LEAST_IOU, REACH_M
from overtrace.learn.recipe import Recipe
from overtrace.models.card import Card, DecodeParameters, Score
from overtrace.scoring.matching import Matches

WINDOW = 512
MARGIN = 64
GROW_PX = 40
PIXEL_SIZE_M = (0.15, 0.6)
VALIDATION = "urban-tree-detection-data, list val (103 tiles at 0.6 m)"
HELD_BACK = "NEON YELL 2019, north half of tile 528000_4978000 (0.1 m), which was not trained on"


def draft(name: str, precision: Literal["fp32", "int8"], recipe: Recipe, path: Path) -> Card:
    """The card without thresholds and scores."""
    return Card(
        name=name,
        version=recipe.version,
        task="planes",
        classes=("tree crown",),
        bands=("red", "green", "blue"),
        pixel_size_m=PIXEL_SIZE_M,
        window=WINDOW,
        margin=MARGIN,
        planes=("interior", "touch", "distance"),
        precision=precision,
        decode=DecodeParameters(grow_px=GROW_PX),
        licence="CC BY 4.0",
        attribution=(
            "Ventura et al. 2024, urban-tree-detection-data, CC BY 4.0, with NAIP imagery of USDA",
            "Weinstein et al., DeepForest, MIT, with imagery of the NSF's National Ecological Observatory Network",
        ),
        training=(
            "Plain-convolution U-Net of size m, trained from random weights on 1,013 tiles of urban California at "
            "0.6 m, whose crowns were guessed from tree points and near infrared, and on boxes of conifers in "
            "Yellowstone at 0.1 m, drawn as ellipses and seen at 0.1 to 0.6 m. No ground of the list val, in any "
            "year, was trained on. The thresholds were chosen on 89 more Californian tiles, a corner of a second "
            "Yellowstone tile, OSBS_029 (Florida) and SOAP_061 (California). Expect less on other forests, seasons and "
            "cameras; closed broad-leaved canopy was not among the training data."
        ),
        recipe=f"{path.as_posix()} sha256 {sha256(path.read_bytes()).hexdigest()}",
        summary="Tree crowns in red, green and blue at 0.15 to 0.6 m; finer images are reduced.",
    )


def complete(card: Card, parameters: Parameters, points: Matches, boxes: Matches) -> Card:
    """The card with thresholds and scores."""
    by, today, commit = "recipes/trees.toml", f"{datetime.now(UTC):%Y-%m-%d}", _commit()
    scores = tuple(
        Score(name=f"{what} {kind}", value=round(value, 4), data=data, by=by, date=today, commit=commit)
        for what, data, found in (
            (f"point at {REACH_M:g} m", VALIDATION, points),
            (f"box at IoU {LEAST_IOU:g}", HELD_BACK, boxes),
        )
        for kind, value in (("F1", found.f1), ("precision", found.precision), ("recall", found.recall))
    )
    return card.model_copy(update={"decode": DecodeParameters(**asdict(parameters)), "scores": scores})


def _commit() -> str:
    """The commit of the code that runs, where it is a checkout."""
    asked = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"
