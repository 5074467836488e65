"""A contest tried out before it begins: the truth is sent in as an answer, to see what the boards will show."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from overtrace.challenges.answer_rows import write_row
from overtrace.challenges.canaries import find_kind
from overtrace.challenges.challenge import Question
from overtrace.challenges.footprint_files import COLUMNS
from overtrace.challenges.protocols import score_files
from overtrace.challenges.scene_files import keep_listed, read_names
from overtrace.challenges.submission import open_answer
from overtrace.errors import BadAnswer, BadOption
from overtrace.formats.faults import Fault, parse
from overtrace.formats.id_lists import read_ids
from overtrace.host.columns import pick_columns
from overtrace.host.contest import Board, Contest
from overtrace.host.contest_file import ContestFile


@dataclass(frozen=True, slots=True)
class Trial:
    """What a board says of the truth."""

    phase: str
    board: str
    score: float
    columns: Mapping[str, float | None]


def ask(file: ContestFile, phase: int, board: Board, answers: Path, workers: int = 1) -> Question:
    """What is asked of the scorer for a board."""
    contest = file.contest
    asked = contest.phases[phase]
    if asked.truth is None:
        raise ValueError(f"phase {asked.name} has no truth")
    listed = None if asked.ids is None else file.resolve(asked.ids)
    ids = listed if board.ids is None else file.resolve(board.ids)
    options = contest.classes, contest.pixel_size, workers, listed
    return Question(file.resolve(asked.truth), answers, contest.profile, ids, None, *options)


def try_boards(file: ContestFile, workers: int = 1) -> tuple[list[Trial], list[Fault]]:
    """Score the truth of each phase for each of its boards.

    Args:
        file: a contest in order, with its data.
        workers: of the scorer.
    """
    trials: list[Trial] = []
    faults: list[Fault] = []
    for i, phase in enumerate(file.contest.phases):
        if phase.truth is None:
            continue
        with TemporaryDirectory() as folder:
            listed = None if phase.ids is None else file.resolve(phase.ids)
            answer = make_trial(file.contest, file.resolve(phase.truth), Path(folder), listed)
            for j, board in enumerate(phase.boards):
                key: tuple[str | int, ...] = ("phases", i, "boards", j)
                try:
                    verdict = score_files(file.contest.challenge, ask(file, i, board, answer, workers))
                    key = (*key, "columns")
                    columns = pick_columns(verdict.parts, board.columns)
                    trials.append(Trial(phase.name, board.name, verdict.score, columns))
                except (BadAnswer, BadOption) as error:
                    found, _, wanted = str(error).rpartition(": ")
                    faults.append(file.fault(key, found, wanted))
    return trials, faults


def make_trial(contest: Contest, truth: Path, folder: Path, listed: Path | None = None) -> Path:
    """An answer that says what is true.

    Args:
        contest: whose truth it is; most have the same files on both sides.
        truth: in order.
        folder: empty, for what has to be written otherwise.
        listed: a list of the images that an answer is for.
    """
    if contest.challenge == "itc" or contest.profile.startswith("coco-"):
        return _find_all(truth, folder)
    if contest.challenge == "deepglobe":
        return _find_buildings(truth, folder, listed)
    if listed is not None and find_kind(contest.challenge, contest.profile) == "scenes":
        return _find_scenes(truth, folder, listed)
    return truth


def _find_scenes(truth: Path, folder: Path, listed: Path) -> Path:
    scenes = read_names(truth, [])
    kept = keep_listed(scenes, listed)
    if len(kept) == len(scenes):
        return truth
    for name, member in kept.items():
        (folder / f"{name}.png").write_bytes(member.read())
    return folder


def _find_all(truth: Path, folder: Path) -> Path:
    """COCO results of the objects of COCO data sets."""
    for member in open_answer(truth):
        place = PurePosixPath(member.name)
        content: Any = parse(member.read(), member.shown) if place.suffix == ".json" else None
        if not isinstance(content, dict) or "annotations" not in content:
            continue
        kept = ("image_id", "category_id", "segmentation", "bbox")
        rows = [
            {**{name: row[name] for name in kept if name in row}, "score": 1.0}
            for row in content["annotations"]
            if not row.get("iscrowd")
        ]
        name = place.parts[0] if len(place.parts) > 1 else place.stem
        (folder / f"{name}.json").write_text(json.dumps(rows))
    return folder


def _find_buildings(truth: Path, folder: Path, listed: Path | None) -> Path:
    """Rows with a confidence; vector files need none."""
    tables = [member for member in open_answer(truth) if member.name.lower().endswith((".csv", ".txt"))]
    if not tables:
        return truth
    csv.field_size_limit(2**27)
    rows = [write_row(*COLUMNS, "Confidence")]
    names = None if listed is None else {COLUMNS[0], *read_ids(listed)}
    for member in tables:
        text = io.StringIO(member.read().decode("utf-8-sig"), newline="")
        known = [row for row in csv.reader(text) if row[2:] and not row[0].startswith("#")]
        rows += [write_row(*row[:3], 1) for row in known if names is None or row[0].strip() in names]
    (folder / "answer.csv").write_text("\n".join([*rows, ""]))
    return folder / "answer.csv"
