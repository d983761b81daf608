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
import time
import weakref
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
    ForeignDatabaseError,
    RetryableError,
    UnsafeDatabaseError,
    wrap_errors,
)
from edoc.database.sqlite_files import SqliteFiles

OLDEST_SQLITE: Final = (3, 51, 3)
"""The first release without the WAL-reset bug."""
CHECKPOINT_PAGES: Final = 8000
"""Pages (4 KiB) in the write-ahead log before they are carried over into the database: pages that many commits change
are then carried once. A crash leaves a log of about so much to be read at the next start, in well below a second."""
_OWN_TABLES: Final = frozenset({"alembic_version", "agency", "message"})
"""Where the migrations leave their mark, and tables of the first of them: what has others and not these is not the
exchange's."""
POSTGRESQL_DRIVER: Final = "postgresql+psycopg"
_READS: Final = "edoc_reads"
_FILES: Final = "edoc_files"

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
    files: SqliteFiles | None = engine.get_execution_options().get(_FILES)
    with wrap_errors(), files or contextlib.nullcontext(), engine.connect() as connection:
        with connection.begin():
            yield connection
        if files is not None:  # what went into a file that was taken away meanwhile is not called durable
            _check_files(files, connection)


def check_file(engine: Engine) -> None:
    """Make sure that an SQLite file, its log and the log's index are where they were opened. Nothing for PostgreSQL.

    Each :func:`write` does, before and after, and each new connection: SQLite would make an empty file in the place of
    one that is gone, and go on without what was in it.

    Raises:
        UnsafeDatabaseError: one was moved away, deleted or replaced.
    """
    files: SqliteFiles | None = engine.get_execution_options().get(_FILES)
    if files is not None:
        files.check()


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
    files: SqliteFiles | None = engine.get_execution_options().get(_FILES)
    if files is not None:
        files.forget()


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
    # The path as it is written, with `?` and `%` in it.
    files = SqliteFiles(Path(written.partition(":///")[2]))
    files.prepare(create=create)
    address = f"file:{quote(str(files.database))}?mode=rw"
    with files.present():
        _check_own(address, busy_timeout)

    def connect() -> _SqliteConnection:
        made: _SqliteConnection = pysqlite3.connect(
            address, uri=True, timeout=busy_timeout, check_same_thread=False, factory=_SqliteConnection
        )
        try:
            _configure_sqlite(made)
        except BaseException:
            made.close()
            raise
        return made

    engine = create_engine(
        url.set(query={}),
        module=pysqlite3,
        creator=lambda: files.open(connect),
        hide_parameters=True,  # errors are logged, and parameters hold what letters say
        pool_size=pool_size,
        pool_use_lifo=True,  # the connection used last is the one whose caches are warm
        max_overflow=0,
        pool_timeout=pool_timeout,
        execution_options={_FILES: files},
    )
    event.listen(engine, "begin", _begin_sqlite)
    return engine


class _SqliteConnection(pysqlite3.Connection):  # type: ignore[misc]
    """A connection that tells when it has been closed, also when it is only forgotten."""

    _told: weakref.finalize[..., _SqliteConnection] | None = None

    def when_closed(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called once it is."""
        self._told = weakref.finalize(self, tell)
        self._told.atexit = False

    def close(self) -> None:
        """Close it."""
        super().close()
        if self._told is not None:
            self._told()


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
        ForeignDatabaseError: it has tables, and not those by which the exchange's is known.
    """
    others = sorted(set(tables) - _OWN_TABLES)
    if others and not set(tables) >= _OWN_TABLES:
        raise ForeignDatabaseError(
            f"the database is another program's: it holds {', '.join(others[:3])}, and not all of"
            f" {', '.join(sorted(_OWN_TABLES))}; give the exchange one of its own (EDOC_DATABASE_URL)"
        )


def _configure_sqlite(connection: _SqliteConnection) -> None:
    connection.isolation_level = None  # the module would begin transactions of its own; _begin_sqlite does
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        mode = cursor.fetchone()
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        cursor.execute("SELECT count(*) FROM sqlite_schema")  # opens the log, so that it can be told which it is
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
        _check_files(options[_FILES], connection)
    driver.execute("BEGIN" if reads else "BEGIN IMMEDIATE")


def _check_files(files: SqliteFiles, connection: Connection) -> None:
    """Before and after a transaction that writes. What lies in a log that was taken away is first carried over into the
    database, as this connection still holds both: else it would be lost when the last one ends.

    Raises:
        UnsafeDatabaseError: as :func:`check_file`.
    """
    try:
        files.check()
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
