"""A PostgreSQL cluster in a temporary folder, for as long as the tests run."""

import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=150"
"""Nobody cuts the power of a test."""


@dataclass(frozen=True)
class Cluster:
    """One that runs."""

    folder: Path
    programs: Path

    def address(self, name: str) -> str:
        """Of a database."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def create(self) -> str:
        """A new database."""
        name = f"test_{secrets.token_hex(6)}"
        self._execute(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Whoever is still connected."""
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def cut(self, name: str) -> int:
        """End every connection to a database, as a network or an operator might; how many there were."""
        with psycopg.connect(f"host={self.folder} user=postgres", autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            return len(rows.fetchall())

    def stop(self) -> None:
        """End it, and remove what it kept."""
        run_as_postgres(self.programs / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(f"host={self.folder} user=postgres", autocommit=True) as connection:
            connection.execute(statement)


def start_cluster() -> Cluster:
    """PostgreSQL refuses to run as root: root runs it as the user that Debian's package makes."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        pytest.fail("no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql", pytrace=False)
    programs = found[-1].parent
    # Short: the address of a socket has at most 107 letters.
    folder = Path(tempfile.mkdtemp(prefix="overtrace-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    run_as_postgres(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
    options = f"{SETTINGS} -k {folder}"
    run_as_postgres(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
    return Cluster(folder, programs)


def run_as_postgres(*command: str | Path) -> None:
    """Run a program of PostgreSQL."""
    user = "postgres" if os.geteuid() == 0 else None
    subprocess.run(list(map(str, command)), check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)
