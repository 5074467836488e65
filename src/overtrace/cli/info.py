"""overtrace info: what an image or a model file is, and how they fit each other."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from overtrace.cli.mosaic import OverlapName, make_rule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from overtrace.models.card import Card, Score
    from overtrace.raster.source import Raster


def info(
    path: Annotated[str, typer.Argument(help="An image, a model file, or the name of a model that is shipped.")],
    model: Annotated[str, typer.Option(help="The model whose view of an image is described.")] = "trees",
    bands: Annotated[str, typer.Option(help="Bands of an image by number, such as red=4,green=3,blue=2.")] = "",
    pixel_size: Annotated[float | None, typer.Option(help="Metres a pixel, where the image does not say.")] = None,
    mosaic: Annotated[
        OverlapName | None, typer.Option(help="See a folder or an index of images as one, as `overtrace trace` does.")
    ] = None,
    mosaic_crs: Annotated[str, typer.Option(help="CRS of the mosaic, such as EPSG:32633.")] = "",
    mosaic_pixel: Annotated[float | None, typer.Option(help="Side of its pixels in units of the CRS.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what an image or a model file is."""
    from overtrace.models.card import read_card
    from overtrace.models.shipped import find_model, has_model
    from overtrace.raster.mosaic import open_mosaic
    from overtrace.raster.roles import parse_bands
    from overtrace.raster.source import open_raster

    rule = make_rule(mosaic, mosaic_crs, mosaic_pixel)
    if path.lower().endswith(".onnx") or has_model(path):
        file = find_model(path)
        card = read_card(file)
        facts = _describe_model(file, card)
        if not as_json:
            facts["scores"] = _summarise(card.scores)
    else:
        chosen = parse_bands(bands) if bands else None
        raster: Raster
        if rule is None:
            raster = open_raster(path, bands=chosen, pixel_size_m=pixel_size)
        else:
            raster = open_mosaic([path], rule, bands=chosen, pixel_size_m=pixel_size)
        facts = _describe_image(raster) | _describe_view(raster, model)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _print(facts)


def _describe_model(path: "Path", card: "Card") -> dict[str, Any]:
    return {"file": str(path), "bytes": path.stat().st_size, **card.model_dump(mode="json")}


def _summarise(scores: "Sequence[Score]") -> list[str]:
    """One line for all scores of one measurement."""
    runs: dict[str, list[str]] = {}
    for score in scores:
        run = f"{score.data}; {score.by}, {score.date}, commit {score.commit}"
        runs.setdefault(run, []).append(f"{score.name} {score.value:g}")
    return [f"{', '.join(figures)} on {run}" for run, figures in runs.items()]


def _describe_image(raster: "Raster") -> dict[str, Any]:
    from overtrace.raster.tiled import is_slow

    grid = raster.grid
    return {
        "image": raster.name,
        "format": raster.driver,
        "width": grid.width,
        "height": grid.height,
        "megapixels": round(grid.width * grid.height / 1e6, 3),
        "bands": raster.band_count,
        "roles": raster.roles,
        "type": raster.dtype,
        "crs": None if grid.crs is None else grid.crs.to_string(),
        "pixel_size_m": grid.pixel_size_m,
        "transform": None if grid.transform.is_identity else list(grid.transform)[:6],
        "nodata": None if set(raster.nodata) == {None} else [str(value) for value in raster.nodata],
        "alpha_band": raster.alpha,
        "mask": raster.mask,
        "block_shape": raster.block_shape,
        "compression": raster.compression,
        "copied_into_tiles_first": is_slow(raster),
        "notes": raster.notes,
    }


def _describe_view(raster: "Raster", model: str) -> dict[str, Any]:
    """How a model would see the image, or why it would not."""
    from overtrace.errors import BadImage, BadModel
    from overtrace.models.card import read_card
    from overtrace.models.shipped import find_model
    from overtrace.models.view import view_image

    try:
        card = read_card(find_model(model))
        view = view_image(raster, card)
    except (BadImage, BadModel) as error:
        return {f"seen by {model}": str(error)}
    grid = view.grid
    divisor = card.scaling.divisors.get(raster.dtype)
    return {
        f"seen by {model}": {
            "bands": dict(zip(card.bands, view.bands, strict=True)),
            "width": grid.width,
            "height": grid.height,
            "pixel_size_m": grid.pixel_size_m,
            "resampled": grid != raster.grid,
            "scaling": f"divided by {divisor:g}" if divisor else f"percentiles {card.scaling.percentiles}",
        }
    }


def _print(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), escape(_show(value)))
    Console().print(table)


def _show(value: Any) -> str:
    """A value as one reads it; parts of it on lines of their own."""
    if value in (None, "", [], (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, dict):
        return "\n".join(f"{key.replace('_', ' ')}: {_show(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        separator = "\n" if any(isinstance(part, dict | str) and len(part) > 12 for part in value) else ", "
        return separator.join(_show(part).replace("\n", ", ") for part in value)
    return str(value)
