"""A contest after its end: teams with a score each, of which the first two are asked for containers."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from overtrace.host.database import Database
from overtrace.host.dossiers import declare_complete
from overtrace.host.site import Site
from overtrace.host.tables import Mail, Person
from overtrace.host.tables_after import Delivery
from overtrace.host.winners import ask_winners, sweep
from tests.support.people import AT, add_person, add_team, after, make_site
from tests.support.submissions import add_score

NAMES = ("Ada", "Bob", "Cy", "Dee")
END = after(days=90)
BOARD = {"name": "all", "title": "All"}
OLGA = "person:olga"


def make_final(**replication: Any) -> Site:
    """The first two are asked, and have a week."""
    phase = {"name": "final", "title": "Final", "start": AT, "end": END, "truth": "truth", "boards": [BOARD]}
    rule = {"winners": 2, **replication}
    return make_site(phases=[phase], replication=rule, description={"required": False})


SITE = make_final()


def add_places(database: Database, scores: tuple[float, ...] = (0.9, 0.8, 0.7, 0.6)) -> list[Person]:
    """Ada leads, before Bob, Cy and Dee; each is a team that lacks nothing."""
    people = [add_person(database, name) for name in NAMES[: len(scores)]]
    for person, score in zip(people, scores, strict=True):
        team = add_team(database, f"Team {person.name}", person)
        add_score(database, team, person, score)
        with database.write() as session:
            declare_complete(session, person.id, AT)
    return people


def ask(database: Database, at: datetime = END, site: Site = SITE) -> None:
    """As an organiser does."""
    with database.write() as session:
        ask_winners(session, site, at, OLGA)


def look(database: Database, at: datetime, site: Site = SITE) -> list[str]:
    """Sweep, and what each that was asked is then, as in ``Ada: asked``."""
    with database.write() as session:
        sweep(session, site, at)
    return read_states(database)


def read_states(database: Database) -> list[str]:
    """What each that was asked is."""
    with database.read() as session:
        query = select(Delivery).options(joinedload(Delivery.team))
        return sorted(f"{one.team.name.removeprefix('Team ')}: {one.state}" for one in session.scalars(query))


def count_letters(database: Database, person: Person | str, words: str) -> int:
    """Letters to someone whose subject holds some words."""
    to = person if isinstance(person, str) else person.email
    with database.read() as session:
        return sum(words in subject for subject in session.scalars(select(Mail.subject).where(Mail.to == to)))
