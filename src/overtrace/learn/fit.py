"""The training loop, from top to bottom."""

import copy
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from overtrace.learn.batches import Pool, draw_batches
from overtrace.learn.losses import planes_loss
from overtrace.learn.recipe import Fit, Recipe
from overtrace.networks.mini import Mini

REPORT_EVERY = 100
KEEP_EVERY = 500


def fit(recipe: Recipe, read_pools: Callable[[], Sequence[Pool]], checkpoint: Path, say: Callable[[str], None]) -> Mini:
    """Train a network, keeping the average of its weights every few hundred steps.

    Args:
        read_pools: called if there is anything to learn.
        checkpoint: where to keep them; a finished one is loaded instead of training again.
        say: told how it goes.
    Returns:
        The network with the averaged weights, ready to answer.
    """
    torch.manual_seed(recipe.seed)
    network = Mini(recipe.network.size)
    average = copy.deepcopy(network).eval()
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        if kept["step"] == recipe.fit.last_step and kept["recipe"] == recipe.model_dump_json():
            average.load_state_dict(kept["weights"])
            return average
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        _groups(network, recipe.fit.weight_decay), lr=recipe.fit.learning_rate, betas=(0.9, 0.99)
    )
    batches = draw_batches(read_pools(), recipe.fit.batch, recipe.fit.crop_px, np.random.default_rng(recipe.seed))
    began, loss_sum = time.perf_counter(), 0.0
    for step, batch in zip(range(1, recipe.fit.last_step + 1), batches, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = recipe.fit.learning_rate * _schedule(step, recipe.fit)
        loss = planes_loss(network(batch.image.to(memory_format=torch.channels_last)), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        _follow(average, network, min(recipe.fit.average, step / (step + 10)))
        loss_sum += loss.item()
        if step % REPORT_EVERY == 0:
            minutes = (time.perf_counter() - began) / 60
            say(f"step {step} of {recipe.fit.last_step}, {minutes:.1f} minutes, loss {loss_sum / REPORT_EVERY:.4f}")
            loss_sum = 0.0
        if step % KEEP_EVERY == 0 or step == recipe.fit.last_step:
            _keep(checkpoint, average, step, recipe)
    return average


def _schedule(step: int, choice: Fit) -> float:
    """Share of the learning rate: a linear rise, then a cosine to 0."""
    if step <= choice.warm_up:
        return step / choice.warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - choice.warm_up) / max(choice.steps - choice.warm_up, 1)))


def _groups(network: torch.nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights decay; biases and the scales of normalisation do not."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


@torch.no_grad()
def _follow(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Move the averaged weights, and the statistics of normalisation, a little towards those of the network."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _keep(path: Path, network: torch.nn.Module, step: int, recipe: Recipe) -> None:
    aside = path.with_name(f"{path.name}.part")
    torch.save({"step": step, "recipe": recipe.model_dump_json(), "weights": network.state_dict()}, aside)
    os.replace(aside, path)
