"""The present directory in memory, read again when its version has risen."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from sqlalchemy import Engine

from edoc.database.engine import read
from edoc.directory.model import Directory
from edoc.directory.repository import read_directory, read_version
from edoc.identifiers import Clock

RECHECK: Final = timedelta(seconds=1)
"""How old a look at the version may be; whatever commits checks the version again in its own transaction."""


class DirectoryCache:
    """Gives the present directory; safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        self._lock = Lock()
        self._directory: Directory | None = None
        self._checked_at: datetime | None = None

    def current(self) -> Directory:
        """The directory as it was at most :data:`RECHECK` ago."""
        now = self._clock()
        directory, checked_at = self._directory, self._checked_at
        if directory is not None and checked_at is not None and abs(now - checked_at) < RECHECK:
            return directory
        return self.refresh()

    def refresh(self) -> Directory:
        """The directory as it is now."""
        with self._lock, read(self._engine) as connection:
            if self._directory is None or read_version(connection) != self._directory.version:
                self._directory = read_directory(connection)
            self._checked_at = self._clock()
            return self._directory
