"""The thresholds that turn planes into instances."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameters:
    """What counts as object, as seed and as speck; planes are uint8, so thresholds are 1 to 255."""

    interior: int = 128
    """A pixel belongs to some object from this value of the interior plane on."""
    touch: int = 128
    """A pixel of a seed has a touch plane below this value."""
    distance: int = 64
    """A pixel of a seed has a distance plane of at least this value."""
    peak_px: int = 0
    """A seed is one pixel, higher in the smoothed distance plane than all within this many rows and columns; 0: all
    pixels from the threshold on are seeds, those that touch one and the same."""
    grow_px: int = 32
    """Steps, each to one of four neighbours, that an object may grow from its seed."""
    hole_px: int = 16
    """Gaps in the objects of at most this many pixels are filled before growing."""
    min_seed_px: int = 4
    """Seeds of fewer pixels are dropped."""
    min_area_px: int = 8
    """Instances of fewer pixels are dropped."""
    min_area_m2: float = 0.0
    """Instances of fewer square metres are dropped, where the scale of the image is known."""
    scorer: tuple[float, ...] = ()
    """Weights of ``instances.features``: an instance scores the logistic function of their sum; those that are missing
    are 0; where there is none, see ``instances.score``."""
