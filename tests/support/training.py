"""Training in this process, which can be broken off at any step."""

from pathlib import Path

from lightning_fabric import Fabric
from torch import nn

from overtrace.learn.crops import Crops, Pool
from overtrace.learn.fit import fit, kept_step
from overtrace.learn.log import Log
from overtrace.learn.networks import make_network
from overtrace.learn.recipe import Recipe
from tests.support.labelled import draw_crowns
from tests.support.recipes import make_pool


class Killed(Exception):
    """The run was broken off."""


class Logging:
    """Writes losses.csv, and breaks off before the checkpoint of a step is written, or after."""

    def __init__(self, log: Log, before: int = 0, after: int = 0) -> None:
        self.log, self.before, self.after = log, before, after
        self.began: int | None = None
        self.checked: list[int] = []

    def begin(self, done: int) -> None:
        self.began = done

    def stepped(self, step: int, losses: dict[str, float], learning_rate: float) -> None:
        self.log.put_losses(step, losses, learning_rate)
        if step == self.before:
            raise Killed

    def check(self, step: int, average: nn.Module) -> None:
        self.checked.append(step)
        if step == self.after:
            raise Killed


def train(recipe: Recipe, out: Path, *pools: Pool, before: int = 0, after: int = 0) -> tuple[nn.Module, Logging]:
    """The averaged network, and who watched; on squares, unless told otherwise."""
    out.mkdir(exist_ok=True)
    pools = pools or (make_pool(draw_crowns(), pixel_size_m=(0.4, 0.9), own_size=0.5),)
    watch = Logging(Log(out, kept_step(out, recipe)), before, after)
    network = make_network(recipe, 3, len(pools[0].data.classes), out)
    try:
        fabric = Fabric(accelerator="cpu", devices=1)
        return fit(recipe, network, Crops(recipe, pools), out, fabric, watch), watch
    finally:
        watch.log.close()
