"""What a model that was trained before says of the images that another is to learn from.

Each image is answered whole, once, and kept as other targets are, by the digests of the image and of the model file.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from overtrace.challenges.truth import write_image
from overtrace.data.cache import keep
from overtrace.data.labelled import DataSet, Labelled, Scene
from overtrace.errors import BadOption
from overtrace.learn.recipe import Teacher
from overtrace.models.card import PLANES, read_card
from overtrace.models.planes import predict_probabilities
from overtrace.models.runtime import Network, load_network
from overtrace.models.view import lay_windows, view_image
from overtrace.models.views import add_views
from overtrace.raster.handles import forget_handle
from overtrace.raster.source import open_raster

Answers = NDArray[np.float32]
load_teacher = lru_cache(maxsize=1)(load_network)


def ask_teacher(data: DataSet, teacher: Teacher, planes: Sequence[str], folder: Path, cache: Path) -> DataSet:
    """The answers to the images of a data set, as images: interior, touch and distance x 255, 0 where it has no such.

    Args:
        planes: that are to be learned.
        folder: that the model file is named from.
    Raises:
        BadModel: if the file is missing or damaged.
        BadOption: if it cannot teach this.
    """
    path = folder / teacher.model
    card = read_card(path)
    for what, wanted, there in (("planes", planes, card.planes), ("bands", card.bands, data.bands)):
        if not set(wanted) <= set(there):
            said = f"{path} as teacher needs the {what} {', '.join(wanted)}, there are {', '.join(there) or 'none'}"
            raise BadOption(f"{said}: choose another teacher, planes or data")
    return keep(
        DataSet(
            name=f"{card.name} on {data.name}",
            truth="classes",
            classes=(),
            bands=PLANES,
            names=data.names,
            read=_Asked(data, path, teacher.views),
            facts=f"{data.facts} taught by {sha256(path.read_bytes()).hexdigest()}, {teacher.views} views",
        ),
        cache,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    data: DataSet
    model: Path
    views: int

    def __call__(self, i: int) -> Scene:
        labelled = self.data.read(i)
        network = add_views(load_teacher(self.model), self.views)
        planes = np.rint(255 * _answer(labelled, self.data.bands, network)).astype(np.uint8)
        return Scene(labelled.name, labelled.pixel_size_m, planes, np.zeros((0, 0), np.uint8))


def _answer(labelled: Labelled, bands: tuple[str, ...], network: Network) -> Answers:
    """(H, W, 3) of an image."""
    card, image = network.card, labelled.image
    with tempfile.TemporaryDirectory() as folder:
        write_image(Path(folder) / "image.tif", image, bands, labelled.pixel_size_m)
        roles = {role: number for number, role in enumerate(bands, start=1)}
        view = view_image(open_raster(Path(folder) / "image.tif", bands=roles), card)
        (block,) = lay_windows(card).blocks(view.grid, max(view.grid.height, view.grid.width))
        said = dict(zip(card.planes, predict_probabilities(view, network, block), strict=True))
        forget_handle(view.raster.path)
    height, width = image.shape[:2]
    answers = np.zeros((height, width, len(PLANES)), np.float32)
    for number, name in enumerate(PLANES):
        if name in said:
            part = Image.fromarray(said[name]).resize((width, height), Image.Resampling.BILINEAR)
            answers[..., number] = np.asarray(part)
    return answers
