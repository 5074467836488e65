"""What a training run is made of, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overtrace.errors import BadOption


class Frozen(BaseModel):
    """Unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkChoice(Frozen):
    """Which network."""

    size: Literal["s", "m"]


class Fit(Frozen):
    """How it is trained."""

    steps: int = Field(gt=0)
    """Those of the schedule."""
    stop: int | None = Field(None, gt=0)
    """The last step that is taken, if it is not the last of the schedule."""
    batch: int = Field(gt=0)
    crop_px: int = Field(gt=0, multiple_of=32)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warm_up: int = Field(ge=0)
    """Steps over which the learning rate rises; it then falls as a cosine to 0 at the last step."""
    average: float = Field(ge=0, lt=1)
    """Decay of the running average of weights, which is what is kept."""

    @property
    def last_step(self) -> int:
        """The step at which training ends."""
        return self.steps if self.stop is None else min(self.stop, self.steps)


class Source(Frozen):
    """How a data set is drawn from."""

    weight: float = Field(ge=0)
    pixel_size_m: tuple[float, float]
    own_size: float = Field(ge=0, le=1)


class Recipe(Frozen):
    """A training run; the same recipe on the same data gives the same weights on the same machine."""

    name: str
    version: str
    seed: int
    network: NetworkChoice
    fit: Fit
    urban_california: Source
    neon: Source


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        BadOption: if it is missing or does not say what it must.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadOption(f"{path} cannot be read as a recipe: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadOption(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
