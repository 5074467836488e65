"""The data of the tree recipe: what is learned, what thresholds are tuned on, what is measured; no ground in two."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overtrace.data import neon
from overtrace.data.crowns import Crowns
from overtrace.data.urban_california import elsewhere, read_places, read_tile, set_aside, weak_crowns
from overtrace.learn.batches import Pool
from overtrace.learn.recipe import Recipe

TUNED_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Split:
    """Labelled images of both data sets for one purpose."""

    urban: Sequence[Crowns]
    neon: Sequence[Crowns]


def read_learned(folder: Path, recipe: Recipe) -> tuple[list[Pool], Split]:
    """What is learned, and what thresholds are tuned on.

    Args:
        folder: holds ``urban_california`` and ``neon_yell``.
    """
    urban = folder / "urban_california"
    places = elsewhere(read_places(urban, "train"), read_places(urban, "val"))
    learned, tuned = set_aside(places, TUNED_SHARE, np.random.default_rng(recipe.seed))
    crowns = weak_crowns([read_tile(urban, place) for place in learned])
    parts = [neon.read_part(folder / "neon_yell", part) for part in neon.LEARNED]
    pools = [Pool(crowns, recipe.urban_california), Pool(parts, recipe.neon)]
    tuned_crowns = weak_crowns([read_tile(urban, place) for place in tuned])
    return pools, Split(tuned_crowns, [neon.read_part(folder / "neon_yell", part) for part in neon.TUNED])


def read_measured(folder: Path) -> Split:
    """What is measured: the ``val`` list, and the north of the large NEON tile."""
    urban = folder / "urban_california"
    tiles = [read_tile(urban, place) for place in read_places(urban, "val")]
    return Split(weak_crowns(tiles), [neon.read_part(folder / "neon_yell", part) for part in neon.MEASURED])
