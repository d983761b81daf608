"""Opening SQLite or PostgreSQL so that what was committed stays, and the two kinds of transactions.

SQLite (the embedded default) runs in WAL mode with ``synchronous=FULL``: a commit is on the disk when it returns.
The interpreter's own SQLite may be one that can corrupt a WAL database (the WAL-reset bug, fixed in 3.51.3), so the
one of the ``pysqlite3`` package is used, and an older one is refused. A transaction that writes begins as
``BEGIN IMMEDIATE``, so that it waits for its turn at the start and cannot fail on a stale snapshot later.

PostgreSQL is spoken through psycopg 3 in READ COMMITTED; a server that acknowledges before it flushes
(``synchronous_commit`` or ``fsync`` off) is refused.

After a fork the child calls :func:`after_fork` before it uses the engine; better, each process opens its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from pysqlite3 import dbapi2 as pysqlite3
from sqlalchemy import Connection, Engine, Pool, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError

from edoc.database.errors import (
    DatabaseError,
    DatabaseUnavailableError,
    ForeignDatabaseError,
    RetryableError,
    UnsafeDatabaseError,
    wrap_errors,
)

OLDEST_SQLITE: Final = (3, 51, 3)
"""The first release without the WAL-reset bug."""
CHECKPOINT_PAGES: Final = 8000
"""Pages (4 KiB) in the write-ahead log before they are carried over into the database: pages that many commits change
are then carried once. A crash leaves a log of about so much to be read at the next start, in well below a second."""
VERSION_TABLE: Final = "alembic_version"
"""Where the migrations leave their mark: a database with tables and without it is not the exchange's."""
POSTGRESQL_DRIVER: Final = "postgresql+psycopg"
_READS: Final = "edoc_reads"
_TURN: Final = "edoc_turn"
_PUT_BACK: Final = "stop the exchange, put the right file back, and start it again"

T = TypeVar("T")

_abandoned: list[Pool] = []
"""Pools of the parent process. Collecting them as garbage would close the parent's connections under its feet."""


def open_engine(
    url: str,
    *,
    create: bool = True,
    pool_size: int = 8,
    pool_timeout: float = 30.0,
    busy_timeout: float = 30.0,
    connect_timeout: int = 10,
) -> Engine:
    """The engine of ``sqlite:///<path>`` or ``postgresql+psycopg://...``, after one connection proved it usable.

    Args:
        url: which database; of SQLite a file, since one in memory would not outlive its connection.
        create: whether a file of SQLite that is not there is made.
        pool_size: connections held at most, by this process.
        pool_timeout: seconds to wait for a free connection.
        busy_timeout: seconds to wait for another writer of the same SQLite file.
        connect_timeout: seconds to wait for a PostgreSQL server.

    Raises:
        UnsafeDatabaseError: the database could lose what was committed.
        ForeignDatabaseError: an SQLite file is another program's.
        DatabaseUnavailableError: it cannot be reached or opened.
        DatabaseError: the URL is of neither kind.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError("the database URL cannot be read") from None  # it may hold a password
    if parsed.drivername == "sqlite":
        engine = _open_sqlite(parsed, url, pool_size, pool_timeout, busy_timeout, create=create)
    elif parsed.drivername == POSTGRESQL_DRIVER:
        engine = _open_postgresql(parsed, pool_size, pool_timeout, connect_timeout)
    else:
        raise DatabaseError(f"a database is sqlite:///<path> or {POSTGRESQL_DRIVER}://..., not {parsed.drivername}")
    try:
        with read(engine):
            pass
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextlib.contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state (each statement its own on PostgreSQL) and can write nothing.

    Raises:
        DatabaseError: see :func:`~edoc.database.errors.wrap_errors`.
    """
    with wrap_errors(), engine.connect() as plain:
        connection = plain.execution_options(**{_READS: True, "postgresql_readonly": True})
        with connection.begin():
            yield connection


@contextlib.contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write: committed, and durable, when the block ends; rolled back when it raises.

    On SQLite, writers of all threads and processes take turns from here on.

    Raises:
        RetryableError: it met another transaction; nothing was written.
        DatabaseError: see :func:`~edoc.database.errors.wrap_errors`.
    """
    turn: _Turn | None = engine.get_execution_options().get(_TURN)
    with wrap_errors(), turn or contextlib.nullcontext(), engine.connect() as connection:
        with connection.begin():
            yield connection
        if turn is not None:  # what went into a file that was taken away meanwhile is not called durable
            _check_files(turn, connection)


def check_file(engine: Engine) -> None:
    """Make sure that an SQLite file, its log and the log's index are where they were opened. Nothing for PostgreSQL.

    Each :func:`write` does, before and after, and each new connection: SQLite would make an empty file in the place of
    one that is gone, and go on without what was in it.

    Raises:
        UnsafeDatabaseError: one was moved away, deleted or replaced.
    """
    turn: _Turn | None = engine.get_execution_options().get(_TURN)
    if turn is not None:
        turn.check_files()


def retry(action: Callable[[], T], *, attempts: int = 5, sleep: Callable[[float], None] = time.sleep) -> T:
    """Run ``action``, a whole transaction, again while it meets others: at most ``attempts`` times in all.

    Raises:
        RetryableError: it still does the last time.
    """
    for attempt in range(1, attempts):
        try:
            return action()
        except RetryableError:
            sleep(0.01 * 2**attempt)
    return action()


def after_fork(engine: Engine) -> None:
    """To be called in a child process before it uses an engine opened by its parent.

    The child forgets the parent's connections without closing them, and opens its own. No transaction may be under
    way at the fork: SQLite keeps its locks in memory, and the child would inherit them for ever.
    """
    _abandoned.append(engine.pool)
    engine.dispose(close=False)
    turn: _Turn | None = engine.get_execution_options().get(_TURN)
    if turn is not None:
        turn.forget()


class _Turn:
    """The queue of the writers of one SQLite file.

    SQLite lets a writer that finds the file locked sleep and look again, which wastes up to a tenth of a second at
    each turn and lets late ones overtake. Here a thread waits for a lock that wakes it: first among its process,
    then, by a lock on a file beside the database, among processes. It is about speed only: who does not take part
    (another program) is held off by SQLite itself.
    """

    def __init__(self, database: Path) -> None:
        self._path = _beside(database, "-turn")
        self._database = _OpenFile(database, "file")
        self._log = _OpenFile(_beside(database, "-wal"), "log")
        self._index = _OpenFile(_beside(database, "-shm"), "index of the log")
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._connections = 0
        self._counting = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as error:
            self._lock.release()
            raise UnsafeDatabaseError(f"the folder of the database cannot be written: {error}") from error

    def __exit__(self, *exc: object) -> None:
        try:
            if self._descriptor is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def check_files(self) -> None:
        """Make sure that the files at the paths of the database, its log and the log's index are those that are open.

        SQLite goes on with a file that was moved away or deleted, and what it commits there is lost.

        Raises:
            UnsafeDatabaseError: one is another, or none.
        """
        for file in (self._database, self._log, self._index):
            file.check()

    def connected(self) -> None:
        """A connection has opened the files. SQLite removes a log only when the last connection of all is closed."""
        with self._counting:
            self._connections += 1
        self._database.remember()
        self.remember_log()
        self.check_files()

    def remember_log(self) -> None:
        """Log and index are open, if they are there: an empty database has none before it is first written."""
        self._log.remember()
        self._index.remember()

    def closed(self) -> None:
        """A connection was closed; where it was the last one of this process, the next may find another log."""
        with self._counting:
            self._connections -= 1
            if self._connections == 0:
                self._forget_log()

    def forget(self) -> None:
        """Open the file anew: a lock belongs to what was opened, and parent and child would hold it together."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._connections = 0
        self._forget_log()

    def _forget_log(self) -> None:
        self._log.forget()
        self._index.forget()


class _OpenFile:
    """Which file of the database is open, to be found at its path for as long as it is."""

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        self._opened: tuple[int, int] | None = None

    def remember(self) -> None:
        """It has just been opened; the first time counts."""
        if self._opened is None:
            with contextlib.suppress(OSError):
                self._opened = self._identity()

    def forget(self) -> None:
        """It is open no more."""
        self._opened = None

    def check(self) -> None:
        """Raise UnsafeDatabaseError where what is open is not at the path."""
        if self._opened is None:
            return
        try:
            found = self._identity()
        except OSError as error:
            raise UnsafeDatabaseError(f"the {self._what} of the database is gone: {error}; {_PUT_BACK}") from error
        if found != self._opened:
            raise UnsafeDatabaseError(
                f"the {self._what} of the database was replaced while it was open: {self._path}; {_PUT_BACK}"
            )

    def _identity(self) -> tuple[int, int]:
        there = os.stat(self._path)  # noqa: PTH116 - the hot path
        return there.st_dev, there.st_ino


def _beside(database: Path, ending: str) -> Path:
    return database.with_name(database.name + ending)


def _open_sqlite(
    url: URL, written: str, pool_size: int, pool_timeout: float, busy_timeout: float, *, create: bool
) -> Engine:
    if pysqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise UnsafeDatabaseError(
            f"SQLite {pysqlite3.sqlite_version} can corrupt a database in WAL mode; "
            f"install pysqlite3 with SQLite {wanted} or newer"
        )
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise DatabaseError("an SQLite database is a file: sqlite:///<path>")
    # The path as it is written, with `?` and `%` in it; and SQLite keeps the log beside what a link leads to.
    path = Path(written.partition(":///")[2]).resolve()
    turn = _Turn(path)
    _check_log(path)
    if create:
        _make_file(path)
    _check_names(path)
    address = f"file:{quote(str(path))}?mode=rw"
    _check_own(address, busy_timeout)

    def connect() -> DBAPIConnection:
        turn.check_files()
        made: DBAPIConnection = pysqlite3.connect(address, uri=True, timeout=busy_timeout, check_same_thread=False)
        return made

    engine = create_engine(
        url.set(query={}),
        module=pysqlite3,
        creator=connect,
        hide_parameters=True,  # errors are logged, and parameters hold what letters say
        pool_size=pool_size,
        pool_use_lifo=True,  # the connection used last is the one whose caches are warm
        max_overflow=0,
        pool_timeout=pool_timeout,
        execution_options={_TURN: turn},
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "connect", lambda *_: turn.connected())
    event.listen(engine, "close", lambda *_: turn.closed())
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DatabaseUnavailableError(f"the file of the database cannot be made: {error}") from error


def _check_names(path: Path) -> None:
    """SQLite names the log after the name by which the file is opened: under two names it has two logs.

    Raises:
        UnsafeDatabaseError: the file is not there, or has several names (hard links).
    """
    try:
        names = path.stat().st_nlink
    except OSError as error:
        raise UnsafeDatabaseError(f"the file of the database is gone: {error}; {_PUT_BACK}") from error
    if names > 1:
        raise UnsafeDatabaseError(
            f"the file of the database {path} has {names} names (hard links), so that it could get two logs; leave it"
            " one: find the others with find -samefile and remove them"
        )


def _check_own(address: str, busy_timeout: float) -> None:
    """Before anything is changed: already the journal mode is kept in the file.

    Raises:
        ForeignDatabaseError: the file is the database of another program.
    """
    with wrap_errors():
        connection = pysqlite3.connect(address, uri=True, timeout=busy_timeout)
        try:
            tables = connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
            refuse_foreign([name for (name,) in tables])
        finally:
            connection.close()


def refuse_foreign(tables: Sequence[str]) -> None:
    """Make sure that a database is empty or the exchange's.

    Raises:
        ForeignDatabaseError: it has tables, and not the one in which migrations leave their mark.
    """
    if tables and VERSION_TABLE not in tables:
        raise ForeignDatabaseError(
            f"the database is another program's: it holds {', '.join(sorted(tables)[:3])} and no {VERSION_TABLE};"
            " give the exchange one of its own (EDOC_DATABASE_URL)"
        )


def _check_log(path: Path) -> None:
    """A write-ahead log without its database, or beside an empty file: SQLite would throw it away.

    Raises:
        UnsafeDatabaseError: it holds what was committed last.
    """
    log = _beside(path, "-wal")
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size and not (path.exists() and path.stat().st_size):
            raise UnsafeDatabaseError(
                f"the database {path} is gone or empty, but its log {log.name}, which holds what was committed last, is"
                f" there; {_PUT_BACK}"
            )


def _configure_sqlite(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None  # the module would begin transactions of its own; _begin_sqlite does
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        mode = cursor.fetchone()
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        cursor.execute("SELECT count(*) FROM sqlite_schema")  # opens the log, whose identity is remembered next
        cursor.fetchone()
    finally:
        cursor.close()
    if mode is None or mode[0] != "wal":
        raise UnsafeDatabaseError(f"SQLite cannot use its write-ahead log here (it says {mode})")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    reads = bool(options.get(_READS, False))
    driver: Any = connection.connection.dbapi_connection
    if connection.info.get(_READS) is not reads:
        driver.execute(f"PRAGMA query_only={int(reads)}")
        connection.info[_READS] = reads
    if not reads:
        _check_files(options[_TURN], connection)
    driver.execute("BEGIN" if reads else "BEGIN IMMEDIATE")


def _check_files(turn: _Turn, connection: Connection) -> None:
    """Before and after a transaction that writes. What lies in a log that was taken away is first carried over into the
    database, as this connection still holds both: else it would be lost when the last one ends.

    Raises:
        UnsafeDatabaseError: as :func:`check_file`.
    """
    try:
        turn.remember_log()
        turn.check_files()
    except UnsafeDatabaseError:
        driver: Any = connection.connection.dbapi_connection
        with contextlib.suppress(pysqlite3.Error):
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        raise


def _open_postgresql(url: URL, pool_size: int, pool_timeout: float, connect_timeout: int) -> Engine:
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # errors are logged, and parameters hold what letters say
        pool_size=pool_size,
        pool_use_lifo=True,  # the connection used last is the one whose caches are warm
        max_overflow=0,
        pool_timeout=pool_timeout,
        pool_pre_ping=True,
        connect_args={"connect_timeout": connect_timeout},
    )
    event.listen(engine, "connect", _check_postgresql)
    return engine


def _check_postgresql(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    try:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            cursor.execute(f"SHOW {setting}")
            row = cursor.fetchone()
            if row is None or row[0] == "off":
                raise UnsafeDatabaseError(f"PostgreSQL runs with {setting}=off: it could lose what it acknowledged")
    finally:
        cursor.close()
    connection.rollback()  # SHOW began a transaction
