"""The data of the tree recipe: what is learned, what thresholds are tuned on, what is measured; no ground in two.

Of the NEON tiles ``overtrace.data.neon`` says which part is for what.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from overtrace.data import neon
from overtrace.data.urban_california import Place, elsewhere, read_places, read_tile, set_aside, weak_crowns
from overtrace.learn.batches import Pool
from overtrace.learn.recipe import Recipe

TUNED_SHARE = 0.08


def choose_places(folder: Path, recipe: Recipe) -> tuple[list[Place], list[Place]]:
    """The Californian tiles that are learned, and those that thresholds are tuned on; both from ``train``.

    Args:
        folder: holds ``urban_california``.
    """
    urban = folder / "urban_california"
    places = elsewhere(read_places(urban, "train"), read_places(urban, "val"))
    return set_aside(places, TUNED_SHARE, np.random.default_rng(recipe.seed))


def read_pools(folder: Path, recipe: Recipe, places: Sequence[Place]) -> list[Pool]:
    """What is learned, with its targets; takes minutes.

    Args:
        folder: holds ``urban_california`` and ``neon_yell``.
        places: of the Californian tiles.
    """
    crowns = weak_crowns([read_tile(folder / "urban_california", place) for place in places])
    parts = [neon.read_part(folder / "neon_yell", part) for part in neon.LEARNED]
    return [Pool(crowns, recipe.urban_california), Pool(parts, recipe.neon)]
