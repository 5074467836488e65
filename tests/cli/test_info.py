import json

import pytest
import typer
from typer.testing import CliRunner

from overtrace.cli.info import info
from overtrace.errors import BadImage, BadModel
from overtrace.models import shipped
from tests.support.images import noise, write_image
from tests.support.networks import write_conv_model

app = typer.Typer()
app.command()(info)


@app.callback()
def _verbs() -> None:
    """An app of one verb would not take its name."""


@pytest.fixture
def trees(tmp_path, monkeypatch):
    """A package that ships one small model."""
    (tmp_path / "files").mkdir()
    monkeypatch.setattr(shipped, "files", lambda package: tmp_path)
    return write_conv_model(tmp_path / "files" / "trees.onnx")


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if done.exception:
        raise done.exception
    return done.output


def test_an_image_and_how_the_model_sees_it(tmp_path, trees):
    place = {"transform": (0.05, 0, 5e5, 0, -0.05, 4e6), "nodata": 0}
    path = write_image(tmp_path / "a.tif", noise(200, 100, bands=4), photometric="RGB", alpha="unspecified", **place)
    facts = json.loads(run("info", path, "--json"))
    assert facts["crs"] == "EPSG:32617"
    assert facts["roles"] == {"red": 1, "green": 2, "blue": 3, "nir": 4}
    assert facts["pixel_size_m"] == [0.05, 0.05]
    seen = facts["seen by trees"]
    assert (seen["width"], seen["height"], seen["resampled"]) == (50, 100, True)
    assert "EPSG:32617" in run("info", path)


def test_what_the_user_knows_better(tmp_path, trees):
    path = write_image(tmp_path / "a.png", noise(), driver="PNG")
    facts = json.loads(run("info", path, "--bands", "red=3,blue=1", "--pixel-size", "1.2", "--json"))
    assert facts["roles"] == {"red": 3, "green": 2, "blue": 1}
    assert facts["seen by trees"]["pixel_size_m"] == pytest.approx([0.6, 0.6])


def test_an_image_that_the_model_cannot_see(tmp_path, trees):
    facts = json.loads(run("info", write_image(tmp_path / "a.tif", noise(bands=1)), "--json"))
    assert "the model wants red, green, blue" in facts["seen by trees"]


@pytest.mark.parametrize("by", ["name", "path"])
def test_a_model(trees, by):
    facts = json.loads(run("info", "trees" if by == "name" else trees, "--json"))
    assert (facts["name"], facts["window"], facts["scores"]) == ("conv", 64, [])
    assert "interior, touch, distance" in run("info", trees)


def test_the_scores_of_one_measurement_stand_together():
    scores = json.loads(run("info", "trees", "--json"))["scores"]
    text = " ".join(run("info", "trees").split())
    assert len(scores) > 2
    assert text.count(f"{scores[0]['by']},") == len({score["data"] for score in scores})
    for score in scores:
        assert f"{score['name']} {score['value']:g}" in text


def test_neither_image_nor_model(tmp_path, trees):
    (tmp_path / "text.tif").write_text("hello")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(BadImage):
        run("info", tmp_path / "text.tif")
    with pytest.raises(BadModel):
        run("info", tmp_path / "text.onnx")
