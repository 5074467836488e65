"""What a run has done so far, and in what time."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from overtrace.trace.plan import Plan
from overtrace.vector.tables import Batch


@dataclass(slots=True)
class Tally:
    """What has been done so far."""

    objects: int = 0
    object_px: int = 0
    area_m2: float = 0.0
    valid_px: int = 0
    pixels: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent within to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began

    def count(self, batch: Batch, pixel_area_m2: float) -> None:
        """Add the rows of a batch."""
        self.objects += len(batch)
        self.object_px += int(batch.areas_px.sum())
        self.area_m2 += float(batch.areas_px.sum()) * pixel_area_m2


def tell_run(plan: Plan, tally: Tally, outputs: Sequence[str]) -> dict[str, object]:
    """The part of a summary that is the same for all models."""
    return {
        "megapixels": tally.pixels / 1e6,
        "seconds": {stage: round(seconds, 3) for stage, seconds in tally.seconds.items()},
        "model": f"{plan.card.name} {plan.card.version}",
        "outputs": list(outputs),
        "notes": [f"{raster.name}: {note}" for raster in plan.rasters for note in raster.notes],
    }
