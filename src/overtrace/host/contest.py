"""What a contest is: the facts of ``contest.yaml``, checked.

Times carry an offset and are kept in UTC. A phase begins at its start and has ended at its end. What stands under a
field is what docs/contest_file.md says of it.
"""

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""What addresses and files can carry: small letters, digits and hyphens."""
Text = Annotated[str, Field(min_length=1, max_length=200)]


def is_inside(path: str) -> bool:
    """Whether a path stays in the folder of the contest."""
    place = PurePosixPath(path)
    return bool(place.parts) and not place.is_absolute() and ".." not in place.parts and "\0" not in path


def _want_inside(path: str) -> str:
    if not is_inside(path):
        raise ValueError(f"{path!r} leads out of the folder of the contest: wanted a path inside it")
    return path


DAY = re.compile(r"\d{4}-\d\d-\d\d(?=$|[Tt ])")


def _to_utc(value: object) -> datetime:
    try:
        # A bare number would be taken for a date without hyphens.
        time = datetime.fromisoformat(value) if isinstance(value, str) and DAY.match(value) else value
        if isinstance(time, datetime) and time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        time = None
    if isinstance(time, datetime):
        raise ValueError(f"{value} has no offset: wanted one, as in {time.isoformat()}+00:00 for UTC")
    raise ValueError(f"found {value!r}: wanted a time with its offset, as in 2026-06-01T00:00:00+00:00")


Inside = Annotated[str, AfterValidator(_want_inside)]
"""A path from the folder that holds the contest file."""
Time = Annotated[datetime, BeforeValidator(_to_utc)]


class Frozen(BaseModel):
    """Unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Limits(Frozen):
    """What a team may send in a phase; what its members have sent in from other teams counts, too."""

    per_day: int | None = Field(default=5, gt=0)
    """By the UTC day in which the upload began; null for no limit."""
    total: int | None = Field(default=None, gt=0)
    """In the whole phase; null for no limit."""
    at_once: int = Field(default=2, gt=0)
    """That are neither scored, rejected nor failed yet."""
    upload_bytes: int = Field(default=2 * 2**30, gt=0)
    """Of one file."""


class Effort(Frozen):
    """What scoring one submission may take; beyond, it is rejected by name."""

    seconds: int = Field(default=1800, gt=0)
    """By the clock."""
    memory_bytes: int = Field(default=4 * 2**30, gt=0)
    """Of the process that scores."""


class Column(Frozen):
    """A number of a board beside the score."""

    title: Text
    """At its head; of several, ``*`` in it stands for the key of each."""
    path: Text
    """Where the scorer's parts have it, keys joined by ``/``; ``*`` for one column for each key there. What is in a
    list goes by its name."""


class Board(Frozen):
    """A ranking of the submissions of a phase."""

    name: Name
    """In addresses; small letters, digits and hyphens."""
    title: Text
    """As people read it."""
    ids: Inside | None = None
    """A list of the images that count; null for all. The SHA-256 of it is published before the start."""
    shown: Literal["live", "after", "organisers"] = "live"
    """Live, once the phase has ended, or to organisers alone until they release it."""
    entry: Literal["best", "last", "chosen"] = "best"
    """Which submission of a team counts: chosen by the team, and the best where it chose none."""
    rank_by: Literal["score", "ranks"] = "score"
    """The score, or the mean of the ranks in each of the columns."""
    columns: tuple[Column, ...] = ()
    """Beside the score."""
    ladder: float | None = Field(default=None, gt=0)
    """A step, such as 0.01, against probing: a new score of a team is shown, to itself too, only if it is better than
    the one that is shown by at least the step, and else that one again; null to show all scores."""

    @model_validator(mode="after")
    def _is_sound(self) -> "Board":
        if self.rank_by == "ranks" and not self.columns:
            raise ValueError("rank_by: ranks has no columns to take ranks in: add columns, or rank by the score")
        if self.ladder is not None and (self.entry, self.rank_by) != ("best", "score"):
            raise ValueError("a ladder shows the best score of a team: leave out entry and rank_by, or ladder")
        return self


class Download(Frozen):
    """What participants are given."""

    title: Text
    """As people read it."""
    file: Inside | None = None
    """A path from the folder of the contest file; never of what is true."""
    address: str = ""
    """In the place of a file that lies elsewhere."""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Of the file, for those who fetch it."""

    @model_validator(mode="after")
    def _has_one(self) -> "Download":
        if (self.file is None) == (self.address == ""):
            raise ValueError("a download has a file of this folder or an address: give one of the two")
        return self


class Phase(Frozen):
    """A stretch of time with rules of its own."""

    name: Name
    """In addresses; small letters, digits and hyphens."""
    title: Text
    """As people read it."""
    start: Time
    """From this instant on, which belongs to the phase; with its offset."""
    end: Time
    """Up to this instant, which does not; what counts is when an upload began, however long it takes: by the host's
    clock, when name, size and SHA-256 of the file came, or the first bytes of a form."""
    truth: Inside | None = None
    """What answers are scored against; null where nothing is sent in."""
    ids: Inside | None = None
    """A list of the images that an answer may name, for the check before scoring, which costs no try; what else the
    truth has is not scored."""
    limits: Limits = Limits()
    """Of each team."""
    boards: tuple[Board, ...] = ()
    """At least one where there is truth."""
    downloads: tuple[Download, ...] = ()
    """From the start of the phase on."""
    images: Inside | None = None
    """A folder or a zip archive of all images that answers are for; pictures of errors are drawn over them, and the
    containers of winners are run on them."""
    test: bool = True
    """Whether the truth is hidden for good: no number of a single image is ever shown."""
    pictures: int = Field(default=0, ge=0, le=48)
    """How many images with the most errors are drawn for a team, of each of its submissions, with what is true on them;
    as many more are drawn by lot, the same for all submissions. None in a test phase. The images are those of the first
    board that is shown live."""

    @model_validator(mode="after")
    def _is_sound(self) -> "Phase":
        if self.end <= self.start:
            raise ValueError(
                f"phase {self.name} ends at {self.end.isoformat()}, not after its start {self.start.isoformat()}: "
                "move the one or the other"
            )
        if (self.truth is None) != (not self.boards):
            has, lacks = ("boards", "truth") if self.truth is None else ("truth", "boards")
            raise ValueError(f"phase {self.name} has {has} but no {lacks}: give both, or neither")
        names = [board.name for board in self.boards]
        if len(set(names)) < len(names):
            raise ValueError(f"phase {self.name} has two boards of one name: rename one")
        self._check_pictures()
        return self

    def _check_pictures(self) -> None:
        if not self.pictures:
            return
        if self.test:
            raise ValueError(f"phase {self.name} is a test, and pictures tell what is true: leave out pictures")
        if any(board.ladder is not None for board in self.boards):
            raise ValueError(f"phase {self.name} has a ladder, and pictures tell what it hides: leave out one of them")
        if self.pictured is None:
            raise ValueError(f"phase {self.name} has no board that is shown live: leave out pictures")

    @property
    def pictured(self) -> Board | None:
        """The board whose images may be drawn."""
        live = (board for board in self.boards if board.shown == "live")
        return next(live, None) if self.pictures else None

    def is_open(self, at: datetime) -> bool:
        """Whether something that came at this time came in time."""
        return self.truth is not None and self.start <= at < self.end


class Track(Frozen):
    """What a team promises to have used."""

    name: Name
    """In addresses; small letters, digits and hyphens."""
    title: Text
    """As people read it."""
    pretrained: Literal["no", "declared"] = "declared"
    """Whether models that were trained before may be used: not at all, or declared with name, address and licence."""
    other_data: Literal["no", "declared"] = "declared"
    """Whether data may be used that the contest does not give."""


class Teams(Frozen):
    """Who may take part, and how."""

    most_members: int = Field(default=5, gt=0)
    """Of a team."""
    ordered: bool = True
    """Whether all members confirm the order of contribution before a final rank."""
    locks_at: Time | None = None
    """After which members and their order stand; null for never."""


class Description(Frozen):
    """What a team writes of its method."""

    required: bool = True
    """Before a final rank."""
    least_words: int = Field(default=50, ge=0)
    """Of one that is written here; an attached document has none."""
    most_words: int = Field(default=3000, gt=0)
    """The same."""


class Container(Frozen):
    """What the container of a winner may take in one run; beyond, it is ended by name."""

    seconds: int = Field(default=6 * 3600, gt=0)
    """By the clock."""
    memory_bytes: int = Field(default=16 * 2**30, ge=2**24)
    """Of all its processes, with what lies in its /tmp."""
    cpus: float = Field(default=2.0, gt=0)
    """Cores."""
    processes: int = Field(default=512, ge=8)
    """Threads among them."""
    tmp_bytes: int = Field(default=2**30, ge=2**20)
    """Of its /tmp, which lies in memory."""
    output_bytes: int = Field(default=2 * 2**30, ge=2**22)
    """Of what it writes to /output."""
    image_bytes: int = Field(default=40 * 2**30, ge=2**24)
    """Of its image, unpacked."""
    devices: tuple[str, ...] = ()
    """That it may use, as the engine names them, such as ``nvidia.com/gpu=all``."""


class Replication(Frozen):
    """How the first places are run again, and who follows those who do not deliver."""

    winners: int = Field(default=3, ge=0)
    """How many places, of the board whose ranks are final (``results``)."""
    tolerance: float = Field(default=0.005, ge=0)
    """By which the score may differ."""
    reply_by: Time | None = None
    """Until when those deliver who are asked first; null for ``reply_days`` from then on. What counts is when the
    upload of a file began."""
    reply_days: int = Field(default=7, gt=0)
    """Of 24 hours each, for those who are asked later, in the place of others."""
    remind_days: tuple[Annotated[int, Field(gt=0)], ...] = (3, 1)
    """Before that time ends: a letter each to those who have not delivered."""
    upload_bytes: int = Field(default=32 * 2**30, gt=0)
    """Of the container image, and of the weights."""
    container: Container = Container()
    """Limits of what they deliver."""


class Award(Frozen):
    """What a team is given."""

    title: Text
    """As people read it, such as First prize."""
    prize: Annotated[str, Field(max_length=200)] = ""
    """What comes with it, such as EUR 1,000."""
    rank: int | None = Field(default=None, gt=0)
    """Of the teams that have it; null for one that organisers give beyond the ranks."""


class Appeals(Frozen):
    """How teams contest provisional ranks."""

    days: int = Field(default=0, ge=0)
    """Of 24 hours, from the end of the phase of the final board, or from its release if organisers keep it back; 0 for
    no appeals. A team that has dropped out as a winner has so many days from then on, too."""


class Results(Frozen):
    """How the results are announced."""

    board: str = ""
    """Whose ranks are final, as ``PHASE/BOARD``; unless told, of the phase that ends last the first board that is not
    live, or its first one."""
    places: int = Field(default=6, ge=0)
    """How many ranks are announced with members and affiliations; those below stand in a table."""


class Organiser(Frozen):
    """Who runs the contest: the account with this e-mail address does so."""

    name: Text
    """As people read it."""
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    """Of their account."""


class Contest(Frozen):
    """The whole file."""

    name: Name
    """In addresses; small letters, digits and hyphens."""
    title: Text
    """As people read it."""
    challenge: Literal["itc", "sceneparsing", "camvid", "deepglobe", "trees", "own"]
    """The rule that answers are scored by: docs/protocols.md."""
    profile: str = ""
    """A named variant of the rule; empty for the first."""
    classes: int = Field(default=0, ge=0)
    """Of index PNGs of one's own."""
    pixel_size: float = Field(default=1.0, gt=0)
    """Metres a unit (trees, own), or units a pixel (deepglobe)."""
    organisers: tuple[Organiser, ...] = Field(min_length=1)
    """At least one."""
    about: str = ""
    """Markdown: the front page."""
    rules: str = ""
    """Markdown."""
    phases: tuple[Phase, ...] = Field(min_length=1)
    """At least one; they may overlap."""
    tracks: tuple[Track, ...] = ()
    """Of which a team chooses one; none where there is only one way to take part."""
    teams: Teams = Teams()
    """Members and their order."""
    description: Description = Description()
    """Of the method."""
    effort: Effort = Effort()
    """Of the scorer."""
    replication: Replication = Replication()
    """Of the first places."""
    appeals: Appeals = Appeals()
    """Of teams, against provisional ranks."""
    results: Results = Results()
    """How they are announced."""
    awards: tuple[Award, ...] = ()
    """By rank, or given by organisers."""

    @model_validator(mode="after")
    def _is_sound(self) -> "Contest":
        for what, names in (("phases", [p.name for p in self.phases]), ("tracks", [t.name for t in self.tracks])):
            if len(set(names)) < len(names):
                raise ValueError(f"two {what} have one name: rename one")
        if self.challenge == "own" and not self.profile:
            raise ValueError("challenge own has no profile: name the rule to score by")
        return self

    def find_phase(self, name: str) -> Phase | None:
        """The phase of a name; None if there is none."""
        return next((phase for phase in self.phases if phase.name == name), None)

    def find_final_board(self) -> tuple[Phase, Board] | None:
        """The board whose ranks are final unless organisers choose another one; None if there is no board."""
        boards = [(phase, board) for phase in self.phases for board in phase.boards]
        named = [one for one in boards if f"{one[0].name}/{one[1].name}" == self.results.board]
        if named or not boards:
            return next(iter(named), None)
        end = max(phase.end for phase, _ in boards)
        last = [one for one in boards if one[0].end == end]
        return next((one for one in last if one[1].shown != "live"), last[0])


def make_schema() -> dict[str, Any]:
    """The JSON schema of the file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Contest.model_json_schema()}
