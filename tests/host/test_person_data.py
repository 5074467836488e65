"""What a host knows of a person: handed out, and erased."""

import io
import json

import pytest
from sqlalchemy import select, update

from overtrace.errors import NotAllowed, NotFound, Refused
from overtrace.host import people as accounts
from overtrace.host.database import Database
from overtrace.host.dossiers import write_method
from overtrace.host.invitations import accept
from overtrace.host.kept import find_own, list_tables
from overtrace.host.mails import send_due
from overtrace.host.person_data import erase_person, export_person
from overtrace.host.secret import digest
from overtrace.host.senders import Console
from overtrace.host.submissions import annotate
from overtrace.host.table_base import Base
from overtrace.host.tables import Mail, Person, Submission, Team
from overtrace.host.teams import find_members
from overtrace.host.tokens import find_token, make_token
from overtrace.host.visits import find_visit
from tests.support.people import (
    AT,
    PASSWORD,
    SITE,
    add_person,
    add_team,
    after,
    make_invitation,
    make_site,
    read_log,
    sign_up,
)
from tests.support.submissions import add_submission


def export(database: Database, person: Person) -> dict:
    with database.read() as session:
        return export_person(session, person.id)


def erase(database: Database, person: Person, site=SITE, at=AT) -> None:
    with database.write() as session:
        erase_person(session, site, person.id, at)


def read_all(database: Database) -> str:
    """Each value of each row, as one text."""
    with database.read() as session:
        rows = [row for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    return "\n".join(str(tuple(row)) for row in rows)


def test_a_person_is_handed_all_that_is_theirs_as_json(database):
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    team = add_team(database, "Forest", ada, bob)
    add_submission(database, team, ada)
    add_submission(database, team, bob, number=2)
    cookie = accounts.log_in(database, ada.email, PASSWORD, AT)
    with database.write() as session:
        _, secret = make_token(session, ada, "laptop", ["read"], None, AT)
    data = json.loads(json.dumps(export(database, ada)))
    assert data["person"]["email"] == "ada@example.org"
    assert [entry["team"] for entry in data["teams"]] == ["Forest"]
    assert [entry["number"] for entry in data["submissions"]] == [1]
    counts = {name: len(data[name]) for name in ("visits", "tokens", "letters", "uploads")}
    assert counts == {"visits": 1, "tokens": 1, "letters": 1, "uploads": 1}
    assert {entry["action"] for entry in data["log"]} >= {"team.created", "token.made"}
    text = json.dumps(data)
    assert not any(hidden in text for hidden in ("argon2", cookie, digest(cookie), secret, digest(secret), "bob@"))


def test_nothing_of_an_erased_person_is_left_but_a_pseudonym(database):
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    with database.write() as session:
        accounts.change_person(session, ada.id, "Ada Lovelace", "Ockham Park", AT)
    team = add_team(database, "Forest", bob, ada)
    add_submission(database, team, ada, name="lovelace.zip")
    erase(database, ada)
    text = read_all(database)
    assert f"Former participant {ada.id[-6:]}" in text
    assert not any(word in text.lower() for word in ("lovelace", "ockham", "ada@", "third try"))


def test_whatever_the_table_nothing_that_they_typed_is_left(database):
    """All columns that hold an address, or what someone types, get a mark first."""
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    team = add_team(database, "Forest", bob, ada)
    add_submission(database, team, ada)
    with database.write() as session:
        make_token(session, ada, "laptop", ["read"], None, AT)
        accounts.ask_password(session, SITE, ada.email, AT)
        for table, kept in list_tables():
            own = find_own(table, kept, ada.id, ada.email)
            if own is not None and kept.typed and table.name not in ("people", "teams"):
                session.execute(update(table).where(own).values(dict.fromkeys(kept.typed, "Lovelace")))
    data = export(database, ada)
    assert {"invitations", "codes", "letters", "tokens", "uploads", "submissions", "members", "log"} <= data.keys()
    assert all(
        data[name] for name in ("invitations", "codes", "letters", "tokens", "uploads", "submissions", "members")
    )
    assert "scores" not in data
    assert "Lovelace" in read_all(database)
    erase(database, ada)
    assert not any(word in read_all(database) for word in ("Lovelace", "ada@example.org"))


def test_the_log_says_nothing_that_a_person_typed(database):
    ada = add_person(database, "Ada")
    sent = add_submission(database, add_team(database, "Forest", ada), ada)
    with database.write() as session:
        annotate(session, sent.id, "by Ada Lovelace", AT, f"person:{ada.id}")
    assert "Lovelace" not in str([line.details for line in read_log(database)])


def test_results_of_an_erased_person_are_kept(database):
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    team = add_team(database, "Forest", bob, ada)
    kept = add_submission(database, team, ada)
    erase(database, ada)
    with database.read() as session:
        submission = session.get_one(Submission, kept.id)
        assert (submission.team_id, submission.sha256, submission.charged) == (team.id, kept.sha256, True)
        assert submission.person.name.startswith("Former participant")


def test_an_erased_person_gets_in_by_nothing(database):
    ada = add_person(database, "Ada")
    cookie = accounts.log_in(database, ada.email, PASSWORD, AT)
    with database.write() as session:
        _, secret = make_token(session, ada, "laptop", ["read"], None, AT)
        accounts.ask_password(session, SITE, ada.email, AT)
    erase(database, ada)
    assert find_visit(database, cookie, AT) is None
    with pytest.raises(NotAllowed):
        find_token(database, secret, "read", AT)
    with pytest.raises(NotAllowed):
        accounts.log_in(database, ada.email, PASSWORD, AT)
    with pytest.raises(NotFound):
        erase(database, ada)


def test_an_erased_person_may_come_back_as_someone_new(database):
    ada = add_person(database, "Ada")
    erase(database, ada)
    cookie = accounts.confirm(database, SITE, sign_up(database, ada.email), PASSWORD, AT)
    assert find_visit(database, cookie, AT).person_id != ada.id


def test_an_erased_person_leaves_their_team(database):
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    team = add_team(database, "Forest", ada, bob)
    erase(database, ada)
    with database.read() as session:
        kept = session.get_one(Team, team.id)
        assert ([member.person_id for member in find_members(kept)], kept.contact_id) == ([bob.id], bob.id)


def test_an_erased_person_stays_in_a_locked_team_under_a_pseudonym(database):
    site = make_site(teams={"locks_at": after(days=1)})
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    team = add_team(database, "Forest", ada, bob, site=site)
    erase(database, ada, site, after(days=1))
    with database.read() as session:
        names = [member.person.name for member in find_members(session.get_one(Team, team.id))]
    assert names == [f"Former participant {ada.id[-6:]}", "Bob"]


def test_a_team_of_one_keeps_its_results_and_loses_its_name(database):
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    team = add_team(database, "Lovelace", ada)
    add_submission(database, team, ada)
    code = make_invitation(database, ada, bob.email)
    with database.write() as session:
        write_method(session, SITE.contest, ada.id, "I, Lovelace, did it", AT)
    send_due(database, Console(io.StringIO(), "host@example.org"), AT)
    erase(database, ada)
    assert "Lovelace" not in read_all(database)
    with pytest.raises(Refused), database.write() as session:
        accept(session, SITE, bob.id, code, AT)
    with database.read() as session:
        kept = session.get_one(Team, team.id)
        assert (kept.name, kept.withdrawn_at) == (f"Former team {team.id[-6:]}", None)
    add_team(database, "Lovelace", bob)


def test_letters_to_an_erased_person_are_not_sent(database):
    ada = add_person(database, "Ada")
    with database.write() as session:
        accounts.ask_password(session, SITE, ada.email, AT)
    erase(database, ada)
    with database.read() as session:
        letter = session.scalars(select(Mail)).one()
    assert (letter.to, letter.body, letter.failed_at) == (f"{ada.id}@erased.invalid", "", AT)
