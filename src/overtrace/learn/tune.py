"""Choose the thresholds of decoding by the challenges' own rules; the network answers each window only once."""

from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from overtrace.learn.validate import Held, validate
from overtrace.models.card import DecodeParameters
from overtrace.models.planes import LEVELS
from overtrace.models.runtime import Network

INTERIORS = (64, 90, 115, 128, 140, 166)
DISTANCES = (26, 51, 77, 102, 128, 153, 178)
GRID: dict[str, Sequence[int | float]] = {
    "distance": (26, 38, 51, 64, 77, 90, 102, 115, 128, 140, 153, 166, 178),
    "interior": (64, 77, 90, 102, 115, 128, 140, 153, 166),
    "touch": (64, 90, 115, 140, 166, 192, 255),
    "min_seed_px": (1, 2, 4, 6, 9, 13),
    "min_area_px": (1, 4, 8, 16, 32, 64),
    "min_area_m2": (0.0, 1.0, 2.0, 3.0, 4.0, 6.0),
}
PEAKS = (1, 2, 3, 4, 5)
WORTH_IT = 0.001
"""Another round is made as long as the last one bettered the score by this."""


def tune(pairs: Sequence[tuple[Network, Held]], say: Callable[[str], None]) -> DecodeParameters:
    """The thresholds with the best mean score of the sets, one after the other until none can be bettered.

    Args:
        pairs: networks of planes, each with a set that it did not learn; the card of the first says where to begin.
    """
    known = [(remember(network), held) for network, held in pairs]
    scores: dict[DecodeParameters, float] = {}

    def worth(decode: DecodeParameters) -> float:
        if decode not in scores:
            found = [
                validate(network.with_card(network.card.model_copy(update={"decode": decode})), held)
                for network, held in known
            ]
            scores[decode] = float(np.nan_to_num(found).mean())
        return scores[decode]

    card = pairs[0][0].card
    best = card.decode
    grid = choose_grid(best, card.planes, min(network.card.margin for network, _ in pairs))
    if not best.peak_px:
        # The two that depend on each other most are tried together, coarsely, so that the rest is not led astray.
        coarse = [_change(best, interior=i, distance=d) for i in INTERIORS for d in DISTANCES]
        best = max((best, *coarse), key=worth)
        say(f"tuned interior to {best.interior} and distance to {best.distance}: mean score {worth(best):.4f}")
    while True:
        before = worth(best)
        for name, values in grid.items():
            best = max((best, *(_change(best, **{name: value}) for value in values)), key=worth)
            say(f"tuned {name} to {getattr(best, name)}: mean score {worth(best):.4f}")
        if worth(best) - before < WORTH_IT:
            return best


def choose_grid(start: DecodeParameters, planes: Sequence[str], margin: int) -> dict[str, Sequence[int | float]]:
    """What is tried. Where seeds are peaks they have one pixel; where they are not, they do not become peaks."""
    grid = {name: values for name, values in GRID.items() if name != "touch" or name in planes}
    if start.peak_px:
        reaches = [reach for reach in PEAKS if reach <= margin]
        return {"peak_px": reaches, **{name: values for name, values in grid.items() if name != "min_seed_px"}}
    return grid


def _change(decode: DecodeParameters, **values: float) -> DecodeParameters:
    return decode.model_copy(update=values)


def remember(network: Network) -> Network:
    """A network of planes that answers a window which it has seen before from memory, a byte for each pixel.

    What it answers is rounded to the levels that planes are kept in, so that they come out the same.
    """
    seen: dict[bytes, npt.NDArray[np.uint8]] = {}

    def infer(window: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32]]:
        key = blake2b(window.tobytes(), digest_size=16).digest()
        if key not in seen:
            seen[key] = np.floor(network.ask(window[0])[0] * np.float32(LEVELS) + np.float32(0.5)).astype(np.uint8)
        return (seen[key].astype(np.float32) / np.float32(LEVELS),)

    return Network(network.card, lambda: infer)
