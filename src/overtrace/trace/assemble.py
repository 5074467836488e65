"""Put together the instances that lie in several blocks, holding no more than those that are not complete yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.parameters import Parameters
from overtrace.raster.arrays import Arrays
from overtrace.vector.arcs import Chains, concatenate
from overtrace.vector.rings import Polygons, build_polygons, join_chains

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
    """Takes the outlines of block after block, in reading order, and gives back what is complete.

    An instance is complete once every block that it goes on in has been seen. An unseen part of it would touch a seen
    one from the right or from below, and the seen block names that neighbour; so nothing is given back too early.
    """

    def __init__(self, measures: Measures, parameters: Parameters) -> None:
        self._measures = measures
        self._parameters = parameters
        self._pieces: Arrays = {}
        self._chains: list[Chains] = []

    def add(self, index: int, outlines: Arrays) -> list[Instances]:
        """Take one block.

        Args:
            index: number of the block; one more than that of the call before.
            outlines: what ``draw_block`` kept of it.
        """
        polygons = Polygons(*(outlines[name] for name in ("ids", "parts", "offsets", "points")))
        whole = self._measured(polygons, {name: outlines[name] for name in self._measures.joins})
        came = {name: outlines[f"piece_{name}"] for name in ("ids", "last", *self._measures.joins)}
        before = self._pieces or {name: column[:0] for name, column in came.items()}
        self._pieces = {name: np.concatenate([before[name], column]) for name, column in came.items()}
        columns = ("ids", "start", "end", "offsets", "points", "flags")
        self._chains.append(Chains(*(outlines[f"chain_{name}"] for name in columns)))
        joined = self._complete(index)
        return [found for found in (whole, joined) if len(found.polygons.ids)]

    def _complete(self, index: int) -> Instances:
        ids, group = np.unique(self._pieces["ids"], return_inverse=True)
        last = np.full(len(ids), -1, np.int64)
        np.maximum.at(last, group, self._pieces["last"])
        done = last <= index
        columns: Arrays = {}
        for name, join in self._measures.joins.items():
            column = np.zeros(len(ids), self._pieces[name].dtype)
            join.at(column, group, self._pieces[name])
            columns[name] = column[done]
        self._pieces = {name: column[~done[group]] for name, column in self._pieces.items()}
        chains = concatenate(self._chains)
        ready = np.isin(chains.ids, ids[done])
        self._chains = [chains.take(~ready)]
        polygons = build_polygons(join_chains(chains.take(ready)))
        assert np.array_equal(polygons.ids, ids[done]), "an instance has no outline"
        return self._measured(polygons, columns)

    def _measured(self, polygons: Polygons, columns: Arrays) -> Instances:
        return Instances(polygons, columns["area"], *self._measures.rate(columns, self._parameters))
