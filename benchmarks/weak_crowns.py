"""What tells crowns from other ground: near infrared alone, or what was learned of points?

``python -m benchmarks.weak_crowns DIR [--record]``; DIR is urban_california. Of the tiles of ``train`` whose number
ends in 1, 3, 5 or 7, those ending in 3 are counted, and the others are what a likeness is fitted on.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import describe_machine, publish
from overtrace.data.urban_california import (
    FAR_PX,
    Likeness,
    Tile,
    crown_features,
    fit_likeness,
    nearest_point,
    read_places,
    read_tile,
)

Rule = Callable[[Tile, Likeness], NDArray[np.floating]]


def ndvi(tile: Tile, _: Likeness) -> NDArray[np.floating]:
    """From -1 to 1."""
    red, nir = tile.rgb[..., 0] / 255, tile.nir / 255
    return (nir - red) / (nir + red + 0.02)


def likeness(tile: Tile, fitted: Likeness) -> NDArray[np.floating]:
    """About 1 at points, about -1 far from them."""
    return fitted(crown_features(tile))


RULES: list[tuple[str, Rule, float]] = [
    *(("NDVI", ndvi, least) for least in (0.05, 0.15, 0.25)),
    *(("likeness", likeness, least) for least in (0.0, 0.25, 0.5)),
]


def main() -> None:
    """Fit, count, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    chosen = parser.parse_args()
    machine = describe_machine()
    flights: dict[str, tuple[list[Tile], list[Tile]]] = defaultdict(lambda: ([], []))
    for place in read_places(chosen.folder, "train"):
        if place.name[-1] in "1357":
            flights[place.flight][place.name.endswith("3")].append(read_tile(chosen.folder, place))
    near, far = np.zeros((len(RULES), 2)), np.zeros((len(RULES), 2))
    for fitted_on, counted in flights.values():
        fitted = fit_likeness(fitted_on)
        for tile in counted:
            distance = nearest_point(tile)[0]
            for i, (_, rule, least) in enumerate(RULES):
                crown = rule(tile, fitted) > least
                near[i] += crown[distance <= 2].sum(), (distance <= 2).sum()
                far[i] += crown[distance > FAR_PX].sum(), (distance > FAR_PX).sum()
    lines = [
        f"- {sum(len(counted) for _, counted in flights.values())} tiles of {len(flights)} flights",
        "- share of pixels that are taken for crowns, within 1.2 m of a point and more than 8.4 m from any:",
        *(
            f"  - {name} > {least:g}: {near[i, 0] / near[i, 1]:.3f} and {far[i, 0] / far[i, 1]:.3f}"
            for i, (name, _, least) in enumerate(RULES)
        ),
    ]
    publish("benchmarks/weak_crowns.py", machine, lines, record=chosen.record)


if __name__ == "__main__":
    main()
