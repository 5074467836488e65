"""Small recipes and data sets for tests of training."""

from collections.abc import Sequence

from overtrace.data.labelled import DataSet, Labelled
from overtrace.learn.crops import Pool
from overtrace.learn.recipe import Recipe, Source


def make_recipe(**changes: object) -> Recipe:
    """A recipe of a few steps of the smallest network; ``fit__steps=9`` changes one number of a table."""
    return Recipe.model_validate(make_facts(**changes))


def make_facts(**changes: object) -> dict[str, object]:
    """What such a recipe says."""
    facts: dict[str, object] = {
        "name": "tiny",
        "seed": 1,
        "network": {"kind": "mini", "size": "s"},
        "fit": {"steps": 4, "batch": 2, "crop_px": 32, "learning_rate": 2e-3, "warm_up": 2, "average": 0.5},
        "data": [{"reader": "none"}],
        "card": {"window": 64, "margin": 8},
    }
    for name, value in changes.items():
        table, _, key = name.partition("__")
        facts[table] = {**facts.get(table, {}), key: value} if key else value  # type: ignore[dict-item]
    return facts


class Given:
    """Reads images that are at hand; can be pickled."""

    def __init__(self, images: Sequence[Labelled]) -> None:
        self.images = images

    def __call__(self, i: int) -> Labelled:
        return self.images[i]


def make_set(*images: Labelled, name: str = "given", classes: Sequence[str] = ("tree",)) -> DataSet:
    """A data set of images that are at hand."""
    return DataSet(
        name=name,
        truth="objects" if hasattr(images[0], "labels") else "classes",
        classes=tuple(classes),
        bands=("red", "green", "blue"),
        names=tuple(image.name for image in images),
        read=Given(images),
    )


def make_pool(*images: Labelled, **source: object) -> Pool:
    """The same, to be drawn from."""
    return Pool(make_set(*images), Source.model_validate({"reader": "none", **source}))
