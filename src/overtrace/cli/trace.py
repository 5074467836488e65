"""``overtrace trace``: images in, polygons out."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from overtrace.cli.mosaic import OverlapName, make_rule

if TYPE_CHECKING:
    from overtrace.raster.progress import Progress


VIEWS_HELP = "Looks at each window, whose mean is taken: 1, or 8 (planes), 2 or 6 (classes); as many times slower."
SEE_AT_HELP = "Metres a pixel to which finer images are reduced for the model; by default the finest that it knows."
CLUSTER_HELP = "A Dask cluster: tcp://HOST:PORT of its scheduler, local:WORKERS, or slurm:FILE with Slurm's settings."


class RuntimeName(StrEnum):
    """Runtimes of the network."""

    openvino = "openvino"
    onnxruntime = "onnxruntime"


class ExecutorName(StrEnum):
    """Kinds of worker."""

    threads = "threads"
    processes = "processes"


def trace(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders of images, or any path that GDAL opens; with --mosaic also a STAC item collection or "
            "a GeoParquet index."
        ),
    ],
    out: Annotated[
        list[str],
        typer.Option(
            help="File to write, here or in s3:// gs:// az://, more than one if repeated: .gpkg .geojson .geojsonl "
            ".fgb .parquet .pmtiles, .json (COCO), .tif (labels); .png or .tif (classes); NAME/ for .parquet in parts.",
            metavar="PATH",
        ),
    ],
    model: Annotated[str, typer.Option(help="A model that is shipped, or a model file.")] = "trees",
    mosaic: Annotated[
        OverlapName | None,
        typer.Option(help="Trace all images as one; where they overlap, the first or the newest is seen."),
    ] = None,
    mosaic_crs: Annotated[
        str, typer.Option(help="CRS of the mosaic, such as EPSG:32633; by default that of most images.")
    ] = "",
    mosaic_pixel: Annotated[
        float | None,
        typer.Option(help="Side of its pixels in units of the CRS; by default that of most images of that CRS."),
    ] = None,
    block: Annotated[int, typer.Option(help="Side of the unit of work in pixels: memory, not the answer.")] = 1024,
    workers: Annotated[int, typer.Option(help="Workers; 0 for one a core.")] = 0,
    executor: Annotated[ExecutorName, typer.Option(help="What a worker is.")] = ExecutorName.threads,
    simplify: Annotated[str, typer.Option(help="Tolerance in px or m, such as 0.5px or 0.3m; 0 for none.")] = "0.75px",
    pixel_size: Annotated[
        float | None, typer.Option(help="Metres a pixel, where the image does not say or says it wrong.")
    ] = None,
    see_at: Annotated[float | None, typer.Option(help=SEE_AT_HELP)] = None,
    bands: Annotated[str, typer.Option(help="Bands by number, such as red=4,green=3,blue=2.")] = "",
    decode: Annotated[str, typer.Option(help="Decode parameters, such as interior=120,grow_px=24.")] = "",
    min_area: Annotated[
        float | None, typer.Option(help="Leave out objects of fewer square metres; by default as the card says.")
    ] = None,
    min_score: Annotated[float, typer.Option(help="Leave out objects that score less, from 0 to 1.")] = 0.0,
    runtime: Annotated[RuntimeName, typer.Option(help="What runs the network.")] = RuntimeName.openvino,
    views: Annotated[int, typer.Option(help=VIEWS_HELP)] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what a run that broke off had finished.")
    ] = False,
    scratch: Annotated[
        str | None, typer.Option(help="Folder, or s3://BUCKET/PREFIX, for the work under way.", metavar="PLACE")
    ] = None,
    cluster: Annotated[str | None, typer.Option(help=CLUSTER_HELP, metavar="ADDRESS")] = None,
    report: Annotated[str | None, typer.Option(help="An HTML page to look at the result.", metavar="PATH")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Trace the objects in images, each as one polygon, or the class of each pixel."""
    from overtrace.cli.progress import Bar
    from overtrace.raster.roles import parse_bands
    from overtrace.trace.options import Options, parse_length, parse_parameters
    from overtrace.trace.pipeline import trace as run

    options = Options(
        model=model,
        mosaic=make_rule(mosaic, mosaic_crs, mosaic_pixel),
        runtime=runtime.value,
        views=views,
        block=block,
        workers=workers,
        executor=executor.value,
        simplify=parse_length(simplify),
        pixel_size_m=pixel_size,
        see_at_m=see_at,
        bands=parse_bands(bands) if bands else {},
        decode=parse_parameters(decode),
        min_area_m2=min_area,
        min_score=min_score,
        resume=resume,
        scratch=scratch,
        cluster=cluster,
    )
    with Bar() as bar:
        progress: Progress = bar
        summary = run(images, out, options, report=report, progress=progress)
    typer.echo(json.dumps(summary, indent=1) if as_json else describe(summary))


def describe(summary: dict[str, object]) -> str:
    """The summary of a run, for people."""
    seconds = summary["seconds"]
    assert isinstance(seconds, dict)
    outputs = summary["outputs"]
    assert isinstance(outputs, list)
    notes = summary["notes"]
    assert isinstance(notes, list)
    total, megapixels = seconds["total"], summary["megapixels"]
    assert isinstance(megapixels, float)
    stages = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items() if stage != "total")
    lines = [
        _describe_classes(summary["classes"]) if "classes" in summary else _describe_objects(summary),
        f"{megapixels:,.1f} megapixels in {total:.1f} s ({megapixels / total:.1f} a second): {stages}",
        *_describe_losses(summary.get("cluster")),
        *(f"note: {note}" for note in notes),
        *(f"wrote {path}" for path in outputs),
    ]
    return "\n".join(lines)


def _describe_losses(cluster: object) -> list[str]:
    """What was done for nothing, if anything was."""
    if not isinstance(cluster, dict) or not cluster["again"]:
        return []
    return [f"{cluster['again']} tasks were done again, which cost at most {cluster['lost_seconds']:.0f} s of a thread"]


def _describe_objects(summary: dict[str, object]) -> str:
    sizes = [f"{summary['objects']:,} objects", f"{summary['cover']:.1%} of the image"]
    area = summary["area_m2"]
    if isinstance(area, float):
        sizes.insert(1, f"{area:,.0f} m²")
    return ", ".join(sizes)


def _describe_classes(classes: object) -> str:
    """A line for each class: its number in a class map, its name and its share."""
    assert isinstance(classes, list)
    lines = [f"{row['index']:>3} {row['name']}, {row['share']:.1%} of the image" for row in classes]
    return "\n".join(lines) or "no class: the image holds no data"
