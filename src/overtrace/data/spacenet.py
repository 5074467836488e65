"""Buildings of four cities seen by WorldView-3: SpaceNet-2, which DeepGlobe's building track used again.

Coverage: Las Vegas, Paris, Shanghai and Khartoum, 10,593 training chips of 650x650 pixels, some 200 m;
``AOI_*_Test_public`` holds chips without truth.
Pixel size: 2.7e-6 degrees: 0.30 m from north to south, and less from west to east, 0.24 m in Las Vegas.
Bands: ``RGB-PanSharpen`` red, green, blue; ``MUL-PanSharpen`` coastal blue, blue, green, yellow, red, red edge and two
near infrared, brought to the same pixels. 16 bits, of which the sensor fills 11; GeoTIFF, EPSG:4326; black, without a
nodata value, where the swath ends.
Truth: 302,701 footprints, test chips included: 151,367 in Las Vegas, 23,816 in Paris, 92,015 in Shanghai and 35,503 in
Khartoum. Each is written twice: in pixels in ``summaryData/*.csv``, as the contests scored, and in degrees in a
``.geojson`` an image. The CSV is the truth; images that it does not name are read from the GeoJSON.
Licence: CC BY-SA 4.0. Source: Van Etten, Lindenbaum and Bacastow, SpaceNet: A Remote Sensing Dataset and Challenge
Series, 2018, arXiv:1807.01232; Demir et al., DeepGlobe 2018, CVPR Workshops, arXiv:1805.06561

    AOI_2_Vegas_Train/
        RGB-PanSharpen/RGB-PanSharpen_AOI_2_Vegas_img1.tif
        MUL-PanSharpen/MUL-PanSharpen_AOI_2_Vegas_img1.tif
        geojson/buildings/buildings_AOI_2_Vegas_img1.geojson
        summaryData/AOI_2_Vegas_Train_Building_Solutions.csv
"""

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from overtrace.data.drawing import draw_polygons, make_objects
from overtrace.data.files import digest
from overtrace.data.labelled import DataSet, Objects
from overtrace.errors import BadData
from overtrace.raster.grid import Box, Grid
from overtrace.raster.source import Raster, open_raster
from overtrace.raster.stack import stack

RGB, MUL = "RGB-PanSharpen", "MUL-PanSharpen"
COLOURS = ("red", "green", "blue")
SENSOR_BANDS = tuple(f"mul{number}" for number in range(1, 9))
COLUMNS = ("ImageId", "BuildingId", "PolygonWKT_Pix")

Bands = Literal["rgb", "rgb+mul"]


class Chip(NamedTuple):
    """The files of an image."""

    name: str
    """``AOI_2_Vegas_img1``, as answers name it."""
    rgb: str
    mul: str | None
    """None where there is no such file."""


def list_chips(folder: str | Path) -> list[Chip]:
    """The images of an ``AOI_*`` folder, with truth or without, or of all that lie in a folder; sorted by name.

    Raises:
        BadData: if there is none.
    """
    return [chip for area in _list_areas(Path(folder)) for chip in _list_area(area)]


def open_chip(chip: Chip, bands: Bands) -> Raster:
    """The colours of an image, or all its 11 bands.

    Raises:
        BadImage: if a file cannot be opened, or is of another size than its partner.
        BadData: if a file is missing, or has other bands.
    """
    if bands == "rgb":
        return open_raster(chip.rgb, bands={role: number for number, role in enumerate(COLOURS, start=1)})
    if chip.mul is None:
        raise BadData(f"{chip.rgb} has no partner {MUL}_{chip.name}.tif: put it into {MUL}, or use a model of colours")
    return stack_chip(chip.rgb, chip.mul)


def stack_chip(rgb_path: str | Path, mul_path: str | Path) -> Raster:
    """Two files as one image of 11 bands: red, green, blue, mul1 to mul8.

    Raises:
        BadImage: if one of them cannot be opened, or they are of another size each.
        BadData: if they have other bands than these.
    """
    rgb, mul = open_raster(rgb_path), open_raster(mul_path)
    for part, wanted in ((rgb, COLOURS), (mul, SENSOR_BANDS)):
        if part.band_count != len(wanted):
            raise BadData(f"{part.name} has {part.band_count} bands, wanted {len(wanted)}: find the right file")
    return stack((rgb, mul), {role: number for number, role in enumerate((*COLOURS, *SENSOR_BANDS), start=1)})


def open_spacenet(folder: str | Path, *, bands: Bands = "rgb") -> DataSet:
    """The buildings of an ``AOI_*_Train`` folder, or of all that lie in a folder.

    Footprints that hold the centre of no pixel are left out; where two overlap, the smaller is seen.

    Raises:
        BadData: if there is no image with truth, or the truth is not as the format says.
    """
    samples: list[Sample] = []
    notes: list[str] = []
    for area in _list_areas(Path(folder)):
        found, left_out = _pair(area, bands)
        samples += found
        notes += left_out
    if not samples:
        raise BadData(f"{folder} has no image with its footprints: {'; '.join(notes) or 'it is empty'}: add the truth")
    return DataSet(
        name="spacenet2",
        truth="objects",
        classes=("building",),
        bands=COLOURS if bands == "rgb" else COLOURS + SENSOR_BANDS,
        names=tuple(sample.chip.name for sample in samples),
        read=Reader(tuple(samples), bands),
        notes=tuple(notes),
        facts=_tell_facts(Path(folder), samples, bands),
    )


def _tell_facts(folder: Path, samples: Sequence["Sample"], bands: Bands) -> str:
    """What tells this set from another: see ``DataSet.facts``."""
    chips = [Path(path) for sample in samples for path in (sample.chip.rgb, sample.chip.mul) if path is not None]
    truth = [path for area in _list_areas(folder) for path in area.glob("summaryData/*.csv")]
    return digest([*chips, *truth, *(Path(sample.geojson) for sample in samples if sample.geojson)], {"bands": bands})


@dataclass(frozen=True, slots=True)
class Sample:
    """An image and its truth."""

    chip: Chip
    pixels: bytes | None
    """Well-known binary of its footprints in pixels."""
    geojson: str
    """The file that holds them in degrees, read where ``pixels`` is None."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads images with their footprints; can be pickled."""

    samples: tuple[Sample, ...]
    bands: Bands

    def __call__(self, i: int) -> Objects:
        """The image of a number, on the scale of the file, uint16; pixels without data are ignored.

        Raises:
            BadImage, BadData: if a file is damaged.
        """
        sample = self.samples[i]
        raster = open_chip(sample.chip, self.bands)
        grid = raster.grid
        values, valid = raster.read(range(1, raster.band_count + 1), Box(0, 0, grid.height, grid.width))
        if sample.pixels is None:
            footprints = _read_geojson(sample.geojson, grid)
        else:
            footprints = shapely.get_parts(shapely.from_wkb(sample.pixels))
        return make_objects(
            sample.chip.name,
            None if grid.pixel_size_m is None else math.sqrt(math.prod(grid.pixel_size_m)),
            np.ascontiguousarray(np.moveaxis(values, 0, -1)),
            draw_polygons(list(footprints), grid.height, grid.width),
            ~valid,
            np.zeros(len(footprints), np.int64),
        )


def _list_areas(folder: Path) -> list[Path]:
    """The folder itself if it holds images, else those in it that do."""
    if not folder.is_dir():
        raise BadData(f"{folder} is no folder: name one such as AOI_2_Vegas_Train")
    areas = [folder] if (folder / RGB).is_dir() else sorted(part.parent for part in folder.glob(f"*/{RGB}"))
    areas = [area for area in areas if _find_files(area / RGB, f"{RGB}_", ".tif")]
    if not areas:
        raise BadData(f"{folder} holds no {RGB}/{RGB}_*.tif: name a folder such as AOI_2_Vegas_Train")
    return areas


def _list_area(area: Path) -> list[Chip]:
    rgb, mul = (_find_files(area / kind, f"{kind}_", ".tif") for kind in (RGB, MUL))
    return [Chip(name, path, mul.get(name)) for name, path in rgb.items()]


def _find_files(folder: Path, prefix: str, suffix: str) -> dict[str, str]:
    """Paths by what stands between the prefix and the suffix of their names, sorted."""
    names = sorted(path.name for path in folder.glob(f"{prefix}*{suffix}"))
    return {name[len(prefix) : -len(suffix)]: str(folder / name) for name in names}


def _pair(area: Path, bands: Bands) -> tuple[list[Sample], list[str]]:
    """The images that have all their partners, and what is left out."""
    chips = _list_area(area)
    pixels: dict[str, bytes] = {}
    for path in sorted((area / "summaryData").glob("*.csv")):
        pixels |= read_solutions(path)
    geojson = _find_files(area / "geojson" / "buildings", "buildings_", ".geojson")
    truth = geojson.keys() | pixels.keys()
    names = {chip.name for chip in chips}
    mul = _find_files(area / MUL, f"{MUL}_", ".tif")
    files = [path.name for path in sorted((area / RGB).iterdir()) if path.suffix.lower() in (".tif", ".tiff")]
    strays = [name for name in files if not (name.startswith(f"{RGB}_") and name.endswith(".tif"))]
    notes = [
        *_tell(area, sorted(names - truth), "images have no footprints in CSV or GeoJSON"),
        *_tell(area, sorted(truth - names), f"images of the truth have no {RGB}"),
        *_tell(area, strays, f"files of {RGB} are not named {RGB}_*.tif"),
    ]
    if bands == "rgb+mul":
        notes += _tell(area, sorted(names - mul.keys()), f"images have no {MUL}")
        notes += _tell(area, sorted(mul.keys() - names), f"images of {MUL} have no {RGB}")
    whole = [chip for chip in chips if chip.name in truth and (bands == "rgb" or chip.mul is not None)]
    return [Sample(chip, pixels.get(chip.name), geojson.get(chip.name, "")) for chip in whole], notes


def _tell(area: Path, names: Sequence[str], what: str) -> list[str]:
    """A note, or none where there is nothing to tell."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return [f"{area.name}: {len(names):,} {what}, so they are left out: {', '.join(names[:3])}{more}"] if names else []


class Row(NamedTuple):
    """A line of a CSV."""

    line: int
    image: str
    building: str
    wkt: str


def read_solutions(path: Path) -> dict[str, bytes]:
    """The footprints of a CSV by image, as well-known binary of a collection, in pixels.

        ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo
        AOI_2_Vegas_img1,1,"POLYGON ((230.11 542.07 0,204.78 541.94 0,204.61 564.45 0,230.11 542.07 0))","POLYGON ((..."
        AOI_2_Vegas_img2,-1,POLYGON EMPTY,POLYGON EMPTY

    Raises:
        BadData: if it is no such file.
    """
    csv.field_size_limit(2**27)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise BadData(f"{path} has no column {', '.join(missing)}: wanted {','.join(COLUMNS)}")
            rows = [Row(reader.line_num, *(row[column] or "" for column in COLUMNS)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path} cannot be read as a CSV file: {error}: get it again") from error
    texts = ["POLYGON EMPTY" if row.building.strip() == "-1" else row.wkt for row in rows]
    # A number that is none makes GEOS raise a flag, which numpy would warn of.
    with np.errstate(invalid="ignore"):
        polygons = shapely.force_2d(shapely.from_wkt(np.array(texts, object), on_invalid="ignore"))
    wrong = np.flatnonzero((shapely.get_type_id(polygons) != shapely.GeometryType.POLYGON) | ~_is_finite(polygons))
    if len(wrong):
        row = rows[wrong[0]]
        raise BadData(
            f"{path} line {row.line}: {row.image} has {row.wkt[:40]!r}: wanted POLYGON ((x y, ...)) in pixels"
        )
    images: dict[str, list[shapely.Geometry]] = {}
    for row, polygon in zip(rows, polygons, strict=True):
        images.setdefault(row.image.strip(), []).append(polygon)
    return {image: shapely.to_wkb(shapely.geometrycollections(own)) for image, own in images.items()}


def _is_finite(polygons: NDArray[np.object_]) -> NDArray[np.bool_]:
    corners, owners = shapely.get_coordinates(polygons, return_index=True)
    finite = np.ones(len(polygons), bool)
    finite[owners[~np.isfinite(corners).all(axis=1)]] = False
    return finite


def _read_geojson(path: str, grid: Grid) -> list[shapely.Geometry]:
    """The footprints of an image, in pixels; each part of one with several is one of its own."""
    if grid.crs is None or not grid.crs.is_geographic:
        raise BadData(f"{path} is in degrees, and its image is not: give the image its place in EPSG:4326")
    try:
        features = json.loads(Path(path).read_text(encoding="utf-8-sig"))["features"]
        shapes = [json.dumps(feature["geometry"]) for feature in features if feature["geometry"] is not None]
        parts = shapely.get_parts(shapely.force_2d(shapely.from_geojson(np.array(shapes, object))))
    except (OSError, ValueError, KeyError, TypeError, shapely.errors.GEOSException) as error:
        raise BadData(f"{path} cannot be read as a GeoJSON of footprints: {error}: get it again") from error
    areal = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    to_pixels: Callable[[NDArray[np.float64]], NDArray[np.float64]] = _invert(grid)
    return list(shapely.transform(areal, to_pixels))


def _invert(grid: Grid) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """From degrees to pixels."""
    back = ~grid.transform
    turn, shift = np.array([[back.a, back.d], [back.b, back.e]]), np.array([back.c, back.f])
    return lambda degrees: degrees @ turn + shift
