"""Label rasters for tests: random ones, and their 4-connected parts."""

import numpy as np
from scipy import ndimage
from skimage import measure


def split_labels(values: np.ndarray) -> np.ndarray:
    """Number the 4-connected regions of equal, non-zero value; (h, w) int32."""
    return measure.label(values, connectivity=1, background=0).astype(np.int32)


def random_labels(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Regions of random size and shape that touch, with holes, pinches and single pixels among them."""
    kinds, grain = rng.integers(2, 6), rng.integers(1, 5)
    coarse = rng.integers(0, kinds, (-(-height // grain), -(-width // grain)))
    values = np.kron(coarse, np.ones((grain, grain), int))[:height, :width]
    noisy = rng.random((height, width)) < rng.choice([0, 0.05, 0.2])
    return split_labels(np.where(noisy, rng.integers(0, kinds, (height, width)), values))


def touching_labels(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    """A mosaic of about ``count`` ragged regions that all touch, a fifth of the pixels background."""
    from scipy.spatial import cKDTree

    seeds = rng.uniform(0, size, (count, 2))
    warp = ndimage.gaussian_filter(rng.standard_normal((2, size, size)), (0, 1.5, 1.5)) * 6
    place = np.moveaxis(np.mgrid[:size, :size] + warp, 0, -1)
    _, nearest = cKDTree(seeds).query(place)
    gaps = ndimage.gaussian_filter(rng.standard_normal((size, size)), 3)
    return split_labels(np.where(gaps > np.quantile(gaps, 0.8), 0, nearest + 1))
