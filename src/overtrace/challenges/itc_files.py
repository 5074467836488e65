"""The files of the tree crown contest: a COCO data set for each of several, and COCO results that answer them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np

from overtrace.challenges.inspection import Inspection
from overtrace.challenges.submission import Limits, Member, find_members, open_answer
from overtrace.errors import BadAnswer
from overtrace.formats.annotations import CROWD, IMAGE, SEEN_IMAGE, Annotations, as_text, load_text
from overtrace.formats.coco_faults import BOX_OBJECT, BOX_RESULT, OBJECT, RESULT, Known
from overtrace.formats.coco_files import DataSet, Results, check_results, know, read_data_set, read_results
from overtrace.formats.faults import Fault, gather, refuse
from overtrace.formats.text import Text


def read_truth(path: Path, *, boxes: bool = False) -> list[DataSet]:
    """The data sets of a contest, by name.

    Args:
        path: one COCO file; or a folder of them, one a data set, each by itself or alone in a folder of its name.
        boxes: objects have boxes, and need no masks.
    Raises:
        BadAnswer: if there is none, or one is not in order or has nothing to find.
    """
    data_sets = []
    for member in open_answer(path):
        if PurePosixPath(member.name).suffix != ".json":
            continue
        text = _read_text(member)
        if path.is_dir() and b'"annotations"' not in text.tobytes():
            continue  # a list of image ids, or other notes
        data_set = read_data_set(text, _name(member), member.shown, BOX_OBJECT if boxes else OBJECT)
        if not (data_set.annotations.whole[:, CROWD] == 0).any():
            raise BadAnswer(f"{member.shown} has no object to find: such a data set cannot be scored")
        data_sets.append(data_set)
    names = [data_set.name for data_set in data_sets]
    if not names:
        raise BadAnswer(f"{path} holds no COCO data set: wanted .json files with images, categories and annotations")
    if len(set(names)) < len(names):
        raise BadAnswer(f"{path} holds two data sets of one name: {', '.join(sorted(names))}: rename one")
    return sorted(data_sets, key=lambda data_set: data_set.name)


def _read_text(member: Member) -> Text:
    """The text of a file, copied as little as possible."""
    if member.path is None:
        return as_text(member.read())
    try:
        return load_text(member.path)
    except OSError as error:
        raise BadAnswer(f"{member.shown} cannot be read: {error.strerror}: check the file") from error


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
    faults: list[Fault] = []
    return _assign(path, _load(path, limits, faults), truth, faults)


def read(
    truth: Path, answer: Path, limits: Limits | None = None, *, boxes: bool = False
) -> tuple[list[DataSet], list[Annotations]]:
    """Truth and answer, read at the same time."""
    faults: list[Fault] = []
    with ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(_load, answer, limits, faults, boxes)
        data_sets = read_truth(truth, boxes=boxes)
        return data_sets, _assign(answer, loaded.result(), data_sets, faults)


def check_answer(
    path: Path, truth: Sequence[DataSet] | None, listed: Known | None, *, boxes: bool = False
) -> Inspection:
    """All that is wrong with an answer: types, ids, sizes and masks of all rows of all files.

    Args:
        path: as for ``read_answer``.
        truth: the data sets, if they are known.
        listed: the images that may be named where the data sets are not known.
        boxes: rows have boxes, and need no masks.
    """
    faults: list[Fault] = []
    loaded = _load(path, None, faults, boxes)
    pairs = _pair(path, loaded, truth, listed, faults)
    for results, known in pairs:
        faults += check_results(results, known, masks=True)
    found = [results.annotations for results, _ in pairs]
    images = np.unique(np.concatenate([[], *(part.whole[part.has(SEEN_IMAGE), IMAGE] for part in found)]))
    notes = [
        Fault(results.shown, "", "there is no detection in it", "an empty answer is allowed, and finds nothing")
        for results, _ in pairs
        if len(results.annotations) == 0
    ]
    counts = {"files": len(found), "images": len(images), "detections": sum(map(len, found))}
    strangers = np.setdiff1d(images, images if listed is None else listed.images)
    return Inspection(faults, notes, counts, frozenset(f"{image:.0f}" for image in strangers.tolist()))


Loaded = list[tuple[Member, Results]]


def _load(path: Path, limits: Limits | None, faults: list[Fault], boxes: bool = False) -> Loaded:
    """The results of each file that can be read; what is wrong with the others goes to the faults."""
    loaded: Loaded = []
    members = find_members(path, faults, limits)
    answers = [member for member in members if PurePosixPath(member.name).suffix.lower() == ".json"]
    if members and not answers:
        faults.append(Fault(str(path), "", "it holds no .json file", "wanted COCO results"))
    for member in answers:
        with gather(faults, member.shown):
            results = read_results(_read_text(member), member.shown, faults, BOX_RESULT if boxes else RESULT)
            if results is not None:
                loaded.append((member, results))
    return loaded


def _assign(path: Path, loaded: Loaded, truth: Sequence[DataSet], faults: list[Fault]) -> list[Annotations]:
    """The results of each data set, checked."""
    pairs = [] if faults else _pair(path, loaded, truth, None, faults)
    for results, known in pairs:
        faults += check_results(results, known, masks=False)
    if faults:
        raise refuse(faults)
    if len(loaded) == 1:
        return _divide(loaded[0][1].annotations, truth)
    named = {_name(member): results.annotations for member, results in loaded}
    return [named[data_set.name] for data_set in truth]


def _pair(
    path: Path, loaded: Loaded, truth: Sequence[DataSet] | None, listed: Known | None, faults: list[Fault]
) -> list[tuple[Results, Known | None]]:
    """Each file, and what it may speak of; None where that cannot be known."""
    named = {_name(member): results for member, results in loaded}
    if len(named) < len(loaded):
        faults.append(Fault(str(path), "", "it has two files for one data set", "send one .json for each"))
    if truth is None:
        return [(results, listed) for _, results in loaded]
    if len(loaded) == 1:
        ((_, results),) = loaded
        every = np.concatenate([data_set.images for data_set in truth])
        if len(np.unique(every)) == len(every):
            return [(results, know(truth))]
        found = "it is one file, but data sets share image ids"
        faults.append(Fault(results.shown, "", found, "send one file for each data set"))
        return [(results, None)]
    known = {data_set.name: know([data_set]) for data_set in truth}
    missing, extra = sorted(known.keys() - named.keys()), sorted(named.keys() - known.keys())
    wanted = f"send {', '.join(sorted(f'{name}.json' for name in known))}"
    if missing and not faults:
        faults.append(Fault(str(path), "", f"it has no file for {', '.join(missing)}", wanted))
    if extra:
        faults.append(Fault(str(path), "", f"it has files that no data set asked for: {', '.join(extra)}", wanted))
    return [(results, known.get(_name(member))) for member, results in loaded]


def _divide(answer: Annotations, truth: Sequence[DataSet]) -> list[Annotations]:
    """One answer told apart by image ids."""
    if len(truth) == 1:
        return [answer]
    own = [np.isin(answer.whole[:, IMAGE], data_set.images) for data_set in truth]
    return [Annotations(answer.text, answer.whole[rows], answer.real[rows]) for rows in own]
