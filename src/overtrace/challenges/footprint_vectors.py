"""Footprints as vector files: a GeoJSON for each image, or GeoPackages.

Each part of a feature with several is a footprint of its own, as in the official conversion to CSV.

Source:
    github.com/SpaceNetChallenge/utilities, python/createCSVFromGEOJSON.py and spaceNetUtilities/geoTools.py,
    geoPolygonToPixelPolygonWKT: a row for each part of a MultiPolygon. It also rounds pixels to 2 decimals and buffers
    by 0, which is left out here: the rule says what an outline is that crosses itself.
"""

import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
import shapely
from numpy.typing import NDArray

from overtrace.challenges.footprint_files import FARTHEST, PIXELS, Footprints
from overtrace.challenges.submission import Member
from overtrace.errors import BadOption
from overtrace.formats.faults import Fault, Members, gather, parse, refuse, show

PREFIX = "buildings_"
"""Of the files of SpaceNet, before the name of the image."""
IMAGE_COLUMNS = ("ImageId", "image", "image_id")
CONFIDENCE_COLUMNS = ("Confidence", "confidence", "score")
SQLITE = b"SQLite format 3\0"
DEGREES = "degrees"
DEGREES_A_PIXEL = 2.7e-6
"""As the images of SpaceNet-2 state it, in both directions: 30 cm from north to south."""
WIDEST_DEGREES = 1.0
"""A footprint as wide as this, a hundred kilometres, is not in degrees."""
POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
KINDS = ("Polygon", "MultiPolygon")
NOT_GIVEN = object()
"""A confidence that the file does not have."""
NO_GEOMETRY = "a GeoJSON without features, or a row without a geometry"
REPEATABLE = ("crs", "features", "geometry", "properties", *CONFIDENCE_COLUMNS)
WANTED = "wanted a Polygon or a MultiPolygon"


@dataclass(frozen=True, slots=True)
class Layer:
    """The features of one file, or of one layer of it."""

    shown: str
    images: Sequence[str]
    """(n,) image of each feature."""
    shapes: NDArray[np.object_]
    """(n,) polygons of one part or several; None or empty without a building."""
    confidences: Sequence[object]
    """(n,) as the file has them, or NOT_GIVEN."""
    places: Sequence[str]
    """(n,) in the file."""
    system: str
    """DEGREES where coordinates may be that, PIXELS, or the name of a CRS on the plane."""
    named: frozenset[str]
    """All images."""

    def keep(self, kept: NDArray[np.bool_]) -> Self:
        """Without the other features; it names the same images."""
        rows = np.flatnonzero(kept).tolist()
        return replace(
            self,
            images=[self.images[i] for i in rows],
            shapes=self.shapes[kept],
            confidences=[self.confidences[i] for i in rows],
            places=[self.places[i] for i in rows],
        )


def find_vectors(
    members: Sequence[Member], shown: str, faults: list[Fault], *, answer: bool, pixel_size: float
) -> Footprints:
    """The footprints of ``.geojson`` and ``.gpkg`` files that can be read; the faults of the others are added.

    Args:
        members: the files.
        shown: what errors call them all.
        faults: added to.
        answer: confidences are read, 1 for all if no feature has one.
        pixel_size: units of the CRS in a pixel; 1 for degrees stands for DEGREES_A_PIXEL.
    Raises:
        BadOption: if the size of a pixel is not above 0.
    """
    if not pixel_size > 0:
        raise BadOption(f"the pixel size is {pixel_size:g}: wanted more than 0")
    layers: list[Layer] = []
    for member in members:
        with gather(faults, member.shown):
            read = _read_geojson if member.name.lower().endswith(".geojson") else _read_package
            layers += read(member, faults)
    faults += _find_namesakes(members)
    system = _choose_system(layers, shown, faults)
    confidence = _read_confidences(layers, faults) if answer else np.ones(sum(len(layer.places) for layer in layers))
    parts, owner = shapely.get_parts(_join([layer.shapes for layer in layers]), return_index=True)
    built = ~shapely.is_empty(parts)
    polygons, owner = _scale(shapely.force_2d(parts[built]), system, pixel_size), owner[built]
    faults += _find_far(layers, polygons, owner)
    if answer:
        faults += _find_contradictions(layers)
    return Footprints(
        shown=shown,
        images=np.array([image for layer in layers for image in layer.images], np.str_)[owner],
        polygons=polygons,
        confidence=confidence[owner],
        named=frozenset().union(*(layer.named for layer in layers)),
        system=system,
        empty=NO_GEOMETRY,
    )


def may_be_degrees(shapes: NDArray[np.object_]) -> bool:
    """Whether all lie on the globe, and none is as wide as WIDEST_DEGREES: (n,) with coordinates."""
    bounds = shapely.bounds(shapes)
    narrow = bounds[:, 2:] - bounds[:, :2] < WIDEST_DEGREES
    return bool(narrow.all() and (np.abs(bounds) <= (180, 90, 180, 90)).all())


@lru_cache(maxsize=256)
def name_system(crs: str) -> str:
    """DEGREES, PIXELS where the CRS is that of a drawing, or the name of the CRS.

    Raises:
        pyproj.exceptions.CRSError: if it is none.
    """
    # Most sets have none that needs it.
    from pyproj import CRS

    system = CRS.from_user_input(crs)
    return DEGREES if system.is_geographic else PIXELS if system.is_engineering else system.name


def find_wrong(shapes: NDArray[np.object_], stated: NDArray[np.bool_], kinds: Sequence[int]) -> NDArray[np.bool_]:
    """Which geometries are stated, but cannot be read or are of another kind.

    Args:
        shapes: (n,) None where there is none to read.
        stated: (n,) the file has a geometry.
        kinds: shapely's numbers of the kinds that are wanted.
    """
    wrong: NDArray[np.bool_] = stated & ~np.isin(shapely.get_type_id(shapes), kinds)
    return wrong


def _read_geojson(member: Member, faults: list[Fault]) -> list[Layer]:
    image = _name_image(member)
    document = parse(member.read(), member.shown)
    features = document.get("features") if isinstance(document, Members) else None
    if not isinstance(features, list):
        raise refuse([Fault(member.shown, "", "it has no list of features", "wanted a FeatureCollection")])
    faults += _find_repeated(member.shown, "", document)
    places, geometries, confidences = [], [], []
    for i, feature in enumerate(features):
        if not isinstance(feature, Members):
            faults.append(Fault(member.shown, f"/features/{i}", f"found {show(feature)}", "wanted a Feature"))
            continue
        stated = feature.get("properties")
        properties = stated if isinstance(stated, Members) else Members()
        faults += _find_repeated(member.shown, f"/features/{i}", feature)
        faults += _find_repeated(member.shown, f"/features/{i}/properties", properties)
        places.append(f"/features/{i}")
        geometries.append(feature.get("geometry"))
        names = (name for name in CONFIDENCE_COLUMNS if name in properties)
        confidences.append(next((properties[name] for name in names), NOT_GIVEN))
    shapes = _draw(geometries)
    wrong = find_wrong(shapes, np.array([geometry is not None for geometry in geometries], bool), POLYGONAL)
    faults += [
        Fault(member.shown, f"{places[i]}/geometry", _tell_geometry(geometries[i]), WANTED)
        for i in np.flatnonzero(wrong).tolist()
    ]
    system = _read_system(document, member.shown, faults)
    named = frozenset([image])
    return [Layer(member.shown, [image] * len(places), shapes, confidences, places, system, named).keep(~wrong)]


def _tell_geometry(geometry: object) -> str:
    if not isinstance(geometry, Members):
        return f"found {show(geometry)}"
    kind = geometry.get("type")
    return f"found a {kind} that cannot be read" if kind in KINDS else f"found the type {show(kind)}"


def _name_image(member: Member) -> str:
    return PurePosixPath(member.name).stem.removeprefix(PREFIX)


def _find_repeated(shown: str, place: str, members: Members) -> list[Fault]:
    names = sorted(members.repeated.intersection(REPEATABLE))
    return [Fault(shown, f"{place}/{name}", "it is given twice", "give it once") for name in names]


def _draw(geometries: Sequence[Any]) -> NDArray[np.object_]:
    """(n,) polygons; None for what is none. Others are not read: collections in each other overflow the stack."""
    texts: NDArray[np.object_] = np.full(len(geometries), None, object)
    for i, geometry in enumerate(geometries):
        if isinstance(geometry, dict) and geometry.get("type") in KINDS:
            texts[i] = json.dumps({name: geometry.get(name) for name in ("type", "coordinates")})
    with np.errstate(invalid="ignore", over="ignore"):
        shapes: NDArray[np.object_] = shapely.from_geojson(texts, on_invalid="ignore")
    return shapes


def _read_system(document: Members, shown: str, faults: list[Fault]) -> str:
    """GeoJSON without a CRS is in degrees, says RFC 7946, section 4; one whose CRS is null is in none."""
    if "crs" not in document:
        return DEGREES
    if document["crs"] is None:
        return PIXELS
    try:
        return name_system(document["crs"]["properties"]["name"])
    except (KeyError, TypeError, ValueError, RuntimeError):
        wanted = "name one by its code, such as urn:ogc:def:crs:EPSG::32616, or write null for pixels"
        faults.append(Fault(shown, "/crs", f"found {show(document['crs'])}", wanted))
        return PIXELS


def _read_package(member: Member, faults: list[Fault]) -> list[Layer]:
    # Half a second that others need not wait for.
    import pyogrio

    source = member.read() if member.path is None else member.path
    head = source[: len(SQLITE)] if isinstance(source, bytes) else _read_head(source)
    # Whatever else GDAL might open under this name is none of a stranger's business.
    if head != SQLITE:
        raise refuse([Fault(member.shown, "", "it is no GeoPackage", "write it anew")])
    try:
        with warnings.catch_warnings():
            # Of names and versions that differ from the standard.
            warnings.simplefilter("ignore", RuntimeWarning)
            layers = [name for name, kind in pyogrio.list_layers(source) if kind is not None]
            found = [pyogrio.raw.read(source, layer=name, force_2d=True, return_fids=True) for name in layers]
        return [_make_layer(member, name, part, faults) for name, part in zip(layers, found, strict=True)]
    except RuntimeError as error:  # pyogrio's and pyproj's
        raise refuse([Fault(member.shown, "", f"it is no GeoPackage: {error}", "write it anew")]) from error


def _read_head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(SQLITE))


def _make_layer(member: Member, name: str, found: Sequence[Any], faults: list[Fault]) -> Layer:
    meta, numbers, geometries, values = found
    columns = {column: value.tolist() for column, value in zip(meta["fields"], values, strict=True)}
    places = [f"feature {number}" for number in numbers.tolist()]
    by = next((column for column in IMAGE_COLUMNS if column in columns), None)
    texts = [name] * len(places) if by is None else columns[by]
    images = ["" if text is None else str(text).strip() for text in texts]
    with np.errstate(invalid="ignore"):
        shapes = shapely.from_wkb(geometries, on_invalid="ignore")
    wrong = find_wrong(shapes, np.array([geometry is not None for geometry in geometries], bool), POLYGONAL)
    nameless = np.array([not image for image in images], bool)
    faults += [
        *(Fault(member.shown, places[i], tell_shape(shapes[i]), WANTED) for i in np.flatnonzero(wrong).tolist()),
        *(
            Fault(member.shown, places[i], f"found no {by}", "wanted the name of an image")
            for i in np.flatnonzero(nameless).tolist()
        ),
    ]
    column = next((column for column in CONFIDENCE_COLUMNS if column in columns), None)
    confidences = [NOT_GIVEN] * len(places) if column is None else columns[column]
    system = PIXELS if meta["crs"] is None else name_system(meta["crs"])
    named = frozenset([name] if by is None else filter(None, images))
    return Layer(member.shown, images, shapes, confidences, places, system, named).keep(~(wrong | nameless))


def tell_shape(shape: shapely.Geometry | None) -> str:
    """What was found in the place of a geometry."""
    return "found a geometry that cannot be read" if shape is None else f"found a {shape.geom_type}"


def _find_namesakes(members: Sequence[Member]) -> list[Fault]:
    """GeoJSON files of one name in two folders."""
    first: dict[str, str] = {}
    faults = []
    for member in members:
        if member.name.lower().endswith(".geojson"):
            image = _name_image(member)
            if first.setdefault(image, member.shown) != member.shown:
                faults.append(Fault(member.shown, "", f"it is of the image of {first[image]}", "send one of them"))
    return faults


def _read_confidences(layers: Sequence[Layer], faults: list[Fault]) -> NDArray[np.float64]:
    """(n,) of all features; those without a building need none."""
    given = any(value is not NOT_GIVEN for layer in layers for value in layer.confidences)
    confidence = [1.0] * sum(len(layer.places) for layer in layers)
    if not given:
        return np.array(confidence)
    i = 0
    for layer in layers:
        for value, is_built, place in zip(layer.confidences, _is_built(layer.shapes), layer.places, strict=True):
            number = _number(value)
            if number is not None:
                confidence[i] = number
            elif is_built:
                what = "no confidence" if value is NOT_GIVEN else f"the confidence {show(value)}"
                faults.append(Fault(layer.shown, place, f"found {what}", "wanted a number"))
            i += 1
    return np.array(confidence)


def _number(value: object) -> float | None:
    """A finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of 400 digits
        return None


def _is_built(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    built: NDArray[np.bool_] = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    return built


def _choose_system(layers: Sequence[Layer], shown: str, faults: list[Fault]) -> str:
    """What the coordinates of the whole set are."""
    used = {layer.system for layer in layers if _is_built(layer.shapes).any()}
    if DEGREES in used:
        shapes = _join([layer.shapes for layer in layers if layer.system == DEGREES])
        if not may_be_degrees(shapes[_is_built(shapes)]):
            used = (used - {DEGREES}) | {PIXELS}
    if len(used) > 1:
        found = f"its coordinates are of several kinds: {', '.join(sorted(used))}"
        faults.append(Fault(shown, "", found, "write all files in one"))
    return min(used, default=PIXELS)


def _scale(polygons: NDArray[np.object_], system: str, pixel_size: float) -> NDArray[np.object_]:
    """In pixels, north up."""
    if system == PIXELS:
        return polygons
    size = DEGREES_A_PIXEL if system == DEGREES and pixel_size == 1 else pixel_size
    scaled: NDArray[np.object_] = shapely.transform(polygons, lambda corners: corners / (size, -size))
    return scaled


def _find_far(layers: Sequence[Layer], polygons: NDArray[np.object_], owner: NDArray[np.int64]) -> list[Fault]:
    """Of polygons in pixels, and the features that they are from."""
    corners, polygon = shapely.get_coordinates(polygons, return_index=True)
    far = np.unique(owner[polygon[~(np.abs(corners) < FARTHEST).all(axis=1)]])
    at = [(layer.shown, place) for layer in layers for place in layer.places]
    found = "a coordinate is no number, or beyond 100 million pixels"
    return [Fault(at[i][0], at[i][1], found, "wanted pixels, or degrees") for i in far.tolist()]


def _find_contradictions(layers: Sequence[Layer]) -> Iterator[Fault]:
    """Features that say of an image with buildings that it has none."""
    rows = [
        (image, is_built, layer.shown, place)
        for layer in layers
        for image, is_built, place in zip(layer.images, _is_built(layer.shapes), layer.places, strict=True)
    ]
    built = {image for image, is_built, _, _ in rows if is_built}
    for image, is_built, shown, place in rows:
        if image in built and not is_built:
            found = f"{image} is empty here, and has buildings in other features"
            yield Fault(shown, place, found, "leave out the one or the other")


def _join(shapes: Sequence[NDArray[np.object_]]) -> NDArray[np.object_]:
    return np.concatenate([np.zeros(0, object), *shapes])
