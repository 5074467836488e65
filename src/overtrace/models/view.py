"""An image as a model file wants to see it, and the windows in which it sees it."""

from collections.abc import Iterable

from overtrace.errors import BadOption
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


def see_at(card: Card, pixel_size_m: float | None, rasters: Iterable[Raster]) -> Card:
    """The card of a model that is to see images coarser than it could, where they are finer.

    Args:
        pixel_size_m: to which finer images are reduced; None for the finest that the model knows.
        rasters: the images.
    Raises:
        BadOption: if the model does not know that pixel size, or an image does not say its own.
    """
    if pixel_size_m is None:
        return card
    if card.pixel_size_m is None:
        raise BadOption(f"--see-at {pixel_size_m:g}: {card.name} sees images as they are: leave it out")
    finest, coarsest = card.pixel_size_m
    if not finest <= pixel_size_m <= coarsest:
        raise BadOption(f"--see-at {pixel_size_m:g}: {card.name} sees {finest:g} to {coarsest:g} m a pixel: stay there")
    unknown = next((raster.name for raster in rasters if raster.grid.pixel_size_m is None), None)
    if unknown is not None:
        raise BadOption(f"--see-at {pixel_size_m:g}: {unknown} does not say its scale: give --pixel-size too")
    return card.model_copy(update={"pixel_size_m": (pixel_size_m, coarsest)})


def lay_windows(card: Card) -> Lattice:
    """The windows of a model; *detections* and *classes* models see an image that fits into one window at once."""
    fit = {"planes": 0, "detections": card.window, "classes": card.stride}[card.task]
    return Lattice(card.window, card.margin, fit)
