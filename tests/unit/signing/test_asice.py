"""ASiC-E containers: reproducible, streamed, and one meaning for every reader."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from keys.store import DigestAlgorithm
from signing.asice import (
    ASIC,
    MEDIA_TYPE,
    Container,
    ContainerFile,
    ContainerLimits,
    SourceStream,
    check_name,
    file_uri,
    open_container,
    write_container,
)
from signing.errors import ContainerError, XmlError
from signing.namespaces import DS
from signing.report import Indication
from signing.xades.verifier import verify
from signing.xml import MemorySource, XmlLimits, parse
from signing.zip import MAX_MEMBERS, ZipLimits, ZipWriter, read_entries
from tests.support.signing_keys import SIGNING_TIME, VERIFICATION_TIME, signing_key, validator

FILES = {
    "message.edxml": b"<edXML/>",
    "attachments/Giấy mời họp.txt": "Kính gửi các phường".encode() * 100,
    "evidence/0001-SubmissionAcceptance.xml": b"<Evidence/>",
}


def container_files(files: dict[str, bytes]) -> list[ContainerFile]:
    return [ContainerFile(name, "text/plain", SourceStream(MemorySource(content))) for name, content in files.items()]


def made(files: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    content = FILES if files is None else files
    write_container(out, container_files(content), key=signing_key(), signing_time=SIGNING_TIME)
    return out.getvalue()


def zipped(
    members: list[tuple[str, bytes]], *, compression: int = zipfile.ZIP_STORED, mimetype: bytes | None = None
) -> bytes:
    """An archive by another writer."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        first = MEDIA_TYPE.encode() if mimetype is None else mimetype
        archive.writestr(zipfile.ZipInfo("mimetype"), first, zipfile.ZIP_STORED)
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return out.getvalue()


# --- writing -------------------------------------------------------------------------------------------------------


def test_container_is_read_back_equal() -> None:
    with open_container(made()) as container:
        assert {member.name: member.read() for member in container.members} == FILES


def test_same_input_gives_the_same_bytes() -> None:
    assert made() == made()


def test_output_need_not_be_seekable_and_gives_the_same_bytes() -> None:
    class Pipe(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            assert isinstance(data, bytes)
            Pipe.written += data
            return len(data)

    pipe = Pipe()
    write_container(pipe, container_files(FILES), key=signing_key(), signing_time=SIGNING_TIME)  # type: ignore[arg-type]
    assert Pipe.written == made()


def test_layout_is_mimetype_then_files_in_their_order_then_meta_inf() -> None:
    with zipfile.ZipFile(io.BytesIO(made())) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["mimetype", *FILES, "META-INF/manifest.xml", "META-INF/signatures.xml"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert not any(info.extra for info in archive.infolist())


def test_media_type_can_be_read_at_a_fixed_place() -> None:
    assert made()[30:].startswith(b"mimetype" + MEDIA_TYPE.encode() + b"PK")


def test_manifest_lists_every_file_with_its_media_type() -> None:
    with zipfile.ZipFile(io.BytesIO(made({"a&b.txt": b"x"}))) as archive:
        root = etree.fromstring(archive.read("META-INF/manifest.xml"))
    space = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"
    assert [(entry.get(space + "full-path"), entry.get(space + "media-type")) for entry in root] == [
        ("/", MEDIA_TYPE),
        ("a&b.txt", "text/plain"),
    ]


def test_every_file_is_covered_by_a_reference_with_the_digest_of_its_bytes() -> None:
    with open_container(made()) as container:
        (signatures,) = container.signature_documents()
    references = signatures.document.root.iterfind(f".//{{{DS}}}Reference")
    covered = {
        reference.get("URI"): reference.findtext(f"{{{DS}}}DigestValue")
        for reference in references
        if reference.get("Type") is None
    }
    assert covered == {file_uri(name): base64_digest(content) for name, content in FILES.items()}


def base64_digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_names_are_percent_encoded_in_references() -> None:
    assert file_uri("attachments/Giấy mời 1%.txt") == "attachments/Gi%E1%BA%A5y%20m%E1%BB%9Di%201%25.txt"


@dataclass
class Zeros:
    """A large file that is nowhere in memory."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self.size >> 20):
            yield bytes(1 << 20)


def test_large_members_are_streamed_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.asice"
    file = ContainerFile("large.bin", "application/octet-stream", Zeros(64 << 20))
    expected = hashlib.sha256(bytes(64 << 20)).digest()
    tracemalloc.start()
    with path.open("wb") as out:
        write_container(out, [file], key=signing_key(), signing_time=SIGNING_TIME)
    with open_container(path) as container:
        assert container.members[0].digest(DigestAlgorithm.SHA256) == expected
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_file_that_changes_while_it_is_written_is_refused() -> None:
    class Restless:
        size = 1
        reads = iter([b"a", b"b"])

        def chunks(self) -> Iterator[bytes]:
            yield next(self.reads)

    with pytest.raises(ContainerError, match="changed while"):
        write_container(
            io.BytesIO(), [ContainerFile("a", "text/plain", Restless())], key=signing_key(), signing_time=SIGNING_TIME
        )


@pytest.mark.parametrize(
    "files",
    [{}, {"mimetype": b""}, {"META-INF/x": b""}, {"meta-inf/x": b""}, {"a": b"", "A": b""}, {"a": b"", "a/b": b""}],
)
def test_files_that_no_container_can_hold_are_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(ContainerError):
        made(files)


BAD_NAMES = [
    "",
    "/etc/passwd",
    "../up",
    "a/../../up",
    "a//b",
    "./a",
    "a\\b",
    "C:a",
    "a\x00b",
    "a\nb",
    "a\x7f",
    "gpj\u202egnp.exe",
    "a\ufeff",
    "a\ud800",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_unusable_names_are_refused_when_written(name: str) -> None:
    with pytest.raises(ContainerError):
        made({name: b"x"})


@given(name=st.text(min_size=1, max_size=30), content=st.binary(max_size=100))
@settings(max_examples=60, deadline=None)
def test_whatever_name_is_accepted_is_read_back_equal(name: str, content: bytes) -> None:
    try:
        check_name(name)
        data = made({name: content})
    except ContainerError:
        return
    with open_container(data) as container:
        assert container.member(name).read() == content
        (part,) = container.parts()
        assert part.label == name
        assert part.content.digest(DigestAlgorithm.SHA384) == hashlib.sha384(content).digest()


# --- reading -------------------------------------------------------------------------------------------------------


def test_containers_of_other_writers_are_read() -> None:
    content = b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(50_000))
    with open_container(zipped([("folder/", b""), ("folder/a", content)], compression=zipfile.ZIP_DEFLATED)) as read:
        (member,) = read.members
        assert member.read() == content
        source = member.source()
        assert source.read(5, 25) == content[5:25]
        assert b"".join(source.chunks(0, source.size)) == content
        assert source.read(source.size - 3, source.size + 10) == content[-3:]


def test_what_other_writers_say_besides_is_passed_over() -> None:
    with open_container(streamed(PAIR)) as read:
        assert [(member.name, member.read()) for member in read.members] == PAIR
    times = struct.pack("<2HBI", 0x5455, 5, 1, 1_700_000_000)
    with open_container(with_extra(times)) as read:
        assert read.member("a").read() == b"first"


def test_names_of_many_folders_take_little_memory() -> None:
    names = ["/".join(["x" * 30] * 15) + f"/{number}" for number in range(2_000)]
    data = zipped([(name, b"") for name in names])
    tracemalloc.start()
    with open_container(data) as read:
        assert len(read.members) == len(names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * len(data)


def test_a_name_with_a_character_that_no_unicode_of_this_python_knows_is_written_and_read() -> None:
    name = "attachments/01-\u0378.txt"
    with open_container(made({name: b"x"})) as read:
        assert read.member(name).read() == b"x"


def test_small_compressed_and_stored_members_are_sources_too() -> None:
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with open_container(zipped([("a", b"0123456789" * 9), ("b", b"after")], compression=compression)) as container:
            source = container.member("a").source()
            assert source is container.member("a").source()
            assert source.read(85, 1000) == b"56789"
            assert b"".join(source.chunks(88, 1000)) == b"89"


def test_a_message_is_parsed_straight_out_of_a_container() -> None:
    with open_container(made({"message.edxml": b"<edXML><a>x</a></edXML>"})) as container:
        assert parse(container.member("message.edxml").source(), XmlLimits()).root.findtext("a") == "x"


def test_parts_are_all_files_but_those_of_the_container_itself() -> None:
    with open_container(made()) as container:
        assert [part.uri for part in container.parts()] == [file_uri(name) for name in FILES]


def verdict(data: bytes) -> Indication:
    with open_container(data) as container:
        (signatures,) = container.signature_documents()
        (signature,) = signatures.signatures
        return verify(
            signatures.document, signature, container.parts(), validator=validator(), at=VERIFICATION_TIME
        ).indication


def test_our_verifier_passes_a_container_and_fails_it_with_a_file_changed_added_removed_or_renamed() -> None:
    with zipfile.ZipFile(io.BytesIO(made())) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist() if name != "mimetype"]
    (first, content), *rest = members
    assert verdict(made()) is Indication.TOTAL_PASSED
    assert verdict(zipped(members, compression=zipfile.ZIP_DEFLATED)) is Indication.TOTAL_PASSED
    for changed in (
        [(first, content + b" "), *rest],
        [*members, ("added.txt", b"x")],
        rest,
        [("other.edxml", content), *rest],
    ):
        assert verdict(zipped(changed)) is not Indication.TOTAL_PASSED


def test_container_of_some_thousand_files_is_written_and_passes_under_the_limits_of_every_reader() -> None:
    files = {f"evidence/{number:04}-ContentConsignment.xml": b"<Evidence/>" for number in range(3000)}
    assert verdict(made(files)) is Indication.TOTAL_PASSED


def test_unknown_member_is_named() -> None:
    with open_container(made()) as container, pytest.raises(ContainerError, match="no file 'x'"):
        container.member("x")


def flagged(data: bytes, flag: int) -> bytes:
    """The archive with a flag set in both headers of its second member."""
    local = data.index(b"PK\x03\x04", 4)
    central = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    changed = bytearray(data)
    for at in (local + 6, central + 8):
        changed[at : at + 2] = struct.pack("<H", struct.unpack_from("<H", data, at)[0] | flag)
    return bytes(changed)


def overlapping(data: bytes) -> bytes:
    """The archive whose first member is said to reach over the header of the second one."""
    member = data.index(b"PK\x03\x04", 4)
    central = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    changed = bytearray(data)
    longer = struct.pack("<2I", 10, 10)
    changed[member + 18 : member + 26] = longer
    changed[central + 20 : central + 28] = longer
    return bytes(changed)


def other_local_size(data: bytes) -> bytes:
    """The archive whose second member has one size in its own header and another in the directory."""
    at = data.index(b"PK\x03\x04", 4) + 18
    return data[:at] + struct.pack("<2I", 4, 4) + data[at + 8 :]


def ends_with(data: bytes, **fields: int) -> bytes:
    """The archive with other values in its end record."""
    names = ("disk", "first_disk", "here", "count", "size", "start", "comment")
    at = data.rindex(b"PK\x05\x06")
    values = dict(zip(names, struct.unpack_from("<4H2IH", data, at + 4), strict=True)) | fields
    return data[: at + 4] + struct.pack("<4H2IH", *(values[name] for name in names))


def with_extra(field: bytes, *, central_only: bool = False) -> bytes:
    """An archive whose second member carries an extra field."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MEDIA_TYPE.encode())
        info = zipfile.ZipInfo("a")
        info.extra = b"" if central_only else field
        archive.writestr(info, b"first")
        info.extra = field
    return out.getvalue()


def with_gap(data: bytes, at: int, between: bytes) -> bytes:
    """The archive with bytes put in at ``at``, between members or before the directory, and every offset mended."""
    directory = data.index(b"PK\x01\x02")
    changed = bytearray(data[:at] + between + data[at:])
    central = directory + len(between)
    while changed[central : central + 4] == b"PK\x01\x02":
        (start,) = struct.unpack_from("<I", changed, central + 42)
        if start >= at:
            struct.pack_into("<I", changed, central + 42, start + len(between))
        central += 46 + sum(struct.unpack_from("<3H", changed, central + 28))
    return ends_with(bytes(changed), start=directory + len(between))


class Unseekable(io.RawIOBase):
    """What makes a writer put sizes behind the bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self.data += data
        return len(data)


def streamed(members: list[tuple[str, bytes]]) -> bytes:
    """An archive whose members but the first are followed by data descriptors."""
    out = Unseekable()
    first = zipped([])
    head = first[: first.index(b"PK\x01\x02")]
    out.data += head
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    data = bytearray(out.data)
    # The directory of the second archive knows nothing of what stands before it: put the first member into it.
    central = data.index(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    entry = first[first.index(b"PK\x01\x02") : first.rindex(b"PK\x05\x06")]
    moved = central
    while data[moved : moved + 4] == b"PK\x01\x02":
        (start,) = struct.unpack_from("<I", data, moved + 42)
        struct.pack_into("<I", data, moved + 42, start + len(head))
        moved += 46 + sum(struct.unpack_from("<3H", data, moved + 28))
    data[central:central] = entry
    count = len(members) + 1
    return ends_with(bytes(data), here=count, count=count, size=end - central + len(entry), start=central)


def with_mode(mode: int, name: str = "a") -> bytes:
    """An archive with a member that Unix takes for what its mode says; the content is where a link would lead."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MEDIA_TYPE.encode())
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, b"" if name.endswith("/") else b"../../etc/hostname")
    return out.getvalue()


def with_first(info: zipfile.ZipInfo, content: bytes = MEDIA_TYPE.encode()) -> bytes:
    """An archive whose first member is another one, or another mimetype."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, content)
        if info.filename != "mimetype":
            archive.writestr(zipfile.ZipInfo("mimetype"), MEDIA_TYPE.encode())
        archive.writestr(zipfile.ZipInfo("a"), b"first")
    return out.getvalue()


def mimetype_with(extra: bytes = b"", method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("mimetype")
    info.extra, info.compress_type = extra, method
    return info


def commented(comment: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MEDIA_TYPE.encode())
        info = zipfile.ZipInfo("a")
        info.comment = comment
        archive.writestr(info, b"first")
    return out.getvalue()


def deflated(content: bytes, compressed: bytes, name: str = "a") -> bytes:
    """An archive with a member whose compressed form is given."""
    data = zipped([(name, compressed)])
    stored, right = (struct.pack("<2I", zlib.crc32(each), len(compressed)) for each in (compressed, content))
    local, central = data.index(b"PK\x03\x04", 4), data.rindex(b"PK\x01\x02")
    changed = bytearray(data)
    for at in (local + 8, central + 10):
        assert changed[at : at + 2] == b"\x00\x00"
        changed[at : at + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        assert changed[at + 6 : at + 14] == stored
        changed[at + 6 : at + 18] = right + struct.pack("<I", len(content))
    return bytes(changed)


def gaps(data: bytes) -> tuple[int, int]:
    """Where the second member begins, and the directory."""
    return data.index(b"PK\x03\x04", data.index(b"PK\x03\x04", 4) + 4), data.index(b"PK\x01\x02")


def asking_for(version: int, *, local: bool) -> bytes:
    """The archive whose last member needs a version of the format."""
    changed = bytearray(zipped(PAIR))
    at = changed.rindex(b"PK\x03\x04") + 4 if local else changed.rindex(b"PK\x01\x02") + 6
    struct.pack_into("<H", changed, at, version)
    return bytes(changed)


def with_attributes(data: bytes, attributes: int) -> bytes:
    """The archive whose last member has other external attributes."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, data.rindex(b"PK\x01\x02") + 38, attributes)
    return bytes(changed)


def hidden_in_folder() -> bytes:
    """An archive with a folder whose nothing is compressed, and followed by a member that no directory names."""
    return deflated(b"", squeezed(b"") + HIDDEN, "folder/")


def hidden_in_manifest() -> bytes:
    """An archive whose compressed manifest is followed by a member that no directory names."""
    return deflated(b"<manifest/>", squeezed(b"<manifest/>") + HIDDEN, "META-INF/manifest.xml")


HIDDEN = zipped([("hidden", b"1")])
HIDDEN = HIDDEN[HIDDEN.index(b"PK\x03\x04", 4) : HIDDEN.index(b"PK\x01\x02")]
UNICODE_PATH = struct.pack("<2HBI", 0x7075, 6, 1, zlib.crc32(b"a")) + b"b"
PAIR = [("a", b"first"), ("b", b"other")]
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "no ZIP archive"),
    "no archive": (lambda: b"%PDF-1.7 not a zip" * 10, "no ZIP archive"),
    "truncated": (lambda: made()[:-30], "no ZIP archive"),
    "trailing bytes": (lambda: made() + b"x", "goes on after its end"),
    "leading bytes": (lambda: b"x" + made(), "before its first member"),
    "split": (lambda: ends_with(zipped(PAIR), disk=1), "split"),
    "zip64": (lambda: ends_with(zipped(PAIR), start=0xFFFFFFFF), "ZIP64"),
    "count too low": (lambda: ends_with(zipped(PAIR), here=2, count=2), "more than its members"),
    "count too high": (lambda: ends_with(zipped(PAIR), here=4, count=4), "ends too early"),
    "no members": (lambda: ends_with(b"PK\x05\x06" + bytes(18)), "first member is not mimetype"),
    "other first member": (lambda: zipped(PAIR).replace(b"mimetype", b"mimetypE"), "first member is not mimetype"),
    "other media type": (lambda: zipped(PAIR, mimetype=b"application/zip"), "mimetype"),
    "similar media type": (lambda: zipped(PAIR, mimetype=MEDIA_TYPE.upper().encode()), "media type is not"),
    "encrypted": (lambda: flagged(zipped(PAIR), 0x1), "encrypted"),
    "hidden directory": (lambda: flagged(zipped(PAIR), 0x2000), "encrypted"),
    "other method": (lambda: zipped(PAIR, compression=zipfile.ZIP_LZMA), "only stored and deflated"),
    "overlap": (lambda: overlapping(zipped(PAIR)), "overlaps another member"),
    "overlapping directory": (lambda: overlapping(zipped(PAIR[:1])), "overlaps the container's directory"),
    "other local name": (lambda: zipped(PAIR).replace(b"bother", b"cother"), "another name in its own header"),
    "other local size": (lambda: other_local_size(zipped(PAIR)), "described in two ways"),
    "hidden between members": (lambda: with_gap(zipped(PAIR), gaps(zipped(PAIR))[0], HIDDEN), "bytes before b"),
    "hidden before the directory": (
        lambda: with_gap(zipped(PAIR), gaps(zipped(PAIR))[1], HIDDEN),
        "between its last member and its directory",
    ),
    "hidden behind a descriptor": (
        lambda: with_gap(streamed(PAIR), gaps(streamed(PAIR))[0], HIDDEN),
        "bytes before b",
    ),
    "other descriptor": (
        lambda: streamed(PAIR).replace(b"PK\x07\x08", b"PK\x07\x09", 1),
        "behind its bytes and in the directory",
    ),
    "another name for some": (lambda: with_extra(UNICODE_PATH), r"extra field \(0x7075\)"),
    "another name for some, in the directory": (
        lambda: with_extra(UNICODE_PATH, central_only=True),
        r"extra field \(0x7075\)",
    ),
    "another directory in a member's comment": (lambda: commented(HIDDEN), "a has a comment"),
    "another directory before the end": (
        lambda: with_gap(zipped(PAIR), len(zipped(PAIR)) - 22, b"PK\x06\x07" + bytes(16)),
        "ZIP64|more than its members|after its directory",
    ),
    "another directory in the comment": (lambda: ends_with(zipped(PAIR), comment=4) + b"PK\x06\x07", "plain text"),
    "unknown flag": (lambda: flagged(zipped(PAIR), 0x0020), "marked"),
    "stored with a descriptor": (lambda: flagged(zipped(PAIR), 0x0008), "its end is a guess"),
    "folder of a file's name": (lambda: zipped([("a", b"1"), ("a/", b"")]), "both a file and a folder"),
    "folder in a file": (lambda: zipped([("a", b"1"), ("a/b/", b"")]), "both a file and a folder"),
    "doubled folder": (lambda: _warning_free([("a/", b""), ("a/", b"")]), "twice"),
    "hidden in a folder": (hidden_in_folder, "damaged"),
    "folder to DOS": (lambda: with_attributes(zipped(PAIR), 0x10), "no file to DOS"),
    "volume to DOS": (lambda: with_attributes(zipped(PAIR), 0x08), "no file to DOS"),
    "hidden behind the manifest": (hidden_in_manifest, "damaged"),
    "new version in the directory": (lambda: asking_for(99, local=False), "asks for version 0x0063"),
    "version of VMS": (lambda: asking_for(0x0214, local=False), "asks for version 0x0214"),
    "new version in its header": (lambda: asking_for(99, local=True), "asks for version 0x0063"),
    "damaged extra field": (lambda: with_extra(struct.pack("<2H", 0x5455, 9)), "extra fields of a are damaged"),
    "half an extra field": (lambda: with_extra(b"UT\x00"), "extra fields of a are damaged"),
    "symbolic link": (lambda: with_mode(0o120777), "a is a symbolic link"),
    "symbolic link with the name of a folder": (lambda: with_mode(0o120777, "a/"), "a/ is a symbolic link"),
    "folder with the name of a file": (lambda: with_mode(0o040755), "a is a folder without the name of one"),
    "character device": (lambda: with_mode(0o020600), "a is a device"),
    "block device": (lambda: with_mode(0o060600), "a is a device"),
    "pipe": (lambda: with_mode(0o010600), "a is a pipe"),
    "socket": (lambda: with_mode(0o140600), "a is a socket"),
    "unknown type of file": (lambda: with_mode(0o150600), "a is something else than a file"),
    "folder before the first member": (
        lambda: with_first(zipfile.ZipInfo("a-folder/"), b""),
        "first member is not mimetype",
    ),
    "extra field of mimetype": (
        lambda: with_first(mimetype_with(struct.pack("<2HBI", 0x5455, 5, 1, 1_700_000_000))),
        "mimetype is compressed, has extra fields",
    ),
    "compressed mimetype": (
        lambda: with_first(mimetype_with(method=zipfile.ZIP_DEFLATED)),
        "mimetype is compressed, has extra fields",
    ),
    "large mimetype": (lambda: with_first(mimetype_with(), bytes(1000)), "mimetype is compressed, has extra fields"),
    "long extra fields": (
        lambda: with_extra(struct.pack("<2H", 0x5455, 4000) + bytes(4000), central_only=True),
        "directory is longer than its members explain",
    ),
    "many folders": (lambda: zipped([("a/" * 17 + "b", b"1")]), "more than 16 folders"),
    "doubled name": (lambda: _warning_free([("a", b"1"), ("a", b"2")]), "twice"),
    "same name but for case": (lambda: zipped([("a", b"1"), ("A", b"2")]), "twice"),
    "same name but for accents": (lambda: zipped([("\u1ea5", b"1"), ("a\u0302\u0301", b"2")]), "twice"),
    "file and folder": (lambda: zipped([("a", b"1"), ("a/b", b"2")]), "both a file and a folder"),
    "folder with content": (lambda: zipped([("a/", b"1")]), "has content"),
    "absolute": (lambda: zipped([("/a", b"1")]), "leads out"),
    "upwards": (lambda: zipped([("a/../../b", b"1")]), "leads out"),
    "upwards folder": (lambda: zipped([("../", b"")]), "leads out"),
    "backslash": (lambda: zipped([("xab", b"1")]).replace(b"xab", b"..\\"), "backslash"),
    "control character": (lambda: zipped([("a\x01", b"1")]), "control"),
    "unmarked encoding": (lambda: zipped([("xyz", b"1")]).replace(b"xyz", b"\xe1\xba\xa5"), "no known encoding"),
    "unknown in META-INF": (lambda: zipped([("META-INF/evil.exe", b"1")]), "nothing signs it"),
    "META-INF in other case": (lambda: zipped([("meta-inf/signatures.xml", b"1")]), "nothing signs it"),
}


def _warning_free(members: list[tuple[str, bytes]]) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped(members)


@pytest.mark.parametrize("mode", [0, 0o600, 0o100644, 0o100755])
def test_members_with_the_mode_of_a_file_or_of_nothing_are_read(mode: int) -> None:
    with open_container(with_mode(mode)) as read:
        assert [member.name for member in read.members] == ["a"]


@pytest.mark.parametrize("mode", [0, 0o755, 0o040755, 0o100644])
def test_folders_with_the_mode_of_a_folder_or_of_none_are_passed_over(mode: int) -> None:
    assert open_container(with_mode(mode, "a/")).members == ()


def test_plain_comments_on_members_are_passed_over() -> None:
    assert open_container(commented(b"LIB Some/1.0 (x64)")).member("a").read() == b"first"


def squeezed(content: bytes, how_it_ends: int = zlib.Z_FINISH) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(content) + squeezer.flush(how_it_ends)


@pytest.mark.parametrize(
    ("compressed", "reason"),
    [
        (squeezed(b"first") + b"hidden", "do not end where they should"),
        (squeezed(b"first") + bytes(3 << 20), "goes on after its compressed data"),
        (squeezed(b"first", zlib.Z_SYNC_FLUSH), "do not end where they should"),
    ],
    ids=["goes on", "goes on for long", "does not end"],
)
def test_compressed_data_end_where_the_member_ends_even_where_the_content_is_right(
    compressed: bytes, reason: str
) -> None:
    assert open_container(deflated(b"first", squeezed(b"first"))).member("a").read() == b"first"
    with pytest.raises(ContainerError, match=reason):
        open_container(deflated(b"first", compressed)).member("a").read()


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_container_is_refused_with_the_reason(case: str) -> None:
    make, reason = HOSTILE[case]
    with pytest.raises(ContainerError, match=reason):
        open_container(make())


LIMITS: dict[str, tuple[ZipLimits, str]] = {
    "members": (ZipLimits(max_ratio=2000, max_entries=2), "members, more than 2"),
    "size": (ZipLimits(max_ratio=2000, max_entry_bytes=1_999_999), "bytes, more than 1999999"),
    "total": (ZipLimits(max_ratio=2000, max_total_bytes=2_000_000), "together"),
    "ratio": (ZipLimits(max_ratio=100), "grows more than 100 times"),
    "name": (ZipLimits(max_ratio=2000, max_name_bytes=7), "more than 7"),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_each_limit_refuses_what_only_it_forbids(limit: str) -> None:
    data = zipped([("long", bytes(2_000_000)), ("b", b"x")], compression=zipfile.ZIP_DEFLATED)
    limits, reason = LIMITS[limit]
    assert len(open_container(data, ContainerLimits(zip=ZipLimits(max_ratio=2000))).members) == 2
    with pytest.raises(ContainerError, match=reason):
        open_container(data, ContainerLimits(zip=limits))


def test_member_that_unpacks_to_more_than_it_says_is_refused_before_it_grows() -> None:
    data = zipped([("a", bytes(5_000_000))], compression=zipfile.ZIP_DEFLATED)
    size, lie = struct.pack("<I", 5_000_000), struct.pack("<I", 1000)
    container = open_container(data.replace(size, lie))
    given_out: list[bytes] = []
    with pytest.raises(ContainerError, match="damaged"):
        given_out.extend(container.members[0].chunks())
    assert sum(map(len, given_out)) <= 1000


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_any_changed_byte_of_a_member_is_noticed(compression: int) -> None:
    content = b"The quick brown fox jumps over the lazy dog. " * 3
    data = zipped([("a", content)], compression=compression)
    start = data.index(b"PK\x03\x04", 4) + 31
    stop = data.index(b"PK\x01\x02")
    for at in range(start, stop):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(ContainerError):
            open_container(changed).members[0].read()


def signature_file(content: bytes, name: str = "META-INF/signatures.xml") -> Container:
    return open_container(zipped([("a", b"x"), (name, content)]))


def test_container_without_signature_is_refused_when_signatures_are_asked_for() -> None:
    with pytest.raises(ContainerError, match="no XAdES signature"):
        open_container(zipped(PAIR)).signature_documents()


@pytest.mark.parametrize(
    "content",
    [
        b"<x/>",
        b'<s:XAdESSignatures xmlns:s="%s"/>' % ASIC.encode(),
        b'<s:XAdESSignatures xmlns:s="%s"><other/></s:XAdESSignatures>' % ASIC.encode(),
    ],
)
def test_signature_file_of_another_form_is_refused(content: bytes) -> None:
    with pytest.raises(ContainerError, match=r"signatures"):
        signature_file(content).signature_documents()


def test_signature_file_that_is_no_xml_is_refused() -> None:
    with pytest.raises(XmlError):
        signature_file(b"<x").signature_documents()


def test_a_seal_has_room_for_a_reference_to_each_of_many_files() -> None:
    content = SourceStream(MemorySource(b"x"))
    files = [ContainerFile(f"certificates/{at:064x}.cer", "application/pkix-cert", content) for at in range(25_000)]
    out = io.BytesIO()
    write_container(out, files, key=signing_key(), signing_time=SIGNING_TIME)
    with open_container(out.getvalue()) as container:
        (document,) = container.signature_documents()
        assert len(document.document.root.findall(f".//{{{DS}}}Reference")) == len(files) + 1


def test_as_many_members_as_plain_zip_can_have_are_written_and_read_and_no_more() -> None:
    out = io.BytesIO()
    archive = ZipWriter(out)
    for at in range(MAX_MEMBERS):
        archive.add(str(at), size=0, crc=0, chunks=[])
    with pytest.raises(ContainerError, match="65,534 members cannot be written"):
        archive.add("one more", size=0, crc=0, chunks=[])
    archive.close()
    assert len(read_entries(MemorySource(out.getvalue()), ZipLimits())) == MAX_MEMBERS == 65_534


def test_large_signature_file_is_refused_before_it_is_read() -> None:
    limits = ContainerLimits(signatures=XmlLimits(max_bytes=10))
    with pytest.raises(ContainerError, match=r"META-INF/signatures\.xml has more than 10 bytes"):
        open_container(made(), limits).signature_documents()


def signature_files(*numbers: int) -> Container:
    """With so many empty signatures in each of its files of signatures."""
    name = "META-INF/signatures{}.xml".format
    body = '<s:XAdESSignatures xmlns:s="{}" xmlns:ds="{}">{}</s:XAdESSignatures>'.format
    files = [(name(at), body(ASIC, DS, "<ds:Signature/>" * number).encode()) for at, number in enumerate(numbers)]
    return open_container(zipped([("a", b"x"), *files]))


@pytest.mark.parametrize("numbers", [(16,), (8, 8), (1,) * 16])
def test_as_many_signatures_as_anybody_needs_are_given(numbers: tuple[int, ...]) -> None:
    assert tuple(len(each.signatures) for each in signature_files(*numbers).signature_documents()) == numbers


@pytest.mark.parametrize(
    ("numbers", "reason"), [((17,), "16 signatures"), ((9, 8), "16 signatures"), ((1,) * 17, "16 files")]
)
def test_more_signatures_than_anybody_needs_are_refused(numbers: tuple[int, ...], reason: str) -> None:
    with pytest.raises(ContainerError, match=f"more than {reason}"):
        signature_files(*numbers).signature_documents()


def test_too_many_signature_files_are_refused_before_any_is_read() -> None:
    with pytest.raises(ContainerError, match="16 files"):
        open_container(zipped([(f"META-INF/signatures{at}.xml", b"<x") for at in range(17)])).signature_documents()


def test_signature_files_that_are_large_together_are_refused_before_any_is_read() -> None:
    files = [(f"META-INF/signatures{at}.xml", b"<x1234") for at in range(2)]
    limits = ContainerLimits(signatures=XmlLimits(max_bytes=10))
    with pytest.raises(ContainerError, match="more than 10 bytes together"):
        open_container(zipped(files), limits).signature_documents()


def test_every_signature_file_is_given() -> None:
    with open_container(made()) as container:
        (own,) = container.signature_documents()
    data = b"".join(own.document.encoded_chunks())
    both = open_container(
        zipped([("META-INF/signatures.xml", data), ("META-INF/signatures-2.xml", data), ("META-INF/manifest.xml", b"")])
    )
    assert [document.name for document in both.signature_documents()] == [
        "META-INF/signatures.xml",
        "META-INF/signatures-2.xml",
    ]
    assert both.members == ()
