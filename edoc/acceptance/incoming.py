"""Receiving the bytes of a message: small ones stay in memory, large ones go to a staged object at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from edoc.archive.objects import ObjectStore, StagedObject
from signing.errors import XmlError, XmlLimitError
from signing.xml import CHUNK_BYTES, ByteSource, MemorySource

IN_MEMORY_BYTES: Final = 2 << 20
"""Messages up to this size are held in memory; larger ones never are."""


class Readable(Protocol):
    """A stream of bytes from outside."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


@dataclass(frozen=True)
class Incoming:
    """A message as received, byte for byte."""

    source: ByteSource
    sha256: str
    """Lower-case hex."""
    staged: StagedObject | None
    """Where it lies when it is too large for memory."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.source.size


@contextmanager
def receive(stream: Readable, store: ObjectStore, max_bytes: int) -> Iterator[Incoming]:
    """Read a message to its end; what was staged is discarded on leaving unless it was put.

    Raises:
        XmlError: there are no bytes.
        XmlLimitError: there are more than ``max_bytes``; reading stops there.
    """
    head = _read_up_to(stream, min(IN_MEMORY_BYTES, max_bytes) + 1)
    if not head:
        raise XmlError("xml.empty", "the file is empty", "send the XML file itself")
    if len(head) <= IN_MEMORY_BYTES:
        if len(head) > max_bytes:
            raise _too_large(max_bytes)
        yield Incoming(MemorySource(head), hashlib.sha256(head).hexdigest(), None)
        return
    with store.stage() as staged:
        chunk = head
        while chunk:
            staged.write(chunk)
            if staged.size > max_bytes:
                raise _too_large(max_bytes)
            chunk = stream.read(CHUNK_BYTES)
        yield Incoming(staged.source(), staged.sha256, staged)


def incoming_bytes(data: bytes) -> Incoming:
    """A message that the exchange itself wrote."""
    return Incoming(MemorySource(data), hashlib.sha256(data).hexdigest(), None)


def archive_message(incoming: Incoming, store: ObjectStore) -> None:
    """Make the message an object of the archive: durable on return."""
    if incoming.staged is not None:
        store.put(incoming.staged)
    else:
        store.put_bytes(incoming.source.read(0, incoming.size))


def _read_up_to(stream: Readable, count: int) -> bytes:
    parts: list[bytes] = []
    left = count
    while left > 0 and (chunk := stream.read(min(left, CHUNK_BYTES))):
        parts.append(chunk)
        left -= len(chunk)
    return b"".join(parts)


def _too_large(max_bytes: int) -> XmlLimitError:
    return XmlLimitError("xml.max_bytes", f"the file has more than {max_bytes} bytes", "send a smaller file")
