import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.learn.crops import Crops  # noqa: E402
from overtrace.learn.paste import MOST_HIDDEN, paste_objects  # noqa: E402
from overtrace.learn.recipe import Recipe  # noqa: E402
from tests.support.labelled import draw_crowns  # noqa: E402
from tests.support.recipes import make_facts, make_pool, make_recipe  # noqa: E402


def draw(*squares, side=64, value=1.0):
    """Squares (row, column, side) of a value on dark ground, with a peak in the middle of each."""
    labels, peaks = np.zeros((side, side), np.int32), np.zeros((side, side), np.uint8)
    for label, (row, col, length) in enumerate(squares, start=1):
        labels[row : row + length, col : col + length] = label
        peaks[row + length // 2, col + length // 2] = 200
    image = np.where(labels[..., None] > 0, value, 0).astype(np.float32).repeat(3, axis=-1)
    return {"image": image, "labels": labels, "peaks": peaks, "ignore": np.ones((side, side), np.uint8)}


def donor(*squares):
    parts = draw(*squares, value=0.5)
    return parts | {"ignore": np.zeros((64, 64), np.uint8), "taught": np.full((64, 64, 3), 9, np.uint8)}


def paste(count, hills=False, seed=0, squares=((20, 20, 10),), onto=()):
    crop = draw(*onto) | {"taught": np.zeros((64, 64, 3), np.uint8)}
    before = {name: part.copy() for name, part in crop.items()}
    pasted = paste_objects(crop, donor(*squares), count, hills, np.random.default_rng(seed))
    assert all(np.array_equal(crop[name], before[name]) for name in crop)
    return pasted


@pytest.mark.parametrize("hills", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_an_object_moves_with_all_that_is_known_of_it(seed, hills):
    pasted = paste(1, hills, seed)
    mask = pasted["labels"] == 1
    assert mask.sum() == 100
    rows, cols = np.nonzero(mask)
    assert (rows.max() - rows.min(), cols.max() - cols.min()) == (9, 9)
    assert pasted["peaks"][rows.min() + 5, cols.min() + 5] == 200
    assert np.count_nonzero(pasted["peaks"]) == 1
    np.testing.assert_array_equal(pasted["ignore"], ~mask)
    np.testing.assert_array_equal(pasted["taught"][..., 0], 9 * mask)
    # Sharp within, soft at the rim.
    assert pasted["image"][rows.min() + 5, cols.min() + 5, 0] == pytest.approx(0.5, abs=1e-3)
    assert 0.1 < pasted["image"][rows.min(), cols.min() + 5, 0] < 0.4


def test_objects_that_are_cut_or_unknown_are_not_pasted():
    assert not paste(5, squares=((0, 20, 10), (20, 54, 10)))["labels"].any()
    crop, other = draw(), donor((20, 20, 10))
    other["ignore"][25, 25] = 1
    assert not paste_objects(crop, other | {}, 1, False, np.random.default_rng(0))["labels"].any()


@pytest.mark.parametrize("seed", range(12))
def test_objects_hide_little_of_each_other(seed):
    onto = [(4, 4, 20), (4, 40, 12), (40, 10, 16)]
    before = draw(*onto)["labels"]
    after = paste(1, seed=seed, onto=onto, squares=((20, 20, 14),))["labels"]
    for label in (1, 2, 3):
        assert (after == label).sum() >= (1 - MOST_HIDDEN) * (before == label).sum()
    assert np.count_nonzero((after == 4) & (before > 0)) <= MOST_HIDDEN * 14 * 14


def test_the_higher_hill_counts_and_the_upper_crown():
    hills, crowns = (paste(1, hills, onto=[(2, 2, 60)], squares=()) for hills in (True, False))
    assert hills["peaks"].max() == crowns["peaks"].max() == 200
    big, small = draw((0, 0, 64)), donor((20, 20, 10))
    big["labels"][:] = 0
    big["peaks"][:] = 90
    for kind, wanted in ((True, {90, 200}), (False, {0, 90, 200})):
        found = paste_objects(
            dict(big),
            {name: part for name, part in small.items() if name != "taught"},
            1,
            kind,
            np.random.default_rng(0),
        )
        assert set(np.unique(found["peaks"]).tolist()) == wanted


def test_crops_with_pasted_objects_are_functions_of_their_number():
    pool = make_pool(draw_crowns(), own_size=1.0)
    recipe = make_recipe(augment={"paste": 3.0, "light": 0}, fit__crop_px=96)
    plain = make_recipe(augment={"light": 0}, fit__crop_px=96)
    one, other = Crops(recipe, [pool]), Crops(recipe, [pool])
    shares = []
    for number in (5, 2, 9, 7):
        torch.testing.assert_close(one[number], other[number], rtol=0, atol=0)
        shares.append(float(one[number]["planes"][0].mean()))
    assert max(shares) > Crops(plain, [pool])[5]["planes"][0].mean()


def test_pasting_is_for_planes():
    with pytest.raises(ValueError, match=r"augment\.paste is for planes alone, scene answers classes"):
        Recipe.model_validate(make_facts(network={"kind": "scene"}, augment={"paste": 1}))
