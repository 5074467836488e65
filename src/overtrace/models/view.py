"""An image as a model file wants to see it, and the windows in which it sees it."""

from overtrace.models.card import Card
from overtrace.raster.lattice import Lattice
from overtrace.raster.source import Raster
from overtrace.raster.view import View, open_view


def view_image(raster: Raster, card: Card) -> View:
    """Fit an image to a model.

    Raises:
        BadImage: if the model cannot see it.
    """
    return open_view(
        raster,
        card.bands,
        card.pixel_size_m,
        card.scaling,
        band_scaling=card.band_scaling,
        short_side_px=card.short_side_px,
        edges=card.edges,
    )


def lay_windows(card: Card) -> Lattice:
    """The windows of a model; *detections* and *classes* models see an image that fits into one window at once."""
    fit = {"planes": 0, "detections": card.window, "classes": card.stride}[card.task]
    return Lattice(card.window, card.margin, fit)
