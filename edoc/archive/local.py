"""The object store of the embedded default: files in a folder of the local file system.

Layout below the root: ``objects/<first two hex digits>/<digest>``, read-only files; ``staging/``, what is on its
way in. Both lie in one file system, since an object becomes visible by getting its address as its name.

A put does, in this order: look whether the object is there; if not, write a staged file, fsync it, rename it to its
address, fsync the folder of the address. (A large one, which may be read on, is linked to its address instead, and
its staged name removed later.) Two puts of the same bytes at once both do so, and the second name replaces the
first, with the same bytes. What a crash leaves:

- before the rename: a staged file, perhaps half written. The sweep removes it.
- after it, before the fsync of the folder: the object, or after a power cut perhaps not. Nothing has been
  acknowledged; putting it again fsyncs the folder before it returns. Never a half-written object: its bytes were
  safe before it got its name.
- between link and removal: the object, and a second name for it in ``staging``. The sweep removes the name.

Putting what is already there counts as a fresh put for the retention, so that a sweep that saw the old object
unreferenced does not remove it under the feet of the transaction that is about to refer to it. The lock on the
folder orders the two.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import itertools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, TypeVar, cast

from edoc.archive import staging
from edoc.archive.objects import ObjectStat, StagedObject
from edoc.archive.staging import SpooledObject
from edoc.archive.streams import Window, check_present, check_through, checked_address, read_checked
from edoc.errors import ArchiveError, ObjectNotFoundError, RetentionError

_READ_ONLY: Final = 0o444
_PRIVATE: Final = 0o700
_PARALLEL_FLUSHES: Final = 8

T = TypeVar("T")


class LocalObjectStore:
    """An :class:`~edoc.archive.objects.ObjectStore` in the folder ``root``, which it creates.

    Any number of threads and processes of one machine may use the same folder at once. ``stored_at`` of an object
    is the time of its last put by the clock of the file system.

    Raises:
        ArchiveError: the folder cannot be created or written.
    """

    def __init__(self, root: Path, *, retention: timedelta) -> None:
        self._objects = root / "objects"
        self._staging = root / "staging"
        self._objects_prefix = f"{self._objects}/"
        self._staging_prefix = f"{self._staging}/{staging.PREFIX}"
        self._retention = retention
        self._serial = itertools.count()
        with _wrapped("the archive cannot be opened"):
            missing = [folder for folder in root.absolute().parents if not folder.exists()]
            self._staging.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            self._objects.mkdir(mode=_PRIVATE, exist_ok=True)
            # All shards now, so that no put has to think about the durability of the folder it writes into.
            for shard in range(256):
                (self._objects / f"{shard:02x}").mkdir(mode=_PRIVATE, exist_ok=True)
            for folder in (self._objects, root):
                _fsync_folder(folder)
            for folder in (root.absolute(), *missing):
                with contextlib.suppress(PermissionError):  # a folder above that only its owner may list
                    _fsync_folder(folder.parent)

    def stage(self) -> StagedObject:
        """Begin an object of unknown size (used as a context manager)."""
        return SpooledObject(self._staging)

    def put(self, staged: StagedObject) -> ObjectStat:
        """Make what was staged by this store an object; durable when it returns.

        Raises:
            ObjectCorruptError: something of another size stands at this address.
            ArchiveError: the file system fails.
        """
        if not isinstance(staged, SpooledObject):
            raise TypeError("only what this store staged can be put into it")
        if staged.path is None:
            staged.seal()
            source = staged.source()
            return self.put_bytes(source.read(0, source.size))
        sha256 = staged.sha256
        with _wrapped("the object cannot be stored"):
            if (present := self._renew(sha256, staged.size)) is not None:
                return present
            staged.path.chmod(_READ_ONLY)
            staged.seal()
            self._link(staged.path, sha256, staged.size)
            _fsync_folder(self._shard(sha256))
            return self._stat(sha256)

    def put_bytes(self, data: bytes) -> ObjectStat:
        """The same for bytes in memory."""
        return self.put_many([data])[0]

    def put_many(self, contents: Sequence[bytes]) -> tuple[ObjectStat, ...]:
        """Put several objects, in the order given, with fewer waits for the disk than one by one.

        All are durable when it returns. A crash leaves each of them there or not, on its own.
        """
        with _wrapped("the object cannot be stored"):
            addresses = [hashlib.sha256(data).hexdigest() for data in contents]
            wanted = dict(zip(addresses, contents, strict=True))
            stats: dict[str, ObjectStat] = {}
            missing: dict[str, bytes] = {}
            for address, data in wanted.items():
                present = self._renew(address, len(data))
                if present is None:
                    missing[address] = data
                else:
                    stats[address] = present
            stats.update(self._write_all(missing))
            _together(_fsync_folder, {self._shard(address) for address in missing})
            return tuple(stats[address] for address in addresses)

    def open(self, sha256: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """A stream over the object's bytes from ``start``, at most ``length`` of them; past the end it is empty."""
        path = self._path(sha256)
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise ObjectNotFoundError(f"the archive holds no object {sha256}") from None
        except OSError as error:
            raise ArchiveError(f"object {sha256} cannot be opened: {error}") from error
        file.seek(start)
        return cast(BinaryIO, io.BufferedReader(Window(file.read, file.close, length, (OSError,)), 64 << 10))

    def read(self, sha256: str, max_bytes: int) -> bytes:
        """The whole object, checked against its digest."""
        return read_checked(self.open(sha256), sha256, max_bytes)

    def verify(self, sha256: str) -> int:
        """Read the object through and check its digest; returns its size."""
        return check_through(self.open(sha256), sha256)

    def stat(self, sha256: str) -> ObjectStat | None:
        """The object's facts, or None where there is no such object."""
        try:
            self._path(sha256)
        except ObjectNotFoundError:
            return None
        with _wrapped("the archive cannot be read"), contextlib.suppress(FileNotFoundError):
            return self._stat(sha256)
        return None

    def list(self) -> Iterator[ObjectStat]:
        """All objects, in order of their digests; holds the names of one folder at a time."""
        for shard in range(256):
            with _wrapped("the archive cannot be read"):
                names = sorted(path.name for path in (self._objects / f"{shard:02x}").iterdir())
            for name in names:
                if (stat := self.stat(name)) is not None:
                    yield stat

    def delete(self, sha256: str, now: datetime, *, grace: timedelta = timedelta()) -> None:
        """Remove an object that was last put longer than the retention, and longer than ``grace``, before ``now``.

        A crash leaves the object there, or not; the sweep comes by again.

        Raises:
            RetentionError: it must still be kept.
            ObjectNotFoundError: there is no such object.
        """
        with _wrapped("the object cannot be removed"), self._locked(self._shard(checked_address(sha256))) as folder:
            try:
                stat = self._stat(sha256)
            except FileNotFoundError:
                raise ObjectNotFoundError(f"the archive holds no object {sha256}") from None
            until = stat.stored_at + max(self._retention, grace)
            if now < until:
                raise RetentionError(f"object {sha256} is kept until {until.isoformat()}")
            self._path(sha256).unlink()
            os.fsync(folder)

    def discard_stale(self, before: datetime) -> int:
        """Remove what was staged and last written before ``before``, left by a crash; returns how many files."""
        return staging.discard_stale(self._staging, before)

    def _shard(self, sha256: str) -> str:
        return f"{self._objects_prefix}{sha256[:2]}"

    def _path(self, sha256: str) -> Path:
        return self._objects / checked_address(sha256)[:2] / sha256

    def _name(self, sha256: str) -> str:
        """The same for a digest that we made ourselves: this is the hot path."""
        return f"{self._objects_prefix}{sha256[:2]}/{sha256}"

    def _stat(self, sha256: str) -> ObjectStat:
        return _facts(sha256, self._path(sha256).stat())

    def _write_all(self, contents: Mapping[str, bytes]) -> dict[str, ObjectStat]:
        """Write and fsync a staged file for each address, then give it that name; their facts."""
        descriptors: dict[str, int] = {}
        names: dict[str, str] = {}
        try:
            for address, data in contents.items():
                descriptors[address], names[address] = self._create_staged()
                _write(descriptors[address], data)
            _send_on_their_way(descriptors.values())
            _together(os.fsync, descriptors.values())
            stats = {address: _facts(address, os.fstat(descriptor)) for address, descriptor in descriptors.items()}
            for address in contents:
                os.rename(names[address], self._name(address))  # noqa: PTH104 - the hot path: no objects for names
                del names[address]
        finally:
            for descriptor in descriptors.values():
                os.close(descriptor)
            for name in names.values():  # where something failed
                os.unlink(name)  # noqa: PTH108
        return stats

    def _create_staged(self) -> tuple[int, str]:
        while True:
            name = f"{self._staging_prefix}{os.getpid()}-{next(self._serial)}"
            with contextlib.suppress(FileExistsError):  # left by a dead process of the same number
                return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _READ_ONLY), name

    def _link(self, staged: Path, sha256: str, size: int) -> None:
        """Give the staged file its address, unless another put was faster with the same bytes."""
        try:
            self._path(sha256).hardlink_to(staged)
        except FileExistsError:
            check_present(sha256, self._stat(sha256).size, size)
            self.verify(sha256)

    def _renew(self, sha256: str, size: int) -> ObjectStat | None:
        """The object's facts if it is there already, after making sure that it stays; else None.

        The put that made it may not have come to its fsync of the folder, or may have died before: it is done here
        again, so that what is returned is durable.
        """
        path = self._name(sha256)
        if not os.path.exists(path):  # noqa: PTH110
            return None
        try:
            check_present(sha256, self._stat(sha256).size, size)
            self.verify(sha256)  # nothing may be taken on that relies on an object which was damaged since
        except (FileNotFoundError, ObjectNotFoundError):  # a sweep was faster: put it anew
            return None
        with self._locked(self._shard(sha256)) as folder:
            try:
                found = self._stat(sha256)
            except FileNotFoundError:  # a sweep was faster: put it anew
                return None
            check_present(sha256, found.size, size)
            os.utime(path)
            os.fsync(folder)
        return self._stat(sha256)

    @contextlib.contextmanager
    def _locked(self, shard: Path | str) -> Iterator[int]:
        """Hold the lock of a shard, and its descriptor; the system frees it when the process dies."""
        descriptor = os.open(shard, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def _facts(sha256: str, found: os.stat_result) -> ObjectStat:
    return ObjectStat(sha256, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


@contextlib.contextmanager
def _wrapped(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"{what}: {error}") from error


def _fsync_folder(folder: Path | str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _send_on_their_way(descriptors: Collection[int]) -> None:
    """Let the system begin to write all of several files, so that the first fsync does not wait for its own alone."""
    if len(descriptors) > 1:
        for descriptor in descriptors:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _together(flush: Callable[[T], None], things: Collection[T]) -> None:
    """Flush all of them, several at a time: the system answers flushes that wait together with one of the disk.

    The threads live no longer than the call, so that nothing is lost by a fork.
    """
    if len(things) < 2:  # noqa: PLR2004 - one needs no company
        for thing in things:
            flush(thing)
        return
    with ThreadPoolExecutor(min(_PARALLEL_FLUSHES, len(things))) as pool:
        for _ in pool.map(flush, things):  # raises what one of them raised
            pass
