"""From trained weights to model files: export, quantise, choose thresholds, measure, write the cards."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from overtrace.learn.agreement import compare
from overtrace.learn.cards import draft, makes_int8, note_score
from overtrace.learn.crops import Crops
from overtrace.learn.export import export_network, quantise_file
from overtrace.learn.fit import CHECKPOINT
from overtrace.learn.folds import Fold, load_folds
from overtrace.learn.measure import Measured, measure
from overtrace.learn.networks import load_own, make_network
from overtrace.learn.progress import Progress
from overtrace.learn.recipe import Augment, Recipe, read_recipe
from overtrace.learn.scorer import learn_scorer
from overtrace.learn.sources import Group, Materials, open_materials
from overtrace.learn.tune import tune
from overtrace.learn.validate import Held, hold
from overtrace.learn.wrap import wrap
from overtrace.models.card import DecodeParameters, Score, write_card
from overtrace.models.runtime import Network, load_network

CALIBRATION_WINDOWS = 96
AGREEMENT_WINDOWS = 16


def finish_run(out: Path, folder: Path, progress: Progress) -> dict[str, object]:
    """Make the model files of a run from its last checkpoint, wherever it broke off.

    Args:
        out: the folder of the run.
        folder: that its data is in.
    Returns:
        As ``finish``.
    Raises:
        OvertraceError: for whatever the user can put right.
    """
    recipe = read_recipe(out / "recipe.toml")
    materials = open_materials(recipe, folder, out / "cache")
    network = make_network(recipe, len(materials.bands), len(materials.classes), folder)
    average = load_own(network, out / CHECKPOINT).eval()
    card = draft(recipe, materials.classes, materials.bands, "fp32", out / "recipe.toml")
    folds = load_folds(recipe, materials, card, out, folder)
    return finish(recipe, out / "recipe.toml", materials, average, out, progress, folds)


def finish(
    recipe: Recipe,
    recipe_path: Path,
    materials: Materials,
    average: nn.Module,
    out: Path,
    progress: Progress,
    folds: Sequence[Fold] = (),
) -> dict[str, object]:
    """Export a trained network, choose its thresholds, measure it, and write the model files.

    Args:
        folds: of a cross-validation: thresholds are then chosen on them alone.
    Returns:
        name, steps, scores by set, files.
    """
    crops = Crops(recipe, materials.pools)
    windows = draw_windows(recipe, crops, CALIBRATION_WINDOWS if makes_int8(recipe) else AGREEMENT_WINDOWS)
    held = [hold(group, out / "held-out", None) for group in materials.groups]
    card = draft(recipe, materials.classes, materials.bands, "fp32", recipe_path)
    fp32, int8 = out / f"{card.name}.onnx", out / f"{recipe.name}.onnx"
    bare = out / "bare.onnx"
    export_network(average, card, bare)
    made = [(card, bare, fp32)]
    if makes_int8(recipe):
        bare_int8 = out / "bare-int8.onnx"
        quantise_file(bare, [window[None] for window in windows], bare_int8)
        made.append((draft(recipe, materials.classes, materials.bands, "int8", recipe_path), bare_int8, int8))
    before, decode = wrap(average, card), card.decode
    apart: list[Score] = []
    if folds:
        decode = _choose(recipe, [(fold.network, held) for fold in folds for held in fold.held], progress)
        apart = [row for fold in folds for row in _measure_fold(fold, decode, recipe, recipe_path, progress)]
    scores: dict[str, float] = {}
    for draft_card, source, path in made:
        # The file is not there before its card is complete.
        working = out / f".{path.name}"
        write_card(source, draft_card.model_copy(update={"decode": decode}), working)
        network = load_network(working)
        agreement = compare(before, network, windows[:AGREEMENT_WINDOWS])
        before = network
        tuning = [(network, one) for one in held if is_tuned(recipe, one.group)]
        if tuning:
            decode = _choose(recipe, tuning, progress)
        tuned = draft_card.model_copy(update={"decode": decode})
        measured = measure(network.with_card(tuned), held, progress, views=recipe.validation.views)
        scores |= {f"{tuned.name}: {one.name} on {one.group.name}": one.value for one in measured if one.is_score}
        other = "torch" if path == fp32 else "fp32"
        figures = _score_rows(recipe, recipe_path, measured, agreement, other, crops, bool(folds))
        write_card(source, tuned.model_copy(update={"scores": (*figures, *apart)}), path)
        working.unlink()
    for _, source, _ in made:
        source.unlink()
    files = [str(path) for _, _, path in made]
    return {"name": recipe.name, "steps": recipe.fit.last_step, "scores": scores, "files": files}


def _choose(recipe: Recipe, pairs: Sequence[tuple[Network, Held]], progress: Progress) -> DecodeParameters:
    """Thresholds, and perhaps a score, from what networks say of sets that they did not learn."""
    decode = tune(pairs, progress.say)
    if not recipe.validation.scorer:
        return decode
    tuned = [(network.with_card(network.card.model_copy(update={"decode": decode})), held) for network, held in pairs]
    return decode.model_copy(update={"scorer": learn_scorer(tuned, progress.say)})


def is_tuned(recipe: Recipe, group: Group) -> bool:
    """Whether there are thresholds to choose, and on this set."""
    return (
        not recipe.validation.folds
        and group.tune
        and recipe.validation.tune
        and recipe.task == "planes"
        and recipe.card.decode_rule == "growth"
    )


def draw_windows(recipe: Recipe, crops: Crops, count: int) -> list[NDArray[np.float32]]:
    """Windows of what was learned, as large as the model file sees them, in the light that they were taken in."""
    fit_of_window = recipe.fit.model_copy(update={"crop_px": recipe.card.window})
    plain = recipe.model_copy(update={"fit": fit_of_window, "augment": Augment(turn=False, light=0)})
    windows = Crops(plain, [replace(pool, taught=None) for pool in crops.pools])
    return [windows[number]["image"].numpy() for number in range(count)]


def _measure_fold(
    fold: Fold, decode: DecodeParameters, recipe: Recipe, recipe_path: Path, progress: Progress
) -> Iterator[Score]:
    """What the network of a part scores on what it did not learn."""
    network = fold.network.with_card(fold.network.card.model_copy(update={"decode": decode}))
    for one in measure(network, fold.held, progress, views=recipe.validation.views):
        data = f"{_name_set(one.group)}, by a network that learned the others, thresholds chosen on all"
        yield note_score(f"cross-validated {one.name}", one.value, data, recipe_path.as_posix())


def _score_rows(
    recipe: Recipe,
    recipe_path: Path,
    measured: Sequence[Measured],
    agreement: dict[str, float],
    other: str,
    crops: Crops,
    folded: bool,
) -> tuple[Score, ...]:
    by = recipe_path.as_posix()
    names = ", ".join(sorted({pool.data.name for pool in crops.pools}))
    tiles = f"{AGREEMENT_WINDOWS} windows of {names}"
    return (
        *(note_score(one.name, one.value, _describe(recipe, one.group, folded), by) for one in measured),
        *(note_score(f"against {other}: {name}", value, tiles, by) for name, value in agreement.items()),
    )


def _describe(recipe: Recipe, group: Group, folded: bool) -> str:
    what = "thresholds and scorer" if recipe.validation.scorer else "thresholds"
    chosen = f", {what} chosen on them" if is_tuned(recipe, group) else ""
    if folded:
        chosen = f", {what} chosen by cross-validation over what was learned"
    return f"{_name_set(group)}{chosen}"


def _name_set(group: Group) -> str:
    count = len(group.data)
    return f"{group.name}: {count} image{'s' * (count > 1)}"
