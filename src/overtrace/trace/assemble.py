"""Put together the instances that lie in several blocks, holding no more than those that are not complete yet."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.instances import Sums
from overtrace.raster.arrays import Arrays
from overtrace.vector.arcs import Chains, concatenate
from overtrace.vector.rings import Polygons, build_polygons, join_chains

SUMS = ("area", "interior", "peak")


@dataclass(frozen=True, slots=True)
class Instances:
    """Complete instances, by id, and the sums of each."""

    polygons: Polygons
    sums: Sums


class Assembler:
    """Takes the outlines of block after block, in reading order, and gives back what is complete.

    An instance is complete once every block that it goes on in has been seen. An unseen part of it would touch a seen
    one from the right or from below, and the seen block names that neighbour; so nothing is given back too early.
    """

    def __init__(self) -> None:
        self._pieces: dict[str, NDArray[Any]] = {name: np.zeros(0, np.int64) for name in ("ids", "last", *SUMS)}
        self._chains: list[Chains] = []

    def add(self, index: int, outlines: Arrays) -> list[Instances]:
        """Take one block.

        Args:
            index: number of the block; one more than that of the call before.
            outlines: what ``draw_block`` kept of it.
        """
        whole = Instances(
            Polygons(*(outlines[name] for name in ("ids", "parts", "offsets", "points"))),
            Sums(*(outlines[name] for name in SUMS)),
        )
        for name in self._pieces:
            self._pieces[name] = np.concatenate([self._pieces[name], outlines[f"piece_{name}"]])
        columns = ("ids", "start", "end", "offsets", "points", "flags")
        self._chains.append(Chains(*(outlines[f"chain_{name}"] for name in columns)))
        joined = self._complete(index)
        return [found for found in (whole, joined) if len(found.polygons.ids)]

    def _complete(self, index: int) -> Instances:
        ids, group = np.unique(self._pieces["ids"], return_inverse=True)
        last = np.full(len(ids), -1, np.int64)
        np.maximum.at(last, group, self._pieces["last"])
        done = last <= index
        sums = {name: np.zeros(len(ids), np.int64) for name in SUMS}
        for name, add in (("area", np.add), ("interior", np.add), ("peak", np.maximum)):
            add.at(sums[name], group, self._pieces[name])
        self._pieces = {name: column[~done[group]] for name, column in self._pieces.items()}
        chains = concatenate(self._chains)
        ready = np.isin(chains.ids, ids[done])
        self._chains = [chains.take(~ready)]
        polygons = build_polygons(join_chains(chains.take(ready)))
        assert np.array_equal(polygons.ids, ids[done]), "an instance has no outline"
        return Instances(polygons, Sums(*(sums[name][done] for name in SUMS)))
