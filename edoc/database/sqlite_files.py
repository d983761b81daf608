"""The files of an SQLite database: whose turn it is to write, and that they are those which are open.

Beside ``<name>`` SQLite keeps the write-ahead log ``<name>-wal``, in which what was committed last lies, and its index
``<name>-shm``, in which processes find each other's locks. It opens them by name and goes on with whatever file it has
open: what is committed to one that was taken away since is lost, and processes that have different ones overwrite each
other's commits. So each process looks, before and after each of its writes, whether the files at those names are still
those that it has open; and whoever opens the database while others have it open has to find the same files as they.

Two files of our own hold no data: ``<name>-turn``, on which writers wait for each other, and ``<name>-open``, which
says which files are open. A crash leaves them behind, unlocked, to be used again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeVar

from edoc.database.errors import (
    DatabaseUnavailableError,
    ForeignDatabaseError,
    RetryableError,
    UnsafeDatabaseError,
)

_PUT_BACK: Final = "stop the exchange, put the right file back, and start it again"
_PRESENCE_BYTES: Final = 4096
_PATIENCE_SECONDS: Final = 30.0
_SETTLE_SECONDS: Final = 2.0
"""How long to try again: who comes just when another is the last to go may meet a third that has not told yet."""


class Closing(Protocol):
    """A connection that tells when it has been closed."""

    def when_closed(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called once it is."""

    def close(self) -> None:
        """Close it."""


ConnectionT = TypeVar("ConnectionT", bound=Closing)


class SqliteFiles:
    """The files of one database, as one engine has them open.

    As a context manager it is the queue of the writers. SQLite lets a writer that finds the file locked sleep and look
    again, which wastes up to a tenth of a second at each turn and lets late ones overtake. Here a thread waits for a
    lock that wakes it: first among its process, then, by a lock on a file beside the database, among processes. That is
    about speed only: who does not take part (another program) is held off by SQLite itself.
    """

    def __init__(self, named: Path) -> None:
        database = named.resolve()  # SQLite keeps the log beside what a link leads to
        self.database: Final = database
        """The file itself, whatever links lead to it."""
        self._turn_path = _beside(database, "-turn")
        self._log_path = _beside(database, "-wal")
        self._database = _OpenFile(named, "file")
        self._log = _OpenFile(self._log_path, "log")
        self._index = _OpenFile(_beside(database, "-shm"), "index of the log")
        self._presence = _Presence(_beside(database, "-open"), database)
        self._turn: int | None = None
        self._lock = threading.Lock()
        self._connections = 0
        """Those that are open, or being opened."""
        self._counting = threading.RLock()  # a forgotten connection may be collected, and counted, while it is held
        _ALL.add(self)

    def __del__(self) -> None:
        """Close what is left open."""
        with contextlib.suppress(AttributeError):  # of one that could not be made
            if self._turn is not None:
                os.close(self._turn)
            self._presence.leave()

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            if self._turn is None:
                self._turn = _open_beside(self._turn_path, self.database)
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        except OSError as error:
            self._lock.release()
            raise UnsafeDatabaseError(f"the folder of the database cannot be written: {error}") from error

    def __exit__(self, *exc: object) -> None:
        try:
            if self._turn is not None:
                fcntl.flock(self._turn, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def prepare(self, *, create: bool) -> None:
        """Before anything is opened: what SQLite would not ask.

        Args:
            create: whether a file that is not there is made.

        Raises:
            UnsafeDatabaseError: the file is not there or has several names, or its log is there without it.
            DatabaseUnavailableError: it cannot be made.
        """
        self._check_log()
        if create:
            self._make_file()
        self._check_names()

    def check(self) -> None:
        """Make sure that the files at the paths of the database, its log and the log's index are those that are open.

        Raises:
            UnsafeDatabaseError: one is another, or none.
        """
        for file in self._all():
            file.check()

    @contextlib.contextmanager
    def present(self) -> Iterator[None]:
        """Around a look into the database that opens no log of its own.

        Raises:
            UnsafeDatabaseError: as :meth:`open`.
        """
        self._enter()
        try:
            yield
        except ForeignDatabaseError:
            self._presence.remove()  # no file of ours stays beside the database of another program
            raise
        finally:
            self.closed()

    def open(self, connect: Callable[[], ConnectionT]) -> ConnectionT:
        """Open a connection, with its log, and see that it has the files that everybody has.

        Raises:
            UnsafeDatabaseError: as :meth:`check`, or other processes have other files open.
            RetryableError: another process has begun to open them, and does not go on.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            self._enter()
            try:
                connection = connect()
            except BaseException:
                self.closed()
                raise
            connection.when_closed(self.closed)
            try:
                self._connected()
            except UnsafeDatabaseError:
                connection.close()
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_SETTLE_SECONDS / 100)
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    def _enter(self) -> None:
        with self._counting:
            if self._connections == 0:
                self._presence.enter(self._all())
            self._connections += 1
        try:
            self.check()
        except BaseException:
            self.closed()
            raise

    def _connected(self) -> None:
        """A connection has opened the files. SQLite removes a log only when the last connection of all is closed."""
        for file in self._all():
            file.remember()
        self._presence.tell(self._all())
        self.check()

    def closed(self) -> None:
        """A connection has been closed; where it was the last one of this process, the next may find another log."""
        with self._counting:
            self._connections -= 1
            if self._connections == 0:
                self._forget_log()
                self._presence.leave()

    def forget(self) -> None:
        """Open the files anew, in a child process: a lock belongs to what was opened, and both would hold it."""
        if self._turn is not None:
            os.close(self._turn)
            self._turn = None
        self._presence.leave()
        self._lock, self._counting = threading.Lock(), threading.RLock()  # another thread of the parent may hold them
        self._connections = 0
        self._forget_log()

    def _all(self) -> tuple[_OpenFile, ...]:
        return self._database, self._log, self._index

    def _forget_log(self) -> None:
        self._log.forget()
        self._index.forget()

    def _make_file(self) -> None:
        try:
            os.close(os.open(self.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise DatabaseUnavailableError(f"the file of the database cannot be made: {error}") from error

    def _check_names(self) -> None:
        """SQLite names the log after the name by which the file is opened: under two names it has two logs."""
        path = self.database
        try:
            found = path.stat()
        except OSError as error:
            raise UnsafeDatabaseError(f"the file of the database is gone: {error}; {_PUT_BACK}") from error
        if not stat.S_ISREG(found.st_mode):
            raise DatabaseUnavailableError(f"the database {path} is no file")
        names = found.st_nlink
        if names > 1:
            raise UnsafeDatabaseError(
                f"the file of the database {path} has {names} names (hard links), so that it could get two logs; leave"
                " it one: find the others with find -samefile and remove them"
            )

    def _check_log(self) -> None:
        """A write-ahead log without its database, or beside an empty file: SQLite would throw away what is in it."""
        path = self.database
        with contextlib.suppress(FileNotFoundError):
            if self._log_path.stat().st_size and not (path.exists() and path.stat().st_size):
                raise UnsafeDatabaseError(
                    f"the database {path} is gone or empty, but its log {self._log_path.name}, which holds what was"
                    f" committed last, is there; {_PUT_BACK}"
                )


class _OpenFile:
    """Which file of the database is open, to be found at its path for as long as it is."""

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        self._opened: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        return self._path.name

    @property
    def opened(self) -> tuple[int, int] | None:
        """Device and number of the file."""
        return self._opened

    def remember(self) -> None:
        """It has just been opened; the first time counts. Raises UnsafeDatabaseError where it is gone already."""
        if self._opened is None:
            try:
                self._opened = self._identity()
            except OSError as error:
                raise UnsafeDatabaseError(f"the {self._what} of the database is gone: {error}; {_PUT_BACK}") from error

    def forget(self) -> None:
        """It is open no more."""
        self._opened = None

    def check(self) -> None:
        """Raise UnsafeDatabaseError where what is open is not at the path."""
        if self._opened is not None:
            self.check_is(self._opened)

    def check_is(self, opened: tuple[int, int]) -> None:
        """Raise UnsafeDatabaseError where another file, or none, is at the path."""
        try:
            found = self._identity()
        except OSError as error:
            raise UnsafeDatabaseError(f"the {self._what} of the database is gone: {error}; {_PUT_BACK}") from error
        if found != opened:
            raise UnsafeDatabaseError(
                f"the {self._what} of the database was replaced while it was open: {self._path}; {_PUT_BACK}"
            )

    def _identity(self) -> tuple[int, int]:
        there = os.stat(self._path)  # noqa: PTH116 - the hot path
        return there.st_dev, there.st_ino


class _Presence:
    """Which files those have open that use the database now, this process among them.

    SQLite itself would not know: its locks lie in the index of the log, and whoever opens the database after that was
    taken away makes another. Who is alone begins anew, holding an exclusive lock until it has said which files it has
    open; then, as all others, a shared one, which the system frees when the process dies.
    """

    def __init__(self, path: Path, database: Path) -> None:
        self._path, self._database = path, database
        self._descriptor: int | None = None

    def enter(self, files: tuple[_OpenFile, ...]) -> None:
        """Before the first connection. A crash leaves what was said, which the next one that is alone takes away.

        Raises:
            UnsafeDatabaseError: others are there, and the files are not those that they have open.
            RetryableError: one of them has begun to open them, and does not go on.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._descriptor is None:
            try:
                descriptor = _open_beside(self._path, self._database)
            except OSError as error:
                raise UnsafeDatabaseError(f"the folder of the database cannot be written: {error}") from error
            try:
                self._enter(descriptor, files)
            except UnsafeDatabaseError:
                os.close(descriptor)
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_SETTLE_SECONDS / 100)
            except BaseException:
                os.close(descriptor)
                raise
            else:
                self._descriptor = descriptor

    def _enter(self, descriptor: int, files: tuple[_OpenFile, ...]) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _share(descriptor)
        else:
            os.ftruncate(descriptor, 0)
            return
        told = _read(descriptor)
        for file in files:
            if (opened := told.get(file.name)) is not None:
                file.check_is(opened)

    def tell(self, files: tuple[_OpenFile, ...]) -> None:
        """Say which files are open: those of all who are there.

        Raises:
            UnsafeDatabaseError: others have said that they have others.
        """
        if self._descriptor is None:
            return
        known = _read(self._descriptor)
        told = {file.name: file.opened for file in files if file.opened is not None}
        for file in files:
            if file.name in known and known[file.name] != told[file.name]:
                file.check_is(known[file.name])
        if told != known:
            os.pwrite(self._descriptor, json.dumps(told).encode().ljust(_PRESENCE_BYTES), 0)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def remove(self) -> None:
        """Leave no file behind where nobody will need it."""
        self._path.unlink(missing_ok=True)

    def leave(self) -> None:
        """After the last connection."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _read(descriptor: int) -> Mapping[str, tuple[int, int]]:
    """What was said, by whoever came first; nothing where it has said nothing yet."""
    try:
        told = json.loads(os.pread(descriptor, _PRESENCE_BYTES, 0) or b"{}")
        return {name: (device, number) for name, (device, number) in told.items()}
    except (ValueError, TypeError, AttributeError):  # something else has been written there
        return {}


def _share(descriptor: int) -> None:
    """Wait until nobody is just opening the files."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise RetryableError("another process has begun to open the database, and does not go on") from None
            time.sleep(_SETTLE_SECONDS / 100)
        else:
            return


def _open_beside(path: Path, database: Path) -> int:
    """Open a file beside the database, made as its owner's: a command that root runs must not shut the service out."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            owner = database.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _leave_in_child() -> None:
    """A lock belongs to what was opened: a child that only happens to be forked must not hold its parent's."""
    for each in tuple(_ALL):
        each.forget()


_ALL: Final[weakref.WeakSet[SqliteFiles]] = weakref.WeakSet()
os.register_at_fork(after_in_child=_leave_in_child)


def _beside(database: Path, ending: str) -> Path:
    return database.with_name(database.name + ending)
