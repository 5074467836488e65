import csv
import re
import shutil

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from benchmarks.pictures import open_folds  # noqa: E402
from overtrace.errors import BadOption  # noqa: E402
from overtrace.learn.finish import finish_run  # noqa: E402
from overtrace.learn.recipe import read_recipe  # noqa: E402
from overtrace.learn.run import Machine, run  # noqa: E402
from overtrace.models.card import read_card  # noqa: E402
from tests.support.images import noise, write_image  # noqa: E402
from tests.support.runs import run as run_command  # noqa: E402
from tests.support.runs import write_recipe, write_squares  # noqa: E402
from tests.support.tiny_rcnn import TINY_CHOICE  # noqa: E402

DATA = [{"reader": "labelme", "folder": "squares", "hold_out": 0.3}]
FILES = [
    "cache",
    "checkpoint.pt",
    "held-out",
    "losses.csv",
    "pictures",
    "recipe.toml",
    "scores.csv",
    "tensorboard",
    "validation",
]


class Notes:
    """What a run says."""

    def __init__(self):
        self.said = []

    def begin(self, task, steps, done):
        self.said.append(f"{task} {done} of {steps}")

    def advance(self, text):
        pass

    def say(self, text):
        self.said.append(text)


def train(folder, **changes):
    write_squares(folder / "squares", 4)
    recipe = write_recipe(folder / "r.toml", data=DATA, fit__steps=6, **{"validation": {"every": 4}, **changes})
    notes = Notes()
    machine = Machine("cpu", threads=1)
    return run(recipe, folder, folder / "out", machine, resume=False, progress=notes), notes.said


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, *train(folder)


def test_the_folder_of_a_run(trained):
    folder, summary, said = trained
    assert (summary["name"], summary["steps"]) == ("tiny", 6)
    assert summary["files"] == [str(folder / "out" / name) for name in ("tiny-fp32.onnx", "tiny.onnx")]
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted((*FILES, "tiny-fp32.onnx", "tiny.onnx"))
    assert (folder / "out" / "recipe.toml").read_bytes() == (folder / "r.toml").read_bytes()
    assert said[0] == "tiny 0 of 6"
    with (folder / "out" / "scores.csv").open() as file:
        assert [(row["step"], row["set"], row["rule"]) for row in csv.DictReader(file)] == [
            (step, "squares", "itc") for step in ("4", "6")
        ]
    for step in (4, 6):
        with Image.open(folder / "out" / "pictures" / f"squares-{step}.png") as picture:
            assert picture.size == (96, 100)


@pytest.mark.parametrize(("name", "precision", "other"), [("tiny-fp32", "fp32", "torch"), ("tiny", "int8", "fp32")])
def test_the_card_tells_what_was_measured(trained, name, precision, other):
    folder, summary, _ = trained
    card = read_card(folder / "out" / f"{name}.onnx")
    assert (card.name, card.precision, card.classes, card.window) == (name, precision, ("roof",), 64)
    assert re.fullmatch(rf"{re.escape((folder / 'r.toml').as_posix())} sha256 [0-9a-f]{{64}}", card.recipe)
    score, more, *agreement = card.scores
    assert (more.name, more.data) == ("AP50 with 8 views", score.data)
    assert (score.name, score.data) == ("AP50", "squares: 1 image, thresholds chosen on them")
    assert score.value == pytest.approx(summary["scores"][f"{name}: AP50 on squares"], abs=1e-6)
    assert [figure.name.split(":")[0] for figure in agreement] == [f"against {other}"] * 3
    assert {figure.data for figure in agreement} == {"16 windows of squares"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", figure.date) and figure.commit for figure in card.scores)
    difference, share = agreement[0].value, agreement[2].value
    assert share > 0.9
    assert precision == "int8" or difference < 1e-3


def test_trace_and_answer_run_the_file(trained):
    folder, *_ = trained
    write_image(folder / "a.tif", noise())
    model = folder / "out" / "tiny.onnx"
    done = run_command("trace", "a.tif", "--model", model, "--out", "a.gpkg", cwd=folder)
    assert done.returncode == 0, done.stderr
    held = folder / "out" / "held-out" / "squares"
    images = ("--images", held / "images", "--ids", held / "ids.json")
    done = run_command("answer", "itc", "--model", model, *images, "--out", "a.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "a.json").exists()


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """A cross-validation of two parts, the second of which is trained by itself first."""
    folder = tmp_path_factory.mktemp("folds")
    facts = {"data": [{"reader": "labelme", "folder": "squares"}], "fit__steps": 4}
    write_squares(folder / "squares", 4)
    recipe = write_recipe(folder / "r.toml", **facts, validation={"every": 4, "folds": 2, "fold_steps": 3})
    machine = Machine("cpu", threads=1)
    alone = run(recipe, folder, folder / "out", machine, resume=False, progress=Notes(), fold=2)
    before = (folder / "out" / "fold-2" / "checkpoint.pt").stat().st_mtime_ns
    notes = Notes()
    whole = run(recipe, folder, folder / "out", machine, resume=False, progress=notes)
    assert (folder / "out" / "fold-2" / "checkpoint.pt").stat().st_mtime_ns == before
    return folder, alone, whole, notes.said


def test_each_image_is_answered_by_a_network_that_did_not_learn_it(folded):
    folder, alone, whole, said = folded
    names = [{path.name for path in (folder / "out" / f"fold-{k}" / "held-out").rglob("*.tif")} for k in (1, 2)]
    assert (len(names[0]), len(names[1]), len(names[0] | names[1])) == (2, 2, 4)
    assert list(alone["scores"]) == ["itc on squares-0"]
    assert (alone["steps"], alone["files"], whole["steps"]) == (3, [], 4)
    assert len(whole["files"]) == 2
    assert [line for line in said if line.startswith("part")] == ["part 1 of 2", "part 2 of 2"]
    rows = [list(csv.reader((folder / "out" / place / "losses.csv").open())) for place in ("", "fold-1", "fold-2")]
    assert len({str(row) for row in rows}) == 3
    assert [len(row) for row in rows] == [5, 4, 4]


def test_pictures_of_parts_show_what_each_did_not_learn(folded, tmp_path):
    folder, *_ = folded
    recipe, card = read_recipe(folder / "r.toml"), read_card(folder / "out" / "tiny.onnx")
    ((reader, pairs),) = open_folds(recipe, card, folder / "out", folder, tmp_path)
    names = [group.data.names for _, group in pairs]
    assert (reader, len(set(names[0]) | set(names[1])), len(names[0])) == ("labelme", 4, 2)
    assert all(network.card.decode == card.decode for network, _ in pairs)
    with pytest.raises(BadOption, match="has no complete cross-validation: train its parts first, with --fold"):
        open_folds(recipe, card, tmp_path, folder, tmp_path)


def test_thresholds_of_parts_are_those_of_both_files(folded):
    folder, *_ = folded
    cards = [read_card(folder / "out" / f"{name}.onnx") for name in ("tiny-fp32", "tiny")]
    assert cards[0].decode == cards[1].decode
    for card in cards:
        assert [score.name for score in card.scores if "valid" in score.name] == [
            *("cross-validated AP50", "cross-validated AP50 with 8 views") * 2
        ]


def test_a_run_that_is_exported_again_keeps_its_thresholds(folded, tmp_path):
    folder, *_ = folded
    shutil.copytree(folder / "out", tmp_path / "out")
    before = read_card(tmp_path / "out" / "tiny.onnx")
    finish_run(tmp_path / "out", folder, Notes())
    after = read_card(tmp_path / "out" / "tiny.onnx")
    assert after.decode == before.decode
    assert [(score.name, score.value, score.data) for score in after.scores] == [
        (score.name, score.value, score.data) for score in before.scores
    ]
    # Without all parts nothing is said to be chosen on them.
    (tmp_path / "out" / "fold-2" / "checkpoint.pt").unlink()
    told = tmp_path / "out" / "recipe.toml"
    told.write_text(told.read_text().replace("validation = {", "validation = { views = false,"))
    finish_run(tmp_path / "out", folder, Notes())
    names = [score.name for score in read_card(tmp_path / "out" / "tiny.onnx").scores]
    assert names
    assert not any("valid" in name or "views" in name for name in names)


@pytest.mark.parametrize(("fold", "said"), [(3, "--fold 3: wanted 1 to 2"), (0, "--fold 0: wanted 1 to 2")])
def test_parts_that_are_not_there(folded, fold, said):
    folder, *_ = folded
    with pytest.raises(BadOption, match=said):
        run(folder / "r.toml", folder, folder / "new", Machine(), resume=False, progress=Notes(), fold=fold)
    assert not (folder / "new").exists()


def test_a_part_that_broke_off_is_gone_on_with_when_told(folded):
    folder, *_ = folded
    place = folder / "again" / "fold-1"
    place.mkdir(parents=True)
    held = torch.load(folder / "out" / "fold-1" / "checkpoint.pt", weights_only=True)
    torch.save({**held, "step": 2}, place / "checkpoint.pt")
    with pytest.raises(BadOption, match="fold-1 holds a run that broke off: go on with it with --resume"):
        run(folder / "r.toml", folder, folder / "again", Machine("cpu"), resume=False, progress=Notes())


def test_a_detector_from_data_to_file(tmp_path):
    card = {"window": 96, "margin": 16}
    summary, _ = train(tmp_path, network=TINY_CHOICE, card=card, fit__crop_px=64)
    # Detectors are not quantised.
    assert summary["files"] == [str(tmp_path / "out" / "tiny.onnx")]
    found = read_card(tmp_path / "out" / "tiny.onnx")
    assert (found.task, found.precision, found.name) == ("detections", "fp32", "tiny")
    assert found.scores[0].data == "squares: 1 image"
    assert found.scores[1].name.startswith("against torch: detections that score")


def test_a_recipe_without_steps_finishes_what_it_starts_from(trained, tmp_path):
    folder, *_ = trained
    write_squares(tmp_path / "squares", 4)
    checkpoint = str(folder / "out" / "checkpoint.pt")
    network = {"kind": "mini", "size": "s", "start": [checkpoint, checkpoint]}
    card = {"window": 64, "margin": 8, "int8": False}
    recipe = write_recipe(tmp_path / "r.toml", data=DATA, fit__steps=0, fit__warm_up=0, network=network, card=card)
    machine = Machine("cpu", threads=1)
    summary = run(recipe, tmp_path, tmp_path / "out", machine, resume=False, progress=Notes())
    assert summary["files"] == [str(tmp_path / "out" / "tiny.onnx")]
    held, made = (torch.load(place / "out" / "checkpoint.pt", weights_only=True) for place in (folder, tmp_path))
    assert made["step"] == 0
    assert all(torch.equal(value, made["average"][name]) for name, value in held["average"].items())
