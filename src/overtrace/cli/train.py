"""overtrace train: from a recipe and labelled images to a model file."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Accelerator(StrEnum):
    """What a network is trained on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def train(
    recipe: Annotated[Path, typer.Argument(help="A TOML file with every number of the run.")],
    data: Annotated[Path, typer.Option(help="The folder that the recipe's data is in.")] = Path(),
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run; by default the recipe's name, under runs.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that broke off.")] = False,
    accelerator: Annotated[Accelerator, typer.Option(help="What to train on.")] = Accelerator.auto,
    devices: Annotated[int, typer.Option(help="Processes, one a device, on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    loaders: Annotated[int, typer.Option(help="Processes beside each that draw crops; 0: none.")] = 0,
    threads: Annotated[int, typer.Option(help="Threads that compute in each process; 0: one a core.")] = 0,
    fold: Annotated[
        int | None, typer.Option(help="Train one part of the recipe's cross-validation alone, from 1.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Train a network, and export it to a model file that trace runs."""
    from overtrace.cli.torch import needs_torch

    needs_torch("train")
    from overtrace.cli.progress import Steps
    from overtrace.learn.run import Machine, run

    machine = Machine(accelerator.value, devices, nodes, loaders, threads)
    out = out or Path("runs") / recipe.stem
    with Steps(out / "log.txt") as steps:
        summary = run(recipe, data, out, machine, resume=resume, progress=steps, fold=fold)
    if summary is not None:
        typer.echo(json.dumps(summary, indent=1) if as_json else describe(summary))


def describe(summary: dict[str, object]) -> str:
    """The summary of a run, for people."""
    scores, files = summary["scores"], summary["files"]
    assert isinstance(scores, dict)
    assert isinstance(files, list)
    lines = [
        f"{summary['name']}: {summary['steps']:,} steps",
        *(f"{name}: {score:.4f}" for name, score in scores.items()),
        *(f"wrote {path}" for path in files),
    ]
    return "\n".join(lines)
