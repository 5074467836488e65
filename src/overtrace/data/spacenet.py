"""Placeholder."""

from pathlib import Path

from overtrace.raster.source import Raster, open_raster


def list_chips(folder: Path) -> list[tuple[str, Path, Path | None]]:
    """Image id, RGB and multispectral file of each chip."""
    found = []
    for rgb in sorted(folder.glob("**/RGB-PanSharpen/*.tif")):
        name = rgb.stem.removeprefix("RGB-PanSharpen_")
        mul = rgb.parents[1] / "MUL-PanSharpen" / f"MUL-PanSharpen_{name}.tif"
        found.append((name, rgb, mul if mul.exists() else None))
    return found


def stack_chip(rgb: Path, mul: Path) -> Raster:
    """Not both."""
    return open_raster(rgb)
