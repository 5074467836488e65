from pathlib import Path

import pytest

from overtrace.errors import BadOption
from overtrace.learn.recipe import read_recipe

TREES = Path(__file__).parents[2] / "recipes" / "trees.toml"


def test_the_shipped_recipe_reads():
    recipe = read_recipe(TREES)
    assert (recipe.name, recipe.network.size) == ("trees", "m")
    assert recipe.fit.warm_up < recipe.fit.steps


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch = 8", "batch = 0", "fit.batch"),
        ("crop_px = 192", "crop_px = 200", "fit.crop_px: Input should be a multiple of 32"),
        ('size = "m"', 'size = "xl"', "network.mini.size"),
        ("seed = ", "sede = ", "sede: Extra inputs"),
        ('kind = "mini"', 'kind = "maxi"', "network: Input tag 'maxi'"),
        ("own_size = 0.15", "own_size = 15", "data.1.own_size"),
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
