"""Cross-validation: thresholds chosen on all that is learned, by networks that did not learn it.

The grounds of each data set are cut into parts; for each part, a network learns all others by the same recipe. Each has
a folder of its own within that of the run, so that they can be trained side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric

from overtrace.data.split import cut_grounds, named
from overtrace.errors import BadOption
from overtrace.learn.crops import Crops, Pool
from overtrace.learn.fit import CHECKPOINT, fit, kept_step
from overtrace.learn.log import Log
from overtrace.learn.networks import load_own, make_network
from overtrace.learn.progress import Progress
from overtrace.learn.recipe import Recipe
from overtrace.learn.sources import RULES, Group, Materials
from overtrace.learn.validate import Held, hold, validate
from overtrace.learn.watch import FirstWatch, Watch
from overtrace.learn.wrap import wrap
from overtrace.models.card import Card
from overtrace.models.runtime import Network


@dataclass(frozen=True, slots=True)
class Fold:
    """A network, and what it did not learn."""

    network: Network
    held: tuple[Held, ...]


def check_fold(recipe: Recipe, fold: int | None) -> None:
    """Make sure that there is such a part.

    Raises:
        BadOption: if not.
    """
    folds = recipe.validation.folds
    if fold is not None and not 1 <= fold <= folds:
        raise BadOption(f"--fold {fold}: wanted {f'1 to {folds}' if folds else 'a recipe with validation.folds'}")


def place_fold(out: Path, number: int) -> Path:
    """The folder of a part, from 1."""
    return out / f"fold-{number}"


def check_folds(recipe: Recipe, out: Path, numbers: Sequence[int], *, resume: bool) -> None:
    """Make sure that no part has a run that broke off, unless it is to be gone on with.

    Raises:
        BadOption: if one has.
    """
    recipe = recipe.of_part()
    for number in numbers:
        done = kept_step(place_fold(out, number), recipe)
        if 0 < done < recipe.fit.last_step and not resume:
            raise BadOption(f"{place_fold(out, number)} holds a run that broke off: go on with it with --resume")


def train_fold(
    recipe: Recipe,
    materials: Materials,
    card: Card,
    out: Path,
    number: int,
    fabric: Fabric,
    data: Path,
    loaders: int,
    progress: Progress,
) -> Fold:
    """Train the network of a part, or go on where it broke off; nothing is left to do where it is complete.

    Args:
        card: of the run.
        out: the folder of the run.
        data: the folder that a checkpoint to start from is named from.
    """
    recipe, place = recipe.of_part(), place_fold(out, number)
    place.mkdir(parents=True, exist_ok=True)
    pools, groups = _cut(recipe, materials, number)
    network = make_network(recipe, len(materials.bands), len(materials.classes), data)
    crops = Crops(recipe, pools)
    if not fabric.is_global_zero:
        return Fold(wrap(fit(recipe, network, crops, place, fabric, Watch(), loaders), card), ())
    sets = tuple(hold(group, place / "held-out", None) for group in groups)
    log = Log(place, kept_step(place, recipe))
    try:
        progress.say(f"part {number} of {recipe.validation.folds}")
        watch = FirstWatch(recipe, card, sets, place, log, progress)
        return Fold(wrap(fit(recipe, network, crops, place, fabric, watch, loaders), card), sets)
    finally:
        log.close()


def load_folds(recipe: Recipe, materials: Materials, card: Card, out: Path, data: Path) -> list[Fold]:
    """The networks of a run that broke off; none unless all are complete.

    Args:
        as in ``train_fold``.
    """
    recipe = recipe.of_part()
    places = {number: place_fold(out, number) for number in range(1, recipe.validation.folds + 1)}
    if any(kept_step(place, recipe) < recipe.fit.last_step for place in places.values()):
        return []
    folds = []
    for number, place in places.items():
        network = make_network(recipe, len(materials.bands), len(materials.classes), data)
        average = load_own(network, place / CHECKPOINT).eval()
        _, groups = _cut(recipe, materials, number)
        folds.append(Fold(wrap(average, card), tuple(hold(group, place / "held-out", None) for group in groups)))
    return folds


def _cut(recipe: Recipe, materials: Materials, number: int) -> tuple[list[Pool], list[Group]]:
    """What the network of a part learns, and what it does not."""
    pools, groups = [], []
    for i, pool in enumerate(materials.pools):
        learned, held = cut_grounds(pool.data, recipe.validation.folds, number - 1, recipe.seed)
        taught = None if pool.taught is None else named(pool.taught, learned.names)
        pools.append(replace(pool, data=learned, taught=taught))
        groups.append(Group(f"{held.name}-{i}", pool.source.challenge or RULES[recipe.task], held))
    return pools, groups


def tell_fold(recipe: Recipe, fold: Fold) -> dict[str, object]:
    """The summary of a part: it has no model file of its own."""
    scores = {f"{held.group.challenge} on {held.group.name}": validate(fold.network, held) for held in fold.held}
    return {"name": recipe.name, "steps": recipe.of_part().fit.last_step, "scores": scores, "files": []}
