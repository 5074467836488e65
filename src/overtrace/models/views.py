"""Test-time views: a network that looks at each window more than once, and answers with the mean of what it says.

The windows stay where they are, so that an answer still does not depend on how an image is cut into blocks.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadOption
from overtrace.models.card import Card
from overtrace.models.runtime import Network, Outputs
from overtrace.raster.resample import resize

VIEWS = {"planes": (1, 8), "detections": (1,), "classes": (1, 2, 6)}
"""How often a window may be seen, by task. Planes: turned by right angles, and mirrored. Classes: mirrored from left to
right, and moreover at other sizes."""
SIZES = (1.0, 0.75, 1.25)
"""Of 6 views of classes, as parts of the sides of the window; the first says on which pixels the mean is taken."""

Image = NDArray[np.float32]


def check_views(card: Card, views: int) -> None:
    """Make sure that the network of a card can look so often.

    Raises:
        BadOption: if it cannot.
    """
    known = VIEWS[card.task]
    if views not in known:
        raise BadOption(f"--views {views}: {card.name} answers {card.task}: use {' or '.join(map(str, known))}")
    if views > most_views(card):
        raise BadOption(f"--views {views}: {card.name} takes windows of {card.window} pixels alone: use 1 or 2")


def most_views(card: Card) -> int:
    """The most often that the network of a card can look."""
    fixed = card.task == "classes" and card.stride == card.window
    return 2 if fixed else VIEWS[card.task][-1]


def add_views(network: Network, views: int) -> Network:
    """The same network, which looks ``views`` times.

    Raises:
        BadOption: if it cannot.
    """
    check_views(network.card, views)
    if views == 1:
        return network
    if network.card.task == "planes":
        return Network(network.card, lambda: partial(_turn, network))
    return Network(network.card, lambda: partial(_scale, network, SIZES if views > 2 else (1.0,)))


def _turn(network: Network, window: Image) -> Outputs:
    """The mean of the probabilities of the eight ways in which a square falls upon itself."""
    said = []
    for turns in range(4):
        for step in (1, -1):
            (answer,) = network.ask(np.rot90(window[0], turns, (1, 2))[..., ::step])
            said.append(np.rot90(answer[..., ::step], -turns, (2, 3)))
    return (np.mean(said, axis=0),)


def _scale(network: Network, sizes: tuple[float, ...], window: Image) -> Outputs:
    """The mean of the probabilities at each size, as it is and in the mirror."""
    image, stride = window[0], network.card.stride
    said: list[Image] = []
    for size in sizes:
        height, width = (max(round(side * size / stride), 1) * stride for side in image.shape[1:])
        seen = resize(image, height, width)
        for step in (1, -1):
            (answer,) = network.ask(seen[..., ::step])
            scores = answer[0, ..., ::step]
            said.append(_softmax(resize(scores, *(said[0] if said else scores).shape[1:])))
    return (np.mean(said, axis=0)[None],)


def _softmax(scores: Image) -> Image:
    """Probabilities of (classes, h, w) scores."""
    powers = np.exp(scores - scores.max(axis=0))
    shares: Image = powers / powers.sum(axis=0)
    return shares
