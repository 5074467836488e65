from pathlib import Path

import pytest

from overtrace.errors import BadOption
from overtrace.learn.cards import draft
from overtrace.learn.recipe import read_recipe
from overtrace.learn.ternaus_card import draft_card

TREES = Path(__file__).parents[2] / "recipes" / "trees.toml"


def test_the_shipped_recipe_reads():
    recipe = read_recipe(TREES)
    assert (recipe.name, recipe.network.kind) == ("trees", "fpn")
    assert recipe.fit.warm_up < recipe.fit.steps


@pytest.mark.parametrize("path", sorted(TREES.parent.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_reads(path):
    recipe = read_recipe(path)
    assert recipe.fit.warm_up < recipe.fit.steps
    assert recipe.card.licence != "not stated"


@pytest.mark.parametrize("name", ["itc_mini", "itc_mask_rcnn"])
def test_recipes_of_the_crown_contest_learn_nothing_that_is_to_be_answered(name):
    recipe = read_recipe(TREES.with_name(f"{name}.toml"))
    assert {source.options["apart_from"] for source in recipe.data} == {"validation_img_id.json"}
    assert recipe.card.pixel_size_m is None


def test_the_recipe_of_deepglobe_sees_chips_as_ternausnet_does():
    recipe = read_recipe(TREES.with_name("deepglobe.toml"))
    wanted = draft_card(version="1", training="none", recipe="none", licence="none")
    card = draft(recipe, wanted.classes, wanted.bands, "fp32", TREES.with_name("deepglobe.toml"))
    for name in ("window", "margin", "edges", "decode_rule", "planes", "pixel_size_m"):
        assert getattr(card, name) == getattr(wanted, name)
    for band in wanted.bands:
        assert card.band_scaling.get(band, card.scaling) == wanted.band_scaling.get(band, wanted.scaling)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch = 8", "batch = 0", "fit.batch"),
        ("crop_px = 192", "crop_px = 200", "fit.crop_px: Input should be a multiple of 32"),
        ("pretrained = true", "pretrained = 3", "network.fpn.pretrained"),
        ("seed = ", "sede = ", "sede: Extra inputs"),
        ('kind = "fpn"', 'kind = "maxi"', "network: Input tag 'maxi'"),
        ("own_size = 0.5", "own_size = 5", "data.0.own_size"),
        ("[network]", "[network", "cannot be read as a recipe"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_line(tmp_path, old, new, said):
    text = TREES.read_text()
    assert old in text
    path = tmp_path / "r.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadOption) as error:
        read_recipe(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_missing_recipe(tmp_path):
    with pytest.raises(BadOption, match=r"none\.toml cannot be read as a recipe"):
        read_recipe(tmp_path / "none.toml")
