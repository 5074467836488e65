"""Crops to learn from: drawn by one generator, at changing pixel sizes, in changing light."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from overtrace.data.labelled import Objects
from overtrace.data.targets import touching
from overtrace.learn.recipe import Source


@dataclass(frozen=True, slots=True)
class Pool:
    """Labelled images of one data set, and how they are drawn from."""

    images: Sequence[Objects]
    source: Source


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from."""

    image: torch.Tensor
    """(N, 3, H, W) float32, 0 to 1."""
    planes: torch.Tensor
    """(N, 3, H, W) float32, 0 to 1: interior, touch, distance."""
    known: torch.Tensor
    """(N, 1, H, W) float32: 1 where the loss is taken, 0 where nobody knows."""


def draw_batches(pools: Sequence[Pool], batch: int, crop_px: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Batches without end."""
    weights = np.array([pool.source.weight for pool in pools])
    weights = weights / weights.sum()
    while True:
        crops = [draw_crop(pools[rng.choice(len(pools), p=weights)], crop_px, rng) for _ in range(batch)]
        image, planes, known = (np.stack(parts) for parts in zip(*crops, strict=True))
        yield Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (image, planes, known)))


def draw_crop(
    pool: Pool, crop_px: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Image (3, H, W), planes (3, H, W) and known (1, H, W) of one crop."""
    sizes = np.array([crowns.labels.size for crowns in pool.images], float)
    crowns = pool.images[rng.choice(len(pool.images), p=sizes / sizes.sum())]
    side = _source_side(crowns, pool.source, crop_px, rng)
    height, width = crowns.labels.shape
    top, left = rng.uniform(0, height - side), rng.uniform(0, width - side)
    box = (left, top, left + side, top + side)
    image = _resize(crowns.image, box, crop_px, Image.Resampling.BILINEAR)
    labels = _resize(crowns.labels, box, crop_px, Image.Resampling.NEAREST)
    peaks = _resize(crowns.peaks, box, crop_px, Image.Resampling.BILINEAR)
    ignore = _resize(crowns.ignore.astype(np.uint8), box, crop_px, Image.Resampling.NEAREST)
    planes = np.stack([labels > 0, touching(labels), peaks / 255], axis=-1)
    quarters, mirrored = int(rng.integers(4)), int(rng.integers(2))
    turned = [_turn(array, quarters, mirrored) for array in (image, planes, ignore)]
    light = change_light(turned[0] / np.float32(255), rng)
    return (
        np.moveaxis(light, -1, 0).astype(np.float32),
        np.moveaxis(turned[1], -1, 0).astype(np.float32),
        (turned[2] == 0).astype(np.float32)[None],
    )


def _source_side(crowns: Objects, source: Source, crop_px: int, rng: np.random.Generator) -> float:
    """Side of the square of the image that becomes a crop, in its pixels."""
    finest, coarsest = source.pixel_size_m
    pixel_size_m = float(np.exp(rng.uniform(np.log(finest), np.log(coarsest))))
    assert crowns.pixel_size_m is not None
    if rng.random() < source.own_size:
        pixel_size_m = crowns.pixel_size_m
    height, width = crowns.labels.shape
    return float(min(crop_px * pixel_size_m / crowns.pixel_size_m, height, width))


def _resize(
    array: NDArray[Any], box: tuple[float, float, float, float], side: int, method: Image.Resampling
) -> NDArray[Any]:
    """The box of an array at another size; Pillow widens its filter when it shrinks, so nothing is aliased."""
    return np.asarray(Image.fromarray(array).resize((side, side), method, box=box))


def _turn(array: NDArray[Any], quarters: int, mirrored: int) -> NDArray[Any]:
    turned = np.rot90(array, quarters)
    return turned[:, ::-1] if mirrored else turned


def change_light(image: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
    """Another sun, camera and haze.

    Args:
        image: (H, W, 3) from 0 to 1.
    """
    gain = np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.06, 3))
    haze = rng.uniform(0, 0.12) * (rng.random() < 0.3)
    changed = np.clip(image, 0, 1) ** np.exp(rng.normal(0, 0.18)) * gain
    changed = changed * (1 - haze) + haze + rng.normal(0, 0.03)
    grey = changed.mean(axis=-1, keepdims=True)
    changed = grey + (changed - grey) * np.exp(rng.normal(0, 0.2))
    if rng.random() < 0.25:
        changed = ndimage.gaussian_filter(changed, (rng.uniform(0.3, 1.0),) * 2 + (0,))
    if rng.random() < 0.4:
        changed = changed + rng.normal(0, rng.uniform(0, 0.03), changed.shape)
    light: NDArray[np.float32] = np.clip(changed, 0, 1).astype(np.float32)
    return light
