"""Blocks in groups, groups in groups of groups, up to one: so that no process has to look at all blocks.

How blocks are grouped depends on how many there are alone, never on the workers.
"""

from dataclasses import dataclass
from math import isqrt

FAN = 8
"""Nodes along a side of a node of the next layer."""
LARGEST_GROUP = 8
"""Blocks along a side of a group: large enough that handing it out costs nothing, small enough to be done again."""
GROUPS_WANTED = 1000
"""There are at least about so many groups before groups become larger, so that there is work for many workers."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Nodes in rows; each holds a square of those of the layer below, fewer at the right and lower edges."""

    down: int
    across: int
    side: int
    """Nodes of the layer below along a side of each; 0 for the blocks themselves."""

    def __len__(self) -> int:
        return self.down * self.across

    def holder(self, index: int, below: "Layer") -> int:
        """The node that holds a node of the layer below."""
        row, col = divmod(index, below.across)
        return row // self.side * self.across + col // self.side

    def held(self, index: int, below: "Layer") -> list[list[int]]:
        """The nodes of the layer below that a node holds, row by row."""
        row, col = divmod(index, self.across)
        rows = range(row * self.side, min((row + 1) * self.side, below.down))
        cols = range(col * self.side, min((col + 1) * self.side, below.across))
        return [[r * below.across + c for c in cols] for r in rows]


def lay_layers(down: int, across: int) -> tuple[Layer, ...]:
    """The layers over so many blocks: the blocks, their groups, and so on until a single node holds everything."""
    side = min(max(isqrt(down * across // GROUPS_WANTED), 1), LARGEST_GROUP)
    layers = [Layer(down, across, 0)]
    while len(layers) == 1 or len(layers[-1]) > 1:
        last = layers[-1]
        layers.append(Layer(-(-last.down // side), -(-last.across // side), side))
        side = FAN
    return tuple(layers)
