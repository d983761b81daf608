"""What an engine must do on every database, as one class of tests: each database's test module inherits it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Uuid,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import StatementError

from edoc.database.engine import open_engine, read, retry, write
from edoc.database.errors import DatabaseError, RetryableError, RowConflictError, SchemaVersionError
from edoc.database.migrate import is_current, upgrade
from edoc.database.prepared import Command, KeyedCommand, KeyedQuery, Query
from edoc.database.tables import Base
from edoc.database.types import UtcDateTime

_metadata = MetaData()
THINGS = Table(
    "things",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False),
    Column("at", UtcDateTime),
)
SAMPLES = Table(
    "samples",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", UtcDateTime),
    Column("day", Date),
    Column("flag", Boolean),
    Column("number", BigInteger),
    Column("body", LargeBinary),
)
SAMPLE = {
    "id": UUID(int=7),
    "at": datetime(2018, 7, 2, 8, 30, 0, 123456, tzinfo=UTC),
    "day": date(2018, 7, 2),
    "flag": True,
    "number": 1 << 40,
    "body": b"\x00\xff",
}
for name in ("alembic_version", "agency", "message"):  # else it would be another program's
    Table(name, _metadata, Column("version_num", String(32)))
INSERT_THINGS = Command(insert(THINGS))
THING = Query(select(THINGS.c.id, THINGS.c.name).where(THINGS.c.id == bindparam("thing")))
THINGS_NAMED = KeyedQuery(
    lambda positions: select(THINGS.c.id).where(
        THINGS.c.name.in_([bindparam(f"name{each}", type_=String) for each in positions])
    )
)
RAISE_THINGS = KeyedCommand(
    lambda positions: (
        update(THINGS)
        .where(THINGS.c.id.in_([bindparam(f"thing{each}", type_=Integer) for each in positions]))
        .values(name=bindparam("to"))
    )
)
HANOI = timezone(timedelta(hours=7))


class DatabaseConformance:
    """Needs the fixture ``url`` of an empty database."""

    @pytest.fixture
    def engine(self, url: str) -> Iterator[Engine]:
        engine = open_engine(url, busy_timeout=5)
        with write(engine) as connection:
            _metadata.create_all(connection)
        yield engine
        engine.dispose()

    def test_what_was_written_is_seen_by_others(self, engine: Engine, url: str) -> None:
        with write(engine) as connection:
            connection.execute(insert(THINGS), {"id": 1, "name": "one"})

        other = open_engine(url)
        with read(other) as connection:
            names = connection.scalars(select(THINGS.c.name)).all()
        other.dispose()

        assert names == ["one"]

    def test_nothing_of_a_transaction_that_raises_is_kept(self, engine: Engine) -> None:
        def insert_and_fail() -> None:
            with write(engine) as connection:
                connection.execute(insert(THINGS), {"id": 1, "name": "one"})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            insert_and_fail()

        with read(engine) as connection:
            assert connection.scalars(select(THINGS.c.id)).all() == []

    def test_a_read_can_write_nothing(self, engine: Engine) -> None:
        with pytest.raises(DatabaseError) as caught, read(engine) as connection:
            connection.execute(insert(THINGS), {"id": 1, "name": "one"})

        assert type(caught.value) is DatabaseError
        with write(engine) as connection:  # and the connection that goes back to the pool can write again
            connection.execute(insert(THINGS), {"id": 1, "name": "one"})

    def test_a_row_that_is_there_already_is_a_conflict(self, engine: Engine) -> None:
        with write(engine) as connection:
            connection.execute(insert(THINGS), {"id": 1, "name": "one"})

        with pytest.raises(RowConflictError), write(engine) as connection:
            connection.execute(insert(THINGS), {"id": 1, "name": "another"})

    def test_a_broken_rule_is_no_conflict(self, engine: Engine) -> None:
        with pytest.raises(DatabaseError) as caught, write(engine) as connection:
            connection.execute(insert(THINGS), {"id": 1, "name": None})

        assert type(caught.value) is DatabaseError

    def test_a_wrong_statement_is_an_error_of_ours(self, engine: Engine) -> None:
        with pytest.raises(DatabaseError, match="nowhere"), read(engine) as connection:
            connection.execute(text("SELECT * FROM nowhere"))

    def test_threads_that_count_together_lose_nothing(self, engine: Engine) -> None:
        with write(engine) as connection:
            connection.execute(insert(THINGS), {"id": 0, "name": "counter"})

        def count(_turn: int) -> None:
            with write(engine) as connection:
                connection.execute(update(THINGS).values(id=THINGS.c.id + 1))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(count, range(80)))

        with read(engine) as connection:
            assert connection.scalar(select(THINGS.c.id)) == 80

    @pytest.mark.parametrize(
        "moment",
        [
            datetime(2018, 7, 2, 8, 30, 0, 123456, tzinfo=UTC),
            datetime(2018, 7, 2, 8, 30, 0, 123456, tzinfo=HANOI),
            datetime(1, 1, 2, tzinfo=UTC),
            datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
        ],
    )
    def test_a_moment_comes_back_in_utc(self, engine: Engine, moment: datetime) -> None:
        with write(engine) as connection:
            connection.execute(insert(THINGS), {"id": 1, "name": "one", "at": moment})

        with read(engine) as connection:
            found = connection.scalar(select(THINGS.c.at).where(THINGS.c.at == moment))

        assert found == moment
        assert found is not None
        assert found.tzinfo is UTC

    def test_moments_sort_as_they_happened(self, engine: Engine) -> None:
        first = datetime(2018, 7, 2, 8, tzinfo=HANOI)
        second = datetime(2018, 7, 2, 2, tzinfo=UTC)
        with write(engine) as connection:
            rows = [{"id": 1, "name": "", "at": second}, {"id": 2, "name": "", "at": first}]
            connection.execute(insert(THINGS), rows)

        with read(engine) as connection:
            assert connection.scalars(select(THINGS.c.id).order_by(THINGS.c.at)).all() == [2, 1]

    def test_a_time_without_a_zone_is_refused(self, engine: Engine) -> None:
        naive = datetime(2018, 7, 2, 8)  # noqa: DTZ001 - the point of the test
        with pytest.raises(DatabaseError, match="has no time zone") as caught, write(engine) as connection:
            connection.execute(insert(THINGS), {"id": 1, "name": "one", "at": naive})

        assert isinstance(caught.value.__cause__, StatementError)

    def test_an_empty_database_is_not_current(self, engine: Engine) -> None:
        assert not is_current(engine)

    def test_the_migrations_make_exactly_the_tables(self, url: str) -> None:
        engine = open_engine(url)
        upgrade(engine)

        with read(engine) as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            differences = compare_metadata(context, Base.metadata)
        current = is_current(engine)
        engine.dispose()

        assert differences == []
        assert current

    def test_migrating_at_the_same_time_and_again_is_harmless(self, url: str) -> None:
        engines = [open_engine(url) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(upgrade, engines))
        upgrade(engines[0])

        assert all(is_current(each) for each in engines)
        for each in engines:
            each.dispose()

    def test_a_database_of_a_newer_version_is_refused(self, url: str) -> None:
        engine = open_engine(url)
        upgrade(engine)
        with write(engine) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        for use in (is_current, upgrade):
            with pytest.raises(SchemaVersionError, match="9999"):
                use(engine)
        engine.dispose()

    def test_a_transaction_that_met_another_is_tried_again(self, engine: Engine) -> None:
        waits: list[float] = []
        attempts = iter([RetryableError("busy"), RetryableError("busy")])

        def insert_at_last() -> str:
            with write(engine) as connection:
                connection.execute(insert(THINGS), {"id": 1, "name": "one"})
                for error in attempts:
                    raise error
            return "done"

        assert retry(insert_at_last, sleep=waits.append) == "done"
        assert waits == sorted(waits)
        assert len(waits) == 2

    @pytest.mark.parametrize("sample", [SAMPLE, {**dict.fromkeys(SAMPLE), "id": UUID(int=8)}])
    def test_a_prepared_statement_writes_and_reads_the_values_that_core_does(
        self, engine: Engine, sample: dict[str, object]
    ) -> None:
        with write(engine) as connection:
            Command(insert(SAMPLES)).run(connection, [sample])
        with read(engine) as connection:
            by_core = connection.execute(select(SAMPLES)).one()
            [by_query] = Query(select(SAMPLES)).rows(connection)

        assert by_core._asdict() == by_query._asdict() == sample

    @pytest.mark.parametrize("count", [1, 2, 7, 300])
    def test_as_many_rows_as_were_given_are_written(self, engine: Engine, count: int) -> None:
        rows = [{"id": number, "name": f"name {number}", "at": None} for number in range(count)]
        with write(engine) as connection:
            INSERT_THINGS.run(connection, rows)

        with read(engine) as connection:
            assert connection.scalars(select(THINGS.c.name).order_by(THINGS.c.id)).all() == [
                row["name"] for row in rows
            ]

    @pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
    def test_a_keyed_query_finds_the_rows_of_all_its_keys_and_no_others(self, engine: Engine, count: int) -> None:
        with write(engine) as connection:
            INSERT_THINGS.run(connection, [{"id": each, "name": f"name {each}", "at": None} for each in range(20)])
            found = THINGS_NAMED.rows(connection, [{"name": f"name {each}"} for each in range(count)])

        assert sorted(row.id for row in found) == list(range(count))

    @pytest.mark.parametrize("count", [0, 1, 3, 8])
    def test_a_keyed_command_changes_the_rows_of_all_its_keys_and_no_others(self, engine: Engine, count: int) -> None:
        with write(engine) as connection:
            INSERT_THINGS.run(connection, [{"id": each, "name": "old", "at": None} for each in range(10)])
            RAISE_THINGS.run(connection, [{"thing": each} for each in range(count)], to="new")

        with read(engine) as connection:
            changed = connection.scalars(select(THINGS.c.id).where(THINGS.c.name == "new").order_by(THINGS.c.id)).all()
        assert changed == list(range(count))

    def test_a_fetch_sees_what_was_committed_and_leaves_the_next_transaction_whole(self, engine: Engine) -> None:
        def write_and_fail() -> None:
            with write(engine) as connection:
                INSERT_THINGS.run(connection, [{"id": 1, "name": "one", "at": None}])
                assert THING.fetch(engine, thing=1) == []  # another connection: not yet there for it
                raise ZeroDivisionError

        assert THING.fetch(engine, thing=1) == []
        with pytest.raises(ZeroDivisionError):
            write_and_fail()
        assert THING.fetch(engine, thing=1) == []
        with write(engine) as connection:
            INSERT_THINGS.run(connection, [{"id": 1, "name": "one", "at": None}])
        assert THING.fetch(engine, thing=1) == [(1, "one")]

    def test_errors_of_prepared_statements_are_the_same_as_of_others(self, engine: Engine) -> None:
        with write(engine) as connection:
            INSERT_THINGS.run(connection, [{"id": 1, "name": "one", "at": None}])

        with pytest.raises(RowConflictError), write(engine) as connection:
            INSERT_THINGS.run(connection, [{"id": 1, "name": "another", "at": None}])
        with pytest.raises(DatabaseError) as caught, write(engine) as connection:
            INSERT_THINGS.run(connection, [{"id": 2, "name": None, "at": None}])
        assert type(caught.value) is DatabaseError
        with pytest.raises(DatabaseError, match="nowhere"):
            Query(select(Table("nowhere", MetaData(), Column("id", Integer)))).fetch(engine)
        with pytest.raises(DatabaseError), read(engine) as connection:
            INSERT_THINGS.run(connection, [{"id": 2, "name": "two", "at": None}])

        assert THING.fetch(engine, thing=1) == [(1, "one")]
        assert THING.fetch(engine, thing=2) == []
