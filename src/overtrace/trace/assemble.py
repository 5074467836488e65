"""Put together the instances that lie in several blocks, holding no more than those that are not complete yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.parameters import Parameters
from overtrace.raster.arrays import Arrays
from overtrace.vector.arcs import Chains, concatenate
from overtrace.vector.rings import Polygons, build_polygons, concatenate_polygons, join_chains, take_polygons

WHOLE, INNER = -2, -1
"""In the place of the last group that an instance goes on in: it goes on nowhere, in other blocks of its group alone.
"""

Rated = tuple[NDArray[np.float32], NDArray[np.int16]]
"""Score and class of each instance."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of instances."""

    joins: Mapping[str, np.ufunc]
    """For each column how its values for the pieces of an instance become that of the whole; ``area`` among them."""
    rate: Callable[[Arrays, Parameters], Rated]
    """Takes those columns, and how planes are decoded."""


@dataclass(frozen=True, slots=True)
class Instances:
    """Complete instances, by id."""

    polygons: Polygons
    areas: NDArray[np.int64]
    """(n,) pixels."""
    scores: NDArray[np.float32]
    """(n,)."""
    classes: NDArray[np.int16]
    """(n,)."""


class Assembler:
    """Takes the outlines of group after group, in reading order, and gives back what is complete.

    An instance is complete once every group that it goes on in has been seen. An unseen part of it would touch a seen
    one from the right or from below, and the seen group names that neighbour; so nothing is given back too early.
    """

    def __init__(self, measures: Measures, parameters: Parameters) -> None:
        self._measures = measures
        self._parameters = parameters
        self._pieces: Arrays = {}
        self._chains: list[Chains] = []

    def add(self, index: int, outlines: Arrays) -> list[Instances]:
        """Take one group.

        Args:
            index: number of the group; one more than that of the call before.
            outlines: what ``combine`` made of it.
        """
        whole = self._measured(_polygons(outlines), {name: outlines[name] for name in self._measures.joins})
        came = _pieces(outlines)
        before = self._pieces or {name: column[:0] for name, column in came.items()}
        pieces = _join({name: np.concatenate([before[name], column]) for name, column in came.items()}, self._measures)
        done = pieces["last"] <= index
        self._pieces = {name: column[~done] for name, column in pieces.items()}
        polygons, rest = _close([*self._chains, _chains(outlines)], pieces["ids"][done])
        self._chains = [rest]
        joined = self._measured(polygons, {name: pieces[name][done] for name in self._measures.joins})
        return [found for found in (whole, joined) if len(found.polygons.ids)]

    def _measured(self, polygons: Polygons, columns: Arrays) -> Instances:
        return Instances(polygons, columns["area"], *self._measures.rate(columns, self._parameters))


def combine(blocks: list[Arrays], measures: Measures) -> Arrays:
    """The outlines of a group from those of its blocks, all that is complete in it joined; everything by id."""
    if len(blocks) == 1:
        return blocks[0]
    found = [_pieces(outlines) for outlines in blocks]
    pieces = _join({name: np.concatenate([each[name] for each in found]) for name in found[0]}, measures)
    done = pieces["last"] == INNER
    joined, rest = _close([_chains(outlines) for outlines in blocks], pieces["ids"][done])
    polygons = concatenate_polygons([*map(_polygons, blocks), joined])
    order = np.argsort(polygons.ids)
    polygons = take_polygons(polygons, order)
    columns = {
        name: np.concatenate([*(outlines[name] for outlines in blocks), pieces[name][done]])[order]
        for name in measures.joins
    }
    return {
        "valid_px": np.sum([outlines["valid_px"] for outlines in blocks], axis=0),
        **{field.name: getattr(polygons, field.name) for field in fields(Polygons)},
        **columns,
        **{f"piece_{name}": column[~done] for name, column in pieces.items()},
        **{f"chain_{field.name}": getattr(rest, field.name) for field in fields(Chains)},
    }


def _polygons(outlines: Arrays) -> Polygons:
    return Polygons(*(outlines[field.name] for field in fields(Polygons)))


def _chains(outlines: Arrays) -> Chains:
    return Chains(*(outlines[f"chain_{field.name}"] for field in fields(Chains)))


def _pieces(outlines: Arrays) -> Arrays:
    prefix = "piece_"
    return {name.removeprefix(prefix): column for name, column in outlines.items() if name.startswith(prefix)}


def _join(pieces: Arrays, measures: Measures) -> Arrays:
    """One row an instance, by id: where it goes on last, and what is measured of its pieces together."""
    ids, group = np.unique(pieces["ids"], return_inverse=True)
    joined: Arrays = {"ids": ids, "last": np.full(len(ids), WHOLE, np.int64)}
    np.maximum.at(joined["last"], group, pieces["last"])
    for name, join in measures.joins.items():
        joined[name] = np.zeros(len(ids), pieces[name].dtype)
        join.at(joined[name], group, pieces[name])
    return joined


def _close(chains: list[Chains], ids: NDArray[np.int64]) -> tuple[Polygons, Chains]:
    """The polygons of the instances of these ids, and the chains of the others."""
    together = concatenate(chains)
    ready = np.isin(together.ids, ids)
    polygons = build_polygons(join_chains(together.take(ready)))
    assert np.array_equal(polygons.ids, ids), "an instance has no outline"
    return polygons, together.take(~ready)
