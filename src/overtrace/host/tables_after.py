"""What a host keeps of the time after the last phase: what winners deliver and what came of it, and appeals."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from overtrace.host.table_base import Base, states_of
from overtrace.host.tables import Person, Submission, Team


class DeliveryState(StrEnum):
    """Of a delivery; the last five are final, unless an organiser asks again."""

    ASKED = "asked"
    REMINDED = "reminded"
    DELIVERED = "delivered"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    """Run again, it scores the same."""
    WITHIN = "within tolerance"
    FAILED = "failed"
    DECLINED = "declined"
    NOT_DELIVERED = "not delivered"


PENDING = frozenset({DeliveryState.ASKED, DeliveryState.REMINDED})
"""Something is waited for from the team."""
GOOD = frozenset({DeliveryState.VERIFIED, DeliveryState.WITHIN})
DROPPED = frozenset({DeliveryState.FAILED, DeliveryState.DECLINED, DeliveryState.NOT_DELIVERED})
"""The team has no final rank, and the next one moves up."""


class Delivery(Base):
    """What a team among the first places is asked to deliver, once in a contest."""

    __tablename__ = "deliveries"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), unique=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submissions.id"))
    """That stood for it on the board: its scores are what the container has to reach."""
    place: Mapped[int]
    """On the board, when it was asked."""
    promoted: Mapped[bool]
    """Asked because a team before it has dropped out."""
    state: Mapped[DeliveryState] = mapped_column(states_of(DeliveryState))
    reason: Mapped[str] = mapped_column(String(300), default="")
    """In words, for everyone: why it is in this state."""
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """When a file has to have begun to come."""
    reminders: Mapped[int] = mapped_column(default=0)
    """How many of the times for a letter have passed."""
    image: Mapped[str] = mapped_column(String(64), default="")
    """SHA-256; empty until it is here whole."""
    image_name: Mapped[str] = mapped_column(String(200), default="")
    image_size: Mapped[int] = mapped_column(BigInteger, default=0)
    weights: Mapped[str] = mapped_column(String(64), default="")
    """SHA-256, which the team claimed before it sent them."""
    weights_name: Mapped[str] = mapped_column(String(200), default="")
    weights_size: Mapped[int] = mapped_column(BigInteger, default=0)
    delivered_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    verdict: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """All that running it again said, for organisers."""
    log: Mapped[str] = mapped_column(String(64), default="")
    """SHA-256 of what the container wrote; empty for none."""
    run_at: Mapped[datetime | None]
    """Not before: when it waits to be run; None if it does not wait."""
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str] = mapped_column(String(100), default="")
    lease: Mapped[str] = mapped_column(String(26), default="")
    """Changes with each claim: whoever comes with another one comes too late."""
    lease_until: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(String(2000), default="")
    """Why it could not be run, for organisers."""
    team: Mapped[Team] = relationship()
    submission: Mapped[Submission] = relationship()


class AppealState(StrEnum):
    """Of an appeal; all but the first are final."""

    OPEN = "open"
    UPHELD = "upheld"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Effect(StrEnum):
    """Of a decision on the boards."""

    NONE = "none"
    HIDE = "take a submission off the boards"
    SHOW = "put a submission back on the boards"
    DISQUALIFY = "disqualify a team"
    REINSTATE = "take a disqualification back"
    ASK_AGAIN = "ask a team for its container again"


class Appeal(Base):
    """What a team contests: its members and the organisers alone read the thread."""

    __tablename__ = "appeals"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    """From 1: what people call it."""
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    """Who opened it."""
    subject: Mapped[str] = mapped_column(String(100))
    state: Mapped[AppealState] = mapped_column(states_of(AppealState), default=AppealState.OPEN)
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    decision: Mapped[str] = mapped_column(default="")
    """Markdown, for the team."""
    summary: Mapped[str] = mapped_column(default="")
    """Markdown, for everyone."""
    effect: Mapped[Effect] = mapped_column(states_of(Effect, 48), default=Effect.NONE)
    target: Mapped[str] = mapped_column(String(26), default="")
    """Id of the team or the submission that it has an effect on."""
    team: Mapped[Team] = relationship()
    words: Mapped[list["AppealWords"]] = relationship(order_by="AppealWords.number")


class AppealWords(Base):
    """Something that a member or an organiser says in the thread of an appeal."""

    __tablename__ = "appeal_words"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    appeal_id: Mapped[str] = mapped_column(ForeignKey("appeals.id"), index=True)
    number: Mapped[int]
    """From 1."""
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    organises: Mapped[bool]
    """Whether it is said for the organisers."""
    text: Mapped[str]
    """Markdown."""
    said_at: Mapped[datetime]
    person: Mapped[Person] = relationship()

    __table_args__ = (UniqueConstraint("appeal_id", "number"),)
