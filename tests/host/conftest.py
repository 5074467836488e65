"""A database for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from overtrace.host.database import Database, open_database
from overtrace.host.tables import Base


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    engine = open_database(f"sqlite:///{tmp_path / 'host.db'}")
    Base.metadata.create_all(engine)
    yield Database(engine)
    engine.dispose()
