"""Crops to learn from: drawn at changing pixel sizes, in changing light.

A crop is a function of the seed and of its own number alone: it does not matter which process draws it, nor what was
drawn before. So a run that goes on after a kill, or is spread over machines, learns from the same crops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from overtrace.data.labelled import DataSet, Labelled, Objects, Scene
from overtrace.data.targets import near_two, touching
from overtrace.errors import BadOption
from overtrace.learn.paste import Parts, paste_classes, paste_objects
from overtrace.learn.recipe import Augment, Recipe, Source
from overtrace.raster.scaling import Scaling

Crop = dict[str, torch.Tensor]
"""By the task: ``image`` (C, H, W) float32 from 0 to 1, and

- planes: ``planes`` (3, H, W) float32 interior, touch, distance from 0 to 1; ``known`` (3, H, W) float32, 0 where
  nobody knows; perhaps ``inside_weight`` (H, W) float32;
- detections: ``masks`` (n, H, W) uint8, ``kinds`` (n,) int64 from 0, ``ignore`` (H, W) bool;
- classes: ``classes`` (H, W) uint8.
"""
Box = tuple[float, float, float, float]
LEAST_PX = 8
"""Of an object that is cut by the edge of a crop to fewer pixels than this, nothing is learned as a detection."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A data set, and how it is drawn from."""

    data: DataSet
    source: Source
    taught: DataSet | None = None
    """What a teacher says of the same images."""


class Crops(torch.utils.data.Dataset[Crop]):
    """Crops by number."""

    def __init__(self, recipe: Recipe, pools: Sequence[Pool]) -> None:
        self.recipe = recipe
        self.pools = tuple(pools)
        weights = np.array([pool.source.weight for pool in pools], float)
        self._shares = weights / weights.sum()
        self._pasted = [find_classes(pool.data, recipe.augment.paste_classes) for pool in pools]
        self._scales: dict[tuple[int, int], tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def __getitem__(self, number: int) -> Crop:
        rng = np.random.default_rng([self.recipe.seed, number])
        which = int(rng.choice(len(self.pools), p=self._shares))
        pool = self.pools[which]
        i = int(rng.integers(len(pool.data)))
        labelled = pool.data.read(i)
        crop_px = self.recipe.fit.crop_px
        box = choose_box(labelled, pool.source, crop_px, rng)
        image, truth = self._cut(which, i, box)
        count = int(rng.poisson(self.recipe.augment.paste)) if self.recipe.augment.paste else 0
        if count:
            pasted = self._paste({"image": image, **truth}, which, labelled, box, count, rng)
            image, truth = pasted.pop("image"), pasted
        turn = choose_turn(self.recipe.augment, rng)
        image = change_light(apply_turn(image, turn), self.recipe.augment.light, rng)
        image = sharpen(image, self.recipe.augment.sharpen, rng)
        turned = {name: apply_turn(part, turn) for name, part in truth.items()}
        crop = _to_crop(image, turned, labelled, pool.data, self.recipe.task)
        weights, teacher = self.recipe.planes, self.recipe.teacher
        if self.recipe.task == "planes" and weights.gap > 0:
            near = near_two(np.ascontiguousarray(turned["labels"]), weights.gap_sigma_px)
            crop["inside_weight"] = _tensor(1 + np.float32(weights.gap) * near)
        return crop if teacher is None or "taught" not in turned else _teach(crop, turned["taught"], teacher.share)

    def _paste(
        self, crop: Parts, which: int, labelled: Labelled, box: Box, count: int, rng: np.random.Generator
    ) -> Parts:
        """A crop with what another one of the same pool lends."""
        data = self.pools[which].data
        donor = int(rng.integers(len(data)))
        lender = data.read(donor)
        if isinstance(labelled, Scene):
            image, truth = self._cut(which, donor, same_place(box, labelled, lender))
            return paste_classes(crop, {"image": image, **truth}, self._pasted[which])
        # Objects keep their size on the ground.
        side = (box[2] - box[0]) * (labelled.pixel_size_m or 1) / (lender.pixel_size_m or 1)
        image, truth = self._cut(which, donor, place_box(lender, side, rng))
        return paste_objects(crop, {"image": image, **truth}, count, data.knows_peaks, rng)

    def _cut(self, which: int, i: int, box: Box) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """A box of an image of a pool, from 0 to 1, and what is true there."""
        pool, crop_px = self.pools[which], self.recipe.fit.crop_px
        labelled = pool.data.read(i)
        image = resize(labelled.image, box, crop_px, Image.Resampling.BILINEAR).astype(np.float32)
        truth = cut_truth(labelled, box, crop_px)
        if pool.taught is not None:
            truth["taught"] = resize(pool.taught.read(i).image, box, crop_px, Image.Resampling.BILINEAR)
        scalings = self._scalings(pool.data.bands)
        if (which, i) not in self._scales:
            self._scales[which, i] = measure_scale(labelled.image, scalings)
        low, high = self._scales[which, i]
        image = (image - low) / (high - low)
        clipped = [scaling.clip for scaling in scalings]
        image[..., clipped] = np.clip(image[..., clipped], 0, 1)
        return image, truth

    def _scalings(self, bands: Sequence[str]) -> list[Scaling]:
        card = self.recipe.card
        return [card.band_scaling.get(band, card.scaling) for band in bands]


def measure_scale(image: NDArray[Any], scalings: Sequence[Scaling]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The values of each band that become 0 and 1, as ``raster.view`` has it.

    Args:
        image: (H, W, bands).
        scalings: one a band.
    Returns:
        (bands,) low, (bands,) high.
    """
    pairs = []
    for band, scaling in enumerate(scalings):
        divisor = scaling.divisors.get(image.dtype.name)
        if divisor is None:
            low, high = np.percentile(image[..., band].astype(np.float32), scaling.percentiles or (0, 100))
            pairs.append((low, max(high, np.nextafter(np.float32(low), np.float32(np.inf)))))
        else:
            pairs.append((0.0, divisor))
    lows, highs = np.array(pairs, np.float32).T
    return lows, highs


def choose_box(labelled: Labelled, source: Source, crop_px: int, rng: np.random.Generator) -> Box:
    """A square of the image: left, top, right, bottom in its pixels; no larger than the image."""
    return place_box(labelled, crop_px * _choose_scale(labelled.pixel_size_m, source, rng), rng)


def place_box(labelled: Labelled, side: float, rng: np.random.Generator) -> Box:
    """A square of this side somewhere in an image; a smaller one where the image is.

    One of whole pixels begins at one: what is cut at the image's own pixel size is as sharp as what is answered later.
    """
    height, width = labelled.image.shape[:2]
    side = float(min(side, height, width))
    top, left = rng.uniform(0, height - side), rng.uniform(0, width - side)
    if side.is_integer():
        top, left = float(round(top)), float(round(left))
    return left, top, left + side, top + side


def same_place(box: Box, labelled: Labelled, lender: Labelled) -> Box:
    """The square of another image that lies where a box lies in an image."""
    (height, width), (high, wide) = labelled.image.shape[:2], lender.image.shape[:2]
    side = (box[2] - box[0]) * min(high / height, wide / width)
    left, top = min(box[0] * wide / width, wide - side), min(box[1] * high / height, high - side)
    return left, top, left + side, top + side


def find_classes(data: DataSet, names: Sequence[str]) -> list[int]:
    """The numbers of classes, from 0.

    Raises:
        BadOption: if the data has not all of them.
    """
    unknown = sorted(set(names) - set(data.classes))
    if unknown:
        raise BadOption(f"{data.name} has no class {', '.join(unknown)}: its classes are {', '.join(data.classes)}")
    return [data.classes.index(name) for name in names]


def _choose_scale(pixel_size_m: float | None, source: Source, rng: np.random.Generator) -> float:
    """Pixels of the image along one pixel of the crop."""
    finest, coarsest = source.scale
    if source.pixel_size_m is not None and pixel_size_m is not None:
        finest, coarsest = (size / pixel_size_m for size in source.pixel_size_m)
    scale = float(np.exp(rng.uniform(np.log(finest), np.log(coarsest))))
    return 1.0 if rng.random() < source.own_size else scale


def cut_truth(labelled: Labelled, box: Box, crop_px: int) -> dict[str, NDArray[Any]]:
    """Labels, peaks and what is ignored, or classes, in a box of an image."""
    if isinstance(labelled, Scene):
        return {"classes": resize(labelled.classes, box, crop_px, Image.Resampling.NEAREST)}
    return {
        "labels": resize(labelled.labels, box, crop_px, Image.Resampling.NEAREST),
        "peaks": resize(labelled.peaks, box, crop_px, Image.Resampling.BILINEAR),
        "ignore": resize(labelled.ignore.view(np.uint8), box, crop_px, Image.Resampling.NEAREST),
    }


def resize(array: NDArray[Any], box: Box, side: int, method: Image.Resampling) -> NDArray[Any]:
    """The box of an array at another size; Pillow widens its filter when it shrinks, so nothing is aliased.

    Args:
        array: (H, W) or (H, W, bands); what is neither int32 nor uint8 comes back as float32.
    """
    if array.ndim == 3 and (array.shape[2] != 3 or array.dtype != np.uint8):
        bands = [resize(array[..., band], box, side, method) for band in range(array.shape[2])]
        return np.stack(bands, axis=-1)
    # Pillow would copy all of the image; its filter reaches one pixel of the crop beyond the box.
    reach = (box[2] - box[0]) / side + 1
    left, top = max(int(box[0] - reach), 0), max(int(box[1] - reach), 0)
    right, bottom = int(np.ceil(box[2] + reach)), int(np.ceil(box[3] + reach))
    part = np.ascontiguousarray(array[top:bottom, left:right])
    if part.dtype not in (np.uint8, np.int32):
        part = part.astype(np.float32)
    near = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return np.asarray(Image.fromarray(part).resize((side, side), method, box=near))


Turn = tuple[int, bool]


def choose_turn(augment: Augment, rng: np.random.Generator) -> Turn:
    """How many right angles, and whether mirrored."""
    quarters = int(rng.integers(4)) if augment.turn else 0
    return quarters, bool(rng.integers(2))


def apply_turn(array: NDArray[Any], turn: Turn) -> NDArray[Any]:
    """Turn and mirror the first two axes."""
    turned = np.rot90(array, turn[0])
    return turned[:, ::-1] if turn[1] else turned


def change_light(image: NDArray[np.float32], strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Another sun, camera and haze.

    Args:
        image: (H, W, bands) from 0 to 1.
        strength: 1 is usual, 0 leaves the image as it is.
    """
    if strength == 0:
        return image
    gain = np.exp(strength * (rng.normal(0, 0.15) + rng.normal(0, 0.06, image.shape[2])))
    haze = strength * rng.uniform(0, 0.12) * (rng.random() < 0.3)
    changed = np.clip(image, 0, 1) ** np.exp(strength * rng.normal(0, 0.18)) * gain
    changed = changed * (1 - haze) + haze + strength * rng.normal(0, 0.03)
    grey = changed.mean(axis=-1, keepdims=True)
    changed = grey + (changed - grey) * np.exp(strength * rng.normal(0, 0.2))
    if rng.random() < 0.25 * strength:
        changed = ndimage.gaussian_filter(changed, (rng.uniform(0.3, 1.0),) * 2 + (0,))
    if rng.random() < 0.4 * strength:
        changed = changed + rng.normal(0, rng.uniform(0, 0.03), changed.shape)
    light: NDArray[np.float32] = np.clip(changed, 0, 1).astype(np.float32)
    return light


def sharpen(image: NDArray[np.float32], strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Harder edges, in half of the cases.

    Args:
        image: (H, W, bands) from 0 to 1.
        strength: of what a blur takes away, how much is added at most; 0 leaves the image as it is.
    """
    if strength == 0 or rng.random() < 0.5:
        return image
    blurred = ndimage.gaussian_filter(image, (rng.uniform(0.6, 1.6),) * 2 + (0,))
    sharp: NDArray[np.float32] = np.clip(image + np.float32(rng.uniform(0, strength)) * (image - blurred), 0, 1)
    return sharp


def _to_crop(
    image: NDArray[np.float32], truth: dict[str, NDArray[Any]], labelled: Labelled, data: DataSet, task: str
) -> Crop:
    crop = {"image": _tensor(np.moveaxis(image, -1, 0))}
    if task == "classes":
        return crop | {"classes": _tensor(truth["classes"])}
    labels = truth["labels"]
    assert isinstance(labelled, Objects)
    if task == "planes":
        planes = np.stack([labels > 0, touching(labels), truth["peaks"] / np.float32(255)]).astype(np.float32)
        known = np.repeat((truth["ignore"] == 0)[None].astype(np.float32), 3, axis=0)
        if data.knows_peaks:
            known[2] = 1
        return crop | {"planes": _tensor(planes), "known": _tensor(known)}
    found, counts = np.unique(labels, return_counts=True)
    found = found[(found > 0) & (counts >= LEAST_PX)]
    return crop | {
        "masks": _tensor((labels == found[:, None, None]).astype(np.uint8)),
        "kinds": _tensor(labelled.kinds[found - 1].astype(np.int64)),
        "ignore": _tensor(truth["ignore"] > 0),
    }


def _teach(crop: Crop, taught: NDArray[np.uint8], share: float) -> Crop:
    """The same crop, a share of whose planes comes from a teacher, or all where nobody knows."""
    said = _tensor(np.moveaxis(taught / np.float32(255), -1, 0))
    planes = torch.where(crop["known"] > 0, torch.lerp(crop["planes"], said, share), said)
    return crop | {"planes": planes, "known": torch.ones_like(crop["known"])}


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    # What is cached, or comes from Pillow, cannot be written to; torch warns of such.
    return torch.from_numpy(np.require(array, requirements=("C", "W")))


Batch = dict[str, Any]


def collate(crops: Sequence[Crop]) -> Batch:
    """A batch: what has one shape is stacked, and of detections there is a list, one entry a crop."""
    return {
        name: [crop[name] for crop in crops]
        if name in ("masks", "kinds")
        else torch.stack([crop[name] for crop in crops])
        for name in crops[0]
    }
