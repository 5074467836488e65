"""Urban trees of six Californian cities: a point a tree, and crowns guessed from near infrared.

Coverage: 1,372 tiles of 256x256 pixels at 0.6 m, NAIP 2016, 2018 and 2020; red, green, blue and near infrared, JPEG.
Truth: ``points/NAME.csv`` with x and y in pixels, one row a tree, no file where no tree stands.
Layout: ``rgb/NAME.jpg``, ``nir/NAME.jpg``, ``points/NAME.csv``; names are city, year and number, ``chico_2018_0``.
Splits: ``splits.json``, lists ``train`` (1,269) and ``val`` (103), each tile with its place; and by name alone, out of
these, the official lists of Southern California in 2020, ``train_socal`` (383) and ``val_socal`` (43).
96 of the 98 places of ``val`` were also flown in other years that stand in ``train``: ``elsewhere`` leaves those out,
so that no place is both learned and measured.
Licence: CC BY 4.0. Source: Ventura et al., Individual tree detection in large-scale urban environments using
high-resolution multispectral imagery, 2024, https://github.com/jonathanventura/urban-tree-detection-data
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from overtrace.data.files import digest, read_json, read_picture, read_rgb, tell_few
from overtrace.data.labelled import DataSet, Labels, Objects
from overtrace.data.targets import heat, peakedness
from overtrace.errors import BadData

PIXEL_SIZE_M = 0.6
CROWN_RADIUS_M = 7.0
"""A crown is not drawn farther than this from its point."""
DOUBT_RADIUS_M = 10.0
"""What looks like a crown between the two radii may be a wide crown or a tree without a point: it is ignored."""
LEAST_LIKENESS = 0.25
TRUNK_RADIUS_PX = 2.0
"""A crown holds at least this much around its point, however little it looks like one."""
FAR_PX = 14.0
HILL_M = 1.8
"""Standard deviation of the hill around a point."""


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
    """The tiles of a list, in its order; those listed by name alone are looked up in the other lists.

    Raises:
        BadData: if there is no such list, or it is not in order.
    """
    path = folder / "splits.json"
    lists = read_json(path)
    if not isinstance(lists, dict) or split not in lists:
        there = ", ".join(sorted(lists)) if isinstance(lists, dict) else "none"
        raise BadData(f"{path} has no list {split}: it has {there}")
    try:
        placed = {tile["name"]: tile for tiles in lists.values() for tile in tiles if isinstance(tile, dict)}
        listed = [placed[tile] if isinstance(tile, str) else tile for tile in lists[split]]
        return [Place(tile["name"], tile["epsg"], tile["transform"][2], tile["transform"][5]) for tile in listed]
    except (KeyError, IndexError, TypeError) as error:
        raise BadData(
            f"{path} has a tile in {split} without name, epsg or transform: {error!r}: get it anew"
        ) from error


def elsewhere(places: Sequence[Place], measured: Sequence[Place]) -> list[Place]:
    """Those of ``places`` whose ground is none of ``measured``'s, in any year."""
    taken = {place.ground for place in measured}
    return [place for place in places if place.ground not in taken]


@dataclass(frozen=True, slots=True)
class _Reader:
    folder: Path
    places: tuple[Place, ...]
    nir: bool
    crowns: str
    peaks: str
    likeness: "dict[str, Likeness]" = field(default_factory=dict)
    """Of the flights that were met so far."""

    def __call__(self, i: int) -> Objects:
        place = self.places[i]
        tile = read_tile(self.folder, place)
        if self.crowns == "points":
            objects = _trunks_of(tile)
        else:
            if place.flight not in self.likeness:
                flight = [other for other in self.places if other.flight == place.flight]
                self.likeness[place.flight] = fit_likeness([read_tile(self.folder, other) for other in flight])
            objects = _weak_crowns_of(tile, self.likeness[place.flight])
        if self.peaks == "points":
            hills = heat(tile.points, objects.labels.shape, HILL_M / PIXEL_SIZE_M)
            objects = replace(objects, peaks=hills)
        return replace(objects, image=np.dstack([tile.rgb, tile.nir])) if self.nir else objects


def open_urban_california(
    folder: Path,
    *,
    split: str,
    apart_from: str | None = None,
    nir: bool = False,
    crowns: Literal["weak", "points"] = "weak",
    peaks: Literal["crowns", "points"] = "crowns",
) -> DataSet:
    """The tiles of a list; those of the same place in several years are of one ground.

    Args:
        split: ``train``, ``val``, ``train_socal`` or ``val_socal``.
        apart_from: a list whose places are left out, in any year.
        nir: images have near infrared as their fourth band.
        crowns: ``weak`` as ``weak_crowns`` makes them, for which the first tile that is read of each flight takes
            seconds; ``points`` for discs of the size of a trunk around the points, which are no guess.
        peaks: ``crowns`` rise over the whole of a crown, and nothing is said of what may be one; ``points`` are hills
            of the same size around the points, and there are no others.
    Raises:
        BadData: if a list or an image is missing.
    """
    places = read_places(folder, split)
    chosen = tuple(places if apart_from is None else elsewhere(places, read_places(folder, apart_from)))
    pictures = [folder / kind / f"{place.name}.jpg" for place in chosen for kind in ("rgb", "nir")]
    lost = [path.relative_to(folder).as_posix() for path in pictures if not path.is_file()]
    if lost:
        raise BadData(f"{folder} lacks {len(lost):,} images of {split}: {tell_few(lost)}: get the whole data set")
    points = [folder / "points" / f"{place.name}.csv" for place in chosen]
    left_out = len(places) - len(chosen)
    return DataSet(
        name=f"urban California {split}",
        truth="objects",
        classes=("tree",),
        bands=("red", "green", "blue", *(("nir",) if nir else ())),
        names=tuple(place.name for place in chosen),
        read=_Reader(folder, chosen, nir, crowns, peaks),
        notes=(f"{left_out:,} tiles of {split} left out, whose ground is of {apart_from}",) if left_out else (),
        grounds=tuple("{} {} {}".format(*place.ground) for place in chosen),
        knows_peaks=peaks == "points",
        facts=digest(
            [*pictures, *points], {"reader": "urban_california", "nir": nir, "crowns": crowns, "peaks": peaks}
        ),
    )


def read_tile(folder: Path, place: Place) -> Tile:
    """Reads one tile; a tile without a file of points has no tree."""
    rgb = read_rgb(folder / "rgb" / f"{place.name}.jpg")
    nir = read_picture(folder / "nir" / f"{place.name}.jpg", "L", rgb.shape[:2])
    return Tile(place, rgb, nir, read_points(folder / "points" / f"{place.name}.csv"))


def read_points(path: Path) -> NDArray[np.float64]:
    """(n, 2) x and y in pixels; none where there is no file."""
    if not path.exists():
        return np.empty((0, 2))
    try:
        with path.open(newline="") as rows:
            return np.array([(float(row["x"]), float(row["y"])) for row in csv.DictReader(rows)]).reshape(-1, 2)
    except (KeyError, TypeError, ValueError) as error:
        raise BadData(f"{path} is no list of points: {error!r}: wanted a line x,y and two numbers a row") from error


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
    return _gather(tile, labels, doubtful | (likely & ~whole & rim))


def _trunks_of(tile: Tile) -> Objects:
    """Points as discs."""
    distance, owner = nearest_point(tile)
    labels = np.where(distance <= TRUNK_RADIUS_PX, owner, 0).astype(np.int32)
    return _gather(tile, labels, np.zeros(labels.shape, bool))


def _gather(tile: Tile, labels: Labels, ignore: NDArray[np.bool_]) -> Objects:
    """What was drawn around the points of a tile."""
    return Objects(
        name=tile.place.name,
        pixel_size_m=PIXEL_SIZE_M,
        image=tile.rgb,
        labels=labels,
        centres=tile.points,
        boxes=np.empty((0, 4)),
        peaks=peakedness(labels, tile.points),
        ignore=ignore,
        kinds=np.zeros(len(tile.points), np.int64),
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
