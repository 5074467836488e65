"""What a host keeps of a contest: one class a table, the same on SQLite and PostgreSQL.

Times are UTC, in whole microseconds. Nothing is ever deleted: what is taken back carries the time at which it was.
Whatever may change by itself in two processes at once is a column that is changed by one ``UPDATE`` with a ``WHERE``.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from overtrace.host.table_base import Base, states_of


class State(StrEnum):
    """Of a submission; the last four are final, and each submission ends in exactly one of them."""

    QUEUED = "queued"
    RUNNING = "running"
    SCORED = "scored"
    REJECTED = "rejected"
    """The answer has faults: the team's to mend; costs no try."""
    FAILED = "failed"
    """The host could not score it: costs no try."""
    CANCELLED = "cancelled"
    """By the team, before it ran; costs no try."""


FINAL = frozenset({State.SCORED, State.REJECTED, State.FAILED, State.CANCELLED})


class FileKind(StrEnum):
    """Of what is uploaded."""

    ANSWER = "answer"
    DOCUMENT = "document"
    """That describes a method."""
    IMAGE = "image"
    """Of a container, as a winner delivers it."""
    WEIGHTS = "weights"
    """Of its model."""


class JobState(StrEnum):
    """Of a job."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    GIVEN_UP = "given up"


class Fact(Base):
    """One thing that a host knows of itself, such as the key that it signs with or the digest of its contest."""

    __tablename__ = "facts"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[dict[str, Any]]


class Person(Base):
    """Someone with an account."""

    __tablename__ = "people"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """In lower case."""
    name: Mapped[str] = mapped_column(String(100))
    affiliation: Mapped[str] = mapped_column(String(200), default="")
    password: Mapped[str] = mapped_column(String(200), default="")
    """Argon2's own text; empty where an OpenID provider vouches."""
    openid: Mapped[str | None] = mapped_column(String(300), unique=True)
    """Issuer and subject."""
    organises: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """When the e-mail address was."""
    erased_at: Mapped[datetime | None]


class Mail(Base):
    """A letter, written in the transaction that it tells of and sent afterwards."""

    __tablename__ = "mails"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    to: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str]
    """Empty once it is sent, for it may hold a code."""
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None] = mapped_column(index=True)
    failed_at: Mapped[datetime | None]
    """For good."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    error: Mapped[str] = mapped_column(String(300), default="")


class Team(Base):
    """Who submits."""

    __tablename__ = "teams"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    folded: Mapped[str] = mapped_column(String(200), unique=True)
    """The name as it is compared: NFKC, case-folded, without blanks."""
    track: Mapped[str] = mapped_column(String(64), default="")
    contact_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    method: Mapped[str] = mapped_column(default="")
    """Markdown."""
    document: Mapped[str] = mapped_column(String(64), default="")
    """SHA-256 of the attached description; empty for none."""
    document_name: Mapped[str] = mapped_column(String(200), default="")
    declared_at: Mapped[datetime | None]
    """When the team said that its declarations are complete, if only that there are none."""
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    disqualified_at: Mapped[datetime | None]
    """By an organiser; may be undone."""
    disqualified_why: Mapped[str] = mapped_column(String(300), default="")
    """For everyone."""
    contact: Mapped[Person] = relationship()
    members: Mapped[list["Member"]] = relationship(back_populates="team", order_by="Member.position")
    declarations: Mapped[list["Declaration"]] = relationship(order_by="Declaration.id")


PRESENT = text("left_at IS NULL")


class Member(Base):
    """Someone's place in a team, in order of contribution."""

    __tablename__ = "members"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    position: Mapped[int]
    """From 1."""
    joined_at: Mapped[datetime]
    agreed_at: Mapped[datetime | None]
    """When they confirmed the order that stands; None after each change of it."""
    left_at: Mapped[datetime | None]
    team: Mapped[Team] = relationship(back_populates="members")
    person: Mapped[Person] = relationship()

    # One team a person at a time.
    __table_args__ = (Index("one_team", "person_id", unique=True, sqlite_where=PRESENT, postgresql_where=PRESENT),)


class Invitation(Base):
    """A place in a team that is offered by e-mail."""

    __tablename__ = "invitations"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the code in the letter."""
    id: Mapped[str] = mapped_column(String(26), unique=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), index=True)
    email: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    team: Mapped[Team] = relationship()


class Declaration(Base):
    """Something that a team did not make in the contest: a pretrained model, other data."""

    __tablename__ = "declarations"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    """``model`` or ``data``."""
    name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(500))
    licence: Mapped[str] = mapped_column(String(100))
    sha256: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class Upload(Base):
    """A file on its way here, in parts that may come after each other over days."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    kind: Mapped[FileKind] = mapped_column(states_of(FileKind), default=FileKind.ANSWER)
    phase: Mapped[str] = mapped_column(String(64))
    """Of an answer; empty for other files."""
    name: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes that are safe on the disk."""
    started_at: Mapped[datetime]
    """When name, size and SHA-256 came, or the first bytes of a form: what deadlines go by. Later bytes can only be
    those of that file."""
    ended_at: Mapped[datetime | None]
    """Complete, or given up."""


class Submission(Base):
    """An answer that was accepted: from here on it is never lost."""

    __tablename__ = "submissions"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
    """Of the team, from 1: what people call it."""
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"), unique=True)
    """One upload becomes one submission, however often it is asked for."""
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    phase: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    note: Mapped[str] = mapped_column(String(300), default="")
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime]
    """When its upload began."""
    accepted_at: Mapped[datetime]
    state: Mapped[State] = mapped_column(states_of(State))
    charged: Mapped[bool]
    """Whether it costs a try."""
    reason: Mapped[str] = mapped_column(String(300), default="")
    """In words: why it costs a try or does not, and what became of it."""
    faults: Mapped[list[Any]] = mapped_column(default=list)
    """Of a rejected one: file, where, found, wanted."""
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    sheet: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """SHA-256 of the pictures of its errors; empty for none."""
    chosen_at: Mapped[datetime | None]
    """By the team, for the board that goes by choice; the last choice of a phase counts."""
    hidden_at: Mapped[datetime | None]
    """By an organiser; may be undone."""
    team: Mapped[Team] = relationship()
    person: Mapped[Person] = relationship()
    scores: Mapped[list["Score"]] = relationship(order_by="Score.board")

    __table_args__ = (
        UniqueConstraint("team_id", "number"),
        Index("submissions_of", "team_id", "phase", "received_at"),
        Index("submissions_in", "phase", "state"),
    )


class Score(Base):
    """What a submission is worth on one board."""

    __tablename__ = "scores"
    submission_id: Mapped[str] = mapped_column(ForeignKey("submissions.id"), primary_key=True)
    board: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[float]
    columns: Mapped[dict[str, Any]]
    """The parts that the board shows: data sets, cities, pixel accuracy and mean IoU."""
    verdict: Mapped[dict[str, Any]]
    """All that the scorer said, without numbers of single images."""
    interval: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Its ends, and how it was drawn; None where it cannot be told."""
    draws: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """SHA-256 of the score on drawn images, by which it is compared with others; empty where there is no interval."""
    scorer: Mapped[str] = mapped_column(String(64))
    """Name and version."""
    truth: Mapped[str] = mapped_column(String(64))
    """SHA-256 of what it was scored against."""
    made_at: Mapped[datetime]


class Tie(Base):
    """The ranks that the teams of a board may have, as they were last compared beside the pages."""

    __tablename__ = "ties"
    phase: Mapped[str] = mapped_column(String(64), primary_key=True)
    board: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the scores that were compared: for others it says nothing."""
    ranks: Mapped[dict[str, Any]]
    """Best and worst, by submission."""
    revision: Mapped[int]
    """Grows with each change."""


CURRENT = text("current")
FIRST = text("scoring_id IS NULL")


class Scoring(Base):
    """Truth, rule and scorer that the answers of a phase are scored by. Its boards show the results of one alone."""

    __tablename__ = "scorings"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    phase: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]
    """Of the phase, from 1."""
    scorer: Mapped[str] = mapped_column(String(64))
    """Name, version and digest of its code."""
    truth: Mapped[str] = mapped_column(String(64))
    """SHA-256 of truth, lists and rule."""
    current: Mapped[bool] = mapped_column(default=False)
    """Whether boards show it."""
    made_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    """When all submissions of the phase were to be scored by it."""
    applied_at: Mapped[datetime | None]
    """Since when boards show it, or when they last began to."""
    left_at: Mapped[datetime | None]
    """When they last began to show another one."""

    __table_args__ = (
        UniqueConstraint("phase", "number"),
        Index("one_current", "phase", unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT),
    )


class Shelved(Base):
    """What a submission came to by a scoring that boards do not show."""

    __tablename__ = "shelved"
    scoring_id: Mapped[str] = mapped_column(ForeignKey("scorings.id"), primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submissions.id"), primary_key=True)
    outcome: Mapped[dict[str, Any]]
    """As the scorer said it; empty for what has been on boards."""
    rows: Mapped[dict[str, Any]]
    """Of the tables that hold results, by table, as they were on boards; empty for what never was."""
    made_at: Mapped[datetime]


class Job(Base):
    """Work that is to be done once, by whoever claims it."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submissions.id"))
    scoring_id: Mapped[str | None] = mapped_column(ForeignKey("scorings.id"))
    """Of what is scored once more; None for the first time."""
    state: Mapped[JobState] = mapped_column(states_of(JobState))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """Not before: later after each attempt that was lost."""
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str] = mapped_column(String(100), default="")
    lease: Mapped[str] = mapped_column(String(26), default="")
    """Changes with each claim: whoever comes with another one comes too late."""
    lease_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(String(2000), default="")
    """For the organiser."""
    submission: Mapped[Submission] = relationship()

    __table_args__ = (
        Index("jobs_due", "state", "due_at"),
        UniqueConstraint("submission_id", "scoring_id"),
        Index("one_job", "submission_id", unique=True, sqlite_where=FIRST, postgresql_where=FIRST),
    )


class Event(Base):
    """Something that a team, an organiser or the host did: a line of the log, which only grows."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    """Its number: one more than that of the line before."""
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(40))
    """``person:ID``, ``worker:NAME`` or ``host``."""
    action: Mapped[str] = mapped_column(String(64))
    """Such as ``submission.accepted``."""
    subject: Mapped[str] = mapped_column(String(64))
    """Such as ``submission:ID``."""
    details: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the line and of the digest before it (``events.digest_line``)."""

    __table_args__ = (Index("events_of", "subject", "id"),)
