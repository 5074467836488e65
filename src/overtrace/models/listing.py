"""What is told of a model where several stand beside each other: on the command line and in docs/models.md."""

import re

from overtrace.models.card import Card, Score

COLOURS = ("red", "green", "blue")
AGREEMENT = "against "
"""How the names of figures begin that compare a file with another one of the same network."""
PARTS = ("precision", "recall")
"""How the names of figures end that are parts of another one."""
CHOSEN = "chosen on them"
"""How it ends what images are whose figures are high by a little."""
MOST_CLASSES = 3


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


def pick_agreement(card: Card) -> list[Score]:
    """The share in which it says the same as the network that it was made of."""
    return [score for score in card.scores if score.name.startswith(AGREEMENT) and "share" in score.name]


def show(score: Score) -> str:
    """A figure as it is printed everywhere."""
    return f"{score.value:.4f}"
