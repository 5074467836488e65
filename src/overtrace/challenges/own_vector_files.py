"""A user's own vector files: truth and answer as one file each, or as folders whose files go together by their names.

Whatever pyogrio reads: GeoPackage, GeoJSON, FlatGeobuf, Shapefile, and Parquet where its GDAL has it. An answer in
another CRS is brought into that of the truth.
"""

import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from overtrace.challenges.footprint_vectors import CONFIDENCE_COLUMNS, find_wrong, may_be_degrees, tell_shape
from overtrace.challenges.submission import find_members
from overtrace.errors import BadAnswer
from overtrace.formats.faults import Fault, gather, refuse, show

SUFFIXES = (".gpkg", ".geojson", ".geojsonl", ".fgb", ".shp", ".parquet")
DRIVERS = ("GPKG", "GeoJSON", "GeoJSONSeq", "FlatGeobuf", "ESRI Shapefile", "Parquet")
"""Not those that lead to other files, whatever a file is called."""
Kinds = tuple[shapely.GeometryType, ...]
POLYGONS: Kinds = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
POINTS: Kinds = (shapely.GeometryType.POINT, shapely.GeometryType.MULTIPOINT)


HEAD_BYTES = 4096
"""Of a GeoJSON, before the first feature."""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """The features of a file that have a geometry."""

    shown: str
    shapes: NDArray[np.object_]
    """(n,) in two dimensions."""
    confidence: NDArray[np.float64]
    """(n,) 1 where the file has none."""
    places: tuple[str, ...]
    """(n,) what errors call each."""
    crs: CRS | None
    """None for pixels, or what else has no place on the globe."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A file of the truth, and the one that answers it, in the same CRS."""

    name: str
    truth: VectorFile
    answer: VectorFile


def read_pairs(truth: Path, answers: Path, kinds: Kinds, ids: Sequence[str] | None = None) -> list[Pair]:
    """All files of truth and answer, by name.

    Raises:
        BadAnswer: that names the first fault, and says how many more there are.
    """
    faults: list[Fault] = []
    pairs = find_pairs(truth, answers, kinds, faults, ids)
    if faults:
        raise refuse(faults)
    return pairs


def find_pairs(
    truth: Path, answers: Path, kinds: Kinds, faults: list[Fault], ids: Sequence[str] | None = None
) -> list[Pair]:
    """The files that can be read; what is wrong with the answer goes to the faults.

    Args:
        truth: a file or a folder.
        answers: likewise; two files go together whatever they are called.
        kinds: shapely's numbers of the geometries that are wanted.
        faults: added to.
        ids: names of the files that count; all of the truth unless told.
    Raises:
        BadAnswer: if the truth is not in order, or none of its files counts.
    """
    wrong: list[Fault] = []
    true_paths = _find_files(truth, wrong)
    paths = _find_files(answers, faults)
    if truth.is_file() and answers.is_file() and paths:
        paths = dict.fromkeys(true_paths, *paths.values())
    wanted = [name for name in true_paths if ids is None or name in ids]
    if not wanted and not wrong:
        raise BadAnswer(f"{truth} has no file to score: check the list of names")
    files = {name: find_features(true_paths[name], kinds, wrong) for name in wanted}
    if wrong:
        raise refuse(wrong)
    if paths:
        faults += find_name_faults(answers, paths, true_paths, "the truth")
    pairs = []
    for name in wanted:
        if name in paths:
            answer = find_features(paths[name], kinds, faults)
            pairs.append(Pair(name, files[name], _bring_into(answer, files[name], faults)))
    return pairs


def find_name_faults(answers: Path, found: Collection[str], wanted: Collection[str], source: str) -> list[Fault]:
    """Files of the answer that are missing, or that nobody asked for."""
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    return [
        *(Fault(str(answers), name, "the file is missing", "send one, without features if empty") for name in missing),
        *(Fault(str(answers), name, f"{source} has no file of this name", "leave it out") for name in extra),
    ]


def find_answers(answers: Path, kinds: Kinds, faults: list[Fault]) -> dict[str, VectorFile]:
    """The files of an answer whose truth is not known."""
    return {name: find_features(path, kinds, faults) for name, path in _find_files(answers, faults).items()}


def _find_files(path: Path, faults: list[Fault]) -> dict[str, Path]:
    """The vector files of a folder by their stems, in order; or the one."""
    members = find_members(path, faults)
    files: dict[str, Path] = {}
    for member in members:
        place = PurePosixPath(member.name)
        if place.suffix.lower() not in SUFFIXES or member.path is None:
            continue
        if place.stem in files:
            faults.append(Fault(member.shown, "", f"it has the name of {files[place.stem]}", "rename one"))
        files.setdefault(place.stem, member.path)
    if members and not files:
        faults.append(
            Fault(str(path), "", "it is no vector file, nor a folder of them", f"wanted {', '.join(SUFFIXES)}")
        )
    return dict(sorted(files.items()))


def find_features(path: Path, kinds: Kinds, faults: list[Fault]) -> VectorFile:
    """The features of a file that can be read; what is wrong with the others goes to the faults."""
    shown = str(path)
    with gather(faults, shown):
        meta, numbers, geometries, values = _read(path)
        with np.errstate(invalid="ignore"):
            shapes = shapely.from_wkb(geometries, on_invalid="ignore")
        stated = np.array([geometry is not None for geometry in geometries], bool)
        wrong = find_wrong(shapes, stated, kinds) | _is_without_end(shapes)
        places = [f"feature {number}" for number in numbers.tolist()]
        names = " or ".join(kind.name for kind in kinds)
        faults += [
            Fault(shown, places[i], tell_shape(shapes[i]), f"wanted {names}, of finite numbers")
            for i in np.flatnonzero(wrong).tolist()
        ]
        kept = ~(wrong | shapely.is_missing(shapes) | shapely.is_empty(shapes))
        columns = dict(zip(meta["fields"], values, strict=True))
        confidence = _read_confidence(columns, shown, places, kept, faults)
        rows = np.flatnonzero(kept).tolist()
        shapes = shapely.force_2d(shapes[kept])
        crs = _read_crs(path, meta["crs"], shapes)
        return VectorFile(shown, shapes, confidence[kept], tuple(places[i] for i in rows), crs)
    return VectorFile(shown, np.zeros(0, object), np.zeros(0), (), None)


def _read(path: Path) -> tuple[Any, ...]:
    """As pyogrio answers: meta, numbers of the features, WKB, columns."""
    if path.suffix.lower() == ".geojsonl" and path.stat().st_size == 0:
        return {"crs": None, "fields": []}, np.zeros(0, np.int64), np.zeros(0, object), []
    try:
        with warnings.catch_warnings():
            # Of names and versions that differ from the standard.
            warnings.simplefilter("ignore", RuntimeWarning)
            layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
            driver = pyogrio.read_info(path, layer=layers[0])["driver"] if layers else DRIVERS[0]
            if driver in DRIVERS and len(layers) == 1:
                found: tuple[Any, ...] = pyogrio.raw.read(path, layer=layers[0], return_fids=True)
                return found
    except RuntimeError as error:  # pyogrio's
        text = str(error).replace(str(path), "it").strip("'")
        raise BadAnswer(f"{path} cannot be read as {path.suffix}: {text}: write it as .gpkg") from error
    if driver not in DRIVERS:
        raise BadAnswer(f"{path} is not read as {driver}: write it as .gpkg")
    raise BadAnswer(f"{path} has {len(layers)} layers of geometries: leave one")


def _is_without_end(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Some coordinate is infinite or no number."""
    corners, owner = shapely.get_coordinates(shapes, return_index=True)
    endless = np.zeros(len(shapes), bool)
    endless[owner[~np.isfinite(corners).all(axis=1)]] = True
    return endless


def _read_confidence(
    columns: dict[str, NDArray[Any]], shown: str, places: Sequence[str], kept: NDArray[np.bool_], faults: list[Fault]
) -> NDArray[np.float64]:
    confidence = np.ones(len(places))
    column = next((columns[name] for name in CONFIDENCE_COLUMNS if name in columns), None)
    if column is None:
        return confidence
    for i in np.flatnonzero(kept).tolist():
        value = column[i]
        if isinstance(value, np.integer | np.floating) and np.isfinite(value):
            confidence[i] = value
        else:
            found = value.item() if isinstance(value, np.generic) else value
            faults.append(Fault(shown, places[i], f"found the confidence {show(found)}", "wanted a number"))
    return confidence


def _read_crs(path: Path, stated: str | None, shapes: NDArray[np.object_]) -> CRS | None:
    """That of the file; none for drawings, nor for pixels in a GeoJSON, which GDAL takes for degrees."""
    if stated is None or _says_none(path):
        return None
    try:
        crs = CRS.from_user_input(stated)
    except ProjError as error:
        raise BadAnswer(f"{path} has a CRS that pyproj does not know: write it with an EPSG code") from error
    implied = path.suffix.lower() in (".geojson", ".geojsonl") and crs.is_geographic
    return None if crs.is_engineering or (implied and not may_be_degrees(shapes)) else crs


def _says_none(path: Path) -> bool:
    """It is a GeoJSON that begins with a CRS of null, which GDAL reads over."""
    if path.suffix.lower() != ".geojson":
        return False
    with open(path, "rb") as file:
        return re.search(rb'"crs"\s*:\s*null', file.read(HEAD_BYTES)) is not None


def _bring_into(answer: VectorFile, truth: VectorFile, faults: list[Fault]) -> VectorFile:
    """The answer in the CRS of the truth."""
    if len(answer.shapes) == 0 or len(truth.shapes) == 0 or answer.crs == truth.crs:
        return answer
    if answer.crs is None or truth.crs is None:
        with_crs, without = ("the truth", "it") if answer.crs is None else ("it", "the truth")
        found = f"{with_crs} has a CRS, and {without} has none"
        faults.append(Fault(answer.shown, "", found, "write both in the same CRS, or both in pixels"))
        return answer
    change = Transformer.from_crs(answer.crs, truth.crs, always_xy=True).transform
    shapes = shapely.transform(answer.shapes, lambda corners: np.column_stack(change(*corners.T)))
    faults += [
        Fault(answer.shown, answer.places[i], f"it lies outside {truth.crs.name}", "write it in the CRS of the truth")
        for i in np.flatnonzero(_is_without_end(shapes)).tolist()
    ]
    return replace(answer, shapes=shapes, crs=truth.crs)
