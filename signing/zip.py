"""ZIP archives as far as containers need them: a writer whose bytes depend on nothing but its input, a strict reader.

The writer stores members uncompressed, since compressed bytes differ from one zlib to the next; it writes no times, no
owners and no extra fields, and needs no seekable output. The reader takes stored and deflated members and refuses what
readers of ZIP disagree about (APPNOTE 6.3.10): a central directory that differs from the local headers, members that
overlap, bytes that belong to none, encryption, names in no known encoding, ZIP64, links, devices and folders in
disguise, comments in which another directory could lie.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from signing.errors import ContainerError, ContainerLimitError
from signing.xml import CHUNK_BYTES, ByteSource

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_LOCAL_MAGIC: Final = b"PK\x03\x04"
_CENTRAL_MAGIC: Final = b"PK\x01\x02"
_END_MAGIC: Final = b"PK\x05\x06"

STORED: Final = 0
DEFLATED: Final = 8
_UTF8_FLAG: Final = 0x0800
_ENCRYPTED_FLAGS: Final = 0x0001 | 0x0040 | 0x2000
_DESCRIPTOR_FLAG: Final = 0x0008
_KNOWN_FLAGS: Final = _UTF8_FLAG | _ENCRYPTED_FLAGS | _DESCRIPTOR_FLAG | 0x0006
"""Those, and how hard the compressor tried."""
_ZIP64_LOCATOR: Final = struct.Struct("<4sIQI")
_ZIP64_LOCATOR_MAGIC: Final = b"PK\x06\x07"
_DOS_FOLDER: Final = 0x10
_DOS_VOLUME: Final = 0x08
_DESCRIPTOR: Final = struct.Struct("<3I")
_DESCRIPTOR_MAGIC: Final = b"PK\x07\x08"
_EXTRA: Final = struct.Struct("<2H")
_HARMLESS_EXTRA: Final = frozenset({0x5455, 0x5855, 0x7855, 0x7875, 0x000A, 0xCAFE, 0xD935})
"""Times, owners, the mark of a JAR, alignment. Others can give a member another name (0x7075) or size (0x0001), which
some readers heed and others do not."""
_FILE_TYPES: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder without the name of one",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
_DOS_DATE_1980: Final = 0x0021
_VERSION: Final = 20
_NEWEST_VERSION: Final = 45
"""What readers of today read (APPNOTE 4.4.3); nothing that is taken here needs more."""
_MADE_ON_UNIX: Final = 3 << 8
_REGULAR_FILE: Final = 0o100644 << 16
_MAX_UINT32: Final = 0xFFFFFFFF
_MAX_UINT16: Final = 0xFFFF
MAX_MEMBERS: Final = _MAX_UINT16 - 1
"""The most that an archive without ZIP64 can have."""
_RATIO_FROM_BYTES: Final = 1 << 20
"""Smaller members may be compressed as well as they can."""


@dataclass(frozen=True)
class ZipLimits:
    """What an archive may cost. Sizes are in bytes."""

    max_entries: int = MAX_MEMBERS
    """Number of members, folders included; the export of a letter to a thousand agencies has some ten thousand."""
    max_entry_bytes: int = 416 << 20
    """Uncompressed size of one member."""
    max_total_bytes: int = 1040 << 20
    """Uncompressed size of all members together."""
    max_ratio: int = 200
    """How many times larger than in the archive a member of more than a megabyte may be."""
    max_name_bytes: int = 512
    """Length of a member's name in UTF-8."""


@dataclass(frozen=True)
class ZipEntry:
    """One member as both headers describe it."""

    name: str
    method: int
    crc: int
    size: int
    compressed_size: int
    header_start: int
    data_start: int
    has_extra: bool
    """Whether the local header carries an extra field or leaves its sizes to a data descriptor."""
    has_descriptor: bool
    """Whether a data descriptor follows the bytes."""

    @property
    def data_stop(self) -> int:
        """Where the member's bytes end in the archive."""
        return self.data_start + self.compressed_size


class ZipWriter:
    """Writes one archive to ``out``; :meth:`close` ends it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._offset = 0
        self._directory: list[bytes] = []

    def add(self, name: str, *, size: int, crc: int, chunks: Iterable[bytes]) -> None:
        """Add a member, whose size and CRC-32 must be known before.

        Raises:
            ContainerError: the chunks are not those that size and CRC were taken of, or the archive passes 4 GiB.
        """
        encoded = name.encode()
        flags = 0 if name.isascii() else _UTF8_FLAG
        start = self._offset
        if start + size > _MAX_UINT32 - CHUNK_BYTES or len(self._directory) >= MAX_MEMBERS:
            raise ContainerError(f"a container of more than 4 GiB or {MAX_MEMBERS:,} members cannot be written")
        common = (flags, STORED, 0, _DOS_DATE_1980, crc, size, size, len(encoded), 0)
        self._write(_LOCAL.pack(_LOCAL_MAGIC, _VERSION, *common) + encoded)
        self._copy(name, size, crc, chunks)
        made_by = _MADE_ON_UNIX | _VERSION
        header = _CENTRAL.pack(_CENTRAL_MAGIC, made_by, _VERSION, *common, 0, 0, 0, _REGULAR_FILE, start)
        self._directory.append(header + encoded)

    def _copy(self, name: str, size: int, crc: int, chunks: Iterable[bytes]) -> None:
        written, found = 0, 0
        for chunk in chunks:
            written += len(chunk)
            found = zlib.crc32(chunk, found)
            self._write(chunk)
        if (written, found) != (size, crc):
            raise ContainerError(f"{name} changed while the container was written")

    def close(self) -> None:
        """Write the central directory."""
        directory = b"".join(self._directory)
        count = len(self._directory)
        start = self._offset
        self._write(directory)
        self._write(_END.pack(_END_MAGIC, 0, 0, count, count, len(directory), start, 0))

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._offset += len(data)


def read_entries(source: ByteSource, limits: ZipLimits) -> tuple[ZipEntry, ...]:
    """The members of the archive in the order of their bytes, folders included.

    Raises:
        ContainerError: it is no ZIP archive, passes the limits, or can be read in more than one way.
    """
    end, count, directory_size, directory_start = _read_end(source)
    if count > limits.max_entries:
        raise ContainerLimitError(f"the container has {count} members, more than {limits.max_entries}")
    if directory_start + directory_size != end:
        raise ContainerError("the container has bytes before its first member or after its directory")
    # Of nothing else is the memory for the directory bounded before it is read; extra fields may fill it.
    if directory_size > count * (_CENTRAL.size + limits.max_name_bytes + 1024):
        raise ContainerError("the container's directory is longer than its members explain")
    directory = source.read(directory_start, end)
    entries = sorted(_read_directory(source, directory, count, limits), key=lambda entry: entry.header_start)
    _check_layout(source, entries, directory_start)
    total = sum(entry.size for entry in entries)
    if total > limits.max_total_bytes:
        raise ContainerError(f"the members have {total} bytes together, more than {limits.max_total_bytes}")
    return tuple(entries)


def _read_end(source: ByteSource) -> tuple[int, int, int, int]:
    """Where the end record stands; number of members, size and start of the central directory."""
    tail_start = max(0, source.size - _END.size - _MAX_UINT16)
    tail = source.read(tail_start, source.size)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END.size:
        raise ContainerError("the file is no ZIP archive, or its end is missing")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise ContainerError("the container goes on after its end")
    if not _is_plain_text(tail[at + _END.size :]):
        raise ContainerError("the container's comment is more than plain text: it could hold another directory")
    if tail[max(0, at - _ZIP64_LOCATOR.size) : at].startswith(_ZIP64_LOCATOR_MAGIC):
        raise ContainerError("the container uses ZIP64: other readers could find another directory there")
    if disk or first_disk or here != count:
        raise ContainerError("the container is split over several files")
    if count == _MAX_UINT16 or _MAX_UINT32 in (size, start):
        raise ContainerError("the container uses ZIP64, which is not needed below 4 GiB")
    return tail_start + at, count, size, start


def _read_directory(source: ByteSource, directory: bytes, count: int, limits: ZipLimits) -> Iterator[ZipEntry]:
    at = 0
    for _ in range(count):
        if len(directory) - at < _CENTRAL.size:
            raise ContainerError("the container's directory ends too early")
        entry, at = _read_central(source, directory, at, limits)
        yield entry
    if at != len(directory):
        raise ContainerError("the container's directory holds more than its members")


def _read_central(source: ByteSource, directory: bytes, at: int, limits: ZipLimits) -> tuple[ZipEntry, int]:
    fields = _CENTRAL.unpack_from(directory, at)
    magic, _, version, flags, method, _, _, crc, compressed, size, name_size, extra_size, comment_size, *_ = fields
    attributes, start = fields[-2:]
    name_start = at + _CENTRAL.size
    encoded = directory[name_start : name_start + name_size]
    if magic != _CENTRAL_MAGIC or len(encoded) != name_size:
        raise ContainerError("the container's directory is damaged")
    if name_size > limits.max_name_bytes:
        raise ContainerError(f"a member's name has {name_size} bytes, more than {limits.max_name_bytes}")
    name = _decode_name(encoded, flags)
    extra_start = name_start + name_size
    comment = directory[extra_start + extra_size : extra_start + extra_size + comment_size]
    if len(comment) != comment_size or not _is_plain_text(comment):
        raise ContainerError(f"{name} has a comment that is more than plain text: something else could lie in it")
    _check_type(name, attributes)
    _check_sizes(name, flags, method, compressed, size, limits)
    _check_version(name, version)
    described = (flags, method, crc, compressed, size)
    _check_extra(name, directory[extra_start : extra_start + extra_size], extra_size)
    data_start, has_extra = _read_local(source, start, encoded, name, described)
    has_descriptor = bool(flags & _DESCRIPTOR_FLAG)
    entry = ZipEntry(name, method, crc, size, compressed, start, data_start, has_extra, has_descriptor)
    return entry, extra_start + extra_size + comment_size


def _decode_name(encoded: bytes, flags: int) -> str:
    try:
        return encoded.decode("utf-8" if flags & _UTF8_FLAG else "ascii")
    except UnicodeDecodeError as error:
        raise ContainerError(f"a member's name {encoded!r} is in no known encoding: mark it as UTF-8") from error


def _is_plain_text(comment: bytes) -> bool:
    """Printable ASCII, in which no record of the format can lie."""
    return all(0x20 <= each < 0x7F for each in comment)  # noqa: PLR2004 - its bounds


def _check_version(name: str, version: int) -> None:
    if version > _NEWEST_VERSION:  # the upper byte would be a system that alone can read it
        raise ContainerError(f"{name} asks for version 0x{version:04x} of ZIP, and some readers would pass it over")


def _check_type(name: str, attributes: int) -> None:
    """By the external attributes (APPNOTE 4.4.15), whatever system made the archive: DOS keeps its own in the lowest
    byte, Unix the mode in the upper half.

    Info-ZIP writes a symbolic link where the mode says so, and whoever opens that member opens a file elsewhere; others
    make a folder where either says so, and drop the content.
    """
    kind, is_folder = stat.S_IFMT(attributes >> 16), name.endswith("/")
    if attributes & _DOS_VOLUME or (attributes & _DOS_FOLDER and not is_folder):
        raise ContainerError(f"{name} is no file to DOS: a container holds files alone, with their own content")
    if kind in (0, stat.S_IFREG) or (kind == stat.S_IFDIR and is_folder):
        return
    what = _FILE_TYPES.get(kind, "something else than a file")
    raise ContainerError(f"{name} is {what} to Unix: a container holds files alone, with their own content")


def _check_sizes(name: str, flags: int, method: int, compressed: int, size: int, limits: ZipLimits) -> None:
    if flags & _ENCRYPTED_FLAGS:
        raise ContainerError(f"{name} is encrypted")
    if flags & ~_KNOWN_FLAGS:
        raise ContainerError(f"{name} is marked (0x{flags:04x}) as what readers of today do not know")
    if method == STORED and flags & _DESCRIPTOR_FLAG:
        raise ContainerError(f"{name} is stored without its size before it, so that its end is a guess")
    if method not in (STORED, DEFLATED):
        raise ContainerError(f"{name} is compressed by method {method}: only stored and deflated are read")
    if method == STORED and compressed != size:
        raise ContainerError(f"{name} is stored but has two sizes")
    if size > limits.max_entry_bytes:
        raise ContainerError(f"{name} has {size} bytes, more than {limits.max_entry_bytes}")
    if size > _RATIO_FROM_BYTES and size > compressed * limits.max_ratio:
        raise ContainerError(f"{name} grows more than {limits.max_ratio} times when unpacked")


def _read_local(
    source: ByteSource, start: int, encoded: bytes, name: str, described: tuple[int, int, int, int, int]
) -> tuple[int, bool]:
    """Where the data begin, and whether anything extra stands before; the local header must say the same."""
    header = source.read(start, start + _LOCAL.size + len(encoded))
    if len(header) < _LOCAL.size + len(encoded):
        raise ContainerError(f"{name} lies outside of the container")
    magic, version, flags, method, _, _, crc, compressed, size, name_size, extra_size = _LOCAL.unpack_from(header)
    if magic != _LOCAL_MAGIC or name_size != len(encoded) or header[_LOCAL.size :] != encoded:
        raise ContainerError(f"{name} has another name in its own header than in the directory")
    _check_version(name, version)
    descriptor = bool(flags & _DESCRIPTOR_FLAG)
    here = (flags, method, *(described[2:] if descriptor else (crc, compressed, size)))
    if here != described:
        raise ContainerError(f"{name} is described in two ways, in its own header and in the directory")
    extra_start = start + _LOCAL.size + name_size
    _check_extra(name, source.read(extra_start, extra_start + extra_size), extra_size)
    return extra_start + extra_size, descriptor or extra_size > 0


def _check_extra(name: str, extra: bytes, size: int) -> None:
    at = 0
    while at < len(extra):
        if len(extra) - at < _EXTRA.size:
            raise ContainerError(f"the extra fields of {name} are damaged")
        kind, length = _EXTRA.unpack_from(extra, at)
        if kind not in _HARMLESS_EXTRA:
            raise ContainerError(f"{name} has an extra field (0x{kind:04x}) by which others may read another file")
        at += _EXTRA.size + length
    if at != size:
        raise ContainerError(f"the extra fields of {name} are damaged")


def _check_layout(source: ByteSource, entries: list[ZipEntry], directory_start: int) -> None:
    """Member must follow on member: what stands between is a file to readers that do not look into the directory."""
    free_from = 0
    starts = [*(each.header_start for each in entries), directory_start]
    for entry, next_start in zip(entries, starts[1:], strict=True):
        if entry.header_start != free_from:
            where = "before its first member" if entry is entries[0] else f"before {entry.name}"
            overlaps = entry.header_start < free_from
            raise ContainerError(
                f"{entry.name} overlaps another member" if overlaps else f"the container has bytes {where}"
            )
        free_from = entry.data_stop + (_descriptor_size(source, entry, next_start) if entry.has_descriptor else 0)
    if free_from > directory_start:
        raise ContainerError("a member overlaps the container's directory")
    if free_from < directory_start:
        raise ContainerError("the container has bytes between its last member and its directory")


def _descriptor_size(source: ByteSource, entry: ZipEntry, next_start: int) -> int:
    """The length of the data descriptor, which must say what the directory says (APPNOTE 4.3.9)."""
    plain = _DESCRIPTOR.pack(entry.crc, entry.compressed_size, entry.size)
    found = source.read(entry.data_stop, min(next_start, entry.data_stop + len(_DESCRIPTOR_MAGIC) + len(plain)))
    if found not in (plain, _DESCRIPTOR_MAGIC + plain):
        raise ContainerError(f"{entry.name} is described in two ways, behind its bytes and in the directory")
    return len(found)


def entry_chunks(source: ByteSource, entry: ZipEntry) -> Iterator[bytes]:
    """Yield the member's bytes, never more than its size, checked against its CRC-32 at the end.

    Raises:
        ContainerError: the bytes are damaged.
    """
    stored = source.chunks(entry.data_start, entry.data_stop)
    left, crc = entry.size, 0
    for chunk in stored if entry.method == STORED else _inflate(stored, entry):
        left -= len(chunk)
        if left < 0:
            break
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if left or crc != entry.crc:
        raise ContainerError(f"{entry.name} is damaged")


def _inflate(compressed: Iterable[bytes], entry: ZipEntry) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for chunk in compressed:
            # The check behind the loop would see it too, but zlib keeps all that follows for it.
            if inflater.eof:
                raise ContainerError(f"{entry.name} is damaged: it goes on after its compressed data")
            yield inflater.decompress(chunk, CHUNK_BYTES)
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, CHUNK_BYTES)
        yield inflater.flush()
    except zlib.error as error:
        raise ContainerError(f"{entry.name} is damaged: {error}") from error
    if not inflater.eof or inflater.unused_data:
        raise ContainerError(f"{entry.name} is damaged: its compressed data do not end where they should")
