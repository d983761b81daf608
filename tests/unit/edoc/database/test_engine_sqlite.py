from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from pysqlite3 import dbapi2 as pysqlite3
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from edoc.database.engine import check_file, open_engine, read, retry, write
from edoc.database.errors import (
    DatabaseError,
    DatabaseUnavailableError,
    RetryableError,
    UnsafeDatabaseError,
    wrap_errors,
)
from edoc.database.migrate import upgrade
from edoc.database.sqlite_files import SqliteFiles
from edoc.database.tables import DirectoryVersionRow
from tests.support.database_conformance import DatabaseConformance


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edoc.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


class TestConformance(DatabaseConformance):
    pass


def test_a_commit_is_flushed_and_references_are_checked(url: str) -> None:
    engine = open_engine(url)
    with read(engine) as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    engine.dispose()

    assert pragmas == ["wal", 2, 1, 30_000]


def test_a_sqlite_with_the_wal_reset_bug_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pysqlite3, "sqlite_version_info", (3, 51, 2))

    with pytest.raises(UnsafeDatabaseError, match=r"3\.51\.3 or newer"):
        open_engine(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:edoc?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(DatabaseError, match="is a file"):
        open_engine(url)


@pytest.mark.parametrize("url", ["mysql://localhost/edoc", "postgresql://localhost/edoc", "sqlite+aiosqlite:///x"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"a database is sqlite:///<path> or postgresql\+psycopg://"):
        open_engine(url)


def test_a_url_that_cannot_be_read_is_not_repeated_since_it_may_hold_a_password() -> None:
    with pytest.raises(DatabaseError) as caught:
        open_engine("postgresql+psycopg:secret")

    assert "secret" not in str(caught.value)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        open_engine(f"sqlite:///{tmp_path}/missing/edoc.db")


def test_a_file_that_is_no_database_is_unavailable(url: str, path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)

    with pytest.raises(DatabaseUnavailableError, match="not a database"):
        open_engine(url)


def test_a_writer_that_waits_too_long_for_another_program_may_try_again(url: str, path: Path) -> None:
    engine = open_engine(url, busy_timeout=0.01)
    intruder = pysqlite3.connect(str(path), isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")

    with pytest.raises(RetryableError, match="locked"), write(engine):
        pass
    with read(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1

    intruder.close()
    engine.dispose()


def test_a_transaction_that_keeps_meeting_others_is_given_up(url: str) -> None:
    attempts = []

    def fail() -> None:
        attempts.append(1)
        raise RetryableError("busy")

    with pytest.raises(RetryableError):
        retry(fail, attempts=3, sleep=lambda _seconds: None)

    assert len(attempts) == 3


def test_an_error_of_another_kind_is_not_tried_again() -> None:
    attempts = []

    def fail() -> None:
        attempts.append(1)
        raise DatabaseUnavailableError("gone")

    with pytest.raises(DatabaseUnavailableError):
        retry(fail, sleep=lambda _seconds: None)

    assert len(attempts) == 1


def test_a_reader_sees_one_state_while_others_write(url: str) -> None:
    engine = open_engine(url)
    upgrade(engine)
    with read(engine) as reading:
        before = reading.scalars(select(DirectoryVersionRow.version)).all()
        with write(engine) as writing:
            writing.execute(insert(DirectoryVersionRow), {"id": 7, "version": 1})
        after = reading.scalars(select(DirectoryVersionRow.version)).all()
    engine.dispose()

    assert before == after


def test_a_full_pool_is_unavailable_and_not_a_hang(url: str) -> None:
    engine = open_engine(url, pool_size=1, pool_timeout=0.05)

    with read(engine), pytest.raises(DatabaseUnavailableError), read(engine):
        pass
    engine.dispose()


@pytest.mark.parametrize("error", [psycopg.DataError, psycopg.IntegrityError])
def test_a_value_that_a_driver_cannot_send_does_not_make_the_database_unavailable(error: type[psycopg.Error]) -> None:
    with pytest.raises(DatabaseError) as raised, wrap_errors():
        raise error("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    assert raised.type is DatabaseError


def test_an_error_of_a_driver_without_a_code_means_that_there_is_no_connection() -> None:
    with pytest.raises(DatabaseUnavailableError), wrap_errors():
        raise psycopg.OperationalError("connection refused")


def test_what_stands_in_a_row_is_in_no_error_of_postgresql_nor_in_its_causes() -> None:
    whole = "a constraint is violated\nDETAIL:  Failing row contains (secret)."
    fields: dict[int, bytes | None] = {
        psycopg.pq.DiagnosticField.MESSAGE_PRIMARY: b"a constraint is violated",
        psycopg.pq.DiagnosticField.MESSAGE_DETAIL: b"Failing row contains (secret).",
    }
    original = psycopg.errors.CheckViolation(whole, info=fields)
    with pytest.raises(DatabaseError) as plain, wrap_errors():
        raise psycopg.errors.CheckViolation(whole, info=fields)
    with pytest.raises(DatabaseError) as wrapped, wrap_errors():
        raise IntegrityError("INSERT", {}, original) from original
    for caught in (plain, wrapped):
        assert str(caught.value) == "the database failed: a constraint is violated"
        assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_processes_take_turns_at_writing(url: str) -> None:
    engine = open_engine(url)
    upgrade(engine)
    with write(engine) as connection:
        connection.execute(insert(DirectoryVersionRow), {"id": 7, "version": 0})
    program = (
        "import sys; from sqlalchemy import text; from edoc.database.engine import open_engine, write\n"
        "engine = open_engine(sys.argv[1])\n"
        "for _ in range(40):\n"
        "    with write(engine) as connection:\n"
        "        connection.execute(text('UPDATE directory_version SET version = version + 1'))\n"
        "engine.dispose()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(2)]

    assert [each.wait(60) for each in processes] == [0, 0]
    with read(engine) as connection:
        assert connection.scalar(select(DirectoryVersionRow.version).where(DirectoryVersionRow.id == 7)) == 80
    engine.dispose()


def test_a_child_goes_on_with_connections_of_its_own(url: str) -> None:
    program = (
        "import os, sys; from sqlalchemy import text\n"
        "from edoc.database.engine import after_fork, open_engine, read, write\n"
        "from edoc.database.migrate import upgrade\n"
        "engine = open_engine(sys.argv[1]); upgrade(engine)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    after_fork(engine)\n"
        "for _ in range(20):\n"
        "    with write(engine) as connection:\n"
        "        connection.execute(text('INSERT INTO directory_version (version) VALUES (1)'))\n"
        "if child == 0:\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "with read(engine) as connection:\n"
        "    assert connection.scalar(text('SELECT count(*) FROM directory_version')) == 40\n"
        "engine.dispose()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_written_into_a_file_that_is_no_longer_there(url: str, path: Path, *, replaced: bool) -> None:
    engine = open_engine(url)
    upgrade(engine)
    path.rename(path.with_name("moved"))
    if replaced:
        path.touch()
    with pytest.raises(UnsafeDatabaseError, match="replaced while" if replaced else "is gone"), write(engine):
        pytest.fail("the block is not entered")
    path.with_name("moved").rename(path)
    with write(engine) as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()


def committed_in_the_log(url: str, path: Path) -> Engine:
    """An engine with one connection, and a row that is in the write-ahead log only."""
    engine = open_engine(url, pool_size=4)
    upgrade(engine)
    with write(engine) as connection:
        connection.execute(text("CREATE TABLE kept (what TEXT)"))
        connection.execute(text("INSERT INTO kept VALUES ('acknowledged')"))
    assert path.with_name(path.name + "-wal").stat().st_size > 0
    return engine


def test_the_log_of_a_file_that_is_away_outlives_readers_and_openers(url: str, path: Path) -> None:
    engine = committed_in_the_log(url, path)
    path.rename(path.with_name("away"))
    held = [engine.connect()]  # the one that was open
    with pytest.raises(UnsafeDatabaseError, match="is gone"):
        held.append(engine.connect())
    for create in (False, True):
        with pytest.raises(UnsafeDatabaseError, match="put the right file back"):
            open_engine(url, create=create)
    path.touch()
    with pytest.raises(UnsafeDatabaseError, match="gone or empty"):
        open_engine(url)
    path.unlink()
    path.with_name("away").rename(path)
    held.pop().close()
    again = open_engine(url)
    with read(again) as connection:
        assert connection.execute(text("SELECT what FROM kept")).scalar() == "acknowledged"
    again.dispose()
    engine.dispose()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
@pytest.mark.parametrize("replaced", [False, True])
def test_what_lies_in_a_log_that_was_taken_away_is_saved_and_nothing_is_added(
    url: str, path: Path, tmp_path: Path, ending: str, *, replaced: bool
) -> None:
    engine = committed_in_the_log(url, path)
    log = path.with_name(path.name + ending)
    log.unlink()
    if replaced:
        log.touch()
    with pytest.raises(UnsafeDatabaseError, match="log of the database"):
        check_file(engine)
    with pytest.raises(UnsafeDatabaseError, match="log of the database"), write(engine):
        pytest.fail("the block is not entered")
    with engine.connect(), pytest.raises(UnsafeDatabaseError, match="log of the database"):
        engine.connect()  # another connection, which would make a new log
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())  # what kill -9 would leave
    assert pysqlite3.connect(copy).execute("SELECT what FROM kept").fetchall() == [("acknowledged",)]
    engine.dispose()


def test_what_goes_into_a_log_that_is_taken_away_meanwhile_is_not_called_durable(url: str, path: Path) -> None:
    engine = committed_in_the_log(url, path)

    def write_and_lose_it() -> None:
        with write(engine) as connection:
            connection.execute(text("INSERT INTO kept VALUES ('too late')"))
            path.with_name(path.name + "-wal").unlink()

    with pytest.raises(UnsafeDatabaseError, match="log of the database is gone"):
        write_and_lose_it()
    engine.dispose()


def test_a_log_that_sqlite_removed_itself_is_none_that_is_missing(url: str, path: Path) -> None:
    engine = committed_in_the_log(url, path)
    engine.dispose()
    assert not path.with_name(path.name + "-wal").exists()
    with write(engine) as connection:
        connection.execute(text("INSERT INTO kept VALUES ('afterwards')"))
    engine.dispose()


OPEN_ELSEWHERE = """
import sys
from edoc.database.engine import open_engine
from edoc.database.errors import UnsafeDatabaseError
try:
    for _ in range(int(sys.argv[2])):
        open_engine(sys.argv[1]).dispose()
except UnsafeDatabaseError as error:
    sys.exit(str(error))
"""


def opening_elsewhere(url: str, times: int = 1) -> subprocess.Popen[str]:
    call = [sys.executable, "-c", OPEN_ELSEWHERE, url, str(times)]
    return subprocess.Popen(call, stderr=subprocess.PIPE, text=True)


def opened_elsewhere(url: str) -> str:
    """What another process complains of that opens the database too."""
    return opening_elsewhere(url).communicate(timeout=60)[1]


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_who_comes_after_a_file_was_taken_away_is_refused_as_long_as_others_have_it(
    url: str, path: Path, ending: str
) -> None:
    engine = committed_in_the_log(url, path)
    assert opened_elsewhere(url) == ""
    file, aside = path.with_name(path.name + ending), path.with_name("aside")
    file.rename(aside)
    assert "of the database is gone" in opened_elsewhere(url)
    assert not file.exists()
    aside.rename(file)
    assert opened_elsewhere(url) == ""
    engine.dispose()
    assert opened_elsewhere(url) == ""


def test_what_a_dead_process_said_of_its_files_binds_nobody(url: str, path: Path) -> None:
    committed_in_the_log(url, path).dispose()
    assert json.loads(path.with_name(path.name + "-open").read_bytes())
    engine = open_engine(url)
    with write(engine) as connection:
        connection.execute(text("INSERT INTO kept VALUES ('afterwards')"))
    engine.dispose()


def test_processes_that_come_and_go_at_once_are_never_refused(url: str, path: Path) -> None:
    committed_in_the_log(url, path).dispose()
    running = [opening_elsewhere(url, 40) for _ in range(4)]
    assert [each.communicate(timeout=60)[1] for each in running] == [""] * 4


def test_a_link_that_is_pointed_elsewhere_while_the_database_is_open_is_seen(url: str, path: Path) -> None:
    for name in ("first", "second"):
        open_engine(f"sqlite:///{path.with_name(name)}").dispose()
    path.symlink_to("first")
    engine = open_engine(url)
    upgrade(engine)
    path.unlink()
    path.symlink_to("second")
    with pytest.raises(UnsafeDatabaseError, match="replaced while"), write(engine):
        pytest.fail("the block is not entered")
    engine.dispose()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="is no file"):
        open_engine(f"sqlite:///{tmp_path}", create=False)


def test_a_connection_that_could_not_be_made_holds_nobody_up(url: str, path: Path) -> None:
    committed_in_the_log(url, path).dispose()
    other = pysqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode=DELETE").fetchall()
    other.execute("BEGIN")
    other.execute("SELECT * FROM kept").fetchall()  # so that no log can be opened
    for _ in range(2):
        with pytest.raises(RetryableError, match="locked"):
            open_engine(url, busy_timeout=0.2)
    other.close()
    assert opened_elsewhere(url) == ""
    open_engine(url).dispose()


def test_a_connection_that_is_forgotten_is_counted_no_more(url: str, path: Path) -> None:
    engine = committed_in_the_log(url, path)
    held = engine.connect()
    engine.dispose()
    held.close()
    del held
    gc.collect()
    assert not path.with_name(path.name + "-wal").exists()
    assert opened_elsewhere(url) == ""
    with write(engine) as connection:
        connection.execute(text("INSERT INTO kept VALUES ('afterwards')"))
    engine.dispose()


@pytest.mark.parametrize("junk", [b"[1]", b'{"x": 5}', b'{"x": null}', b"\xff"])
def test_what_is_no_word_of_ours_binds_nobody(url: str, path: Path, junk: bytes) -> None:
    engine = committed_in_the_log(url, path)
    path.with_name(path.name + "-open").write_bytes(junk)
    assert opened_elsewhere(url) == ""
    engine.dispose()


def test_a_connection_may_be_closed_while_another_is_counted(path: Path) -> None:
    """As the garbage collector does, wherever it happens to run."""
    path.touch()
    files = SqliteFiles(path)

    class ClosedMeanwhile:
        def when_closed(self, tell: Callable[[], None]) -> None:
            self.tell = tell

        def close(self) -> None:
            with files._counting:
                self.tell()

    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).touch()
    done = threading.Event()

    def open_and_close() -> None:
        files.open(ClosedMeanwhile).close()
        done.set()

    threading.Thread(target=open_and_close, daemon=True).start()
    assert done.wait(10)


def test_a_file_with_two_names_is_refused(url: str, path: Path) -> None:
    open_engine(url).dispose()
    path.with_name("backup").hardlink_to(path)
    with pytest.raises(UnsafeDatabaseError, match="2 names"):
        open_engine(url)


def test_a_file_that_is_not_there_is_made_only_where_that_is_wanted(url: str, path: Path) -> None:
    with pytest.raises(DatabaseError, match="is gone"):
        open_engine(url, create=False)
    assert not path.exists()
    open_engine(url).dispose()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_log_beside_what_a_link_leads_to_is_seen(url: str, path: Path, tmp_path: Path) -> None:
    there = tmp_path / "disk"
    there.mkdir()
    path.symlink_to(there / "edoc.db")
    (there / "edoc.db-wal").write_bytes(b"committed")
    for create in (False, True):
        with pytest.raises(UnsafeDatabaseError, match="put the right file back"):
            open_engine(url, create=create)
    assert (there / "edoc.db-wal").read_bytes() == b"committed"


@pytest.mark.parametrize("name", ["q?x", "pct%20x", "h a%20b#c?d&e=ế"])
def test_a_path_is_taken_as_it_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    open_engine(f"sqlite:///{folder / 'edoc.db'}").dispose()
    assert (folder / "edoc.db").exists()
    assert [each.name for each in tmp_path.iterdir()] == [name]
