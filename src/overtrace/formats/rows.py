"""One pass over annotations that are in order, as nearly all are; whatever is not is looked at again, slowly."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.formats.annotations import (
    AREA,
    BOX_HEIGHT,
    CATEGORY,
    HEIGHT,
    ID,
    IMAGE,
    KIND,
    LEFT,
    NOTHING,
    POLYGONS,
    SCORE,
    SEEN,
    SEEN_AREA,
    SEEN_ID,
    SEEN_MASK,
    WIDTH,
)

Integers = NDArray[np.int64]


@njit(cache=True, nogil=True)
def are_in_order(
    whole: Integers,
    real: NDArray[np.float64],
    wanted: int,
    images: Integers,
    heights: Integers,
    widths: Integers,
    part: Integers,
    categories: Integers,
    ends: Integers,
) -> bool:
    """Whether nothing is wrong with the fields of any row; where so, polygons have been given the size of their image.

    Args:
        whole: (n, 10) as in ``Annotations``; heights and widths of polygons are filled in.
        real: (n, 6) likewise.
        wanted: the fields that each row needs, as SEEN flags; ids, if wanted, must rise.
        images: (i,) ids, ascending.
        heights: (i,) pixels.
        widths: (i,) pixels.
        part: (i,) which categories the image has.
        categories: ids of all parts, one after the other, each ascending.
        ends: (parts + 1,) where those of each part begin.
    """
    at = 0
    number = AREA if wanted & SEEN_AREA else SCORE
    for row in range(len(whole)):
        line = whole[row]
        if line[SEEN] & wanted != wanted or not np.isfinite(real[row, number]):
            return False
        for column in range(LEFT, BOX_HEIGHT + 1):
            if not np.isfinite(real[row, column]):
                return False
        if wanted & SEEN_ID and row > 0 and line[ID] <= whole[row - 1, ID]:
            return False
        if images[at] != line[IMAGE]:
            at = np.searchsorted(images, line[IMAGE])
            if at == len(images) or images[at] != line[IMAGE]:
                return False
        known = False
        for k in range(ends[part[at]], ends[part[at] + 1]):
            known = known or categories[k] == line[CATEGORY]
        if not known:
            return False
        if line[KIND] == POLYGONS:
            line[HEIGHT], line[WIDTH] = heights[at], widths[at]
        elif line[KIND] == NOTHING:
            if wanted & SEEN_MASK:
                return False
        elif line[HEIGHT] != heights[at] or line[WIDTH] != widths[at]:
            return False
    return True
