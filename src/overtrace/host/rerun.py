"""One run of a container over images under made-up names: inputs, output, its answer under true names, its score."""

import json
import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from overtrace.host.bounded import mount_bounded
from overtrace.host.containers import NOBODY, Ended, Engine, EngineFailed, Mount, run
from overtrace.host.contest import Phase
from overtrace.host.contest_file import ContestFile
from overtrace.host.disguise import Mask, Original, disguise, write_inputs
from overtrace.host.harvest import BadHarvest, harvest
from overtrace.host.marking import Task, make_task
from overtrace.host.outcome import Flaw, Outcome
from overtrace.host.replication import Claimed, PartResult, Reason, RunResult, read_parts
from overtrace.host.scorer import OUT_OF_MEMORY
from overtrace.host.scorer_process import NotWanted, Scorer, ScorerLost, clean_environment
from overtrace.host.unmask import Kind, Name, Orders, Unmasked
from overtrace.host.worker import name_safely

INPUT, WEIGHTS, OUTPUT = "/input", "/weights", "/output"
NAMES = {"hosts": "127.0.0.1 localhost contest\n::1 localhost\n", "resolv.conf": ""}
"""In /etc, in the place of those of this machine, which engines copy."""
SPARE_FILES = 64
"""In an output, beside one for each image."""
FULL_BYTES = 2**14
SPARE_BYTES = 2**21
GRACE_S = 30


class Stopped(Exception):
    """The verdict is known before all is done."""

    def __init__(self, reason: Reason, said: str, faults: Sequence[Flaw] = ()) -> None:
        super().__init__(said)
        self.reason = reason
        self.said = said
        self.faults = tuple(faults)


@dataclass(slots=True)
class Course:
    """What is found on the way, for the report."""

    digests: dict[str, str] = field(default_factory=dict)
    runs: list[RunResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    scores: tuple[PartResult, ...] = ()
    scorer: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all runs of a replication share."""

    file: ContestFile
    phase: Phase
    board: str
    kind: Kind
    engine: Engine
    store: Path | None
    image: str
    scratch: Path
    """An empty folder for each run is made here."""
    scorer: Scorer
    rng: random.Random
    course: Course
    is_wanted: Callable[[], bool]
    more_mounts: tuple[Mount, ...] = ()
    """Beside images, weights and output."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a run answered."""

    answers: dict[str, str]
    """Digest of the answer to each image that has one, by data set and name."""
    found: Claimed
    folder: Path
    """The answer under its true names, as long as the replication lasts."""


def rerun(
    stage: Stage, originals: Sequence[Original], weights: Path, name: str, shown: str, *, whole: bool = False
) -> Answered:
    """Run the container over images, and score what it answers.

    Args:
        weights: the file that it sees.
        name: that of the weights as it sees them.
        shown: what the run is for.
        whole: whether these are all images; of a sample, a score that the rule does not give is 0.
    Raises:
        Stopped: if there is no score to compare.
    """
    # What is mounted has the same place in all runs: a container reads in /proc where its mounts come from.
    folder = stage.scratch / "run"
    answer = stage.scratch / f"answer-{len(stage.course.runs) + 1}"
    inputs, taken, shared = folder / "input", folder / "taken", folder / "weights"
    try:
        for made in (folder, answer, inputs, taken):
            made.mkdir()
        masks = disguise(originals, stage.rng)
        write_inputs(masks, inputs)
        _share(weights, shared)
        _run(stage, masks, inputs, shared, name, taken, shown)
        done = _unmask(stage, masks, taken, answer)
        if done.faults:
            raise Stopped(Reason.FAULTS, _tell_faults(done.faults), done.faults)
        found = score(stage, answer) if whole else score_sample(stage, originals, answer)
        return Answered(done.answers, found, answer)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _share(weights: Path, place: Path) -> None:
    """Put a file where everyone can read it, also one that only its owner can."""
    if weights.stat().st_mode & stat.S_IROTH:
        with suppress(OSError):  # on another file system
            place.hardlink_to(weights)
            return
    shutil.copyfile(weights, place)
    place.chmod(0o444)


def _run(stage: Stage, masks: Sequence[Mask], inputs: Path, weights: Path, name: str, taken: Path, shown: str) -> None:
    """Run it, and take its output."""
    limits = stage.file.contest.replication.container
    most_files = len(masks) + SPARE_FILES
    with mount_bounded(inputs.with_name("output"), limits.output_bytes, inodes=2 * most_files + 64) as place:
        output = place / "answers"
        output.mkdir()
        output.chmod(0o700)
        shutil.chown(output, NOBODY, NOBODY)
        mounts = (
            Mount(inputs, INPUT),
            Mount(weights, f"{WEIGHTS}/{name_safely(name)}"),
            Mount(output, OUTPUT, writable=True),
            *_write_names(inputs.parent),
            *stage.more_mounts,
        )
        try:
            ended = run(stage.engine, stage.store, stage.image, mounts, limits, stage.is_wanted)
        except EngineFailed as error:
            raise Stopped(Reason.BROKEN, str(error)) from error
        stage.course.logs.append(f"== {shown} ==\n{ended.log}\n")
        stage.course.runs.append(_describe(shown, masks, ended))
        _check_end(stage, ended, is_full(place, failed=ended.exit_code != 0))
        try:
            harvest(output, taken, most_files, limits.output_bytes)
        except BadHarvest as error:
            raise Stopped(error.reason, error.said) from error


def _write_names(folder: Path) -> Iterator[Mount]:
    for name, text in NAMES.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o444)
        yield Mount(folder / name, f"/etc/{name}")


def _describe(shown: str, masks: Sequence[Mask], ended: Ended) -> RunResult:
    return RunResult(
        name=shown,
        images=len(masks),
        seconds=round(ended.seconds, 3),
        exit_code=ended.exit_code,
        peak_memory_bytes=ended.peak_memory_bytes,
    )


def is_full(place: Path, *, failed: bool) -> bool:
    """Of a write that does not fit, nothing is written: who failed at one may have left some room."""
    facts = os.statvfs(place)
    spare = max(SPARE_BYTES, facts.f_blocks * facts.f_frsize // 50) if failed else FULL_BYTES
    return facts.f_bavail * facts.f_frsize < spare or facts.f_favail == 0


def _check_end(stage: Stage, ended: Ended, full: bool) -> None:
    limits = stage.file.contest.replication.container
    if not stage.is_wanted():
        raise Stopped(Reason.BROKEN, "the replication was told to stop")
    if ended.out_of_time:
        raise Stopped(Reason.TIME, f"it was ended after {limits.seconds:,} s: that is all a run may take")
    if ended.out_of_memory:
        raise Stopped(Reason.MEMORY, f"it was ended when it wanted more than {limits.memory_bytes // 2**20:,} MiB")
    if full:
        raise Stopped(Reason.DISK, f"its /output is full: it holds {limits.output_bytes // 2**20:,} MiB")
    if ended.out_of_processes:
        raise Stopped(Reason.PROCESSES, f"it wanted more than {limits.processes:,} processes and threads")
    if ended.exit_code in NO_START:
        raise Stopped(Reason.NO_START, f"{NO_START[ended.exit_code]}: {_last_line(ended.log)}")
    if ended.exit_code:
        raise Stopped(Reason.EXIT, f"it exited with {ended.exit_code}: {_last_line(ended.log)}")


NO_START = {125: "the engine could not start it", 126: "its program cannot be run", 127: "its program is missing"}


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _unmask(stage: Stage, masks: Sequence[Mask], taken: Path, answer: Path) -> Unmasked:
    effort = stage.file.contest.effort
    orders = Orders(
        kind=stage.kind,
        files=tuple(sorted(taken.iterdir())),
        into=answer,
        names=tuple(
            Name(
                stem=mask.stem,
                number=mask.number,
                part=mask.original.part,
                name=mask.original.name,
                true_number=mask.original.number,
            )
            for mask in masks
        ),
        effort=effort,
    )
    command = [sys.executable, "-P", "-m", "overtrace.host.unmask"]
    said = orders.model_dump_json().encode() + b"\n"
    try:
        done = subprocess.run(
            command,
            input=said,
            stdout=subprocess.PIPE,
            env=clean_environment(),
            cwd="/",
            timeout=effort.seconds + GRACE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise Stopped(Reason.FAULTS, f"its answer takes more than {effort.seconds:,} s to read") from error
    if done.returncode == OUT_OF_MEMORY:
        raise Stopped(Reason.FAULTS, f"its answer takes more than {effort.memory_bytes // 2**20:,} MiB to read")
    if done.returncode:
        raise Stopped(Reason.BROKEN, f"its answer could not be read: the reader ended with {done.returncode}")
    return Unmasked.model_validate_json(done.stdout)


def score(stage: Stage, answer: Path) -> Claimed:
    """The score of an answer to all images, as the board has it."""
    outcome = _ask(stage, _make_task(stage, answer))
    found = _read(stage, outcome)
    if found is None:
        raise Stopped(Reason.BROKEN, f"its answer could not be scored: {outcome.reason}")
    return found


def score_sample(stage: Stage, originals: Sequence[Original], answer: Path) -> Claimed:
    """The score of an answer for some images; 0 where they have nothing to find, so that the rule gives none."""
    task = _make_task(stage, answer)
    ids = answer.with_name(f"{answer.name}.json")
    numbered = stage.kind == "rows"
    ids.write_text(json.dumps([one.number if numbered else one.name for one in originals]))
    boards = tuple(board.model_copy(update={"ids": ids}) for board in task.boards)
    outcome = _ask(stage, task.model_copy(update={"ids": ids, "boards": boards}))
    return _read(stage, outcome) or Claimed(score=0.0)


def _make_task(stage: Stage, answer: Path) -> Task:
    """Without pictures of errors, which nobody sees."""
    task = make_task(stage.file.contest, stage.phase, stage.file.folder, answer)
    return task.model_copy(update={"pictured": ""})


def _ask(stage: Stage, task: Task) -> Outcome:
    try:
        outcome = stage.scorer.ask(task, stage.is_wanted)
    except (ScorerLost, NotWanted) as error:
        raise Stopped(Reason.BROKEN, f"its answer could not be scored: {error or 'told to stop'}") from error
    stage.course.scorer = outcome.scorer or stage.course.scorer
    if outcome.kind == "rejected":
        raise Stopped(Reason.FAULTS, _tell_faults(outcome.faults), outcome.faults)
    return outcome


def _read(stage: Stage, outcome: Outcome) -> Claimed | None:
    mark = next((mark for mark in outcome.marks if mark.board == stage.board), None)
    if mark is None:
        return None
    return Claimed(score=mark.value, parts=read_parts(stage.file.contest.challenge, mark.verdict["parts"]))


def _tell_faults(faults: Sequence[Flaw]) -> str:
    first = faults[0]
    more = f" (and {len(faults) - 1:,} more)" if len(faults) > 1 else ""
    return f"{first.file} {first.where}: {first.found}: {first.wanted}{more}"
