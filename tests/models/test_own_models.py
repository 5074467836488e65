"""The models of the project, as they are installed."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from overtrace.models.card import read_card
from overtrace.models.listing import pick_scores
from overtrace.models.runtime import RUNTIMES, load_network
from overtrace.models.shipped import brought, find_model, shipped

ROOT = Path(__file__).parents[2]
STREETS = ROOT / "packages" / "overtrace-streets"
NAMES = ("buildings", "streets", "trees", "trees-nir")
FILES = [name + end for name in NAMES for end in ("", "-fp32")]
MOST_BYTES = 6_000_000
"""Of an int8 file."""


def test_no_other_file_is_shipped():
    assert sorted(shipped()) == [name for name in sorted(FILES) if not name.startswith("streets")]


def test_streets_come_as_a_package_of_their_own():
    found = brought()
    assert [name for name in found.models if name.startswith("streets")] == ["streets", "streets-fp32"]
    assert found.models["streets"].samefile(Path(str(files("overtrace_streets"))) / "files" / "streets.onnx")
    assert [fault for fault in found.faults if "overtrace-streets" in fault] == []


@pytest.mark.parametrize("name", FILES)
def test_the_card_says_what_the_file_is(name):
    path = find_model(name)
    card = read_card(path)
    assert card.name == name
    assert card.precision == ("fp32" if name.endswith("-fp32") else "int8")
    assert card.precision == "fp32" or path.stat().st_size < MOST_BYTES
    assert "nir" in card.bands if "nir" in name else card.bands == ("red", "green", "blue")


@pytest.mark.parametrize("name", FILES)
def test_the_card_says_where_it_comes_from(name):
    card = read_card(find_model(name))
    assert "not stated" not in (card.licence, card.training, card.summary)
    assert card.attribution
    assert pick_scores(card)
    assert (ROOT / card.recipe.split()[0]).is_file()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", FILES)
def test_it_runs(name, runtime):
    network = load_network(find_model(name), runtime=runtime)
    card = network.card
    (answer,) = network.ask(np.full((len(card.bands), card.window, card.window), 0.5, np.float32))
    assert answer.shape[1] == card.channels
    assert np.isfinite(answer).all()


@pytest.mark.parametrize("name", ["streets", "streets-fp32"])
def test_streets_are_not_for_commercial_use_and_say_so(name):
    card = read_card(find_model(name))
    assert card.licence.startswith("CC BY-NC 4.0")
    assert len(card.classes) == 11
    credit = " ".join(card.attribution)
    assert "CamVid" in credit
    assert "EfficientNet-Lite0" in credit


@pytest.mark.parametrize("name", ["LICENSE", "README.md"])
def test_the_package_of_streets_says_so_too(name):
    text = (STREETS / name).read_text()
    assert "CC BY-NC 4.0" in text
    assert "CamVid" in text
