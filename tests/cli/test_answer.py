import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from overtrace.challenges.truth import write_truth
from tests.support.drawn import draw_objects, gather
from tests.support.identity_model import write_identity_model
from tests.support.images import noise, write_image
from tests.support.networks import write_conv_model


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("contest")
    data = gather([draw_objects("a", 40, 50, [(4, 14, 3, 13), (20, 29, 30, 37)]), draw_objects("b", 41, 33, [])])
    write_truth("itc", data, path / "held")
    write_identity_model(path / "m.onnx", window=64, margin=8)
    return path


ARGUMENTS = ("answer", "itc", "--model", "m.onnx", "--images", "held/images", "--ids", "held/ids.json")


def test_an_answer_is_written_checked_and_scored(folder):
    done = run(*ARGUMENTS, "--out", "a.json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.sub(r"[\d.]+ s", "0 s", done.stdout) == "2 images, 2 objects in 0 s\nwrote a.json\n"
    done = run("check", "itc", "--answers", "a.json", "--ids", "held/ids.json", cwd=folder)
    assert done.stdout == "a.json is in order for itc: 1 file, 1 image, 2 detections\n"
    done = run("score", "itc", "--truth", "held/truth.json", "--answers", "a.json", cwd=folder)
    assert done.stdout.splitlines()[-1] == "itc (itc-default100): 1.0"


def test_all_options_and_the_summary_as_json(folder):
    (folder / "one.json").write_text('{"a": 4}')
    done = run(
        *ARGUMENTS[:-1], "one.json", "--out", "b.json", "--pixel-size", 0.3, "--bands", "3,2,1", "--workers", 1,
        "--decode", "interior=200,min_area_px=64", "--min-score", 0.5, "--runtime", "onnxruntime",
        "--views", 8, "--json", cwd=folder,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found.pop("seconds") > 0
    note = "left out what one.json does not name: b"
    # With red and blue the other way round the first is 8 x 8 pixels, and the second 7 x 5.
    assert found == {"challenge": "itc", "images": 1, "objects": 1, "notes": [note], "output": "b.json"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("answer", "itc", "--model", "no.onnx"), "no.onnx does not exist: check the path"),
        (("answer", "camvid", "--model", "m.onnx"), "identity answers planes, camvid wants classes: use another model"),
        (("answer", "itc", "--model", "m.onnx"), "give the list of the contest with --ids"),
        (("answer", "trees", "--model", "m.onnx", "--decode", "x=1"), "--decode x is unknown"),
        (
            ("answer", "trees", "--model", "m.onnx", "--decode", "peak_px=9,min_seed_px=1"),
            "--decode peak_px=9: wanted at most the margin of identity, 8",
        ),
        (
            ("answer", "trees", "--model", "m.onnx", "--decode", "peak_px=2"),
            "--decode: peaks are seeds of 1 pixel: where peak_px is not 0, min_seed_px=1 is wanted",
        ),
        (("answer", "itc", "--model", "m.onnx", "--views", 2), "--views 2: identity answers planes: use 1 or 8"),
        (("answer", "trees", "--model", "m.onnx", "--see-at", 2000), "--see-at 2000: identity sees 0.001 to 1000 m"),
        (("answer", "trees", "--model", "m.onnx", "--see-at", 0.5), "does not say its scale: give --pixel-size too"),
        (("answer", "trees", "--model", "m.onnx", "--workers", -1), "--workers -1: wanted how many images"),
    ],
)
def test_what_does_not_fit_is_one_line(folder, arguments, said):
    before = sorted(folder.rglob("*"))
    done = run(*arguments, "--images", "held/images", "--out", "no.json", cwd=folder)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("overtrace: error: ")
    assert said in line
    assert sorted(folder.rglob("*")) == before


def test_it_looks_as_often_as_it_can(folder):
    write_conv_model(folder / "conv.onnx", pixel_size_m=None)
    write_image(folder / "noise.tif", noise(90, 120))
    texts = []
    for views in ([], ["--views", 8], ["--views", 1]):
        options = ("--decode", "distance=2,touch=255,min_seed_px=1,min_area_px=1", *views, "--out", "v.csv")
        done = run("answer", "trees", "--model", "conv.onnx", "--images", "noise.tif", *options, cwd=folder)
        assert done.returncode == 0, done.stderr
        texts.append((folder / "v.csv").read_text())
    assert texts[0] == texts[1] != texts[2]
