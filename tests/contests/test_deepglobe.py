"""Buildings of SpaceNet-2 and DeepGlobe by the command line: 11 bands of 16 bits, seen as TernausNetV2 sees them."""

import json
import tomllib
from pathlib import Path

import pytest

from overtrace.models.card import read_card
from tests.support.commands import run_well
from tests.support.spacenet import write_geojson, write_solutions, write_town

pytest.importorskip("torch")

SHIPPED = Path(__file__).parents[2] / "recipes" / "deepglobe.toml"
TRAIN, TEST = "AOI_2_Vegas_Train", "AOI_2_Vegas_Test_public"
SIDES = {"AOI_2_Vegas_img21": 162, "AOI_2_Vegas_img22": 162, "AOI_2_Vegas_img23": 650}
"""Of the chips to answer."""
RECIPE = """
name = "narrow"
seed = 1
[network]
kind = "ternausnet_v2"
width = 4
[fit]
steps = 60
batch = 4
crop_px = 96
learning_rate = 1e-2
warm_up = 5
average = 0.8
[[data]]
reader = "spacenet"
folder = "AOI_2_Vegas_Train"
options = { bands = "rgb+mul" }
scale = [0.9, 1.1]
hold_out = 0.2
challenge = "deepglobe"
[validation]
every = 60
"""


def write_card_table() -> str:
    """The card of the shipped recipe, word for word."""
    text = SHIPPED.read_text()
    return text[text.index("[card]") :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A city to learn, whose last image has its footprints in GeoJSON alone, and one to answer."""
    path = tmp_path_factory.mktemp("vegas")
    names = [f"AOI_2_Vegas_img{i}" for i in range(1, 6)]
    truth = {name: write_town(path / TRAIN, name, 162, seed) for seed, name in enumerate(names)}
    write_geojson(path / TRAIN, names[-1], truth.pop(names[-1]))
    write_solutions(path / TRAIN, truth)
    kept = {name: write_town(path / TEST, name, side, 20) for name, side in SIDES.items()}
    write_solutions(path / "kept_by_the_owners", kept)
    (path / "recipe.toml").write_text(RECIPE + write_card_table())
    return path


def test_from_a_city_to_footprints(folder):
    train = ("train", "recipe.toml", "--accelerator", "cpu", "--threads", 1, "--json")
    told = json.loads(run_well(*train, cwd=folder))
    assert told["scores"]["narrow: F1 at IoU 0.5 on spacenet2"] > 0.3
    card = read_card(folder / "runs/recipe/narrow.onnx")
    assert (card.window, card.margin, card.edges, card.decode_rule) == (672, 11, "reflect", "ternaus")
    assert card.bands == ("red", "green", "blue", *(f"mul{i}" for i in range(1, 9)))

    answer = ("answer", "deepglobe", "--model", "runs/recipe/narrow.onnx", "--images", TEST, "--out", "answer.csv")
    assert run_well(*answer, cwd=folder).startswith("3 images, ")
    truth = "kept_by_the_owners/summaryData/kept_by_the_owners_Building_Solutions.csv"
    for known in ((), ("--truth", truth)):
        said = run_well("check", "deepglobe", "--answers", "answer.csv", *known, cwd=folder)
        assert said.startswith("answer.csv is in order for deepglobe: 3 images, ")
    run_well("score", "deepglobe", "--truth", truth, "--answers", "answer.csv", "--json", "score.json", cwd=folder)
    assert json.loads((folder / "score.json").read_text())["score"] > 0.5


def test_the_shipped_recipe_has_the_whole_network():
    network = tomllib.loads(SHIPPED.read_text())["network"]
    assert network == {"kind": "ternausnet_v2"}
