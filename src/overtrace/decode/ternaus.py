"""Placeholder."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def decode_ternaus(probabilities: NDArray[np.float32]) -> NDArray[np.int32]:
    """Labels (H, W) of (2, H, W) interior and touch."""
    labels: NDArray[np.int32] = ndimage.label((probabilities[0] > 0.5) & (probabilities[1] < 0.5))[0].astype(np.int32)
    return labels


def score_instances(labels: NDArray[np.int32], interior: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean interior of each."""
    area = np.bincount(labels.ravel())[1:]
    return (np.bincount(labels.ravel(), interior.ravel())[1:] / np.maximum(area, 1)).astype(np.float32)
