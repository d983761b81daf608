"""Bytes on their way into an object store: hashed while they are written, in memory while they are few.

A small message that is refused never touches the disk. A large one is spilled into a file of the staging folder,
so that memory stays flat whatever its size.

What a crash leaves: a file in the staging folder that nobody will ever finish. The sweep removes it after its
grace period (:func:`discard_stale`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, Self

from edoc.errors import ArchiveError
from signing.xml import ByteSource, FileSource, MemorySource

MEMORY_BYTES: Final = 256 << 10
"""What is staged stays in memory up to this size."""
PREFIX: Final = "staged-"
"""How the names of staged files begin."""


class SpooledObject:
    """The :class:`~edoc.archive.objects.StagedObject` of both stores.

    Writing after the put, or after the context was left, is an error of the caller and raises ValueError.
    """

    def __init__(self, folder: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._buffer = bytearray()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._sealed = False

    @property
    def size(self) -> int:
        """How many bytes were written so far."""
        return self._size

    @property
    def sha256(self) -> str:
        """Lower-case hex digest of the bytes written so far."""
        return self._digest.hexdigest()

    @property
    def path(self) -> Path | None:
        """The file they were spilled to, or None while they are in memory."""
        return self._path

    def write(self, data: bytes) -> int:
        """Append ``data``; returns its length.

        Raises:
            ArchiveError: the staging folder cannot take it.
        """
        if self._sealed:
            raise ValueError("nothing can be added to an object that was put or discarded")
        if self._file is None and self._size + len(data) > self._memory_bytes:
            self._spill()
        try:
            if self._file is None:
                self._buffer += data
            else:
                self._file.write(data)
        except OSError as error:
            raise ArchiveError(f"the staging folder cannot be written: {error}") from error
        self._digest.update(data)
        self._size += len(data)
        return len(data)

    def source(self) -> ByteSource:
        """What was written so far, to be read again and again while the context lasts.

        Raises:
            ArchiveError: the staging folder cannot take it.
        """
        if self._path is None:
            return MemorySource(bytes(self._buffer))
        self._flush()
        return FileSource(self._path, self._size)

    def seal(self) -> None:
        """End the writing and force a spilled file to the disk's safe side of a crash."""
        self._sealed = True
        if self._file is None:
            return
        self._flush()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ArchiveError(f"the staging folder cannot be written: {error}") from error

    def discard(self) -> None:
        """Forget the bytes. Never raises: what cannot be removed now, the sweep removes."""
        self._sealed = True
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            if self._path is not None:
                self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def _spill(self) -> None:
        try:
            descriptor, name = tempfile.mkstemp(prefix=PREFIX, dir=self._folder)
            self._path = Path(name)
            self._file = os.fdopen(descriptor, "wb", buffering=1 << 20)
            self._file.write(self._buffer)
        except OSError as error:
            raise ArchiveError(f"the staging folder cannot be written: {error}") from error
        self._buffer = bytearray()

    def _flush(self) -> None:
        if self._file is None:
            return
        try:
            self._file.flush()
        except OSError as error:
            raise ArchiveError(f"the staging folder cannot be written: {error}") from error


def discard_stale(folder: Path, before: datetime) -> int:
    """Remove the staged files of ``folder`` that were last written before ``before``; returns how many.

    Raises:
        ArchiveError: the folder cannot be read, or a stale file in it not removed.
    """
    removed = 0
    try:
        for entry in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # its writer, or another sweep, was faster
                if entry.name.startswith(PREFIX) and entry.stat().st_mtime < before.timestamp():
                    entry.unlink()
                    removed += 1
    except OSError as error:
        raise ArchiveError(f"the staging folder cannot be swept: {error}") from error
    return removed
