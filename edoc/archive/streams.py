"""Streams over part of an object, with the errors of the storage turned into ours, and the check of digests."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final

from edoc.errors import ArchiveError, ObjectCorruptError, ObjectNotFoundError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_BYTES: Final = 1 << 20
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def checked_address(sha256: str) -> str:
    """The address, if it can be one: 64 lower-case hex digits, so that no path or key can be smuggled in.

    Raises:
        ObjectNotFoundError: no object can have this address.
    """
    if _DIGEST.fullmatch(sha256) is None:
        raise ObjectNotFoundError(f"{sha256[:80]!r} is not a SHA-256 digest in lower-case hex")
    return sha256


class Window(io.RawIOBase):
    """At most ``length`` bytes of an open raw stream, read forward only; closes it when closed.

    Reading raises :class:`~edoc.errors.ArchiveError` where the storage fails.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        close: Callable[[], None],
        length: int | None,
        failures: tuple[type[Exception], ...],
    ) -> None:
        super().__init__()
        self._read = read
        self._close = close
        self._left = length
        self._failures = failures

    def readable(self) -> bool:
        """True: this is what it is for."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill ``buffer`` with the next bytes; returns how many, 0 at the end."""
        view = memoryview(buffer).cast("B")
        wanted = len(view) if self._left is None else min(len(view), self._left)
        if wanted == 0:
            return 0
        try:
            data = self._read(wanted)
        except self._failures as error:
            raise ArchiveError(f"the object store failed while an object was read: {error}") from error
        view[: len(data)] = data
        if self._left is not None:
            self._left -= len(data)
        return len(data)

    def close(self) -> None:
        """Release the file or the connection."""
        if not self.closed:
            self._close()
        super().close()


def read_checked(stream: BinaryIO, sha256: str, max_bytes: int) -> bytes:
    """All of ``stream``, which must have this digest; closes it.

    Raises:
        ObjectCorruptError: the bytes do not have this digest, or are more than ``max_bytes``.
    """
    with stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ObjectCorruptError(f"object {sha256} is longer than the {max_bytes} bytes it may have")
    _compare(sha256, hashlib.sha256(data).hexdigest())
    return data


def check_through(stream: BinaryIO, sha256: str) -> int:
    """Read ``stream`` to its end in pieces and check its digest; closes it; returns its size.

    Raises:
        ObjectCorruptError: the bytes do not have this digest.
    """
    digest, size = hashlib.sha256(), 0
    with stream:
        while data := stream.read(CHUNK_BYTES):
            digest.update(data)
            size += len(data)
    _compare(sha256, digest.hexdigest())
    return size


def check_present(sha256: str, present: int, put: int) -> None:
    """An object found where one is to be put must have its size: there is no second text of the same digest.

    Raises:
        ObjectCorruptError: it has another.
    """
    if present != put:
        raise ObjectCorruptError(f"the archive holds {present} bytes under {sha256}, whose content has {put}")


def _compare(address: str, found: str) -> None:
    if found != address:
        raise ObjectCorruptError(f"the bytes archived under {address} have the digest {found}")
