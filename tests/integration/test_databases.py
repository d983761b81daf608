"""The engine on a real PostgreSQL."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, insert, select, text, update

from edoc.database.engine import open_engine, read, write
from edoc.database.errors import DatabaseUnavailableError, RetryableError, RowConflictError, UnsafeDatabaseError
from edoc.database.migrate import is_current
from edoc.database.prepared import Command, Query
from edoc.database.tables import DirectoryVersionRow
from tests.support.database_conformance import DatabaseConformance
from tests.support.servers import PostgresqlServer

pytestmark = pytest.mark.integration


class TestConformance(DatabaseConformance):
    @pytest.fixture
    def url(self, empty_postgresql_url: str) -> str:
        return empty_postgresql_url


@pytest.fixture
def engine(postgresql_url: str) -> Iterator[Engine]:
    engine = open_engine(postgresql_url)
    yield engine
    engine.dispose()


def test_the_copied_database_has_the_tables_of_this_version(engine: Engine) -> None:
    assert is_current(engine)


def test_what_stands_in_a_row_is_in_no_error(engine: Engine) -> None:
    statement = text("INSERT INTO directory_version (id, version) VALUES (4711, 0), (4711, 0)")
    with pytest.raises(RowConflictError) as caught, write(engine) as connection:
        connection.execute(statement)
    assert "duplicate key" in str(caught.value)
    assert "(4711)" not in "".join(traceback.format_exception(caught.value))


def test_the_server_of_the_tests_flushes_what_it_commits(engine: Engine) -> None:
    with read(engine) as connection:
        assert connection.scalar(text("SHOW fsync")) == "on"
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"
        assert connection.scalar(text("SHOW transaction_read_only")) == "on"


def test_a_database_that_acknowledges_before_it_flushes_is_refused(
    postgresql_url: str, postgresql_server: PostgresqlServer
) -> None:
    name = postgresql_url.rpartition("/")[2]
    engine = open_engine(postgresql_url)
    with write(engine) as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    engine.dispose()

    with pytest.raises(UnsafeDatabaseError, match="synchronous_commit=off"):
        open_engine(postgresql_url)


def test_transactions_that_wait_for_each_other_may_try_again(engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(insert(DirectoryVersionRow), [{"id": 8, "version": 0}, {"id": 9, "version": 0}])
    both_hold_one = threading.Barrier(2, timeout=20)
    outcomes: list[str] = []

    def lock(first: int, second: int) -> None:
        try:
            with write(engine) as connection:
                connection.execute(update(DirectoryVersionRow).where(DirectoryVersionRow.id == first).values(version=1))
                both_hold_one.wait()
                connection.execute(
                    update(DirectoryVersionRow).where(DirectoryVersionRow.id == second).values(version=1)
                )
            outcomes.append("done")
        except RetryableError:
            outcomes.append("may try again")

    threads = [threading.Thread(target=lock, args=pair) for pair in ((8, 9), (9, 8))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(outcomes) == ["done", "may try again"]


def test_a_connection_cut_in_the_middle_is_unavailable_and_the_next_works(engine: Engine) -> None:
    def cut_and_insert() -> None:
        with write(engine) as connection:
            victim = connection.scalar(text("SELECT pg_backend_pid()"))
            with write(engine) as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": victim})
            connection.execute(insert(DirectoryVersionRow), {"id": 8, "version": 0})

    with pytest.raises(DatabaseUnavailableError):
        cut_and_insert()

    with read(engine) as connection:
        assert connection.scalars(select(DirectoryVersionRow.id).where(DirectoryVersionRow.id == 8)).all() == []


def test_a_prepared_statement_on_a_cut_connection_is_unavailable_and_the_next_works(engine: Engine) -> None:
    row = {"id": 8, "version": 0}

    def cut_and_insert() -> None:
        with write(engine) as connection:
            victim = connection.scalar(text("SELECT pg_backend_pid()"))
            with write(engine) as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": victim})
            Command(insert(DirectoryVersionRow)).run(connection, [row])

    with pytest.raises(DatabaseUnavailableError):
        cut_and_insert()
    with pytest.raises(DatabaseUnavailableError):
        Query(select(func.pg_terminate_backend(func.pg_backend_pid()).label("ended"))).fetch(engine)

    assert Query(select(DirectoryVersionRow.id).where(DirectoryVersionRow.id == 8)).fetch(engine) == []
    with write(engine) as connection:
        Command(insert(DirectoryVersionRow)).run(connection, [row])
    assert Query(select(DirectoryVersionRow.id).where(DirectoryVersionRow.id == 8)).fetch(engine) == [(8,)]


def test_a_connection_cut_while_it_rested_goes_unnoticed(engine: Engine) -> None:
    with read(engine) as connection:
        victim = connection.scalar(text("SELECT pg_backend_pid()"))
    other = open_engine(engine.url.render_as_string(hide_password=False))
    with write(other) as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": victim})
    other.dispose()

    with read(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailableError):
        open_engine("postgresql+psycopg://nobody:secret@127.0.0.1:1/nothing", connect_timeout=2)


def test_a_wrong_password_is_unavailable_and_not_repeated(postgresql_server: PostgresqlServer) -> None:
    url = f"postgresql+psycopg://postgres:wrong-secret@127.0.0.1:{postgresql_server.port}/postgres"

    with pytest.raises(DatabaseUnavailableError) as caught:
        open_engine(url)

    assert "wrong-secret" not in str(caught.value)
