"""A run from end to end: open the data, fit, export, choose thresholds, measure, write the cards."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from overtrace.errors import BadOption, BadOutput
from overtrace.learn.cards import draft
from overtrace.learn.crops import Crops, Pool
from overtrace.learn.finish import finish
from overtrace.learn.fit import CHECKPOINT, fit, kept_step
from overtrace.learn.folds import check_fold, check_folds, place_fold, tell_fold, train_fold
from overtrace.learn.log import Log
from overtrace.learn.networks import make_network
from overtrace.learn.progress import Progress
from overtrace.learn.recipe import Recipe, read_recipe
from overtrace.learn.sources import open_materials
from overtrace.learn.validate import hold
from overtrace.learn.watch import FirstWatch, Watch

PATIENCE = timedelta(days=2)
"""How long the other processes wait while the first one validates."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a network is trained on."""

    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    """Processes on each node."""
    nodes: int = 1
    loaders: int = 0
    """Processes beside each that draw crops."""
    threads: int = 0
    """That compute in each process; 0: as torch has it."""


def run(
    recipe_path: Path,
    folder: Path,
    out: Path,
    machine: Machine,
    *,
    resume: bool,
    progress: Progress,
    fold: int | None = None,
) -> dict[str, object] | None:
    """All stages of a recipe.

    Args:
        folder: that the recipe's data is in.
        out: the folder of the run: checkpoint, logs, pictures, model files.
        fold: train the network of this part of a cross-validation alone; None: all that are not there yet, and then
            the one of all data.
    Returns:
        The summary: name, steps, scores by set, files; None in all but the first of several processes.
    Raises:
        OvertraceError: for whatever the user can put right.
    """
    # All that can be wrong is told before anything is written, and before other processes tell it once more.
    recipe = read_recipe(recipe_path)
    check_fold(recipe, fold)
    place = out if fold is None else place_fold(out, fold)
    if (place / CHECKPOINT).exists() and not resume:
        raise BadOption(f"{place} holds a run: go on with it with --resume, or choose another --out")
    numbers = range(1, recipe.validation.folds + 1) if fold is None else [fold]
    check_folds(recipe, out, numbers, resume=resume)
    done = kept_step(out, recipe)
    check_machine(recipe, machine)
    materials = open_materials(recipe, folder, out / "cache")
    network = make_network(recipe, len(materials.bands), len(materials.classes), folder)
    card = draft(recipe, materials.classes, materials.bands, "fp32", recipe_path)
    _open(out, recipe_path)
    fabric = open_fabric(recipe, machine)
    if fabric.is_global_zero:
        _ask_teacher(materials.pools, progress)
    fabric.barrier()
    folds = [
        train_fold(recipe, materials, card, out, number, fabric, folder, machine.loaders, progress)
        for number in numbers
    ]
    if fold is not None:
        return tell_fold(recipe, folds[0]) if fabric.is_global_zero else None
    crops = Crops(recipe, materials.pools)
    if not fabric.is_global_zero:
        fit(recipe, network, crops, out, fabric, Watch(), machine.loaders)
        return None
    for note in materials.notes:
        progress.say(note)
    held = [hold(group, out / "validation", recipe.validation.most) for group in materials.groups]
    log = Log(out, done)
    try:
        watch = FirstWatch(recipe, card, held, out, log, progress)
        average = fit(recipe, network, crops, out, fabric, watch, machine.loaders)
        return finish(recipe, recipe_path, materials, average, out, progress, folds)
    finally:
        log.close()


def _ask_teacher(pools: Sequence[Pool], progress: Progress) -> None:
    """Let the teacher answer all that is learned, before time is spent on learning; what it has answered is kept."""
    for taught in (pool.taught for pool in pools if pool.taught is not None):
        progress.say(f"{taught.name}: {len(taught):,} images")
        for i in range(len(taught)):
            taught.read(i)


def _open(out: Path, recipe: Path) -> None:
    """Make the folder of a run, with a copy of its recipe."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / "recipe.toml").exists() or not (out / "recipe.toml").samefile(recipe):
            shutil.copyfile(recipe, out / "recipe.toml")
    except OSError as error:
        raise BadOutput(f"{out} cannot be written to: {error.strerror}: choose another --out") from error


def check_machine(recipe: Recipe, machine: Machine) -> None:
    """Whether a recipe can be trained so, and here.

    Raises:
        BadOption: if not.
    """
    for name in ("devices", "nodes"):
        if getattr(machine, name) < 1:
            raise BadOption(f"--{name} {getattr(machine, name)}: wanted 1 or more")
    for name in ("loaders", "threads"):
        if getattr(machine, name) < 0:
            raise BadOption(f"--{name} {getattr(machine, name)}: wanted 0 or more")
    processes = machine.devices * machine.nodes
    if recipe.fit.batch % processes:
        raise BadOption(f"fit.batch is {recipe.fit.batch}, which {processes} processes cannot share: wanted a multiple")
    if machine.accelerator == "cuda" and not torch.cuda.is_available():
        raise BadOption("--accelerator cuda: this machine has no GPU that torch can use: leave it out, or use cpu")
    if is_on_gpu(machine) and machine.devices > torch.cuda.device_count():
        raise BadOption(f"--devices {machine.devices}: this machine has {torch.cuda.device_count()} for torch to use")


def is_on_gpu(machine: Machine) -> bool:
    """Whether it is GPUs that are trained on."""
    return machine.accelerator != "cpu" and torch.cuda.is_available()


def open_fabric(recipe: Recipe, machine: Machine) -> Fabric:
    """The processes that train together, started: each of them runs this command from its beginning."""
    on_gpu = is_on_gpu(machine)
    # A detector leaves the mask head alone on a batch without objects.
    strategy = DDPStrategy(find_unused_parameters=recipe.task == "detections", timeout=PATIENCE)
    fabric = Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=machine.devices,
        num_nodes=machine.nodes,
        strategy=strategy if machine.devices * machine.nodes > 1 else "auto",
        precision=_choose_precision(recipe, on_gpu),
    )
    fabric.launch()
    if machine.threads:
        # Where there are several processes, launching has chosen a number of its own.
        torch.set_num_threads(machine.threads)
    return fabric


def _choose_precision(recipe: Recipe, on_gpu: bool) -> Literal["32-true", "bf16-mixed"]:
    """bf16 pays on GPUs that have it; most CPUs only emulate it, 2 to 3 times slower than fp32."""
    asked = recipe.fit.precision
    pays = on_gpu and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if asked == "bf16" or (asked == "auto" and pays) else "32-true"
