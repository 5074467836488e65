"""How good a network is on what it does not learn: answers in the contests' own formats, scored by their own rules.

The files stay in the folder of the run, so that ``overtrace score`` can be asked again by hand.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.answer import SCENES, answer
from overtrace.challenges.challenge import Verdict
from overtrace.challenges.found import Found, find_objects
from overtrace.challenges.protocols import score_files
from overtrace.challenges.truth import HeldOut, write_truth
from overtrace.data.labelled import Objects
from overtrace.data.split import subset
from overtrace.errors import BadOption
from overtrace.learn.pictures import Picture, save_sheet, show_classes, show_objects, to_picture
from overtrace.learn.sources import Group
from overtrace.models.classes import predict_classes
from overtrace.models.runtime import Network
from overtrace.models.view import view_image
from overtrace.raster.source import open_raster

PICTURES = 4
"""Tiles that are shown of each set."""


@dataclass(frozen=True, slots=True)
class Held:
    """A set that is validated on, as files."""

    group: Group
    folder: Path
    files: HeldOut


def hold(group: Group, folder: Path, most: int | None) -> Held:
    """Write a set, or its first images, as a contest would publish it; in the place of an older one.

    Raises:
        BadOption: if the contest could not have it.
    """
    data = group.data if most is None else subset(group.data, range(min(most, len(group.data))))
    place = folder / group.name
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        files = write_truth(group.challenge, data, place)
    except ValueError as error:
        raise BadOption(f"{error}: choose another challenge for it") from error
    return Held(replace(group, data=data), place, files)


def validate(network: Network, held: Held) -> float:
    """The score of a network on a set."""
    return ask_contest(network, held).score


def ask_contest(network: Network, held: Held) -> Verdict:
    """What the contest would say of a network on a set."""
    scenes = held.group.challenge in SCENES
    suffix = {"itc": ".json"}.get(held.group.challenge, ".csv")
    out = held.folder.with_name(f"{held.folder.name}-answer{'' if scenes else suffix}")
    files = held.files
    answer(
        held.group.challenge,
        network,
        [files.images],
        out,
        ids=files.ids,
        bands=files.bands,
        pixel_size_m=files.pixel_size_m,
    )
    return score_files(held.group.challenge, files.ask(out))


def draw_sheet(network: Network, held: Held, path: Path) -> Picture:
    """Pictures of the first tiles of a set, written to a file."""
    return save_sheet([_draw(network, held, i) for i in range(min(PICTURES, len(held.group.data)))], path)


def answer_image(network: Network, held: Held, number: int) -> NDArray[np.int32] | NDArray[np.uint8]:
    """(H, W) what a network says of an image of a set: labels of objects, where they overlap the surer one; or classes.

    Args:
        number: of the image, from 0.
    """
    files = held.files
    image = sorted(files.images.iterdir())[number]
    view = view_image(open_raster(image, bands=files.bands, pixel_size_m=files.pixel_size_m), network.card)
    if held.group.data.truth == "classes":
        return predict_classes(view, network)
    return _to_labels(find_objects(view, network))


def _draw(network: Network, held: Held, number: int) -> Picture:
    labelled = held.group.data.read(number)
    found = answer_image(network, held, number)
    picture = to_picture(labelled.image)
    if not isinstance(labelled, Objects):
        return show_classes(picture, labelled.classes, found.astype(np.uint8))
    return show_objects(picture, labelled.labels, found.astype(np.int32))


def _to_labels(found: Found) -> NDArray[np.int32]:
    """(H, W), where objects overlap the surer one on top."""
    labels = np.zeros((found.height, found.width), np.int32)
    for i in np.argsort(found.scores, kind="stable"):
        mask, row, col = found.parts[i]
        labels[row : row + mask.shape[0], col : col + mask.shape[1]][mask] = i + 1
    return labels
