"""Urban trees of six Californian cities: a point a tree, and crowns guessed from near infrared.

Coverage: 1,372 tiles of 256x256 pixels at 0.6 m, NAIP 2016, 2018 and 2020; red, green, blue and near infrared, JPEG.
Truth: ``points/NAME.csv`` with x and y in pixels, one row a tree, no file where no tree stands.
Splits: ``splits.json``, lists ``train`` (1,269) and ``val`` (103). 96 of the 98 places of ``val`` were also flown in
other years that stand in ``train``: ``elsewhere`` leaves those out, so that no place is both learned and measured.
Licence: CC BY 4.0. Source: Ventura et al., Individual tree detection in large-scale urban environments using
high-resolution multispectral imagery, 2024, https://github.com/jonathanventura/urban-tree-detection-data
"""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from overtrace.data.labelled import Labels, Objects
from overtrace.data.targets import peakedness

PIXEL_SIZE_M = 0.6
CROWN_RADIUS_M = 7.0
"""A crown is not drawn farther than this from its point."""
DOUBT_RADIUS_M = 10.0
"""What looks like a crown between the two radii may be a wide crown or a tree without a point: it is ignored."""
LEAST_LIKENESS = 0.25
TRUNK_RADIUS_PX = 2.0
"""A crown holds at least this much around its point, however little it looks like one."""
FAR_PX = 14.0


@dataclass(frozen=True, slots=True)
class Place:
    """A tile of the list: its name and where it lies, in metres of its UTM zone."""

    name: str
    epsg: int
    left: float
    top: float

    @property
    def flight(self) -> str:
        """The city and year, which share one camera and one day: ``riverside_2018`` of ``riverside_2018_7``."""
        return re.sub(r"_\d+$", "", self.name)

    @property
    def ground(self) -> tuple[int, int, int]:
        """What tiles of the same ground share, whatever their year."""
        return self.epsg, round(self.left), round(self.top)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile as its files hold it."""

    place: Place
    rgb: NDArray[np.uint8]
    """(256, 256, 3)."""
    nir: NDArray[np.uint8]
    """(256, 256)."""
    points: NDArray[np.float64]
    """(n, 2) x and y in pixels."""


def read_places(folder: Path, split: str) -> list[Place]:
    """The tiles of ``train`` or ``val``, in the order of the list."""
    listed = json.loads((folder / "splits.json").read_text())[split]
    return [Place(tile["name"], tile["epsg"], tile["transform"][2], tile["transform"][5]) for tile in listed]


def elsewhere(places: Sequence[Place], measured: Sequence[Place]) -> list[Place]:
    """Those of ``places`` whose ground is none of ``measured``'s, in any year."""
    taken = {place.ground for place in measured}
    return [place for place in places if place.ground not in taken]


def set_aside(places: Sequence[Place], share: float, rng: np.random.Generator) -> tuple[list[Place], list[Place]]:
    """Splits ``places`` by ground: those kept, and those on about ``share`` of the grounds."""
    grounds = sorted({place.ground for place in places})
    chosen = {grounds[i] for i in rng.permutation(len(grounds))[: round(share * len(grounds))]}
    kept = [place for place in places if place.ground not in chosen]
    return kept, [place for place in places if place.ground in chosen]


def read_tile(folder: Path, place: Place) -> Tile:
    """Reads one tile; a tile without a file of points has no tree."""
    with Image.open(folder / "rgb" / f"{place.name}.jpg") as image:
        rgb = np.asarray(image.convert("RGB"))
    with Image.open(folder / "nir" / f"{place.name}.jpg") as image:
        nir = np.asarray(image.convert("L"))
    return Tile(place, rgb, nir, read_points(folder / "points" / f"{place.name}.csv"))


def read_points(path: Path) -> NDArray[np.float64]:
    """(n, 2) x and y in pixels; none where there is no file."""
    if not path.exists():
        return np.empty((0, 2))
    with path.open(newline="") as rows:
        return np.array([(float(row["x"]), float(row["y"])) for row in csv.DictReader(rows)]).reshape(-1, 2)


def weak_crowns(tiles: Sequence[Tile]) -> list[Objects]:
    """Crowns guessed from points and near infrared: material to train on, not truth.

    For each flight, a quadratic discriminant learns what the surroundings of points look like against ground far from
    any point; it tells crowns from lawns, which NDVI alone does not. What looks like a crown is then divided among the
    nearest points.
    """
    flights: dict[str, list[Tile]] = {}
    for tile in tiles:
        flights.setdefault(tile.place.flight, []).append(tile)
    likeness = {flight: fit_likeness(members) for flight, members in sorted(flights.items())}
    return [_weak_crowns_of(tile, likeness[tile.place.flight]) for tile in tiles]


@dataclass(frozen=True, slots=True)
class Likeness:
    """A quadratic discriminant: about 1 at points, about -1 far from them."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        answer: NDArray[np.float64] = _quadratic((features - self.mean) / self.spread) @ self.weights
        return answer


def fit_likeness(tiles: Sequence[Tile]) -> Likeness:
    """Least squares with both sides weighing the same; a flight without points looks like no crown anywhere."""
    near, far = [], []
    for tile in tiles:
        features, distance = crown_features(tile), nearest_point(tile)[0]
        near.append(features[distance <= 2.5])
        far.append(features[distance > FAR_PX][::20])
    crowns, others = np.concatenate(near), np.concatenate(far)
    everything = np.concatenate([crowns, others])
    mean, spread = everything.mean(0), everything.std(0) + 1e-6
    x = _quadratic((everything - mean) / spread)
    y = np.repeat([1.0, -1.0], [len(crowns), len(others)])
    weight = np.repeat([0.5 / max(len(crowns), 1), 0.5 / max(len(others), 1)], [len(crowns), len(others)])
    weighted = x * weight[:, None]
    return Likeness(mean, spread, np.linalg.solve(weighted.T @ x + 1e-3 * np.eye(x.shape[1]), weighted.T @ y))


def crown_features(tile: Tile) -> NDArray[np.float64]:
    """(H, W, 12): colour, infrared and their smoothness."""
    red, green, blue = np.moveaxis(tile.rgb / 255.0, -1, 0)
    nir = tile.nir / 255.0
    ndvi = (nir - red) / (nir + red + 0.02)
    light = (red + green + blue) / 3
    smooth = ndimage.gaussian_filter
    return np.stack(
        [
            *(ndvi, light, nir, green - red, blue - green),
            *(smooth(ndvi, 1.5), smooth(light, 1.5), smooth(nir, 1.5)),
            *(_roughness(light), _roughness(nir), smooth(light, 4), smooth(ndvi, 4)),
        ],
        axis=-1,
    )


def _roughness(band: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = ndimage.gaussian_filter(band, 2)
    rough: NDArray[np.float64] = np.sqrt(np.maximum(ndimage.gaussian_filter(band * band, 2) - mean * mean, 0))
    return rough


def _quadratic(features: NDArray[np.float64]) -> NDArray[np.float64]:
    i, j = np.triu_indices(features.shape[-1])
    one = np.ones((*features.shape[:-1], 1))
    return np.concatenate([one, features, features[..., i] * features[..., j]], axis=-1)


def nearest_point(tile: Tile) -> tuple[NDArray[np.float64], Labels]:
    """Distance in pixels to the nearest point, and that point's number from 1; infinite and 0 without points."""
    seeds = np.zeros(tile.nir.shape, np.int32)
    x, y = np.round(tile.points[:, 0]).astype(int), np.round(tile.points[:, 1]).astype(int)
    seeds[np.clip(y, 0, seeds.shape[0] - 1), np.clip(x, 0, seeds.shape[1] - 1)] = np.arange(1, len(x) + 1)  # type: ignore[misc]
    if not len(x):
        return np.full(seeds.shape, np.inf), seeds
    distance, (rows, cols) = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    return distance, seeds[rows, cols]


def _weak_crowns_of(tile: Tile, likeness: Likeness) -> Objects:
    likely = ndimage.binary_opening(likeness(crown_features(tile)) > LEAST_LIKENESS)
    distance, owner = nearest_point(tile)
    within = (likely & (distance <= CROWN_RADIUS_M / PIXEL_SIZE_M)) | (distance <= TRUNK_RADIUS_PX)
    labels = np.where(within, owner, 0).astype(np.int32)
    whole = _parts_with_centre(labels, distance)
    doubtful = likely & ~whole & (distance <= DOUBT_RADIUS_M / PIXEL_SIZE_M)
    rim = np.ones(labels.shape, bool)
    rim[6:-6, 6:-6] = False
    labels[~whole] = 0
    return Objects(
        name=tile.place.name,
        pixel_size_m=PIXEL_SIZE_M,
        image=tile.rgb,
        labels=labels,
        centres=tile.points,
        boxes=np.empty((0, 4)),
        peaks=peakedness(labels, tile.points),
        ignore=doubtful | (likely & ~whole & rim),
    )


def _parts_with_centre(labels: Labels, distance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels connected to their own point within their own crown."""
    reached = (labels > 0) & (distance <= TRUNK_RADIUS_PX)
    neighbours = [(0, 1), (0, -1), (1, 0), (-1, 0)]
    while True:
        grown = reached.copy()
        for shift in neighbours:
            moved = np.roll(np.where(reached, labels, 0), shift, axis=(0, 1))
            grown |= (moved == labels) & (labels > 0)
        if (grown == reached).all():
            return reached
        reached = grown
