"""The pairs of files on which the official codes were run: drawn here, or real ones out of a wheel on PyPI."""

import zipfile
from pathlib import Path
from unittest.mock import patch

from overtrace.cli.demo import _cache_folder
from overtrace.trace import samples
from tests.support.footprint_sets import write_footprints, write_oddities

DRAWN = {
    "generated": lambda folder: write_footprints(folder, crossing_truth=True),
    "sound": lambda folder: write_footprints(folder, crossing_truth=False),
    "oddities": write_oddities,
}
REAL = {
    "sn2-sample": ("SN2_sample_truth.csv", "SN2_sample_preds.csv"),
    "off-nadir": ("sample_truth_competition.csv", "sample_preds_competition.csv"),
}
# 0.4.0 has the same files, but pip refuses its metadata. cw-eval 1.0.0 has those of off-nadir.
WHEEL = {
    "REQUIREMENT": "solaris==0.1.3",
    "WHEEL": "solaris-0.1.3-py3-none-any.whl",
    "SHA256": "3a2a62af263422574712e44effeecf14552c7970c4b2ea5893020256bf4a2052",
}


def write_set(name: str, folder: Path) -> tuple[Path, Path]:
    """Put the truth and the answer into a folder."""
    if name in DRAWN:
        return DRAWN[name](folder)
    with patch.multiple(samples, **WHEEL):
        wheel = samples.fetch_wheel(_cache_folder())
    paths = folder / "truth.csv", folder / "answer.csv"
    with zipfile.ZipFile(wheel) as archive:
        for path, member in zip(paths, REAL[name], strict=True):
            path.write_bytes(archive.read(f"solaris/data/{member}"))
    return paths
