"""Whether one model answers for all data sets: a few images of each are run again with something changed.

Shuffled weights must spoil the answers to every data set; half of them shuffled must not spoil one data set and leave
another as it was; without the files in its image that look like weights nothing may change. Whoever hides a second
model from all three, for one by answering nothing unless the weights have the digest that it knows, is not caught; the
images of both runs, their log and the files of the image are there to be read.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from overtrace.host.containers import Mount
from overtrace.host.disguise import Original
from overtrace.host.hidden_models import Found, find_hidden
from overtrace.host.replication import Reason
from overtrace.host.rerun import Answered, Stage, Stopped, rerun, score_sample
from overtrace.host.weights import UnknownWeights, shuffle

SAMPLE = 6
"""Images of each data set."""
MOST_MASKED = 50
KEPT = 0.9
"""A data set that keeps more of its score has kept its answers."""
SPOILT = 0.5
"""One that keeps less has lost them."""
STEADY = 0.05
"""By which the score of the sample may differ between two runs of the same."""
SHUFFLED = "sample, all weights shuffled"
HALVES = ((0.0, 0.5, "sample, first half of the weights shuffled"), (0.5, 1.0, "sample, second half shuffled"))
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Trial:
    """A run over the sample beside the run before it."""

    before: Answered
    after: Answered
    keys: dict[str, list[str]]
    """Of each data set, the images of the sample that have an answer."""
    steady: bool
    """Whether a run of the same gave the same answers, to the last bit."""

    def kept(self, part: str) -> bool:
        """Whether the answers to a data set are what they were."""
        if self.steady and all(self.after.answers.get(key) == self.before.answers[key] for key in self.keys[part]):
            return True
        return self._share(part) >= KEPT

    def spoilt(self, part: str) -> bool:
        """Whether they are lost."""
        changed = all(self.after.answers.get(key) != self.before.answers[key] for key in self.keys[part])
        return changed and self._share(part) <= SPOILT

    def _share(self, part: str) -> float:
        """Of the score, how much is left."""
        before, after = (one.found.parts.get(part, one.found.score) for one in (self.before, self.after))
        return (after or 0.0) / before if before else 0.0


def check_one_model(stage: Stage, originals: Sequence[Original], answered: Answered, weights: Path) -> None:
    """Look for a second model.

    Args:
        answered: what the container answered to all images.
        weights: as they were delivered.
    Raises:
        Stopped: if there is one.
    """
    sample = _choose(originals, answered, stage.rng)
    if not sample:
        stage.course.notes.append("no image has an answer: whether one model gave them cannot be shown")
        return
    again = rerun(stage, sample, weights, weights.name, "sample, once more")
    keys = _group(sample)
    steady = all(again.answers.get(key) == answered.answers[key] for own in keys.values() for key in own)
    if not steady:
        _check_steady(stage, sample, answered, again, keys)
    _check_hidden(stage, sample, again, keys, steady, weights)
    _check_weights(stage, sample, again, keys, steady, weights)


def _check_steady(
    stage: Stage, sample: Sequence[Original], answered: Answered, again: Answered, keys: dict[str, list[str]]
) -> None:
    """Answers that change a little are those of a machine; others depend on which images are seen together."""
    changed = sum(again.answers.get(key) != answered.answers[key] for own in keys.values() for key in own)
    stage.course.notes.append(f"{changed:,} of {len(sample):,} answers of the sample changed when it was run again")
    before = score_sample(stage, sample, answered.folder)
    most = max(STEADY, stage.file.contest.replication.tolerance)
    for part in keys:
        first, second = (one.parts.get(part, one.score) or 0.0 for one in (before, again.found))
        if abs(first - second) > most:
            said = f"a sample of {_name(part)} scores {second:.3f} when it is run again by itself, and did {first:.3f}"
            raise Stopped(Reason.UNSTEADY, f"{said}: answers depend on which images are seen together, or on chance")


def _key(original: Original) -> str:
    return f"{original.part}/{original.name}"


def _choose(originals: Sequence[Original], answered: Answered, rng: random.Random) -> list[Original]:
    """Some images of each data set that have an answer."""
    parts: dict[str, list[Original]] = {}
    for original in originals:
        if _key(original) in answered.answers:
            parts.setdefault(original.part, []).append(original)
    return [one for own in parts.values() for one in rng.sample(own, min(SAMPLE, len(own)))]


def _group(sample: Sequence[Original]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for original in sample:
        keys.setdefault(original.part, []).append(_key(original))
    return keys


def _check_hidden(
    stage: Stage,
    sample: Sequence[Original],
    again: Answered,
    keys: dict[str, list[str]],
    steady: bool,
    weights: Path,
) -> None:
    """Run it with an empty file in the place of each that looks like weights."""
    found = find_hidden(stage.engine, stage.store, stage.image)
    if found is None:
        stage.course.notes.append("its image could not be searched for further weights on this machine")
        return
    if not found:
        return
    listed = ", ".join(f"{file.path} ({file.size / MIB:.1f} MiB)" for file in found[:5])
    more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
    stage.course.notes.append(f"its image holds what looks like weights: {listed}{more}")
    said = f"it does not give the same answers without {listed}{more}: all weights belong into the file of weights"
    try:
        masked = rerun(
            replace(stage, more_mounts=_mask(stage, found)),
            sample,
            weights,
            weights.name,
            "sample, those files emptied",
        )
    except Stopped as stopped:
        if stopped.reason is Reason.BROKEN:
            raise
        raise Stopped(Reason.TWO_MODELS, f"{said} ({stopped.said})") from stopped
    trial = Trial(again, masked, keys, steady)
    if not all(trial.kept(part) for part in keys):
        raise Stopped(Reason.TWO_MODELS, said)


def _mask(stage: Stage, found: Sequence[Found]) -> tuple[Mount, ...]:
    empty = stage.scratch / "empty"
    empty.touch()
    plain = [file for file in found[:MOST_MASKED] if "," not in file.path and file.path.isprintable()]
    return tuple(Mount(empty, file.path) for file in plain)


def _check_weights(
    stage: Stage,
    sample: Sequence[Original],
    again: Answered,
    keys: dict[str, list[str]],
    steady: bool,
    weights: Path,
) -> None:
    trial = _try_shuffled(stage, sample, again, keys, steady, weights)
    if trial is None:
        return
    for part in keys:
        if trial.kept(part):
            raise Stopped(Reason.TWO_MODELS, f"its answers to {_name(part)} are the same with other weights")
    if len(keys) < 2:
        return
    for first, last, shown in HALVES:
        half = _run_changed(stage, sample, weights, (first, last), shown)
        if half is None:
            continue
        trial = Trial(again, half, keys, steady)
        kept = [part for part in keys if trial.kept(part)]
        spoilt = [part for part in keys if trial.spoilt(part)]
        if kept and spoilt:
            which = "first" if first == 0 else "second"
            said = f"the {which} half of its weights decides {_name(spoilt[0])}, and does nothing for {_name(kept[0])}"
            raise Stopped(Reason.TWO_MODELS, said)


def _try_shuffled(
    stage: Stage,
    sample: Sequence[Original],
    again: Answered,
    keys: dict[str, list[str]],
    steady: bool,
    weights: Path,
) -> Trial | None:
    """With all weights changed; None if that shows nothing."""
    for zero, shown in ((False, SHUFFLED), (True, "sample, zeros in the place of the weights")):
        try:
            changed = _run_changed(stage, sample, weights, (0.0, 1.0), shown, zero=zero)
        except UnknownWeights as error:
            stage.course.notes.append(f"that its answers come from the weights is not shown: {error}")
            return None
        if changed is not None:
            return Trial(again, changed, keys, steady)
    stage.course.notes.append("that its answers come from the weights is not shown: with others it ends with an error")
    return None


def _run_changed(
    stage: Stage,
    sample: Sequence[Original],
    weights: Path,
    shares: tuple[float, float],
    shown: str,
    *,
    zero: bool = False,
) -> Answered | None:
    """What it answers with changed weights; None if it answers nothing that can be read."""
    rng = np.random.default_rng(stage.rng.getrandbits(64))
    changed = stage.scratch / "changed-weights"
    changed.write_bytes(shuffle(weights.read_bytes(), rng, *shares, zero=zero))
    try:
        return rerun(stage, sample, changed, weights.name, shown)
    except Stopped as stopped:
        if stopped.reason is Reason.BROKEN:
            raise
        return None
    finally:
        changed.unlink()


def _name(part: str) -> str:
    return part or "the images"
