"""Every format keeps every object, its attributes and the CRS, and leaves nothing half-written."""

import json
import sqlite3
import sys

import numpy as np
import pyarrow.parquet
import pyogrio
import pytest
import shapely
from pyproj import Transformer
from rasterio.crs import CRS

from overtrace.errors import BadOption, BadOutput
from overtrace.vector.attributes import attributes
from overtrace.vector.sinks import SINKS, open_sink
from overtrace.vector.tables import Header, ImageInfo
from tests.support.objects import UTM, make_batch, make_grid, make_header, small_disk

# Vector tiles cut and round what they hold: they are tested apart.
ALL = sorted(set(SINKS) - {".pmtiles"})
BY_GDAL = [suffix for suffix in ALL if suffix != ".parquet"]
KEEPING_CRS = [suffix for suffix in BY_GDAL if suffix != ".geojsonl"]


def write_all(path, header, batches):
    sink = open_sink(path, header)
    for batch in batches:
        sink.write(batch)
    sink.finish()
    sink.commit()


def read_back(path):
    """CRS, columns and polygons, in the order of their ids."""
    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
        columns = {name: table[name].to_numpy() for name in table.column_names if name not in ("bbox", "geometry")}
        crs, polygons = None, shapely.from_wkb(table["geometry"].to_numpy())
    else:
        meta, _, polygons, values = pyogrio.raw.read(path)
        crs, columns = meta["crs"], dict(zip(meta["fields"], values, strict=True))
        polygons = shapely.from_wkb(polygons)
    order = np.argsort(columns["id"])
    return crs, {name: column[order] for name, column in columns.items()}, polygons[order]


@pytest.mark.parametrize("suffix", ALL)
def test_what_is_written_is_read_back(tmp_path, suffix):
    grid = make_grid()
    header = make_header(grid)
    batches = [make_batch(grid, 40), make_batch(grid, 0), make_batch(grid, 60, first=40)]
    write_all(tmp_path / f"crowns{suffix}", header, batches)
    _, columns, polygons = read_back(tmp_path / f"crowns{suffix}")
    expected = attributes(make_batch(grid, 100), header)
    assert list(columns) == list(expected)
    for name, column in expected.items():
        if column.dtype.kind == "f" and not (suffix == ".geojsonl" and name.startswith("centre")):
            np.testing.assert_allclose(columns[name], column, atol=1e-6)
        elif column.dtype.kind != "f":
            assert columns[name].tolist() == column.tolist()
    if suffix != ".geojsonl":
        assert shapely.equals(polygons, make_batch(grid, 100).polygons).all()
    assert [path.name for path in tmp_path.iterdir()] == [f"crowns{suffix}"]


@pytest.mark.parametrize("suffix", KEEPING_CRS)
@pytest.mark.parametrize("code", [32612, 4326, 3857, 2229])
def test_the_crs_is_kept(tmp_path, suffix, code):
    geographic = code == 4326
    grid = make_grid(CRS.from_epsg(code), pixel=1e-5 if geographic else 0.5, left=10 if geographic else 500_000, top=50)
    write_all(tmp_path / f"crowns{suffix}", make_header(grid), [make_batch(grid)])
    assert CRS.from_user_input(read_back(tmp_path / f"crowns{suffix}")[0]).to_epsg() == code


@pytest.mark.parametrize("suffix", ALL)
def test_pixels_are_kept_where_there_is_no_crs(tmp_path, suffix):
    grid = make_grid(None)
    write_all(tmp_path / f"crowns{suffix}", make_header(grid), [make_batch(grid)])
    _, columns, polygons = read_back(tmp_path / f"crowns{suffix}")
    assert shapely.equals(polygons, make_batch(grid).polygons).all()
    assert columns["area_px"].tolist() == [12] * 6


@pytest.mark.parametrize("suffix", ALL)
def test_no_objects_make_a_file_with_none(tmp_path, suffix):
    path = tmp_path / f"crowns{suffix}"
    write_all(path, make_header(make_grid()), [])
    if suffix == ".geojsonl":
        assert path.read_bytes() == b""
    elif suffix == ".parquet":
        assert len(read_back(path)[2]) == 0
    else:
        assert pyogrio.read_info(path, force_feature_count=True)["features"] == 0


@pytest.mark.parametrize("suffix", ALL)
def test_an_abort_leaves_the_old_file_and_nothing_else(tmp_path, suffix):
    path, grid = tmp_path / f"crowns{suffix}", make_grid()
    path.write_text("old")
    for finished in (False, True):
        sink = open_sink(path, make_header(grid))
        sink.write(make_batch(grid))
        if finished:
            sink.finish()
        sink.abort()
        sink.abort()
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ALL)
def test_an_abort_after_commit_leaves_the_file(tmp_path, suffix):
    path, grid = tmp_path / f"crowns{suffix}", make_grid()
    sink = open_sink(path, make_header(grid))
    sink.write(make_batch(grid))
    sink.finish()
    sink.commit()
    sink.abort()
    assert list(tmp_path.iterdir()) == [path]


# Room for nothing, for the empty file alone, for some rows, and for most of them.
@pytest.mark.parametrize("kilobytes", [4, 120, 300, 500])
@pytest.mark.parametrize("suffix", ALL)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, suffix, kilobytes):
    grid = make_grid()
    # Parquet packs regular squares too well to fill anything.
    batches = (make_batch(grid, 500, first=500 * i) for i in range(400 if suffix == ".parquet" else 12))
    with small_disk(tmp_path / "disk", kilobytes) as disk:
        path = disk / f"crowns{suffix}"
        path.write_text("old")
        with pytest.raises(BadOutput, match="no space left") as failure:
            write_all(path, make_header(grid), batches)
        assert "\n" not in str(failure.value)
        assert path.read_text() == "old"
        assert list(disk.iterdir()) == [path]


def test_a_full_scratch_folder_leaves_no_file(tmp_path):
    grid = make_grid()
    with small_disk(tmp_path / "disk", 300) as disk:
        with pytest.raises(BadOutput, match="no space left"):
            write_all(tmp_path / "crowns.fgb", make_header(grid, scratch=disk), [make_batch(grid, 6000)])
        assert not list(disk.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb"])
def test_the_spatial_index_finds_objects(tmp_path, suffix):
    grid = make_grid()
    path = tmp_path / f"crowns{suffix}"
    write_all(path, make_header(grid), [make_batch(grid, 1000)])
    assert pyogrio.read_info(path)["capabilities"]["fast_spatial_filter"]
    left, top = 500_000, 4_000_000
    # Two columns and two rows of squares, 5 metres apart.
    _, _, found, _ = pyogrio.raw.read(path, bbox=(left - 1, top - 8, left + 8, top + 1))
    assert len(found) == 4


def test_a_geopackage_is_whole_in_the_eyes_of_sqlite(tmp_path):
    grid = make_grid()
    path = tmp_path / "crowns.gpkg"
    write_all(path, make_header(grid), [make_batch(grid, 1000)])
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT rtreecheck('rtree_crowns_geom')").fetchone() == ("ok",)
        extent = connection.execute("SELECT min_x, min_y, max_x, max_y FROM gpkg_contents").fetchone()
    connection.close()
    # 100 squares a row and 10 rows, 5 metres apart, the last one 2 metres wide.
    assert extent == (500_000, 4_000_000 - 47, 500_000 + 497, 4_000_000)
    info = pyogrio.read_info(path)
    assert (info["features"], info["layer_metadata"]["overtrace_card"]) == (1000, '{"name": "trees"}')


def test_a_geopackage_can_be_added_to(tmp_path):
    grid = make_grid()
    path = tmp_path / "crowns.gpkg"
    write_all(path, make_header(grid), [make_batch(grid, 10)])
    meta, _, polygons, values = pyogrio.raw.read(path)
    pyogrio.raw.write(path, polygons, values, meta["fields"], geometry_type="Polygon", crs=meta["crs"], append=True)
    assert pyogrio.read_info(path)["features"] == 20
    assert len(pyogrio.raw.read(path, bbox=(499_999, 3_999_997, 500_003, 4_000_001))[2]) == 2


def test_geojson_is_right_handed_and_rounded_alike(tmp_path):
    grid = make_grid(pixel=1 / 3)
    write_all(tmp_path / "crowns.geojson", make_header(grid), [make_batch(grid)])
    features = json.loads((tmp_path / "crowns.geojson").read_text())["features"]
    first = shapely.from_geojson(json.dumps(features[0]["geometry"]))
    assert first.exterior.is_ccw
    assert not first.interiors[0].is_ccw
    assert first.bounds == (500_000, 3_999_998.667, 500_001.333, 4_000_000)


def test_geojson_lines_are_longitude_and_latitude(tmp_path):
    grid = make_grid()
    write_all(tmp_path / "crowns.geojsonl", make_header(grid), [make_batch(grid)])
    lines = (tmp_path / "crowns.geojsonl").read_text().splitlines()
    west, south, east, north = shapely.from_geojson(json.dumps(json.loads(lines[0])["geometry"])).bounds
    # Zone 12 is centred at 111 degrees west, where x is 500,000; y of 4,000,000 is at 36.14 degrees north.
    assert (west, north) == pytest.approx((-111, 36.1447), abs=1e-4)
    assert 0 < east - west < 3e-5
    assert 0 < north - south < 3e-5
    assert json.loads(lines[0])["properties"]["centre_x"] == pytest.approx(-111, abs=1e-4)


def test_geojson_of_a_crs_without_a_code_is_longitude_and_latitude(tmp_path):
    local = CRS.from_string("+proj=tmerc +lat_0=36 +lon_0=-111 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m")
    grid = make_grid(local, left=0, top=0)
    write_all(tmp_path / "crowns.geojson", make_header(grid), [make_batch(grid)])
    crs, _, polygons = read_back(tmp_path / "crowns.geojson")
    assert crs == "EPSG:4326"
    assert (polygons[0].bounds[0], polygons[0].bounds[3]) == pytest.approx((-111, 36))


def test_geoparquet_says_crs_extent_and_where_its_boxes_are(tmp_path):
    grid = make_grid()
    write_all(tmp_path / "crowns.parquet", make_header(grid), [make_batch(grid, 100), make_batch(grid, 100, first=100)])
    table = pyarrow.parquet.ParquetFile(tmp_path / "crowns.parquet")
    geo = json.loads(table.metadata.metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert geo["version"] == "1.1.0"
    assert column["crs"]["id"] == {"authority": "EPSG", "code": UTM.to_epsg()}
    assert column["bbox"] == [500_000, 4_000_000 - 7, 500_000 + 497, 4_000_000]
    assert table.read()["bbox"][0].as_py() == {
        "xmin": 500_000, "ymin": 4_000_000 - 2, "xmax": 500_002, "ymax": 4_000_000
    }  # fmt: skip
    assert table.num_row_groups == 1


def test_geoparquet_names_the_extra_where_pyarrow_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadOption, match=r"pip install overtrace\[parquet\]"):
        open_sink(tmp_path / "crowns.parquet", make_header(make_grid()))
    assert not list(tmp_path.iterdir())


def test_an_unknown_extension_is_named(tmp_path):
    with pytest.raises(BadOutput, match=r"unknown extension '.shp': use one of .gpkg, .geojson"):
        open_sink(tmp_path / "crowns.shp", make_header(make_grid()))


@pytest.mark.parametrize("suffix", ALL)
def test_a_missing_folder_is_found_before_any_work(tmp_path, suffix):
    with pytest.raises(BadOutput, match="does not exist: create it first"):
        open_sink(tmp_path / "nowhere" / f"crowns{suffix}", make_header(make_grid()))


@pytest.mark.parametrize("suffix", ALL)
def test_rows_of_several_images_say_which(tmp_path, suffix):
    grid = make_grid()
    images = (ImageInfo("a.tif", grid), ImageInfo("b.tif", grid))
    header = Header(images, ("tree", "shrub"), grid.crs, "crowns")
    write_all(tmp_path / f"crowns{suffix}", header, [make_batch(grid, 3)])
    assert read_back(tmp_path / f"crowns{suffix}")[1]["image"].tolist() == ["a.tif"] * 3


def test_vector_tiles_show_every_object_where_it_lies(tmp_path):
    grid, path = make_grid(), tmp_path / "crowns.pmtiles"
    write_all(path, make_header(grid), [make_batch(grid, 40)])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    facts = pyogrio.read_info(path)
    assert facts["driver"] == "PMTiles"
    assert facts["fields"].tolist()[1:] == list(attributes(make_batch(grid, 1), make_header(grid)))
    meta, _, geometry, values = pyogrio.raw.read(path)
    ids = dict(zip(meta["fields"], values, strict=True))["id"]
    expected = make_batch(grid, 40)
    assert set(ids.tolist()) == set(expected.ids.tolist())
    move = Transformer.from_crs(grid.crs.to_wkt(), "EPSG:3857", always_xy=True)
    for number, polygon in zip(expected.ids.tolist(), expected.polygons, strict=True):
        there = shapely.union_all(shapely.from_wkb(geometry[ids == number]))
        x, y = move.transform(*polygon.centroid.coords[0])
        assert there.centroid.distance(shapely.Point(x, y)) < 1


def test_vector_tiles_need_a_place_on_the_ground(tmp_path):
    with pytest.raises(BadOption, match="the image has no CRS"):
        open_sink(tmp_path / "crowns.pmtiles", make_header(make_grid(None)))
