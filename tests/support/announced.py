"""A contest that is over, with teams of every kind that an announcement knows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete

from overtrace.host.announcement import DRAFT, PUBLISHED
from overtrace.host.dossiers import declare_complete, write_method
from overtrace.host.heralding import TOLD
from overtrace.host.people import change_person
from overtrace.host.tables import Fact, Person, Team
from overtrace.host.teams import agree
from tests.support.web import END, Served, make_board, make_phase, post, serve_contest

METHOD = "# Crowns by distance\n\n" + "We grow seeds over the distance to the border. " * 10
PHASES = (
    make_phase(boards=[make_board("all"), make_board("private", ids="private.txt", shown="after")]),
    make_phase("trial", test=False),
)
FACTS: dict[str, Any] = {
    "awards": [
        {"title": "First prize", "prize": "EUR 1,000", "rank": 1},
        {"title": "Second prize", "rank": 2},
        {"title": "Contribution prize", "prize": "a book"},
    ],
    "rules": "Be fair.",
}
SENT = {"Forest": 0.9, "Hasty": 0.85, "Lakes": 0.8, "Ties": 0.8, "Talkers": 0.0, "Idle": 0.0}
"""What each team scores; nothing in the phase that counts for 0."""


@dataclass(frozen=True)
class Over:
    """Such a contest on a host."""

    host: Served
    people: dict[str, Person]
    teams: dict[str, Team]
    olga: Person
    at: datetime
    """An hour after its end."""

    def begin_anew(self) -> None:
        """As if nothing had been announced or prepared yet."""
        self.host.clock.fixed = self.at
        with self.host.settings.database.write() as session:
            session.execute(delete(Fact).where(Fact.name.in_([DRAFT, PUBLISHED, TOLD])))

    def announce(self) -> None:
        """Publish what is prepared."""
        page = "/organise/announcement"
        answer = post(self.host.enter(self.olga), page, f"{page}/publish", sure="yes")
        assert answer.status_code == 303, answer.text


def complete(host: Served, *people: Person) -> None:
    """Let a team lack nothing for a final rank."""
    with host.settings.database.write() as session:
        for person in people:
            agree(session, person.id, [one.id for one in people], host.clock())
        write_method(session, host.settings.contest, people[0].id, METHOD, host.clock())
        declare_complete(session, people[0].id, host.clock())


def hold(host: Served) -> Over:
    """Ada and Bob of Forest win; 王伟 of Lakes shares a rank with Ties; Hasty lacks a method; Talkers sent in
    something in the trial alone, Idle nothing; an hour has passed since the end."""
    people = {name: host.add_person(name) for name in ("Ada", "Bob", "王伟", "Cy", "Dora", "Eve", "Ivo")}
    with host.settings.database.write() as session:
        change_person(session, people["Ada"].id, "Ada <b>Lovelace</b>", "Institute of Maps & Trees", host.clock())
        change_person(session, people["王伟"].id, "王伟", "武汉大学", host.clock())
    names = {"Forest": ["Ada", "Bob"], "Hasty": ["Dora"], "Lakes": ["王伟"], "Ties": ["Cy"], "Talkers": ["Eve"]}
    teams = {}
    for team, members in {**names, "Idle": ["Ivo"]}.items():
        own = [people[name] for name in members]
        teams[team] = host.add_team(team, *own)
        if team != "Hasty":
            complete(host, *own)
        if team != "Idle":
            sent = host.submit(own[0], f"x,y\n0,{team}\n".encode(), "test" if SENT[team] else "trial")
            host.give(sent, SENT[team] or 0.7)
            host.clock.fixed += timedelta(minutes=1)
    olga = host.add_person("Olga")
    host.clock.fixed = END + timedelta(hours=1)
    return Over(host, people, teams, olga, host.clock.fixed)


def serve_over(folder: Path, *more: dict[str, Any]) -> Any:
    """A host of such a contest, before it is held."""
    return serve_contest(folder, *PHASES, *more, **FACTS)
