"""Sets whose true score is known: their images are drawn by lot from a made population, which is settled whole.

A population comes for several answers. Of two equal ones each is on one half of the images what the other is on the
other half, so that their true scores are the same though no image of theirs need be.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges import deepglobe, itc, sceneparsing
from overtrace.challenges.challenge import Sample
from overtrace.scoring.footprints import TOPCODER, FootprintCounts
from overtrace.scoring.instances import HIT, MISS, Counts, Rule
from overtrace.scoring.pixels import PixelCounts, score_pixels

HALF = 60
"""Half the images of each part of a population."""
PARTS = ("AOI_2_Vegas", "AOI_3_Paris")
Quality = NDArray[np.float64]
Population = tuple[Sample, Sample, Sample]
"""Of two answers that are equally good, and of one that is worse by some five points."""


def _mirror(rng: np.random.Generator, parts: int) -> tuple[NDArray[np.float64], list[Quality]]:
    """How hard each image is, (parts * 2 * HALF,), and how much of it each of the three answers finds."""
    hard, own, other = rng.beta(6, 3, (parts, 1, HALF)), *rng.normal(0, 0.1, (2, parts, 1, HALF))
    hard = np.concatenate([hard, hard], axis=1)
    one, two = np.concatenate([own, other], axis=1), np.concatenate([other, own], axis=1)
    return hard.ravel(), [np.clip(hard + shift, 0.02, 0.98).ravel() for shift in (one, two, one - 0.06)]


def make_buildings(rng: np.random.Generator) -> Population:
    """F1 of two cities."""
    hard, qualities = _mirror(rng, len(PARTS))
    true = np.rint(30 * hard).astype(np.int64) + 1
    names = tuple(f"{city}_img{i}" for city in PARTS for i in range(2 * HALF))
    made = []
    for quality in qualities:
        hits = np.rint(true * quality).astype(np.int64)
        counts = FootprintCounts(hits, hits + np.rint(0.3 * true).astype(np.int64), true)
        cities = tuple(deepglobe.CityScore(city, 0, 0, 0, 0, 0.0) for city in PARTS)
        made.append(deepglobe._sample(deepglobe.BuildingScore(TOPCODER, cities, names, counts)))
    return made[0], made[1], made[2]


def make_scenes(rng: np.random.Generator) -> Population:
    """Pixel accuracy and mean IoU of eight classes."""
    hard, qualities = _mirror(rng, 1)
    shares = rng.dirichlet(np.full(8, 0.5), HALF)
    truth = np.rint(1000 * np.concatenate([shares, shares])).astype(np.int64)
    names = tuple(str(i) for i in range(len(hard)))
    made = []
    for quality in qualities:
        both = np.rint(truth * quality[:, None]).astype(np.int64)
        # What is wrong goes to the next class.
        answer = both + np.roll(truth - both, 1, axis=1)
        images = [PixelCounts(b, t, a, int(t.sum())) for b, t, a in zip(both, truth, answer, strict=True)]
        labels = sceneparsing.Labels("sceneparsing", 8, 1, 0)
        whole = score_pixels(PixelCounts(both.sum(0), truth.sum(0), answer.sum(0), int(truth.sum())))
        made.append(sceneparsing._sample(sceneparsing.SceneScore(labels, names, tuple(images), whole)))
    return made[0], made[1], made[2]


def make_crowns(rng: np.random.Generator) -> Population:
    """AP50 of two data sets, with twelve detections an image; what is right has the higher scores, mostly."""
    _, qualities = _mirror(rng, len(PARTS))
    drawn = rng.uniform(0, 1, (len(PARTS), 1, HALF, 12))
    lots = np.concatenate([drawn, drawn], axis=1).reshape(len(PARTS), 2 * HALF, 12)
    shift = rng.uniform(0, 0.5, lots.shape)
    made = []
    for quality in qualities:
        parts = []
        for p, name in enumerate(PARTS):
            share = quality.reshape(len(PARTS), 2 * HALF)[p, :, None]
            hit = lots[p] < share
            score = np.where(hit, 0.5, 0.2) + shift[p]
            # The halves are alike in scores, too: what one answer says there the other says here.
            parts.append(_count_crowns(name, hit, score))
        made.append(itc._sample(itc.ItcScore(itc.DEFAULT, tuple(parts))))
    return made[0], made[1], made[2]


def _count_crowns(name: str, hit: NDArray[np.bool_], score: NDArray[np.float64]) -> itc.DataSetScore:
    images, own = hit.shape
    n = images * own
    counts = Counts(
        images=np.arange(images),
        categories=np.array([1]),
        image=np.repeat(np.arange(images), own),
        category=np.zeros(n, np.int64),
        row=np.arange(n),
        rank=np.tile(np.arange(own), images),
        score=score.ravel(),
        outcome=np.where(hit, HIT, MISS).astype(np.uint8).reshape(1, 1, n),
        objects=np.full((1, images, 1), own, np.int64),
        cut=np.zeros((1, images), np.int64),
        rule=Rule(itc.THRESHOLDS[:1], itc.AREAS[:1], (100,), False),
    )
    none = np.zeros(12)
    return itc.DataSetScore(name, images, n, n, 0, 0, 0, none, 0.0, counts, None)  # type: ignore[arg-type]


MAKERS: dict[str, Callable[[np.random.Generator], Population]] = {
    "buildings": make_buildings,
    "scenes": make_scenes,
    "crowns": make_crowns,
}
