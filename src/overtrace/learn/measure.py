"""How good a model file is, through the very code that ``trace`` runs: thresholds on one part of the data, figures on
another."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from overtrace.data import neon
from overtrace.data.urban_california import PIXEL_SIZE_M as URBAN_PIXEL_SIZE_M
from overtrace.data.urban_california import Place, read_points
from overtrace.decode.instances import decode_image
from overtrace.decode.parameters import Parameters
from overtrace.models.planes import predict_planes
from overtrace.models.runtime import Network
from overtrace.raster.lattice import Lattice
from overtrace.raster.source import open_raster
from overtrace.raster.view import open_view
from overtrace.scoring.matching import Matches, match_boxes, match_points

REACH_M = 6.0
LEAST_IOU = 0.4

INTERIORS = (64, 77, 90, 102, 115, 128, 140, 153, 166)
DISTANCES = (26, 38, 51, 64, 77, 90, 102, 115, 128, 140, 153, 166, 178)
GRID: dict[str, Sequence[int | float]] = {
    "distance": DISTANCES,
    "interior": INTERIORS,
    "touch": (64, 90, 115, 140, 166, 192, 255),
    "min_seed_px": (1, 2, 4, 6, 9, 13),
    "min_area_m2": (0.0, 1.0, 2.0, 3.0, 4.0, 6.0),
}


@dataclass(frozen=True, slots=True)
class Case:
    """An image that the network has answered, with its truth: points, or boxes of which those in ``part`` count."""

    planes: NDArray[np.uint8]
    pixel_size_m: float
    """Of the planes."""
    points: NDArray[np.float64] | None
    """(n, 2) x, y in metres from the corner of the image."""
    boxes: NDArray[np.float64] | None
    """(n, 4) left, top, right, bottom in metres."""
    part: neon.Part | None


def predict_file(network: Network, path: Path, pixel_size_m: float) -> tuple[NDArray[np.uint8], float]:
    """Planes (3, H, W) of an image file, as ``trace`` makes them, and their pixel size."""
    card = network.card
    view = open_view(open_raster(path, pixel_size_m=pixel_size_m), card.bands, card.pixel_size_m, card.scaling)
    (block,) = Lattice(card.window, card.margin).blocks(view.grid, max(view.grid.height, view.grid.width))
    assert view.grid.pixel_size_m is not None
    return predict_planes(view, network, block), view.grid.pixel_size_m[0]


def urban_cases(network: Network, folder: Path, places: Sequence[Place]) -> Iterator[Case]:
    """Tiles with points."""
    for place in places:
        path = folder / "rgb" / f"{place.name}.jpg"
        planes, pixel_size_m = predict_file(network, path, URBAN_PIXEL_SIZE_M)
        points = read_points(folder / "points" / f"{place.name}.csv") * URBAN_PIXEL_SIZE_M
        yield Case(planes, pixel_size_m, points, None, None)


def neon_cases(network: Network, folder: Path, parts: Sequence[neon.Part], extension: str = ".jpg") -> Iterator[Case]:
    """Parts of tiles with boxes; the network sees the whole tile."""
    for part in parts:
        planes, pixel_size_m = predict_file(network, folder / f"{part.tile}{extension}", neon.PIXEL_SIZE_M)
        boxes = neon.read_boxes(folder / f"{part.tile}.xml") * neon.PIXEL_SIZE_M
        yield Case(planes, pixel_size_m, None, boxes, part)


def count(case: Case, parameters: Parameters) -> Matches:
    """Matches of one image."""
    least_px = max(parameters.min_area_px, int(np.ceil(parameters.min_area_m2 / case.pixel_size_m**2)))
    labels, sums = decode_image(case.planes, replace(parameters, min_area_px=least_px))
    if case.points is not None:
        centres = np.array(ndimage.center_of_mass(labels > 0, labels, range(1, len(sums.area) + 1))).reshape(-1, 2)
        return match_points(centres[:, ::-1] * case.pixel_size_m, case.points, REACH_M)
    assert case.boxes is not None
    assert case.part is not None
    found = [where for where in ndimage.find_objects(labels) if where is not None]
    boxes = np.array([(x.start, y.start, x.stop, y.stop) for y, x in found], float).reshape(-1, 4) * case.pixel_size_m
    return match_boxes(_inside(boxes, case.part), _inside(case.boxes, case.part), LEAST_IOU)


def _inside(boxes: NDArray[np.float64], part: neon.Part) -> NDArray[np.float64]:
    """The boxes whose centre lies in a part."""
    x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2 / neon.PIXEL_SIZE_M
    kept: NDArray[np.float64] = boxes[
        (part.cols[0] <= x) & (x < part.cols[1]) & (part.rows[0] <= y) & (y < part.rows[1])
    ]
    return kept


def total(cases: Sequence[Case], parameters: Parameters) -> Matches:
    """Matches over all images."""
    return sum((count(case, parameters) for case in cases), Matches())


def tune(groups: Sequence[Sequence[Case]], start: Parameters, say: Callable[[str], None]) -> Parameters:
    """The thresholds with the best mean F1 of the groups, one after the other until none can be bettered."""

    def worth(parameters: Parameters) -> float:
        return float(np.mean([total(cases, parameters).f1 for cases in groups]))

    # The two that depend on each other most are tried together, coarsely, so that the rest is not led astray.
    pairs = [replace(start, interior=i, distance=d) for i in INTERIORS[::2] for d in DISTANCES[::2]]
    best_worth, best = max(((worth(pair), pair) for pair in (start, *pairs)), key=lambda found: found[0])
    say(f"tuned interior to {best.interior} and distance to {best.distance}: mean F1 {best_worth:.4f}")
    while True:
        before = best_worth
        for name in (f.name for f in fields(Parameters) if f.name in GRID):
            for value in GRID[name]:
                candidate = replace(best, **{name: value})  # type: ignore[arg-type]
                if candidate != best and (candidate_worth := worth(candidate)) > best_worth:
                    best, best_worth = candidate, candidate_worth
            say(f"tuned {name} to {getattr(best, name)}: mean F1 {best_worth:.4f}")
        if best_worth - before < 0.001:
            return best
