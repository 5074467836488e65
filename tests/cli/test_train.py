import json
import subprocess
import sys

import pytest

from overtrace.cli.main import main
from overtrace.models.card import read_card
from tests.support.runs import run, write_recipe, write_squares

CODE = """
import sys
from importlib.machinery import PathFinder

class Absent(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {hidden} else super().find_spec(name, path, target)

sys.meta_path = [Absent if finder is PathFinder else finder for finder in sys.meta_path]
from overtrace.cli.main import main
main()
"""


def run_without(hidden, *arguments, cwd):
    command = [sys.executable, "-c", CODE.format(hidden=hidden), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    write_squares(folder / "squares", 3)
    write_recipe(folder / "good.toml", card={"window": 64, "margin": 8, "int8": False}, fit__steps=2)
    write_recipe(folder / "steps.toml", fit__steps=-1)
    write_recipe(folder / "key.toml", fit__stepz=3)
    write_recipe(folder / "range.toml", data=[{"reader": "labelme", "scale": [2.0, 1.0]}])
    write_recipe(folder / "all.toml", data=[{"reader": "labelme", "hold_out": 1.0}])
    write_recipe(folder / "window.toml", card__window=100)
    write_recipe(folder / "margin.toml", card__margin=32)
    write_recipe(folder / "folder.toml", data=[{"reader": "labelme", "folder": "nowhere"}])
    write_recipe(folder / "rule.toml", data=[{"reader": "labelme", "folder": "squares", "challenge": "chess"}])
    write_recipe(folder / "start.toml", network__start="none.pt")
    detector = {"kind": "mask_rcnn", "settings": {"widht": 3}}
    write_recipe(folder / "settings.toml", network=detector)
    write_recipe(folder / "classes.toml", network={"kind": "mask_rcnn"}, card__classes=["a", "b"])
    (folder / "text.toml").write_text("these are words\n")
    return folder


def complain(done, said):
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("overtrace: error: ")
    assert said in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.toml"], "none.toml cannot be read as a recipe"),
        (["text.toml"], "text.toml cannot be read as a recipe"),
        (["steps.toml"], "steps.toml: fit.steps: Input should be greater than or equal to 0"),
        (["key.toml"], "key.toml: fit.stepz: Extra inputs are not permitted"),
        (["range.toml"], "range.toml: data.0.scale: Value error, 2 is more than 1: wanted the smaller one first"),
        (["all.toml"], "all.toml: data.0.hold_out: Input should be less than 1"),
        (["window.toml"], "window.toml: card.window: Input should be a multiple of 32"),
        (["margin.toml"], "margin.toml: card: Value error, a margin of 32 leaves nothing of a window of 64"),
        (["folder.toml"], "nowhere is no folder"),
        (["rule.toml"], "rule.toml: data.0.challenge: Input should be 'itc', "),
        (["start.toml"], "none.pt does not exist: network.start names a checkpoint"),
        (["settings.toml"], "network.settings: "),
        (["classes.toml"], "card.classes names 2, the data has 1: name each"),
        (["good.toml", "--data", "none"], "none/squares is no folder"),
        (["good.toml", "--devices", 0], "--devices 0: wanted 1 or more"),
        (["good.toml", "--threads", -1], "--threads -1: wanted 0 or more"),
        (["good.toml", "--out", "good.toml"], "good.toml cannot be written to: "),
    ],
)
def test_one_line_exit_1_and_nothing_left(folder, monkeypatch, capsys, arguments, said):
    pytest.importorskip("torch")
    before = sorted(folder.rglob("*"))
    # In this process: to import torch takes longer than all of them.
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["overtrace", "train", *map(str, arguments), "--accelerator", "cpu"])
    with pytest.raises(SystemExit) as left:
        main()
    complain(subprocess.CompletedProcess(arguments, left.value.code, *capsys.readouterr()), said)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("hidden", [{"torch"}, {"torch", "lightning_fabric", "tensorboard", "onnx", "nncf"}])
@pytest.mark.parametrize(
    "arguments", [["train", "good.toml"], ["export", "a.pt", "--card", "c.toml", "--out", "a.onnx"]]
)
def test_what_is_not_installed_is_named(folder, hidden, arguments):
    names = [name for name in ("torch", "lightning_fabric", "tensorboard", "onnx", "nncf") if name in hidden]
    done = run_without(hidden, *arguments, cwd=folder)
    complain(done, f"{arguments[0]} needs {', '.join(names)}: pip install 'overtrace[train]'")
    assert not (folder / "runs").exists()


def test_a_run_by_default_lies_under_runs_and_is_not_written_over(folder):
    pytest.importorskip("torch")
    done = run("train", "good.toml", "--accelerator", "cpu", "--threads", 1, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"name": "tiny", "steps": 2, "scores": {}, "files": ["runs/good/tiny.onnx"]}
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")}
    complain(run("train", "good.toml", cwd=folder), "runs/good holds a run: go on with it with --resume, or choose")
    (folder / "other.toml").write_text((folder / "good.toml").read_text().replace("seed = 1", "seed = 2"))
    done = run("train", "other.toml", "--out", "runs/good", "--resume", cwd=folder)
    complain(done, "runs/good/checkpoint.pt was kept by another recipe")
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")} == before


def test_a_run_that_broke_off_is_exported_from_its_checkpoint(folder):
    pytest.importorskip("torch")
    run("train", "good.toml", "--out", "runs/whole", "--accelerator", "cpu", "--threads", 1, cwd=folder)
    made = folder / "runs/whole/tiny.onnx"
    before = read_card(made)
    made.unlink()
    done = run("export", "runs/whole", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "tiny: 2 steps\nwrote runs/whole/tiny.onnx\n"), done.stderr
    # The recipe is named by another path in the card.
    assert [score.value for score in read_card(made).scores] == [score.value for score in before.scores]
    complain(run("export", "squares", cwd=folder), "squares is not the folder of a run: give --card and --out")
