"""What can be wrong with the files of a contest: one line from ``overtrace train``, exit 1."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from overtrace.cli.main import main
from tests.support.ade20k import write_ade20k
from tests.support.commands import run
from tests.support.itc_sets import write_contest
from tests.support.spacenet import write_bands, write_solutions, write_town

pytest.importorskip("torch")

RECIPES = {
    "itc": 'kind = "mini"\nsize = "s"|reader = "itc"\nfolder = "Dataset_1"',
    "ade": 'kind = "scene"|reader = "ade20k"\noptions = { split = "training" }',
    "vegas": 'kind = "ternausnet_v2"\nwidth = 2|reader = "spacenet"\nfolder = "AOI_2_Vegas_Train"\n'
    'options = { bands = "rgb+mul" }',
}
JSON, PICTURE = "Dataset_1/train.json", "Dataset_1/images/1000.png"
PHOTO, MAP = (f"ADEChallengeData2016/{kind}/training/ADE_train_00000001" for kind in ("images", "annotations"))
RGB, MUL = (f"AOI_2_Vegas_Train/{kind}/{kind}_AOI_2_Vegas_img1.tif" for kind in ("RGB-PanSharpen", "MUL-PanSharpen"))
SOLUTIONS = "AOI_2_Vegas_Train/summaryData/AOI_2_Vegas_Train_Building_Solutions.csv"


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A set of each contest, with one image to learn."""
    path = tmp_path_factory.mktemp("good")
    write_contest(path / "itc", {0.1: 64}, images=2, to_answer=1)
    (path / "ade").mkdir()
    write_ade20k(path / "ade", training=1, validation=1)
    area = path / "vegas" / "AOI_2_Vegas_Train"
    write_solutions(area, {"AOI_2_Vegas_img1": write_town(area, "AOI_2_Vegas_img1", 64, 0)})
    return path


@pytest.fixture
def data(good, tmp_path) -> Path:
    """The same to be spoilt."""
    shutil.copytree(good, tmp_path / "data")
    return tmp_path / "data"


def write_recipe(contest: str, data: Path, changes: str = "") -> list[str]:
    """Write a recipe of one step; the arguments that train it."""
    network, source = RECIPES[contest].split("|")
    fit = "[fit]\nsteps = 1\nbatch = 2\ncrop_px = 32\nlearning_rate = 1e-3\n"
    card = (
        "[card]\nwindow = 64\nmargin = 8\nint8 = false\nscaling = { divisors = { uint8 = 255.0, uint16 = 2047.0 } }\n"
    )
    recipe = data / "recipe.toml"
    recipe.write_text(f'name = "bad"\n[network]\n{network}\n{fit}[[data]]\n{source}\n{changes}\n{card}')
    out = ("--out", data.parent / "run", "--accelerator", "cpu", "--threads", 1)
    return list(map(str, ["train", recipe, "--data", data / contest, *out]))


def train(contest: str, data: Path, monkeypatch, capsys, changes: str = "") -> tuple[int, str]:
    """Try to train on what is not in order; the exit status, and what was said on standard error."""
    monkeypatch.setattr(sys, "argv", ["overtrace", *write_recipe(contest, data, changes)])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code or 0, capsys.readouterr().err


def change_json(path: Path, row: int, **values: object) -> None:
    content = json.loads(path.read_text())
    content["annotations"][row] |= values
    path.write_text(json.dumps(content))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def write_labels(path: Path, value: int, height: int, width: int) -> None:
    Image.fromarray(np.full((height, width), value, np.uint8)).save(path)


SPOILT = {
    "itc, unreadable image": ("itc", lambda d: cut(d / PICTURE), "1000.png cannot be read as a picture"),
    "itc, image of another size": (
        "itc",
        lambda d: write_labels(d / PICTURE, 9, 60, 64),
        "1000.png is 60 x 64 pixels (height x width), its labels are for 64 x 64",
    ),
    "itc, images gone": (
        "itc",
        lambda d: shutil.rmtree(d / "Dataset_1/images"),
        "holds none of the 2 images of train.json, such as 1000.png",
    ),
    "itc, category of another": (
        "itc",
        lambda d: change_json(d / JSON, 0, category_id=7),
        "train.json /annotations/0/category_id: no category has the id 7",
    ),
    "itc, mask of another size": (
        "itc",
        lambda d: change_json(d / JSON, 0, segmentation={"size": [9, 9], "counts": [81]}),
        "/annotations/0/segmentation/size: found 9 x 9: the image is 64 x 64",
    ),
    "itc, no JSON": ("itc", lambda d: cut(d / JSON), "train.json line 1 column 301: no JSON"),
    "ade, unreadable image": ("ade", lambda d: cut(d / f"{PHOTO}.jpg"), "ADE_train_00000001.jpg cannot be read"),
    "ade, no partner": (
        "ade",
        lambda d: (d / f"{MAP}.png").unlink(),
        "none of the 1 images of",
    ),
    "ade, map of another size": (
        "ade",
        lambda d: write_labels(d / f"{MAP}.png", 3, 50, 40),
        "ADE_train_00000001.png is 40 x 50 pixels (width x height), its image is 128 x 96",
    ),
    "ade, value out of range": (
        "ade",
        lambda d: write_labels(d / f"{MAP}.png", 151, 96, 128),
        "ADE_train_00000001.png holds 151: wanted 1 to 150, or 0 for no class",
    ),
    "vegas, unreadable image": ("vegas", lambda d: cut(d / RGB), "RGB-PanSharpen_AOI_2_Vegas_img1.tif is damaged"),
    "vegas, no partner": ("vegas", lambda d: (d / MUL).unlink(), "1 images have no MUL-PanSharpen"),
    "vegas, bands of another size": (
        "vegas",
        lambda d: write_bands(d / MUL, 8, side=32),
        "MUL-PanSharpen_AOI_2_Vegas_img1.tif is 32 x 32 pixels",
    ),
    "vegas, no polygon": (
        "vegas",
        lambda d: (d / SOLUTIONS).write_text("ImageId,BuildingId,PolygonWKT_Pix\nAOI_2_Vegas_img1,1,LINE\n"),
        "line 2: AOI_2_Vegas_img1 has 'LINE': wanted POLYGON",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_file_that_is_not_in_order_is_one_line(data, monkeypatch, capsys, case):
    contest, spoil, said = SPOILT[case]
    spoil(data / contest)
    status, error = train(contest, data, monkeypatch, capsys)
    assert status == 1
    assert error.startswith("overtrace: error: ")
    assert error.count("\n") == 1
    assert said in error


def test_it_is_one_line_too_where_another_process_reads(data):
    cut(data / "itc" / PICTURE)
    cut(data / "itc" / PICTURE.replace("1000", "1001"))
    done = run(*write_recipe("itc", data), "--loaders", 1)
    error = done.stderr
    assert (done.returncode, error.count("\n")) == (1, 1)
    assert "images/100" in error.partition(" cannot be read as a picture: ")[0]
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('{ apart_from = "Dataset_1/none.json" }', "Dataset_1/none.json cannot be read as a list of images"),
        (
            '{ ids = "Dataset_1/other.json" }',
            "other.json lists 1 images, of which Dataset_1 has 0: find the list for it",
        ),
        ('{ apart_from = "Dataset_1/all.json" }', "all.json lists all 2 images of Dataset_1: find the right list"),
        ("{ ids = 3 }", "reader itc, option ids = 3: Input is not a valid path"),
        ('{ pixel_size_m = "5 cm" }', "reader itc, option pixel_size_m = '5 cm': Input should be a valid number"),
    ],
)
def test_options_that_do_not_fit(data, monkeypatch, capsys, options, said):
    (data / "itc/Dataset_1/other.json").write_text('{"9999.png": 9999}')
    (data / "itc/Dataset_1/all.json").write_text("[1000, 1001]")
    status, error = train("itc", data, monkeypatch, capsys, f"options = {options}")
    assert (status, error.count("\n")) == (1, 1)
    assert said in error


@pytest.mark.parametrize(
    ("reader", "options", "said"),
    [
        ("ade20k", 'split = "training"', "images/training is no folder: unpack the data set as its owners publish it"),
        ("camvid", 'split = "train"', "train is no folder: unpack the data set as its owners publish it"),
        ("coco", 'annotations = "a.json"', "a.json cannot be read"),
        ("fair", "", "holds no tile"),
        ("itc", "", "holds no COCO file"),
        ("labelme", "", "holds 0 pictures and 0 .json files"),
        ("neon", 'parts = "learned"', "does not exist"),
        ("neon", 'parts = "all"', "option parts = 'all': Input should be 'learned', 'tuned' or 'measured'"),
        ("spacenet", "", "holds no RGB-PanSharpen/RGB-PanSharpen_*.tif"),
        ("spacenet", 'bands = "mul"', "option bands = 'mul': Input should be 'rgb' or 'rgb+mul'"),
        ("urban_california", 'split = "train"', "splits.json"),
        ("vectors", 'polygons = "a.gpkg"', "holds no image"),
    ],
)
def test_every_reader_refuses_a_folder_that_is_not_its_own(data, monkeypatch, capsys, reader, options, said):
    (data / "itc" / "empty").mkdir()
    monkeypatch.setitem(
        RECIPES, "itc", f'kind = "mini"|reader = "{reader}"\nfolder = "empty"\noptions = {{ {options} }}'
    )
    status, error = train("itc", data, monkeypatch, capsys)
    assert (status, error.count("\n")) == (1, 1)
    assert said in error


def test_what_is_left_out_is_noted(data):
    folder = data / "itc" / "Dataset_1" / "images"
    Image.new("RGB", (64, 64)).save(folder / "stray.png")
    (folder / "1001.png").unlink()
    (folder / "notes.txt").write_text("not a picture")
    done = run(*write_recipe("itc", data))
    assert done.returncode == 0, done.stderr
    assert "Dataset_1: 1 images of train.json without a picture are left out: 1001.png" in done.stderr
    assert "Dataset_1: 1 pictures that train.json does not name are left out: images/stray.png" in done.stderr
