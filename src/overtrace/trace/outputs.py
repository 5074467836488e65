"""All files of one run, written together: each by its extension, all renamed at the end or none."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadOption, BadOutput
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
        self.paths: list[Path] = []
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

    def add(self, path: Path, sink: Sink) -> None:
        """A table of polygons."""
        self.paths.append(path)
        self._sinks.append(sink)

    def add_labels(self, path: Path, sink: "LabelSink") -> None:
        """A label raster."""
        self.paths.append(path)
        self._labels.append(sink)

    def add_map(self, path: Path, sink: "ClassMap") -> None:
        """A class map."""
        self.paths.append(path)
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

    def abort(self) -> None:
        """Remove what was written."""
        for sink in self._all():
            sink.abort()

    def _all(self) -> "list[Sink | LabelSink | ClassMap]":
        return [*self._sinks, *self._labels, *self._maps]


def open_outputs(outs: Sequence[str | Path], report: str | Path | None, plan: Plan) -> Outputs:
    """Open every file aside.

    Raises:
        BadOutput: for an unknown extension, a folder that is not there, one path named twice; nothing is then left.
    """
    paths = [Path(out) for out in outs]
    named = [path.resolve() for path in (*paths, *([Path(report)] if report is not None else []))]
    twice = next((path for path in named if named.count(path) > 1), None)
    if twice is not None:
        raise BadOutput(f"{twice} is named twice: give each output a name of its own")
    outputs = Outputs()
    try:
        for path in paths:
            _open(path, plan, outputs)
        if report is not None:
            from overtrace.trace.report import open_report

            page = open_report(Path(report), plan.header, raster=plan.rasters[0], card=plan.card)
            outputs.add(Path(report), page)
    except BaseException:
        outputs.abort()
        raise
    return outputs


def _open(path: Path, plan: Plan, outputs: Outputs) -> None:
    suffix, scenes = path.suffix.lower(), plan.card.task == "classes"
    if suffix in (MAPS if scenes else LABELS):
        if len(plan.rasters) > 1:
            shown = "classes" if scenes else "labels"
            raise BadOption(f"{path} holds the {shown} of one image, {len(plan.rasters)} came: trace them one by one")
        if scenes:
            from overtrace.trace.class_maps import ClassMap, number_classes

            names = dict(zip(number_classes(plan.card.classes).tolist(), plan.card.classes, strict=True))
            outputs.add_map(path, ClassMap(path, plan.rasters[0].grid, names))
        else:
            from overtrace.raster.sink import open_labels

            outputs.add_labels(path, open_labels(path, plan.seen_grid(0)))
    elif suffix == ".json":
        from overtrace.trace.coco import open_coco

        outputs.add(path, open_coco(path, plan.header))
    elif suffix in SINKS:
        outputs.add(path, open_sink(path, plan.header))
    else:
        rasters = (".png (classes)", ".tif (classes)") if scenes else (".tif (labels)",)
        known = ", ".join((*SINKS, ".json (COCO)", *rasters))
        raise BadOutput(f"{path} has the unknown extension {path.suffix!r}: use one of {known}")
