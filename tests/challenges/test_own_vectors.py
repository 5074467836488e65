"""A user's own polygons and points: any vector format, any CRS, one file or many, and what the trace command writes."""

import warnings
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer
from rasterio.crs import CRS

from overtrace.challenges.challenge import Challenge, Question
from overtrace.challenges.inspection import Claim
from overtrace.challenges.own_vectors import check_points, check_polygons, judge_points, judge_polygons
from overtrace.errors import BadAnswer, BadOption
from overtrace.vector.sinks import open_sink
from tests.support.objects import make_batch, make_grid, make_header

OWN = Challenge("own", "", ("polygons", "points"), lambda question: judge_polygons(OWN, question), check_polygons)
DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".fgb": "FlatGeobuf", ".shp": "ESRI Shapefile"}
LEFT, TOP = 500_000, 4_000_000
UTM, DEGREES, FEET = "EPSG:32612", "EPSG:4326", "EPSG:2229"


def box(x, y=0, side=10.0):
    return shapely.box(LEFT + x, TOP + y, LEFT + x + side, TOP + y + side)


def point(x, y=0):
    return shapely.Point(LEFT + x, TOP + y)


def to_degrees(shapes):
    change = Transformer.from_crs(UTM, DEGREES, always_xy=True).transform
    return [shapely.transform(shape, lambda xy: np.column_stack(change(*xy.T))) for shape in shapes]


def write(path: Path, shapes, crs=UTM, layer=None, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [np.array(column) for column in columns.values()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.raw.write(
            path,
            np.array([shapely.to_wkb(shape) for shape in shapes], object),
            values,
            list(columns),
            layer=layer,
            driver=DRIVERS[path.suffix],
            geometry_type="Unknown" if path.suffix != ".shp" else shapes[0].geom_type,
            crs=crs,
            append=layer is not None and path.exists(),
        )
    return path


@pytest.mark.parametrize("suffix", DRIVERS)
def test_polygons_worked_by_hand(tmp_path, suffix):
    truth = write(tmp_path / f"t{suffix}", [box(0), box(20), box(40)])
    # Shifted by a third of its side, a square shares 1/2 of its union; by 3.5 m, 6.5 / 13.5. Two are answered right.
    answer = write(tmp_path / f"other{suffix}", [box(10 / 3), box(23.5), box(40), box(90)])
    verdict = judge_polygons(OWN, Question(truth, answer))
    (row,) = verdict.table
    assert (row["file"], row["objects"], row["answered"], row["hits"]) == ("t", 3, 4, 1 + 1)
    assert (row["precision"], row["recall"]) == (2 / 4, 2 / 3)
    assert verdict.score == row["F1"] == 2 * 2 / (3 + 4)
    assert verdict.parts["rule"] == "polygons at an IoU of at least 0.5"
    assert check_polygons(Claim(answer, truth)).counts == {"files": 1, "objects": 4}
    assert (verdict.protocol, verdict.profile) == ("own", "polygons")


@pytest.mark.parametrize("judge", [judge_polygons, judge_points])
def test_an_answer_in_another_crs_is_brought_into_that_of_the_truth(tmp_path, judge):
    shapes = [box(0), box(20)] if judge is judge_polygons else [point(0), point(20)]
    truth = write(tmp_path / "t.gpkg", shapes)
    answer = write(tmp_path / "a.geojson", to_degrees(shapes), DEGREES)
    assert judge(OWN, Question(truth, answer)).score == 1


def test_the_surest_chooses_first(tmp_path):
    truth = write(tmp_path / "t.gpkg", [box(0), box(4)])
    # One shares 8/12 with both and takes the first that is free; the other 9/11 with the first and 5/15 with the last.
    shapes = [box(2), box(-1)]
    for scores, hits in (([0.9, 0.5], 1), ([0.5, 0.9], 2)):
        answer = write(tmp_path / f"{hits}.gpkg", shapes, score=scores)
        assert judge_polygons(OWN, Question(truth, answer)).parts["hits"] == hits


def test_a_feature_without_a_geometry_is_no_object(tmp_path):
    truth = write(tmp_path / "t.gpkg", [box(0), box(20)])
    answer = write(tmp_path / "a.gpkg", [None, box(0), box(20)], score=[np.nan, 0.5, 0.25])
    verdict = judge_polygons(OWN, Question(truth, answer))
    assert verdict.score == 1
    assert verdict.explain().reliability.hits.tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]


def test_a_feature_of_several_parts_is_one_object_and_crossing_outlines_are_even_odd(tmp_path):
    two = shapely.MultiPolygon([box(0), box(20)])
    # Parts of 100 that overlap in 8 x 9: even-odd leaves 56 of the 128 that they cover.
    crossing = shapely.MultiPolygon([box(40), box(42, 1)])
    truth = write(tmp_path / "t.gpkg", [two, shapely.symmetric_difference(box(40), box(42, 1))])
    answer = write(tmp_path / "a.gpkg", [two, crossing])
    verdict = judge_polygons(OWN, Question(truth, answer))
    assert (verdict.parts["objects"], verdict.parts["answered"], verdict.score) == (2, 2, 1)
    assert verdict.explain().pictures == ()
    # Half of two parts is found by one of them.
    answer = write(tmp_path / "b.gpkg", [box(0), box(20)])
    assert judge_polygons(OWN, Question(truth, answer)).parts["hits"] == 1
    (picture,) = judge_polygons(OWN, Question(truth, answer)).explain().pictures
    assert [(one.layer, len(one.rings)) for one in picture.outlines] == [("hit", 1), ("false", 1), ("missed", 2)]
    # North is up, where pictures have y down.
    assert set(picture.outlines[0].rings[0][:, 1]) == {-TOP, -TOP - 10}


def test_points_worked_by_hand(tmp_path):
    truth = write(tmp_path / "t.gpkg", [point(0), point(20), point(40), shapely.MultiPoint([point(60)])])
    answer = write(tmp_path / "a.fgb", [point(0, 6), point(20, 6.01), point(40), point(41), point(60)])
    verdict = judge_points(OWN, Question(truth, answer))
    # 6 m is within reach, 6.01 m is not, one tree takes one of two points.
    assert (verdict.parts["hits"], verdict.parts["objects"], verdict.parts["answered"]) == (3, 4, 5)
    assert verdict.score == 2 * 3 / 9
    assert verdict.profile == "points"
    assert verdict.explain().images[0]["missed"] == 0
    assert check_points(Claim(answer, truth)).faults == []


def test_points_need_metres(tmp_path):
    shapes = [shapely.Point(6_500_000, 1_900_000)]
    near = [shapely.Point(6_500_010, 1_900_000)]
    truth, answer = write(tmp_path / "t.gpkg", shapes, FEET), write(tmp_path / "a.gpkg", near, FEET)
    with pytest.raises(BadOption, match=r"t.gpkg is in US survey foot: say so with --pixel-size 0.3048006096"):
        judge_points(OWN, Question(truth, answer))
    assert judge_points(OWN, Question(truth, answer, pixel_size_m=0.3048)).score == 1
    truth = write(tmp_path / "d.gpkg", to_degrees([point(0)]), DEGREES)
    with pytest.raises(BadOption, match=r"d.gpkg is in degrees, .*: bring it into metres"):
        judge_points(OWN, Question(truth, truth))
    pixels = write(tmp_path / "p.gpkg", [shapely.Point(0, 0)], None)
    other = write(tmp_path / "q.gpkg", [shapely.Point(10, 0)], None)
    assert judge_points(OWN, Question(pixels, other)).score == 0
    assert judge_points(OWN, Question(pixels, other, pixel_size_m=0.6)).score == 1


def test_folders_go_together_by_name_and_files_are_drawn_anew(tmp_path):
    for side, count in (("t", 2), ("a", 1)):
        write(tmp_path / side / "north.shp", [box(20 * i) for i in range(count)])
        write(tmp_path / side / f"south.{'gpkg' if count == 2 else 'geojson'}", [box(0, 500)])
    question = Question(tmp_path / "t", tmp_path / "a")
    verdict = judge_polygons(OWN, question)
    assert [(row["image"], row["objects"], row["hits"]) for row in verdict.images] == [("north", 2, 1), ("south", 1, 1)]
    assert verdict.score == 2 * 2 / 5
    # Drawn twice, the north alone: 2 x 2 / (2 x 3); once each: as it is.
    scores = verdict.sample.settle(np.array([[2, 0], [1, 1]]))
    np.testing.assert_allclose(scores, [[4 / 6], [4 / 5]])
    (tmp_path / "ids.txt").write_text("south\n")
    assert judge_polygons(OWN, Question(question.truth, question.answers, ids=tmp_path / "ids.txt")).score == 1
    write(tmp_path / "a" / "east.gpkg", [box(0)])
    (tmp_path / "a" / "south.geojson").unlink()
    assert [str(fault) for fault in check_polygons(Claim(question.answers, question.truth)).faults] == [
        f"{tmp_path}/a south: the file is missing: send one, without features if empty",
        f"{tmp_path}/a east: the truth has no file of this name: leave it out",
    ]


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".geojsonl"])
@pytest.mark.parametrize("crs", [32612, 4326, None])
def test_what_is_traced_is_read(tmp_path, suffix, crs):
    georeference = None if crs is None else CRS.from_epsg(crs)
    grid = make_grid(georeference, pixel=1e-5 if crs == 4326 else 0.5, left=10 if crs == 4326 else 500_000, top=50)
    for name, count in ((f"a{suffix}", 6), ("t.gpkg", 8), (f"none{suffix}", 0)):
        sink = open_sink(tmp_path / name, make_header(grid))
        sink.write(make_batch(grid, count))
        sink.finish()
        sink.commit()
    verdict = judge_polygons(OWN, Question(tmp_path / "t.gpkg", tmp_path / f"a{suffix}"))
    assert (verdict.parts["objects"], verdict.parts["answered"], verdict.parts["hits"]) == (8, 6, 6)
    evidence = verdict.explain()
    assert evidence.reliability.hits.sum() == 6
    sizes = [tally.rows[0] for tally in evidence.tallies if tally.title == "Objects by size"]
    assert sizes == {32612: ["below 50 m²"], 4326: [], None: ["below 50 px²"]}[crs]
    empty = Question(tmp_path / "t.gpkg", tmp_path / f"none{suffix}")
    assert judge_polygons(OWN, empty).score == 0
    (note,) = check_polygons(Claim(empty.answers, empty.truth)).notes
    assert "there is nothing in it: an empty answer is allowed" in str(note)


def spoil(path):
    path.write_text("no package")
    return path


def lead_away(folder):
    source = f"<SrcDataSource>{folder}/t.gpkg</SrcDataSource>"
    text = f"<OGRVRTDataSource><OGRVRTLayer name='t'>{source}</OGRVRTLayer></OGRVRTDataSource>"
    (folder / "a.geojson").write_text(text)
    return folder / "a.geojson"


FAULTS = {
    "a point": (
        lambda path: write(path / "a.gpkg", [box(0), point(1)]),
        "a.gpkg feature 2: found a Point: wanted POLYGON or MULTIPOLYGON, of finite numbers",
    ),
    "no number": (
        lambda path: write(path / "a.gpkg", [shapely.Polygon([(0, 0), (1, np.inf), (1, 1)])]),
        "a.gpkg feature 1: found a Polygon: wanted POLYGON",
    ),
    "a confidence as text": (
        lambda path: write(path / "a.gpkg", [box(0)], score=["high"]),
        "a.gpkg feature 1: found the confidence 'high': wanted a number",
    ),
    "a confidence too few": (
        lambda path: write(path / "a.gpkg", [box(0), box(20)], confidence=[0.5, np.nan]),
        "a.gpkg feature 2: found the confidence nan",
    ),
    "no CRS": (
        lambda path: write(path / "a.gpkg", [box(0)], None),
        "a.gpkg: the truth has a CRS, and it has none: write both in the same CRS, or both in pixels",
    ),
    "layers": (
        lambda path: write(write(path / "a.gpkg", [box(0)], layer="x"), [box(0)], layer="y"),
        "a.gpkg: it has 2 layers of geometries: leave one",
    ),
    "no file": (lambda path: path / "a.gpkg", "a.gpkg does not exist: check the path"),
    "text": (lambda path: spoil(path / "a.txt"), "a.txt: it is no vector file, nor a folder of them: wanted .gpkg"),
    "no GeoPackage": (lambda path: spoil(path / "a.gpkg"), "a.gpkg: it cannot be read as .gpkg"),
    "a way to other files": (lead_away, "a.geojson: it is not read as OGR_VRT: write it as .gpkg"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_of_an_answer_is_told(tmp_path, case):
    make, expected = FAULTS[case]
    truth = write(tmp_path / "t.gpkg", [box(0)])
    answer = make(tmp_path)
    faults = [str(fault) for fault in check_polygons(Claim(answer, truth)).faults]
    assert len(faults) == 1, faults
    assert expected.replace(" does", ": it does") in faults[0]
    with pytest.raises(BadAnswer):
        judge_polygons(OWN, Question(truth, answer))


def test_what_cannot_be_brought_into_the_crs_of_the_truth_is_told(tmp_path):
    truth = write(tmp_path / "t.gpkg", [shapely.box(0, 0, 1, 1)], "EPSG:3857")
    answer = write(tmp_path / "a.gpkg", [shapely.box(0, 0, 0.5, 0.5), shapely.box(0, 95, 1, 96)], DEGREES)
    (fault,) = check_polygons(Claim(answer, truth)).faults
    assert str(fault) == (
        f"{answer} feature 2: it lies outside WGS 84 / Pseudo-Mercator: write it in the CRS of the truth"
    )


def test_a_geojson_whose_crs_is_null_is_in_pixels(tmp_path):
    feature = '{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [10, 20]}}'
    for name, crs in (("null", '"crs": null, '), ("none", "")):
        (tmp_path / f"{name}.geojson").write_text(f'{{"type": "FeatureCollection", {crs}"features": [{feature}]}}')
    truth = write(tmp_path / "t.gpkg", [shapely.Point(10, 20)], None)
    assert judge_points(OWN, Question(truth, tmp_path / "null.geojson")).score == 1
    with pytest.raises(BadAnswer, match=r"it has a CRS, and the truth has none"):
        judge_points(OWN, Question(truth, tmp_path / "none.geojson"))


def test_a_geopackage_in_degrees_may_hold_whole_countries(tmp_path):
    truth = write(tmp_path / "t.gpkg", [shapely.box(0, 0, 20, 20)], DEGREES)
    answer = write(tmp_path / "a.gpkg", [shapely.box(0, 0, 0.5, 0.5)], DEGREES)
    assert judge_polygons(OWN, Question(truth, answer)).score == 0
    assert judge_polygons(OWN, Question(truth, truth)).score == 1


def test_a_truth_that_is_not_in_order_is_refused(tmp_path):
    answer = write(tmp_path / "a.gpkg", [box(0)])
    truth = write(tmp_path / "t.gpkg", [point(0)])
    for ask in (lambda: check_polygons(Claim(answer, truth)), lambda: judge_polygons(OWN, Question(truth, answer))):
        with pytest.raises(BadAnswer, match=r"t.gpkg feature 1: found a Point"):
            ask()
    (tmp_path / "ids.txt").write_text("nowhere\n")
    with pytest.raises(BadAnswer, match=r"a.gpkg has no file to score: check the list of names"):
        judge_polygons(OWN, Question(answer, answer, ids=tmp_path / "ids.txt"))


def test_an_answer_without_a_truth_is_checked(tmp_path):
    write(tmp_path / "a" / "x.gpkg", [point(0), box(0)])
    (tmp_path / "ids.txt").write_text("x\ny\n")
    assert [str(fault) for fault in check_points(Claim(tmp_path / "a", ids=tmp_path / "ids.txt")).faults] == [
        f"{tmp_path}/a/x.gpkg feature 2: found a Polygon: wanted POINT or MULTIPOINT, of finite numbers",
        f"{tmp_path}/a y: the file is missing: send one, without features if empty",
    ]
