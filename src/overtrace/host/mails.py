"""Letters: written in the transaction that they tell of, and sent afterwards, each at least once.

Whoever sends a letter first puts off its next attempt; if they die, it is sent when that time has come.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from overtrace.host.database import Database, now
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.letters import Letter
from overtrace.host.senders import Sender, SendFailed
from overtrace.host.tables import Mail

FIRST_PAUSE = timedelta(minutes=1)
"""After the first attempt that failed; twice as long after each further one."""
LONGEST_PAUSE = timedelta(hours=4)
MOST_ATTEMPTS = 20
"""Over more than two days."""
MOST_SENDING = timedelta(minutes=5)
"""Longer than a sender takes for one letter: later, it is taken for dead."""
MOST_ERROR = 300

logger = logging.getLogger(__name__)


def post(session: Session, to: str, letter: Letter, at: datetime) -> None:
    """Write a letter that is sent if, and only if, the transaction is kept."""
    mail = Mail(id=new_id(at), to=to, subject=letter.subject, body=letter.body, created_at=at, next_at=at, attempts=0)
    session.add(mail)


def send_due(database: Database, sender: Sender, at: datetime) -> None:
    """Send the letters that are due, the oldest first."""
    while send_next(database, sender, at):
        pass


def send_next(database: Database, sender: Sender, at: datetime) -> bool:
    """Send the oldest letter that is due, or put it off if that fails.

    Returns:
        Whether there was one.
    """
    with database.read() as session:
        mail_id = session.scalar(select(Mail.id).where(*_is_due(at)).order_by(Mail.id).limit(1))
    if mail_id is None:
        return False
    mail = _claim(database, mail_id, at)
    if mail is not None:
        _send(database, sender, mail, at)
    return True


def keep_sending(
    database: Database, sender: Sender, stop: threading.Event, clock: Callable[[], datetime] = now, pause_s: float = 2.0
) -> None:
    """Send what is due until told to stop; a failure of the database or the sender ends one round only."""
    while not stop.is_set():
        try:
            while not stop.is_set() and send_next(database, sender, clock()):
                pass
        except Exception:
            logger.exception("letters could not be sent: they are tried again")
        stop.wait(pause_s)


def _is_due(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Mail.sent_at.is_(None), Mail.failed_at.is_(None), Mail.next_at <= at)


def _claim(database: Database, mail_id: str, at: datetime) -> Mail | None:
    # Of several who would send it now, one finds it due.
    claim = update(Mail).where(Mail.id == mail_id, *_is_due(at))
    claim = claim.values(next_at=at + MOST_SENDING, attempts=Mail.attempts + 1)
    with database.write() as session:
        claimed = session.scalar(claim.returning(Mail.id))
        return None if claimed is None else session.get_one(Mail, claimed)


def _send(database: Database, sender: Sender, mail: Mail, at: datetime) -> None:
    try:
        sender.send(mail)
    except SendFailed as failure:
        _note_failure(database, mail, failure, at)
        return
    except Exception as error:
        # One letter that cannot even be written keeps no other one from being sent.
        _note_failure(database, mail, SendFailed(repr(error)), at)
        return
    with database.write() as session:
        session.execute(update(Mail).where(Mail.id == mail.id).values(sent_at=at, body="", error=""))


def _note_failure(database: Database, mail: Mail, failure: SendFailed, at: datetime) -> None:
    with database.write() as session:
        failed = session.get_one(Mail, mail.id)
        failed.error = str(failure)[:MOST_ERROR]
        if failure.for_good or failed.attempts >= MOST_ATTEMPTS:
            failed.failed_at = at
            # The answer of a mail server may hold the address: it stays in the letter's own row.
            record(session, "host", "mail.failed", f"mail:{mail.id}", at, attempts=failed.attempts)
            logger.error("letter %s cannot be sent: %s", mail.id, failed.error)
        else:
            failed.next_at = at + min(FIRST_PAUSE * 2 ** (failed.attempts - 1), LONGEST_PAUSE)
