"""Run by Alembic, on the connection that ``overtrace.host.schema`` hands over."""

from typing import Any, Literal

from alembic import context

from overtrace.host import tables_access, tables_after  # noqa: F401 (their tables are among those of Base)
from overtrace.host.table_base import Base, Instant


def render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Steps stand by themselves, whatever becomes of the classes: a time is the number that is stored."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Instant) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
