"""Small real image files for tests."""

import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

UTM = {"crs": "EPSG:32617", "transform": from_origin(500_000, 4_000_000, 0.3, 0.3)}


def noise(height: int = 90, width: int = 120, bands: int = 3, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """(bands, height, width) of values from 1 to 199."""
    return np.random.default_rng(seed).integers(1, 200, (bands, height, width)).astype(dtype)


def write_image(
    path: Path, values: np.ndarray, driver: str = "GTiff", mask: np.ndarray | None = None, **profile
) -> str:
    """Write (bands, height, width) values; UTM pixels of 0.3 m unless told otherwise. Returns the path as text."""
    bands, height, width = values.shape
    place = {} if driver in ("PNG", "JPEG") or "crs" in profile else UTM
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_PAM_ENABLED=False):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        options = {"count": bands, "height": height, "width": width, "dtype": values.dtype, **place, **profile}
        with rasterio.open(path, "w", driver=driver, **options) as image:
            image.write(values)
            if mask is not None:
                image.write_mask(mask)
    return str(path)
