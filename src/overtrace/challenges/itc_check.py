"""Checking an answer to the crown contest, and choosing the images of a list."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.inspection import Claim, Inspection
from overtrace.challenges.itc_files import check_answer, read_truth
from overtrace.errors import BadAnswer
from overtrace.formats.annotations import CROWD, IMAGE
from overtrace.formats.coco_faults import Known, find_mask_faults
from overtrace.formats.coco_files import DataSet
from overtrace.formats.faults import refuse
from overtrace.formats.id_lists import read_image_list


def check(claim: Claim, *, boxes: bool = False) -> Inspection:
    """All that is wrong with the files of an answer."""
    truth = None if claim.truth is None else read_truth(claim.truth, boxes=boxes)
    if truth is not None and not boxes:
        _want_masks(truth)
    listed = None
    if claim.ids is not None:
        ids = read_listed(claim.ids)
        if truth is not None:
            choose_images(truth, claim.ids)
        nobody = np.zeros_like(ids)
        listed = Known("the list", ids, nobody, nobody, nobody, ())
    return check_answer(claim.answers, truth, listed, boxes=boxes)


def _want_masks(truth: list[DataSet]) -> None:
    """A truth that cannot be read is no fault of the answer, but scoring would refuse it."""
    for data_set in truth:
        broken = find_mask_faults(data_set.annotations, f"the truth for {data_set.name}", "/annotations")
        if broken:
            raise refuse(broken)


def read_listed(path: Path) -> NDArray[np.int64]:
    """The ids of a list, ascending.

    Raises:
        BadAnswer: if there is none.
    """
    ids = np.array(sorted(read_image_list(path).ids), np.int64)
    if len(ids) == 0:
        raise BadAnswer(f"{path} has no ids of images: wanted integers, as in validation_img_id.json")
    return ids


def choose_images(truth: list[DataSet], path: Path) -> list[DataSet]:
    """The data sets with no other images than those of a list.

    Raises:
        BadAnswer: if no data set has an image of the list, or one has nothing left to find.
    """
    ids = read_listed(path)
    strange = np.setdiff1d(ids, np.concatenate([data_set.images for data_set in truth]))
    if len(strange):
        more = f" and {len(strange) - 1:,} others" if len(strange) > 1 else ""
        raise BadAnswer(f"{path} has the id {strange[0]}{more}, of which no data set has an image: check the list")
    return [_choose(data_set, ids, path) for data_set in truth]


def _choose(data_set: DataSet, ids: NDArray[np.int64], path: Path) -> DataSet:
    kept = np.isin(data_set.images, ids)
    if not kept.any():
        raise BadAnswer(f"{path} has no image of {data_set.name}: leave the data set out, or list its images too")
    objects = data_set.annotations.whole
    if not (np.isin(objects[:, IMAGE], ids) & (objects[:, CROWD] == 0)).any():
        raise BadAnswer(f"{path} leaves {data_set.name} without an object to find: list more of its images")
    return replace(data_set, images=data_set.images[kept], heights=data_set.heights[kept], widths=data_set.widths[kept])
