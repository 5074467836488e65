"""The report: complete, alone, and alive in a browser."""

import json
import re

import numpy as np
import pytest
import rasterio

from overtrace.errors import BadOutput
from overtrace.models.card import Card, Score
from overtrace.raster.source import open_raster
from overtrace.trace import report
from overtrace.trace.report import open_report
from overtrace.vector.tables import Batch, Header, ImageInfo
from tests.support.browser import Watch
from tests.support.objects import make_batch, small_disk

CARD = Card(
    name="trees",
    version="9",
    task="planes",
    classes=("tree", "shrub"),
    bands=("red", "green", "blue"),
    pixel_size_m=(0.1, 0.6),
    window=512,
    margin=64,
    planes=("interior", "touch", "distance"),
    precision="int8",
    licence="CC-BY-4.0",
    attribution=("Imagery: somebody",),
    training="On </script> trees.",
    recipe="recipes/trees.py",
    scores=(
        Score(name="F1", value=0.5, data="val", by="rule", date="2026-01-01", commit="0"),
        Score(name="against torch: share of pixels", value=1, data="val", by="rule", date="2026-01-01", commit="0"),
    ),
    summary="Tree crowns.",
)


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "forest.tif"
    values = np.random.default_rng(0).integers(60, 120, (3, 200, 1000)).astype(np.uint8)
    options = {"driver": "GTiff", "count": 3, "height": 200, "width": 1000, "dtype": "uint8", "photometric": "rgb"}
    transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_000_000)
    with rasterio.open(path, "w", crs="EPSG:32612", transform=transform, **options) as image:
        image.write(values)
    return open_raster(path)


def make_header(raster) -> Header:
    return Header((ImageInfo("<forest>.tif", raster.grid),), CARD.classes, raster.grid.crs, "trees")


def write_report(path, raster, batches: list[Batch]) -> str:
    page = open_report(path, make_header(raster), raster=raster, card=CARD)
    for batch in batches:
        page.write(batch)
    page.finish({"objects": 100, "area_m2": 300.0, "cover": 0.25, "megapixels": 0.2, "seconds": {"network": 1.5}})
    page.commit()
    return path.read_text(encoding="utf-8")


def facts_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_holds_all_it_needs(tmp_path, raster):
    page = write_report(
        tmp_path / "a.html", raster, [make_batch(raster.grid, 60), make_batch(raster.grid, 40, first=60)]
    )
    facts = facts_of(page)
    assert facts["total"] == len(facts["columns"]["id"]) == 100
    assert facts["card"]["training"] == "On </script> trees."
    assert [score["name"] for score in facts["card"]["scores"]] == ["F1"]
    assert facts["columns"]["area_m2"] == [3] * 100
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_of_many_objects_a_sample_is_kept_and_said(tmp_path, raster, monkeypatch):
    monkeypatch.setattr(report, "MAX_OBJECTS", 30)
    batches = [make_batch(raster.grid, 10, first=10 * i) for i in range(20)]
    one = facts_of(write_report(tmp_path / "a.html", raster, batches))
    other = facts_of(write_report(tmp_path / "b.html", raster, batches[::-1]))
    assert (one["total"], len(one["columns"]["id"])) == (200, 30)
    assert one == other


def test_no_objects_make_a_page(tmp_path, raster):
    assert facts_of(write_report(tmp_path / "a.html", raster, []))["columns"] == {}


def test_a_full_disk_leaves_no_file(tmp_path, raster):
    with small_disk(tmp_path / "disk", 40) as disk:
        with pytest.raises(BadOutput, match="no space left"):
            write_report(disk / "a.html", raster, [make_batch(raster.grid, 100)])
        assert not list(disk.iterdir())


@pytest.fixture
def open_page(browser):
    """A page, which must neither complain nor ask for anything but itself."""
    watch = Watch()
    page = watch.see(browser.new_page(viewport={"width": 1400, "height": 900}))
    yield page
    watch.check("file:", "data:", "blob:")
    page.close()


def spot(page, col: float, row: float) -> tuple[float, float]:
    """Where a pixel of the image is on the screen now."""
    scale, x, y = page.evaluate("[view.scale, view.x, view.y]")
    return x + scale * col, y + scale * row


def settle(page) -> None:
    """Wait until what was asked for is drawn; the page forbids the strings as code that playwright's waits use."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def colour_at(page, x: float, y: float) -> list[int]:
    return page.evaluate(
        "([x, y]) => [...document.getElementById('map').getContext('2d').getImageData(x, y, 1, 1).data]", [x, y]
    )


def open_report_in(page, tmp_path, raster, count=100):
    write_report(tmp_path / "a.html", raster, [make_batch(raster.grid, count)])
    page.goto((tmp_path / "a.html").as_uri())
    page.evaluate("picture.decode()")
    settle(page)


def test_a_click_on_an_object_shows_its_attributes(tmp_path, raster, open_page):
    open_report_in(open_page, tmp_path, raster)
    # The fourth object: columns 30 to 34, with a hole of 2 x 2 in the middle.
    open_page.mouse.click(*spot(open_page, 30.5, 0.5))
    panel = open_page.inner_text("#object")
    assert "shrub" in panel
    assert "3 m²" in panel
    assert "12 m" in panel
    open_page.mouse.click(*spot(open_page, 37, 2))
    assert "Click an outline" in open_page.inner_text("#object")
    open_page.mouse.click(*spot(open_page, 32, 2))
    assert "Click an outline" in open_page.inner_text("#object"), "a hole is not part of the object"


def test_wheel_buttons_keys_and_drag_move_the_map(tmp_path, raster, open_page):
    open_report_in(open_page, tmp_path, raster)
    start = open_page.evaluate("view.scale")
    fixed = spot(open_page, 300, 100)
    open_page.mouse.move(*fixed)
    open_page.mouse.wheel(0, -200)
    settle(open_page)
    assert open_page.evaluate("view.scale") > 1.2 * start
    assert spot(open_page, 300, 100) == pytest.approx(fixed, abs=1), "the pixel under the pointer stays"
    open_page.mouse.down()
    open_page.mouse.move(fixed[0] + 80, fixed[1] - 40, steps=4)
    open_page.mouse.up()
    assert spot(open_page, 300, 100) == pytest.approx((fixed[0] + 80, fixed[1] - 40), abs=1)
    assert "Click an outline" in open_page.inner_text("#object"), "a drag is not a click"
    open_page.click("#zoom-out")
    open_page.keyboard.press("0")
    open_page.click("#fit")
    assert open_page.evaluate("view.scale") == pytest.approx(start)


def test_outlines_fill_and_image_are_drawn_where_they_lie(tmp_path, raster, open_page):
    open_report_in(open_page, tmp_path, raster)
    open_page.evaluate("view.scale = 10; view.x = 300 - 10 * 510; view.y = 100; redraw()")
    settle(open_page)
    x, y = spot(open_page, 510, 2)
    red, green, blue, _ = colour_at(open_page, x, y)
    assert red > 180, "the left side of an object is yellow"
    assert green > blue + 60
    assert max(colour_at(open_page, *spot(open_page, 506, 2))[:3]) < 140, "the image lies between the objects"
    open_page.uncheck("#show-outlines")
    open_page.uncheck("#show-image")
    settle(open_page)
    assert colour_at(open_page, x, y) == [0, 0, 0, 0]


def test_panels_say_what_was_traced_and_by_what(tmp_path, raster, open_page):
    open_report_in(open_page, tmp_path, raster)
    text = open_page.inner_text("aside")
    traced = ("<forest>.tif", "100\nobjects", "300\nm² of objects", "25 %", "EPSG:32612", "1.5 s")
    model = ("trees 9 (int8)", "CC-BY-4.0", "On </script> trees.", "Imagery: somebody")
    for part in traced + model:
        assert part in text
    assert open_page.locator("#histogram rect").count() > 0


def test_an_empty_report_opens(tmp_path, raster, open_page):
    open_report_in(open_page, tmp_path, raster, count=0)
    assert "No objects." in open_page.inner_text("aside")
