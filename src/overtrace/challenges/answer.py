"""From images and a model to the answer that a contest takes.

Each image is answered whole, several at a time; rows are written in the order of the names of the images, whatever the
timing, and nothing is in place before all of it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from overtrace.challenges.answer_rows import BUILDINGS, CROWNS, TREES, Form
from overtrace.challenges.answer_scenes import encode_scene, is_answer, match_classes
from overtrace.challenges.found import find_objects
from overtrace.challenges.pictures import Picture, Reading, list_pictures
from overtrace.challenges.sceneparsing import ADE20K, CAMVID
from overtrace.errors import BadModel, BadOption, BadOutput
from overtrace.models.classes import predict_classes
from overtrace.models.runtime import Network
from overtrace.models.view import see_at, view_image
from overtrace.raster.aside import FolderAside, TextAside
from overtrace.raster.progress import Progress, Silent

FORMS = {"itc": CROWNS, "deepglobe": BUILDINGS, "trees": TREES}
SCENES = {"sceneparsing": ADE20K, "camvid": CAMVID}
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Summary:
    """What was answered."""

    challenge: str
    images: int
    objects: int | None
    """None for scenes."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """All images of an answer, and who answers them."""

    network: Network
    pictures: Sequence[Picture]
    workers: int
    progress: Progress

    def map(self, function: Callable[[Picture], R]) -> Iterable[R]:
        """What a function says of each image, in order."""
        areas = [picture.raster.grid.height * picture.raster.grid.width for picture in self.pictures]
        self.progress.begin("answer", sum(areas))
        with ThreadPoolExecutor(self.workers) as pool:
            for area, told in zip(areas, pool.map(function, self.pictures), strict=True):
                yield told
                self.progress.advance(area)


def answer(
    challenge: str,
    network: Network,
    images: Sequence[str | Path],
    out: str | Path,
    *,
    ids: Path | None = None,
    pixel_size_m: float | None = None,
    see_at_m: float | None = None,
    bands: Mapping[str, int] | None = None,
    min_score: float = 0.0,
    workers: int = 1,
    progress: Progress | None = None,
) -> Summary:
    """Answer images as a contest wants it.

    Args:
        challenge: itc, sceneparsing, camvid, deepglobe or trees.
        network: of a task that answers it; its card says how planes and detections become objects.
        images: files, folders of images, or for deepglobe a folder of SpaceNet-2, of one city or of several.
        out: COCO results (itc), a CSV file (deepglobe, trees) or a folder of index PNGs (sceneparsing, camvid); an
            older one is replaced when all is done.
        ids: the list of the images; itc needs it, since it fixes their ids.
        pixel_size_m: of all images; None for what each says.
        see_at_m: pixel size to which finer images are reduced for the network; None for the finest that it knows.
        bands: role to band number, from 1, where an image does not say or says it wrong.
        min_score: objects that score less are left out.
        workers: images that are answered at a time, in threads.
        progress: told what is done.
    Raises:
        OvertraceError: for whatever does not fit; nothing is then written or changed.
    """
    _check_task(challenge, network)
    reading = Reading(network.card.bands, bands or {}, pixel_size_m)
    pictures, notes = list_pictures(challenge, images, ids, reading)
    network = network.with_card(see_at(network.card, see_at_m, (picture.raster for picture in pictures)))
    work = Work(network, pictures, workers, progress or Silent())
    if challenge in SCENES:
        _answer_scenes(challenge, work, Path(out))
        return Summary(challenge, len(pictures), None, tuple(notes))
    objects = _answer_objects(FORMS[challenge], work, Path(out), min_score)
    return Summary(challenge, len(pictures), objects, tuple(notes))


def _check_task(challenge: str, network: Network) -> None:
    if challenge not in {**FORMS, **SCENES}:
        raise BadOption(f"no contest is called {challenge}: use one of {', '.join((*FORMS, *SCENES))}")
    card = network.card
    wanted = ("classes",) if challenge in SCENES else ("planes", "detections")
    if card.task not in wanted:
        raise BadModel(f"{card.name} answers {card.task}, {challenge} wants {' or '.join(wanted)}: use another model")


def _answer_objects(form: Form, work: Work, out: Path, min_score: float) -> int:
    """Write rows; answers how many objects there are."""
    if out.suffix.lower() != form.suffix:
        raise BadOutput(f"{out} has the wrong extension: wanted one that ends in {form.suffix}")

    def find(picture: Picture) -> tuple[int, list[str]]:
        view = view_image(picture.raster, work.network.card)
        found = find_objects(view, work.network, min_score)
        return len(found.parts), form.write(picture, found)

    objects, end = 0, "\n"
    text = TextAside(out)
    try:
        text.put(form.opening)
        for count, rows in work.map(find):
            objects += count
            for row in rows:
                text.put(end + row)
                end = f"{form.between}\n"
        text.put(form.closing)
        text.close()
    except BaseException:
        text.discard()
        raise
    text.commit()
    return objects


def _answer_scenes(challenge: str, work: Work, out: Path) -> None:
    card = work.network.card
    labels = match_classes(card.classes, SCENES[challenge], card.name)
    folder = FolderAside(out, is_answer)

    def write(picture: Picture) -> None:
        classes = predict_classes(view_image(picture.raster, card), work.network)
        (folder.path / f"{picture.name}.png").write_bytes(encode_scene(labels[classes]))

    with folder.guard():
        for _ in work.map(write):
            pass
    folder.commit()
