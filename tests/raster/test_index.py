"""Lists of images: which file each entry names, and when it was taken."""

import json
from datetime import UTC, datetime

import pyarrow
import pyarrow.parquet
import pytest

from overtrace.errors import BadImage
from overtrace.raster.index import Source, find_sources
from overtrace.raster.mosaic import MosaicRule, open_mosaic
from tests.raster.test_mosaic import seen, write

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def item(name, date, assets):
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": {"type": "Point", "coordinates": [15, 49]},
        "bbox": [15, 49, 15, 49],
        "properties": {"datetime": date},
        "links": [],
        "assets": assets,
    }


def asset(href, roles=("data",), kind=COG):
    return {"href": href, "type": kind, "roles": list(roles)}


def write_items(path, *items):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
    return path


def test_a_stac_item_collection_names_images_and_dates(tmp_path):
    preview = {"thumbnail": asset("a.png", ["thumbnail"], "image/png"), "meta": asset("a.xml", [], "text/xml")}
    path = write_items(
        tmp_path / "items.json",
        item("a", "2020-05-01T00:00:00Z", {"image": asset("./parts/a.tif"), **preview}),
        item(
            "b", "2021-05-01T00:00:00Z", {"visual": asset("https://x.org/b.tif"), "B4": asset("https://x.org/b4.tif")}
        ),
    )
    assert find_sources([path]) == [
        Source(f"{tmp_path}/./parts/a.tif", datetime(2020, 5, 1, tzinfo=UTC)),
        Source("https://x.org/b.tif", datetime(2021, 5, 1, tzinfo=UTC)),
    ]


def test_the_newest_by_stac_is_seen(tmp_path):
    write(tmp_path / "a.tif", 50)
    write(tmp_path / "b.tif", 90)
    dates = {"a": "2022-05-01T00:00:00Z", "b": "2021-05-01T00:00:00Z"}
    items = [item(name, date, {"image": asset(f"{name}.tif")}) for name, date in dates.items()]
    assert seen(open_mosaic([write_items(tmp_path / "items.json", *items)], MosaicRule("newest")), 5, 5) == 50
    items = items[::-1]
    assert seen(open_mosaic([write_items(tmp_path / "items.json", *items)], MosaicRule("first")), 5, 5) == 90


def test_a_parquet_index_names_images_as_gdaltindex_does(tmp_path):
    when = datetime(2022, 5, 1, tzinfo=UTC)
    table = pyarrow.table({"location": ["a.tif", "/b.tif"], "datetime": [when, None], "geometry": [b"", b""]})
    pyarrow.parquet.write_table(table, tmp_path / "index.parquet")
    assert find_sources([tmp_path / "index.parquet"]) == [Source(f"{tmp_path}/a.tif", when), Source("/b.tif")]


def test_a_parquet_index_names_images_as_stac_geoparquet_does(tmp_path):
    when = datetime(2022, 5, 1, tzinfo=UTC)
    assets = [{"image": asset("s3://b/a.tif"), "thumbnail": asset("a.png", ["thumbnail"], "image/png")}]
    table = pyarrow.table({"id": ["a"], "assets": assets, "datetime": [when]})
    pyarrow.parquet.write_table(table, tmp_path / "index.parquet")
    assert find_sources([tmp_path / "index.parquet"]) == [Source("s3://b/a.tif", when)]


def test_an_index_that_says_too_little_is_told(tmp_path):
    bands = {"B4": asset("a.tif"), "B3": asset("b.tif")}
    write_items(tmp_path / "bands.json", item("a", "2020-05-01T00:00:00Z", bands))
    write_items(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "text.parquet").write_text("no")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "other.parquet")
    for name, said in (
        ("bands.json", "item a has 2 assets that are images (B4, B3): wanted one, or one that is called image, "),
        ("none.json", "none.json names no image"),
        ("other.json", "other.json is no STAC item collection"),
        ("text.parquet", "text.parquet is no GeoParquet index"),
        ("other.parquet", "other.parquet has no column location or assets"),
        ("gone.json", "gone.json does not exist"),
    ):
        with pytest.raises(BadImage) as error:
            find_sources([tmp_path / name])
        assert said in str(error.value)
