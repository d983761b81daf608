"""Files that senders put into a ZIP before encoding them: the vendor's classes do so for most types of file.

Only a ZIP with exactly one entry is unpacked, its name is never used as a path, and nothing is unpacked beyond the
limits: sizes are counted, not believed.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import Final

from edoc.envelope.contents import ZipEntryContent
from edoc.envelope.limits import MessageLimits
from signing.xml import CHUNK_BYTES

ZIP_MAGIC: Final = b"PK\x03\x04"
ZIP_BASED: Final = frozenset({"zip", "docx", "xlsx", "pptx", "odt", "ods", "odp", "jar", "epub"})
"""Extensions of files that are a ZIP themselves."""

_END_RECORD: Final = struct.Struct("<4s4H2LH")
_END_MAGIC: Final = b"PK\x05\x06"
_MAX_COMMENT: Final = 0xFFFF
_MAX_DIRECTORY_BYTES: Final = 46 + 3 * 0xFFFF
"""Of a central directory with one entry, whatever its name, extra field and comment."""
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""The others unpack without bound, and no sender uses them."""
_ENCRYPTED: Final = 0x1


class Unusable(Enum):
    """Why a ZIP gives no file."""

    NOT_ONE_ENTRY = "not_one_entry"
    """It has none, several, a folder, an encrypted one or one packed in an uncommon way: it is kept as it is."""
    DAMAGED = "damaged"
    """It breaks off or its checksum is wrong."""
    TOO_LARGE = "too_large"
    """Unpacked it is larger than the limits allow, or so much larger than packed that it was made to harm."""


@dataclass(frozen=True)
class UnzippedFile:
    """The one file of a ZIP."""

    content: ZipEntryContent
    extension: str
    """Of the entry's name, in lower case, without the dot."""
    head: bytes
    """The first bytes."""


def unzip(packed: bytes, limits: MessageLimits, head_bytes: int) -> UnzippedFile | Unusable:
    """The one file inside ``packed``, which starts with :data:`ZIP_MAGIC`, or why there is none."""
    entries = _count_entries(packed)
    if entries is None:
        return Unusable.DAMAGED
    if entries != 1:
        return Unusable.NOT_ONE_ENTRY
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return _read_only_entry(archive, packed, limits, head_bytes)
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError, OSError, EOFError):
        return Unusable.DAMAGED


def _count_entries(packed: bytes) -> int | None:
    """What the end record says, before anything is read that grows with the number of entries."""
    at = packed.rfind(_END_MAGIC, max(0, len(packed) - _END_RECORD.size - _MAX_COMMENT))
    if at < 0 or at + _END_RECORD.size > len(packed):
        return None
    _, _, _, _, entries, directory_bytes, _, _ = _END_RECORD.unpack_from(packed, at)
    return int(entries) if directory_bytes <= _MAX_DIRECTORY_BYTES else 0xFFFF


def _read_only_entry(
    archive: zipfile.ZipFile, packed: bytes, limits: MessageLimits, head_bytes: int
) -> UnzippedFile | Unusable:
    entries = archive.infolist()
    if len(entries) != 1:
        return Unusable.NOT_ONE_ENTRY
    entry = entries[0]
    if entry.is_dir() or entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        return Unusable.NOT_ONE_ENTRY
    most = min(limits.max_unzipped_bytes, limits.max_unzipped_ratio * len(packed))
    size = 0
    head = b""
    with archive.open(entry) as file:
        while chunk := file.read(CHUNK_BYTES):
            head = head or chunk[:head_bytes]
            size += len(chunk)
            if size > most:
                return Unusable.TOO_LARGE
    extension = entry.filename.rpartition(".")[2].lower()
    return UnzippedFile(ZipEntryContent(packed, size), extension, head)
