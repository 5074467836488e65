"""Letters: each is sent at least once, whatever fails."""

import io
import threading
from dataclasses import dataclass, field
from functools import partial

import pytest
from sqlalchemy import select

from overtrace.host.database import Database
from overtrace.host.letters import Letter
from overtrace.host.mails import MOST_ATTEMPTS, MOST_SENDING, keep_sending, post, send_due, send_next
from overtrace.host.senders import Console, SendFailed, open_sender
from overtrace.host.tables import Mail
from tests.support.people import AT, after, read_log
from tests.support.races import race
from tests.support.smtp_server import MailServer, run_mail_server


@dataclass
class Recorder:
    """A sender into a list, which fails as often as it is told."""

    failures: list[Exception] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def send(self, mail: Mail) -> None:
        """Keep the subject."""
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(mail.subject)


def write(database: Database, *subjects: str) -> None:
    for number, subject in enumerate(subjects):
        with database.write() as session:
            post(session, "ada@example.org", Letter(subject, "secret code"), after(seconds=number - len(subjects)))


def read(database: Database) -> list[Mail]:
    with database.read() as session:
        return list(session.scalars(select(Mail).order_by(Mail.id)))


def test_letters_are_sent_once_the_oldest_first(database):
    write(database, "one", "two", "three")
    recorder = Recorder()
    send_due(database, recorder, AT)
    send_due(database, recorder, after(days=9))
    assert recorder.sent == ["one", "two", "three"]
    assert [letter.sent_at for letter in read(database)] == [AT] * 3


def test_a_letter_of_a_transaction_that_is_undone_is_never_sent(database):
    with database.write() as session:
        undone = session.begin_nested()
        post(session, "ada@example.org", Letter("one", "text"), AT)
        session.flush()
        undone.rollback()
    assert not send_next(database, Recorder(), AT)


def test_the_text_of_a_letter_is_kept_no_longer_than_it_is_needed(database):
    write(database, "one")
    recorder = Recorder([SendFailed("later")])
    send_due(database, recorder, AT)
    assert read(database)[0].body == "secret code"
    send_due(database, recorder, after(minutes=1))
    assert read(database)[0].body == ""


def test_a_failure_puts_a_letter_off_twice_as_long_each_time(database):
    write(database, "one")
    recorder = Recorder([SendFailed("no")] * 99)
    pauses, at = [], AT
    for _ in range(MOST_ATTEMPTS - 1):
        send_due(database, recorder, at)
        pauses.append((read(database)[0].next_at - at).total_seconds() / 60)
        at = read(database)[0].next_at
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128] + [240] * 11
    assert sum(pauses) > 48 * 60


def test_a_letter_that_fails_for_good_is_named_in_the_log(database):
    write(database, "one", "two")
    send_due(database, Recorder([SendFailed("550 no such user ada@example.org", for_good=True)]), AT)
    first, second = read(database)
    assert (first.failed_at, first.error, second.sent_at) == (AT, "550 no such user ada@example.org", AT)
    assert [(event.subject, event.details) for event in read_log(database, "mail.failed")] == [
        (f"mail:{first.id}", {"attempts": 1})
    ]


def test_a_letter_is_given_up_after_its_last_attempt_and_named_in_the_log(database):
    write(database, "one")
    recorder = Recorder([SendFailed("no")] * 99)
    for hours in range(0, MOST_ATTEMPTS * 4, 4):
        assert read(database)[0].failed_at is None
        send_due(database, recorder, after(hours=hours))
    assert read(database)[0].failed_at is not None
    assert len(read_log(database, "mail.failed")) == 1
    assert not send_next(database, recorder, after(days=99))


def test_a_letter_that_cannot_even_be_written_keeps_no_other_one(database):
    write(database, "one", "two")
    recorder = Recorder([UnicodeEncodeError("ascii", "ä", 0, 1, "no")])
    send_due(database, recorder, AT)
    assert recorder.sent == ["two"]
    assert "UnicodeEncodeError" in read(database)[0].error


def test_a_letter_whose_sender_dies_is_sent_by_the_next_one(database):
    write(database, "one")
    with pytest.raises(SystemExit):
        send_due(database, Recorder([SystemExit()]), AT)
    recorder = Recorder()
    send_due(database, recorder, AT + MOST_SENDING / 2)
    assert recorder.sent == []
    send_due(database, recorder, AT + MOST_SENDING)
    assert recorder.sent == ["one"]


def test_many_who_send_at_once_send_each_letter_once(database):
    write(database, *map(str, range(12)))
    recorder = Recorder()
    race(*[partial(send_due, database, recorder, AT)] * 6)
    assert sorted(recorder.sent, key=int) == list(map(str, range(12)))


def test_letters_wait_for_a_mail_server_that_is_down(database):
    """It answers, falls silent, and comes back: nothing is lost, and nothing is sent twice."""
    write(database, "one", "two")
    with run_mail_server(MailServer(answers={"END": ["451 disk full"]})) as server:
        sender = open_sender(f"smtp://127.0.0.1:{server.port}", "host@example.org")
        send_due(database, sender, AT)
    write(database, "three")
    send_due(database, sender, AT)
    with run_mail_server(MailServer(port=server.port)) as back:
        send_due(database, sender, after(minutes=1))
    assert [letter["Subject"] for letter in server.letters + back.letters] == ["two", "one", "three"]


def test_sending_goes_on_until_it_is_told_to_stop(database):
    write(database, "one")
    stop, stream = threading.Event(), io.StringIO()
    thread = threading.Thread(
        target=keep_sending, args=(database, Console(stream, "host@example.org"), stop, lambda: AT, 0.01)
    )
    thread.start()
    write(database, "two")
    for _ in range(500):
        if stream.getvalue().count("--- letter") == 2:
            break
        threading.Event().wait(0.01)
    stop.set()
    thread.join()
    assert ("one" in stream.getvalue(), "two" in stream.getvalue()) == (True, True)
