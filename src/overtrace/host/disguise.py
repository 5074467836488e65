"""The images of a phase as a container sees them: under names, ids and in an order that say nothing of their data sets.

Only the pixels are left to tell one data set from another: names and ids are new for each run, the order is shuffled
over all data sets, and what files say of themselves beside their pixels (places, dates, cameras, comments) is taken
off.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from overtrace.challenges.pictures import PRODUCT
from overtrace.challenges.submission import Member, open_answer
from overtrace.errors import BadContest
from overtrace.formats.id_lists import read_ids
from overtrace.host.contest import Contest, Phase
from overtrace.host.stripping import strip

LIST = "images.json"
IMAGES = "images"
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
MOST_ID = 10**6


@dataclass(frozen=True, slots=True)
class Original:
    """An image of the phase, and what its truth calls it."""

    part: str
    """Its data set; empty where names alone tell."""
    name: str
    """Without folders and extension."""
    number: int
    """Its id, where images have one; else 0."""
    member: Member


@dataclass(frozen=True, slots=True)
class Mask:
    """What a container calls an image."""

    stem: str
    number: int
    original: Original

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.stem}{PurePosixPath(self.original.member.name).suffix.lower()}"


def list_originals(contest: Contest, phase: Phase, folder: Path) -> list[Original]:
    """All images of a phase, by data set and name.

    Args:
        folder: that of the contest file.
    Raises:
        BadContest: if the phase names no images, or one is missing.
    """
    assert phase.truth is not None
    if phase.images is None:
        raise BadContest(f"phase {phase.name} has no images: name the folder or zip of them, to run containers on it")
    place = folder / phase.images
    ids = None if phase.ids is None else folder / phase.ids
    members = [member for member in open_answer(place) if member.name.lower().endswith(SUFFIXES)]
    if contest.challenge == "itc" or contest.profile.startswith("coco-"):
        return _match_coco(folder / phase.truth, ids, place, members)
    return _match_names(contest, ids, place, members)


def _match_coco(truth: Path, ids: Path | None, place: Path, members: Sequence[Member]) -> list[Original]:
    """By the name of the file; where several have it, by the folder that is named as the data set."""
    from overtrace.challenges.itc_check import choose_images
    from overtrace.challenges.itc_files import read_truth

    originals = []
    data_sets = read_truth(truth)
    for data_set in data_sets if ids is None else choose_images(data_sets, ids):
        for number, file in zip(data_set.images.tolist(), data_set.files, strict=False):
            stem = PurePosixPath(file.replace("\\", "/")).stem
            found = [member for member in members if PurePosixPath(member.name).stem == stem]
            own = [member for member in found if data_set.name in PurePosixPath(member.name).parts[:-1]] or found
            if len(own) != 1:
                fault = "two images" if own else "no image"
                raise BadContest(f"{place} has {fault} called {stem} for data set {data_set.name}: wanted one")
            originals.append(Original(data_set.name, stem, number, own[0]))
        if not data_set.files:
            raise BadContest(f"{truth}: data set {data_set.name} names no files of its images: add file_name to each")
    return originals


def _match_names(contest: Contest, ids: Path | None, place: Path, members: Sequence[Member]) -> list[Original]:
    named: dict[str, Member] = {}
    for member in members:
        stem = PurePosixPath(member.name).stem
        name = PRODUCT.sub("", stem) if contest.challenge == "deepglobe" else stem
        if name in named:
            raise BadContest(f"{place} has two images called {name}: leave one")
        named[name] = member
    wanted = sorted(named) if ids is None else read_ids(ids)
    missing = [name for name in wanted if name not in named]
    if missing or not wanted:
        raise BadContest(f"{place} lacks {missing[0] if missing else 'images'}: put all images of the phase there")
    parts = {name: _name_part(name) if contest.challenge == "deepglobe" else "" for name in wanted}
    return [Original(parts[name], name, 0, named[name]) for name in wanted]


def _name_part(name: str) -> str:
    """The city of an image of SpaceNet-2."""
    return re.sub(r"_?img\d+$", "", name)


def disguise(originals: Sequence[Original], rng: random.Random) -> list[Mask]:
    """New names, ids and order."""
    order = list(originals)
    rng.shuffle(order)
    numbers = rng.sample(range(1, max(MOST_ID, 10 * len(order))), len(order))
    stems: set[str] = set()
    while len(stems) < len(order):
        stems.add(f"{rng.getrandbits(48):012x}")
    shuffled = sorted(stems)
    rng.shuffle(shuffled)
    return [Mask(*facts) for facts in zip(shuffled, numbers, order, strict=True)]


def write_inputs(masks: Sequence[Mask], folder: Path) -> None:
    """``images/`` and ``images.json`` (from name to id) as a container finds them.

    Raises:
        BadContest: if an image cannot be read.
    """
    (folder / IMAGES).mkdir()
    for mask, data in _read(masks):
        path = folder / IMAGES / mask.file
        path.write_bytes(data)
        path.chmod(0o444)
    listed = folder / LIST
    listed.write_text(json.dumps({mask.file: mask.number for mask in masks}, indent=1) + "\n")
    listed.chmod(0o444)
    for made in (folder, folder / IMAGES):
        made.chmod(0o755)


def _read(masks: Sequence[Mask]) -> Iterator[tuple[Mask, bytes]]:
    for mask in masks:
        yield mask, strip(mask.original.member.read(), mask.original.member.shown)
