"""Submissions as rows, for tests that do not ask how they came."""

from overtrace.host.database import Database
from overtrace.host.ids import new_id
from overtrace.host.tables import Person, Score, State, Submission, Team, Upload
from tests.support.people import AT, after


def add_submission(
    database: Database, team: Team, person: Person, number: int = 1, name: str = "answer.zip"
) -> Submission:
    """An answer of 12 bytes that waits."""
    sha256 = "5" * 64
    upload = Upload(id=new_id(AT), team_id=team.id, person_id=person.id, phase="final", name=name, size=12)
    upload.sha256, upload.received, upload.started_at, upload.ended_at = sha256, 12, AT, after(seconds=2)
    submission = Submission(id=new_id(AT), number=number, upload_id=upload.id, team_id=team.id, person_id=person.id)
    submission.phase, submission.name, submission.size, submission.sha256 = "final", name, 12, sha256
    submission.received_at, submission.accepted_at = AT, after(seconds=2, microseconds=5)
    submission.state, submission.charged, submission.faults, submission.note = State.QUEUED, True, [], "third try"
    with database.write() as session:
        session.add(upload)
        session.flush()
        session.add(submission)
    return submission


def add_score(database: Database, team: Team, person: Person, value: float) -> str:
    """An answer that is worth so much on the board ``all``; its id."""
    submission = add_submission(database, team, person)
    with database.write() as session:
        session.get_one(Submission, submission.id).state = State.SCORED
        score = Score(submission_id=submission.id, board="all", value=value, columns={}, verdict={}, scorer="test 1")
        score.truth, score.made_at = "0" * 64, AT
        session.add(score)
    return submission.id
