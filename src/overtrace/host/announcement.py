"""The announcement: ranks, teams, their members in order, prizes; drawn up from a board, published at one moment.

What is published is kept as it was read out: a board or an account that changes later changes nothing in it. Of those
who are erased later it keeps a pseudonym.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from overtrace.errors import BadOption, Refused
from overtrace.host.contest import Award, Contest, Phase
from overtrace.host.dossiers import find_lacks
from overtrace.host.events import record
from overtrace.host.markdown import find_title
from overtrace.host.names import clean_line
from overtrace.host.organising import list_teams
from overtrace.host.public import name_board
from overtrace.host.removals import read_deliveries
from overtrace.host.standings import Standing, find_board, is_shown, read_released, read_standing
from overtrace.host.tables import FINAL, Fact, Member, Person, State, Submission, Team, Upload
from overtrace.host.tables_after import GOOD, DeliveryState
from overtrace.host.teams import find_members

DRAFT = "announcement draft"
PUBLISHED = "announcement"
"""Facts that keep what organisers have prepared, and what everyone sees."""
MOST_LETTERS = 20_000
MOST_HONOURS = 20


class Kept(BaseModel):
    """What a fact keeps."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Honour(Kept):
    """An award beyond the ranks, such as a contribution prize."""

    title: str
    prize: str = ""
    team: str = ""
    """Its id; empty while organisers have not chosen one."""
    reason: str = ""


class Draft(Kept):
    """What organisers prepare."""

    board: str
    """Whose ranks count, as ``PHASE/BOARD``."""
    text: str = ""
    """Markdown."""
    honours: tuple[Honour, ...] = ()


class Named(Kept):
    """A member as they were announced."""

    person: str
    """Their id; empty once they are erased."""
    name: str
    affiliation: str


class Entry(Kept):
    """A team as it was announced."""

    team: str
    """Its id."""
    name: str
    members: tuple[Named, ...]
    """In order of contribution."""
    track: str = ""
    method: str = ""
    """The title of its description; empty where it has none."""
    delivered: bool = True
    """Whether all that was asked of it is there: a valid answer, and nothing that a final rank lacks."""
    rank: int | None = None
    score: float | None = None
    submission: str = ""
    scorer: str = ""
    truth: str = ""
    """SHA-256 of what it was scored against."""
    awards: tuple[str, ...] = ()
    """For its rank."""
    verdict: str = ""
    """What came of its container, such as ``verified``; empty where none was asked for."""


class Announcement(Kept):
    """What everyone sees."""

    phase: str
    phase_title: str
    board: str
    board_title: str
    text: str
    places: int
    """How many ranks are shown in full."""
    entries: tuple[Entry, ...]
    """By rank; those without one by name."""
    honours: tuple[Honour, ...]
    published_at: datetime
    corrected_at: datetime | None = None

    @property
    def ranked(self) -> list[Entry]:
        """Those with a final rank."""
        return [entry for entry in self.entries if entry.rank is not None]

    @property
    def unranked(self) -> list[Entry]:
        """Those who delivered what was asked, but have no rank."""
        return [entry for entry in self.entries if entry.rank is None and entry.delivered]

    @property
    def names(self) -> dict[str, str]:
        """Of the teams by id."""
        return {entry.team: entry.name for entry in self.entries}


def read_draft(session: Session, contest: Contest) -> Draft:
    """What is prepared; where nothing is, what the contest's file and the database say.

    Raises:
        Refused: if the contest has no board.
    """
    final = contest.find_final_board()
    if final is None:
        raise Refused("the contest has no board: there is nothing to announce")
    fact = session.get(Fact, DRAFT)
    if fact is None:
        draft = Draft(board=name_board(final[0].name, final[1].name), text=_write_opening(session, contest, final[0]))
    else:
        draft = Draft.model_validate(fact.value)
    known = {honour.title for honour in draft.honours}
    more = [
        Honour(title=award.title, prize=award.prize)
        for award in contest.awards
        if award.rank is None and award.title not in known
    ]
    return draft.model_copy(update={"honours": (*draft.honours, *more)})


def save_draft(session: Session, contest: Contest, draft: Draft, at: datetime, actor: str) -> None:
    """Keep what organisers prepare.

    Raises:
        NotFound: if there is no such board.
        BadOption: if a text is too long, or an award is of no team that there is.
    """
    find_board(contest, *_split(draft.board))
    if len(draft.text) > MOST_LETTERS or "\0" in draft.text:
        raise BadOption(f"the text has {len(draft.text):,} letters: wanted at most {MOST_LETTERS:,}, as UTF-8")
    if len(draft.honours) > MOST_HONOURS:
        raise BadOption(f"{len(draft.honours)} awards beyond the ranks: wanted at most {MOST_HONOURS}")
    honours = tuple(_clean(session, honour) for honour in draft.honours)
    value = draft.model_copy(update={"honours": honours}).model_dump(mode="json")
    _keep(session, DRAFT, value)
    record(session, actor, "announcement.drafted", "host", at, board=draft.board)


def draw_up(session: Session, contest: Contest, draft: Draft, at: datetime) -> Announcement:
    """The announcement as it would be published now."""
    phase, board = find_board(contest, *_split(draft.board))
    standing = read_standing(session, contest, phase, board, at)
    honours = tuple(honour for honour in draft.honours if honour.team)
    ranked = _rank(contest, standing)
    known = {entry.team for entry in ranked}
    others = [entry for entry in _find_others(session, contest, honours, at) if entry.team not in known]
    states = {one.team_id: one.state for one in read_deliveries(session)}
    return Announcement(
        phase=phase.name,
        phase_title=phase.title,
        board=board.name,
        board_title=board.title,
        text=draft.text,
        places=contest.results.places,
        entries=tuple(_add_verdict(entry, states.get(entry.team)) for entry in (*ranked, *others)),
        honours=honours,
        published_at=at,
    )


def find_left_out(session: Session, contest: Contest, draft: Draft, at: datetime) -> list[tuple[int, Team, list[str]]]:
    """Teams that have a place on the board and no final rank: that place, and what they lack."""
    standing = read_standing(session, contest, *find_board(contest, *_split(draft.board)), at)
    places = [(place.rank, standing.teams[place.row.team]) for place in standing.places]
    return [(rank, team, list(standing.lacks[team.id])) for rank, team in places if standing.lacks[team.id]]


def find_obstacles(session: Session, contest: Contest, draft: Draft, at: datetime) -> list[str]:
    """What has to happen before it can be published, a sentence each."""
    phase, board = find_board(contest, *_split(draft.board))
    obstacles = []
    if at < phase.end:
        obstacles.append(f"{phase.title} ends at {phase.end:%Y-%m-%d %H:%M} UTC: announce after that")
    waiting = select(func.count(Submission.id)).where(Submission.phase == phase.name, Submission.state.not_in(FINAL))
    coming = select(func.count(Upload.id)).where(Upload.phase == phase.name, Upload.ended_at.is_(None))
    if count := session.scalar(waiting):
        obstacles.append(f"{count} submissions of {phase.title} are not scored yet: wait for the queue")
    if count := session.scalar(coming):
        obstacles.append(f"{count} uploads of {phase.title} began in time and still arrive: wait for them")
    if not is_shown(phase, board, read_released(session), at):
        obstacles.append(f"the board {board.title} is not shown to everyone yet: release it first")
    return obstacles


def publish(session: Session, contest: Contest, at: datetime, actor: str) -> Announcement:
    """Let everyone see what is prepared, drawn up now; once more, and it is a correction.

    Raises:
        Refused: if something has to happen first.
    """
    draft = read_draft(session, contest)
    obstacles = find_obstacles(session, contest, draft, at)
    if obstacles:
        raise Refused(obstacles[0])
    made = draw_up(session, contest, draft, at)
    before = read_announcement(session)
    if before is not None:
        made = made.model_copy(update={"published_at": before.published_at, "corrected_at": at})
    _keep(session, PUBLISHED, made.model_dump(mode="json"))
    ranks = {entry.team: entry.rank for entry in made.ranked}
    action = "announcement.published" if before is None else "announcement.corrected"
    record(session, actor, action, "host", at, board=draft.board, ranks=ranks)
    return made


def take_down(session: Session, at: datetime, actor: str) -> None:
    """Show the announcement to nobody until it is published again; what was prepared stays.

    Raises:
        Refused: if there is none.
    """
    if read_announcement(session) is None:
        raise Refused("nothing is announced: there is nothing to take down")
    _keep(session, PUBLISHED, {})
    record(session, actor, "announcement.taken down", "host", at)


def read_announcement(session: Session) -> Announcement | None:
    """What everyone sees; None while there is nothing."""
    fact = session.get(Fact, PUBLISHED)
    return Announcement.model_validate(fact.value) if fact is not None and fact.value else None


def forget(session: Session, person: Person) -> None:
    """Leave a pseudonym of someone in what was announced; and of their team, where its name is one by now."""
    known = read_announcement(session)
    if known is None or all(member.person != person.id for entry in known.entries for member in entry.members):
        return
    entries = tuple(_forget(session, entry, person) for entry in known.entries)
    _keep(session, PUBLISHED, known.model_copy(update={"entries": entries}).model_dump(mode="json"))


def _forget(session: Session, entry: Entry, person: Person) -> Entry:
    if all(member.person != person.id for member in entry.members):
        return entry
    pseudonym = Named(person="", name=person.name, affiliation="")
    members = tuple(pseudonym if member.person == person.id else member for member in entry.members)
    if any(member.person for member in members):
        return entry.model_copy(update={"members": members})
    team = session.get_one(Team, entry.team)
    return entry.model_copy(update={"members": members, "name": team.name, "method": find_title(team.method)})


def _rank(contest: Contest, standing: Standing) -> list[Entry]:
    """Teams that lack nothing, in the order of the board; where one is left out, those below move up."""
    places = [place for place in standing.places if not standing.lacks[place.row.team]]
    entries = []
    for place in places:
        rank = 1 + sum(other.rank < place.rank for other in places)
        facts = {"submission": place.row.submission, "scorer": place.row.scorer, "truth": place.row.truth}
        entry = _describe(standing.teams[place.row.team])
        awards = tuple(show_award(award) for award in contest.awards if award.rank == rank)
        entries.append(entry.model_copy(update={"rank": rank, "score": place.row.value, "awards": awards, **facts}))
    return entries


def _find_others(session: Session, contest: Contest, honours: tuple[Honour, ...], at: datetime) -> list[Entry]:
    """Teams that delivered what was asked, and those that are given an award."""
    valid = select(Submission.team_id).where(Submission.state == State.SCORED, Submission.hidden_at.is_(None))
    scored, honoured = set(session.scalars(valid)), {honour.team for honour in honours}
    found = []
    for team in list_teams(session):
        delivered = team.id in scored and not find_lacks(team, contest, at)
        if delivered or team.id in honoured:
            found.append(_describe(team).model_copy(update={"delivered": delivered}))
    return sorted(found, key=lambda entry: (entry.name.casefold(), entry.team))


def _add_verdict(entry: Entry, state: DeliveryState | None) -> Entry:
    """A team whose container is not good has not delivered what was asked."""
    if state is None:
        return entry
    return entry.model_copy(update={"verdict": state.value, "delivered": entry.delivered and state in GOOD})


def _describe(team: Team) -> Entry:
    members = tuple(
        Named(
            person=member.person_id if member.person.erased_at is None else "",
            name=member.person.name,
            affiliation=member.person.affiliation,
        )
        for member in find_members(team)
    )
    return Entry(team=team.id, name=team.name, members=members, track=team.track, method=find_title(team.method))


def show_award(award: Award | Honour) -> str:
    """In one line."""
    return f"{award.title}: {award.prize}" if award.prize else award.title


def _write_opening(session: Session, contest: Contest, phase: Phase) -> str:
    senders = select(Submission.team_id)
    present = select(func.count(Member.id)).where(Member.left_at.is_(None), Member.team_id.in_(senders))
    people, teams = session.scalar(present), session.scalar(select(func.count(func.distinct(Submission.team_id))))
    sent = session.scalar(select(func.count(Submission.id)))
    return (
        f"{contest.title} closed on {phase.end.day} {phase.end:%B %Y} at {phase.end:%H:%M} UTC. {people:,} people in "
        f"{teams:,} teams sent in {sent:,} answers. Congratulations to all who delivered what was asked!"
    )


def _clean(session: Session, honour: Honour) -> Honour:
    team = session.get(Team, honour.team) if honour.team else None
    if honour.team and (team is None or team.withdrawn_at is not None):
        raise BadOption(f"the award {honour.title[:80]!r} is of a team that is not there: choose one of the list")
    texts = {"title": honour.title, "prize": honour.prize, "reason": honour.reason}
    cleaned = {key: clean_line(text, f"the {key} of an award", 300) for key, text in texts.items()}
    if not cleaned["title"]:
        raise BadOption("an award has no title: write one, such as Contribution prize")
    return honour.model_copy(update=cleaned)


def _split(board: str) -> tuple[str, str]:
    phase, _, name = board.partition("/")
    return phase, name


def _keep(session: Session, name: str, value: dict[str, object]) -> None:
    fact = session.get(Fact, name, with_for_update=True, populate_existing=True)
    if fact is None:
        session.add(Fact(name=name, value=value))
    else:
        fact.value = value
