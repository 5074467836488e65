"""Answers looked at before they are sent in: what ``overtrace check`` says, in a process with limits; costs no try."""

import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore

from overtrace.errors import NotFound, Refused, Unavailable
from overtrace.host.contest import Contest, Phase
from overtrace.host.marking import Task
from overtrace.host.outcome import Outcome
from overtrace.host.public import Public
from overtrace.host.scorer_process import Scorer, ScorerLost
from overtrace.host.worker import name_safely

MOST_S = 120
MOST_WAITING = 8


class Preflight:
    """Checks one answer after the other."""

    def __init__(self, public: Public, scratch: Path) -> None:
        """
        Args:
            scratch: a folder on the disk on which uploads lie.
        """
        self._contest = public.contest
        self._lists = public.lists
        self._scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)
        shown = (scratch, *self._lists.values())
        self._scorer = Scorer(self._contest.challenge, self._contest.profile, shown)
        # The process ends with the thread that started it: that is always this one.
        self._pool = ThreadPoolExecutor(1, "preflight")
        self._places = BoundedSemaphore(MOST_WAITING)

    def check(self, phase: Phase, name: str, write: Callable[[Path], object]) -> Outcome:
        """What is wrong with an answer; ``scored``, without a mark, if nothing is.

        Args:
            name: of the file, as its team calls it.
            write: puts it into a place.
        Raises:
            Refused: if too many wait.
            Unavailable: if the check broke.
        """
        if not self._places.acquire(blocking=False):
            raise Refused("many answers are being checked: try again in a minute, or use overtrace check")
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
                answer = Path(folder) / name_safely(name)
                write(answer)
                outcome = self._pool.submit(self._scorer.ask, _make_task(self._contest, phase, self._lists, answer))
                return _read(outcome.result())
        except ScorerLost as error:
            raise Unavailable(f"the check broke off ({error}): use overtrace check") from error
        finally:
            self._places.release()

    def close(self) -> None:
        """End its process."""
        self._pool.submit(self._scorer.close)
        self._pool.shutdown()


def _make_task(contest: Contest, phase: Phase, lists: Mapping[str, Path], answer: Path) -> Task:
    seconds = min(contest.effort.seconds, MOST_S)
    return Task(
        challenge=contest.challenge,
        profile=contest.profile,
        classes=contest.classes,
        pixel_size=contest.pixel_size,
        answer=answer,
        # Without boards nothing is scored, and no truth is read.
        truth=Path(os.devnull),
        ids=lists.get(phase.name),
        boards=(),
        effort=contest.effort.model_copy(update={"seconds": seconds}),
    )


def _read(outcome: Outcome) -> Outcome:
    if outcome.kind == "broken":
        raise Unavailable("the check broke off: use overtrace check")
    return outcome


def find_scored_phase(contest: Contest, name: str) -> Phase:
    """A phase that takes answers, at whatever time.

    Raises:
        NotFound: if there is none of this name.
    """
    phase = contest.find_phase(name)
    if phase is None or phase.truth is None:
        takes = ", ".join(one.name for one in contest.phases if one.truth is not None)
        raise NotFound(f"no phase {name[:64]!r} takes answers: use one of {takes}")
    return phase
