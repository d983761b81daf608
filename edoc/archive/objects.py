"""What an object store is to the exchange: write-once objects, addressed by the SHA-256 of their bytes.

Every put is durable when it returns: a crash before leaves at most a staged file or an object that no row
refers to, which the sweep (``edoc/archive/sweep.py``) removes after its grace period, unless it is a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol, Self

from signing.xml import ByteSource


@dataclass(frozen=True)
class ObjectStat:
    """What is known of an object without reading it."""

    sha256: str
    """Lower-case hex digest of the bytes: the object's address."""
    size: int
    """Length in bytes."""
    stored_at: datetime
    """When it was stored (UTC), or put again since, where that makes it stay longer."""


class StagedObject(Protocol):
    """Bytes on their way in. Nobody but the writer sees them; leaving the context discards what was not put."""

    @property
    def size(self) -> int:
        """How many bytes were written so far."""

    @property
    def sha256(self) -> str:
        """Lower-case hex digest of the bytes written so far."""

    def write(self, data: bytes) -> int:
        """Append ``data``; returns its length."""

    def source(self) -> ByteSource:
        """What was written so far, to be read again and again (before or after the put)."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class ObjectStore(Protocol):
    """Write-once, content-addressed storage.

    All methods raise :class:`~edoc.errors.ArchiveError` when the storage cannot be reached or fails.
    """

    def stage(self) -> StagedObject:
        """Begin an object of unknown size (used as a context manager)."""

    def put(self, staged: StagedObject) -> ObjectStat:
        """Make what was staged by this store an object under its digest; the bytes already there stay as they are.

        Putting an object again protects it from the sweep as a first put does.

        Raises:
            ObjectCorruptError: what stands there already cannot be these bytes.
        """

    def put_bytes(self, data: bytes) -> ObjectStat:
        """The same for bytes in memory."""

    def put_many(self, contents: Sequence[bytes]) -> tuple[ObjectStat, ...]:
        """Put several objects, in the order given; cheaper than one by one. All are durable when it returns."""

    def open(self, sha256: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """A stream over the object's bytes from ``start``, at most ``length`` of them.

        Raises:
            ObjectNotFoundError: there is no such object.
        """

    def read(self, sha256: str, max_bytes: int) -> bytes:
        """The whole object, checked against its digest.

        Raises:
            ObjectNotFoundError: there is no such object.
            ObjectCorruptError: the bytes do not have this digest, or are more than ``max_bytes``.
        """

    def verify(self, sha256: str) -> int:
        """Read the object through and check its digest; returns its size. Raises as :meth:`read`."""

    def stat(self, sha256: str) -> ObjectStat | None:
        """The object's facts, or None where there is no such object."""

    def list(self) -> Iterator[ObjectStat]:
        """All objects, in order of their digests."""

    def delete(self, sha256: str, now: datetime, *, grace: timedelta = timedelta()) -> None:
        """Remove an object that was last put longer than its retention, and longer than ``grace``, before ``now``.

        Raises:
            RetentionError: it must still be kept.
            ObjectNotFoundError: there is no such object.
        """

    def discard_stale(self, before: datetime) -> int:
        """Remove what was staged and last written before ``before``, left by a crash; returns how many."""
