import json

import rasterio

from benchmarks.record import Occasion, list_models, note_speeds, read_speeds
from benchmarks.scene import draw_houses, write_image
from benchmarks.shipped import HEAD, measure_file, show_row
from overtrace.models.metadata import digest_network
from overtrace.models.shipped import shipped
from tests.support.identity_model import write_identity_model

OCCASION = Occasion("a machine", "today", "abc", "0")
SPEEDS = ("openvino", "onnxruntime", "whole")


def test_a_file_is_measured_alone_and_in_a_trace(tmp_path):
    path = write_identity_model(tmp_path / "a.onnx", window=128, margin=16)
    found = measure_file(path, 300, OCCASION)
    assert found["of"].startswith("300 x 300 px of crowns at 0.25 m, ")
    assert min(found[name] for name in SPEEDS) > 0
    assert (found["network"], found["bytes"]) == (digest_network(path), path.stat().st_size)
    assert show_row("a", found).count("|") == HEAD[-1].count("|")


def test_buildings_are_measured_on_roofs(tmp_path):
    path = write_identity_model(
        tmp_path / "a.onnx", window=128, margin=16, classes=("building",), pixel_size_m=(0.3, 0.6)
    )
    assert "roofs at 0.3 m" in measure_file(path, 300, OCCASION)["of"]


def test_classes_are_measured_on_photos(tmp_path):
    facts = {"task": "classes", "classes": ("sky", "building", "pole"), "planes": (), "pixel_size_m": None}
    path = write_identity_model(tmp_path / "a.onnx", window=480, margin=0, **facts)
    found = measure_file(path, 600, OCCASION)
    assert found["of"] == "2 photos of 480 x 360 px"
    assert min(found[name] for name in SPEEDS) > 0


def test_near_infrared_is_a_fourth_band(tmp_path):
    path = write_image(tmp_path / "a.tif", 100, bands=4, draw=lambda *box: draw_houses(*box)[[0, 1, 2, 1]])
    with rasterio.open(path) as image:
        assert image.count == 4
        assert [name.name for name in image.colorinterp] == ["red", "green", "blue", "undefined"]


def test_what_was_measured_before_stays(tmp_path):
    path = tmp_path / "shipped.json"
    assert read_speeds(path) == {}
    note_speeds({"b": {"whole": 1}, "a": {"whole": 2}}, path)
    note_speeds({"b": {"whole": 3}}, path)
    assert read_speeds(path) == {"a": {"whole": 2}, "b": {"whole": 3}}
    assert list(json.loads(path.read_text())) == ["a", "b"]


def test_the_models_of_the_project_are_found_where_they_lie(tmp_path):
    for name in ("src/overtrace/models/files/b.onnx", "packages/x/src/x/files/a.onnx", "src/c.onnx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(list_models(tmp_path)) == ["a", "b"]
    assert {name: path for name, path in list_models().items() if "packages" not in path.parts} == shipped()
