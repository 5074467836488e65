"""``contest.yaml``: the contest that it describes, and every fault of it with its line."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from overtrace.challenges.inspection import Claim
from overtrace.challenges.own import NO_CLASS, PIXELS
from overtrace.challenges.protocols import check_files, find_challenge
from overtrace.errors import BadAnswer, BadContest, BadOption
from overtrace.formats.faults import Fault
from overtrace.host.contest import Contest, is_inside
from overtrace.host.contest_faults import find_model_faults
from overtrace.host.tree import Key, Tree, parse_tree, show_path

MOST_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class ContestFile:
    """A contest, and where its files lie."""

    contest: Contest
    path: Path
    sha256: str
    """Of the file."""
    tree: Tree = field(repr=False, compare=False)

    @property
    def folder(self) -> Path:
        """From which the paths of the file go."""
        return self.path.parent

    def resolve(self, inside: str) -> Path:
        """Where a path of the file leads."""
        return self.folder / inside

    def fault(self, key: Key, found: str, wanted: str) -> Fault:
        """What is wrong with a key."""
        return _fault(self.path, self.tree, key, found, wanted)


def _fault(path: Path, tree: Tree, key: Key, found: str, wanted: str) -> Fault:
    return Fault(f"{path}:{tree.find_line(key)}", show_path(key), found, wanted)


def read_contest(path: Path, *, truth: bool = True) -> ContestFile:
    """The contest of a file.

    Args:
        path: of ``contest.yaml``.
        truth: whether what is true must lie there too; only who scores has it.
    Raises:
        BadContest: that names the first fault, and says how many more there are.
    """
    file, faults = inspect_contest(path, truth=truth)
    if file is None or faults:
        more = f" (and {len(faults) - 1:,} more: overtrace contest check lists them)" if len(faults) > 1 else ""
        raise BadContest(f"{faults[0]}{more}")
    return file


def inspect_contest(path: Path, *, truth: bool = True) -> tuple[ContestFile | None, list[Fault]]:
    """The contest of a file as far as it is one, and all faults that it has without opening other files."""
    try:
        data = path.read_bytes()[: MOST_BYTES + 1]
        text = data.decode("utf-8-sig")
    except OSError as error:
        return None, [Fault(str(path), "", f"it cannot be read: {error.strerror}", "check the path")]
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return None, [Fault(f"{path}:{line}", "", "no UTF-8", "write the file as UTF-8")]
    if len(data) > MOST_BYTES:
        return None, [Fault(str(path), "", f"it is longer than {MOST_BYTES:,} bytes", "leave data to files of its own")]
    found = parse_tree(text, str(path))
    if found.value is None:
        wanted = "overtrace contest new writes one that is complete"
        return None, found.faults or [Fault(f"{path}:1", "", "it is empty", wanted)]
    contest, faults = find_model_faults(found, str(path))
    faults = [*found.faults, *faults, *_find_path_faults(path, found, truth)]
    if contest is None:
        return None, _sort(faults)
    file = ContestFile(contest, path, hashlib.sha256(data).hexdigest(), found)
    return file, _sort([*faults, *_find_rule_faults(file)])


def _sort(faults: list[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: int(fault.file.rpartition(":")[2]))


def _find_rule_faults(file: ContestFile) -> Iterator[Fault]:
    """What the challenge has to say of its options."""
    contest = file.contest
    if contest.profile:
        try:
            find_challenge(contest.challenge).choose_profile(Claim(file.path, profile=contest.profile))
        except BadOption as error:
            found, _, wanted = str(error).rpartition(": ")
            yield file.fault(("profile",), found, wanted)
    if contest.challenge == "own" and contest.profile == PIXELS:
        if not 0 < contest.classes < NO_CLASS:
            wanted = f"{PIXELS} needs how many there are, from 1 to {NO_CLASS - 1}"
            yield file.fault(("classes",), f"found {contest.classes} classes", wanted)
    elif contest.classes:
        yield file.fault(("classes",), f"{contest.challenge} knows its classes", f"leave it out, it is for {PIXELS}")
    boards = [f"{phase.name}/{board.name}" for phase in contest.phases for board in phase.boards]
    if contest.results.board and contest.results.board not in boards:
        wanted = f"wanted one of {', '.join(boards)}" if boards else "leave it out"
        yield file.fault(("results", "board"), f"found {contest.results.board!r}, which is no board", wanted)


def list_paths(folder: Path, tree: Tree, name: str) -> list[tuple[Key, Path]]:
    """Each key of this name in a phase, and where it leads: such as ``truth``, or ``file`` of a download."""
    keys = [key for key in tree.lines if key[:1] == ("phases",) and key[-1] == name]
    found = [(key, tree.find_value(key)) for key in keys]
    return [(key, folder / value) for key, value in found if isinstance(value, str) and is_inside(value)]


def _find_path_faults(path: Path, tree: Tree, truth: bool) -> Iterator[Fault]:
    """Files that are missing, and truth that would be given away."""
    truths, ids, downloads = (list_paths(path.parent, tree, name) for name in ("truth", "ids", "file"))
    images = list_paths(path.parent, tree, "images")
    for key, place in [*truths, *images] if truth else []:
        if not os.access(place, os.R_OK):
            yield _fault(path, tree, key, _tell(place), "put it there")
    for key, place in [*ids, *downloads]:
        if not os.path.isfile(place) or not os.access(place, os.R_OK):
            yield _fault(path, tree, key, _tell(place), "put a file there that can be read")
    secrets = [place.resolve() for _, place in truths]
    for key, place in downloads:
        if any(place.resolve().is_relative_to(secret) for secret in secrets):
            found = f"{place} is part of the truth, which it would give away"
            yield _fault(path, tree, key, found, "name another file")


def _tell(place: Path) -> str:
    if not os.path.exists(place):
        return f"{place} does not exist"
    return f"{place} {'is no file' if os.path.isdir(place) else 'cannot be read'}"


def find_data_faults(file: ContestFile) -> list[Fault]:
    """What the challenge's own readers say of truth and lists, and wrong digests of downloads."""
    truths, ids, downloads = (list_paths(file.folder, file.tree, name) for name in ("truth", "ids", "file"))
    faults: list[Fault] = []
    for key, truth in truths:
        broken = _read_truth(file, key, truth, None)
        faults += broken
        for own, path in [] if broken else ids:
            # ("phases", number, ...)
            faults += _read_truth(file, own, truth, path) if own[1] == key[1] else []
    for key, path in downloads:
        said = (*key[:-1], "sha256")
        if said in file.tree.lines and file.tree.find_value(said) != digest(path):
            faults.append(file.fault(said, f"that of {path} is {digest(path)}", "write that"))
    return _sort(faults)


def _read_truth(file: ContestFile, key: Key, truth: Path, ids: Path | None) -> list[Fault]:
    """Checks an answer that is empty: only what is wrong with truth and list is an error then."""
    contest = file.contest
    with TemporaryDirectory() as empty:
        try:
            check_files(contest.challenge, Claim(Path(empty), truth, ids, contest.profile, contest.classes))
        except (BadAnswer, BadOption) as error:
            found, _, wanted = str(error).rpartition(": ")
            return [file.fault(key, found, wanted)]
    return []


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_gaps(contest: Contest) -> list[str]:
    """What a contest may lack and mostly has, each with what follows."""
    gaps = [f"no {name}: the page will be empty" for name in ("about", "rules") if not getattr(contest, name).strip()]
    for phase in contest.phases:
        if phase.truth is not None and phase.ids is None:
            gaps.append(f"phase {phase.name} has no ids: the check before scoring does not know the images")
        if phase.truth is not None and not phase.downloads:
            gaps.append(f"phase {phase.name} has no downloads: say in about where the images are")
        ladders = [board.name for board in phase.boards if board.ladder is not None]
        exact = [board.name for board in phase.boards if board.ladder is None and board.shown == "live"]
        if ladders and exact:
            gaps.append(f"phase {phase.name}: board {exact[0]} shows live what ladder {ladders[0]} hides")
    if contest.teams.ordered and contest.teams.locks_at is None:
        gaps.append("teams has no locks_at: members and their order may change to the end")
    if contest.replication.winners and contest.replication.reply_by is None:
        days = contest.replication.reply_days
        gaps.append(f"replication has no reply_by: those who are asked first have {days} days, too")
    return gaps
