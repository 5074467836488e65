"""The card of TernausNetV2: chips of SpaceNet-2 seen, and answered, as its authors did."""

from collections.abc import Sequence

from overtrace.data.spacenet import COLOURS, SENSOR_BANDS
from overtrace.models.card import Card
from overtrace.raster.scaling import Scaling

WINDOW, MARGIN = 672, 11
"""A chip of 650 pixels with 11 at each side, which makes a multiple of 32."""
COLOUR_SCALING = Scaling(divisors={}, percentiles=(0.0, 100.0))
"""From the darkest to the brightest value of each band of an image."""
SENSOR_SCALING = Scaling(divisors={"uint16": 2047.0}, percentiles=None, clip=False)
"""11 bits; the few values beyond become more than 1."""


def draft_card(
    *,
    version: str,
    training: str,
    recipe: str,
    licence: str,
    attribution: Sequence[str] = (),
    bands: Sequence[str] = COLOURS + SENSOR_BANDS,
) -> Card:
    """The card without scores.

    A chip of 650x650 pixels is one window, with 11 pixels of its mirror image at each side. Unlike the published code,
    a band of one value becomes 0 (there: a division by 0), pixels without data neither count for the darkest value nor
    hold an instance (there: they are as good as black ones), and larger images are seen in windows, their darkest and
    brightest values taken from samples.

    Args:
        bands: red, green and blue, or those and mul1 to mul8.
    """
    return Card(
        name="ternausnet_v2",
        version=version,
        task="planes",
        classes=("building",),
        bands=tuple(bands),
        scaling=COLOUR_SCALING,
        band_scaling={role: SENSOR_SCALING for role in bands if role in SENSOR_BANDS},
        # Pixels are never resampled: those of chips in degrees are not square.
        pixel_size_m=None,
        window=WINDOW,
        margin=MARGIN,
        edges="reflect",
        planes=("interior", "touch"),
        precision="fp32",
        decode_rule="ternaus",
        licence=licence,
        attribution=tuple(attribution),
        training=training,
        recipe=recipe,
        summary="Buildings in satellite images of 0.3 m.",
    )
