"""What all tables are made of: times, words in the place of enums, names of constraints."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Dialect, Enum, MetaData, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

MICROSECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """A time as whole microseconds since 1970 in UTC: it compares the same way in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect | None) -> int | None:
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        passed = value - EPOCH
        return (passed.days * 86_400 + passed.seconds) * MICROSECOND + passed.microseconds

    def process_result_value(self, value: int | None, dialect: Dialect | None) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        seconds, microseconds = divmod(value, MICROSECOND)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)


def states_of(enum: type[StrEnum], length: int = 16) -> Enum:
    """The column of an enum, kept as the words that people read."""
    return Enum(
        enum, native_enum=False, length=length, values_callable=lambda states: [state.value for state in states]
    )


NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
}
"""Of constraints, so that a later step can say which of them it changes."""


class Base(DeclarativeBase):
    """All tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: Instant, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012
