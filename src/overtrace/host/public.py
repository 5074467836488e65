"""What the web process is given of a contest: all but where the truth lies, and which images are private."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from overtrace.host.contest import Contest, Phase
from overtrace.host.contest_file import ContestFile, digest

HIDDEN = "hidden"
"""In the place of a path to what is true."""


@dataclass(frozen=True, slots=True)
class Public:
    """A contest as everyone may know it."""

    contest: Contest
    """Without paths of truth, and without lists of boards."""
    lists: Mapping[str, Path]
    """Of images that an answer may name, by phase."""
    downloads: Mapping[str, Path]
    """By phase and place in its list, as in ``testing/1``."""
    seals: Mapping[str, str]
    """SHA-256 of which images count for a board, by phase and board."""


def publish(file: ContestFile) -> Public:
    """What of a contest file is for everyone."""
    phases = file.contest.phases
    downloads = {
        f"{phase.name}/{number}": file.resolve(download.file)
        for phase in phases
        for number, download in enumerate(phase.downloads, start=1)
        if download.file is not None
    }
    lists = {phase.name: file.resolve(phase.ids) for phase in phases if phase.ids is not None}
    seals = {
        name_board(phase.name, board.name): digest(file.resolve(board.ids))
        for phase in phases
        for board in phase.boards
        if board.ids is not None
    }
    contest = file.contest.model_copy(update={"phases": tuple(_hide(phase) for phase in phases)})
    return Public(contest, lists, downloads, seals)


def name_board(phase: str, board: str) -> str:
    """What a board of a phase is called."""
    return f"{phase}/{board}"


def _hide(phase: Phase) -> Phase:
    boards = tuple(board.model_copy(update={"ids": None}) for board in phase.boards)
    truth = HIDDEN if phase.truth is not None else None
    return phase.model_copy(update={"boards": boards, "truth": truth, "images": None})
