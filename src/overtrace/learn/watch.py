"""What is said, written and measured while a network is trained."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from overtrace.learn.log import Log
from overtrace.learn.progress import Progress
from overtrace.learn.recipe import Recipe
from overtrace.learn.validate import Held, draw_sheet, validate
from overtrace.learn.wrap import wrap
from overtrace.models.card import Card

SAY_EVERY = 100


class Watch:
    """Looks on and does nothing."""

    def stepped(self, step: int, losses: dict[str, float], learning_rate: float) -> None:
        """Nothing."""

    def check(self, step: int, average: nn.Module) -> None:
        """Nothing."""

    def begin(self, done: int) -> None:
        """Nothing."""


class FirstWatch:
    """Writes the log and validates on the way."""

    def __init__(
        self, recipe: Recipe, card: Card, held: Sequence[Held], out: Path, log: Log, progress: Progress
    ) -> None:
        self._recipe, self._card, self._held = recipe, card, held
        self._out, self._log, self._progress = out, log, progress
        self._recent: list[float] = []

    def begin(self, done: int) -> None:
        """Training begins after this step."""
        self._progress.begin(self._recipe.name, self._recipe.fit.last_step, done)

    def stepped(self, step: int, losses: dict[str, float], learning_rate: float) -> None:
        """Write the losses down."""
        self._log.put_losses(step, losses, learning_rate)
        self._recent = [*self._recent, sum(losses.values())][-SAY_EVERY:]
        text = f"loss {np.mean(self._recent):.4f}"
        self._progress.advance(text)
        if step % SAY_EVERY == 0:
            self._progress.say(f"step {step} of {self._recipe.fit.last_step}, {text}")

    def check(self, step: int, average: nn.Module) -> None:
        """Validate, every so many steps."""
        if step % self._recipe.validation.every and step != self._recipe.fit.last_step:
            return
        network = wrap(average, self._card)
        for held in self._held:
            score = validate(network, held)
            sheet = draw_sheet(network, held, self._out / "pictures" / f"{held.group.name}-{step}.png")
            self._log.put_score(step, held.group.name, held.group.challenge, score)
            self._log.put_picture(step, held.group.name, sheet)
            self._progress.say(f"step {step}: {held.group.challenge} {score:.4f} on {held.group.name}")
