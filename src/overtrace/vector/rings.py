"""From chains to polygons: join, split where an outline touches itself, put holes into their exterior."""

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from overtrace.vector.arcs import PINCH, Chains, gather


@dataclass(frozen=True, slots=True)
class Polygons:
    """Polygons of several instances, ragged; the order of everything depends on the outlines alone."""

    ids: NDArray[np.int64]
    """(n,) ascending."""
    parts: NDArray[np.int64]
    """(n + 1,) rings before each polygon; its first ring is the exterior, the others are holes."""
    offsets: NDArray[np.int64]
    """(rings + 1,) points before each ring."""
    points: NDArray[np.int32]
    """(m, 2) x, y of pixel corners; rings are not closed and start at their topmost leftmost corner."""


def join_chains(chains: Chains) -> Chains:
    """Rings from the chains of complete instances.

    Args:
        chains: every piece of each instance among them.
    Returns:
        Chains that are all closed.
    """
    order = np.argsort(chains.start)
    follower = order[np.searchsorted(chains.start[order], chains.end)]
    assert np.array_equal(chains.start[follower], chains.end), "a chain has no follower"
    sequence, lengths = _follow(follower)
    heads = np.concatenate([[0], np.cumsum(lengths)])
    ordered = chains.take(sequence)
    names = ordered.start[heads[:-1]]
    return Chains(ordered.ids[heads[:-1]], names, names, ordered.offsets[heads], ordered.points, ordered.flags)


@njit(cache=True, nogil=True)
def _follow(follower: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cycles of a permutation, one after the other, and the length of each."""
    seen = np.zeros(len(follower), np.uint8)
    sequence = np.empty(len(follower), np.int64)
    lengths = np.empty(len(follower), np.int64)
    n = 0
    cycles = 0
    for i in range(len(follower)):
        if seen[i]:
            continue
        head = n
        while not seen[i]:
            seen[i] = 1
            sequence[n] = i
            n += 1
            i = follower[i]
        lengths[cycles] = n - head
        cycles += 1
    return sequence, lengths[:cycles].copy()


@njit(cache=True, nogil=True)
def _split(
    ids: NDArray[np.int64], offsets: NDArray[np.int64], points: NDArray[np.int32], flags: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Cut rings at the points that they visit twice, and begin each at its topmost leftmost corner."""
    out_points = np.empty_like(points)
    most = len(ids) + len(points)
    out_ids = np.empty(most, np.int64)
    out_offsets = np.empty(most + 1, np.int64)
    out_offsets[0] = 0
    stack = np.empty(len(points) + 1, np.int64)
    n = 0
    m = 0
    for i in range(len(ids)):
        depth = 0
        for k in range(offsets[i], offsets[i + 1] + 1):
            last = k == offsets[i + 1]
            base = 0 if last else depth
            if not last and flags[k] & PINCH:
                for s in range(depth - 1, -1, -1):
                    if points[stack[s], 0] == points[k, 0] and points[stack[s], 1] == points[k, 1]:
                        base = s
                        break
            if base < depth:
                begin = base
                for s in range(base + 1, depth):
                    here, best = points[stack[s]], points[stack[begin]]
                    if here[1] < best[1] or (here[1] == best[1] and here[0] < best[0]):
                        begin = s
                for s in range(depth - base):
                    source = stack[base + (begin - base + s) % (depth - base)]
                    out_points[m, 0], out_points[m, 1] = points[source, 0], points[source, 1]
                    m += 1
                out_ids[n] = ids[i]
                n += 1
                out_offsets[n] = m
                depth = base
            if not last:
                stack[depth] = k
                depth += 1
    return out_ids[:n].copy(), out_offsets[: n + 1].copy(), out_points[:m].copy()


@njit(cache=True, nogil=True)
def _double_areas(offsets: NDArray[np.int64], points: NDArray[np.int32]) -> NDArray[np.int64]:
    """Twice the signed area of each ring: exteriors are positive, holes negative."""
    doubled = np.zeros(len(offsets) - 1, np.int64)
    for i in range(len(doubled)):
        total = np.int64(0)
        before = offsets[i + 1] - 1
        for k in range(offsets[i], offsets[i + 1]):
            total += np.int64(points[before, 0]) * points[k, 1] - np.int64(points[k, 0]) * points[before, 1]
            before = k
        doubled[i] = total
    return doubled


def build_polygons(rings: Chains) -> Polygons:
    """One polygon an instance, holes kept.

    Args:
        rings: closed chains, every ring of each instance among them.
    """
    ids, offsets, points = _split(rings.ids, rings.offsets, rings.points, rings.flags)
    hole = _double_areas(offsets, points) < 0
    first = points[offsets[:-1]]
    order = np.lexsort((first[:, 0], first[:, 1], hole, ids))
    rows, offsets = gather(offsets, order)
    ids = ids[order]
    parts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1], [True]])) if len(ids) else np.zeros(1, np.int64)
    assert np.array_equal(parts[:-1], np.flatnonzero(~hole[order])), "an instance has one exterior"
    return Polygons(ids[parts[:-1]], parts, offsets, points[rows])


def concatenate_polygons(several: list[Polygons]) -> Polygons:
    """All polygons of several, in order; ``several`` is not empty."""
    rings = np.cumsum([0, *(len(each.offsets) - 1 for each in several)])
    points = np.cumsum([0, *(len(each.points) for each in several)])
    zero = np.zeros(1, np.int64)
    parts = [each.parts[1:] + start for each, start in zip(several, rings[:-1], strict=True)]
    offsets = [each.offsets[1:] + start for each, start in zip(several, points[:-1], strict=True)]
    return Polygons(
        np.concatenate([each.ids for each in several]),
        np.concatenate([zero, *parts]),
        np.concatenate([zero, *offsets]),
        np.concatenate([each.points for each in several]),
    )


def take_polygons(polygons: Polygons, index: NDArray[np.int64]) -> Polygons:
    """The polygons at these places, in that order."""
    rings, parts = gather(polygons.parts, index)
    rows, offsets = gather(polygons.offsets, rings)
    return Polygons(polygons.ids[index], parts, offsets, polygons.points[rows])


def to_shapely(polygons: Polygons, matrix: NDArray[np.float64]) -> NDArray[np.object_]:
    """Shapely polygons, their exteriors counter-clockwise in the target coordinates.

    Args:
        polygons: in pixel corners.
        matrix: (2, 3) affine from pixel corners (x, y) to the target.
    Returns:
        (n,) array of shapely polygons.
    """
    lengths = np.diff(polygons.offsets)
    closed = np.concatenate([[0], np.cumsum(lengths + 1)])
    # A transform that mirrors, as that of every north-up image does, turns the rings round.
    step = 1 if np.linalg.det(matrix[:, :2]) > 0 else -1
    place = np.arange(closed[-1]) - np.repeat(closed[:-1], lengths + 1)
    rows = np.repeat(polygons.offsets[:-1], lengths + 1) + (step * place) % np.repeat(lengths, lengths + 1)
    x, y = polygons.points[rows].T
    # Written out: a matrix product may round differently from one array length to the next.
    coordinates = np.stack([axis[0] * x + axis[1] * y + axis[2] for axis in matrix], axis=1)
    return np.asarray(
        shapely.from_ragged_array(shapely.GeometryType.POLYGON, coordinates, (closed, polygons.parts)), dtype=object
    )
