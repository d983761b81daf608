"""What can go wrong with the database, in words that do not depend on which one it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import psycopg
from pysqlite3 import dbapi2 as pysqlite3
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from edoc.errors import EdocError

_SQLITE_BUSY: Final = frozenset({5, 6})
"""SQLITE_BUSY and SQLITE_LOCKED, the primary result codes."""
_SQLITE_UNAVAILABLE: Final = frozenset({10, 11, 13, 14, 26})
"""IOERR, CORRUPT, FULL, CANTOPEN, NOTADB."""
_SQLITE_UNIQUE: Final = "UNIQUE constraint failed"
"""How the text of SQLite begins; its module does not pass on the extended code that would say so."""
_POSTGRESQL_BUSY: Final = frozenset({"40001", "40P01", "55P03"})
"""serialization_failure, deadlock_detected, lock_not_available."""
_POSTGRESQL_UNIQUE: Final = "23505"
_NOT_THE_CONNECTION: Final = (pysqlite3.IntegrityError, psycopg.IntegrityError, psycopg.DataError)
"""What a driver may say of itself although the connection is good: a value that it cannot send, such as a NUL."""
_POSTGRESQL_UNAVAILABLE: Final = ("08", "53", "57P", "58", "28", "3D")
"""Connection, resources, operator intervention, system error, authorization, no such database."""


class DatabaseError(EdocError):
    """The database refused or failed; nothing of the transaction was written, unless a subclass says otherwise."""


class DatabaseUnavailableError(DatabaseError):
    """The database cannot be reached, or its storage fails.

    Where this happens at the commit, nobody knows whether it was done: the work must be safe to repeat.
    """


class UnsafeDatabaseError(DatabaseError):
    """The database is set up, or of a version, such that it could lose what was committed."""


class SchemaVersionError(DatabaseError):
    """The tables are not those of this version of the program."""


class ForeignDatabaseError(DatabaseError):
    """The tables are those of another program; nothing was changed."""


class RetryableError(DatabaseError):
    """The transaction met another one; nothing was written, and the same may succeed when tried again."""


class RowConflictError(RetryableError):
    """A row that may exist only once was written by somebody else first: the next look finds it."""


@contextlib.contextmanager
def wrap_errors() -> Iterator[None]:
    """Turn the errors of SQLAlchemy and its drivers into the tree above; others pass.

    Raises:
        RetryableError: serialization failure, deadlock, a locked SQLite, a row that is already there.
        DatabaseUnavailableError: no connection, no space, broken storage.
        DatabaseError: everything else that the database says no to.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise _translated(error) from error
    except (pysqlite3.Error, psycopg.Error) as error:  # of a statement that was run on the driver itself
        raise _class_of(error, is_broken=False)(f"the database failed: {_reason(error)}") from error


def _translated(error: SQLAlchemyError) -> DatabaseError:
    if isinstance(error, DBAPIError):
        original = error.orig or error
        text = f"the database failed: {_reason(original)}"
        if isinstance(original, psycopg.Error):
            error.args = (text,)
        return _class_of(original, is_broken=error.connection_invalidated)(text)
    text = f"the database failed: {error}"
    return DatabaseUnavailableError(text) if isinstance(error, PoolTimeoutError) else DatabaseError(text)


def _reason(error: BaseException) -> str:
    """What the driver says, without what stands in the row: the lines DETAIL and CONTEXT of PostgreSQL repeat it.

    The error itself is cut down to the same words, since a trace in the log tells the causes too.
    """
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        error.args = (error.diag.message_primary,)
    return str(error)


def _class_of(error: BaseException, *, is_broken: bool) -> type[DatabaseError]:
    """The class of an error of a driver, whose connection may be known to be broken."""
    sqlite: int | None = getattr(error, "sqlite_errorcode", None)
    if sqlite is not None:
        return _class_of_sqlite(sqlite, str(error))
    state: str | None = getattr(error, "sqlstate", None)
    if state in _POSTGRESQL_BUSY:
        return RetryableError
    if state == _POSTGRESQL_UNIQUE:
        return RowConflictError
    if is_broken or (state or "").startswith(_POSTGRESQL_UNAVAILABLE):
        return DatabaseUnavailableError
    if state is None and not isinstance(error, _NOT_THE_CONNECTION):  # the driver, not the server: no connection
        return DatabaseUnavailableError
    return DatabaseError


def _class_of_sqlite(code: int, message: str) -> type[DatabaseError]:
    if message.startswith(_SQLITE_UNIQUE):
        return RowConflictError
    if code & 0xFF in _SQLITE_BUSY:
        return RetryableError
    return DatabaseUnavailableError if code & 0xFF in _SQLITE_UNAVAILABLE else DatabaseError
