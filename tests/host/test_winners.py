"""Winners: asked, reminded, dropped, and followed by the next; once each, whoever is killed."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, select, text, update

from overtrace.errors import BadOption, NotAllowed, NotFound, Refused
from overtrace.host.board import Place, Row
from overtrace.host.contest import Replication
from overtrace.host.database import Database, open_database
from overtrace.host.deliveries import ARRIVES, attach, decline, find_gaps, hand_over, judge
from overtrace.host.ids import new_id
from overtrace.host.schema import migrate, open_store
from overtrace.host.standings import find_board, read_standing
from overtrace.host.submissions import hide, unhide
from overtrace.host.tables import FileKind, Mail, State, Submission, Upload
from overtrace.host.tables_after import Delivery
from overtrace.host.winners import drop_by_hand, find_deadline, find_to_ask, move_deadline, sweep
from tests.support.people import make_contest, read_letters, read_log
from tests.support.winners import (
    END,
    OLGA,
    SITE,
    add_places,
    ask,
    count_letters,
    look,
    make_final,
    read_states,
)

DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)
DUE = END + 7 * DAY
ASKED, REMINDER, GONE = "asked for its container", "Reminder", "no final rank"


def send(database: Database, person, kind: FileKind, began: datetime, sha256: str, *, ended: bool = True) -> None:
    """A file of a delivery that began to come at a time."""
    with database.write() as session:
        team = session.scalars(
            select(Delivery.team_id).join(Delivery.team).where(Delivery.team.has(contact_id=person.id))
        )
        upload = Upload(id=new_id(began), team_id=team.one(), person_id=person.id, kind=kind, phase="", name="a.tar")
        upload.size, upload.sha256, upload.started_at, upload.ended_at = 12, sha256, began, began if ended else None
        judge(session, upload.team_id, began)
        session.add(upload)
        if ended:
            attach(session, upload, began)


def send_both(database: Database, person, began: datetime) -> None:
    send(database, person, FileKind.IMAGE, began, "1" * 64)
    send(database, person, FileKind.WEIGHTS, began, "2" * 64)


def ranks(database: Database, site=SITE) -> list[str]:
    with database.read() as session:
        standing = read_standing(session, site.contest, *find_board(site.contest, "final", "all"), DUE)
    return [f"{place.rank} {standing.names[place.row.team]}" for place in standing.places]


def test_one_that_never_replies_is_dropped_after_its_reminders_and_the_next_moves_up(database):
    ada, bob, cy, dee = add_places(database)
    ask(database)
    assert look(database, DUE - 3 * DAY - MS) == ["Ada: asked", "Bob: asked"]
    assert look(database, DUE - 3 * DAY) == ["Ada: reminded", "Bob: reminded"]
    send_both(database, ada, DUE - 2 * DAY)
    with database.write() as session:
        hand_over(session, SITE, ada.id, DUE - 2 * DAY)
    assert look(database, DUE - DAY) == ["Ada: delivered", "Bob: reminded"]
    assert look(database, DUE - MS) == ["Ada: delivered", "Bob: reminded"]
    assert look(database, DUE) == ["Ada: delivered", "Bob: not delivered", "Cy: asked"]
    assert [count_letters(database, bob, words) for words in (ASKED, REMINDER, GONE)] == [1, 2, 1]
    assert [count_letters(database, ada, words) for words in (ASKED, REMINDER, "is here")] == [1, 1, 1]
    assert [count_letters(database, cy, words) for words in (ASKED, REMINDER)] == [1, 0]
    assert count_letters(database, dee, "") == 0
    # Cy has a week of his own.
    assert look(database, DUE + 7 * DAY - MS)[2] == "Cy: reminded"
    assert look(database, DUE + 7 * DAY)[2:] == ["Cy: not delivered", "Dee: asked"]
    assert look(database, DUE + 14 * DAY)[2:] == ["Cy: not delivered", "Dee: not delivered"]
    assert ranks(database) == ["1 Team Ada"]
    said = [one.action for one in read_log(database) if one.action.startswith(("winners", "delivery"))]
    assert said[:3] == ["winners.asked", "delivery.asked", "delivery.asked"]
    assert said.count("delivery.not delivered") == 3


def test_ranks_close_up_and_the_board_says_why(database):
    add_places(database)
    ask(database)
    assert ranks(database) == ["1 Team Ada", "2 Team Bob", "3 Team Cy", "4 Team Dee"]
    look(database, DUE)
    assert ranks(database) == ["1 Team Cy", "2 Team Dee"]
    with database.read() as session:
        standing = read_standing(session, SITE.contest, *find_board(SITE.contest, "final", "all"), DUE)
    why = "not delivered: until 2026-06-06 12:00 UTC: the container image is missing; the weights are missing"
    assert list(standing.removed.values()) == [("Team Ada", why), ("Team Bob", why)]
    assert [len(lacks) for lacks in standing.lacks.values()] == [1, 1]


def test_a_sweep_that_comes_late_writes_one_letter_and_loses_nothing(database):
    ada, *_ = add_places(database, (0.9,))
    ask(database)
    assert look(database, DUE - MS) == ["Ada: reminded"]
    assert count_letters(database, ada, REMINDER) == 1
    assert look(database, DUE + 30 * DAY) == ["Ada: not delivered"]


def test_whoever_is_killed_in_a_sweep_has_done_nothing_and_no_letter_comes_twice(database, address):
    people = add_places(database)
    ask(database)
    look(database, DUE - 3 * DAY)
    database.engine.dispose()
    before = count(database)
    kills = 0
    for statement in range(1, 500, 17):
        if sweep_in_a_process_that_dies(address, DUE, statement):
            break
        kills += 1
        assert count(database) == before
        database.engine.dispose()
    assert kills >= 3
    states = ["Ada: not delivered", "Bob: not delivered", "Cy: asked", "Dee: asked"]
    assert read_states(database) == states
    after = count(database)
    assert look(database, DUE + MS) == states
    assert count(database) == after
    assert [count_letters(database, person, GONE) for person in people] == [1, 1, 0, 0]
    assert [count_letters(database, person, ASKED) for person in people] == [1, 1, 1, 1]


def count(database: Database) -> tuple[int, int]:
    """Letters, and lines of the log."""
    with database.read() as session:
        return len(session.scalars(select(Mail.id)).all()), len(read_log(database))


def sweep_in_a_process_that_dies(address: str, at: datetime, statement: int) -> bool:
    """Whether it came to its end before it was to be killed, which is before so many statements."""
    child = os.fork()
    if not child:
        own = Database(open_database(address))
        done = 0

        def die(*_: object) -> None:
            nonlocal done
            done += 1
            if done == statement:
                os._exit(9)

        event.listen(own.engine, "before_cursor_execute", die)
        event.listen(own.engine, "commit", die)
        with own.write() as session:
            sweep(session, SITE, at)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_sweeps_at_the_same_time_do_it_once(database):
    _, bob, cy, _ = add_places(database)
    ask(database)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: look(database, DUE), range(8)))
    assert count_letters(database, bob, GONE) == count_letters(database, cy, ASKED) == 1


def test_winners_are_asked_once_the_board_stands(database):
    *_, dee = add_places(database)
    with pytest.raises(Refused, match=r"^phase final ends at 2026-05-30"):
        ask(database, END - MS)
    with database.write() as session:
        one = session.scalars(select(Submission).where(Submission.person_id == dee.id)).one()
        one.state = State.RUNNING
    with pytest.raises(Refused, match="1 submissions of phase final are not scored yet"):
        ask(database)
    with database.write() as session:
        session.execute(update(Submission).values(state=State.SCORED))
    ask(database)
    with pytest.raises(Refused, match="asked already"):
        ask(database)


def test_nobody_to_ask_is_said(database):
    with pytest.raises(Refused, match="nobody has a place"):
        ask(database)
    with pytest.raises(Refused, match="wants no winners"):
        ask(database, site=make_final(winners=0))
    # What was refused was not done.
    add_places(database)
    ask(database)


def place(rank: int, team: str) -> Place:
    return Place(rank, Row(team, f"of {team}", END, 0.5), 1)


def test_all_who_share_a_winners_rank_are_asked():
    places = [place(1, "a"), place(2, "b"), place(2, "c"), place(4, "d")]
    assert [one.row.team for one in find_to_ask(places, {"a"}, 2)] == ["b", "c"]
    assert [one.row.team for one in find_to_ask(places, set(), 3)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("reply_by", "at", "promoted", "due"),
    [
        (None, "2026-06-01T00:00Z", False, "2026-06-08T00:00Z"),
        ("2026-06-04T00:00Z", "2026-06-01T00:00Z", False, "2026-06-04T00:00Z"),
        ("2026-06-04T00:00Z", "2026-06-01T00:00Z", True, "2026-06-08T00:00Z"),
        ("2026-06-20T00:00Z", "2026-06-01T00:00Z", True, "2026-06-20T00:00Z"),
        ("2026-05-30T00:00Z", "2026-06-01T00:00Z", False, "2026-06-08T00:00Z"),
        # Over the night in which clocks in Berlin are turned back, seven days are 168 hours.
        (None, "2026-10-23T00:00+02:00", False, "2026-10-29T23:00+01:00"),
    ],
)
def test_deadlines(reply_by, at, promoted, due):
    rule = Replication.model_validate({"reply_by": reply_by})
    assert find_deadline(rule, datetime.fromisoformat(at), promoted=promoted) == datetime.fromisoformat(due)


def test_times_of_reminders_that_had_passed_before_are_passed_over(database):
    ada, *_ = add_places(database, (0.9,))
    site = make_final(reply_by=END + 2 * DAY)
    ask(database, site=site)
    assert look(database, END + MS, site) == ["Ada: asked"]
    assert look(database, END + DAY, site) == ["Ada: reminded"]
    assert count_letters(database, ada, REMINDER) == 1


def test_what_is_complete_when_time_is_over_counts_though_nobody_handed_it_over(database):
    ada, bob, *_ = add_places(database)
    ask(database)
    send_both(database, ada, DUE - MS)
    send(database, bob, FileKind.IMAGE, DUE - MS, "3" * 64)
    assert look(database, DUE) == ["Ada: delivered", "Bob: not delivered", "Cy: asked"]


def test_a_file_that_began_in_time_is_waited_for_but_not_for_ever(database):
    ada, bob, *_ = add_places(database)
    ask(database)
    for person in (ada, bob):
        send(database, person, FileKind.IMAGE, DUE - MS, "1" * 64)
        send(database, person, FileKind.WEIGHTS, DUE - MS, "2" * 64, ended=False)
    assert look(database, DUE + ARRIVES - MS) == ["Ada: asked", "Bob: asked"]
    with database.write() as session:
        upload = session.scalars(select(Upload).where(Upload.person_id == ada.id, Upload.ended_at.is_(None))).one()
        upload.ended_at = DUE + DAY
        attach(session, upload, DUE + DAY)
    assert look(database, DUE + ARRIVES) == ["Ada: delivered", "Bob: not delivered", "Cy: asked"]


def test_a_file_that_begins_late_or_of_another_team_is_refused(database):
    ada, _, _, dee = add_places(database)
    ask(database)
    with pytest.raises(Refused, match="had to begin to come before 2026-06-06"):
        send(database, ada, FileKind.IMAGE, DUE, "1" * 64)
    with database.write() as session, pytest.raises(Refused, match="was not asked for a container"):
        judge(session, session.scalars(select(Upload.team_id).where(Upload.person_id == dee.id)).first(), END)
    send_both(database, ada, END)
    with database.write() as session:
        hand_over(session, SITE, ada.id, END)
    with pytest.raises(Refused, match="is delivered: ask the organisers"):
        send(database, ada, FileKind.IMAGE, END, "3" * 64)


def test_what_a_team_lacks_keeps_it_from_handing_over(database):
    ada, *_ = add_places(database)
    ask(database)
    send_both(database, ada, END)
    strict = make_final()
    strict = type(strict)(make_contest(phases=strict.contest.phases, replication={"winners": 2}), strict.address)
    with pytest.raises(Refused, match="the method is not described"), database.write() as session:
        hand_over(session, strict, ada.id, END)
    with database.read() as session:
        one = session.scalars(select(Delivery).where(Delivery.place == 1)).one()
        assert find_gaps(one, strict, END) == ["the method is not described: write or attach a description"]


def test_who_declines_is_followed_at_once(database):
    ada, bob, cy, _ = add_places(database)
    ask(database)
    with database.write() as session:
        decline(session, SITE, bob.id, END)
    assert look(database, END + MS) == ["Ada: asked", "Bob: declined", "Cy: asked"]
    with pytest.raises(Refused, match="is declined"), database.write() as session:
        decline(session, SITE, bob.id, END)
    with database.write() as session:
        team = session.scalars(select(Delivery).where(Delivery.place == 1)).one().team
        team.contact_id = cy.id
    with pytest.raises(NotAllowed), database.write() as session:
        decline(session, SITE, ada.id, END)


def test_organisers_take_a_team_out_and_ask_it_again(database):
    _, bob, *_ = add_places(database)
    ask(database)
    with database.read() as session:
        one = session.scalars(select(Delivery).where(Delivery.place == 2)).one().id
    for wrong in ("", "x" * 201):
        with pytest.raises((Refused, BadOption)), database.write() as session:
            drop_by_hand(session, SITE, one, wrong, END, OLGA)
    with database.write() as session:
        drop_by_hand(session, SITE, one, "they said so by telephone", END, OLGA)
    assert look(database, END) == ["Ada: asked", "Bob: not delivered", "Cy: asked"]
    with pytest.raises(Refused, match="has passed"), database.write() as session:
        move_deadline(session, SITE, one, END, END, OLGA)
    with pytest.raises(NotFound), database.write() as session:
        move_deadline(session, SITE, "none", DUE, END, OLGA)
    with database.write() as session:
        move_deadline(session, SITE, one, END + 20 * DAY, END, OLGA)
    assert look(database, END + 17 * DAY) == ["Ada: not delivered", "Bob: reminded", "Cy: not delivered", "Dee: asked"]
    assert ranks(database) == ["1 Team Bob", "2 Team Dee"]
    assert count_letters(database, bob, ASKED) == 2


def test_who_moves_up_because_a_submission_is_hidden_is_asked_and_who_comes_back_keeps_its_state(database):
    add_places(database)
    ask(database)
    with database.read() as session:
        first = session.scalars(select(Delivery).where(Delivery.place == 1)).one().submission_id
    with database.write() as session:
        hide(session, first, END, OLGA)
    assert look(database, END) == ["Ada: asked", "Bob: asked", "Cy: asked"]
    with database.write() as session:
        unhide(session, first, END, OLGA)
    assert look(database, END) == ["Ada: asked", "Bob: asked", "Cy: asked"]
    assert ranks(database)[0] == "1 Team Ada"


def test_letters_name_nobody_in_subjects_and_tell_the_time_in_utc(database):
    ada, *_ = add_places(database)
    ask(database)
    letter = read_letters(database, ada.email)[-1]
    assert "Ada" not in letter.subject
    assert "rank 1" in letter.body
    assert "before 2026-06-06 12:00 UTC" in letter.body


def test_uploads_of_an_older_host_keep_what_they_are(address):
    engine = open_database(address)
    migrate(engine, "0001")
    with engine.begin() as connection:
        people = "INSERT INTO people (id, email, name, affiliation, password, organises, created_at) "
        connection.execute(text(people + "VALUES ('p', 'a@b.org', 'Ada', '', '', false, 0)"))
        teams = "INSERT INTO teams (id, name, folded, track, contact_id, method, document, document_name, created_at) "
        connection.execute(text(teams + "VALUES ('t', 'T', 't', '', 'p', '', '', '', 0)"))
        uploads = "INSERT INTO uploads (id, team_id, person_id, phase, name, size, sha256, received, started_at) "
        for one, phase in (("a", "final"), ("d", "")):
            connection.execute(text(uploads + f"VALUES ('{one}', 't', 'p', '{phase}', 'x', 1, 's', 0, 0)"))
    engine.dispose()
    database = open_store(address)
    with database.read() as session:
        kinds = {one.id: one.kind for one in session.scalars(select(Upload))}
    database.engine.dispose()
    assert kinds == {"a": FileKind.ANSWER, "d": FileKind.DOCUMENT}
