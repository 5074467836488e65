"""``python -m overtrace.learn RECIPE --data DIR --wheel FILE --out DIR``: train, export, quantise, tune, measure, and
write the cards.

Each stage keeps what it made in DIR; a run that broke off goes on from there.
"""

import argparse
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from overtrace.data import neon
from overtrace.data.urban_california import PIXEL_SIZE_M, Place, read_places
from overtrace.decode.parameters import Parameters
from overtrace.errors import BadOption, OvertraceError
from overtrace.learn import cards, measure
from overtrace.learn.export import export_network, quantise_file
from overtrace.learn.fit import fit
from overtrace.learn.recipe import Recipe, read_recipe
from overtrace.learn.sources import choose_places, read_pools
from overtrace.models.card import write_card
from overtrace.models.runtime import load_network
from overtrace.raster.grid import Box
from overtrace.raster.source import open_raster
from overtrace.raster.view import open_view

CALIBRATION_WINDOWS = 120


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file in the making."""

    name: str
    precision: Literal["fp32", "int8"]
    bare: Path
    """The network without a card."""
    path: Path


def main() -> None:
    """Run a recipe."""
    parser = argparse.ArgumentParser(prog="python -m overtrace.learn", description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="holds urban_california/ and neon_yell/")
    parser.add_argument("--wheel", type=Path, required=True, help="deepforest-2.1.0-py3-none-any.whl, as PyPI has it")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    try:
        run(arguments.recipe, arguments.data, arguments.wheel, arguments.out, arguments.threads)
    except OvertraceError as error:
        sys.exit(f"overtrace: error: {error}")


def run(recipe_path: Path, data: Path, wheel: Path, out: Path, threads: int) -> None:
    """All stages of a recipe."""
    out.mkdir(parents=True, exist_ok=True)
    unpack_tiles(wheel, out)
    torch.set_num_threads(threads)

    def say(text: str) -> None:
        line = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}"
        print(line, flush=True)
        with open(out / "log.txt", "a") as log:
            log.write(line + "\n")

    recipe = read_recipe(recipe_path)
    learned, tuned = choose_places(data, recipe)
    say(f"{recipe.name}: {len(learned)} tiles learned, {len(tuned)} for the thresholds")
    network = fit(recipe, lambda: read_pools(data, recipe, learned), out / "weights.pt", say)
    bare, bare_int8 = out / "bare.onnx", out / "bare-int8.onnx"
    export_network(network, bands=3, window=cards.WINDOW, path=bare)
    quantise_file(bare, calibration_windows(data, learned, np.random.default_rng(recipe.seed)), bare_int8)
    parameters = Parameters(grow_px=cards.GROW_PX)
    for model in (
        ModelFile(f"{recipe.name}-fp32", "fp32", bare, out / f"{recipe.name}-fp32.onnx"),
        ModelFile(recipe.name, "int8", bare_int8, out / f"{recipe.name}.onnx"),
    ):
        parameters = finish(model, recipe, recipe_path, data, out, tuned, parameters, say)


def unpack_tiles(wheel: Path, out: Path) -> None:
    """Put the small tiles of other forests, and their boxes, beside what the run makes."""
    if not wheel.is_file():
        raise BadOption(f"{wheel} does not exist: pip download --no-deps deepforest==2.1.0 fetches it")
    with zipfile.ZipFile(wheel) as archive:
        for part in neon.ELSEWHERE:
            for extension in (".png", ".xml"):
                name = f"{part.tile}{extension}"
                (out / name).write_bytes(archive.read(f"deepforest/data/{name}"))


def calibration_windows(data: Path, places: list[Place], rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Windows of learned images of both data sets, as the network will see them."""
    windows = []
    for i in rng.permutation(len(places))[: CALIBRATION_WINDOWS // 2]:
        path = data / "urban_california" / "rgb" / f"{places[i].name}.jpg"
        view = open_view(open_raster(path, pixel_size_m=PIXEL_SIZE_M))
        windows.append(view.read(Box(-128, -128, cards.WINDOW, cards.WINDOW))[0][None])
    views = [
        open_view(
            open_raster(data / "neon_yell" / f"{part.tile}.jpg", pixel_size_m=0.1), pixel_size_range_m=(size, size)
        )
        for part in neon.LEARNED
        for size in (0.1, 0.2, 0.4)
    ]
    while len(windows) < CALIBRATION_WINDOWS:
        view = views[rng.integers(len(views))]
        row, col = int(rng.integers(view.grid.height)), int(rng.integers(view.grid.width))
        windows.append(view.read(Box(row - 256, col - 256, cards.WINDOW, cards.WINDOW))[0][None])
    return windows


def finish(
    model: ModelFile,
    recipe: Recipe,
    recipe_path: Path,
    data: Path,
    out: Path,
    tuned: list[Place],
    start: Parameters,
    say: Callable[[str], None],
) -> Parameters:
    """Tune the thresholds of a model file from ``start`` on, measure it, and write its card; the thresholds."""
    card = cards.draft(model.name, model.precision, recipe, recipe_path)
    write_card(model.bare, card, model.path)
    network = load_network(model.path)
    urban, yell = data / "urban_california", data / "neon_yell"
    elsewhere = list(measure.neon_cases(network, out, neon.ELSEWHERE, ".png"))
    groups = [
        list(measure.urban_cases(network, urban, tuned)),
        list(measure.neon_cases(network, yell, neon.TUNED)),
        *([case] for case in elsewhere),
    ]
    parameters = measure.tune(groups, start, say)
    points = measure.total(list(measure.urban_cases(network, urban, read_places(urban, "val"))), parameters)
    boxes = measure.total(list(measure.neon_cases(network, yell, neon.MEASURED)), parameters)
    for what, found in (("points at 6 m", points), ("boxes at IoU 0.4", boxes)):
        say(f"{model.name}: {what}: precision {found.precision:.4f}, recall {found.recall:.4f}, F1 {found.f1:.4f}")
    write_card(model.bare, cards.complete(card, parameters, points, boxes), model.path)
    return parameters


if __name__ == "__main__":
    main()
