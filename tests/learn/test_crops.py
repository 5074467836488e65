import pickle
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.data.labelled import Scene  # noqa: E402
from overtrace.learn.crops import Crops, change_light, collate, measure_scale, resize, sharpen  # noqa: E402
from overtrace.raster.scaling import Scaling  # noqa: E402
from tests.support.labelled import draw_crowns  # noqa: E402
from tests.support.recipes import Given, make_pool, make_recipe  # noqa: E402

OWN = {"own_size": 1.0}
VARIED = {"pixel_size_m": (0.25, 0.9)}
DETECTOR = {"network": {"kind": "mask_rcnn"}}


def crops(*pools, crop_px=64, **changes):
    return Crops(make_recipe(fit__crop_px=crop_px, **changes), pools or (make_pool(draw_crowns(), **OWN),))


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("source", [OWN, VARIED])
def test_image_planes_and_known_turn_together(source, number):
    crop = crops(make_pool(draw_crowns(), **source))[number]
    image, planes, known = (crop[name].numpy() for name in ("image", "planes", "known"))
    assert image.shape == planes.shape == (3, 64, 64)
    assert known.shape == (3, 64, 64)
    bright = image.mean(0)
    halfway = (bright.min() + bright.max()) / 2
    assert ((bright > halfway) == (planes[0] > 0)).mean() > 0.9
    assert planes[0][planes[2] > 0.5].all()
    assert not planes[1].any()


@pytest.mark.parametrize("number", range(12))
def test_planes_and_images_are_from_0_to_1(number):
    crop = crops(make_pool(draw_crowns(), own_size=0.5, **VARIED))[number]
    assert {part.dtype for part in crop.values()} == {torch.float32}
    assert all(part.min() >= 0 and part.max() <= 1 for part in crop.values())
    assert set(crop["planes"][0].unique().tolist()) | set(crop["known"].unique().tolist()) <= {0, 1}


def test_a_crop_is_a_function_of_its_number():
    one, other = crops(make_pool(draw_crowns(), **VARIED)), crops(make_pool(draw_crowns(), **VARIED))
    for number in (7, 2, 9):
        torch.testing.assert_close(one[number], other[number], rtol=0, atol=0)
    assert not torch.equal(one[7]["image"], one[8]["image"])
    assert not torch.equal(crops(seed=1)[7]["image"], crops(seed=2)[7]["image"])


def test_crops_can_be_sent_to_another_process():
    one = crops()
    torch.testing.assert_close(pickle.loads(pickle.dumps(one))[3], one[3], rtol=0, atol=0)


def test_what_nobody_knows_is_marked():
    assert (crops(crop_px=96)[0]["known"] == 0).float().mean() == pytest.approx(8 / 96, abs=0.005)


def test_peaks_may_be_known_where_crowns_are_not():
    pool = make_pool(draw_crowns(), **OWN)
    known = crops(replace(pool, data=replace(pool.data, knows_peaks=True)), crop_px=96)[0]["known"]
    assert known[2].all()
    assert not known[:2].all()


@pytest.mark.parametrize("pixel_size_m", [0.3, 0.4, 0.5, 0.6])
def test_a_crown_has_the_pixels_of_its_size(pixel_size_m):
    drawn = crops(make_pool(draw_crowns(), pixel_size_m=(pixel_size_m, pixel_size_m)), crop_px=32)
    shares = [float(drawn[number]["planes"][0].mean()) for number in range(300)]
    # However large the pixels, crowns cover the same share of the ground.
    assert np.mean(shares) == pytest.approx((draw_crowns().labels > 0).mean(), rel=0.3)
    widest = max(float(drawn[number]["planes"][0].sum(0).max()) for number in range(9))
    assert widest >= 12 * 0.6 / pixel_size_m - 2


def test_a_scale_is_in_pixels_where_the_size_on_the_ground_is_not_known():
    # Squares of 12 pixels at twice the pixel are 6 wide.
    unknown = draw_crowns(pixel_size_m=None)
    drawn = crops(make_pool(unknown, scale=(2.0, 2.0)), crop_px=32)
    widths = [float(drawn[number]["planes"][0].sum(0).max()) for number in range(20)]
    # Two or three squares of a column fit into the 64 pixels of a crop, cut ones among them.
    assert 12 <= max(widths) <= 18


def test_a_pixel_size_that_wants_more_than_the_image_gets_the_image():
    crop = crops(make_pool(draw_crowns(), pixel_size_m=(6.0, 6.0)))[0]
    assert crop["image"].shape == (3, 64, 64)
    assert (crop["known"] == 0).any()


def test_pools_are_drawn_from_by_weight():
    dark = draw_crowns()
    dark.image[:] = 0
    drawn = crops(make_pool(dark, weight=3.0), make_pool(draw_crowns(), weight=1.0), augment__light=0)
    share = np.mean([not drawn[number]["image"].any() for number in range(400)])
    assert share == pytest.approx(0.75, abs=0.06)


def test_a_detector_learns_a_mask_an_object():
    drawn = crops(crop_px=96, augment={"turn": False, "light": 0}, **DETECTOR)
    crop = drawn[0]
    # 4 rows of 3 squares; mirrored or not, each has its 144 pixels.
    assert crop["masks"].shape == (12, 96, 96)
    assert crop["masks"].sum((1, 2)).tolist() == [144] * 12
    assert crop["kinds"].tolist() == [0] * 12
    assert crop["ignore"].sum() == 8 * 96


def test_specks_are_nothing_to_detect():
    speck = draw_crowns()
    speck.labels[:] = 0
    speck.labels[40, 40:47] = 1
    crop = crops(make_pool(speck, **OWN), crop_px=96, **DETECTOR)[0]
    assert crop["masks"].shape == (0, 96, 96)
    assert crop["kinds"].shape == (0,)


def test_batches_stack_what_has_one_shape():
    drawn = crops(**DETECTOR)
    batch = collate([drawn[0], drawn[1]])
    assert batch["image"].shape == (2, 3, 64, 64)
    assert batch["ignore"].shape == (2, 64, 64)
    assert [len(masks) for masks in batch["masks"]] == [len(kinds) for kinds in batch["kinds"]]


def test_a_scene_keeps_its_classes_and_stands_upright():
    sky = np.zeros((64, 64), np.uint8)
    sky[:20], sky[20:40] = 1, 255
    scene = Scene("s", None, np.repeat(sky[..., None], 3, axis=-1), sky)
    drawn = crops(make_pool(scene), augment={"turn": False, "light": 0}, network={"kind": "scene"})
    np.testing.assert_array_equal(drawn[5]["classes"].numpy(), sky)
    np.testing.assert_allclose(drawn[5]["image"][0].numpy(), sky / 255, atol=1e-6)


def test_values_are_scaled_as_the_card_says():
    image = np.zeros((10, 10, 2), np.uint16)
    image[..., 0] = np.arange(100).reshape(10, 10) * 10
    image[..., 1] = 500
    low, high = measure_scale(image, [Scaling({}, (0, 100)), Scaling({"uint16": 2047}, None)])
    assert low.tolist() == [0, 0]
    assert high.tolist() == [990, 2047]
    low, high = measure_scale(image[..., 1:], [Scaling({}, (0, 100))])
    assert high > low == 500


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_part_is_resized_as_the_whole_would_be(dtype):
    image = np.random.default_rng(0).integers(0, 200, (40, 50, 4)).astype(dtype)
    part = resize(image, (10.0, 5.0, 30.0, 25.0), 20, 2)
    np.testing.assert_array_equal(part, image[5:25, 10:30])
    small = resize(image, (4.0, 4.0, 36.0, 36.0), 8, 2)
    np.testing.assert_allclose(small.mean((0, 1)), image[4:36, 4:36].mean((0, 1)), rtol=0.05)


def test_light_keeps_the_range_and_the_image_it_was_given():
    image = np.random.default_rng(0).random((16, 16, 4), dtype=np.float32)
    before = image.copy()
    for seed in range(20):
        lit = change_light(image, 1.0, np.random.default_rng(seed))
        assert lit.dtype == np.float32
        assert 0 <= lit.min() <= lit.max() <= 1
    np.testing.assert_array_equal(image, before)
    assert change_light(image, 0, np.random.default_rng(0)) is image


def test_gaps_weigh_more_where_the_recipe_says_so():
    crop = crops(crop_px=96, planes={"gap": 8.0, "gap_sigma_px": 6.0})[0]
    weight, inside = crop["inside_weight"], crop["planes"][0] > 0
    assert weight.shape == (96, 96)
    # Squares stand 12 and 18 apart: two sigma or more.
    assert weight.max() == pytest.approx(1 + 8 * np.exp(-2), rel=0.2)
    assert weight[~inside].max() > 1
    assert "inside_weight" not in crops()[0]


def test_what_keeps_its_pixel_size_keeps_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    pool = make_pool(replace(draw_crowns(), image=image, labels=np.zeros((70, 90), np.int32)), **OWN)
    pool = replace(
        pool,
        data=replace(
            pool.data,
            read=Given(
                [replace(pool.data.read(0), ignore=np.zeros((70, 90), bool), peaks=np.zeros((70, 90), np.uint8))]
            ),
        ),
    )
    drawn = crops(pool, augment={"light": 0, "turn": False})
    patches = np.lib.stride_tricks.sliding_window_view(image, (64, 64), axis=(0, 1))
    for number in range(4):
        crop = np.round(drawn[number]["image"].numpy() * 255).astype(np.uint8)
        assert any((patches == way).all((2, 3, 4)).any() for way in (crop, crop[..., ::-1]))


def test_sharpening_makes_edges_harder_and_leaves_flat_ground():
    image = np.full((16, 16, 3), 0.4, np.float32)
    image[:, 8:] = 0.6
    made = [sharpen(image, 2.0, np.random.default_rng(seed)) for seed in range(20)]
    steps = [float((one[:, 8] - one[:, 7]).mean()) for one in made]
    assert all(step > 0.2 - 1e-6 for step in steps)
    assert 4 < sum(step > 0.21 for step in steps) < 16
    for one in made:
        np.testing.assert_allclose(one[:, :2], 0.4, atol=1e-3)
    assert sharpen(image, 0.0, np.random.default_rng(0)) is image


def test_a_recipe_that_does_not_sharpen_draws_the_same_crops():
    rng, other = np.random.default_rng(1), np.random.default_rng(1)
    sharpen(np.zeros((4, 4, 3), np.float32), 0.0, rng)
    assert rng.random() == other.random()
