"""The images of the demo: two real ones out of a wheel on PyPI, or one that is drawn here."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from overtrace.errors import BadDownload

REQUIREMENT = "deepforest==2.1.0"
WHEEL = "deepforest-2.1.0-py3-none-any.whl"
SHA256 = "8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54"
OFFLINE = "run 'overtrace demo --offline' to trace a drawn canopy instead"


@dataclass(frozen=True, slots=True)
class Sample:
    """An image to show what tracing gives."""

    image: Path
    title: str
    pixel_size_m: float | None
    """Metres a pixel, where the image itself does not say."""


def fetch_samples(cache: Path, folder: Path) -> list[Sample]:
    """Put the two real images into a folder, from the wheel in the cache, or else from the user's package index.

    Raises:
        BadDownload: the wheel cannot be had, or is not the one that was published.
    """
    wheel = fetch_wheel(cache)
    return [
        Sample(
            _extract(wheel, "OSBS_029.tif", folder),
            "Ordway-Swisher, Florida: 40 m x 40 m at 0.1 m; unlike what the model has learned: expect mistakes",
            None,
        ),
        Sample(
            _extract(wheel, "2019_YELL_2_528000_4978000_image_crop2.png", folder),
            "Yellowstone, Wyoming: 230 m x 247 m at 0.1 m, a PNG without georeference; its southern half was learned",
            0.1,
        ),
    ]


def draw_sample(folder: Path) -> Sample:
    """Draw some seven hundred crowns into a folder, as a GeoTIFF."""
    from overtrace.trace.picture import write_canopy

    image = folder / "drawn_canopy.tif"
    write_canopy(image, 1024, spacing_px=36, pixel_size_m=0.2)
    return Sample(image, "A drawn canopy, no real image: 205 m x 205 m at 0.2 m", None)


def fetch_wheel(cache: Path) -> Path:
    """The wheel in the cache folder, downloaded by pip, and so by its mirrors and proxies, where it is not there yet.

    Raises:
        BadDownload: pip cannot download it, or its digest is wrong; the cache is left as it was.
    """
    wheel = cache / WHEEL
    if wheel.exists() and _digest(wheel) == SHA256:
        return wheel
    with tempfile.TemporaryDirectory() as scratch:
        came = _download(Path(scratch))
        digest = _digest(came)
        if digest != SHA256:
            raise BadDownload(f"{WHEEL} came with sha256 {digest}, wanted {SHA256}: try again, or {OFFLINE}")
        try:
            cache.mkdir(parents=True, exist_ok=True)
            aside = cache / f".{WHEEL}.{os.getpid()}.part"
            shutil.copyfile(came, aside)
            aside.replace(wheel)
        except OSError as error:
            raise BadDownload(f"cannot keep {WHEEL} in {cache} ({error.strerror}): make room, or {OFFLINE}") from error
    return wheel


def _download(folder: Path) -> Path:
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--disable-pip-version-check", "--quiet"]
    patience = ["--retries", "2", "--timeout", "20"]
    command = [sys.executable, "-m", "pip", "download", *options, *patience, "--dest", str(folder), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    wheel = folder / WHEEL
    if done.returncode or not wheel.exists():
        said = [line.strip() for line in done.stderr.splitlines() if "error" in line.lower() or "No module" in line]
        reason = said[-1].removeprefix("ERROR: ") if said else f"exit {done.returncode}"
        raise BadDownload(f"pip could not download {REQUIREMENT} ({reason}): check the network, or {OFFLINE}")
    return wheel


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _extract(wheel: Path, name: str, folder: Path) -> Path:
    image = folder / name
    with zipfile.ZipFile(wheel) as archive:
        image.write_bytes(archive.read(f"deepforest/data/{name}"))
    return image
