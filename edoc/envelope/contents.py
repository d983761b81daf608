"""Contents of attachments that do not lie in a message: bytes in memory, and the one file inside a ZIP."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from signing.xml import CHUNK_BYTES


@dataclass(frozen=True)
class MemoryContent:
    """An :class:`~edoc.envelope.model.AttachmentContent` of bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        for at in range(0, len(self.data), CHUNK_BYTES):
            yield self.data[at : at + CHUNK_BYTES]

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the bytes, by ``hashlib`` name."""
        return hashlib.new(algorithm, self.data).digest()


@dataclass(frozen=True)
class ZipEntryContent:
    """The file inside a ZIP with one entry, whose size and checksum :mod:`edoc.envelope.unzip` has checked.

    The ZIP stays packed in memory and is unpacked whenever the bytes are read.
    """

    packed: bytes
    size: int
    """Length in bytes, unpacked."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the unpacked bytes."""
        with zipfile.ZipFile(io.BytesIO(self.packed)) as archive, archive.open(archive.infolist()[0]) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the unpacked bytes, by ``hashlib`` name."""
        digest = hashlib.new(algorithm)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.digest()
