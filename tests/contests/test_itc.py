"""The tree crown contest by the command line: three data sets, three pixel sizes, one model."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.support.commands import run_well
from tests.support.itc_sets import write_contest

pytest.importorskip("torch")

SIZES = {0.02: 256, 0.05: 160, 0.1: 128}
"""Metres a pixel, and pixels along a side, of each data set."""
LIST = "validation_img_id.json"
FOLDERS = [part for number in (1, 2, 3) for part in ("--images", f"contest/Dataset_{number}/images")]

MINI = '[network]\nkind = "mini"\nsize = "s"\n'
MASK_RCNN = """
[network]
kind = "mask_rcnn"
[network.settings]
pixel_std = [58.0, 58.0, 58.0]
blocks = [1, 1, 1, 1]
width = 16
norm = "group"
frozen_stages = 0
pyramid_width = 32
box_width = 64
mask_layers = 2
anchor_sizes = [12, 24, 48, 96, 192]
anchor_ratios = [1.0]
anchor_batch = 64
region_batch = 64
proposals_before_train = 200
proposals_before = 200
proposals_after_train = 100
proposals_after = 100
"""
DATA = """
[[data]]
reader = "itc"
folder = "Dataset_{number}"
options = {{ pixel_size_m = {pixel_size_m}, apart_from = "validation_img_id.json" }}
weight = {weight}
pixel_size_m = [0.02, 0.1]
own_size = 0.5
hold_out = 0.2
challenge = "itc"
"""


def write_recipe(path: Path, network: str, steps: int, batch: int) -> Path:
    head = f'name = "{path.stem}"\nseed = 1\n'
    fit = (
        f"[fit]\nsteps = {steps}\nbatch = {batch}\ncrop_px = 128\nlearning_rate = 4e-3\nwarm_up = 10\naverage = 0.9\n"
        f"[validation]\nevery = {steps}\ntune = false\n[card]\nwindow = 256\nmargin = 32\nint8 = false\n"
    )
    sets = [
        DATA.format(number=number, pixel_size_m=size, weight=weight)
        for number, size, weight in zip((1, 2, 3), SIZES, (0.4, 0.3, 0.3), strict=True)
    ]
    path.write_text("".join([head, network, fit, *sets]))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("itc")
    write_contest(path / "contest", SIZES, images=6, to_answer=2)
    return path


@pytest.mark.parametrize(
    ("name", "network", "steps", "batch"),
    [pytest.param("mini", MINI, 80, 8, id="mini"), pytest.param("rcnn", MASK_RCNN, 80, 4, id="mask_rcnn")],
)
def test_one_model_answers_data_sets_of_three_pixel_sizes(folder, name, network, steps, batch):
    write_recipe(folder / f"{name}.toml", network, steps, batch)
    train = ("train", f"{name}.toml", "--data", "contest", "--accelerator", "cpu", "--threads", 1)
    told = json.loads(run_well(*train, "--json", cwd=folder))
    held = [f"{name}: AP50 on Dataset_{number}-{number - 1}" for number in (1, 2, 3)]
    assert list(told["scores"]) == held
    assert min(told["scores"].values()) > 0.3
    for number in (1, 2, 3):
        with Image.open(folder / f"runs/{name}/pictures/Dataset_{number}-{number - 1}-{steps}.png") as sheet:
            assert sheet.width == list(SIZES.values())[number - 1]

    # PNGs state no pixel size: each is seen at its own, which is one that the model was trained for.
    answer = ("answer", "itc", "--model", f"runs/{name}/{name}.onnx", *FOLDERS, "--ids", f"contest/{LIST}")
    assert "\nnote: left out what" in run_well(*answer, "--out", f"{name}.json", cwd=folder)
    said = run_well("check", "itc", "--answers", f"{name}.json", "--ids", f"contest/{LIST}", cwd=folder)
    assert said.startswith(f"{name}.json is in order for itc: 1 file, 6 images, ")
    score = ("score", "itc", "--truth", "contest/kept_by_the_owners", "--answers", f"{name}.json")
    run_well(*score, "--json", f"{name}-score.json", cwd=folder)
    scored = json.loads((folder / f"{name}-score.json").read_text())
    parts = {part["name"]: part["numbers"]["AP50"] for part in scored["parts"]["data_sets"]}
    assert list(parts) == ["Dataset_1", "Dataset_2", "Dataset_3"]
    assert scored["score"] == pytest.approx(sum(parts.values()) / 3)
    assert min(parts.values()) > 0.3
    assert scored["score"] > 0.7

    trace = ("trace", "contest/Dataset_3/images/3005.png", "--model", f"runs/{name}/{name}.onnx")
    run_well(*trace, "--out", f"{name}.geojson", cwd=folder)
    answered = [row["image_id"] for row in json.loads((folder / f"{name}.json").read_text())]
    traced = json.loads((folder / f"{name}.geojson").read_text())["features"]
    # Where detections overlap, a map has the surer one alone; the contest is told both.
    assert 0.9 * answered.count(3005) <= len(traced) <= answered.count(3005)
