"""A contest with something to look at: teams, and submissions made by scoring answers that were spoilt on purpose.

Runs beside a worker, for to spoil an answer takes the truth. The people do not exist.
"""

import gzip
import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from overtrace.errors import OvertraceError
from overtrace.host import dossiers, submissions
from overtrace.host.blobs import Blobs
from overtrace.host.contest import Contest, Phase
from overtrace.host.contest_file import ContestFile
from overtrace.host.database import Database, now
from overtrace.host.examples import make_answer, make_example
from overtrace.host.ids import new_id
from overtrace.host.passwords import Hashed, hash_password
from overtrace.host.sending import send_file
from overtrace.host.tables import FINAL, Person, Submission
from overtrace.host.teams import add_member, agree, create_team, find_members
from overtrace.host.uploads import Uploads

PASSWORD = "overtrace demo"
"""Of all accounts of the demo."""
ROUNDS = 7
MOST_LATER = 60
LATER_S = 12.0
"""Between two submissions after the contest is filled."""
LOOK_S = 0.2
LOG = logging.getLogger("overtrace.demo")


@dataclass(frozen=True, slots=True)
class Cast:
    """A team of the demo."""

    name: str
    affiliation: str
    people: tuple[str, ...]
    first: float
    """Quality of its first answer."""
    last: float
    is_complete: bool = True
    """Whether it lacks nothing for a final rank."""


TEAMS = (
    Cast(
        "Canopy Cartographers", "Institute of Forest Mapping", ("Ines Carvalho", "Tomas Lind", "Mei Tanaka"), 0.55, 0.97
    ),
    Cast("Crown Royal", "Northern University of Technology", ("Aino Virtanen", "Lars Holm"), 0.6, 0.94),
    Cast("Pixels and Pines", "", ("Jonah Fields",), 0.35, 0.93, False),
    Cast(
        "understorey",
        "Delta Remote Sensing Group",
        ("Priya Raman", "Sam Okafor", "Lena Vogt", "Yusuf Demir"),
        0.5,
        0.91,
    ),
    Cast("LiDAR-free", "University of the Coast", ("Marta Nowak", "Diego Paz"), 0.45, 0.88),
    Cast("Seeds of Doubt", "Highland Research Station", ("Fiona MacRae", "Ewan Baird"), 0.4, 0.85, False),
    Cast("Bark at the Moon", "", ("Nadia Haddad", "Paul Weiss"), 0.3, 0.83),
    Cast("Watershed", "River Basin Observatory", ("Chloe Martin",), 0.5, 0.8),
    Cast("Tree of Strife", "Polytechnic of the Lakes", ("Hugo Silva", "Anna Kovacs", "Bo Nguyen"), 0.2, 0.74, False),
    Cast("baseline", "The organisers", ("Olga Host",), 0.45, 0.45),
    Cast("Leaf Me Alone", "", ("Kim Park",), 0.1, 0.6, False),
)
METHOD = """We find crowns in two steps.

**Detection.** A network says of each pixel whether it lies inside a crown and how far its border is. It was trained on
the images of the contest alone, in tiles of 512 pixels, with flips, turns and changes of light.

**Grouping.** Seeds are the peaks of the distance; each grows over the pixels inside that are nearer to it than to any
other seed. Small pieces join the neighbour with which they share the longest border.

| step | time for an image |
|---|---|
| detection | 0.8 s |
| grouping | 0.1 s |

The threshold of the seeds was chosen on the validation images, once for all data sets. Answers are averaged over four
turns of each image. Nothing was done by hand, and one model answers for all data sets. What helped most was to train
on crowns of all sizes at once; what did not help were larger tiles.
"""


def write_demo(folder: Path) -> Path:
    """A contest that is open now; its file."""
    return make_example("itc", folder / "contest", now())


def fill(file: ContestFile, database: Database, blobs: Blobs, spool: Path, stop: threading.Event) -> None:
    """Fill an empty contest, then go on slowly, as long as it is not told to stop."""
    try:
        _fill(file, Uploads(database, blobs, file.contest, spool), stop)
    except (OvertraceError, OSError) as error:
        LOG.warning("the demo goes no further: %s", error)


def _fill(file: ContestFile, uploads: Uploads, stop: threading.Event) -> None:
    contest, at = file.contest, now()
    phase = next(phase for phase in contest.phases if phase.truth is not None)
    with uploads.database.read() as session:
        if session.scalar(select(func.count(Person.id)).where(Person.confirmed_at.is_not(None))):
            return
    rng = np.random.default_rng(1)
    hashed = hash_password(PASSWORD)
    with uploads.database.write() as session:
        _add_person(session, contest.organisers[0].name, contest.organisers[0].email, "", hashed, at, organises=True)
        teams = [_add_team(session, contest, cast, hashed, phase.start - timedelta(days=9)) for cast in TEAMS]
    for number in range(ROUNDS):
        for cast, (team, person) in zip(TEAMS, teams, strict=True):
            if stop.is_set():
                return
            share = (number + rng.uniform(0.1, 0.9)) / ROUNDS
            if cast.name == "baseline" and number:
                continue
            sent = phase.start + (at - phase.start) * share
            quality = cast.first + (cast.last - cast.first) * (share**0.6) + rng.normal(0, 0.02)
            _submit(file, uploads, phase, team, person, _answer(file, phase, quality, rng, number), sent)
        _wait(uploads.database, stop)
    LOG.warning("the demo is filled: %d teams", len(teams))
    _go_on(file, uploads, phase, teams, rng, stop)


def _go_on(
    file: ContestFile,
    uploads: Uploads,
    phase: Phase,
    teams: list[tuple[str, str]],
    rng: np.random.Generator,
    stop: threading.Event,
) -> None:
    for number in range(MOST_LATER):
        if stop.wait(LATER_S):
            return
        place = int(rng.integers(len(TEAMS) - 2))
        quality = TEAMS[place].last + rng.normal(0.0, 0.05)
        try:
            _submit(file, uploads, phase, *teams[place], _answer(file, phase, quality, rng, number + 1), now())
        except OvertraceError as error:
            # Its tries of the day are spent.
            LOG.info("%s", error)


def _answer(file: ContestFile, phase: Phase, quality: float, rng: np.random.Generator, number: int) -> Path:
    path = make_answer(file.path, phase.name, float(np.clip(quality, 0.02, 0.995)), rng)
    if number == 0 and rng.random() < 0.3:
        # Someone has cut the file short.
        path.write_bytes(gzip.compress(path.read_bytes()[:-1000]))
    return path


def _submit(
    file: ContestFile, uploads: Uploads, phase: Phase, team: str, person: str, path: Path, sent: datetime
) -> None:
    with path.open("rb") as content:
        upload = send_file(uploads, team, person, phase.name, path.name, content, sent)
    submission = uploads.complete(upload.id, now())
    if submission.number == 2:
        with uploads.database.write() as session:
            submissions.annotate(session, submission.id, "longer training", now(), f"person:{person}")


def _add_team(session: Session, contest: Contest, cast: Cast, hashed: Hashed, at: datetime) -> tuple[str, str]:
    people = []
    for name in cast.people:
        email = f"{name.lower().replace(' ', '.')}@example.org"
        people.append(_add_person(session, name, email, cast.affiliation, hashed, at))
    track = contest.tracks[0].name if contest.tracks else ""
    team = create_team(session, contest, people[0].id, cast.name, track, at)
    for person in people[1:]:
        add_member(session, team, person, at)
    if cast.is_complete:
        order = [member.person_id for member in find_members(team)]
        for person in people:
            agree(session, person.id, order, at)
        dossiers.write_method(session, contest, people[0].id, METHOD, at)
        if cast.first > 0.5:
            facts = ("ResNet-50, ImageNet", "https://example.org/resnet50", "BSD-3-Clause", "0" * 64)
            dossiers.declare(session, people[0].id, "model", *facts, at)
        dossiers.declare_complete(session, people[0].id, at)
    return team.id, people[0].id


def _add_person(
    session: Session, name: str, email: str, affiliation: str, hashed: Hashed, at: datetime, *, organises: bool = False
) -> Person:
    made = session.scalar(select(Person).where(Person.email == email)) or Person(id=new_id(at), email=email)
    made.name, made.affiliation, made.password = name, affiliation, hashed
    made.created_at = made.confirmed_at = at
    made.organises = organises
    session.add(made)
    session.flush()
    return made


def _wait(database: Database, stop: threading.Event) -> None:
    """Until all is scored: only so many submissions of a team may wait."""
    while not stop.wait(LOOK_S):
        with database.read() as session:
            if not session.scalar(select(func.count(Submission.id)).where(Submission.state.not_in(FINAL))):
                return
