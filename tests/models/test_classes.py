import numpy as np
import pytest
from PIL import Image

from overtrace.errors import BadModel
from overtrace.models.classes import predict_classes
from overtrace.models.runtime import Network
from overtrace.models.view import view_image
from overtrace.models.views import add_views
from overtrace.raster.source import open_raster
from tests.support.networks import conv_card


def card_of(classes=2, **changes):
    facts = {
        "task": "classes",
        "classes": tuple(f"class {i}" for i in range(classes)),
        "pixel_size_m": None,
        "planes": (),
        "window": 128,
        "margin": 32,
    }
    return conv_card(**{**facts, **changes})


def view_pixels(pixels, card, folder):
    Image.fromarray(pixels).save(folder / "a.png")
    return view_image(open_raster(folder / "a.png"), card)


def grey(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def say(scores, card):
    """A network that says the same of every image."""
    return Network(card, lambda: lambda image: (np.asarray(scores, np.float32)[None],))


def red_or_green(card, stride=4):
    """A network that says which of red and green is brighter, from the mean of each ``stride`` by ``stride`` pixels."""

    def infer(image):
        _, _, height, width = image.shape
        means = image[:, :2].reshape(1, 2, height // stride, stride, width // stride, stride).mean((3, 5))
        return (means.astype(np.float32),)

    return Network(card, lambda: infer)


def half_and_half(height, width, edge):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :edge, 0] = 200
    pixels[:, edge:, 1] = 200
    return pixels


def interpolate(scores, size):
    torch = pytest.importorskip("torch")
    return torch.nn.functional.interpolate(
        torch.from_numpy(scores)[None], size=size, mode="bilinear", align_corners=False
    )[0].numpy()


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 32])
def test_equals_torch_to_the_last_tie(stride, tmp_path):
    # Small whole scores at shares of a power of two: every sum is exact, so that ties are ties.
    scores = np.random.default_rng(stride).integers(0, 4, (5, 64 // stride, 96 // stride)).astype(np.float32)
    card = card_of(5)
    found = predict_classes(view_pixels(grey(64, 96), card, tmp_path), say(scores, card))
    np.testing.assert_array_equal(found, interpolate(scores, (64, 96)).argmax(0))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 33), (50, 127), (97, 128), (128, 65)])
def test_an_image_that_fits_is_padded_and_cut(height, width, tmp_path):
    padded = -(-height // 32) * 32, -(-width // 32) * 32
    scores = np.random.default_rng(0).normal(size=(7, padded[0] // 8, padded[1] // 8)).astype(np.float32)
    card = card_of(7)
    found = predict_classes(view_pixels(grey(height, width), card, tmp_path), say(scores, card))
    wanted = interpolate(scores, padded)[:, :height, :width]
    sure = np.diff(np.sort(wanted, axis=0)[-2:], axis=0)[0] > 1e-5
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], wanted.argmax(0)[sure])


@pytest.mark.parametrize(("height", "width"), [(288, 432), (96, 144), (48, 72)])
def test_scores_go_straight_to_the_size_of_the_file(height, width, tmp_path):
    # The model sees 96 x 144 pixels, the long side made up to 160: so the file has that of a file 160 / 144 as wide.
    card = card_of(7, short_side_px=96, window=160)
    scores = np.random.default_rng(0).normal(size=(7, 24, 40)).astype(np.float32)
    wanted = interpolate(scores, (height, width * 160 // 144))[:, :, :width]
    found = predict_classes(view_pixels(grey(height, width), card, tmp_path), say(scores, card))
    sure = np.diff(np.sort(wanted, axis=0)[-2:], axis=0)[0] > 1e-5
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], wanted.argmax(0)[sure])


@pytest.mark.parametrize(("height", "width"), [(301, 451), (75, 113), (200, 2000)])
def test_every_pixel_of_the_file_is_answered(height, width, tmp_path):
    card = card_of(3, short_side_px=96)
    scores = np.zeros((3, 32, 32), np.float32)
    scores[2] = 1
    assert (predict_classes(view_pixels(grey(height, width), card, tmp_path), say(scores, card)) == 2).all()


@pytest.mark.parametrize("edge", [100, 101, 128, 130])
@pytest.mark.parametrize("height", [40, 128, 129, 300])
def test_a_large_image_is_put_together_without_seams(height, edge, tmp_path):
    card = card_of()
    found = predict_classes(view_pixels(half_and_half(height, 333, edge), card, tmp_path), red_or_green(card, stride=1))
    np.testing.assert_array_equal(found, np.broadcast_to(np.arange(333) >= edge, (height, 333)))


def test_windows_see_what_the_whole_sees(tmp_path):
    # The lattice begins at a multiple of the stride, so that the scores are the same but for the place of the window.
    pixels = np.random.default_rng(0).integers(0, 256, (40, 52, 3)).astype(np.uint8)
    pixels = np.asarray(Image.fromarray(pixels).resize((520, 400), Image.Resampling.BILINEAR))
    cut, whole = card_of(), card_of(window=544)
    found = [predict_classes(view_pixels(pixels, card, tmp_path), red_or_green(card)) for card in (cut, whole)]
    np.testing.assert_array_equal(*found)


def test_the_mean_with_the_mirrored_image_is_symmetric(tmp_path):
    card = card_of()
    scores = np.zeros((2, 8, 8), np.float32)
    scores[1, :, :2] = 1
    view = view_pixels(grey(32, 32), card, tmp_path)
    once = predict_classes(view, say(scores, card))
    twice = predict_classes(view, add_views(say(scores, card), 2))
    assert once[:, :6].all()
    assert not once[:, 16:].any()
    np.testing.assert_array_equal(twice, twice[:, ::-1])
    assert twice[:, :6].all()


def test_the_lower_of_two_classes_with_the_same_score(tmp_path):
    card = card_of(3)
    scores = np.ones((3, 8, 8), np.float32)
    scores[0] = 0
    assert (predict_classes(view_pixels(grey(32, 32), card, tmp_path), say(scores, card)) == 1).all()


def test_more_classes_than_a_byte_holds(tmp_path):
    card = card_of(256)
    with pytest.raises(BadModel, match="has 256 classes: at most 255"):
        predict_classes(view_pixels(grey(32, 32), card, tmp_path), say(np.zeros((256, 8, 8)), card))
