"""Changing one byte: of a copy of an export, and of an object of the archive itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOCAL_CRC: Final = 14
"""Where the checksum stands in a local file header (APPNOTE 4.3.7); the name's and extra field's lengths: at 26."""
_LOCAL_LENGTHS: Final = 26
_LOCAL_HEADER: Final = 30
_CENTRAL_CRC: Final = 16
"""Where it stands in the central directory (APPNOTE 4.3.12)."""
_CENTRAL_SIGNATURE: Final = b"PK\x01\x02"


@dataclass(frozen=True)
class ChangedByte:
    """What was changed."""

    where: str
    offset: int
    before: int
    after: int


def forge_copy(export: Path, copy: Path, member: str) -> ChangedByte:
    """Copy an export and change one byte in the middle of one of its files, as a careful forger would: with the ZIP's
    own checksum put right, so that nothing but the seals can tell.

    Raises:
        KeyError: there is no such file in it.
        ValueError: it is packed, so that a byte of it cannot be changed alone.
    """
    shutil.copyfile(export, copy)
    with zipfile.ZipFile(export) as archive:
        entry = archive.getinfo(member)
        data = bytearray(archive.read(entry))
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member} is packed")
    offset = len(data) // 2
    before = data[offset]
    data[offset] ^= 1
    crc = struct.pack("<L", zlib.crc32(data))
    with copy.open("r+b") as file:
        file.seek(entry.header_offset + _LOCAL_LENGTHS)
        name, extra = struct.unpack("<HH", file.read(4))
        file.seek(entry.header_offset + _LOCAL_HEADER + name + extra + offset)
        file.write(bytes([before ^ 1]))
        file.seek(entry.header_offset + _LOCAL_CRC)
        file.write(crc)
        file.seek(_central_entry(copy, entry) + _CENTRAL_CRC)
        file.write(crc)
    return ChangedByte(f"{copy.name}: {member}", offset, before, before ^ 1)


@contextlib.contextmanager
def damaged_object(archive: Path, sha256: str) -> Iterator[ChangedByte]:
    """Change one byte of an object in a local archive while the block runs, and put it back at the end.

    Raises:
        OSError: there is no such object, or it cannot be written.
    """
    path = archive / "objects" / sha256[:2] / sha256
    offset = path.stat().st_size // 2
    before = _flip(path, offset)
    try:
        yield ChangedByte(str(path), offset, before, before ^ 1)
    finally:
        _flip(path, offset)


def _flip(path: Path, offset: int) -> int:
    """Change the lowest bit of one byte; returns what it was. The object's file is read-only, as the archive has it."""
    mode = path.stat().st_mode
    path.chmod(mode | 0o200)
    try:
        with path.open("r+b") as file:
            file.seek(offset)
            before = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([before ^ 1]))
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.chmod(mode)
    return before


def _central_entry(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where the central directory speaks of the file: the entry that points at its local header."""
    data = path.read_bytes()
    name = entry.filename.encode()
    at = data.find(_CENTRAL_SIGNATURE)
    while at >= 0:
        length = struct.unpack_from("<H", data, at + 28)[0]
        if (
            data[at + 46 : at + 46 + length] == name
            and struct.unpack_from("<L", data, at + 42)[0] == entry.header_offset
        ):
            return at
        at = data.find(_CENTRAL_SIGNATURE, at + 4)
    raise ValueError(f"{path} has no entry of {entry.filename}")
