"""All files of one run, written together: each by its extension, all renamed at the end or none."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadOption, BadOutput
from overtrace.raster.addresses import is_remote
from overtrace.raster.uploads import check_place, upload
from overtrace.trace.job import Job
from overtrace.trace.plan import Plan
from overtrace.vector.sinks import SINKS, open_sink
from overtrace.vector.tables import Batch, Sink

if TYPE_CHECKING:
    from overtrace.raster.sink import LabelSink
    from overtrace.trace.class_maps import ClassMap

LABELS = (".tif", ".tiff")
MAPS = (".png", *LABELS)


class Outputs:
    """The files of one run."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        """As the user named them."""
        self._staging: Path | None = None
        self._uploads: list[tuple[Path, str]] = []
        self._sinks: list[Sink] = []
        self._labels: list[LabelSink] = []
        self._maps: list[ClassMap] = []

    @property
    def wants_polygons(self) -> bool:
        """Whether a table of polygons is among them."""
        return bool(self._sinks)

    @property
    def wants_labels(self) -> bool:
        """Whether a label raster is among them."""
        return bool(self._labels)

    def stage(self, out: str, folder: Path) -> Path:
        """Where a file is written: its place, or, if that is in a cloud, one in a folder that is made here.

        Raises:
            BadOutput: if nothing can be put there.
        """
        self.paths.append(out)
        if not is_remote(out):
            return Path(out)
        check_place(out)
        if self._staging is None:
            self._staging = Path(tempfile.mkdtemp(prefix=".overtrace-", dir=folder))
        number = self._staging / str(len(self._uploads))
        number.mkdir()
        self._uploads.append((number / Path(out).name, out))
        return self._uploads[-1][0]

    def add(self, sink: Sink) -> None:
        """A table of polygons."""
        self._sinks.append(sink)

    def add_labels(self, sink: "LabelSink") -> None:
        """A label raster."""
        self._labels.append(sink)

    def add_map(self, sink: "ClassMap") -> None:
        """A class map."""
        self._maps.append(sink)

    def write(self, batch: Batch) -> None:
        """Write rows to every table."""
        for sink in self._sinks:
            sink.write(batch)

    def write_map(self, numbers: NDArray[np.uint8]) -> None:
        """Write the numbers of the classes of an image to every class map."""
        for sink in self._maps:
            sink.write(numbers)

    def write_labels(self, job: Job, kept: NDArray[np.int64]) -> None:
        """Write the labels of an image to every label raster.

        Args:
            kept: ids of the instances that are kept; the others become background.
        """
        for block in job.blocks:
            stored = job.store.load(job.labels(block))
            ids = stored["ids"].astype(np.int64)
            value = np.concatenate([[0], np.where(np.isin(ids, kept), ids, 0)])
            labels = value[stored["labels"]]
            for sink in self._labels:
                sink.write(block.core, labels)

    def finish(self, summary: Mapping[str, object]) -> None:
        """Complete every file, still aside."""
        for sink in self._sinks:
            sink.finish(summary)
        for labels in self._labels:
            labels.finish()

    def commit(self) -> None:
        """Put every file in its place."""
        for sink in self._all():
            sink.commit()
        for path, address in self._uploads:
            upload(path, address)
        self._clean()

    def abort(self) -> None:
        """Remove what was written."""
        for sink in self._all():
            sink.abort()
        self._clean()

    def _clean(self) -> None:
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)

    def _all(self) -> "list[Sink | LabelSink | ClassMap]":
        return [*self._sinks, *self._labels, *self._maps]


def open_outputs(outs: Sequence[str | Path], report: str | Path | None, plan: Plan) -> Outputs:
    """Open every file aside.

    Raises:
        BadOutput: for an unknown extension, a folder that is not there, one path named twice; nothing is then left.
    """
    names = [str(out) for out in (*outs, *([] if report is None else [report]))]
    places = [name.rstrip("/") if is_remote(name) else str(Path(name).resolve()) for name in names]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise BadOutput(f"{twice} is named twice: give each output a name of its own")
    scratch = plan.scratch.folder
    folder = scratch.parent if scratch is not None and scratch.parent.is_dir() else Path()
    outputs = Outputs()
    try:
        for name in names[: len(outs)]:
            _open(outputs.stage(name, folder), plan, outputs, in_parts=name.endswith("/"))
        if report is not None:
            from overtrace.trace.report import open_report

            place = outputs.stage(names[-1], folder)
            outputs.add(open_report(place, plan.header, raster=plan.rasters[0], card=plan.card))
    except BaseException:
        outputs.abort()
        raise
    return outputs


def _open(path: Path, plan: Plan, outputs: Outputs, *, in_parts: bool) -> None:
    suffix, scenes = path.suffix.lower(), plan.card.task == "classes"
    if in_parts:
        from overtrace.vector.parts import Parts

        outputs.add(Parts(path, plan.header))
    elif suffix in (MAPS if scenes else LABELS):
        if len(plan.rasters) > 1:
            shown = "classes" if scenes else "labels"
            raise BadOption(f"{path} holds the {shown} of one image, {len(plan.rasters)} came: trace them one by one")
        if scenes:
            from overtrace.trace.class_maps import ClassMap, number_classes

            names = dict(zip(number_classes(plan.card.classes).tolist(), plan.card.classes, strict=True))
            outputs.add_map(ClassMap(path, plan.rasters[0].grid, names))
        else:
            from overtrace.raster.sink import open_labels

            outputs.add_labels(open_labels(path, plan.seen_grid(0)))
    elif suffix == ".json":
        from overtrace.trace.coco import open_coco

        outputs.add(open_coco(path, plan.header))
    elif suffix in SINKS:
        outputs.add(open_sink(path, plan.header))
    else:
        rasters = (".png (classes)", ".tif (classes)") if scenes else (".tif (labels)",)
        known = ", ".join((*SINKS, ".json (COCO)", *rasters, "NAME/ (a folder of .parquet)"))
        raise BadOutput(f"{path} has the unknown extension {path.suffix!r}: use one of {known}")
