"""Databases for tests: SQLite, and a PostgreSQL cluster of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from overtrace.host.database import Database
from overtrace.host.schema import open_store
from overtrace.host.tables import Person
from tests.support.containers import make_base
from tests.support.postgres import Cluster, start_cluster
from tests.support.web import Served


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """PostgreSQL in a temporary folder, reached by a socket there."""
    cluster = start_cluster()
    yield cluster
    cluster.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/contest.db"
        return
    cluster = request.getfixturevalue("cluster")
    name = cluster.create()
    yield cluster.address(name)
    cluster.drop(name)


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    """A database at the newest schema."""
    database = open_store(address)
    yield database
    database.engine.dispose()


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    """The layer that container images of tests share."""
    return make_base(tmp_path_factory.mktemp("base") / "base.tar")


@pytest.fixture(scope="module")
def ada(host: Served) -> Person:
    """Someone with a team, in a host of the module."""
    person = host.add_person("Ada")
    host.add_team("Engines", person)
    return person
