"""ASiC-E containers with XAdES signatures (ETSI EN 319 162-1): files and the signature over all of them in one ZIP.

Layout of what is written: ``mimetype``, the files in the order given, ``META-INF/manifest.xml`` (names and media types
as OpenDocument has them), ``META-INF/signatures.xml``. Members are stored, without times or owners, so that the same
input gives the same bytes. Every file is covered by one reference with a relative URI; ``mimetype`` and ``META-INF``
are not signed: the reader knows their content from the standard, and takes nothing else from them.

After ``unzip``, with ``META-INF/signatures.xml`` copied beside the files, any XML signature tool can check it.

The reader proves nothing: it gives the files, the signatures, and by :meth:`Container.parts` what those must cover.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from lxml import etree

from keys.store import DigestAlgorithm, SigningKey
from signing.errors import ContainerError
from signing.namespaces import DS
from signing.parts import FilePart
from signing.xades.signer import sign
from signing.xml import CHUNK_BYTES, ByteSource, FileSource, MemorySource, ParsedXml, XmlLimits, parse
from signing.zip import STORED, ZipEntry, ZipLimits, ZipWriter, entry_chunks, read_entries

MEDIA_TYPE: Final = "application/vnd.etsi.asic-e+zip"
"""Content of ``mimetype`` (EN 319 162-1 section 4.4.1)."""
ASIC: Final = "http://uri.etsi.org/02918/v1.2.1#"
"""Namespace of ``XAdESSignatures`` (EN 319 162-1 annex A)."""

_MIMETYPE: Final = "mimetype"
_META_INF: Final = "META-INF/"
_MANIFEST_NAME: Final = _META_INF + "manifest.xml"
_SIGNATURES_NAME: Final = _META_INF + "signatures.xml"
_MANIFEST_NAMESPACE: Final = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
_SIGNATURES_PATTERN: Final = re.compile(r"META-INF/[^/]*signatures[^/]*\.xml")
_KNOWN_META_INF: Final = re.compile(
    r"META-INF/(?:manifest\.xml|[^/]*(?:signature|timestamp|evidencerecord|manifest)[^/]*\.(?:xml|p7s|tst|ers))",
    re.IGNORECASE,
)
"""The names that EN 319 162-1 section 4.4 gives to files in META-INF."""
_DIRTY_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that have no place in a file name: controls, invisible formatting, lone surrogates. Not those that
are unassigned (Cn): which these are depends on the Python that runs, and reader and writer differ."""
_MAX_STEPS: Final = 16
"""Folders in which a file may lie, one in the other."""
_SIGNATURE_LIMITS: Final = XmlLimits(max_bytes=8 << 20, max_skeleton_bytes=8 << 20, max_nodes=400_000)
"""Room for a reference to each of ten thousand files, and for countersigners."""
_FILES_WITHOUT_MORE: Final = 10_000
_FOR_EACH_FILE: Final = XmlLimits(max_bytes=512, max_nodes=16, max_attributes=8)
"""Where there are more: a reference has some 400 bytes, nine ``<`` and five ``=``."""
_MAX_SIGNATURES: Final = 16
"""As in messages. An export has one; this leaves room for countersigners. Each signature is checked against all files
and its whole document, so that thousands of empty ones, which are a few kilobytes when packed, would take hours."""


class FileStream(Protocol):
    """Bytes that can be read through from the beginning, again and again."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""


@dataclass(frozen=True)
class SourceStream:
    """A whole :class:`~signing.xml.ByteSource` as a :class:`FileStream`."""

    source: ByteSource

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.source.size

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        return self.source.chunks(0, self.source.size)


@dataclass(frozen=True)
class ContainerFile:
    """One file to be put into a container."""

    name: str
    """Relative path with ``/``; must pass :func:`check_name`."""
    media_type: str
    content: FileStream


@dataclass(frozen=True)
class ContainerLimits:
    """What a container may cost its reader."""

    zip: ZipLimits = field(default_factory=ZipLimits)
    signatures: XmlLimits = _SIGNATURE_LIMITS
    """Limits of each signature document, raised where there are more files than they leave room for.

    ``max_bytes`` is also that of all of them together.
    """
    max_signatures: int = _MAX_SIGNATURES
    """Number of signatures in all signature documents together, and so of the documents, each of which has one."""


@dataclass(frozen=True)
class _KnownDigest:
    """The digest of a file, taken while it was written."""

    algorithm: DigestAlgorithm
    value: bytes

    def digest(self, algorithm: DigestAlgorithm) -> bytes:
        """The digest; only one was taken."""
        if algorithm is not self.algorithm:
            raise ContainerError(f"the file was digested with {self.algorithm.value}, not {algorithm.value}")
        return self.value


def file_uri(name: str) -> str:
    """The relative URI by which a signature refers to the file of that name (RFC 3986, UTF-8 percent-encoded)."""
    return quote(name, safe="/")


def check_name(name: str) -> None:
    """Make sure that a name means the same file on every system, and none outside of the folder unpacked into.

    Raises:
        ContainerError: it is empty, absolute, leads upwards or through too many folders, has a backslash, a colon, or
            an invisible character.
    """
    if any(unicodedata.category(character) in _DIRTY_CATEGORIES for character in name):
        raise ContainerError(f"the name {name!r} has a control or invisible character")
    if "\\" in name or ":" in name:
        raise ContainerError(f"the name {name!r} has a backslash or a colon, which some systems take for a path")
    if any(step in ("", ".", "..") for step in name.split("/")):
        raise ContainerError(f"the name {name!r} is empty, absolute, or leads out of the container")
    if name.count("/") > _MAX_STEPS:
        raise ContainerError(f"the name {name!r} leads through more than {_MAX_STEPS} folders")


# --- writing -------------------------------------------------------------------------------------------------------


def write_container(
    out: BinaryIO,
    files: Sequence[ContainerFile],
    *,
    key: SigningKey,
    signing_time: datetime,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    claimed_roles: Sequence[str] = (),
) -> None:
    """Write a container with ``files`` in their order, sealed by ``key``, to ``out``, which need not be seekable.

    Each file is read twice, in pieces: for the CRC-32 that stands before it, and to be written. The digest signed is
    that of the bytes written. The same arguments give the same bytes (with ECDSA by RFC 6979).

    Raises:
        ContainerError: a name is unusable or doubled, there are no files, or a file changes between the two readings.
        SignatureCreationError: as :func:`signing.xades.signer.sign`. ``out`` holds an unfinished archive then.
    """
    _check_files(files)
    archive = ZipWriter(out)
    _add_bytes(archive, _MIMETYPE, MEDIA_TYPE.encode())
    parts = [_add_file(archive, file, digest) for file in files]
    _add_bytes(archive, _MANIFEST_NAME, _manifest(files))
    document = parse(f'<asic:XAdESSignatures xmlns:asic="{ASIC}"/>'.encode(), _SIGNATURE_LIMITS)
    sign(
        document,
        parts,
        parent=document.root,
        key=key,
        signing_time=signing_time,
        digest=digest,
        claimed_roles=claimed_roles,
        signature_id="container-seal",
    )
    _add_bytes(archive, _SIGNATURES_NAME, b"".join(document.encoded_chunks()))
    archive.close()


def _check_files(files: Sequence[ContainerFile]) -> None:
    if not files:
        raise ContainerError("a container needs at least one file")
    for file in files:
        check_name(file.name)
        if _folded(file.name) == _MIMETYPE or _folded(file.name).startswith(_META_INF.casefold()):
            raise ContainerError(f"the name {file.name!r} belongs to the container itself")
    _check_distinct([file.name for file in files])


def _check_distinct(files: Sequence[str], folders: Sequence[str] = ()) -> None:
    """No two names may become one file on a system that ignores case or composes accents, nor a file a folder."""
    seen = _each_once(files)
    _each_once(folders)
    for folded in (*seen, *(_folded(f"{folder}/x") for folder in folders)):
        for folder in _folders(folded):
            if folder in seen:
                raise ContainerError(f"the name {folder!r} is both a file and a folder")


def _each_once(names: Sequence[str]) -> set[str]:
    seen: set[str] = set()
    for name in names:
        folded = _folded(name)
        if folded in seen:
            raise ContainerError(f"the name {name!r} is there twice")
        seen.add(folded)
    return seen


def _folders(name: str) -> Iterator[str]:
    """The folders in which a file lies, the innermost first."""
    while name := name.rpartition("/")[0]:
        yield name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _add_file(archive: ZipWriter, file: ContainerFile, digest: DigestAlgorithm) -> FilePart:
    size, crc = 0, 0
    for chunk in file.content.chunks():
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
    state = hashlib.new(digest.value)

    def digested() -> Iterator[bytes]:
        for chunk in file.content.chunks():
            state.update(chunk)
            yield chunk

    archive.add(file.name, size=size, crc=crc, chunks=digested())
    known = _KnownDigest(digest, state.digest())
    return FilePart(label=file.name, uri=file_uri(file.name), content=known, media_type=file.media_type)


def _add_bytes(archive: ZipWriter, name: str, data: bytes) -> None:
    archive.add(name, size=len(data), crc=zlib.crc32(data), chunks=[data])


def _manifest(files: Sequence[ContainerFile]) -> bytes:
    """OpenDocument 1.2 part 3 section 3: the package itself, then each file."""
    listed = [("/", MEDIA_TYPE), *((file.name, file.media_type) for file in files)]
    entries = "".join(
        f"<manifest:file-entry manifest:full-path={quoteattr(name)} manifest:media-type={quoteattr(media_type)}/>"
        for name, media_type in listed
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<manifest:manifest xmlns:manifest="{_MANIFEST_NAMESPACE}" manifest:version="1.2">{entries}'
        "</manifest:manifest>\n"
    ).encode()


# --- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignatureDocument:
    """One file of signatures in META-INF."""

    name: str
    document: ParsedXml
    signatures: tuple[etree._Element, ...]
    """The ``ds:Signature`` elements, each to be verified against :meth:`Container.parts`."""


class Member:
    """One file of a container: read as often as needed, digested once for each algorithm.

    Readers raise :class:`ContainerError` where the bytes are damaged.
    """

    def __init__(self, archive: ByteSource, entry: ZipEntry, resources: ExitStack) -> None:
        self._archive = archive
        self._entry = entry
        self._resources = resources
        self._digests: dict[DigestAlgorithm, bytes] = {}
        self._source: ByteSource | None = None

    @property
    def name(self) -> str:
        """Relative path with ``/``."""
        return self._entry.name

    @property
    def size(self) -> int:
        """Length in bytes, uncompressed."""
        return self._entry.size

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, checked against their CRC-32 at the end."""
        return entry_chunks(self._archive, self._entry)

    def read(self) -> bytes:
        """All bytes at once; only for members known to be small."""
        return b"".join(self.chunks())

    def digest(self, algorithm: DigestAlgorithm) -> bytes:
        """The digest over the bytes."""
        if algorithm not in self._digests:
            state = hashlib.new(algorithm.value)
            for chunk in self.chunks():
                state.update(chunk)
            self._digests[algorithm] = state.digest()
        return self._digests[algorithm]

    def source(self) -> ByteSource:
        """The bytes to be read from any place, until the container is closed; large compressed ones are unpacked."""
        if self._source is None:
            self._source = self._open_source()
        return self._source

    def _open_source(self) -> ByteSource:
        if self._entry.method == STORED:
            return _Slice(self._archive, self._entry.data_start, self._entry.size)
        if self.size <= CHUNK_BYTES:
            return MemorySource(self.read())
        file = self._resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the container closes it
        for chunk in self.chunks():
            file.write(chunk)
        file.flush()
        return _Unpacked(file.fileno(), self.size)


class Container:
    """A container opened for reading; a context manager that closes what was unpacked."""

    def __init__(self, archive: ByteSource, limits: ContainerLimits) -> None:
        self._resources = ExitStack()
        folders, entries = _told_apart(read_entries(archive, limits.zip))
        _check_mimetype(archive, entries)
        _check_distinct([entry.name for entry in entries], [folder.name.removesuffix("/") for folder in folders])
        members = [Member(archive, entry, self._resources) for entry in entries[1:]]
        self.members = tuple(member for member in members if not _in_meta_inf(member.name))
        """The files, in their order, without ``mimetype`` and those in META-INF."""
        self.strangers = tuple(
            entry.name
            for entry in entries
            if _in_meta_inf(entry.name)
            and entry.name != _MANIFEST_NAME
            and not _SIGNATURES_PATTERN.fullmatch(entry.name)
        )
        """Files in META-INF that are neither the manifest nor signatures of the kind that is read here."""
        self._max_signatures = limits.max_signatures
        self._signature_limits = _raised(limits.signatures, len(self.members))
        for entry in (*folders, *(each for each in entries if _in_meta_inf(each.name))):
            _read_through(archive, entry)  # of the others the seal's digests tell, once they are verified
        self._signature_members = [member for member in members if _SIGNATURES_PATTERN.fullmatch(member.name)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was unpacked."""
        self._resources.close()

    def member(self, name: str) -> Member:
        """The file of that name.

        Raises:
            ContainerError: there is none.
        """
        for member in self.members:
            if member.name == name:
                return member
        raise ContainerError(f"the container has no file {name!r}")

    def parts(self) -> tuple[FilePart, ...]:
        """Every file, as a signature must cover it: a verifier given these refuses a container with one left out."""
        return tuple(FilePart(member.name, file_uri(member.name), member) for member in self.members)

    def signature_documents(self) -> tuple[SignatureDocument, ...]:
        """The files with XAdES signatures.

        Raises:
            ContainerError: there are none, one is not made of signatures alone, or they pass the limits.
            XmlError: one cannot be parsed.
        """
        if not self._signature_members:
            raise ContainerError("the container has no XAdES signature (META-INF/*signatures*.xml)")
        self._check_signature_files()
        documents: list[SignatureDocument] = []
        count = 0
        for member in self._signature_members:
            document = self._signature_document(member)
            count += len(document.signatures)
            if count > self._max_signatures:
                raise ContainerError(f"the container has more than {self._max_signatures} signatures")
            documents.append(document)
        return tuple(documents)

    def _check_signature_files(self) -> None:
        """By number and size, before any is read."""
        most, largest = self._max_signatures, self._signature_limits.max_bytes
        if len(self._signature_members) > most:
            raise ContainerError(f"the container has more than {most} files of signatures (META-INF/*signatures*.xml)")
        for member in self._signature_members:  # all together would be more as well, but here is the one to blame
            if member.size > largest:
                raise ContainerError(f"{member.name} has more than {largest} bytes")
        if sum(member.size for member in self._signature_members) > largest:
            raise ContainerError(f"the files of signatures have more than {largest} bytes together")

    def _signature_document(self, member: Member) -> SignatureDocument:
        document = parse(member.read(), self._signature_limits)
        signatures = tuple(document.root.iterchildren(etree.Element))
        if document.root.tag != f"{{{ASIC}}}XAdESSignatures" or not signatures:
            raise ContainerError(f"{member.name} is not an XAdESSignatures element with signatures")
        if any(signature.tag != f"{{{DS}}}Signature" for signature in signatures):
            raise ContainerError(f"{member.name} holds something else than signatures")
        return SignatureDocument(member.name, document, signatures)


def open_container(archive: Path | bytes | ByteSource, limits: ContainerLimits | None = None) -> Container:
    """Open a container from a stranger and check its form, names and limits; read are only the members in META-INF.

    Raises:
        ContainerError: it is no ASiC-E container, passes the limits, or means different things to different readers.
    """
    if isinstance(archive, Path):
        archive = FileSource.of(archive)
    elif isinstance(archive, bytes):
        archive = MemorySource(archive)
    return Container(archive, limits or ContainerLimits())


def _raised(limits: XmlLimits, files: int) -> XmlLimits:
    """Limits with room for a reference to each file; more than it needs no container gets, as memory holds it."""
    more = max(0, files - _FILES_WITHOUT_MORE)
    return replace(
        limits,
        max_bytes=limits.max_bytes + more * _FOR_EACH_FILE.max_bytes,
        max_skeleton_bytes=limits.max_skeleton_bytes + more * _FOR_EACH_FILE.max_bytes,
        max_nodes=limits.max_nodes + more * _FOR_EACH_FILE.max_nodes,
        max_attributes=limits.max_attributes + more * _FOR_EACH_FILE.max_attributes,
    )


def _told_apart(entries: Sequence[ZipEntry]) -> tuple[list[ZipEntry], list[ZipEntry]]:
    """The entries that are mere folders, and the files; checks the names of both."""
    folders: list[ZipEntry] = []
    files: list[ZipEntry] = []
    for entry in entries:
        check_name(entry.name.removesuffix("/"))
        if not entry.name.endswith("/"):
            files.append(entry)
            continue
        if entry.size:
            raise ContainerError(f"the folder {entry.name!r} has content")
        folders.append(entry)
    return folders, files


def _read_through(archive: ByteSource, entry: ZipEntry) -> None:
    """Make sure that the bytes of an entry are what its headers say: readers that go by them find no other there."""
    for _ in entry_chunks(archive, entry):
        pass


def _check_mimetype(archive: ByteSource, entries: Sequence[ZipEntry]) -> None:
    """EN 319 162-1 section 4.4.1 with annex A.1: first, stored, without extra field, so that ``file`` finds it."""
    # A folder may stand before it, which is none of these entries.
    if not entries or entries[0].name != _MIMETYPE or entries[0].header_start:
        raise ContainerError("the first member is not mimetype")
    first = entries[0]
    if first.method != STORED or first.has_extra or first.size != len(MEDIA_TYPE):
        raise ContainerError(f"mimetype is compressed, has extra fields, or is not {MEDIA_TYPE}")
    if b"".join(entry_chunks(archive, first)) != MEDIA_TYPE.encode():
        raise ContainerError(f"the media type is not {MEDIA_TYPE}")


def _in_meta_inf(name: str) -> bool:
    """Whether a member belongs to the container itself; what no standard puts there would be read by nobody."""
    if not _folded(name).startswith(_META_INF.casefold()):
        return False
    if not name.startswith(_META_INF) or not _KNOWN_META_INF.fullmatch(name):
        raise ContainerError(f"{name} stands in META-INF, where EN 319 162-1 does not know it and nothing signs it")
    return True


@dataclass(frozen=True)
class _Slice:
    """A stretch of another source."""

    whole: ByteSource
    begin: int
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop``."""
        return self.whole.read(self.begin + min(start, self.size), self.begin + min(stop, self.size))

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop``."""
        return self.whole.chunks(self.begin + min(start, self.size), self.begin + min(stop, self.size))


@dataclass(frozen=True)
class _Unpacked:
    """A temporary file as a source."""

    descriptor: int
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop``."""
        return b"".join(self.chunks(start, stop))

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop``."""
        for at in range(start, min(stop, self.size), CHUNK_BYTES):
            yield os.pread(self.descriptor, min(at + CHUNK_BYTES, stop) - at, at)
