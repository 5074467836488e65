"""How fast each network answers and learns: milliseconds a megapixel by runtime and precision, training steps a second.

    python -m benchmarks.networks [--only NAME] [--record]
    python -m benchmarks.networks --shipped [--only NAME] [--size 8192] [--record]

Weights are random: this is about speed. One thread answers, as one worker of ``trace`` does, on one window at a time;
all cores learn. int8 files are calibrated on noise. Detectors are not quantised, and what they find in noise, which
their time depends on, is stated.

With ``--shipped`` the model files of the project are measured instead: see ``benchmarks.shipped``. Recorded, they also
go to shipped.json, from which docs/models.md is made.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from benchmarks.record import describe_machine, list_models, note_occasion, note_speeds, publish
from benchmarks.shipped import HEAD, measure_file, show_row
from overtrace.learn.export import export_network, quantise_file
from overtrace.learn.networks import compute_losses
from overtrace.learn.recipe import Recipe
from overtrace.learn.wrap import wrap
from overtrace.models.card import Card, write_card
from overtrace.models.runtime import RUNTIMES, Network, load_network
from overtrace.networks.mask_rcnn import R50, R101, MaskRcnn
from overtrace.networks.mini import Mini
from overtrace.networks.scene import Scene
from overtrace.networks.ternausnet_v2 import TernausNetV2

TURNS = 3
CALIBRATION_WINDOWS = 4
OBJECTS = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A network, and how it is used."""

    name: str
    kind: str
    """Of the recipe."""
    make: Callable[[], nn.Module]
    window: int
    batch: int
    crop_px: int
    bands: int = 3
    classes: int = 1


CASES = (
    Case("mini s", "mini", lambda: Mini("s"), 512, 8, 256),
    Case("mini m", "mini", lambda: Mini("m"), 512, 8, 256),
    Case("scene lite0, 150 classes", "scene", lambda: Scene(150), 512, 8, 256, classes=150),
    Case("scene large, 150 classes", "scene", lambda: Scene(150, "large"), 512, 4, 256, classes=150),
    Case("scene larger, 150 classes", "scene", lambda: Scene(150, "larger"), 512, 4, 256, classes=150),
    Case("mask_rcnn R-50-FPN, 80 classes", "mask_rcnn", lambda: MaskRcnn(R50), 512, 1, 512, classes=80),
    Case("mask_rcnn R-101-FPN, 80 classes", "mask_rcnn", lambda: MaskRcnn(R101), 512, 1, 512, classes=80),
    Case("ternausnet_v2, 11 bands", "ternausnet_v2", lambda: TernausNetV2(11), 672, 1, 256, bands=11),
)


def main() -> None:
    """Measure all networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="those whose names begin so")
    parser.add_argument("--shipped", action="store_true", help="the model files of the project")
    parser.add_argument("--size", type=int, default=8192, help="pixels along a side of what is traced, with --shipped")
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    arguments = parser.parse_args()
    if arguments.shipped:
        measure_shipped(arguments.only, arguments.size, record=arguments.record)
        return
    machine = describe_machine()
    columns = ["torch", *(f"{runtime} {precision}" for runtime in RUNTIMES for precision in ("fp32", "int8"))]
    lines = [
        f"Milliseconds a megapixel, one thread, least of {TURNS}; random weights; training with all cores, fp32.",
        "",
        "| network | million parameters | window | " + " | ".join(columns) + " | training steps a second |",
        "|---|---|---|" + "---|" * (len(columns) + 1),
    ]
    for case in CASES:
        if case.name.startswith(arguments.only):
            lines.append(measure(case, columns))
            print(lines[-1], flush=True)
    publish("Networks", machine, lines, record=arguments.record)


def measure_shipped(only: str, size: int, *, record: bool) -> None:
    """Measure the model files of the project."""
    occasion = note_occasion()
    speeds = {}
    for name, path in list_models().items():
        if name.startswith(only):
            speeds[name] = measure_file(path, size, occasion)
            print(show_row(name, speeds[name]), flush=True)
    publish("Shipped models", str(occasion), [*HEAD, *map(show_row, speeds, speeds.values())], record=record)
    if record:
        note_speeds(speeds)


def measure(case: Case, columns: list[str]) -> str:
    """One row of the table."""
    torch.manual_seed(0)
    network = case.make()
    parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    steps = time_training(case, network)
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        found, note = time_answers(case, network.eval(), Path(folder))
    cells = [f"{found[column]:,.0f}" if column in found else "-" for column in columns]
    learning = f"{steps:.2f} ({case.batch} x {case.crop_px} px)"
    return f"| {case.name}{note} | {parameters:.2f} | {case.window} | {' | '.join(cells)} | {learning} |"


def time_answers(case: Case, network: nn.Module, folder: Path) -> tuple[dict[str, float], str]:
    """Milliseconds a megapixel by column, and what a detector found."""
    image = np.random.default_rng(0).random((case.bands, case.window, case.window), dtype=np.float32)
    card = make_card(case, "fp32")
    network.to(memory_format=torch.channels_last)
    found = {"torch": time_network(wrap(network, card), image)}
    note = ""
    if card.task == "detections":
        note = f" ({len(wrap(network, card).ask(image)[1])} detections)"
    network.to(memory_format=torch.contiguous_format)
    export_network(network, card, folder / "bare-fp32.onnx")
    made = ["fp32"]
    if card.task != "detections":
        windows = [
            np.random.default_rng(i).random((1, *image.shape), dtype=np.float32) for i in range(CALIBRATION_WINDOWS)
        ]
        quantise_file(folder / "bare-fp32.onnx", windows, folder / "bare-int8.onnx")
        made.append("int8")
    for precision in made:
        path = folder / f"{precision}.onnx"
        write_card(folder / f"bare-{precision}.onnx", make_card(case, precision), path)
        for runtime in RUNTIMES:
            found[f"{runtime} {precision}"] = time_network(load_network(path, runtime=runtime), image)
    return found, note


def time_network(network: Network, image: np.ndarray) -> float:
    """Milliseconds a megapixel."""
    network.ask(image)
    seconds = []
    for _ in range(TURNS):
        began = time.perf_counter()
        network.ask(image)
        seconds.append(time.perf_counter() - began)
    return min(seconds) * 1e9 / (image.shape[1] * image.shape[2])


def time_training(case: Case, network: nn.Module) -> float:
    """Steps a second: forward, backward and AdamW."""
    torch.set_num_threads(os.cpu_count() or 1)
    recipe = Recipe.model_validate(
        {
            "name": "speed",
            "network": {"kind": case.kind},
            "fit": {"steps": 1, "batch": case.batch, "crop_px": case.crop_px, "learning_rate": 1e-4},
            "data": [{"reader": "none"}],
        }
    )
    network.to(memory_format=torch.channels_last)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
    batch = make_batch(case, recipe.task)
    seconds = []
    for _ in range(TURNS + 1):
        began = time.perf_counter()
        loss = torch.stack(list(compute_losses(recipe, network, batch).values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    return 1 / min(seconds[1:])


def make_batch(case: Case, task: str) -> dict[str, object]:
    """Noise, with a truth of the right form."""
    generator = torch.Generator().manual_seed(0)
    shape = (case.batch, case.crop_px, case.crop_px)
    image = torch.rand(case.batch, case.bands, *shape[1:], generator=generator)
    if task == "classes":
        return {
            "image": image,
            "classes": torch.randint(0, case.classes, shape, generator=generator, dtype=torch.uint8),
        }
    if task == "planes":
        planes = (torch.rand(case.batch, 3, *shape[1:], generator=generator) > 0.5).float()
        return {"image": image, "planes": planes, "known": torch.ones(case.batch, 1, *shape[1:])}
    masks = torch.zeros(OBJECTS, *shape[1:], dtype=torch.uint8)
    for i in range(OBJECTS):
        row, col = 24 * (i // 5), 60 * (i % 5)
        masks[i, row : row + 20, col : col + 40] = 1
    kinds = torch.zeros(OBJECTS, dtype=torch.int64)
    ignore = torch.zeros(shape, dtype=torch.bool)
    return {"image": image, "masks": [masks] * case.batch, "kinds": [kinds] * case.batch, "ignore": ignore}


def make_card(case: Case, precision: str) -> Card:
    """A card that fits."""
    task = {"mini": "planes", "ternausnet_v2": "planes", "mask_rcnn": "detections", "scene": "classes"}[case.kind]
    planes = {"mini": ("interior", "touch", "distance"), "ternausnet_v2": ("interior", "touch")}.get(case.kind, ())
    return Card.model_validate(
        {
            "name": "speed",
            "version": "1",
            "task": task,
            "classes": [f"class {i}" for i in range(case.classes)],
            "bands": [f"band {i}" for i in range(case.bands)],
            "window": case.window,
            "margin": 0,
            "planes": planes,
            "precision": precision,
            "licence": "none",
            "training": "none",
            "recipe": "none",
            "summary": "Random weights.",
        }
    )


if __name__ == "__main__":
    main()
