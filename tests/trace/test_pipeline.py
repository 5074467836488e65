"""The whole line, on a drawn canopy whose planes are known: a network that answers with its input."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.transform import Affine

from benchmarks.scene import write_image
from overtrace.errors import BadManifest, BadOption, BadOutput, OvertraceError
from overtrace.raster import pyramid
from overtrace.trace.options import Length, Options
from overtrace.trace.pipeline import trace
from tests.support.identity_model import write_identity_model

SIZE = 1700


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> tuple[Path, Path]:
    """An image of 20 cells or so, and the model that reads its planes."""
    folder = tmp_path_factory.mktemp("scene")
    return write_image(folder / "canopy.tif", SIZE), write_identity_model(folder / "identity.onnx")


def read_table(path: Path) -> tuple[np.ndarray, ...]:
    """Columns and geometries of a file of polygons, by id."""
    meta, _, geometry, columns = pyogrio.raw.read(path)
    table = dict(zip(meta["fields"], columns, strict=True))
    order = np.argsort(table["id"])
    return geometry[order], *(table[name][order] for name in sorted(table))


def run(scene, out: Path, **options) -> tuple[np.ndarray, ...]:
    trace([scene[0]], [out], Options(model=str(scene[1]), **options))
    return read_table(out)


@pytest.fixture(scope="module")
def expected(scene, tmp_path_factory) -> tuple[np.ndarray, ...]:
    return run(scene, tmp_path_factory.mktemp("expected") / "whole.gpkg", block=4096, workers=1)


def assert_same(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other), "a column differs"


@pytest.mark.parametrize(
    ("block", "workers", "executor"),
    [(256, 2, "threads"), (512, 1, "threads"), (777, 2, "processes"), (1024, 1, "processes"), (2048, 2, "threads")],
)
def test_the_answer_does_not_depend_on_how_it_is_cut(scene, expected, tmp_path, block, workers, executor):
    assert len(expected[0]) > 800
    assert_same(run(scene, tmp_path / "cut.gpkg", block=block, workers=workers, executor=executor), expected)


@pytest.mark.parametrize(("groups", "fan"), [(1, 2), (4, 3), (9, 8)])
def test_the_answer_does_not_depend_on_how_blocks_are_grouped(scene, expected, tmp_path, monkeypatch, groups, fan):
    monkeypatch.setattr(pyramid, "GROUPS_WANTED", groups)
    monkeypatch.setattr(pyramid, "FAN", fan)
    assert [len(layer) for layer in pyramid.lay_layers(5, 5)][:2] == [25, {1: 1, 4: 9, 9: 25}[groups]]
    assert_same(run(scene, tmp_path / "grouped.gpkg", block=256, workers=2), expected)


def test_a_learned_score_does_not_depend_on_how_it_is_cut(scene, expected, tmp_path):
    scorer = (-2.0, 3.1, 1.7, 4.3, 0.1, -0.2, 0.3, 0.7, -1.1, 0.9)
    model = write_identity_model(tmp_path / "scorer.onnx", decode={"scorer": scorer})
    whole = run((scene[0], model), tmp_path / "whole.gpkg", block=4096, workers=1)
    assert_same(run((scene[0], model), tmp_path / "cut.gpkg", block=256, workers=2), whole)
    # Polygons are the same, scores are not.
    assert np.array_equal(whole[0], expected[0])
    assert not all(np.array_equal(one, other) for one, other in zip(whole, expected, strict=True))


@pytest.mark.parametrize("simplify", [Length(0, "px"), Length(0.75, "px"), Length(0.6, "m")])
def test_polygons_fit_before_and_after_simplification(scene, tmp_path, simplify):
    geometry, *_ = run(scene, tmp_path / "out.gpkg", simplify=simplify, decode={"min_area_px": 1})
    polygons = shapely.from_wkb(geometry)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)


def test_areas_without_simplification_are_those_of_the_label_raster(scene, tmp_path):
    trace(
        [scene[0]],
        [tmp_path / "out.gpkg", tmp_path / "labels.tif"],
        Options(model=str(scene[1]), simplify=Length(0, "px"), block=512),
    )
    meta, _, geometry, columns = pyogrio.raw.read(tmp_path / "out.gpkg")
    table = dict(zip(meta["fields"], columns, strict=True))
    with rasterio.open(tmp_path / "labels.tif") as labels, rasterio.open(scene[0]) as image:
        assert (labels.transform, labels.crs, labels.shape) == (image.transform, image.crs, image.shape)
        ids, counts = np.unique(labels.read(1), return_counts=True)
        pixel_m2 = labels.res[0] * labels.res[1]
    order = np.argsort(table["id"])
    np.testing.assert_array_equal(table["id"][order], ids[1:])
    np.testing.assert_allclose(shapely.area(shapely.from_wkb(geometry))[order], counts[1:] * pixel_m2, rtol=1e-9)
    np.testing.assert_allclose(table["area_m2"][order], counts[1:] * pixel_m2, rtol=1e-9)


def start(scene, out: Path, *more: str) -> subprocess.Popen:
    code = "from overtrace.cli.main import main; main()"
    arguments = ["trace", str(scene[0]), "--out", str(out), "--model", str(scene[1]), "--block", "256", *more]
    # A group of its own, so that its worker processes can be killed with it.
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_run_that_is_killed_again_and_again_resumes_to_the_same_answer(scene, expected, tmp_path, executor):
    out = tmp_path / "killed.gpkg"
    scratch = tmp_path / ".killed.gpkg.scratch" / "image-00000"
    chance = random.Random(executor)
    for more in (0, 8, 20):
        process = start(scene, out, "--resume", "--executor", executor)
        blocks = len(list(scratch.rglob("*-*"))) + more + chance.randrange(4)
        while process.poll() is None and len(list(scratch.rglob("*-*"))) < blocks:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not out.exists()
    assert len(list(scratch.rglob("*-*"))) > 0
    process = start(scene, out, "--resume", "--executor", executor)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert_same(read_table(out), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.gpkg"]


def break_off(scene, out: Path, **options) -> None:
    """A run that ends in the middle, its scratch folder kept."""

    class Impatient:
        left = 5

        def begin(self, task: str, pixels: int) -> None:
            pass

        def advance(self, pixels: int) -> None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

        def say(self, text: str) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        trace([scene[0]], [out], Options(model=str(scene[1]), block=256, **options), progress=Impatient())


def test_damaged_scratch_files_are_made_again(scene, expected, tmp_path):
    out = tmp_path / "out.gpkg"
    break_off(scene, out)
    first, second, *_ = sorted((tmp_path / ".out.gpkg.scratch" / "image-00000").rglob("answer-*"))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 255
    first.write_bytes(content)
    second.write_bytes(b"")
    assert_same(run(scene, out, block=256, resume=True), expected)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"block": 512}, "block"),
        ({"simplify": Length(2, "px")}, "simplify"),
        ({"decode": {"touch": 90}}, "parameters"),
        ({"pixel_size_m": 0.3}, "pixel_size_m"),
        ({"see_at_m": 0.6}, "see_at_m"),
    ],
)
def test_resuming_with_other_parameters_is_refused_and_loses_nothing(scene, tmp_path, change, named):
    out = tmp_path / "out.gpkg"
    break_off(scene, out)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(BadManifest, match=f"cannot resume: {named} was"):
        run(scene, out, **{"block": 256, "resume": True} | change)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_resuming_with_another_image_is_refused(scene, tmp_path):
    out = tmp_path / "out.gpkg"
    break_off(scene, out)
    other = write_image(tmp_path / "other.tif", 300)
    with pytest.raises(BadManifest, match="cannot resume: images was"):
        run((other, scene[1]), out, block=256, resume=True)


def test_small_and_unsure_objects_can_be_left_out(scene, expected, tmp_path):
    geometry, area, *_ = run(scene, tmp_path / "large.gpkg", min_area_m2=60)
    assert 0 < len(geometry) < len(expected[0])
    assert area.min() > 55
    trace([scene[0]], [tmp_path / "sure.geojson"], Options(model=str(scene[1]), min_score=0.8))
    scores = [f["properties"]["score"] for f in json.loads((tmp_path / "sure.geojson").read_text())["features"]]
    assert 0 < len(scores) < len(expected[0])
    assert min(scores) >= 0.8


def test_nodata_gives_no_objects_and_does_not_change_those_beside_it(scene, tmp_path):
    with rasterio.open(scene[0]) as image:
        pixels, profile = image.read(), image.profile
    pixels[:, 600:900] = 0
    holed = tmp_path / "holed.tif"
    with rasterio.open(holed, "w", **profile | {"nodata": 0}) as image:
        image.write(pixels)
    geometry, *_ = run((holed, scene[1]), tmp_path / "holed.gpkg")
    bounds = shapely.bounds(shapely.from_wkb(geometry))
    top, bottom = profile["transform"].f - 600 * 0.25, profile["transform"].f - 900 * 0.25
    assert ((bounds[:, 1] >= top - 0.01) | (bounds[:, 3] <= bottom + 0.01)).all()


def test_a_rotated_image_is_traced_where_it_lies(scene, tmp_path):
    with rasterio.open(scene[0]) as image:
        pixels, profile = image.read()[:, :400, :400], image.profile
    for name, transform in (
        ("straight", profile["transform"]),
        ("rotated", profile["transform"] @ Affine.rotation(30)),
    ):
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", **profile | {"width": 400, "height": 400, "transform": transform}
        ) as image:
            image.write(pixels)
    straight = shapely.from_wkb(run((tmp_path / "straight.tif", scene[1]), tmp_path / "straight.gpkg")[0])
    rotated = shapely.from_wkb(run((tmp_path / "rotated.tif", scene[1]), tmp_path / "rotated.gpkg")[0])
    turn = profile["transform"] @ Affine.rotation(30) @ ~profile["transform"]
    moved = shapely.transform(straight, lambda xy: np.stack(turn * (xy[:, 0], xy[:, 1]), axis=1))
    assert shapely.equals_exact(moved, rotated, tolerance=1e-6, normalize=True).all()


def test_several_images_go_into_one_table(scene, tmp_path):
    folder = tmp_path / "tiles"
    folder.mkdir()
    write_image(folder / "a.tif", 300)
    write_image(folder / "b.tif", 200)
    summary = trace([folder], [tmp_path / "both.gpkg"], Options(model=str(scene[1])))
    assert summary["images"] == 2
    meta, _, _, columns = pyogrio.raw.read(tmp_path / "both.gpkg")
    assert set(columns[list(meta["fields"]).index("image")]) == {"a.tif", "b.tif"}


@pytest.mark.parametrize(
    ("outs", "options", "error"),
    [
        (["out.shapefile"], {}, BadOutput),
        (["nowhere/out.gpkg"], {}, BadOutput),
        (["a.gpkg", "a.gpkg"], {}, BadOutput),
        ([], {}, BadOption),
        (["out.gpkg"], {"block": 0}, BadOption),
        (["out.gpkg"], {"decode": {"nonsense": 1}}, BadOption),
        (["out.gpkg"], {"decode": {"touch": 300}}, BadOption),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(scene, tmp_path, outs, options, error):
    with pytest.raises(error):
        trace([scene[0]], [tmp_path / out for out in outs], Options(model=str(scene[1]), **options))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_an_older_output_as_it_was(scene, tmp_path):
    out = tmp_path / "out.gpkg"
    out.write_text("precious")
    break_off(scene, out)
    assert out.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.gpkg.scratch", "out.gpkg"]


def test_a_full_disk_is_one_line_and_can_be_resumed(scene, expected, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        with pytest.raises(OvertraceError, match=r"make room|free some"):
            run(scene, tmp_path / "out.gpkg", block=256, scratch=small / "scratch")
        assert not (tmp_path / "out.gpkg").exists()
        subprocess.run(["mount", "-o", "remount,size=60m", small], check=True)
        assert_same(run(scene, tmp_path / "out.gpkg", block=256, scratch=small / "scratch", resume=True), expected)
    finally:
        subprocess.run(["umount", small], check=True)


def test_two_runs_do_not_work_in_one_scratch_folder(scene, tmp_path):
    scratch = tmp_path / "scratch" / ".out.gpkg.scratch"
    scratch.mkdir(parents=True)
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (scratch / "process").write_text(str(other.pid))
        with pytest.raises(BadManifest, match=f"process {other.pid} is working in"):
            run(scene, tmp_path / "out.gpkg", scratch=tmp_path / "scratch")
        assert (scratch / "process").read_text() == str(other.pid)
    finally:
        other.communicate(b"\n")
    (tmp_path / "scratch" / "precious").write_text("not ours")
    run(scene, tmp_path / "out.gpkg", scratch=tmp_path / "scratch")
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["precious"]
