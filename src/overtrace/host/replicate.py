"""Run a winner's container again: whether the scores of its submission come out.

The container sees all images of the phase in one shuffled folder, under names and ids that are made up for the run, so
that it cannot go by names, ids, folders or order; its answer is mapped back and scored by the host's own scorer.
"""

import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from overtrace.errors import BadOption
from overtrace.host.blobs import digest_file
from overtrace.host.bounded import mount_bounded
from overtrace.host.containers import Engine, EngineFailed, load
from overtrace.host.contest import Phase
from overtrace.host.contest_file import ContestFile
from overtrace.host.disguise import Original, list_originals
from overtrace.host.isolation import find_engine
from overtrace.host.one_model import check_one_model
from overtrace.host.outcome import Flaw
from overtrace.host.replication import Claimed, Delivery, PartResult, Reason, Report, Verdict, compare
from overtrace.host.rerun import Course, Stage, Stopped, rerun
from overtrace.host.scorer_process import Scorer
from overtrace.host.scratch import STORE, own_scratch, sweep
from overtrace.host.truths import digest_truths, list_files
from overtrace.host.unmask import Kind, find_kind
from overtrace.raster.aside import FolderAside

REPORT, LOG = "report.json", "log.txt"
MISSING = (Reason.NO_IMAGE, Reason.NO_WEIGHTS)


def replicate(
    file: ContestFile,
    phase: Phase,
    delivery: Delivery,
    claimed: Claimed,
    out: Path,
    *,
    board: str = "",
    tolerance: float | None = None,
    seed: int | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Report:
    """Run what a team delivered, and compare its scores with those that are claimed.

    Args:
        file: the contest, with its truth and the images of the phase.
        delivery: its files are read, and not changed.
        claimed: what the board says.
        out: a folder to be written, with ``report.json`` and ``log.txt``.
        board: of the phase; the first unless told.
        tolerance: by which a score may differ; that of the contest unless told.
        seed: of names and order; secret unless told.
        is_wanted: asked several times a second whether to go on.
    Returns:
        The verdict. ``Reason.BROKEN`` is a fault of this machine and not of the team.
    Raises:
        BadOption: if this machine gives no isolation to run foreign images in, or the contest cannot be run at all.
        BadContest: if the phase has no images, or not all.
    """
    begun = datetime.now(UTC)
    kind = find_kind(file.contest)
    allowed = file.contest.replication.tolerance if tolerance is None else tolerance
    if kind is None or phase.truth is None:
        raise BadOption(f"{file.contest.profile or phase.name}: containers cannot answer it: wanted images and a truth")
    boards = [one.name for one in phase.boards]
    if board and board not in boards:
        raise BadOption(f"phase {phase.name} has no board {board}: use one of {', '.join(boards)}")
    engine = find_engine()
    sweep(engine)
    originals = list_originals(file.contest, phase, file.folder)
    course = Course()
    course.digests["truth"] = digest_truths(file.contest, file.folder)[phase.name]
    aside = FolderAside(out, lambda folder: (folder / REPORT).is_file())
    faults: tuple[Flaw, ...] = ()
    with aside.guard():
        try:
            with _set_up(file, phase, board or boards[0], kind, engine, delivery, course, seed, is_wanted) as stage:
                verdict = _judge(stage, originals, delivery, claimed, allowed)
            reason, said = (
                (Reason.NONE if verdict is not Verdict.FAILED else Reason.SCORE),
                _tell(verdict, course.scores),
            )
        except Stopped as stopped:
            verdict = Verdict.NOT_DELIVERED if stopped.reason in MISSING else Verdict.FAILED
            reason, said, faults = stopped.reason, stopped.said, stopped.faults
        report = Report(
            verdict=verdict,
            reason=reason,
            said=said,
            scores=course.scores,
            tolerance=allowed,
            faults=faults,
            notes=tuple(course.notes),
            runs=tuple(course.runs),
            digests=course.digests,
            isolation=f"{engine.name} {engine.runtime}".strip(),
            scorer=course.scorer,
            begun_at=begun,
            ended_at=datetime.now(UTC),
        )
        (aside.path / REPORT).write_text(report.model_dump_json(indent=1) + "\n")
        (aside.path / LOG).write_text("".join(course.logs))
    aside.commit()
    return report


@contextmanager
def _set_up(
    file: ContestFile,
    phase: Phase,
    board: str,
    kind: Kind,
    engine: Engine,
    delivery: Delivery,
    course: Course,
    seed: int | None,
    is_wanted: Callable[[], bool],
) -> Iterator[Stage]:
    """Check what was delivered, load it, and make room; nothing of it is left behind."""
    image = _check_files(delivery, course)
    size = file.contest.replication.container.image_bytes
    rng = random.Random(secrets.randbits(128) if seed is None else seed)
    with (
        own_scratch() as scratch,
        mount_bounded(scratch / STORE, size) as store,
        Scorer(file.contest.challenge, file.contest.profile, (*list_files(phase, file.folder), scratch)) as scorer,
    ):
        try:
            work = store / "load"
            work.mkdir()
            course.digests["image"] = load(engine, image, store, work)
        except EngineFailed as error:
            full = "no space left" in str(error).lower()
            reason = Reason.LARGE_IMAGE if full else Reason.BAD_IMAGE
            raise Stopped(reason, f"its image cannot be loaded: {error}") from error
        yield Stage(
            file=file,
            phase=phase,
            board=board,
            kind=kind,
            engine=engine,
            store=store,
            image=course.digests["image"],
            scratch=scratch,
            scorer=scorer,
            rng=rng,
            course=course,
            is_wanted=is_wanted,
        )


def _check_files(delivery: Delivery, course: Course) -> Path:
    """The archive, if all is there and the weights are those that were claimed."""
    if delivery.image is None or not delivery.image.is_file():
        raise Stopped(Reason.NO_IMAGE, "no container image was delivered")
    if delivery.weights is None or not delivery.weights.is_file():
        raise Stopped(Reason.NO_WEIGHTS, "no weights were delivered")
    course.digests["archive"] = digest_file(delivery.image)
    course.digests["weights"] = digest_file(delivery.weights)
    if not delivery.weights_sha256:
        course.notes.append("no digest of weights was claimed beforehand: they may have been trained later")
    elif course.digests["weights"] != delivery.weights_sha256:
        said = f"the SHA-256 of the weights is {course.digests['weights']}: claimed was {delivery.weights_sha256}"
        raise Stopped(Reason.WRONG_WEIGHTS, said)
    return delivery.image


def _judge(
    stage: Stage, originals: Sequence[Original], delivery: Delivery, claimed: Claimed, tolerance: float
) -> Verdict:
    assert delivery.weights is not None
    answered = rerun(stage, originals, delivery.weights, delivery.weights.name, "all images", whole=True)
    verdict, scores = compare(claimed, answered.found, tolerance)
    stage.course.scores = scores
    if verdict is not Verdict.FAILED:
        check_one_model(stage, originals, answered, delivery.weights)
    return verdict


def _tell(verdict: Verdict, scores: Sequence[PartResult]) -> str:
    """The score, and what differs most."""
    whole = scores[0]
    worst = max(scores, key=lambda one: one.difference or 0.0)
    text = f"found {whole.found:.6f}, claimed {whole.claimed:.6f}"
    if verdict is Verdict.VERIFIED:
        return text
    where = f"; {worst.name} differs most" if worst.name else ""
    return f"{text}{where}, by {worst.difference or 0.0:.6f}"
