"""The object store for more than one machine: a bucket of any S3-compatible service.

Keys are ``objects/<first two hex digits>/<digest>``. An object is sent with the checksum that the service must find,
so bytes spoilt on the way are refused, and under a retention lock where one is asked for.

**Create-only.** Every first write carries ``If-None-Match: *``. Where a service ignores the condition, the object is
overwritten with the same bytes under the same digest, which harms nobody; with versioning even that leaves the first
version in place. :meth:`S3ObjectStore.check_lock` tries it out.

**Durability** is the service's word: it answers a PUT, or the completion of an upload, when it has stored the object.
What a crash leaves: before that answer an upload that no reader sees, and perhaps a local staged file, which the sweep
removes (:meth:`S3ObjectStore.discard_stale`); after it the object, which the sweep removes if no row refers to it and
it is no message.

**Putting again.** What is there is read back first: a put relies on no object that was damaged since. An object
younger than ``renew_after`` is left alone then. An older one gets a new version of the same
bytes, with a retention of its own, so that a sweep that saw the old one unreferenced removes no more than what it
saw. The grace period of the sweep must be longer than ``renew_after``. In a bucket without versions a sweep that runs
at the very moment of such a put can remove the object: use versioning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from minio import Minio

from edoc.archive import s3_lock, staging
from edoc.archive.objects import ObjectStat, StagedObject
from edoc.archive.s3_lock import LockStatus
from edoc.archive.s3_requests import PART_BYTES, AlreadyThereError, Bucket, Lock, LockMode, Written
from edoc.archive.staging import SpooledObject
from edoc.archive.streams import check_present, check_through, checked_address, read_checked
from edoc.errors import ArchiveError, ObjectNotFoundError, RetentionError
from signing.xml import ByteSource, MemorySource

RENEW_AFTER: Final = timedelta(hours=1)
_PARALLEL_PUTS: Final = 4
_FOLDER: Final = "objects/"


class S3ObjectStore:
    """An :class:`~edoc.archive.objects.ObjectStore` in a bucket that exists.

    Args:
        client: from :func:`~edoc.archive.s3_requests.open_client`; one for each process, shared by its threads.
        bucket: its name.
        staging_folder: a local folder, created if need be, for what is too large to wait in memory.
        retention: how long an object must be kept.
        clock: the time, for retention dates and the age of objects.
        lock: lock each object for its retention in this mode; None where the bucket offers no lock.
        renew_after: see the module.

    Raises:
        ArchiveError: the bucket cannot be reached or does not exist.
    """

    def __init__(
        self,
        client: Minio,
        bucket: str,
        *,
        staging_folder: Path,
        retention: timedelta,
        clock: Callable[[], datetime],
        lock: LockMode | None = None,
        renew_after: timedelta = RENEW_AFTER,
    ) -> None:
        self._bucket = Bucket(client, bucket)
        self._staging = staging_folder
        self._retention = retention
        self._clock = clock
        self._lock = lock
        self._renew_after = renew_after
        try:
            staging_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(f"the staging folder cannot be created: {error}") from error
        self._bucket.require()

    def stage(self) -> StagedObject:
        """Begin an object of unknown size (used as a context manager)."""
        return SpooledObject(self._staging)

    def put(self, staged: StagedObject) -> ObjectStat:
        """Make what was staged by this store an object.

        Raises:
            ObjectCorruptError: something else stands at this address, or what was staged has changed.
            ArchiveError: the service fails.
        """
        if not isinstance(staged, SpooledObject):
            raise TypeError("only what this store staged can be put into it")
        staged.seal()
        return self._put(staged.source(), staged.sha256)

    def put_bytes(self, data: bytes) -> ObjectStat:
        """The same for bytes in memory."""
        return self._put(MemorySource(data), hashlib.sha256(data).hexdigest())

    def put_many(self, contents: Sequence[bytes]) -> tuple[ObjectStat, ...]:
        """Put several objects, in the order given, a few at the same time."""
        with ThreadPoolExecutor(_PARALLEL_PUTS) as pool:
            return tuple(pool.map(self.put_bytes, contents))

    def open(self, sha256: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """A stream over the object's bytes from ``start``, at most ``length`` of them; past the end it is empty.

        Holds a connection until it is closed.
        """
        return self._bucket.open(_key(sha256), start, length)

    def read(self, sha256: str, max_bytes: int) -> bytes:
        """The whole object, checked against its digest."""
        return read_checked(self.open(sha256), sha256, max_bytes)

    def verify(self, sha256: str) -> int:
        """Read the object through and check its digest; returns its size."""
        return check_through(self.open(sha256), sha256)

    def stat(self, sha256: str) -> ObjectStat | None:
        """The object's facts, or None where there is no such object."""
        try:
            found = self._bucket.stat(_key(sha256))
        except ObjectNotFoundError:
            return None
        if found is None:
            self._bucket.require()  # a bucket that is gone must not look like an archive without this object
            return None
        return ObjectStat(sha256, found.size, found.stored_at)

    def list(self) -> Iterator[ObjectStat]:
        """All objects, in order of their digests."""
        for found in self._bucket.list(_FOLDER):
            yield ObjectStat(found.key.rpartition("/")[2], found.size, found.stored_at)

    def delete(self, sha256: str, now: datetime, *, grace: timedelta = timedelta()) -> None:
        """Remove all versions of an object that was last put longer than retention and ``grace`` before ``now``.

        A version that is put meanwhile survives. A crash leaves some versions; the sweep comes by again.

        Raises:
            RetentionError: it must still be kept, by our reckoning or the service's.
            ObjectNotFoundError: there is no such object.
        """
        key = _key(sha256)
        versions = tuple(self._bucket.list(key, versions=True))
        stored = [each.stored_at for each in versions if not each.is_delete_marker]
        if not stored:
            raise ObjectNotFoundError(f"the archive holds no object {sha256}")
        until = max(stored) + max(self._retention, grace)
        if now < until:
            raise RetentionError(f"object {sha256} is kept until {until.isoformat()}")
        for version in versions:
            self._bucket.delete(key, version.version_id)

    def discard_stale(self, before: datetime) -> int:
        """Remove staged files last written, and abort uploads begun, before ``before``; returns how many."""
        return staging.discard_stale(self._staging, before) + self._bucket.abort_uploads(_FOLDER, before)

    def check_lock(self) -> LockStatus:
        """Try to break the lock of the bucket: see :func:`edoc.archive.s3_lock.check_lock`."""
        return s3_lock.check_lock(self._bucket, self._lock, self._clock())

    def _put(self, source: ByteSource, sha256: str) -> ObjectStat:
        key = _key(sha256)
        # A small object is simply sent, since most are new; for a large one it is worth to ask first.
        present = self._bucket.stat(key) if source.size > PART_BYTES else None
        if present is None:
            try:
                return _stat_of(source, sha256, self._write(key, source, sha256, create_only=True))
            except AlreadyThereError:
                present = self._bucket.stat(key)
        # What is there and cannot be looked at is the mark of a removal, which some services count as an object.
        if present is None or not self._is_intact(sha256, present.size, source.size):
            return _stat_of(source, sha256, self._write(key, source, sha256, create_only=False))
        if present.stored_at + self._renew_after > self._clock():
            return ObjectStat(sha256, present.size, present.stored_at)
        return _stat_of(source, sha256, self._write(key, source, sha256, create_only=False))

    def _is_intact(self, sha256: str, present: int, put: int) -> bool:
        """Make sure of the object that a put is about to rely on; False where a sweep was faster.

        Raises:
            ObjectCorruptError: it is not what was put: nothing may be taken on that relies on it.
        """
        check_present(sha256, present, put)
        try:
            self.verify(sha256)
        except ObjectNotFoundError:
            return False
        return True

    def _write(self, key: str, source: ByteSource, sha256: str, *, create_only: bool) -> Written:
        lock = Lock(self._lock, self._clock() + self._retention) if self._lock is not None else None
        if source.size > PART_BYTES:
            return self._bucket.upload(key, source, sha256, lock, create_only=create_only)
        return self._bucket.put(key, source.read(0, source.size), lock, create_only=create_only)


def _key(sha256: str) -> str:
    return f"{_FOLDER}{checked_address(sha256)[:2]}/{sha256}"


def _stat_of(source: ByteSource, sha256: str, written: Written) -> ObjectStat:
    return ObjectStat(sha256, source.size, written.stored_at)
