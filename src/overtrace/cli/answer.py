"""``overtrace answer``: images in, the file that a contest takes out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from overtrace.cli.trace import SEE_AT_HELP, VIEWS_HELP, RuntimeName

if TYPE_CHECKING:
    from overtrace.challenges.answer import Summary
    from overtrace.models.runtime import Network


def answer(
    challenge: Annotated[str, typer.Argument(help="itc, sceneparsing, camvid, deepglobe or trees.")],
    model: Annotated[str, typer.Option(help="A model that is shipped, or a model file.")],
    images: Annotated[
        list[str],
        typer.Option(help="An image, a folder of images, or a city of SpaceNet-2 (deepglobe); may be repeated."),
    ],
    out: Annotated[
        Path, typer.Option(help="COCO results (itc), CSV (deepglobe, trees), a folder of PNGs (sceneparsing, camvid).")
    ],
    ids: Annotated[
        Path | None, typer.Option(help="The list of the images, by name; for itc with ids, which it needs.")
    ] = None,
    pixel_size: Annotated[
        float | None, typer.Option(help="Metres a pixel, where the images do not say or say it wrong.")
    ] = None,
    see_at: Annotated[float | None, typer.Option(help=SEE_AT_HELP)] = None,
    bands: Annotated[str, typer.Option(help="Bands by number, such as red=4,green=3,blue=2.")] = "",
    workers: Annotated[int, typer.Option(help="Images at a time; 0 for one a core.")] = 0,
    decode: Annotated[str, typer.Option(help="Decode parameters, such as interior=120,grow_px=24.")] = "",
    min_score: Annotated[float, typer.Option(help="Leave out objects that score less, from 0 to 1.")] = 0.0,
    runtime: Annotated[RuntimeName, typer.Option(help="What runs the network.")] = RuntimeName.openvino,
    views: Annotated[int, typer.Option(help=f"{VIEWS_HELP} 0: the most; more views, better answers.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Answer the images of a contest in its own format, ready for overtrace check.

    An image is held in memory whole; overtrace trace takes images of any size.
    """
    import os
    import time

    from overtrace.challenges.answer import answer as run
    from overtrace.cli.progress import Bar
    from overtrace.errors import BadOption
    from overtrace.raster.roles import parse_bands

    if workers < 0:
        raise BadOption(f"--workers {workers}: wanted how many images at a time, or 0 for one on each core")
    began = time.perf_counter()
    workers = workers or os.cpu_count() or 1
    with Bar() as bar:
        summary = run(
            challenge,
            _load(model, runtime, workers, decode, views),
            images,
            out,
            ids=ids,
            pixel_size_m=pixel_size,
            see_at_m=see_at,
            bands=parse_bands(bands) if bands else {},
            min_score=min_score,
            workers=workers,
            progress=bar,
        )
    seconds = time.perf_counter() - began
    if as_json:
        facts = {"challenge": summary.challenge, "images": summary.images, "objects": summary.objects}
        typer.echo(
            json.dumps({**facts, "seconds": round(seconds, 3), "notes": summary.notes, "output": str(out)}, indent=1)
        )
    else:
        typer.echo(_describe(summary, seconds, out))


def _load(model: str, runtime: RuntimeName, workers: int, decode: str, views: int) -> "Network":
    """A model, decoded as its card says but for what the user changes; it looks ``views`` times, for 0 the most."""
    from dataclasses import asdict

    from overtrace.models.card import DecodeParameters
    from overtrace.models.runtime import load_network
    from overtrace.models.shipped import find_model
    from overtrace.models.views import add_views, most_views
    from overtrace.trace.options import Options, choose_parameters, parse_parameters

    network = load_network(find_model(model), runtime=runtime.value, workers=workers)
    planes, detections = choose_parameters(network.card, Options(decode=parse_parameters(decode)))
    changes = {"decode": DecodeParameters(**asdict(planes)), "detect": detections}
    return add_views(network.with_card(network.card.model_copy(update=changes)), views or most_views(network.card))


def _describe(summary: "Summary", seconds: float, out: Path) -> str:
    """The summary, for people."""
    counts = [f"{summary.images:,} image{'s' * (summary.images != 1)}"]
    if summary.objects is not None:
        counts.append(f"{summary.objects:,} object{'s' * (summary.objects != 1)}")
    return "\n".join(
        [
            f"{', '.join(counts)} in {seconds:.1f} s",
            *(f"note: {note}" for note in summary.notes),
            f"wrote {out}",
        ]
    )
