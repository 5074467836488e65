"""``overtrace plan``: what a trace would take, before anything is started."""

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from overtrace.cli.trace import CLUSTER_HELP, SEE_AT_HELP, RuntimeName

if TYPE_CHECKING:
    from overtrace.trace.forecast import Forecast, Rates, Work

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def plan(
    images: Annotated[list[str], typer.Argument(help="Images, as for overtrace trace.")],
    model: Annotated[str, typer.Option(help="A model that is shipped, or a model file.")] = "trees",
    block: Annotated[int, typer.Option(help="Side of the unit of work in pixels.")] = 1024,
    runtime: Annotated[RuntimeName, typer.Option(help="What runs the network.")] = RuntimeName.openvino,
    views: Annotated[int, typer.Option(help="Looks at each window.")] = 1,
    bands: Annotated[str, typer.Option(help="Bands by number, such as red=4,green=3,blue=2.")] = "",
    pixel_size: Annotated[float | None, typer.Option(help="Metres a pixel, where the image does not say.")] = None,
    see_at: Annotated[float | None, typer.Option(help=SEE_AT_HELP)] = None,
    cluster: Annotated[str | None, typer.Option(help=CLUSTER_HELP, metavar="ADDRESS")] = None,
    threads: Annotated[int, typer.Option(help="Threads that work; 0 for those of the cluster, or the cores here.")] = 0,
    samples: Annotated[int, typer.Option(help="Blocks of the first image that are traced here to measure rates.")] = 2,
    network: Annotated[
        float, typer.Option(help="Megapixels a second of the network on one thread, if not as measured here.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what a trace would take: blocks, bytes, hours and room for the work under way."""
    from dataclasses import replace

    from overtrace.raster.roles import parse_bands
    from overtrace.trace.forecast import check_task, count_threads, count_work, forecast, measure_rates
    from overtrace.trace.options import Options
    from overtrace.trace.plan import make_plan

    options = Options(
        model=model,
        runtime=runtime.value,
        views=views,
        block=block,
        bands=parse_bands(bands) if bands else {},
        pixel_size_m=pixel_size,
        see_at_m=see_at,
    )
    made = make_plan(images, ["plan.gpkg"], options)
    check_task(made, samples)
    count, where = (threads, "as told") if threads else count_threads(cluster)
    work = count_work(made)
    rates = measure_rates(made, samples)
    if network:
        rates = replace(rates, network=network * 1e6)
    expected = forecast(work, rates, count)
    if as_json:
        shown = {"work": asdict(work), "rates": asdict(rates), "expected": asdict(expected)}
        typer.echo(json.dumps({"threads": count, "hours": expected.hours, **shown}, indent=1))
    else:
        typer.echo(describe(work, rates, expected, count, where))


def describe(work: "Work", rates: "Rates", expected: "Forecast", threads: int, where: str) -> str:
    """A forecast for people."""
    a_task = "a block each" if work.side == 1 else f"groups of {work.side} x {work.side} blocks"
    lines = [
        f"{work.pixels / 1e6:,.1f} megapixels: {work.blocks:,} blocks; two passes of {work.tasks:,} tasks, {a_task}",
        f"reads {show_bytes(work.pixel_bytes)} of pixels, unpacked",
        f"measured here on {rates.samples} blocks, one thread: network {rates.network / 1e6:.2f} megapixels/s with "
        f"reading, polygons {rates.polygons / 1e6:.2f}; {rates.objects * 1e6:,.0f} objects a megapixel",
        f"{threads} threads ({where}): {show_hours(expected.hours)}: network {show_hours(expected.network_hours)}, "
        f"then polygons {show_hours(expected.polygons_hours)}, written meanwhile by one process in "
        f"{show_hours(expected.writing_hours)}",
        f"scratch: {show_bytes(expected.scratch_bytes)} in {expected.files:,.0f} files",
        f"result: about {expected.objects:,.0f} objects",
        "assumes that all blocks are like those measured, and workers as fast as this machine",
    ]
    return "\n".join(lines)


def show_bytes(count: float) -> str:
    """Bytes in the unit that fits."""
    power = min(int(math.log10(max(count, 1)) // 3), len(UNITS) - 1)
    return f"{count / 1000**power:.3g} {UNITS[power]}"


def show_hours(hours: float) -> str:
    """A time in the unit that fits."""
    seconds = 3600 * hours
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{hours:,.1f} h"
