import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.data.labelled import Scene  # noqa: E402
from overtrace.errors import BadOption  # noqa: E402
from overtrace.learn.crops import Crops, Pool  # noqa: E402
from overtrace.learn.paste import MOST_HIDDEN, paste_classes, paste_objects  # noqa: E402
from overtrace.learn.recipe import Recipe, Source  # noqa: E402
from tests.support.labelled import draw_crowns  # noqa: E402
from tests.support.recipes import make_facts, make_pool, make_recipe, make_set  # noqa: E402


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


def test_pixels_of_a_class_are_laid_where_they_are():
    crop = {"image": np.zeros((32, 32, 3), np.float32), "classes": np.zeros((32, 32), np.uint8)}
    other = {"image": np.ones((32, 32, 3), np.float32), "classes": np.ones((32, 32), np.uint8)}
    other["classes"][10:20, 4:14] = 2
    pasted = paste_classes(crop, other, [2])
    np.testing.assert_array_equal(pasted["classes"], np.where(other["classes"] == 2, 2, 0))
    assert pasted["image"][15, 9] == pytest.approx(np.ones(3), abs=1e-3)
    assert 0.4 < pasted["image"][10, 9, 0] < 0.8
    assert not pasted["image"][25:].any()
    assert not crop["image"].any()


def draw_street(value, shape, person=()):
    """A scene of one class and light, with a square of another class in it."""
    image, classes = np.full((*shape, 3), value, np.uint8), np.zeros(shape, np.uint8)
    for row, col, side in person:
        classes[row : row + side, col : col + side] = 1
        image[row : row + side, col : col + side] = 250
    return Scene(f"street {value}", None, image, classes)


def test_a_street_gets_the_people_of_another_one_at_their_place():
    images = [draw_street(10, (60, 80)), draw_street(20, (120, 160), [(60, 80, 40)])]
    pool = Pool(make_set(*images, classes=("road", "person")), Source(reader="none", scale=(1.0, 1.0)))
    network = {"kind": "scene", "size": "lite0"}
    augment = {"paste": 3.0, "paste_classes": ["person"], "light": 0, "turn": False}
    crops = Crops(make_recipe(network=network, augment=augment, fit__crop_px=64), [pool])
    found = [crops[number] for number in range(40)]
    first = [crop for crop in found if crop["image"].mean() < 0.9 and crop["image"][0, 0, 0] < 0.05]
    people = [int((crop["classes"] == 1).sum()) for crop in first]
    assert len(first) > 5
    # 20 pixels in an image half as large, one in sixty of which is 64 / 60 pixels of the crop.
    assert max(people) == pytest.approx(20**2 * (64 / 60) ** 2, rel=0.15)
    assert min(people) == 0
    for crop in first:
        rows, _ = np.nonzero(crop["classes"].numpy() == 1)
        assert not len(rows) or rows.min() == pytest.approx(30 * 64 / 60, abs=2)


def test_classes_to_paste_are_those_of_the_data():
    augment = {"paste": 1.0, "paste_classes": ["horse"]}
    pool = Pool(make_set(draw_street(10, (60, 80)), classes=("road", "person")), Source(reader="none"))
    with pytest.raises(BadOption, match="given has no class horse: its classes are road, person"):
        Crops(make_recipe(network={"kind": "scene", "size": "lite0"}, augment=augment), [pool])


@pytest.mark.parametrize(
    ("kind", "augment", "said"),
    [
        ("mask_rcnn", {"paste": 1}, r"augment\.paste is for planes and classes, mask_rcnn answers detections"),
        ("scene", {"paste": 1}, r"augment\.paste_classes goes with augment\.paste"),
        ("scene", {"paste_classes": ["person"]}, r"augment\.paste_classes goes with augment\.paste"),
        ("mini", {"paste": 1, "paste_classes": ["tree"]}, r"augment\.paste_classes goes with augment\.paste"),
    ],
)
def test_what_is_pasted_fits_what_is_learned(kind, augment, said):
    with pytest.raises(ValueError, match=said):
        Recipe.model_validate(make_facts(network={"kind": kind}, augment=augment))
