"""The training loop, from top to bottom."""

import copy
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import ValidationError
from torch import nn
from torch.utils.data import DataLoader

from overtrace.errors import BadOption, OvertraceError
from overtrace.learn.crops import Batch, Crops, collate
from overtrace.learn.model_starts import SETTLE_CROPS, settle
from overtrace.learn.networks import Losses, compute_losses, prepare, read_checkpoint, starts_from_model_file
from overtrace.learn.recipe import Fit, Recipe
from overtrace.learn.together import everywhere, join_statistics

CHECKPOINT = "checkpoint.pt"
TRAINING = ("seed", "bands", "network", "teacher", "fit", "augment", "planes", "data")
"""The parts of a recipe that weights depend on."""


class Watcher(Protocol):
    """Told how it goes."""

    def begin(self, done: int) -> None:
        """Training begins after this step."""
        ...

    def stepped(self, step: int, losses: dict[str, float], learning_rate: float) -> None:
        """A step has been taken; the losses are those of all processes."""
        ...

    def check(self, step: int, average: nn.Module) -> None:
        """The weights of this step can be looked at; after a kill, those of the step that was kept once more."""
        ...


def fit(
    recipe: Recipe, network: nn.Module, crops: Crops, out: Path, fabric: Fabric, watcher: Watcher, loaders: int = 0
) -> nn.Module:
    """Train a network, from the checkpoint in ``out`` on if there is one.

    Args:
        network: as ``make_network`` gives it.
        loaders: processes that draw crops while others compute; 0: the one that computes.
    Returns:
        The network with the averaged weights, ready to answer.
    Raises:
        BadOption: if the checkpoint is of another recipe, or the processes cannot share a batch evenly.
    """
    choice = recipe.fit
    if starts_from_model_file(recipe):
        settle(network, collate([crops[i] for i in range(SETTLE_CROPS)])["image"])
    average = copy.deepcopy(network).to(fabric.device).eval()
    kept, network = network, prepare(recipe, network)
    if fabric.world_size > 1:
        join_statistics(network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(_groups(network, choice), lr=choice.learning_rate, betas=(0.9, 0.99))
    done = _go_on(out / CHECKPOINT, recipe, network, average, optimizer)
    module, optimizer = fabric.setup(network, optimizer)
    if recipe.task == "detections":
        module.mark_forward_method("losses")
    module.train()
    watcher.begin(done)
    if done:
        watcher.check(done, average)
    if choice.last_step == 0 and fabric.is_global_zero:
        keep(out / CHECKPOINT, 0, recipe, network, average, optimizer)
    steps = range(done + 1, choice.last_step + 1)
    for step, batch in zip(steps, draw_batches(crops, steps, fabric, loaders), strict=True):
        learning_rate = choice.learning_rate * schedule(step, choice)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * group["share"]
        # What a network draws by itself is a function of the step too.
        torch.manual_seed(int(np.random.SeedSequence([recipe.seed, step, fabric.global_rank]).generate_state(1)[0]))
        losses = compute_losses(recipe, module, batch, step / choice.steps)
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        fabric.clip_gradients(module, optimizer, max_norm=choice.clip)
        optimizer.step()
        follow(average, kept, min(choice.average, step / (step + 10)))
        watcher.stepped(step, _tell(losses, fabric), learning_rate)
        if fabric.is_global_zero and (step % choice.keep_every == 0 or step == choice.last_step):
            keep(out / CHECKPOINT, step, recipe, network, average, optimizer)
        watcher.check(step, average)
    return average


def draw_batches(crops: Crops, steps: range, fabric: Fabric, loaders: int) -> Iterator[Batch]:
    """The batch of each step; of a batch, each process draws its own part.

    Raises:
        BadOption: if the processes cannot share a batch evenly.
        OvertraceError: if an image cannot be read.
    """
    batch = crops.recipe.fit.batch
    if batch % fabric.world_size:
        raise BadOption(f"fit.batch is {batch}, which {fabric.world_size} processes cannot share: wanted a multiple")
    share = batch // fabric.world_size
    first = fabric.global_rank * share
    numbers = [[step * batch + first + i for i in range(share)] for step in steps]
    loader = DataLoader(
        crops,
        batch_sampler=numbers,
        collate_fn=collate,
        num_workers=loaders,
        multiprocessing_context="spawn" if loaders else None,
        pin_memory=fabric.device.type == "cuda",
    )
    try:
        for drawn in loader:
            yield {
                name: [one.to(fabric.device) for one in part] if isinstance(part, list) else part.to(fabric.device)
                for name, part in drawn.items()
            }
    except OvertraceError as error:
        # Of what happens in a process beside, torch makes the whole traceback the message.
        kind = type(error)
        raise kind(str(error).rstrip().rpartition(f"{kind.__name__}: ")[2]) from error


def schedule(step: int, choice: Fit) -> float:
    """Share of the learning rate: a linear rise, then a cosine to 0."""
    if step <= choice.warm_up:
        return step / choice.warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - choice.warm_up) / max(choice.steps - choice.warm_up, 1)))


def _groups(network: nn.Module, choice: Fit) -> list[dict[str, Any]]:
    """Weights decay; biases and the scales of normalisation do not. An encoder may learn more slowly than the rest."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decay = choice.weight_decay if parameter.ndim > 1 else 0.0
            share = choice.encoder_rate if name.startswith("encoder.") else 1.0
            groups.setdefault((decay, share), []).append(parameter)
    return [{"params": group, "weight_decay": decay, "share": share} for (decay, share), group in groups.items()]


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged weights, and the statistics of normalisation, a little towards those of the network."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


@torch.no_grad()
def _tell(losses: Losses, fabric: Fabric) -> dict[str, float]:
    """Losses as numbers: the mean over the processes."""
    values = everywhere(torch.stack([loss.detach() for loss in losses.values()])) / fabric.world_size
    return dict(zip(losses, values.tolist(), strict=True))


def keep(
    path: Path, step: int, recipe: Recipe, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write all that going on needs, aside, and rename it."""
    aside = path.with_name(f"{path.name}.part")
    held = {
        "step": step,
        "recipe": recipe.model_dump_json(),
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(held, aside)
    os.replace(aside, path)


def kept_step(out: Path, recipe: Recipe) -> int:
    """The step that a run would go on after; 0 if there is nothing to go on from.

    Raises:
        BadOption: if the checkpoint is of another recipe.
    """
    held = _read_kept(out / CHECKPOINT, recipe)
    return 0 if held is None else int(held["step"])


def _read_kept(path: Path, recipe: Recipe) -> dict[str, Any] | None:
    if not path.exists():
        return None
    held = read_checkpoint(path)
    if not is_same_training(held.get("recipe"), recipe):
        raise BadOption(f"{path} was kept by another recipe: go on with that one, or choose another --out")
    return held


def is_same_training(kept: Any, recipe: Recipe) -> bool:
    """Whether weights were learned as a recipe says; it may measure something else, and have options that are newer."""
    try:
        other = Recipe.model_validate_json(kept)
    except ValidationError:
        return False
    return all(getattr(other, name) == getattr(recipe, name) for name in TRAINING)


def _go_on(path: Path, recipe: Recipe, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Take up a checkpoint where there is one; the step that it was kept at, or 0."""
    held = _read_kept(path, recipe)
    if held is None:
        return 0
    network.load_state_dict(held["network"])
    average.load_state_dict(held["average"])
    optimizer.load_state_dict(held["optimizer"])
    step: int = held["step"]
    return step
