"""What a network is worth on sets that it did not learn: by the contests' rules, seen once and as often as it can."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overtrace.challenges.challenge import Verdict
from overtrace.learn.progress import Progress
from overtrace.learn.sources import Group
from overtrace.learn.validate import Held, ask_contest
from overtrace.models.runtime import Network
from overtrace.models.views import add_views, most_views

PARTS = ("precision", "recall")
"""Of a score, told beside it where its rule has them."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure of a set."""

    group: Group
    name: str
    value: float

    @property
    def is_score(self) -> bool:
        """Whether it is what the rule ranks by, with the network seeing everything once."""
        return self.name == self.group.challenge


def measure(network: Network, sets: Sequence[Held], progress: Progress) -> list[Measured]:
    """The figures of each set: of one view, and of as many as the network can have."""
    measured = []
    for held in sets:
        for views in sorted({1, most_views(network.card)}):
            found = list(_tell(held.group, ask_contest(add_views(network, views), held), views))
            measured += found
            score = found[0]
            progress.say(f"{network.card.name}: {score.name} {score.value:.4f} on {held.group.name}")
    return measured


def _tell(group: Group, verdict: Verdict, views: int) -> Iterator[Measured]:
    name = group.challenge if views == 1 else f"{group.challenge} with {views} views"
    yield Measured(group, name, verdict.score)
    for part in PARTS:
        if part in verdict.parts:
            yield Measured(group, f"{name} {part}", float(verdict.parts[part]))
    boxes = verdict.parts.get("coco_boxes")
    if boxes:
        yield Measured(group, f"{name} box AP50", float(boxes["AP50 uncapped"]))
