"""What the demonstration authority has issued and revoked: a list in memory, or an append-only file of JSON lines.

Each line is on the disk before the certificate or CRL it tells of is handed out. A crash while a line is written leaves
half a line, of which nobody has been told; it is passed over, and the next line cuts it off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from keys.errors import AuthorityError
from keys.pkcs12 import write_private_file

Event = dict[str, Any]
"""One thing that happened: JSON values by name, of which ``event`` says what it was."""

Decision = Callable[[Sequence[Event]], Sequence[Event]]
"""Given all events so far, the events to add; may raise to add none."""


class Register(Protocol):
    """Where an authority remembers what it did."""

    def events(self) -> tuple[Event, ...]:
        """All events, oldest first."""

    def decide(self, decision: Decision) -> tuple[Event, ...]:
        """Ask ``decision`` what to add, while nobody else adds anything; all events afterwards, all of them kept."""


class MemoryRegister:
    """A register that ends with the process."""

    def __init__(self) -> None:
        self._events: tuple[Event, ...] = ()

    def events(self) -> tuple[Event, ...]:
        """All events, oldest first."""
        return self._events

    def decide(self, decision: Decision) -> tuple[Event, ...]:
        """Ask ``decision`` what to add; all events afterwards."""
        self._events = (*self._events, *decision(self._events))
        return self._events


class FileRegister:
    """A register in a file; several processes may use it at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def create(cls, path: Path) -> FileRegister:
        """A new, empty register.

        Raises:
            KeyStoreError: the file exists already or cannot be written.
        """
        write_private_file(path, b"")
        return cls(path)

    def events(self) -> tuple[Event, ...]:
        """All events, oldest first.

        Raises:
            AuthorityError: the file is missing or damaged.
        """
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise AuthorityError(f"the register {self._path} cannot be read: {error}") from error
        return self._parse(data[: _complete(data)])

    def decide(self, decision: Decision) -> tuple[Event, ...]:
        """Ask ``decision`` what to add, holding a lock on the file; all events afterwards, all of them on the disk.

        Raises:
            AuthorityError: the file is missing, damaged or cannot be written.
        """
        try:
            with self._path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                data = file.read()
                end = _complete(data)
                known = self._parse(data[:end])
                added = tuple(decision(known))
                if added:
                    file.seek(end)
                    file.truncate()
                    file.write(b"".join(map(_line, added)))
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise AuthorityError(f"the register {self._path} cannot be written: {error}") from error
        return known + added

    def _parse(self, data: bytes) -> tuple[Event, ...]:
        try:
            events = [json.loads(line) for line in data.splitlines()]
        except ValueError as error:
            raise AuthorityError(f"the register {self._path} is damaged: {error}") from error
        if not all(isinstance(event, dict) for event in events):
            raise AuthorityError(f"the register {self._path} is damaged: a line is not an object")
        return tuple(events)


def _complete(data: bytes) -> int:
    """Where the last complete line ends."""
    return data.rfind(b"\n") + 1


def _line(event: Event) -> bytes:
    # ASCII, so that no character of a name can be taken for the end of a line.
    return json.dumps(event, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"
