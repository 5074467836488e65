"""What is told of a model where several stand beside each other: on the command line and in docs/models.md."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from overtrace.models.card import Card, Score

COLOURS = ("red", "green", "blue")
AGREEMENT = "against "
"""How the names of figures begin that compare a file with another one of the same network."""
PARTS = ("precision", "recall")
"""How the names of figures end that are parts of another one."""
CHOSEN = "chosen on them"
"""How it ends what images are whose figures are high by a little."""
MOST_CLASSES = 3
VIEWED = re.compile(r"(.+) with (\d+) views")
PART = re.compile(r"(.+): (\d+) images?(, by a network that learned the others\b.*)")


@dataclass(frozen=True, slots=True)
class Figure:
    """What a card says of one measure on one set, as one line."""

    name: str
    alone: tuple[str, ...]
    """By one view; of a cross-validation one a part."""
    viewed: tuple[str, ...]
    """By more views."""
    views: int
    """How many those are; 0: only one was measured."""
    data: str

    @property
    def one(self) -> str:
        """By one view, as text."""
        return " and ".join(self.alone)

    @property
    def more(self) -> str:
        """By more views, as text; empty where it was not measured."""
        return " and ".join(self.viewed)


def tell_bands(card: Card) -> str:
    """What it sees: RGB, RGB+NIR, or the bands by name."""
    if card.bands[:3] == COLOURS:
        return "+".join(["RGB", *(band.upper() for band in card.bands[3:])])
    return ", ".join(card.bands)


def tell_pixel_size(card: Card) -> str:
    """Its pixels in metres, or that it is for photos."""
    if card.pixel_size_m is not None:
        finest, coarsest = card.pixel_size_m
        return f"{finest:g} m" if finest == coarsest else f"{finest:g} to {coarsest:g} m"
    return "any" if card.short_side_px is None and card.task != "classes" else "photos"


def tell_classes(card: Card) -> str:
    """Its classes; of many the first two, and how many there are besides."""
    if len(card.classes) <= MOST_CLASSES:
        return ", ".join(card.classes)
    return f"{card.classes[0]}, {card.classes[1]} and {len(card.classes) - 2} more"


def tell_training(card: Card) -> str:
    """What it was trained on, and where: the first sentence of it."""
    return re.split(r"(?<=\.)\s+(?=[A-Z])", card.training.strip())[0]


def pick_scores(card: Card) -> list[Score]:
    """The figures that say how good it is: neither agreement with another file, nor parts of another figure.

    Those of images that thresholds were chosen on only where there are no others.
    """
    told = [score for score in card.scores if not score.name.startswith(AGREEMENT) and not score.name.endswith(PARTS)]
    return [score for score in told if not score.data.endswith(CHOSEN)] or told


def gather(scores: Iterable[Score]) -> list[Figure]:
    """Scores with those of the same measure by more views, and with the other parts of a cross-validation."""
    lines: dict[tuple[str, str, str], list[tuple[int, str, Score]]] = {}
    for score in scores:
        viewed, part = VIEWED.fullmatch(score.name), PART.fullmatch(score.data)
        name, views = (viewed[1], int(viewed[2])) if viewed else (score.name, 1)
        of, images, how = part.groups() if part else (score.data, "", "")
        lines.setdefault((name, of, how), []).append((views, images, score))
    return [_join(name, of, how, told) for (name, of, how), told in lines.items()]


def _join(name: str, of: str, how: str, told: list[tuple[int, str, Score]]) -> Figure:
    most = max(views for views, _, _ in told)
    images = [count for views, count, _ in told if views == told[0][0] and count]
    return Figure(
        name,
        tuple(show(score) for views, _, score in told if views == 1),
        tuple(show(score) for views, _, score in told if views > 1),
        most if most > 1 else 0,
        f"{of}: {' and '.join(images)} images{how}" if images else of,
    )


def pick_agreement(card: Card) -> list[Score]:
    """The share in which it says the same as the network that it was made of."""
    return [score for score in card.scores if score.name.startswith(AGREEMENT) and "share" in score.name]


def show(score: Score) -> str:
    """A figure as it is printed everywhere."""
    return f"{score.value:.4f}"
