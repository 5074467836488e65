"""What a network learns from labels: how deep in its object a pixel lies, and where objects touch."""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from overtrace.data.labelled import Labels


def peakedness(labels: Labels, centres: NDArray[np.float64]) -> NDArray[np.uint8]:
    """How far each pixel is on the way from its crown's border (0) to its crown's centre (255).

    The distance to the border over that distance plus the distance to the centre: 1 at the centre wherever it lies in
    the crown, 0 at the border, the same for crowns of any size. It replaces the usual distance normalised by its own
    maximum, whose peak is wherever the crown is widest.

    Args:
        labels: (H, W), crown ``i + 1`` belongs to ``centres[i]``.
        centres: (n, 2) x and y in pixels.
    Returns:
        (H, W) uint8, 0 outside crowns.
    """
    assert labels.max(initial=0) <= len(centres)
    peaks: NDArray[np.uint8] = _rise(labels, _square_depths(labels), np.asarray(centres, np.float64))
    return peaks


def heat(points: NDArray[np.float64], shape: tuple[int, int], sigma_px: float) -> NDArray[np.uint8]:
    """A hill around each point, 255 at its top; where hills overlap, the higher one.

    Args:
        points: (n, 2) x and y in pixels.
        shape: of the answer.
        sigma_px: standard deviation of the Gaussian.
    Returns:
        (H, W) uint8.
    """
    hills = np.zeros(shape)
    rows, cols = np.arange(shape[0])[:, None], np.arange(shape[1])
    for x, y in points:
        near_rows = slice(max(int(y - 4 * sigma_px), 0), max(int(y + 4 * sigma_px) + 2, 0))
        near_cols = slice(max(int(x - 4 * sigma_px), 0), max(int(x + 4 * sigma_px) + 2, 0))
        square = (rows[near_rows] - y) ** 2 + (cols[near_cols] - x) ** 2
        part = hills[near_rows, near_cols]
        np.maximum(part, np.exp(square / (-2 * sigma_px**2)), out=part)
    return np.rint(255 * hills).astype(np.uint8)


@njit(cache=True, nogil=True)
def _rise(labels: Labels, depths: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.uint8]:
    """``peakedness`` of each pixel from its squared depth."""
    peaks = np.zeros(labels.shape, np.uint8)
    for row in range(labels.shape[0]):
        for col in range(labels.shape[1]):
            if labels[row, col] > 0:
                x, y = centres[labels[row, col] - 1]
                to_border = np.sqrt(depths[row, col])
                to_centre = max(np.hypot(col - x, row - y) - 0.5, 0.0)
                peaks[row, col] = np.rint(255 * to_border / (to_border + to_centre + 1e-9))
    return peaks


@njit(cache=True, nogil=True)
def _square_depths(labels: Labels) -> NDArray[np.float64]:
    """(H, W) squared distance from each pixel of an object to the nearest that is not of it; 0 outside of objects.

    Source:
        Felzenszwalb and Huttenlocher, Distance transforms of sampled functions, Theory of Computing 8, 2012: along the
        columns, then the lower envelope of parabolas along each run of one label in a row.
    """
    height, width = labels.shape
    along = np.ones((height, width), np.int64)
    for row in range(1, height):
        for col in range(width):
            if labels[row, col] == labels[row - 1, col]:
                along[row, col] = along[row - 1, col] + 1
    below = np.zeros(width, np.int64)
    depths = np.zeros((height, width))
    vertices, starts = np.empty(width + 2, np.int64), np.empty(width + 3)
    heights = np.empty(width + 2)
    for row in range(height - 1, -1, -1):
        for col in range(width):
            same = row + 1 < height and labels[row + 1, col] == labels[row, col]
            below[col] = below[col] + 1 if same else 1
            along[row, col] = min(along[row, col], below[col])
        first = 0
        while first < width:
            last = first
            while last + 1 < width and labels[row, last + 1] == labels[row, first]:
                last += 1
            if labels[row, first] > 0:
                run = along[row, first : last + 1]
                _widen(run, heights, vertices, starts, depths[row, first : last + 1])
            first = last + 1
    return depths


@njit(cache=True, nogil=True)
def _widen(
    run: NDArray[np.int64],
    heights: NDArray[np.float64],
    vertices: NDArray[np.int64],
    starts: NDArray[np.float64],
    depths: NDArray[np.float64],
) -> None:
    """Squared depths of a run, into ``depths``, from the depths along the columns; what follows on either side is 0."""
    count = len(run) + 2
    heights[0] = heights[count - 1] = 0
    heights[1 : count - 1] = run * run
    k = 0
    vertices[0], starts[0], starts[1] = 0, -np.inf, np.inf
    for x in range(1, count):
        start = -np.inf
        while True:
            other = vertices[k]
            start = (heights[x] + x * x - heights[other] - other * other) / (2 * (x - other))
            if start > starts[k]:
                break
            k -= 1
        k += 1
        vertices[k], starts[k], starts[k + 1] = x, start, np.inf
    k = 0
    for x in range(1, count - 1):
        while starts[k + 1] < x:
            k += 1
        depths[x - 1] = (x - vertices[k]) ** 2 + heights[vertices[k]]


def touching(labels: Labels, reach_px: int = 2) -> NDArray[np.bool_]:
    """Pixels of a crown that have another crown within ``reach_px`` rows and columns."""
    side = 2 * reach_px + 1
    highest = ndimage.maximum_filter(labels, side)
    lowest = ndimage.minimum_filter(np.where(labels == 0, np.iinfo(np.int32).max, labels), side)
    touches: NDArray[np.bool_] = (labels > 0) & (highest != lowest)
    return touches


def near_two(labels: Labels, sigma_px: float) -> NDArray[np.float32]:
    """How near two different objects are to each pixel: 1 where they meet, 0 where no two are near.

    Args:
        labels: (H, W), 0 is background.
        sigma_px: where the distances to the nearest object and to the nearest other one sum up to this, it is 0.61; an
            object is at 0 from its own pixels.
    Returns:
        (H, W) exp(-(d1 + d2)^2 / (2 sigma^2)), 0 beyond four sigma.
    Source:
        Ronneberger et al., U-Net, MICCAI 2015, doi:10.1007/978-3-319-24574-4_28, equation 2
    """
    near: NDArray[np.float32] = _near_two(labels, sigma_px)
    return near


@njit(cache=True, nogil=True)
def _place(
    label: int, far: float, first: int, first_far: float, other: int, other_far: float
) -> tuple[int, float, int, float]:
    """The two nearest labels and their distances, once one more is known."""
    if label == 0:
        return first, first_far, other, other_far
    if label == first:
        return first, min(far, first_far), other, other_far
    if far < first_far:
        return label, far, first, first_far
    if far < other_far:
        return first, first_far, label, far
    return first, first_far, other, other_far


@njit(cache=True, nogil=True)
def _near_two(labels: Labels, sigma_px: float) -> NDArray[np.float32]:
    """The two nearest labels of each column first: no third one of it can be among the two nearest of a pixel."""
    height, width = labels.shape
    far_away = 1e9
    found = np.zeros((2, height, width), np.int64)
    far = np.full((2, height, width), far_away)
    for col in range(width):
        for down in (True, False):
            last, last_row, before, before_row = 0, 0, 0, 0
            for i in range(height):
                row = i if down else height - 1 - i
                label = labels[row, col]
                if label > 0:
                    if label != last:
                        before, before_row = last, last_row
                    last, last_row = label, row
                one, one_far = found[0, row, col], far[0, row, col]
                two, two_far = found[1, row, col], far[1, row, col]
                one, one_far, two, two_far = _place(last, (row - last_row) ** 2, one, one_far, two, two_far)
                one, one_far, two, two_far = _place(before, (row - before_row) ** 2, one, one_far, two, two_far)
                found[0, row, col], far[0, row, col] = one, one_far
                found[1, row, col], far[1, row, col] = two, two_far
    near = np.zeros((height, width), np.float32)
    reach = int(4 * sigma_px) + 1
    for row in range(height):
        for col in range(width):
            one, one_far, two, two_far = 0, far_away, 0, far_away
            for shift in range(reach + 1):
                if shift * shift >= two_far:
                    break
                for other in (col - shift, col + shift):
                    if 0 <= other < width:
                        for k in range(2):
                            away = far[k, row, other] + shift * shift
                            one, one_far, two, two_far = _place(found[k, row, other], away, one, one_far, two, two_far)
            total = np.sqrt(one_far) + np.sqrt(two_far)
            if total <= 4 * sigma_px:
                near[row, col] = np.exp(total**2 / (-2 * sigma_px**2))
    return near


def find_centres(labels: Labels, count: int) -> NDArray[np.float64]:
    """A point within each object: its centroid, or the pixel deepest inside where the centroid lies outside of it.

    Args:
        labels: (H, W), each of 1 to ``count`` at least once.
    Returns:
        (count, 2) x and y in pixels.
    """
    centres = _average(labels, count)
    cols, rows = np.round(centres).astype(np.int64).T
    outside = np.flatnonzero(labels[rows, cols] != np.arange(1, count + 1))
    places = ndimage.find_objects(labels) if len(outside) else []
    for i in outside.tolist():
        depth = ndimage.distance_transform_edt(np.pad(labels[places[i]] == i + 1, 1))
        row, col = np.unravel_index(np.argmax(depth), depth.shape)
        centres[i] = col - 1 + places[i][1].start, row - 1 + places[i][0].start
    return centres


@njit(cache=True, nogil=True)
def _average(labels: Labels, count: int) -> NDArray[np.float64]:
    """(count, 2) mean x and y of the pixels of each label."""
    sums = np.zeros((count, 2))
    pixels = np.zeros(count)
    for row in range(labels.shape[0]):
        for col in range(labels.shape[1]):
            i = labels[row, col] - 1
            if i >= 0:
                pixels[i] += 1
                sums[i, 0] += col
                sums[i, 1] += row
    for i in range(count):
        sums[i] /= pixels[i]
    return sums
