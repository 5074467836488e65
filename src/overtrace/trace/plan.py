"""Everything that is looked at before work begins, so that most mistakes show at once."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from overtrace import __version__
from overtrace.decode.parameters import Parameters
from overtrace.errors import BadImage, BadOption
from overtrace.models.card import Card, DetectParameters, read_card
from overtrace.models.runtime import Device
from overtrace.models.shipped import find_model
from overtrace.models.view import lay_windows, see_at, view_image
from overtrace.models.views import check_views
from overtrace.raster.addresses import is_remote
from overtrace.raster.grid import Grid
from overtrace.raster.handles import is_address
from overtrace.raster.index import is_index
from overtrace.raster.layout import name_crs
from overtrace.raster.mosaic import Mosaic, open_mosaic
from overtrace.raster.source import Raster, find_images, open_raster
from overtrace.raster.store import Store, open_store
from overtrace.raster.tiled import copy_if_slow, is_slow
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
    sha256: str
    """Of the model file."""
    scratch: Store
    facts: dict[str, object]
    """What a run that resumes must find unchanged."""

    def name(self, index: int) -> str:
        """What an image is called in the outputs."""
        return self.header.images[index].name

    def open_job(self, index: int, *, keep_labels: bool, device: Device = "any") -> Job:
        """The work on one image; one that is slow to read is copied first.

        Raises:
            BadImage: if the model cannot see it.
            BadOption: if ``simplify`` is in metres and the pixel size is not known.
        """
        raster = _prepare(self.rasters[index], self.store(index))
        return self._describe(index, raster, keep_labels, device)

    def describe_job(self, index: int) -> Job:
        """The same, to be looked at rather than done: nothing is copied."""
        return self._describe(index, self.rasters[index], keep_labels=False, device="any")

    def _describe(self, index: int, raster: Raster, keep_labels: bool, device: Device) -> Job:
        card, options = self.card, self.options
        view = view_image(raster, card)
        return Job(
            view=view,
            model=self.model,
            sha256=self.sha256,
            runtime=options.runtime,
            device=device,
            views=options.views,
            workers=self.workers if options.executor == "threads" else 1,
            task=card.task,
            lattice=lay_windows(card),
            block=options.block,
            parameters=self.parameters,
            detect=self.detect,
            simplify_px=options.simplify.in_pixels(view.grid),
            keep_labels=keep_labels,
            store=self.store(index),
        )

    def store(self, index: int) -> Store:
        """Where the work on an image is kept."""
        return self.scratch.child(f"image-{index:05d}")

    def list_files(self) -> list[str]:
        """The paths of all that is read, in full."""
        files = [raster.files if isinstance(raster, Mosaic) else (raster,) for raster in self.rasters]
        return [_name_in_full(file).path for several in files for file in several]

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
    if options.cluster is not None and (options.workers or options.executor != "threads"):
        raise BadOption("--workers and --executor are for this machine alone: leave them out with --cluster")
    model = find_model(options.model)
    card = read_card(model)
    if options.cluster is not None and card.task == "classes":
        raise BadOption(f"--cluster: {card.name} gives each pixel a class and sees an image at once: leave it out")
    if card.task == "classes":
        check_scene_options(card, options)
    check_views(card, options.views)
    rasters = _open_images(images, options)
    card = see_at(card, options.see_at_m, rasters)
    paths = [raster.name for raster in rasters]
    if options.min_area_m2 and any(raster.grid.pixel_size_m is None for raster in rasters):
        raise BadOption("--min-area: the image does not say its scale: give --pixel-size or --decode min_area_px=N")
    parameters, detect = choose_parameters(card, options)
    first = Path(outs[0]) if not is_remote(str(outs[0])) else Path(Path(outs[0]).name)
    sha256 = digest(model)
    return Plan(
        rasters=rasters,
        model=model,
        card=card,
        parameters=parameters,
        detect=detect,
        options=options,
        workers=options.workers or os.cpu_count() or 1,
        header=_head(rasters, paths, card),
        sha256=sha256,
        scratch=open_store(options.scratch or first.parent).child(f".{first.name}.scratch"),
        facts=_facts(rasters, outs, sha256, asdict(parameters) | detect.model_dump(), options),
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


def _prepare(raster: Raster, store: Store) -> Raster:
    """One that is slow to read is copied to the folder of the store.

    Raises:
        BadImage: if the store is no folder.
    """
    raster = _name_in_full(raster)
    if store.folder is not None:
        return copy_if_slow(raster, store.folder)
    if is_slow(raster):
        raise BadImage(
            f"{raster.name} is stored by whole rows, which each worker would read again and again: make a tiled file "
            "of it first (gdal_translate -of COG), or give --scratch a folder, where a copy is then made"
        )
    return raster


def _name_in_full(raster: Raster) -> Raster:
    """The same image for those who stand in another folder."""
    if isinstance(raster, Mosaic):
        return replace(raster, files=tuple(_name_in_full(file) for file in raster.files))
    return raster if is_address(raster.path) else replace(raster, path=os.path.abspath(raster.path))


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
    sha256: str,
    parameters: dict[str, object],
    options: Options,
) -> dict[str, object]:
    return {
        "overtrace": __version__,
        "images": [_describe_image(raster) for raster in rasters],
        "mosaic": None if options.mosaic is None else asdict(options.mosaic),
        "model": {"name": options.model, "sha256": sha256},
        "runtime": options.runtime,
        "views": options.views,
        "parameters": parameters,
        "block": options.block,
        "simplify": f"{options.simplify.value:g}{options.simplify.unit}",
        "pixel_size_m": options.pixel_size_m,
        "see_at_m": options.see_at_m,
        "bands": dict(options.bands),
        "labels": any(Path(out).suffix.lower() in (".tif", ".tiff") for out in outs),
    }


def _describe_image(raster: Raster) -> dict[str, object]:
    """What tells whether an image is still the same; of thousands of files, their digest."""
    if not isinstance(raster, Mosaic):
        return describe_file(raster.path)
    files = json.dumps([describe_file(file.path) for file in raster.files], sort_keys=True)
    return {"files": len(raster.files), "sha256": hashlib.sha256(files.encode()).hexdigest()}
