from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest
from sqlalchemy import func, select, update

from overtrace.errors import NotFound, Refused
from overtrace.host import jobs, submissions
from overtrace.host.ids import new_id
from overtrace.host.outcome import Mark, Outcome, reject
from overtrace.host.tables import Event, Job, JobState, Member, State, Submission
from tests.support.hosted import END, NOON, START, Host, announce_many, answer, complete_many, make_host

MS = timedelta(milliseconds=1)


@pytest.fixture
def host(database, tmp_path) -> Host:
    return make_host(database, tmp_path, {"per_day": 5, "total": 7, "at_once": 3})


def count(host: Host, *where) -> int:
    with host.database.read() as session:
        return session.scalar(select(func.count()).select_from(Submission).where(*where))


def end(host: Host, submission: str, kind: str = "scored", at: datetime = NOON) -> None:
    """Let a worker come to an end with the submission that waits."""
    marks = (Mark(board="all", value=0.5, columns={"precision": 1}, verdict={}),)
    outcome = reject("2 faults", "mend them") if kind == "rejected" else Outcome(kind=kind, marks=marks, reason="bang")
    with host.database.write() as session:
        claimed = jobs.claim(session, "w", at)
        assert claimed.submission == submission
        assert jobs.finish(session, host.contest, claimed, outcome, at, jobs.Patience(attempts=1))


@pytest.mark.parametrize(
    "limits",
    [{"per_day": 5, "at_once": 100}, {"per_day": None, "total": 5, "at_once": 100}, {"per_day": None, "at_once": 5}],
    ids=["a day", "in total", "at once"],
)
def test_of_50_at_one_time_exactly_5_are_accepted_and_charged(database, address, tmp_path, limits):
    host = make_host(database, tmp_path, limits)
    uploads = announce_many(host, host.add_team("owls"), 50)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        halves = [pool.submit(complete_many, address, tmp_path, limits, part) for part in (uploads[:25], uploads[25:])]
        accepted = [one for half in halves for one in half.result() if one]
    assert len(accepted) == 5
    assert count(host) == count(host, Submission.charged) == count(host, Submission.state == State.QUEUED) == 5
    with database.read() as session:
        assert sorted(session.scalars(select(Submission.number))) == [1, 2, 3, 4, 5]
        assert session.scalar(select(func.count()).select_from(Job)) == 5
        logged = session.scalars(select(Event.subject).where(Event.action == "submission.accepted"))
        assert sorted(logged) == sorted(f"submission:{one}" for one in accepted)


def test_one_upload_that_is_completed_many_times_at_once_is_one_submission(database, address, tmp_path):
    host = make_host(database, tmp_path, {})
    (upload,) = announce_many(host, host.add_team("owls"), 1)
    ids = complete_many(address, tmp_path, {}, [upload] * 10)
    assert len(set(ids)) == 1
    assert count(host) == count(host, Submission.charged) == 1


@pytest.mark.parametrize(
    ("at", "accepted"), [(START - MS, False), (START, True), (END - MS, True), (END, False), (END + MS, False)]
)
def test_a_deadline_counts_to_the_millisecond(host, at, accepted):
    team = host.add_team("owls")
    if accepted:
        assert host.submit(team, at=at).received_at == at
        return
    with pytest.raises(
        Refused,
        match=r"^phase test (begins at 2026-03-01|ended at 2026-06-01)T00:00:00\+00:00, and the time that counts is",
    ):
        host.submit(team, at=at)


def test_what_was_announced_in_time_may_come_later(host):
    upload = host.announce(host.add_team("owls"), answer(1), END - MS)
    host.uploads.append(upload, 0, answer(1))
    assert host.uploads.complete(upload, END + timedelta(days=1)).received_at == END - MS


NIGHTS = {
    # In Berlin clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
    "spring, before": ("2026-03-29T01:59:59+01:00", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
    "spring, after": ("2026-03-29T03:00:00+02:00", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
    "autumn, first": ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    "autumn, second": ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    "leap day": ("2028-02-29T23:59:59-12:00", datetime(2028, 3, 1, 11, 59, 59, tzinfo=UTC)),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_the_offset_of_the_file_decides_in_the_nights_when_clocks_change(database, tmp_path, night):
    said, end_at = NIGHTS[night]
    host = make_host(database, tmp_path)
    (phase,) = host.contest.model_dump(mode="json")["phases"]
    host = make_host(database, tmp_path, phases=[{**phase, "start": "2026-01-01T00:00:00+00:00", "end": said}])
    team = host.add_team("owls")
    assert host.submit(team, at=end_at - MS).state == State.QUEUED
    with pytest.raises(Refused, match="ended"):
        host.submit(team, answer(1), end_at)


def test_a_day_is_that_of_utc_in_which_an_upload_began(database, tmp_path):
    host = make_host(database, tmp_path, {"per_day": 1})
    team = host.add_team("owls")
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    late = host.send(team, answer(1), midnight - MS)
    assert host.submit(team, answer(2), midnight).reason == "try 1 of 1 on 2026-03-03 (UTC)"
    assert host.uploads.complete(late, midnight + MS).reason == "try 1 of 1 on 2026-03-02 (UTC)"
    with pytest.raises(
        Refused, match=r"^all 1 tries of 2026-03-03 \(UTC\) are spent: the next day begins at 00:00 UTC$"
    ):
        host.submit(team, answer(3), midnight + timedelta(hours=23, minutes=59))
    with pytest.raises(Refused, match="2 submissions of yours are not scored yet, of 2 at once: wait for one"):
        host.submit(team, answer(3), midnight + timedelta(days=1))


@pytest.mark.parametrize("kind", ["rejected", "broken"])
def test_a_try_that_is_not_scored_is_given_back(database, tmp_path, kind):
    host = make_host(database, tmp_path, {"per_day": 1, "total": 1})
    team = host.add_team("owls")
    first = host.submit(team, answer(1))
    with pytest.raises(Refused, match="spent"):
        host.submit(team, answer(2))
    end(host, first.id, kind)
    found = host.look(first.id)
    assert (found.charged, found.scores, found.ended_at) == (False, [], NOON)
    assert (
        found.reason
        == {
            "rejected": "rejected, costs no try: 2 faults",
            "broken": "the host could not score it in 1 attempts, costs no try: the organisers see why",
        }[kind]
    )
    assert host.submit(team, answer(2)).number == 2


def test_a_scored_one_counts_and_keeps_its_parts(host):
    sent = host.submit(host.add_team("owls"))
    end(host, sent.id)
    found = host.look(sent.id)
    (score,) = found.scores
    assert (found.state, found.charged, score.board, score.value, score.columns) == (
        State.SCORED,
        True,
        "all",
        0.5,
        {"precision": 1},
    )


def test_the_scores_of_other_boards_are_refused_and_nothing_changes(host):
    sent = host.submit(host.add_team("owls"))
    with host.database.write() as session:
        claimed = jobs.claim(session, "w", NOON)
    wrong = Outcome(kind="scored", marks=(Mark(board="other", value=1, columns={}, verdict={}),))
    with pytest.raises(Refused, match="scored for the boards other: wanted all"), host.database.write() as session:
        jobs.finish(session, host.contest, claimed, wrong, NOON)
    assert host.look(sent.id).state == State.RUNNING


def test_one_that_waits_can_be_cancelled_and_costs_nothing(database, tmp_path):
    host = make_host(database, tmp_path, {"total": 1})
    team = host.add_team("owls")
    sent = host.submit(team)
    with database.write() as session:
        submissions.cancel(session, sent.id, NOON, f"person:{team}")
    found = host.look(sent.id)
    assert (found.state, found.charged) == (State.CANCELLED, False)
    with database.write() as session:
        assert jobs.claim(session, "w", NOON) is None
        assert session.scalars(select(Job.state)).all() == [JobState.DONE]
    assert host.submit(team, answer(2)).charged


def test_one_that_runs_or_has_ended_cannot_be_cancelled(host):
    sent = host.submit(host.add_team("owls"))
    with host.database.write() as session:
        jobs.claim(session, "w", NOON)
    with pytest.raises(Refused, match="is running: only one that waits"), host.database.write() as session:
        submissions.cancel(session, sent.id, NOON, "person:x")
    assert host.look(sent.id).charged


def test_a_withdrawn_team_sends_nothing(host):
    team = host.add_team("owls")
    upload = host.send(team, answer(1))
    with host.database.write() as session:
        submissions.lock_team(session, team).withdrawn_at = NOON
    with pytest.raises(Refused, match="team owls is withdrawn: ask an organiser"):
        host.uploads.complete(upload, NOON)


def test_a_choice_needs_a_score_and_an_open_phase(host):
    sent = host.submit(host.add_team("owls"))
    with pytest.raises(Refused, match="is queued: choose one that is scored"), host.database.write() as session:
        submissions.choose(session, host.contest, sent.id, NOON, "person:x")
    end(host, sent.id)
    with host.database.write() as session:
        submissions.choose(session, host.contest, sent.id, END - MS, "person:x")
    assert host.look(sent.id).chosen_at == END - MS
    with pytest.raises(Refused, match="phase test has ended"), host.database.write() as session:
        submissions.choose(session, host.contest, sent.id, END, "person:x")


def test_what_is_hidden_can_be_shown_again_and_each_step_is_logged(host):
    sent = host.submit(host.add_team("owls"))
    with host.database.write() as session:
        submissions.hide(session, sent.id, NOON, "person:x")
    assert host.look(sent.id).hidden_at == NOON
    with host.database.write() as session:
        submissions.unhide(session, sent.id, NOON, "person:x")
        submissions.annotate(session, sent.id, "with flips", NOON, "person:x")
    with host.database.read() as session:
        said = session.scalars(select(Event.action).where(Event.subject == f"submission:{sent.id}").order_by(Event.id))
        assert list(said) == [f"submission.{action}" for action in ("accepted", "hidden", "shown", "annotated")]
    assert (host.look(sent.id).hidden_at, host.look(sent.id).note) == (None, "with flips")


def test_what_is_not_there_is_named(host):
    with pytest.raises(NotFound, match="there is no submission x"), host.database.write() as session:
        submissions.hide(session, "x", NOON, "person:x")
    with pytest.raises(NotFound, match="there is no upload x"):
        host.uploads.complete("x", NOON)


def join(host: Host, team: str, person: str, at: datetime = NOON) -> None:
    """Let someone be in a team, and in no other one any more."""
    with host.database.write() as session:
        session.execute(update(Member).where(Member.person_id == person).values(left_at=at))
        session.add(Member(id=new_id(at), team_id=team, person_id=person, position=1, joined_at=at))


@pytest.mark.parametrize(
    ("limits", "spent"),
    [
        ({"per_day": 2}, "all 2 tries of 2026-03-02"),
        ({"per_day": None, "total": 2}, "all 2 tries of phase test"),
        ({"at_once": 2}, "2 submissions of yours are not scored yet, of 2 at once"),
    ],
    ids=["a day", "in total", "at once"],
)
def test_a_new_team_is_no_new_tries(database, tmp_path, limits, spent):
    host = make_host(database, tmp_path, {"at_once": 9, **limits})
    owls, larks, others = host.add_team("owls"), host.add_team("larks"), host.add_team("others")
    for number in range(2):
        host.submit(owls, answer(number))
    join(host, larks, owls)
    with pytest.raises(Refused, match=f"^{spent}"):
        host.announce(larks, answer(3))
    with database.write() as session:
        session.execute(update(Member).values(left_at=NOON))
    assert host.submit(larks, answer(3)).state == State.QUEUED
    assert host.submit(others, answer(3)).reason.startswith("try 1")
