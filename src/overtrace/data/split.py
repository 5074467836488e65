"""Parts of a data set; validation is held out by ground, so that nothing is both learned and measured."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from overtrace.data.labelled import DataSet, Labelled
from overtrace.errors import BadData


def hold_out(data: DataSet, share: float, rng: np.random.Generator) -> tuple[DataSet, DataSet]:
    """The images kept, and those held out: all that show about ``share`` of the grounds, at least one of them.

    Raises:
        BadData: if there are not grounds enough that both parts have one.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}: wanted more than 0 and less than 1")
    grounds = sorted(set(data.grounds))
    if len(grounds) < 2:
        raise BadData(f"{data.name} shows {len(grounds)} ground: two are needed to hold one out, add images")
    count = min(max(round(share * len(grounds)), 1), len(grounds) - 1)
    return _part(data, {grounds[i] for i in rng.permutation(len(grounds))[:count]})


def cut_grounds(data: DataSet, parts: int, number: int, seed: int) -> tuple[DataSet, DataSet]:
    """The images kept, and those of one of several parts of the grounds, which are as large as each other or nearly so.

    Args:
        number: of the part, from 0.
    Raises:
        BadData: if there are not grounds enough for so many parts.
    """
    grounds = sorted(set(data.grounds))
    if len(grounds) < parts:
        raise BadData(f"{data.name} shows {len(grounds):,} grounds: {parts} parts want as many, add images")
    order = np.random.default_rng(seed).permutation(len(grounds))
    return _part(data, {grounds[i] for i in order[number::parts]})


def _part(data: DataSet, held: Collection[str]) -> tuple[DataSet, DataSet]:
    """The images of other grounds, and those of these."""
    chosen = np.array([ground in held for ground in data.grounds])
    return subset(data, np.flatnonzero(~chosen).tolist()), subset(data, np.flatnonzero(chosen).tolist())


def share_grounds(data: DataSet, pattern: str) -> DataSet:
    """The same images, of which those show one ground in whose names the pattern finds the same.

    Args:
        pattern: a regular expression; what its first group finds counts, or all of it where it has none.
    Raises:
        BadData: if it is no regular expression, or finds nothing in a name.
    """
    try:
        found = [re.search(pattern, name) for name in data.names]
    except re.error as error:
        raise BadData(f"ground {pattern!r} is no regular expression: {error}") from error
    lost = [name for name, match in zip(data.names, found, strict=True) if match is None]
    if lost:
        raise BadData(f"ground {pattern!r} finds nothing in the name {lost[0]} of {data.name}: correct it")
    return replace(data, grounds=tuple(match[match.re.groups > 0] for match in found if match))


def named(data: DataSet, names: Iterable[str]) -> DataSet:
    """The images of these names, in this order.

    Raises:
        BadData: if there is no image of a name.
    """
    numbers = {name: i for i, name in enumerate(data.names)}
    wanted = list(names)
    strange = [name for name in wanted if name not in numbers]
    if strange:
        raise BadData(f"{data.name} has no image named {strange[0]}: name some of its {len(data):,}")
    return subset(data, [numbers[name] for name in wanted])


def subset(data: DataSet, indices: Iterable[int]) -> DataSet:
    """The images of these numbers, in this order."""
    chosen = tuple(range(len(data))[i] for i in indices)
    return replace(
        data,
        names=tuple(data.names[i] for i in chosen),
        grounds=tuple(data.grounds[i] for i in chosen),
        read=_Chosen(data, chosen),
    )


def choose_bands(data: DataSet, roles: Sequence[str]) -> DataSet:
    """The same images in some of their bands, in this order; in all of them where none is named.

    Raises:
        BadData: if they lack one.
    """
    wanted = tuple(roles) or data.bands
    missing = [role for role in wanted if role not in data.bands]
    if missing:
        raise BadData(f"{data.name} has no band {missing[0]}: it has {', '.join(data.bands)}")
    if wanted == data.bands:
        return data
    return replace(data, bands=wanted, read=_Banded(data, tuple(data.bands.index(role) for role in wanted)))


@dataclass(frozen=True, slots=True)
class _Banded:
    data: DataSet
    numbers: tuple[int, ...]

    def __call__(self, i: int) -> Labelled:
        labelled, first, last = self.data.read(i), self.numbers[0], self.numbers[-1]
        # Bands that stand together are not copied.
        together = self.numbers == tuple(range(first, last + 1))
        chosen = slice(first, last + 1) if together else list(self.numbers)
        return replace(labelled, image=labelled.image[..., chosen])


@dataclass(frozen=True, slots=True)
class _Chosen:
    data: DataSet
    numbers: tuple[int, ...]

    def __call__(self, i: int) -> Labelled:
        return self.data.read(self.numbers[i])
