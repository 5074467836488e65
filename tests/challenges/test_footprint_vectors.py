"""Buildings as GeoJSON and GeoPackage score as they do as CSV, and what is wrong with them is told with its place."""

import json
import shutil
import warnings
import zipfile

import numpy as np
import pyogrio
import pytest
import shapely

from overtrace.challenges.challenge import Question
from overtrace.challenges.footprint_files import read_footprints
from overtrace.challenges.inspection import Claim
from overtrace.challenges.protocols import check_files, score_files
from overtrace.errors import BadAnswer, BadOption

VEGAS, EMPTY, PARIS = "AOI_2_Vegas_img1", "AOI_2_Vegas_img2", "AOI_3_Paris_img1"
PIXEL, LEFT, TOP = 2.7e-6, -115.25, 36.125
"""A pixel of SpaceNet-2 in degrees, and a corner of Las Vegas."""


def box(x, side=10.0):
    return shapely.box(x, 0, x + side, side)


# Areas 100, 100, 100 and 16: the last is below the limit of 20 pixels. The answer has a hit, a footprint that is none
# in an empty image, and one of 16 pixels that is left out.
TRUTH = {VEGAS: [(box(0), 1), (box(20), 1)], EMPTY: [], PARIS: [(box(0), 1), (box(50, 4), 1)]}
ANSWER = {VEGAS: [(box(0), 0.5)], EMPTY: [(box(300), 0.25)], PARIS: [(box(90, 4), 0.75)]}


def to_degrees(shape):
    return shapely.transform(shape, lambda xy: np.array([LEFT, TOP]) + xy * (PIXEL, -PIXEL))


def feature(shape, **properties):
    geometry = None if shape is None else json.loads(shapely.to_geojson(shape))
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(features, **more):
    return json.dumps({"type": "FeatureCollection", "features": features, **more})


def write_csv(folder, buildings, confident):
    rows = []
    for image, shapes in buildings.items():
        for i, (shape, confidence) in enumerate(shapes):
            rows.append(f'{image},{i + 1},"{shape.wkt}"{f",{confidence}" if confident else ""}')
        if not shapes:
            rows.append(f"{image},-1,POLYGON EMPTY{',1' if confident else ''}")
    folder.with_suffix(".csv").write_text("\n".join(rows))
    return folder.with_suffix(".csv")


def write_geojson(folder, buildings, confident, prefix="", change=lambda shape: shape, **more):
    folder.mkdir()
    for image, shapes in buildings.items():
        name = "Confidence" if confident else "Shape_Area"
        features = [feature(change(shape), **{name: confidence}) for shape, confidence in shapes]
        (folder / f"{prefix}{image}.geojson").write_text(collection(features, **more))
    return folder


def write_pixels(folder, buildings, confident):
    return write_geojson(folder, buildings, confident, crs=None)


def write_degrees(folder, buildings, confident):
    return write_geojson(folder, buildings, confident, "buildings_", to_degrees)


def write_zip(folder, buildings, confident):
    """As SpaceNet packs it, in folders."""
    (folder / "AOI_2").mkdir(parents=True)
    inside = write_degrees(folder / "AOI_2" / "geojson", buildings, confident)
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for file in inside.iterdir():
            archive.write(file, file.relative_to(folder))
    return folder.with_suffix(".zip")


def write_layer(path, shapes, columns, crs=None, layer="buildings"):
    """A GeoPackage; geometries that are bytes are written as they are."""
    wkb = np.array([shape if isinstance(shape, bytes) else shapely.to_wkb(shape) for shape in shapes], object)
    values = [np.array(column, None if isinstance(column[0], float) else object) for column in columns.values()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.raw.write(
            path,
            wkb,
            values,
            list(columns),
            layer=layer,
            driver="GPKG",
            geometry_type="Unknown",
            crs=crs,
            append=path.exists(),
        )
    return path


def write_rows(folder, buildings, confident):
    """A GeoPackage with the image in a column, and rows without a geometry for images without a building."""
    rows = [(image, *row) for image, shapes in buildings.items() for row in shapes or [(None, np.nan)]]
    images, shapes, confidences = zip(*rows, strict=True)
    columns = {"ImageId": images} | ({"score": np.array(confidences, float).tolist()} if confident else {})
    return write_layer(folder.with_suffix(".gpkg"), shapes, columns)


def write_layers(folder, buildings, confident):
    """A GeoPackage in degrees with a layer for each image."""
    path = folder.with_suffix(".gpkg")
    for image, rows in buildings.items():
        shapes = [to_degrees(shape) for shape, _ in rows]
        columns = (
            {"confidence": np.array([c for _, c in rows], float)}
            if confident
            else {"note": np.array([1.0] * len(rows))}
        )
        wkb = np.array([shapely.to_wkb(shape) for shape in shapes], object)
        pyogrio.raw.write(
            path,
            wkb,
            list(columns.values()),
            list(columns),
            layer=image,
            driver="GPKG",
            geometry_type="Polygon",
            crs="EPSG:4326",
            append=path.exists(),
        )
    return path


FORMS = [write_csv, write_pixels, write_degrees, write_zip, write_rows, write_layers]


@pytest.mark.parametrize("profile", ["spacenet2-topcoder", "spacenet-utilities", "solaris"])
@pytest.mark.parametrize("form", FORMS)
def test_a_set_scores_the_same_in_every_form(tmp_path, form, profile):
    truth, answer = form(tmp_path / "truth", TRUTH, False), form(tmp_path / "answer", ANSWER, True)
    assert check_files("deepglobe", Claim(answer, truth)).faults == []
    verdict = score_files("deepglobe", Question(truth, answer, profile))
    # Vegas: 2 x 1 hit / (2 found + 2 true). Paris: nothing is found; utilities counts the 16 pixels of the answer.
    small = profile == "spacenet-utilities"
    assert [(row["hits"], row["answered"], row["buildings"]) for row in verdict.table] == [
        (1, 2, 2),
        (0, int(small), 1),
    ]
    assert verdict.score == 0.25
    assert verdict.explain().images


def test_pixels_may_be_of_another_size(tmp_path):
    truth, answer = write_degrees(tmp_path / "t", TRUTH, False), write_degrees(tmp_path / "a", ANSWER, True)

    def count(size):
        return [row["buildings"] for row in score_files("deepglobe", Question(truth, answer, pixel_size_m=size)).table]

    # 16 pixels are 64 of half the side, and 100 are 4 of five times the side.
    assert count(1.0) == [2, 1]
    assert count(PIXEL / 2) == [2, 2]
    assert count(PIXEL * 5) == [0, 0]
    with pytest.raises(BadOption, match="the pixel size is 0: wanted more than 0"):
        count(0)


def test_metres_are_divided_by_the_pixel_size(tmp_path):
    for name, buildings in (("t", TRUTH), ("a", ANSWER)):
        rows = [(image, *row) for image, shapes in buildings.items() for row in shapes or [(None, 0)]]
        write_layer(
            tmp_path / f"{name}.gpkg",
            [None if row[1] is None else shapely.transform(row[1], lambda xy: 600_000 + xy / 2) for row in rows],
            {"image": [row[0] for row in rows]},
            "EPSG:32611",
        )
    question = Question(tmp_path / "t.gpkg", tmp_path / "a.gpkg")
    # In metres, areas are a quarter: 25 and 4.
    assert [row["buildings"] for row in score_files("deepglobe", question).table] == [2, 1]
    assert read_footprints(question.truth, answer=False, pixel_size=0.5).polygons[3].area == 16


def test_each_part_of_a_feature_is_a_footprint(tmp_path):
    parts = shapely.MultiPolygon([box(0), box(20)])
    write_geojson(tmp_path / "a", {VEGAS: [(parts, 0.5)]}, True, crs=None)
    found = read_footprints(tmp_path / "a", answer=True)
    assert found.images.tolist() == [VEGAS, VEGAS]
    assert found.confidence.tolist() == [0.5, 0.5]
    assert [shape.wkt for shape in found.polygons] == [box(0).wkt, box(20).wkt]


def test_without_confidences_all_are_alike_and_heights_are_left_out(tmp_path):
    (tmp_path / "a.geojson").write_text(collection([feature(shapely.force_3d(box(0), 7)), feature(box(20))], crs=None))
    found = read_footprints(tmp_path, answer=True)
    assert found.confidence.tolist() == [1, 1]
    assert not shapely.has_z(found.polygons).any()


@pytest.mark.parametrize(
    ("shape", "crs", "system"),
    [
        (box(0, 0.5), {}, "degrees"),
        (box(0, 1.5), {}, "pixels"),
        (box(180, 0.5), {}, "pixels"),
        (box(0, 0.5), {"crs": None}, "pixels"),
        (box(0, 0.5), {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}}, "degrees"),
        (box(0), {"crs": {"type": "name", "properties": {"name": "EPSG:32611"}}}, "WGS 84 / UTM zone 11N"),
    ],
)
def test_what_coordinates_are(tmp_path, shape, crs, system):
    (tmp_path / "a.geojson").write_text(collection([feature(shape)], **crs))
    assert read_footprints(tmp_path, answer=False).system == system


def test_a_csv_is_read_even_if_geojson_lies_beside_it(tmp_path):
    folder = write_pixels(tmp_path / "t", TRUTH, False)
    shutil.copy(write_csv(tmp_path / "one", {VEGAS: [(box(7), 1)]}, False), folder / "one.csv")
    assert read_footprints(folder, answer=False).named == {VEGAS}


def geojson(*features, **more):
    return {f"{VEGAS}.geojson": collection([feature(box(0), score=1), *features], crs=None, **more)}


POINT = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}
OPEN = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}, "properties": {}}
DEEP = {"type": "Polygon", "coordinates": json.loads("[" * 500 + "]" * 500)}
UNKNOWN = {"type": "name", "properties": {"name": "EPSG:-7"}}

BROKEN = {
    "a point": (geojson(POINT), "/features/1/geometry: found the type 'Point': wanted a Polygon or a Multi"),
    "an open ring": (geojson(OPEN), "/features/1/geometry: found a Polygon that cannot be read"),
    "a geometry that is text": (geojson({"type": "Feature", "geometry": "x"}), "/features/1/geometry: found 'x'"),
    "rings within rings": (geojson({"type": "Feature", "geometry": DEEP}), "/features/1/geometry: found a Polygon"),
    "no feature": (geojson(7), "/features/1: found 7: wanted a Feature"),
    "no features": ({f"{VEGAS}.geojson": "{}"}, "it has no list of features: wanted a FeatureCollection"),
    "no JSON": ({f"{VEGAS}.geojson": "{"}, "line 1 column 2: no JSON"),
    "a confidence as text": (geojson(feature(box(20), score="high")), "/features/1: found the confidence 'high'"),
    "a confidence that is true": (geojson(feature(box(20), score=True)), "/features/1: found the confidence True"),
    "a confidence of 400 digits": (geojson(feature(box(20), score=10**400)), "/features/1: found the confidence 1000"),
    "a confidence too few": (geojson(feature(box(20))), "/features/1: found no confidence: wanted a number"),
    "a confidence that is NaN": (geojson(feature(box(20), score=float("nan"))), "found the confidence nan"),
    "a score twice": (
        {f"{VEGAS}.geojson": geojson()[f"{VEGAS}.geojson"].replace('"score": 1', '"score": 1, "score": 2')},
        "/features/0/properties/score: it is given twice: give it once",
    ),
    "empty and built upon": (geojson(feature(None)), "/features/1: AOI_2_Vegas_img1 is empty here, and has buildings"),
    "far away": (geojson(feature(box(2e8), score=1)), "/features/1: a coordinate is no number, or beyond 100 million"),
    "an unknown CRS": (
        {f"{VEGAS}.geojson": collection([feature(box(0))], crs=UNKNOWN)},
        "'EPSG:-7'}, 'type': 'name'}: name one by its code",
    ),
    "two files for an image": (
        {f"{VEGAS}.geojson": collection([]), f"x/buildings_{VEGAS}.geojson": collection([])},
        "it is of the image of",
    ),
    "two kinds of coordinates": (
        geojson() | {"b.geojson": collection([feature(to_degrees(box(0)), score=1)])},
        "its coordinates are of several kinds: degrees, pixels: write all files in one",
    ),
    "degrees for pixels": (
        {f"{VEGAS}.geojson": collection([feature(to_degrees(box(0)))])},
        "its coordinates are of the kind degrees, those of the truth pixels: write them like the truth",
    ),
    "no package": ({"a.gpkg": "<OGRVRTDataSource/>"}, "it is no GeoPackage: write it anew"),
    "a package that is cut": ({"a.gpkg": "SQLite format 3\0"}, "it is no GeoPackage"),
}  # fmt: skip


def inspect(folder, files):
    truth = write_pixels(folder / "truth", {VEGAS: TRUTH[VEGAS]}, False)
    for name, text in files.items():
        (folder / "answer" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "answer" / name).write_text(text)
    return Question(truth, folder / "answer")


@pytest.mark.parametrize("case", BROKEN)
def test_each_fault_is_told_with_its_place(tmp_path, case):
    files, expected = BROKEN[case]
    question = inspect(tmp_path, files)
    faults = [str(fault) for fault in check_files("deepglobe", Claim(question.answers, question.truth)).faults]
    assert [fault for fault in faults if expected in fault], faults
    follow = ("image is missing", "no such image", "those of the truth")
    assert all(any(part in fault for part in follow) for fault in faults if expected not in fault)
    with pytest.raises(BadAnswer):
        score_files("deepglobe", question)


def test_images_too_few_and_too_many(tmp_path):
    question = inspect(tmp_path, {"AOI_9.geojson": collection([])})
    faults = [str(fault) for fault in check_files("deepglobe", Claim(question.answers, question.truth)).faults]
    remedy = "answer every image, an empty one by a GeoJSON without features, or a row without a geometry"
    assert faults == [
        f"{question.answers} {VEGAS}: the image is missing: {remedy}",
        f"{question.answers} AOI_9: the truth has no such image: leave it out",
    ]


def test_a_table_without_geometries_is_no_image(tmp_path):
    path = write_layers(tmp_path / "answer", ANSWER, True)
    notes = [np.array(["by hand"], object)]
    pyogrio.raw.write(path, None, notes, ["note"], layer="notes", driver="GPKG", geometry_type=None, append=True)
    assert read_footprints(path, answer=True).named == ANSWER.keys()


def test_each_fault_of_a_package_is_told_with_its_feature(tmp_path):
    shapes = [
        box(0),
        shapely.Point(1, 2),
        box(20),
        box(40),
        shapely.Polygon(),
        b"\x01\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00" + bytes(32),
    ]
    columns = {"image_id": ["a", "a", " ", "b", "b", "c"], "score": [1.0, 1.0, 1.0, np.nan, np.nan, 1.0]}
    path = write_layer(tmp_path / "answer.gpkg", shapes, columns)
    assert [str(fault) for fault in check_files("deepglobe", Claim(path)).faults] == [
        f"{path} feature 2: found a Point: wanted a Polygon or a MultiPolygon",
        f"{path} feature 6: found a geometry that cannot be read: wanted a Polygon or a MultiPolygon",
        f"{path} feature 3: found no image_id: wanted the name of an image",
        f"{path} feature 4: found the confidence nan: wanted a number",
        f"{path} feature 5: b is empty here, and has buildings in other features: leave out the one or the other",
    ]
