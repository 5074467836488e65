import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.learn.batches import Pool, change_light, draw_batches, draw_crop  # noqa: E402
from overtrace.learn.recipe import Source  # noqa: E402
from tests.support.labelled import draw_crowns  # noqa: E402


def pool(finest: float = 0.6, coarsest: float = 0.6, own_size: float = 1.0, weight: float = 1.0) -> Pool:
    return Pool([draw_crowns()], Source(weight=weight, pixel_size_m=(finest, coarsest), own_size=own_size))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("source", [pool(), pool(0.25, 0.9, own_size=0)])
def test_image_planes_and_known_turn_together(source, seed):
    image, planes, known = draw_crop(source, 64, np.random.default_rng(seed))
    assert image.shape == planes.shape == (3, 64, 64)
    assert known.shape == (1, 64, 64)
    bright = image.mean(0)
    halfway = (bright.min() + bright.max()) / 2
    assert ((bright > halfway) == (planes[0] > 0)).mean() > 0.9
    assert planes[0][planes[2] > 0.5].all()
    assert not planes[1].any()


@pytest.mark.parametrize("seed", range(12))
def test_planes_and_images_are_from_0_to_1(seed):
    image, planes, known = draw_crop(pool(0.25, 0.9, own_size=0.5), 64, np.random.default_rng(seed))
    assert image.dtype == planes.dtype == known.dtype == np.float32
    assert all(part.min() >= 0 and part.max() <= 1 for part in (image, planes, known))
    assert set(np.unique(planes[0])) | set(np.unique(known)) <= {0, 1}


def test_what_nobody_knows_is_marked():
    source = pool()
    whole = draw_crop(source, 96, np.random.default_rng(0))[2]
    assert (whole == 0).mean() == pytest.approx(8 / 96, abs=0.005)


@pytest.mark.parametrize("pixel_size_m", [0.3, 0.4, 0.5, 0.6])
def test_a_crown_has_the_pixels_of_its_size(pixel_size_m):
    source = pool(pixel_size_m, pixel_size_m, own_size=0)
    shares = [draw_crop(source, 32, np.random.default_rng(seed))[1][0].mean() for seed in range(400)]
    # However large the pixels, crowns cover the same share of the ground.
    assert np.mean(shares) == pytest.approx((draw_crowns().labels > 0).mean(), rel=0.3)
    widest = max(
        draw_crop(source, 32, np.random.default_rng(seed))[1][0].sum(axis=0).max(initial=0) for seed in range(9)
    )
    assert widest >= 12 * 0.6 / pixel_size_m - 2


def test_a_pixel_size_that_wants_more_than_the_image_gets_the_image():
    image, _, known = draw_crop(pool(6.0, 6.0, own_size=0), 64, np.random.default_rng(0))
    assert image.shape == (3, 64, 64)
    assert (known == 0).any()


def test_the_same_seed_draws_the_same_batches():
    pools = [pool(), pool(0.3, 0.9, own_size=0, weight=2)]
    one, same, other = (draw_batches(pools, 2, 32, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for _, a, b in zip(range(3), one, same, strict=False):
        for plane in ("image", "planes", "known"):
            torch.testing.assert_close(getattr(a, plane), getattr(b, plane), rtol=0, atol=0)
    assert not torch.equal(next(one).image, next(other).image)


def test_a_pool_without_weight_is_not_drawn_from():
    nothing = Pool([], Source(weight=0, pixel_size_m=(0.6, 0.6), own_size=1))
    batch = next(draw_batches([nothing, pool()], 4, 32, np.random.default_rng(0)))
    assert batch.image.shape == (4, 3, 32, 32)


def test_light_keeps_the_range_and_the_image_it_was_given():
    image = np.random.default_rng(0).random((16, 16, 3), dtype=np.float32)
    before = image.copy()
    for seed in range(20):
        lit = change_light(image, np.random.default_rng(seed))
        assert lit.dtype == np.float32
        assert lit.min() >= 0
        assert lit.max() <= 1
    np.testing.assert_array_equal(image, before)
