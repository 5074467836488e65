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
class Sample:
    """Some images of each data set, and what was answered to them when they were run again."""

    stage: Stage
    originals: tuple[Original, ...]
    keys: dict[str, list[str]]
    """Of each data set, its images; all have an answer."""
    weights: Path
    """As they were delivered."""
    again: Answered
    steady: bool
    """Whether that run gave the same answers as the first, to the last bit."""

    def run(self, shown: str, weights: Path, mounts: tuple[Mount, ...] = ()) -> "Trial":
        """Run it with something changed.

        Raises:
            Stopped: if it answers nothing that can be read.
        """
        stage = replace(self.stage, more_mounts=mounts)
        return Trial(self, rerun(stage, self.originals, weights, self.weights.name, shown))


@dataclass(frozen=True, slots=True)
class Trial:
    """A run over the sample with something changed."""

    sample: Sample
    after: Answered

    def kept(self, part: str) -> bool:
        """Whether the answers to a data set are what they were."""
        same = all(self._is_same(key) for key in self.sample.keys[part])
        return (self.sample.steady and same) or self._share(part) >= KEPT

    def spoilt(self, part: str) -> bool:
        """Whether they are lost."""
        return self._share(part) <= SPOILT and not any(self._is_same(key) for key in self.sample.keys[part])

    def _is_same(self, key: str) -> bool:
        return self.after.answers.get(key) == self.sample.again.answers.get(key)

    def _share(self, part: str) -> float:
        """Of the score, how much is left."""
        before, after = (one.found.parts.get(part, one.found.score) for one in (self.sample.again, self.after))
        return (after or 0.0) / before if before else 0.0


def check_one_model(stage: Stage, originals: Sequence[Original], answered: Answered, weights: Path) -> None:
    """Look for a second model.

    Args:
        answered: what the container answered to all images.
        weights: as they were delivered.
    Raises:
        Stopped: if there is one.
    """
    chosen = _choose(originals, answered, stage.rng)
    if not chosen:
        stage.course.notes.append("no image has an answer: whether one model gave them cannot be shown")
        return
    keys: dict[str, list[str]] = {}
    for original in chosen:
        keys.setdefault(original.part, []).append(_key(original))
    again = rerun(stage, chosen, weights, weights.name, "sample, once more")
    changed = sum(again.answers.get(key) != answered.answers[key] for own in keys.values() for key in own)
    sample = Sample(stage, tuple(chosen), keys, weights, again, steady=changed == 0)
    if changed:
        stage.course.notes.append(f"{changed:,} of {len(chosen):,} answers of the sample changed when it was run again")
        _check_steady(sample, answered)
    _check_hidden(sample)
    _check_weights(sample)


def _check_steady(sample: Sample, answered: Answered) -> None:
    """Answers that change a little are those of a machine; others depend on which images are seen together."""
    before = score_sample(sample.stage, sample.originals, answered.folder)
    most = max(STEADY, sample.stage.file.contest.replication.tolerance)
    for part in sample.keys:
        first, second = (one.parts.get(part, one.score) or 0.0 for one in (before, sample.again.found))
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


def _check_hidden(sample: Sample) -> None:
    """Run it with an empty file in the place of each that looks like weights."""
    stage = sample.stage
    found = find_hidden(stage.engine, stage.store, stage.image)
    if found is None:
        stage.course.notes.append("its image could not be searched for further weights on this machine")
    if not found:
        return
    listed = ", ".join(f"{file.path} ({file.size / MIB:.1f} MiB)" for file in found[:5])
    more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
    stage.course.notes.append(f"its image holds what looks like weights: {listed}{more}")
    said = f"it does not give the same answers without {listed}{more}: all weights belong into the file of weights"
    try:
        trial = sample.run("sample, those files emptied", sample.weights, _mask(stage, found))
    except Stopped as stopped:
        if stopped.reason is Reason.BROKEN:
            raise
        raise Stopped(Reason.TWO_MODELS, f"{said} ({stopped.said})") from stopped
    if not all(trial.kept(part) for part in sample.keys):
        raise Stopped(Reason.TWO_MODELS, said)


def _mask(stage: Stage, found: Sequence[Found]) -> tuple[Mount, ...]:
    empty = stage.scratch / "empty"
    empty.touch()
    plain = [file for file in found[:MOST_MASKED] if "," not in file.path and file.path.isprintable()]
    return tuple(Mount(empty, file.path) for file in plain)


def _check_weights(sample: Sample) -> None:
    trial = _shuffle_all(sample)
    if trial is None:
        return
    for part in sample.keys:
        if trial.kept(part):
            raise Stopped(Reason.TWO_MODELS, f"its answers to {_name(part)} are the same with other weights")
    if len(sample.keys) < 2:
        return
    for first, last, shown in HALVES:
        half = _run_changed(sample, (first, last), shown)
        if half is None:
            continue
        kept = [part for part in sample.keys if half.kept(part)]
        spoilt = [part for part in sample.keys if half.spoilt(part)]
        if kept and spoilt:
            which = "first" if first == 0 else "second"
            said = f"the {which} half of its weights decides {_name(spoilt[0])}, and does nothing for {_name(kept[0])}"
            raise Stopped(Reason.TWO_MODELS, said)


def _shuffle_all(sample: Sample) -> Trial | None:
    """With all weights changed; None if that shows nothing."""
    notes = sample.stage.course.notes
    for zero, shown in ((False, SHUFFLED), (True, "sample, zeros in the place of the weights")):
        try:
            trial = _run_changed(sample, (0.0, 1.0), shown, zero=zero)
        except UnknownWeights as error:
            notes.append(f"that its answers come from the weights is not shown: {error}")
            return None
        if trial is not None:
            return trial
    notes.append("that its answers come from the weights is not shown: with others it ends with an error")
    return None


def _run_changed(sample: Sample, shares: tuple[float, float], shown: str, *, zero: bool = False) -> Trial | None:
    """With changed weights; None if it answers nothing that can be read."""
    rng = np.random.default_rng(sample.stage.rng.getrandbits(64))
    changed = sample.stage.scratch / "changed-weights"
    changed.write_bytes(shuffle(sample.weights.read_bytes(), rng, *shares, zero=zero))
    try:
        return sample.run(shown, changed)
    except Stopped as stopped:
        if stopped.reason is Reason.BROKEN:
            raise
        return None
    finally:
        changed.unlink()


def _name(part: str) -> str:
    return part or "the images"
