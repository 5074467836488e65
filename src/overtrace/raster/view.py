"""An image as a model sees it: its bands, its pixel size, brightness from 0 to 1, no holes.

Every pixel of a view is a function of its position and of the image alone, never of the box that asked for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overtrace.errors import BadImage
from overtrace.raster.grid import Box, Grid
from overtrace.raster.scaling import Scaling
from overtrace.raster.source import Raster


@dataclass(frozen=True)
class View:
    """A Raster at the pixel size, in the bands and on the scale of a model; can be pickled."""

    raster: Raster
    grid: Grid
    """The pixels that the model sees; they cover the same ground as those of the raster."""
    bands: tuple[int, ...]
    low: tuple[float, ...]
    """For each band the value that becomes 0."""
    high: tuple[float, ...]
    """For each band the value that becomes 1."""

    def read(self, box: Box) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Brightness in ``box``, and which of it is real.

        Returns:
            (bands, height, width) from 0 to 1, and (height, width) False where there is no image.
        """
        values, valid = self.raster.read(self.bands, box)
        low = np.asarray(self.low, np.float32)[:, None, None]
        step = np.float32(1) / (np.asarray(self.high, np.float32)[:, None, None] - low)
        image = np.clip((values.astype(np.float32) - low) * step, 0, 1).astype(np.float32)
        image *= valid
        return image, valid


def open_view(
    raster: Raster,
    bands: Sequence[str] = ("red", "green", "blue"),
    pixel_size_range_m: tuple[float, float] | None = None,
    scaling: Scaling | None = None,
) -> View:
    """Fit an image to a model.

    Raises:
        BadImage: if the image lacks a band that the model wants.
    """
    numbers = choose_bands(raster, bands)
    divisor = (scaling or Scaling()).divisors.get(raster.dtype, 255.0)
    return View(raster, raster.grid, numbers, (0.0,) * len(numbers), (divisor,) * len(numbers))


def choose_bands(raster: Raster, roles: Sequence[str]) -> tuple[int, ...]:
    """The band numbers of the roles that a model wants.

    Raises:
        BadImage: if the image lacks one of them.
    """
    missing = [role for role in roles if role not in raster.roles]
    if missing:
        known = ", ".join(f"{role}={number}" for role, number in raster.roles.items()) or "none of them known by role"
        raise BadImage(
            f"{raster.name} has {raster.band_count} band{'s' * (raster.band_count != 1)} ({known}), the model wants "
            f"{', '.join(roles)}: say which is which with --bands {','.join(f'{role}=N' for role in missing)}"
        )
    return tuple(raster.roles[role] for role in roles)
