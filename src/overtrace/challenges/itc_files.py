"""The files of the tree crown contest: a COCO data set for each of several, and COCO results that answer them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np

from overtrace.challenges.coco_files import DataSet, check_results, load, read_data_set, read_results
from overtrace.challenges.faults import refuse
from overtrace.challenges.submission import Limits, Member, open_answer
from overtrace.errors import BadAnswer
from overtrace.scoring.annotations import CROWD, IMAGE, Annotations


def read_truth(path: Path) -> list[DataSet]:
    """The data sets of a contest, by name.

    Args:
        path: one COCO file; or a folder of them, one a data set, each by itself or alone in a folder of its name.
    Raises:
        BadAnswer: if there is none, or one is not in order or has nothing to find.
    """
    data_sets = []
    for member in open_answer(path):
        if PurePosixPath(member.name).suffix != ".json":
            continue
        text = load(member)
        if path.is_dir() and b'"annotations"' not in text.tobytes():
            continue  # a list of image ids, or other notes
        data_set = read_data_set(text, _name(member), member.shown)
        if not (data_set.annotations.whole[:, CROWD] == 0).any():
            raise BadAnswer(f"{member.shown} has no object to find: such a data set cannot be scored")
        data_sets.append(data_set)
    names = [data_set.name for data_set in data_sets]
    if not names:
        raise BadAnswer(f"{path} holds no COCO data set: wanted .json files with images, categories and annotations")
    if len(set(names)) < len(names):
        raise BadAnswer(f"{path} holds two data sets of one name: {', '.join(sorted(names))}: rename one")
    return sorted(data_sets, key=lambda data_set: data_set.name)


def _name(member: Member) -> str:
    """A data set's: that of its folder, or else of its file."""
    place = PurePosixPath(member.name)
    return place.parts[0] if len(place.parts) > 1 else place.stem


def read_answer(path: Path, truth: Sequence[DataSet], limits: Limits | None = None) -> list[Annotations]:
    """The detections for each data set.

    Args:
        path: COCO results; one file for all data sets, told apart by image ids, or one a data set, by its name.
        truth: the data sets, in the order of the answer.
    Raises:
        BadAnswer: that names the first fault, and says how many more there are.
    """
    return _assign(path, _load(path, limits), truth)


def read(truth: Path, answer: Path, limits: Limits | None = None) -> tuple[list[DataSet], list[Annotations]]:
    """Truth and answer, read at the same time."""
    with ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(_load, answer, limits)
        data_sets = read_truth(truth)
        return data_sets, _assign(answer, loaded.result(), data_sets)


def _load(path: Path, limits: Limits | None) -> list[tuple[Member, Annotations]]:
    """The results of each file."""
    members = [member for member in open_answer(path, limits) if PurePosixPath(member.name).suffix == ".json"]
    if not members:
        raise BadAnswer(f"{path} holds no .json file: wanted COCO results")
    return [(member, read_results(load(member), member.shown)) for member in members]


def _assign(path: Path, loaded: list[tuple[Member, Annotations]], truth: Sequence[DataSet]) -> list[Annotations]:
    """The results of each data set, checked."""
    if len(loaded) == 1:
        ((member, results),) = loaded
        answers, shown = _divide(results, truth, member.shown), [member.shown] * len(truth)
    else:
        named = {_name(member): (member, results) for member, results in loaded}
        _check_names(path, set(named), len(loaded), truth)
        answers = [named[data_set.name][1] for data_set in truth]
        shown = [named[data_set.name][0].shown for data_set in truth]
    faults = [
        fault
        for results, data_set, name in zip(answers, truth, shown, strict=True)
        for fault in check_results(results, data_set, name)
    ]
    if faults:
        raise refuse(faults)
    return answers


def _check_names(path: Path, named: set[str], files: int, truth: Sequence[DataSet]) -> None:
    names = {data_set.name for data_set in truth}
    if len(named) < files:
        raise BadAnswer(f"{path} has two files for one data set: send one .json for each")
    missing, extra = sorted(names - named), sorted(named - names)
    if missing or extra:
        found = (
            f"no file for {', '.join(missing)}" if missing else f"files that no data set asked for: {', '.join(extra)}"
        )
        raise BadAnswer(f"{path} has {found}: send {', '.join(sorted(f'{name}.json' for name in names))}")


def _divide(answer: Annotations, truth: Sequence[DataSet], shown: str) -> list[Annotations]:
    """One answer told apart by image ids; a detection of an image that nobody asked for goes to the last."""
    if len(truth) == 1:
        return [answer]
    every = np.concatenate([data_set.images for data_set in truth])
    if len(np.unique(every)) < len(every):
        raise BadAnswer(f"{shown} is one file, but data sets share image ids: send one file for each data set")
    owner = np.full(len(answer), len(truth) - 1)
    for i, data_set in enumerate(truth):
        owner[np.isin(answer.whole[:, IMAGE], data_set.images)] = i
    return [Annotations(answer.text, answer.whole[owner == i], answer.real[owner == i]) for i in range(len(truth))]
