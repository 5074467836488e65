import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Timer

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from overtrace.errors import BadOption
from overtrace.host.database import open_database
from overtrace.host.schema import open_store
from overtrace.host.table_base import Base


def find_differences(engine) -> list:
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)


def test_the_steps_make_the_tables(database):
    assert find_differences(database.engine) == []
    assert {*Base.metadata.tables, "alembic_version"} == set(inspect(database.engine).get_table_names())


def test_a_missing_column_would_be_seen(database):
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs DROP COLUMN error"))
    assert [difference[0] for difference in find_differences(database.engine)] == ["add_column"]


def test_a_store_is_opened_again(address):
    open_store(address).engine.dispose()
    assert find_differences(open_store(address).engine) == []


def test_a_newer_schema_is_refused(address):
    with open_store(address).engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadOption, match=r"^--db .* has schema 9999, which a newer overtrace made: update overtrace"):
        open_store(address)


def test_processes_that_start_together_make_one_schema(address):
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(open_store, [address] * 4))
    assert all(find_differences(store.engine) == [] for store in stores)


@pytest.mark.parametrize("wrong", ["mysql://x", "contest.db", "sqlite://", "sqlite:///:memory:"])
def test_another_database_is_refused(wrong):
    with pytest.raises(BadOption, match=r"^--db "):
        open_database(wrong)


@pytest.mark.parametrize("held", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_file_that_another_process_holds_is_waited_for(tmp_path, held):
    other = sqlite3.connect(tmp_path / "contest.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE a (x)")
    other.execute(held)
    timer = Timer(0.5, other.execute, ("ROLLBACK",))
    timer.start()
    with open_database(f"sqlite:///{tmp_path / 'contest.db'}").connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    timer.join()
