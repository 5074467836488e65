"""``overtrace demo``: aerial images traced, without any file of one's own."""

import os
from pathlib import Path
from typing import Annotated

import typer

from overtrace.errors import BadOutput


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results; made where it is missing.")] = Path(
        "overtrace-demo"
    ),
    offline: Annotated[bool, typer.Option("--offline", help="Trace a drawn canopy: nothing is downloaded.")] = False,
) -> None:
    """Trace two aerial images of forest and write a GeoPackage and a report of each.

    The images come from PyPI, inside the wheel deepforest 2.1.0 (20.6 MB, MIT licence, NEON imagery); the wheel is
    kept in the cache folder of the user.
    """
    from overtrace.trace.samples import draw_sample, fetch_samples

    _make_folder(out)
    if offline:
        typer.echo("Offline: this is a canopy that overtrace draws itself, not a real image.")
        samples = [draw_sample(out)]
    else:
        typer.echo("Two aerial images out of the wheel deepforest 2.1.0 (20.6 MB, downloaded once).")
        samples = fetch_samples(_cache_folder(), out)
    typer.echo("The first trace on a machine compiles its inner loops, which takes half a minute.")
    for sample in samples:
        typer.echo(f"\n{sample.title}")
        _trace(sample.image, sample.pixel_size_m)
    typer.echo(
        f"\nOpen the .html files in a browser, and the .gpkg files in QGIS over their .tif images (an image without"
        f"\ngeoreference, such as a PNG, is traced in its pixels, with y down, and lies nowhere on a map):"
        f"\n{out.resolve()}"
    )


def _trace(image: Path, pixel_size_m: float | None) -> None:
    from overtrace.cli.progress import Bar
    from overtrace.cli.trace import describe
    from overtrace.trace.options import Options
    from overtrace.trace.pipeline import trace

    report = image.with_suffix(".html")
    with Bar() as bar:
        options = Options(pixel_size_m=pixel_size_m)
        summary = trace([image], [image.with_suffix(".gpkg")], options, report=report, progress=bar)
    typer.echo(describe(summary))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"cannot make the folder {folder} ({error.strerror}): choose another with --out") from error


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "overtrace"
