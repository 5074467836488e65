"""What answers are scored against, and by which rule: digests, so that no worker scores by others."""

import hashlib
import json
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from overtrace.errors import BadOption
from overtrace.host.blobs import digest_file
from overtrace.host.contest import Contest, Phase
from overtrace.host.tables import Fact

PREFIX = "truth:"
SCORER = "scorer"


def digest_truths(contest: Contest, folder: Path) -> dict[str, str]:
    """SHA-256 of truth, lists and rule, by the name of the phase; none for a phase without truth.

    Args:
        folder: that of the contest file.
    Raises:
        BadOption: if a file is missing.
    """
    return {phase.name: _digest(contest, phase, folder) for phase in contest.phases if phase.truth is not None}


def list_files(phase: Phase, folder: Path) -> list[Path]:
    """Truth and lists of a phase, and its images where errors are drawn over them.

    Args:
        folder: that of the contest file.
    """
    images = phase.images if phase.pictures else None
    named = {phase.truth, phase.ids, images, *(board.ids for board in phase.boards)} if phase.truth else set()
    return [folder / path for path in sorted(path for path in named if path)]


def _digest(contest: Contest, phase: Phase, folder: Path) -> str:
    boards = [
        (board.name, board.ids, [(column.title, column.path) for column in board.columns]) for board in phase.boards
    ]
    paths = sorted({path for path in (phase.truth, phase.ids, *(board.ids for board in phase.boards)) if path})
    said = {
        "rule": [contest.challenge, contest.profile, contest.classes, contest.pixel_size],
        "truth": phase.truth,
        "ids": phase.ids,
        "boards": boards,
        "files": {path: _digest_path(folder / path) for path in paths},
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _digest_path(path: Path) -> str | dict[str, str]:
    try:
        if not path.is_dir():
            return digest_file(path)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return {file.relative_to(path).as_posix(): digest_file(file) for file in files}
    except OSError as error:
        raise BadOption(f"{path} cannot be read: {error.strerror}: the contest file names it") from error


def find_readable(contest: Contest, folder: Path) -> list[Path]:
    """What is true and can be read by other users of this machine: files that they may open, in folders all of which
    they may enter."""
    paths = {folder / phase.truth for phase in contest.phases if phase.truth is not None}
    files = {file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()}
    return sorted(file for file in files if _is_open(file.absolute(), 0) or _is_open(file.absolute(), 3))


def _is_open(file: Path, shift: int) -> bool:
    """To others (0), or to the group (3)."""
    enters = all(parent.stat().st_mode & (1 << shift) for parent in file.parents)
    return enters and bool(file.stat().st_mode & (4 << shift))


def state_truths(session: Session, digests: dict[str, str], scorer: str = "") -> bool:
    """Let the host know what answers are to be scored against, and by which code; empty for any.

    Returns:
        Whether that is something else than before.
    """
    facts = {f"{PREFIX}{phase}": {"sha256": digest} for phase, digest in digests.items()}
    if scorer:
        facts[SCORER] = {"name": scorer}
    known = {fact.name: fact.value for fact in session.scalars(select(Fact).where(Fact.name.in_(facts)))}
    for name, value in facts.items():
        session.merge(Fact(name=name, value=value))
    return known != facts


def read_truth(session: Session, phase: str) -> str:
    """The digest of a phase's truth; empty if the host was not told of it."""
    fact = session.scalar(select(Fact).where(Fact.name == f"{PREFIX}{phase}"))
    return "" if fact is None else str(fact.value["sha256"])


def read_scorer(session: Session) -> str:
    """Name, version and digest of the code that answers are scored by; empty if the host was not told of it."""
    fact = session.scalar(select(Fact).where(Fact.name == SCORER))
    return "" if fact is None else str(fact.value["name"])
