"""The data of a recipe: what is learned, and what is held out to validate on."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from overtrace.challenges.answer import SCENES
from overtrace.data.ade20k import open_ade20k
from overtrace.data.cache import keep
from overtrace.data.camvid import open_camvid
from overtrace.data.coco import open_coco, open_itc
from overtrace.data.fair import open_fair
from overtrace.data.labelled import DataSet
from overtrace.data.labelme import open_labelme
from overtrace.data.neon import open_neon
from overtrace.data.spacenet import open_spacenet
from overtrace.data.split import choose_bands, hold_out, share_grounds
from overtrace.data.urban_california import open_urban_california
from overtrace.data.vectors import open_vectors
from overtrace.errors import BadOption
from overtrace.learn.crops import Pool
from overtrace.learn.recipe import Opening, PlanesNetwork, Protocol, Recipe
from overtrace.learn.teacher import ask_teacher

READERS: dict[str, Callable[..., DataSet]] = {
    "ade20k": open_ade20k,
    "camvid": open_camvid,
    "coco": open_coco,
    "fair": open_fair,
    "itc": open_itc,
    "labelme": open_labelme,
    "neon": open_neon,
    "spacenet": open_spacenet,
    "urban_california": open_urban_california,
    "vectors": open_vectors,
}
MANY = "object"
"""What objects are called where the data has several classes of them and the network tells none apart."""
RULES: dict[str, Protocol] = {"planes": "itc", "detections": "itc", "classes": "sceneparsing"}
"""The rule by which what is held out is scored, unless the recipe says another."""


@dataclass(frozen=True, slots=True)
class Group:
    """Images that are validated on, and by which rule."""

    name: str
    challenge: Protocol
    data: DataSet
    tune: bool = True
    """Whether thresholds are chosen on it."""


@dataclass(frozen=True, slots=True)
class Materials:
    """All data of a recipe, which share their classes and bands."""

    pools: tuple[Pool, ...]
    groups: tuple[Group, ...]
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    notes: tuple[str, ...]


def open_materials(recipe: Recipe, folder: Path, cache: Path) -> Materials:
    """Open all data of a recipe.

    Args:
        folder: that the recipe's folders are in.
        cache: where targets are kept once they are worked out.
    Raises:
        OvertraceError: for data that is missing or not in order, or that does not go together.
    """
    rng = np.random.default_rng(recipe.seed)
    pools, groups, notes = [], [], []
    for number, source in enumerate(recipe.data):
        data = _open(source, recipe, folder, cache)
        notes += [f"{data.name}: {note}" for note in data.notes]
        if source.ground:
            data = share_grounds(data, source.ground)
        if source.hold_out:
            data, held = hold_out(data, source.hold_out, rng)
            held = choose_bands(held, recipe.bands)
            rule = source.challenge or RULES[recipe.task]
            groups.append(Group(f"{held.name}-{number}" if len(recipe.data) > 1 else held.name, rule, held))
            if recipe.network.start and recipe.task != "detections":
                notes.append(
                    f"{held.name}: held out by the seed {recipe.seed}: a start that learned this data under another "
                    "seed has learned some of it: take that seed, or measure on a set of its own"
                )
        if source.weight:
            pools.append(Pool(choose_bands(data, recipe.bands), source, _ask(data, recipe, folder, cache)))
    for check in recipe.check:
        data = choose_bands(_open(check, recipe, folder, cache), recipe.bands)
        groups.append(Group(check.name or data.name, check.challenge or RULES[recipe.task], data, check.tune))
    if not pools:
        raise BadOption("nothing to learn from: every data set of the recipe has weight 0")
    _check_names([group.name for group in groups])
    for group in groups:
        _check_rule(group, recipe)
    everything = [*(pool.data for pool in pools), *(group.data for group in groups)]
    _check_alike(everything, recipe)
    return Materials(tuple(pools), tuple(groups), everything[0].classes, everything[0].bands, tuple(notes))


def _open(source: Opening, recipe: Recipe, folder: Path, cache: Path) -> DataSet:
    """A data set, what is worked out of it kept in a folder; planes do not tell classes of objects apart."""
    data = keep(open_data(source, folder), cache)
    if recipe.task == "planes" and len(data.classes) > 1 and data.truth == "objects":
        return replace(data, classes=(MANY,))
    return data


def _ask(data: DataSet, recipe: Recipe, folder: Path, cache: Path) -> DataSet | None:
    """What the teacher of a recipe says of a data set, where it has one."""
    if recipe.teacher is None:
        return None
    assert isinstance(recipe.network, PlanesNetwork)
    return ask_teacher(data, recipe.teacher, recipe.network.planes, folder, cache)


def open_data(source: Opening, folder: Path) -> DataSet:
    """Open one data set.

    Args:
        folder: that the source's own folder is in, and the files that its options name.
    Raises:
        BadOption: if no reader has that name, it has no such option, or it wants another value.
        OvertraceError: what the reader raises.
    """
    reader, options = source.reader, source.options
    if reader not in READERS:
        raise BadOption(f"no reader is called {reader}: use one of {', '.join(READERS)}")
    needed = inspect.signature(READERS[reader]).parameters
    known = list(needed)[1:]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise BadOption(f"reader {reader} has no option {unknown[0]}: wanted some of {', '.join(known)}")
    missing = [name for name in known if needed[name].default is inspect.Parameter.empty and name not in options]
    if missing:
        raise BadOption(f"reader {reader} wants the option {missing[0]}: give it under options")
    told = {name: _read_option(reader, name, value, folder) for name, value in options.items()}
    try:
        return READERS[reader](folder / source.folder, **told)
    except ValueError as error:
        raise BadOption(f"reader {reader} cannot be used with options {options}: {error}") from error


def _read_option(reader: str, name: str, value: object, folder: Path) -> object:
    """The value of an option, of the type that the reader asks for; a file is named from the folder of data."""
    try:
        read: object = TypeAdapter(get_type_hints(READERS[reader])[name]).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise BadOption(f"reader {reader}, option {name} = {value!r}: {reason}") from error
    return folder / read if isinstance(read, Path) else read


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadOption(f"two sets to validate on are called {twice[0]}: give each [[check]] a name of its own")


def _check_rule(group: Group, recipe: Recipe) -> None:
    fitting = [rule for rule in get_args(Protocol) if (rule in SCENES) == (recipe.task == "classes")]
    if group.challenge not in fitting:
        raise BadOption(f"{group.name} cannot be scored by {group.challenge}: wanted one of {', '.join(fitting)}")


def _check_alike(sets: Sequence[DataSet], recipe: Recipe) -> None:
    first = sets[0]
    wanted = "classes" if recipe.task == "classes" else "objects"
    for data in sets:
        if data.truth != wanted:
            raise BadOption(f"{data.name} is labelled with {data.truth}: {recipe.network.kind} learns {wanted}")
        if data.bands != first.bands:
            raise BadOption(
                f"{data.name} has the bands {', '.join(data.bands)}, {first.name} has {', '.join(first.bands)}: "
                "one model sees the same bands everywhere"
            )
        told_apart = max(len(data.classes), len(first.classes)) > 1
        if recipe.task != "planes" and told_apart and data.classes != first.classes:
            raise BadOption(f"{data.name} and {first.name} have different classes: one model has one list")
