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
SCORES = {
    "itc": "AP50",
    "sceneparsing": "mean of pixel accuracy and mean IoU",
    "camvid": "mean IoU",
    "deepglobe": "F1 at IoU 0.5",
}
"""What rules rank by; that of trees depends on what is true."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure of a set."""

    group: Group
    name: str
    value: float
    is_score: bool = False
    """Whether it is what the rule ranks by, with the network seeing everything once."""


def measure(network: Network, sets: Sequence[Held], progress: Progress, *, views: bool) -> list[Measured]:
    """The figures of each set: of one view and, if wanted, of as many as the network can have."""
    measured = []
    for held in sets:
        for count in sorted({1, most_views(network.card) if views else 1}):
            found = list(_tell(held.group, ask_contest(add_views(network, count), held), count))
            measured += found
            score = found[0]
            progress.say(f"{network.card.name}: {score.name} {score.value:.4f} on {held.group.name}")
    return measured


def _tell(group: Group, verdict: Verdict, views: int) -> Iterator[Measured]:
    seen = f" with {views} views" if views > 1 else ""
    name = name_score(verdict) + seen
    yield Measured(group, name, verdict.score, is_score=views == 1)
    for part in PARTS:
        if part in verdict.parts:
            yield Measured(group, f"{name} {part}", float(verdict.parts[part]))
    boxes = verdict.parts.get("coco_boxes")
    if boxes:
        yield Measured(group, f"box AP50{seen}", float(boxes["AP50 uncapped"]))


def name_score(verdict: Verdict) -> str:
    """What a score is, in words."""
    if verdict.protocol == "trees":
        return "F1 of boxes at IoU 0.4" if "coco_boxes" in verdict.parts else "F1 of points within 6 m"
    return SCORES[verdict.protocol]
