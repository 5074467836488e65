"""Everything that is looked at before work begins, so that most mistakes show at once."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from overtrace import __version__
from overtrace.decode.parameters import Parameters
from overtrace.errors import BadImage, BadOption
from overtrace.models.card import Card, DetectParameters, read_card
from overtrace.models.shipped import find_model
from overtrace.models.view import lay_windows, view_image
from overtrace.models.views import check_views
from overtrace.raster.grid import Grid
from overtrace.raster.index import is_index
from overtrace.raster.layout import name_crs
from overtrace.raster.mosaic import Mosaic, open_mosaic
from overtrace.raster.source import Raster, find_images, open_raster
from overtrace.raster.tiled import copy_if_slow
from overtrace.trace.job import Job
from overtrace.trace.manifest import describe_file, digest
from overtrace.trace.options import Options, check_scene_options, choose_parameters
from overtrace.vector.tables import Header, ImageInfo


@dataclass(frozen=True)
class Plan:
    """Images, model and parameters that fit each other."""

    rasters: tuple[Raster, ...]
    model: Path
    card: Card
    parameters: Parameters
    detect: DetectParameters
    options: Options
    workers: int
    header: Header
    scratch: Path
    facts: dict[str, object]
    """What a run that resumes must find unchanged."""

    def name(self, index: int) -> str:
        """What an image is called in the outputs."""
        return self.header.images[index].name

    def open_job(self, index: int, *, keep_labels: bool) -> Job:
        """The work on one image; one that is slow to read is copied first.

        Raises:
            BadImage: if the model cannot see it.
            BadOption: if ``simplify`` is in metres and the pixel size is not known.
        """
        card, options = self.card, self.options
        folder = self.scratch / f"image-{index:05d}"
        raster = copy_if_slow(self.rasters[index], folder)
        view = view_image(raster, card)
        return Job(
            view=view,
            model=self.model,
            runtime=options.runtime,
            views=options.views,
            workers=self.workers if options.executor == "threads" else 1,
            task=card.task,
            lattice=lay_windows(card),
            block=options.block,
            parameters=self.parameters,
            detect=self.detect,
            simplify_px=options.simplify.in_pixels(view.grid),
            keep_labels=keep_labels,
            folder=folder,
        )

    def seen_grid(self, index: int) -> Grid:
        """The pixels of an image as the model sees them.

        Raises:
            BadImage: if the model cannot see it.
        """
        return view_image(self.rasters[index], self.card).grid


def make_plan(images: Sequence[str | Path], outs: Sequence[str | Path], options: Options) -> Plan:
    """Look at images, model and options.

    Args:
        outs: all files that will be written; the first says where the scratch folder goes.
    Raises:
        OvertraceError: for whatever does not fit.
    """
    if options.block < 1:
        raise BadOption(f"--block {options.block}: wanted the side of a block in pixels, such as 1024")
    if options.workers < 0:
        raise BadOption(f"--workers {options.workers}: wanted how many work at a time, or 0 for one on each core")
    if not outs:
        raise BadOption("nothing to write: name an output with --out")
    model = find_model(options.model)
    card = read_card(model)
    if card.task == "classes":
        check_scene_options(card, options)
    check_views(card, options.views)
    rasters = _open_images(images, options)
    paths = [raster.name for raster in rasters]
    if options.min_area_m2 and any(raster.grid.pixel_size_m is None for raster in rasters):
        raise BadOption("--min-area: the image does not say its scale: give --pixel-size or --decode min_area_px=N")
    parameters, detect = choose_parameters(card, options)
    first = Path(outs[0])
    scratch = (options.scratch or first.parent) / f".{first.name}.scratch"
    return Plan(
        rasters=rasters,
        model=model,
        card=card,
        parameters=parameters,
        detect=detect,
        options=options,
        workers=options.workers or os.cpu_count() or 1,
        header=_head(rasters, paths, card),
        scratch=scratch,
        facts=_facts(rasters, outs, model, asdict(parameters) | detect.model_dump(), options),
    )


def _open_images(images: Sequence[str | Path], options: Options) -> tuple[Raster, ...]:
    if options.mosaic is not None:
        size = options.pixel_size_m
        return (open_mosaic(images, options.mosaic, bands=options.bands, pixel_size_m=size),)
    index = next((path for path in images if is_index(path)), None)
    if index is not None:
        raise BadOption(f"{index} lists images: --mosaic first, or newest, traces them as one")
    paths = find_images(images)
    rasters = tuple(open_raster(path, bands=options.bands, pixel_size_m=options.pixel_size_m) for path in paths)
    _check_one_crs(rasters)
    return rasters


def _check_one_crs(rasters: Sequence[Raster]) -> None:
    first = rasters[0]
    for raster in rasters[1:]:
        if raster.grid.crs != first.grid.crs:
            raise BadImage(
                f"{raster.name} is in {name_crs(raster.grid.crs)} and {first.name} in {name_crs(first.grid.crs)}: "
                "trace images of different CRS one by one, or as one image with --mosaic first"
            )


def _head(rasters: Sequence[Raster], paths: Sequence[str], card: Card) -> Header:
    names = [Path(path).name for path in paths]
    if len(set(names)) < len(names):
        common = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])
        names = [os.path.relpath(path, common) for path in paths]
    return Header(
        images=tuple(ImageInfo(name, raster.grid) for name, raster in zip(names, rasters, strict=True)),
        class_names=card.classes,
        crs=rasters[0].grid.crs,
        layer=card.name,
        card=card.model_dump_json(),
    )


def _facts(
    rasters: Sequence[Raster],
    outs: Sequence[str | Path],
    model: Path,
    parameters: dict[str, object],
    options: Options,
) -> dict[str, object]:
    return {
        "overtrace": __version__,
        "images": [_describe_image(raster) for raster in rasters],
        "mosaic": None if options.mosaic is None else asdict(options.mosaic),
        "model": {"name": options.model, "sha256": digest(model)},
        "runtime": options.runtime,
        "views": options.views,
        "parameters": parameters,
        "block": options.block,
        "simplify": f"{options.simplify.value:g}{options.simplify.unit}",
        "pixel_size_m": options.pixel_size_m,
        "bands": dict(options.bands),
        "labels": any(Path(out).suffix.lower() in (".tif", ".tiff") for out in outs),
    }


def _describe_image(raster: Raster) -> dict[str, object]:
    """What tells whether an image is still the same; of thousands of files, their digest."""
    if not isinstance(raster, Mosaic):
        return describe_file(raster.path)
    files = json.dumps([describe_file(file.path) for file in raster.files], sort_keys=True)
    return {"files": len(raster.files), "sha256": hashlib.sha256(files.encode()).hexdigest()}
