"""What a contest is: the facts of ``contest.yaml``, checked.

Times carry an offset and are kept in UTC. A phase begins at its start and has ended at its end.
"""

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""What addresses and files can carry: small letters, digits and hyphens."""
Text = Annotated[str, Field(min_length=1, max_length=200)]


def _inside(path: str) -> str:
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts or not place.parts:
        raise ValueError(f"{path!r} leads out of the folder of the contest: wanted a path inside it")
    return path


def _as_text(value: object) -> object:
    # YAML turns what looks like a time into one, without its offset if it has none.
    return value.isoformat() if isinstance(value, datetime) else value


def _to_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no offset: wanted one, as in {value.isoformat()}+00:00")
    return value.astimezone(UTC)


Inside = Annotated[str, AfterValidator(_inside)]
"""A path from the folder that holds the contest file."""
Time = Annotated[datetime, BeforeValidator(_as_text), AfterValidator(_to_utc)]


class Frozen(BaseModel):
    """Unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(Frozen):
    """What a team may send in a phase."""

    per_day: int | None = Field(default=5, gt=0)
    """By the UTC day in which the first byte came; None for no limit."""
    total: int | None = Field(default=None, gt=0)
    at_once: int = Field(default=2, gt=0)
    """That are neither scored, rejected nor failed yet."""
    upload_bytes: int = Field(default=2 * 2**30, gt=0)


class Effort(Frozen):
    """What scoring one submission may take; beyond, it is rejected by name."""

    seconds: int = Field(default=1800, gt=0)
    memory_bytes: int = Field(default=4 * 2**30, gt=0)


class Column(Frozen):
    """A number of a board beside the score."""

    title: Text
    path: Text
    """Where the scorer's parts have it, keys joined by ``/``; ``*`` for one column for each key there."""


class Board(Frozen):
    """A ranking of the submissions of a phase."""

    name: Name
    title: Text
    ids: Inside | None = None
    """The images that count; None for all. Its bytes are published as a SHA-256 before the start."""
    shown: Literal["live", "after", "organisers"] = "live"
    """Live, once the phase has ended, or to organisers alone until they release it."""
    entry: Literal["best", "last", "chosen"] = "best"
    """Which submission of a team counts: chosen by the team, and the best where it chose none."""
    rank_by: Literal["score", "ranks"] = "score"
    """The score, or the mean of the ranks over the data sets."""
    columns: tuple[Column, ...] = ()


class Download(Frozen):
    """What participants are given."""

    title: Text
    file: Inside | None = None
    address: str = ""
    """In the place of a file that lies elsewhere."""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    @model_validator(mode="after")
    def _has_one(self) -> "Download":
        if (self.file is None) == (self.address == ""):
            raise ValueError("wanted a file of this folder or an address, one of the two")
        return self


class Phase(Frozen):
    """A stretch of time with rules of its own."""

    name: Name
    title: Text
    start: Time
    end: Time
    truth: Inside | None = None
    """What answers are scored against; None where nothing is sent in."""
    ids: Inside | None = None
    """The images that an answer may name, for the check before scoring."""
    limits: Limits = Limits()
    boards: tuple[Board, ...] = ()
    downloads: tuple[Download, ...] = ()
    test: bool = True
    """Whether the truth is hidden for good: no number of a single image is ever shown."""

    @model_validator(mode="after")
    def _is_sound(self) -> "Phase":
        if self.end <= self.start:
            raise ValueError(f"phase {self.name} ends at {self.end.isoformat()}, not after its start")
        if (self.truth is None) != (not self.boards):
            raise ValueError(f"phase {self.name}: wanted both truth and boards, or neither")
        names = [board.name for board in self.boards]
        if len(set(names)) < len(names):
            raise ValueError(f"phase {self.name}: two boards have one name")
        return self

    def is_open(self, at: datetime) -> bool:
        """Whether something that came at this time came in time."""
        return self.truth is not None and self.start <= at < self.end


class Track(Frozen):
    """What a team promises to have used."""

    name: Name
    title: Text
    pretrained: Literal["no", "declared"] = "declared"
    """Whether models that were trained before may be used."""
    other_data: Literal["no", "declared"] = "declared"


class Teams(Frozen):
    """Who may take part, and how."""

    most_members: int = Field(default=5, gt=0)
    ordered: bool = True
    """Whether all members confirm the order of contribution before a final rank."""
    locks_at: Time | None = None
    """After which members and their order stand."""


class Description(Frozen):
    """What a team writes of its method."""

    required: bool = True
    """Before a final rank."""
    least_words: int = Field(default=50, ge=0)
    most_words: int = Field(default=3000, gt=0)


class Replication(Frozen):
    """How the first places are run again."""

    winners: int = Field(default=3, ge=0)
    tolerance: float = Field(default=0.005, ge=0)
    """By which the score may differ."""
    reply_by: Time | None = None


class Organiser(Frozen):
    """Who runs the contest: the account with this e-mail address does so."""

    name: Text
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Contest(Frozen):
    """The whole file."""

    name: Name
    title: Text
    challenge: Literal["itc", "sceneparsing", "camvid", "deepglobe", "trees", "own"]
    profile: str = ""
    classes: int = Field(default=0, ge=0)
    """Of index PNGs of one's own."""
    pixel_size: float = Field(default=1.0, gt=0)
    organisers: tuple[Organiser, ...] = Field(min_length=1)
    about: str = ""
    """Markdown: the front page."""
    rules: str = ""
    """Markdown."""
    phases: tuple[Phase, ...] = Field(min_length=1)
    tracks: tuple[Track, ...] = ()
    teams: Teams = Teams()
    description: Description = Description()
    effort: Effort = Effort()
    replication: Replication = Replication()

    @model_validator(mode="after")
    def _is_sound(self) -> "Contest":
        for what, names in (("phases", [p.name for p in self.phases]), ("tracks", [t.name for t in self.tracks])):
            if len(set(names)) < len(names):
                raise ValueError(f"two {what} have one name")
        if self.challenge == "own" and not self.profile:
            raise ValueError("challenge own: wanted a profile, the rule to score by")
        return self

    def find_phase(self, name: str) -> Phase | None:
        """The phase of a name; None if there is none."""
        return next((phase for phase in self.phases if phase.name == name), None)
