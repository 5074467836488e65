"""MATLAB's ``imresize``, bicubic, which the scene parsing kit applies to label maps of another size."""

import numpy as np
from numpy.typing import NDArray

SUPPORT = 4.0
"""Width of the cubic kernel, in pixels."""


def resize_bicubic(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize an image as ``imresize(image, [height width])`` does by default.

    The dimension that shrinks more, or grows less, goes first; after each the values are rounded, halves up, and cut to
    the range of their type.

    Args:
        image: (H, W) of unsigned integers.
        height: of the result.
        width: of the result.
    Returns:
        (height, width) of the same type.
    Source:
        MathWorks, imresize.m (R2016): antialiasing when shrinking, pixels mirrored at the edges; kernel: Keys, Cubic
        convolution interpolation for digital image processing, IEEE ASSP 29, 1981, doi:10.1109/TASSP.1981.1163711
    """
    scales = (height / image.shape[0], width / image.shape[1])
    for axis in np.argsort(scales, kind="stable").tolist():
        image = _resize_lines(image, (height, width)[axis], axis)
    return image


def _resize_lines(image: NDArray[np.uint8], size: int, axis: int) -> NDArray[np.uint8]:
    weights, places = _weigh(image.shape[axis], size)
    lines = np.moveaxis(image, axis, 0)[places].astype(np.float64)
    found = np.einsum("ok,ok...->o...", weights, lines)
    limits = np.iinfo(image.dtype)
    rounded = np.clip(np.floor(found + 0.5), limits.min, limits.max).astype(image.dtype)
    return np.moveaxis(rounded, 0, axis)


def _weigh(old: int, new: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(new, k) weights, and (new, k) which of the old pixels they belong to."""
    scale = new / old
    shrink = min(scale, 1.0)
    # Output pixel 1 is centred where the edges of both images coincide; MATLAB counts from 1.
    centre = np.arange(1, new + 1) / scale + 0.5 * (1 - 1 / scale)
    left = np.floor(centre - SUPPORT / shrink / 2)
    places = left[:, None] + np.arange(np.ceil(SUPPORT / shrink) + 2)
    weights = shrink * _cubic(shrink * (centre[:, None] - places))
    weights /= weights.sum(axis=1, keepdims=True)
    mirror = np.concatenate([np.arange(old), np.arange(old)[::-1]])
    return weights, mirror[(places.astype(np.int64) - 1) % (2 * old)]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0))
