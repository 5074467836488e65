import numpy as np
import pytest
from PIL import Image

from overtrace.scoring.imresize import resize_bicubic


def test_worked_by_hand():
    # Kernel at 0.25, 0.75, 1.25 and 1.75: 111/128, 29/128, -9/128 and -3/128. What lies beyond an edge is mirrored:
    # 100 x (-3 - 9) / 128 < 0, 100 x (29 - 3) / 128 = 20.3, 100 x (111 - 9) / 128 = 79.7, 100 x (111 + 29) / 128.
    np.testing.assert_array_equal(resize_bicubic(np.array([[0, 100]], np.uint8), 1, 4), [[0, 20, 80, 109]])
    np.testing.assert_array_equal(resize_bicubic(np.array([[0], [100]], np.uint8), 4, 1), [[0], [20], [80], [109]])


@pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (40, 3), (5, 31)])
def test_what_is_even_stays_even(height, width):
    np.testing.assert_array_equal(resize_bicubic(np.full((6, 8), 150, np.uint8), height, width), 150)


def test_the_same_size_is_the_same_image():
    image = np.random.default_rng(0).integers(0, 151, (20, 30), np.uint8)
    np.testing.assert_array_equal(resize_bicubic(image, 20, 30), image)


@pytest.mark.parametrize(("height", "width"), [(64, 80), (15, 20), (45, 33), (90, 25)])
def test_away_from_the_edges_it_is_what_pillow_does(height, width):
    """Pillow has the same kernel and the same antialiasing, but other edges, and rounds its weights."""
    noise = np.random.default_rng(1).integers(60, 190, (40, 50), np.uint8)
    expected = np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC), int)
    found = resize_bicubic(noise, height, width)
    inner = (slice(height // 5, -(height // 5)), slice(width // 5, -(width // 5)))
    assert abs(found[inner] - expected[inner]).max() <= 1


def test_sixteen_bits_stay_sixteen_bits():
    image = np.full((4, 4), 1000, np.uint16)
    assert resize_bicubic(image, 8, 8).dtype == np.uint16
    assert (resize_bicubic(image, 8, 8) == 1000).all()
