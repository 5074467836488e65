"""What a training run is made of: every number of it, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from overtrace.errors import BadOption
from overtrace.models.card import DecodeParameters, DetectParameters
from overtrace.raster.scaling import Scaling


def _check_order(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"{pair[0]:g} is more than {pair[1]:g}: wanted the smaller one first")
    return pair


Share = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]], AfterValidator(_check_order)]
Task = Literal["planes", "detections", "classes"]
Protocol = Literal["itc", "deepglobe", "trees", "sceneparsing", "camvid"]


Starts = str | tuple[str, ...]
"""One checkpoint, or several of runs of ours that began from the same weights, whose averaged weights are averaged.

In place of a checkpoint of a run of ours there may be a model file in fp32: its path, or the name of one that comes
with the package, such as ``trees-fp32``.
"""


class Frozen(BaseModel):
    """Unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MiniNetwork(Frozen):
    """``networks.mini``."""

    kind: Literal["mini"]
    size: Literal["s", "m"] = "m"
    planes: tuple[Literal["interior", "touch", "distance"], ...] = ("interior", "touch", "distance")
    deep: float = Field(default=0.0, ge=0)
    """Weight of the same loss at pixels 4 and 8 times as large, by heads that only learning has."""
    start: Starts = ""
    """A checkpoint of a run of ours, from the folder of data; empty: from random weights."""


class UnetNetwork(Frozen):
    """``networks.unet``."""

    kind: Literal["unet"]
    widths: tuple[Annotated[int, Field(gt=0)], ...] = Field(default=(32, 64, 96, 128), min_length=1, max_length=5)
    """Channels at strides 2, 4, 8 and so on."""
    blocks: int = Field(default=2, gt=0)
    """Residual blocks on the way down at each stride."""
    planes: tuple[Literal["interior", "touch", "distance"], ...] = ("interior", "touch", "distance")
    start: Starts = ""
    """A checkpoint of a run of ours."""


class FpnNetwork(Frozen):
    """``networks.fpn``."""

    kind: Literal["fpn"]
    planes: tuple[Literal["interior", "touch", "distance"], ...] = ("interior", "touch", "distance")
    pretrained: bool = False
    """Begin with ImageNet's weights: needs overtrace[pretrained]."""
    detail: int = Field(default=0, ge=0)
    """Residual blocks that see fine detail beside the encoder, and after the fine steps of the pyramid."""
    index: bool = False
    """Whether the normalised difference of the fourth band, near infrared, and the first, red, is seen as well."""
    start: Starts = ""
    """A checkpoint of a run of ours."""


class TernausNetwork(Frozen):
    """``networks.ternausnet_v2``."""

    kind: Literal["ternausnet_v2"]
    start: Starts = ""
    """A checkpoint in the published layout, or of a run of ours."""
    abs_weight: bool = False
    """Whether the weights of a published checkpoint were trained in place."""
    width: int = Field(default=64, gt=0, multiple_of=2)
    """Channels at full size; 64 in the published weights."""
    planes: tuple[Literal["interior", "touch"], ...] = ("interior", "touch")


class MaskRcnnNetwork(Frozen):
    """``networks.mask_rcnn``."""

    kind: Literal["mask_rcnn"]
    start: Starts = ""
    """A checkpoint in detectron2's layout, an ImageNet backbone in torchvision's, or of a run of ours."""
    settings: dict[str, Any] = {}
    """Of ``networks.mask_rcnn.Settings``."""


class SceneNetwork(Frozen):
    """``networks.scene``."""

    kind: Literal["scene"]
    size: Literal["lite0", "lite0-sharp", "large", "larger"] = "lite0"
    pretrained: bool = False
    """Begin with ImageNet's weights: needs overtrace[pretrained]."""
    region: Literal["none", "iou", "lovasz"] = "none"
    """What is learned beside cross-entropy."""
    region_from: Share = 0.0
    """The share of the schedule after which it is."""
    region_over: Literal["image", "batch"] = "image"
    """What it is taken over."""
    class_weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Of a pixel of each class; empty: all the same."""
    start: Starts = ""
    """A checkpoint of a run of ours, or for the large sizes ImageNet's weights in torchvision's layout."""


PlanesNetwork = MiniNetwork | UnetNetwork | FpnNetwork | TernausNetwork
NetworkChoice = Annotated[
    MiniNetwork | UnetNetwork | FpnNetwork | TernausNetwork | MaskRcnnNetwork | SceneNetwork,
    Field(discriminator="kind"),
]
TASKS: dict[str, Task] = {
    "mini": "planes",
    "unet": "planes",
    "fpn": "planes",
    "ternausnet_v2": "planes",
    "mask_rcnn": "detections",
    "scene": "classes",
}


class PlaneWeights(Frozen):
    """What each plane adds to the loss."""

    interior: float = Field(default=1.0, ge=0)
    touch: float = Field(default=1.0, ge=0)
    distance: float = Field(default=2.0, ge=0)
    border: float = Field(default=3.0, ge=0)
    """How much more a pixel of a touching border weighs, in its plane."""
    peak: float = Field(default=4.0, ge=0)
    """How much more a pixel of distance 1 weighs than one of 0, in its plane."""
    gap: float = Field(default=0.0, ge=0)
    """How much more a pixel between two objects that all but touch weighs in the interior plane."""
    gap_sigma_px: float = Field(default=5.0, gt=0)
    """How soon that falls with its distances to both: see ``targets.near_two``."""
    lovasz_from: Share = 1.0
    """The share of the schedule after which the interior loses by the Lovász extension of its IoU too."""
    focus: float = Field(default=0.0, ge=0)
    """Power of the error by which a pixel of the distance plane weighs: above 0, what is nearly right weighs little."""


class Fit(Frozen):
    """How it is trained."""

    steps: int = Field(ge=0)
    """Those of the schedule; 0: nothing is learned, what the network starts from is tuned, measured and exported."""
    stop: int | None = Field(default=None, gt=0)
    """The last step that is taken, if it is not the last of the schedule."""
    batch: int = Field(gt=0)
    crop_px: int = Field(gt=0, multiple_of=32)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.03, ge=0)
    encoder_rate: float = Field(default=1.0, ge=0)
    """Share of the learning rate at which an encoder learns that was learned before."""
    warm_up: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises; it then falls as a cosine to 0 at the last step."""
    average: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the running average of weights, which is what is kept."""
    clip: float = Field(default=5.0, gt=0)
    """The greatest norm of a gradient."""
    keep_every: int = Field(default=500, gt=0)
    """Steps between two checkpoints."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on GPUs that have it, else fp32."""

    @property
    def last_step(self) -> int:
        """The step at which training ends."""
        return self.steps if self.stop is None else min(self.stop, self.steps)


class Augment(Frozen):
    """How crops are changed."""

    turn: bool = True
    """In steps of a right angle, for images from above; else they are only mirrored from left to right."""
    light: Annotated[float, Field(ge=0)] = 1.0
    """Strength of another sun, camera and haze; 0 leaves the light as it is."""
    sharpen: Annotated[float, Field(ge=0)] = 0.0
    """How hard edges are made at most, in half of the crops: 1 doubles them. Enlarged crops are blurred without."""
    paste: Annotated[float, Field(ge=0)] = 0.0
    """Objects of another crop of the same source that are laid into one, on average; of planes and classes."""
    paste_classes: tuple[str, ...] = ()
    """Where classes are learned, those whose pixels are laid into a crop, from the same place of another image."""


class Teacher(Frozen):
    """A model file of planes whose answers to what is learned are learned beside the truth."""

    model: str
    """From the folder of data."""
    share: Share = 0.5
    """Its weight against the truth; where nobody knows the truth, it stands alone."""
    views: Literal[1, 8] = 1
    """It is asked once, or of all turned and mirrored views, whose mean counts."""


class Opening(Frozen):
    """Which reader opens a data set, and the rule by which what is found in it is scored."""

    reader: str
    folder: str = "."
    """From the folder of data."""
    options: dict[str, Any] = {}
    """Of the reader; files are named from the folder of data."""
    challenge: Protocol | None = None
    """By default that of the task."""


class Source(Opening):
    """A data set that is learned, and how it is drawn from."""

    weight: float = Field(default=1.0, ge=0)
    """How often crops come from it, against the others; 0: never, it is only there to hold out from."""
    pixel_size_m: Range | None = None
    """Pixel sizes between which a crop's own is drawn, evenly on a logarithmic scale."""
    scale: Range = (1.0, 1.0)
    """The same as multiples of the image's own pixel, where ``pixel_size_m`` is not given."""
    own_size: Share = 0.0
    """The share of crops at the pixel size of the image itself."""
    hold_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of its grounds that is not learned, but validated on."""
    ground: str = ""
    """A regular expression: images in whose names it finds the same show one ground, such as frames of one stretch."""


class Check(Opening):
    """A data set that is validated on as a whole."""

    name: str = ""
    """By default that of the data set."""
    tune: bool = True
    """Whether thresholds are chosen on it; what is measured without that tells what they are worth."""


class Validation(Frozen):
    """What is measured on the way, by the challenges' own rules."""

    every: int = Field(default=1000, gt=0)
    """Steps from one to the next."""
    most: int | None = Field(default=None, gt=0)
    """The images that are looked at on the way, of each set; all of them at the end."""
    tune: bool = True
    """Whether the thresholds are chosen on it at the end."""
    folds: Annotated[int, Field(ge=0)] = 0
    """Parts of a cross-validation over what is learned, on which thresholds are chosen instead. 0: none."""
    fold_steps: int | None = Field(default=None, gt=0)
    """Steps of the schedule of each part; by default as many as the run itself has."""
    views: bool = True
    """Whether what test-time views bring is measured at the end, too."""
    scorer: bool = False
    """Whether the score of an instance is learned there too, and taken if it orders images that it did not see better
    than the planes alone."""


def _read_scaling(told: object) -> object:
    """TOML has no word for None: percentiles that are empty are none."""
    return {**told, "percentiles": None} if isinstance(told, dict) and told.get("percentiles") == [] else told


ScalingChoice = Annotated[Scaling, BeforeValidator(_read_scaling)]


class CardFacts(Frozen):
    """What the model file says of itself and of what it wants to see."""

    classes: tuple[str, ...] = ()
    """By default those of the data."""
    window: int = Field(default=512, gt=0, multiple_of=32)
    margin: int = Field(default=64, ge=0)
    pixel_size_m: Range | None = None
    short_side_px: int | None = None
    edges: Literal["symmetric", "reflect"] = "symmetric"
    scaling: ScalingChoice = Scaling()
    """``percentiles = []`` where only the types that have a divisor are accepted."""
    band_scaling: dict[str, ScalingChoice] = {}
    decode: DecodeParameters = DecodeParameters()
    decode_rule: Literal["growth", "ternaus"] = "growth"
    detect: DetectParameters = DetectParameters()
    int8: bool = True
    """Whether an int8 file is made too."""
    licence: str = "not stated"
    attribution: tuple[str, ...] = ()
    training: str = "not stated"
    summary: str = "not stated"


class Recipe(Frozen):
    """A training run; the same recipe on the same data gives the same weights on the same machine."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = "1"
    seed: int = Field(default=0, ge=0)
    bands: tuple[str, ...] = ()
    """Those of the data that the network sees, in this order; empty: all. A teacher may see the others."""
    network: NetworkChoice
    teacher: Teacher | None = None
    fit: Fit
    augment: Augment = Augment()
    planes: PlaneWeights = PlaneWeights()
    data: tuple[Source, ...] = Field(min_length=1)
    check: tuple[Check, ...] = ()
    validation: Validation = Validation()
    card: CardFacts = CardFacts()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.augment.paste and self.task == "detections":
            raise ValueError(f"augment.paste is for planes and classes, {self.network.kind} answers {self.task}")
        if bool(self.augment.paste_classes) != (self.augment.paste > 0 and self.task == "classes"):
            raise ValueError(
                "augment.paste_classes goes with augment.paste where classes are learned: give both or none"
            )
        if self.teacher is not None and self.task != "planes":
            raise ValueError(f"there is a teacher of planes alone, {self.network.kind} answers {self.task}")
        return self

    @property
    def task(self) -> Task:
        """What the network answers."""
        return TASKS[self.network.kind]

    def of_part(self) -> Self:
        """The recipe by which the network of a part of a cross-validation learns."""
        steps = self.validation.fold_steps
        return self if steps is None else self.model_copy(update={"fit": self.fit.model_copy(update={"steps": steps})})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        BadOption: if it is missing or does not say what it must.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadOption(f"{path} cannot be read as a recipe: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadOption(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
