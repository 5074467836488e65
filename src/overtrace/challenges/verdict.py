"""One way to score all protocols: paths in, a verdict out that can be printed, kept and compared.

Each protocol is imported when it is asked for: the libraries of the others take longer to load than a small set to
score.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from overtrace import __version__
from overtrace.challenges.faults import parse
from overtrace.errors import BadAnswer, BadOption

if TYPE_CHECKING:
    from overtrace.challenges.itc import DataSetScore
    from overtrace.challenges.sceneparsing import Labels

Row = dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Question:
    """What is scored, and how."""

    truth: Path
    answers: Path
    profile: str = ""
    """Empty for that of the protocol."""
    ids: Path | None = None
    """A list of the images that count."""
    pixel_size_m: float = 1.0
    """Metres in a unit of the coordinates of trees."""
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score and what it is made of."""

    protocol: str
    profile: str
    score: float
    """Higher is better; at full precision."""
    parts: dict[str, Any]
    """By the protocol; for JSON."""
    table: Sequence[Row]
    """The parts that one reads first: data sets, cities, classes."""
    images: Sequence[Row]
    """One row an image."""

    def as_json(self) -> dict[str, Any]:
        """What is written to a file."""
        return {
            "protocol": self.protocol,
            "profile": self.profile,
            "scorer": {"name": "overtrace", "version": __version__},
            "score": self.score,
            "parts": self.parts,
        }


def score_files(protocol: str, question: Question) -> Verdict:
    """Score an answer by the rule of a protocol.

    Raises:
        BadOption: if there is no such protocol or profile.
        BadAnswer: if truth or answer are not in order.
    """
    if protocol not in PROTOCOLS:
        raise BadOption(f"no protocol is called {protocol}: use one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol](question)


def read_ids(path: Path) -> list[str]:
    """The names of a list of images: text with one a line, or JSON: names, objects with ``file_name`` or ``name``, or a
    mapping whose keys are names.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadAnswer(f"{path} cannot be read as a list of images: {error}") from error
    if not text.lstrip().startswith(("[", "{")):
        return [Path(line.strip()).stem for line in text.splitlines() if line.strip() and not line.startswith("#")]
    content = parse(data, str(path))
    rows = content if isinstance(content, list) else list(content)
    names = [row.get("file_name", row.get("name")) if isinstance(row, dict) else row for row in rows]
    known = [name for name in names if isinstance(name, str)]
    if len(known) < len(names):
        raise BadAnswer(f"{path} is no list of names of images: {json.dumps(content)[:60]}")
    return [Path(name).stem for name in known]


def _score_itc(question: Question) -> Verdict:
    from overtrace.challenges import itc

    profile = itc.find_profile(question.profile or itc.DEFAULT.name)
    truth, answers = itc.read(question.truth, question.answers)
    score = itc.score_answer(truth, answers, profile, question.workers)
    names = [*itc.NUMBERS, *(f"AR {limit}" for limit in profile.max_detections), *itc.RECALL_NUMBERS]
    parts = [
        {
            "name": part.name,
            "score": part.ap50,
            "images": part.images,
            "objects": part.objects,
            "detections": part.detections,
            "detections_cut": part.detections_cut,
            "objects_beyond_cap": part.objects_beyond_cap,
            "numbers": dict(zip(names, part.numbers.tolist(), strict=True)),
        }
        for part in score.data_sets
    ]
    table: list[Row] = [
        {
            "data set": part.name,
            "AP50": part.ap50,
            "AP": float(part.numbers[0]),
            "images": part.images,
            "objects": part.objects,
            "detections": part.detections,
            "cut": part.detections_cut,
            "objects beyond cap": part.objects_beyond_cap,
        }
        for part in score.data_sets
    ]
    images = [row for part in score.data_sets for row in _images_of(part)]
    return Verdict("itc", profile.name, score.score, {"data_sets": parts}, table, images)


def _images_of(part: "DataSetScore") -> list[Row]:
    """Objects, detections and hits at an IoU of 0.50 of each image."""
    from overtrace.scoring.instances import HIT

    counts = part.counts
    hits = np.bincount(counts.image[counts.outcome[0, 0] == HIT], minlength=len(counts.images))
    kept = np.bincount(counts.image, minlength=len(counts.images))
    objects, cut = counts.objects[:, :, 0].sum(axis=0), counts.cut.sum(axis=0)
    return [
        {
            "data set": part.name,
            "image": int(image),
            "objects": int(objects[i]),
            "detections": int(kept[i] + cut[i]),
            "cut": int(cut[i]),
            "hits at 0.50": int(hits[i]),
        }
        for i, image in enumerate(counts.images)
    ]


def _score_ade20k(question: Question) -> Verdict:
    from overtrace.challenges.sceneparsing import ADE20K

    return _score_scenes(question, ADE20K)


def _score_camvid(question: Question) -> Verdict:
    from overtrace.challenges.sceneparsing import CAMVID

    return _score_scenes(question, CAMVID)


def _score_scenes(question: Question, labels: "Labels") -> Verdict:
    from overtrace.challenges import sceneparsing
    from overtrace.scoring.pixels import score_pixels

    _want_profile(question, labels.protocol)
    pairs = sceneparsing.pair_files(question.truth, question.answers)
    found = sceneparsing.score_pairs(pairs, labels, question.workers)
    total = found.images[0]
    for image in found.images[1:]:
        total += image
    classes: list[Row] = [
        {
            "class": labels.first + i,
            "IoU": float(found.whole.iou[i]),
            "pixels": int(total.truth[i]),
            "answered": int(total.answer[i]),
            "both": int(total.both[i]),
        }
        for i in range(labels.classes)
    ]
    images: list[Row] = []
    for name, counts in zip(found.names, found.images, strict=True):
        alone = score_pixels(counts)
        images.append(
            {
                "image": name,
                "accuracy": alone.accuracy,
                "mean IoU of its classes": alone.mean_iou_present,
                "pixels": counts.labelled,
            }
        )
    parts = {
        "accuracy": found.whole.accuracy,
        "mean_iou": found.whole.mean_iou,
        "mean_iou_present": found.whole.mean_iou_present,
        "images": len(found.names),
        "classes": classes,
    }
    score = found.whole.mean_iou if labels.protocol == "camvid" else found.score
    return Verdict(labels.protocol, labels.protocol, score, parts, [row for row in classes if row["pixels"]], images)


def _score_buildings(question: Question) -> Verdict:
    from overtrace.challenges import deepglobe
    from overtrace.scoring.footprints import RULES

    name = question.profile or "spacenet2-topcoder"
    if name not in RULES:
        raise BadOption(f"no profile is called {name}: use one of {', '.join(RULES)}")
    truth = deepglobe.read_footprints(question.truth, answer=False)
    answer = deepglobe.read_footprints(question.answers, answer=True)
    ids = None if question.ids is None else read_ids(question.ids)
    found = deepglobe.score_footprints(truth, answer, RULES[name], ids)
    cities: list[Row] = [
        {
            "city": city.name,
            "F1": city.f1,
            "images": city.images,
            "buildings": city.true,
            "answered": city.found,
            "hits": city.hits,
        }
        for city in found.cities
    ]
    images: list[Row] = [
        {
            "image": image,
            "buildings": int(found.counts.true[i]),
            "answered": int(found.counts.found[i]),
            "hits": int(found.counts.hits[i]),
        }
        for i, image in enumerate(found.images)
    ]
    return Verdict("deepglobe", name, found.score, {"cities": cities}, cities, images)


def _score_trees(question: Question) -> Verdict:
    from overtrace.challenges import trees

    _want_profile(question, "trees")
    ids = None if question.ids is None else read_ids(question.ids)
    truth, answer = trees.read_trees(question.truth), trees.read_trees(question.answers)
    found = trees.score_trees(truth, answer, question.pixel_size_m, ids)
    whole = found.whole
    row: Row = {
        "precision": whole.precision,
        "recall": whole.recall,
        "F1": whole.f1,
        "trees": whole.true,
        "answered": whole.found,
        "hits": whole.hits,
    }
    if found.columns == trees.POINT:
        row["RMSE, m"] = whole.rmse
    images: list[Row] = [
        {"image": name, "trees": counts.true, "answered": counts.found, "hits": counts.hits}
        for name, counts in zip(found.names, found.images, strict=True)
    ]
    rule = f"points within {trees.REACH_M:g} m" if found.columns == trees.POINT else f"boxes at IoU {trees.LEAST_IOU:g}"
    parts: dict[str, Any] = {**row, "rule": rule, "images": len(found.names)}
    if found.columns == trees.POINT and not whole.hits:
        parts["RMSE, m"] = None
    return Verdict("trees", "trees", found.score, parts, [row], images)


def _want_profile(question: Question, only: str) -> None:
    if question.profile not in ("", only):
        raise BadOption(f"no profile is called {question.profile}: {only} has only its own")


PROTOCOLS: dict[str, Callable[[Question], Verdict]] = {
    "itc": _score_itc,
    "sceneparsing": _score_ade20k,
    "camvid": _score_camvid,
    "deepglobe": _score_buildings,
    "trees": _score_trees,
}
