"""How pixel values of any type become numbers from 0 to 1."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scaling:
    """The rule of a model: a fixed divisor for the types it names, percentiles of the image for all others."""

    divisors: Mapping[str, float] = field(default_factory=lambda: {"uint8": 255.0})
    """Type of the file, as numpy names it, to the value that becomes 1."""
    percentiles: tuple[float, float] | None = (1.0, 99.0)
    """The two percentiles of each band that become 0 and 1; None where only the types above are accepted."""
    clip: bool = True
    """Values beyond become 0 and 1; else they keep their place on the scale, below 0 and above 1."""
