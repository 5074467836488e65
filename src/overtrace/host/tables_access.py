"""What a host keeps of who may come in: sessions in browsers, tokens of programs, codes in letters."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from overtrace.host.table_base import Base
from overtrace.host.tables import Person


class Visit(Base):
    """A session in a browser."""

    __tablename__ = "visits"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the cookie."""
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship()


class Token(Base):
    """What a program shows in the place of a password."""

    __tablename__ = "tokens"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the token."""
    id: Mapped[str] = mapped_column(String(26), unique=True)
    person_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"), index=True)
    """None: of a worker."""
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[list[Any]]
    """Of ``read``, ``submit``, ``work``."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    person: Mapped[Person | None] = relationship()


class Code(Base):
    """What is sent by e-mail to be shown once: to confirm an address or a new one, to set a password anew."""

    __tablename__ = "codes"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(16))
    """``confirm``, ``password`` or ``email``."""
    email: Mapped[str] = mapped_column(String(254))
    """Where it was sent, which it proves to be theirs."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship()
