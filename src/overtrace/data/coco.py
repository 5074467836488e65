"""Images with a COCO file of their objects, and the sets of the tree crown contest.

COCO:
    One JSON with ``images`` (id, file_name, height, width), ``categories`` (id, name) and ``annotations`` (id,
    image_id, category_id, iscrowd, segmentation). A segmentation is a list of polygons, or run lengths as numbers or as
    COCO's text; its pixels are those of pycocotools. Crowd regions (iscrowd 1) are ground that nobody divided into
    objects: no loss is taken there.

        {"images": [{"id": 7, "file_name": "plots/a.png", "height": 1024, "width": 1024}],
         "categories": [{"id": 1, "name": "crown"}],
         "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 0, "bbox": [10, 20, 3, 2], "area": 6,
                          "segmentation": {"size": [1024, 1024], "counts": "PR`05fo0O"}}]}

    Source: https://cocodataset.org/#format-data; pycocotools, common/maskApi.c

The contest:
    Coverage: some 8,000 images of 1024x1024 pixels in several sets, 2 to 10 cm; red, green, blue, PNG of eight bits.
    Truth: about 450,000 crowns, one COCO JSON a set. Each set has a pixel size of its own, which no file states.
    Splits: ``validation_img_id.json`` lists the images that an answer is about; the others are to learn from. Where the
    COCO file has those of the list too, their crowns are not in it: they must not be learned as bare ground.
    Layout, where names beyond the first are not relied on:

        Dataset_1/
            train.json                     COCO
            validation_img_id.json         a list of images, which may be of several sets
            images/0001.png

    Licence: that of the contest: for its entrants; nothing of it may be shipped.
    Citation: ISPRS Individual Tree Crown Segmentation Contest, 2024 and 2026,
    https://www2.isprs.org/commissions/comm1/wg8/itc-segmentation/
"""

import mmap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numba import njit
from numpy.typing import NDArray

from overtrace.data.drawing import make_objects
from overtrace.data.files import PICTURES, digest, list_files, read_rgb, tell_few, tell_left_out
from overtrace.data.labelled import DataSet, Objects
from overtrace.errors import BadAnswer, BadData
from overtrace.formats import coco_files
from overtrace.formats.annotations import (
    CATEGORY,
    CROWD,
    HEIGHT,
    IMAGE,
    KIND,
    SEEN_CATEGORY,
    SEEN_ID,
    SEEN_IMAGE,
    SEEN_MASK,
    SENTINEL,
    START,
    STOP,
    WIDTH,
    load_text,
)
from overtrace.formats.coco_masks import explain_mask
from overtrace.formats.id_lists import ImageList, read_image_list
from overtrace.formats.masks import FINE, read_mask
from overtrace.formats.text import Text

WANTED = SEEN_ID | SEEN_IMAGE | SEEN_CATEGORY | SEEN_MASK
MASK_KIND, MASK_START, MASK_STOP = range(3)


def open_coco(
    folder: Path,
    annotations: Path,
    *,
    ids: Path | None = None,
    pixel_size_m: float | None = None,
    name: str | None = None,
) -> DataSet:
    """Images of a folder with the objects of a COCO file; those of all categories, which become classes.

    An image is looked for by its ``file_name``, and where that is not, by the name alone in all of the folder. An image
    of the JSON that is not there, and a picture that the JSON does not name, are left out, with a note.

    Args:
        folder: holds the images, at whatever depth.
        annotations: the COCO file.
        ids: a list of images, by ids or by names, as ``read_image_list`` takes them; only those are opened.
        pixel_size_m: of all images, if it is known.
        name: of the data set; that of the folder, if not told.
    Raises:
        BadData: if the JSON is not in order, no image of it is there, or the list names others.
    """
    return _open(folder, annotations, _List(ids), pixel_size_m, name or folder.absolute().name)


def open_itc(
    folder: Path, *, pixel_size_m: float | None = None, ids: Path | None = None, apart_from: Path | None = None
) -> DataSet:
    """One data set of the tree crown contest.

    Args:
        folder: ``Dataset_N``, which holds one COCO file and the images of it.
        pixel_size_m: of the data set.
        ids: a list such as ``validation_img_id.json``; it may list images of other data sets too.
        apart_from: such a list, too, whose images are left out; ``ids`` is then not told.
    Raises:
        BadData: as for ``open_coco``; or if the folder holds no COCO file, or several.
    """
    if ids is not None and apart_from is not None:
        raise BadData(f"{folder}: ids and apart_from both say which images are opened: tell one of them")
    found = [path for path in list_files(folder, (".json",), deep=True) if _has_annotations(path)]
    if len(found) != 1:
        what = f"{len(found)} COCO files ({tell_few([path.name for path in found])})" if found else "no COCO file"
        raise BadData(f"{folder} holds {what}: wanted one, with images, categories and annotations")
    listed = _List(ids or apart_from, shared=True, inverted=apart_from is not None)
    return _open(folder, found[0], listed, pixel_size_m, folder.absolute().name)


@dataclass(frozen=True, slots=True)
class _List:
    """A list of images."""

    path: Path | None
    """None for all images."""
    shared: bool = False
    """Whether it may name images of other data sets."""
    inverted: bool = False
    """Whether the images that it does not name are meant."""


def _open(folder: Path, annotations: Path, ids: _List, pixel_size_m: float | None, name: str) -> DataSet:
    text = _load(annotations)
    try:
        coco = coco_files.read_data_set(text, name, str(annotations), WANTED)
        listed = None if ids.path is None else read_image_list(ids.path)
    except BadAnswer as error:
        # The check is of answers, not of data.
        raise BadData(str(error).replace(": overtrace check lists them", "")) from error
    if not all(coco.files):
        raise BadData(f"{annotations} has images without a file_name: each needs the name of its file")
    chosen, notes = _choose(coco, listed, ids) if listed else (np.arange(len(coco.files)), ())
    paths, unpaired = _pair(coco.files, chosen, folder, annotations.name)
    there = np.array([i for i in chosen.tolist() if paths[i] is not None], np.int64)
    there = there[np.argsort([coco.files[i] for i in there.tolist()], kind="stable")]
    files = tuple(str(paths[i]) for i in there.tolist())
    used = [annotations, *map(Path, files)]
    return DataSet(
        name=name,
        truth="objects",
        classes=coco.category_names,
        bands=("red", "green", "blue"),
        names=tuple(PurePosixPath(coco.files[i]).with_suffix("").as_posix() for i in there.tolist()),
        read=_index(coco, annotations, text, there, files, pixel_size_m),
        notes=notes + unpaired,
        facts=digest(used, {"reader": "coco", "pixel_size_m": pixel_size_m}),
    )


def _load(path: Path) -> Text:
    try:
        return load_text(path)
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}: check the path") from error


def _has_annotations(path: Path) -> bool:
    """Whether a file may be a COCO data set, rather than a list of images."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return text.find(b'"annotations"') >= 0
    except ValueError:  # an empty file cannot be mapped
        return False
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}: check the file") from error


def _choose(coco: coco_files.DataSet, listed: ImageList, ids: _List) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Numbers of the images that a list means, and a note of what else is on it."""
    assert ids.path is not None
    stems = [PurePosixPath(file).stem for file in coco.files]
    names = {name for name in listed.names if not name.isdecimal()} if listed.ids else listed.names
    fits = np.isin(coco.images, sorted(listed.ids)) if listed.ids else np.ones(len(stems), bool)
    if names:
        # Data sets may share ids: who lists names too, means those.
        fits &= np.array([stem in names for stem in stems])
    found = np.count_nonzero(fits)
    wanted = len(listed.ids or listed.names)
    if not ids.inverted and (found == 0 or (not ids.shared and found < wanted)):
        raise BadData(f"{ids.path} lists {wanted:,} images, of which {coco.name} has {found:,}: find the list for it")
    if ids.inverted and found == len(stems):
        raise BadData(f"{ids.path} lists all {found:,} images of {coco.name}: find the right list")
    others = wanted - found
    notes = (f"{others:,} images of {ids.path.name} are not of {coco.name}",) if others > 0 else ()
    return np.flatnonzero(fits != ids.inverted), notes


def _pair(
    files: Sequence[str], chosen: NDArray[np.int64], folder: Path, annotations: str
) -> tuple[list[Path | None], tuple[str, ...]]:
    """The picture of each image, and notes of the images and pictures without a partner."""
    pictures = list_files(folder, PICTURES, deep=True)
    paths = _find_pictures(files, folder, pictures)
    lost = [files[i] for i in chosen.tolist() if paths[i] is None]
    if len(lost) == len(chosen):
        found = f"none of the {len(lost):,} images of {annotations}, such as {lost[0]}"
        raise BadData(f"{folder} holds {found}: name the folder that they are in")
    twice = [path for path, count in Counter(path for path in paths if path is not None).items() if count > 1]
    if twice:
        raise BadData(f"{annotations} has several images for which {twice[0]} is the one picture: keep their folders")
    strays = [path.relative_to(folder).as_posix() for path in sorted(set(pictures).difference(filter(None, paths)))]
    return paths, (
        *tell_left_out(lost, f"images of {annotations} without a picture are"),
        *tell_left_out(strays, f"pictures that {annotations} does not name are"),
    )


def _find_pictures(files: Sequence[str], folder: Path, pictures: Sequence[Path]) -> list[Path | None]:
    """The picture of each image; None where there is none."""
    places = set(pictures)
    by_name: dict[str, list[Path]] = {}
    for path in pictures:
        by_name.setdefault(path.name, []).append(path)
    found: list[Path | None] = []
    for file in files:
        inside = PurePosixPath(file.replace("\\", "/"))
        same = by_name.get(inside.name, [])
        if folder / inside in places:
            found.append(folder / inside)
        elif len(same) > 1:
            shown = tell_few([path.relative_to(folder).as_posix() for path in same])
            raise BadData(f"{folder} holds {len(same)} pictures for {file} ({shown}): name the folder of the right one")
        else:
            found.append(same[0] if same else None)
    return found


@dataclass(frozen=True, slots=True)
class _Index:
    """Where the masks of each image are written; the text of them stays on disk, so that this is small and pickles."""

    annotations: Path
    stamp: tuple[int, int]
    """Size and time of the file."""
    text: Text | None
    """What is read in place of the file, which was not in order."""
    places: NDArray[np.int64]
    """(n, 3) how, and from where to where, the mask of each object is written; by image."""
    kinds: NDArray[np.int64]
    """(n,) class, or -1 for a crowd region."""
    rows: NDArray[np.int64]
    """(n,) place of each object in the file."""
    ends: NDArray[np.int64]
    """(i + 1,) where the objects of each image begin."""
    shapes: NDArray[np.int64]
    """(i, 2) height and width."""
    files: tuple[str, ...]
    names: tuple[str, ...]
    pixel_size_m: float | None

    def __call__(self, i: int) -> Objects:
        height, width = self.shapes[i].tolist()
        image = read_rgb(Path(self.files[i]), (height, width))
        own = slice(self.ends[i], self.ends[i + 1])
        text, places = self._gather(own)
        crowd = self.kinds[own] < 0
        labels, ignore, faulty, fault = _draw(text, places, crowd, height, width)
        if faulty >= 0:
            where, found, wanted = explain_mask(text, _as_line(places[faulty], height, width), fault)
            place = f"{self.annotations} /annotations/{self.rows[own][faulty]}/segmentation{where}"
            raise BadData(f"{place}: {found}: {wanted}")
        kinds = np.maximum(self.kinds[own], 0)
        return make_objects(self.names[i], self.pixel_size_m, image, labels, ignore, kinds)

    def _gather(self, own: slice) -> tuple[Text, NDArray[np.int64]]:
        """The text of the masks of one image alone, and their places in it."""
        places = self.places[own].copy()
        lengths = places[:, MASK_STOP] - places[:, MASK_START]
        stops = np.cumsum(lengths + SENTINEL)
        text = np.zeros(int(stops[-1]) if len(stops) else SENTINEL, np.uint8)
        if self.text is None and _stamp(self.annotations) != self.stamp:
            raise BadData(f"{self.annotations} was written anew since it was opened: open the data set again")
        whole = np.memmap(self.annotations, np.uint8, "r") if self.text is None else self.text
        for start, length, place in zip(places[:, MASK_START], lengths, stops - lengths - SENTINEL, strict=True):
            text[place : place + length] = whole[start : start + length]
        places[:, MASK_START] = stops - lengths - SENTINEL
        places[:, MASK_STOP] = stops - SENTINEL
        return text, places


def _index(
    coco: coco_files.DataSet,
    annotations: Path,
    text: Text,
    chosen: NDArray[np.int64],
    files: tuple[str, ...],
    pixel_size_m: float | None,
) -> _Index:
    """Objects by image, those of an image in the order of the file."""
    whole = coco.annotations.whole
    number = np.full(len(coco.images), len(chosen), np.int64)
    number[chosen] = np.arange(len(chosen))
    owner = number[np.searchsorted(coco.images, whole[:, IMAGE])]
    rows = np.argsort(owner, kind="stable")
    rows = rows[: np.count_nonzero(owner < len(chosen))]
    kinds = np.searchsorted(coco.categories, whole[rows, CATEGORY])
    return _Index(
        annotations=annotations,
        stamp=_stamp(annotations),
        text=None if coco.annotations.text is text else coco.annotations.text,
        places=whole[rows][:, (KIND, START, STOP)],
        kinds=np.where(whole[rows, CROWD] == 0, kinds, -1),
        rows=rows,
        ends=np.searchsorted(owner[rows], np.arange(len(chosen) + 1)),
        shapes=np.stack([coco.heights[chosen], coco.widths[chosen]], axis=1),
        files=files,
        names=tuple(PurePosixPath(coco.files[i]).with_suffix("").as_posix() for i in chosen.tolist()),
        pixel_size_m=pixel_size_m,
    )


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}: put it back") from error
    return facts.st_size, facts.st_mtime_ns


def _as_line(place: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """A row of ``Annotations.whole``."""
    line = np.zeros(10, np.int64)
    line[[KIND, START, STOP]] = place
    line[[HEIGHT, WIDTH]] = height, width
    return line


@njit(cache=True, nogil=True)
def _draw(
    text: Text, places: NDArray[np.int64], crowd: NDArray[np.bool_], height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_], int, int]:
    """Labels, where the smaller of two objects is above, and crowd regions; or the number of a mask, and its fault."""
    labels = np.zeros((height, width), np.int32)
    ignore = np.zeros((height, width), np.bool_)
    intervals = np.empty((2, 1024), np.int32)
    ends = np.zeros(len(places) + 1, np.int64)
    areas = np.zeros(len(places), np.int64)
    for i in range(len(places)):
        kind, start, stop = places[i]
        intervals, count, fault = read_mask(text, kind, start, stop, height, width, intervals, ends[i])
        if fault != FINE:
            return labels, ignore, i, fault
        ends[i + 1] = count
        for j in range(ends[i], count):
            areas[i] += intervals[1, j] - intervals[0, j]
    for i in np.argsort(-areas, kind="mergesort"):
        for j in range(ends[i], ends[i + 1]):
            for pixel in range(intervals[0, j], intervals[1, j]):
                if crowd[i]:
                    ignore[pixel % height, pixel // height] = True
                else:
                    labels[pixel % height, pixel // height] = i + 1
    return labels, ignore & (labels == 0), -1, FINE
