"""What a run leaves behind to look at: ``losses.csv``, ``scores.csv``, and the same for TensorBoard."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

LOSSES, SCORES, EVENTS = "losses.csv", "scores.csv", "tensorboard"


class Log:
    """The files of a run; what was written after the checkpoint that it goes on from is taken back."""

    def __init__(self, out: Path, done: int) -> None:
        """Args:
        done: the step of that checkpoint, 0 for none.
        """
        self._out = out
        _cut(out / LOSSES, done)
        # What is validated at the checkpoint is validated once more, as it may have been broken off.
        _cut(out / SCORES, done - 1)
        self._events = SummaryWriter(str(out / EVENTS), purge_step=done + 1)

    def put_losses(self, step: int, losses: Mapping[str, float], learning_rate: float) -> None:
        """One row a step, at full precision."""
        total = sum(losses.values())
        row = {"step": step, "loss": total, **losses, "learning_rate": learning_rate}
        _append(self._out / LOSSES, row)
        for name, value in {"loss": total, **losses}.items():
            self._events.add_scalar(f"losses/{name}", value, step)
        self._events.add_scalar("learning rate", learning_rate, step)

    def put_score(self, step: int, group: str, rule: str, score: float) -> None:
        """One row a set that was validated on."""
        _append(self._out / SCORES, {"step": step, "set": group, "rule": rule, "score": score})
        self._events.add_scalar(f"scores/{group}", score, step)

    def put_picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """A picture (H, W, 3)."""
        self._events.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still in memory."""
        self._events.close()


def _append(path: Path, row: Mapping[str, Any]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if new:
            rows.writerow(row)
        rows.writerow(row.values())


def _cut(path: Path, done: int) -> None:
    """Leave the rows of the steps that are done; a row that a kill cut short is dropped."""
    if not path.exists():
        return
    head, *rows = path.read_text().splitlines(keepends=True) or [""]
    kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= done]
    if not kept:
        path.unlink()
        return
    aside = path.with_name(f"{path.name}.part")
    aside.write_text(head + "".join(kept))
    os.replace(aside, path)
