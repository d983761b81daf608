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
from collections.abc import Callable, Iterator
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
    RetryableError,
    UnsafeDatabaseError,
    wrap_errors,
)

OLDEST_SQLITE: Final = (3, 51, 3)
"""The first release without the WAL-reset bug."""
CHECKPOINT_PAGES: Final = 8000
"""Pages (4 KiB) in the write-ahead log before they are carried over into the database: pages that many commits change
are then carried once. A crash leaves a log of about so much to be read at the next start, in well below a second."""
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
    with wrap_errors(), turn or contextlib.nullcontext(), engine.begin() as connection:
        yield connection


def check_file(engine: Engine) -> None:
    """Make sure that an SQLite file is still where it was opened. Nothing for PostgreSQL.

    Each :func:`write` does, and each new connection: SQLite would make an empty file in its place and throw the
    write-ahead log away, which belongs to the right one.

    Raises:
        UnsafeDatabaseError: it was moved away, deleted or replaced.
    """
    turn: _Turn | None = engine.get_execution_options().get(_TURN)
    if turn is not None:
        turn.check_file()


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
        self._path = database.with_name(database.name + "-turn")
        self._database = database
        self._opened: tuple[int, int] | None = None
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as error:
            self._lock.release()
            raise UnsafeDatabaseError(f"the folder of the database cannot be written: {error}") from error
        try:
            self.check_file()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc: object) -> None:
        try:
            if self._descriptor is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def check_file(self) -> None:
        """Make sure that the file at the path of the database is the one that is open.

        SQLite goes on with a file that was moved away or deleted, and what it commits there is lost.

        Raises:
            UnsafeDatabaseError: it is another one, or none.
        """
        try:
            there = self._database.stat()
        except OSError as error:
            raise UnsafeDatabaseError(f"the file of the database is gone: {error}; {_PUT_BACK}") from error
        found = there.st_dev, there.st_ino
        if self._opened is None:
            self._opened = found
        elif found != self._opened:
            raise UnsafeDatabaseError(f"the file of the database was replaced while it was open; {_PUT_BACK}")

    def forget(self) -> None:
        """Open the file anew: a lock belongs to what was opened, and parent and child would hold it together."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


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
    address = f"file:{quote(str(path))}?mode=rw"

    def connect() -> DBAPIConnection:
        turn.check_file()
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
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DatabaseUnavailableError(f"the file of the database cannot be made: {error}") from error


def _check_log(path: Path) -> None:
    """A write-ahead log without its database, or beside an empty file: SQLite would throw it away.

    Raises:
        UnsafeDatabaseError: it holds what was committed last.
    """
    log = path.with_name(path.name + "-wal")
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
    finally:
        cursor.close()
    if mode is None or mode[0] != "wal":
        raise UnsafeDatabaseError(f"SQLite cannot use its write-ahead log here (it says {mode})")


def _begin_sqlite(connection: Connection) -> None:
    reads = bool(connection.get_execution_options().get(_READS, False))
    driver: Any = connection.connection.dbapi_connection
    if connection.info.get(_READS) is not reads:
        driver.execute(f"PRAGMA query_only={int(reads)}")
        connection.info[_READS] = reads
    driver.execute("BEGIN" if reads else "BEGIN IMMEDIATE")


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
