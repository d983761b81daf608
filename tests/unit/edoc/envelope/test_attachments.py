"""Attached files: pairing, decoding, unwrapping, names, types and limits."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from dataclasses import replace

import pytest

from edoc.envelope.filetypes import content_problem, extension_of, is_media_type, media_type_of, name_problem
from edoc.envelope.limits import MessageLimits
from edoc.envelope.model import Attachment, AttachmentFlag, DocumentMessage
from edoc.errors import MessageError
from tests.support.messages import DOCUMENT_XML, LIMITS, PDF, changed, read

DS = 'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
FILE = DOCUMENT_XML[DOCUMENT_XML.index("    <Attachment>") : DOCUMENT_XML.index("</Attachment>") + len("</Attachment>")]


def letter(
    content: bytes | str = b"hello\n",
    *,
    name: str = "giay-moi.txt",
    own_type: str = "text/plain",
    named_type: str = "text/plain",
    signed: bool = False,
    identifier: str | None = None,
) -> str:
    """The letter of the reference with another file in it."""
    encoded = content if isinstance(content, str) else base64.b64encode(content).decode()
    text = changed(DOCUMENT_XML, ">aGVsbG8K<", f">{encoded}<").replace("giay-moi.txt", name)
    text = changed(text, "<ContentType>text/plain", f"<ContentType>{own_type}")
    text = changed(text, "<edXML:ContentType>text/plain", f"<edXML:ContentType>{named_type}")
    if signed:
        text = changed(text, "</edXML:edXMLHeader>", f"<ds:Signature {DS}/></edXML:edXMLHeader>")
    if identifier is not None:
        text = changed(text, "<edXML:ContentTransferEncoded", f'<edXML:ContentTransferEncoded Id="{identifier}"')
    return text


def files(text: str, limits: MessageLimits = LIMITS) -> tuple[Attachment, ...]:
    message = read(text, limits).message
    assert isinstance(message, DocumentMessage)
    return message.attachments


def content_of(attachment: Attachment) -> bytes:
    return b"".join(attachment.content.chunks())


def violations_of(text: str, limits: MessageLimits = LIMITS) -> list[tuple[str, str]]:
    with pytest.raises(MessageError) as caught:
        read(text, limits)
    return [(violation.code, violation.field) for violation in caught.value.violations]


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return packed.getvalue()


CONTENT_FIELD = "AttachmentEncoded/Attachment[1]/ContentTransferEncoded"


# Pairing


@pytest.mark.parametrize("content_id", ["att-1", "cid:cid:att-1", "CID: att-1", " cid:att-1 "])
def test_any_number_of_cid_prefixes_is_stripped(content_id: str) -> None:
    (file,) = files(changed(DOCUMENT_XML, "<ContentId>cid:att-1", f"<ContentId>{content_id}"))
    assert file.content_id == "att-1"
    assert file.flags == ()


def test_a_file_that_the_manifest_does_not_name_is_kept_and_flagged() -> None:
    text = changed(DOCUMENT_XML, "<ContentId>cid:att-1", "<ContentId>cid:att-2")
    (file,) = files(text)
    assert (file.content_id, file.flags) == ("att-2", (AttachmentFlag.NO_REFERENCE,))
    assert [(each.code, each.field) for each in read(text).warnings] == [
        ("M.Attachment", "AttachmentEncoded/Attachment[1]"),
        ("N.Reference", "edXMLManifest/Reference[1]"),
    ]


def test_two_files_with_one_id_are_refused() -> None:
    text = changed(DOCUMENT_XML, FILE, FILE + FILE)
    assert violations_of(text) == [("M.ContentId", "AttachmentEncoded/Attachment[2]/ContentId")]


def test_an_id_that_only_differs_in_its_prefix_is_the_same() -> None:
    text = changed(DOCUMENT_XML, FILE, FILE + FILE.replace("cid:att-1", "att-1"))
    assert violations_of(text) == [("M.ContentId", "AttachmentEncoded/Attachment[2]/ContentId")]


def test_two_references_to_one_file_are_refused() -> None:
    start, stop = DOCUMENT_XML.index("<edXML:Reference>"), DOCUMENT_XML.index("</edXML:Reference>") + 18
    text = DOCUMENT_XML[:stop] + DOCUMENT_XML[start:stop] + DOCUMENT_XML[stop:]
    assert violations_of(text) == [("M.Reference.ContentId", "edXMLManifest/Reference[2]/ContentId")]


@pytest.mark.parametrize(
    ("old", "code", "field"),
    [
        ("<ContentId>cid:att-1</ContentId>", "N.ContentId", "AttachmentEncoded/Attachment[1]/ContentId"),
        ("aGVsbG8K", "N.ContentTransferEncoded", CONTENT_FIELD),
        (
            "<edXML:ContentId>cid:att-1</edXML:ContentId>",
            "N.Reference.ContentId",
            "edXMLManifest/Reference[1]/ContentId",
        ),
    ],
)
def test_what_a_file_must_have_is_missed(old: str, code: str, field: str) -> None:
    assert violations_of(changed(DOCUMENT_XML, old, "")) == [(code, field)]


def test_a_file_that_nobody_names_is_refused() -> None:
    text = changed(DOCUMENT_XML, "<AttachmentName>giay-moi.txt</AttachmentName>", "")
    assert files(text)[0].attachment_name == "giay-moi.txt"
    text = changed(text, "<edXML:AttachmentName>giay-moi.txt</edXML:AttachmentName>", "")
    assert violations_of(text) == [("N.AttachmentName", "AttachmentEncoded/Attachment[1]/AttachmentName")]


def test_the_manifest_gives_the_name_and_another_one_is_warned_of() -> None:
    text = changed(DOCUMENT_XML, "<AttachmentName>giay-moi.txt", "<AttachmentName>khac.txt")
    assert files(text)[0].attachment_name == "giay-moi.txt"
    assert [each.code for each in read(text).warnings] == ["M.AttachmentName"]


def test_in_a_signed_message_the_manifest_gives_the_type() -> None:
    text = letter(own_type="text/html", named_type="text/calendar; method=REQUEST", signed=True)
    assert files(text)[0].content_type == "text/calendar; method=REQUEST"


def test_in_an_unsigned_message_the_file_gives_the_type_since_the_manifest_is_often_stale() -> None:
    assert files(letter(own_type="text/html", named_type="application/pdf"))[0].content_type == "text/html"


@pytest.mark.parametrize("own_type", ["", "text", "text/plain\nX: y", 'a/b; c="'])
def test_a_type_that_is_none_is_taken_from_the_name(own_type: str) -> None:
    text = changed(letter(own_type=own_type), "<edXML:ContentType>text/plain</edXML:ContentType>", "")
    assert files(text)[0].content_type == "text/plain"


def test_in_a_signed_message_the_id_of_a_content_is_its_content_id() -> None:
    assert files(letter(signed=True, identifier="att-1"))[0].content_id == "att-1"
    assert violations_of(letter(signed=True, identifier="att-2")) == [
        ("M.ContentTransferEncoded.@Id", f"{CONTENT_FIELD}/@Id")
    ]


def test_in_an_unsigned_message_the_id_of_a_content_means_nothing() -> None:
    assert files(letter(identifier="x"))[0].content_id == "att-1"


def test_the_non_standard_form_is_read_with_a_warning() -> None:
    file = (
        "<edXML:edXMLAttachments><edXML:Attachment><edXML:AttachmentName>a.pdf</edXML:AttachmentName>"
        "<edXML:AttachmentType>application/pdf</edXML:AttachmentType><edXML:AttachmentSize>9</edXML:AttachmentSize>"
        f"<edXML:AttachmentData>{base64.b64encode(PDF).decode()}</edXML:AttachmentData></edXML:Attachment>"
        "</edXML:edXMLAttachments>"
    )
    text = changed(DOCUMENT_XML, "</edXML:edXMLEnvelope>", f"{file}</edXML:edXMLEnvelope>")
    first, second = files(text)
    assert first.flags == ()
    assert (second.attachment_name, second.content_type, content_of(second)) == ("a.pdf", "application/pdf", PDF)
    assert AttachmentFlag.NON_STANDARD in second.flags
    assert [part.label for part in read(text).parts][-1] == second.content_id


# Content


@pytest.mark.parametrize("content", ["aGVs\r\n bG8K\t", "aGVsbG8K\n"])
def test_white_space_between_base64_characters_is_allowed(content: str) -> None:
    assert content_of(files(letter(content))[0]) == b"hello\n"


@pytest.mark.parametrize("content", ["aGVsbG8", "aGVsbG8K=", "aGVs*G8K", "aGVs=bG8K", "aGVs-_8K", "{{content}}", "="])
def test_anything_but_strict_base64_is_refused(content: str) -> None:
    assert violations_of(letter(content)) == [("T.ContentTransferEncoded", CONTENT_FIELD)]


def test_base64_that_is_wrong_at_the_end_of_a_large_file_is_refused() -> None:
    assert violations_of(letter("QUJD" * 20_000 + "Q")) == [("T.ContentTransferEncoded", CONTENT_FIELD)]


def test_markup_in_the_content_is_refused() -> None:
    assert ("T.ContentTransferEncoded", CONTENT_FIELD) in violations_of(letter("aGVs<x/>bG8K"))


def test_a_large_file_is_read_in_pieces() -> None:
    data = bytes(range(256)) * 20_000
    (file,) = files(letter(data, name="a.bin"))
    assert file.content.size == len(data)
    assert content_of(file) == data


def test_a_file_above_the_limit_is_refused_before_it_is_decoded() -> None:
    limits = replace(LIMITS, max_attachment_bytes=1000)
    assert violations_of(letter("*" * 4000), limits) == [("R.ContentTransferEncoded", CONTENT_FIELD)]


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False), (1050, False)])
def test_the_limit_of_a_file_is_exact(size: int, fits: bool) -> None:  # noqa: FBT001 - a row of the table
    limits = replace(LIMITS, max_attachment_bytes=1000)
    text = letter(b"x" * size)
    if fits:
        assert len(files(text, limits)) == 1
    else:
        assert violations_of(text, limits) == [("R.ContentTransferEncoded", CONTENT_FIELD)]


def test_all_files_together_have_a_limit() -> None:
    second = FILE.replace("att-1", "att-2")
    text = changed(
        letter(b"x" * 800), "</AttachmentEncoded>", f"{second.replace('aGVsbG8K', 'QUJD' * 300)}</AttachmentEncoded>"
    )
    limits = replace(LIMITS, max_total_attachment_bytes=1000)
    assert violations_of(text, limits) == [
        ("R.ContentTransferEncoded", "AttachmentEncoded/Attachment[2]/ContentTransferEncoded")
    ]


def test_more_files_than_the_limit_are_refused_unread() -> None:
    text = changed(DOCUMENT_XML, FILE, "".join(FILE.replace("att-1", f"att-{number}") for number in range(101)))
    assert violations_of(text) == [("R.Attachment", "AttachmentEncoded/Attachment")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", b"hello"),
        ("a.pdf", b"%PDF-1.4\n%\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n"),
        ("a.PDF", b""" "no pdf" """),
        ("a.png", b"GIF89a"),
        ("a.jpg", PDF),
        ("a.docx", b"hello"),
        ("a.zip", b"hello"),
    ],
)
def test_damaged_content_is_refused(name: str, content: bytes) -> None:
    assert violations_of(letter(content, name=name)) == [("M.Attachment-Type", CONTENT_FIELD)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", PDF),
        ("a.pdf", b"\n\n" + PDF),
        ("a.png", b"\x89PNG\r\n\x1a\nx"),
        ("a.doc", b"any"),
        ("a", b"any"),
        ("a.zip", zipped()),
    ],
)
def test_content_that_may_be_what_its_name_says_is_read(name: str, content: bytes) -> None:
    assert content_of(files(letter(content, name=name))[0]) == content


# ZIP


def test_a_file_in_a_zip_is_unwrapped() -> None:
    packed = zipped(("../../etc/passwd.txt", b"inside"))
    (file,) = files(letter(packed, own_type="application/zip"))
    assert (file.attachment_name, file.content_type, file.flags) == ("giay-moi.txt", "text/plain", ())
    assert (content_of(file), file.content.size) == (b"inside", 6)


def test_an_unwrapped_file_has_the_digest_of_its_own_bytes() -> None:
    (packed,), (plain,) = files(letter(zipped(("a.txt", b"inside")))), files(letter(b"inside"))
    assert packed.content.digest() == plain.content.digest()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_under_another_label_is_unwrapped_and_flagged(method: int) -> None:
    (file,) = files(letter(zipped(("x.pdf", PDF), method=method), name="a.pdf", own_type="application/pdf"))
    assert (content_of(file), file.flags) == (PDF, (AttachmentFlag.ZIP_MISLABELLED,))


@pytest.mark.parametrize(
    "packed",
    [
        zipped(),
        zipped(("a", b"1"), ("b", b"2")),
        zipped(("folder/", b"")),
        zipped(("a", b"1"), method=zipfile.ZIP_LZMA),
    ],
)
def test_a_zip_without_exactly_one_plain_file_is_kept_and_flagged(packed: bytes) -> None:
    if packed.startswith(b"PK\x05\x06"):
        packed = zipped(("a", b"1"), ("b", b"2"), ("c", b"3"))
    (file,) = files(letter(packed, own_type="application/zip"))
    assert (content_of(file), file.flags) == (packed, (AttachmentFlag.ZIP_KEPT,))
    assert file.content_type == "application/zip"


def test_a_zip_that_is_named_so_is_never_unwrapped() -> None:
    packed = zipped(("a.txt", b"1"))
    (file,) = files(letter(packed, name="a.zip", own_type="application/zip"))
    assert (content_of(file), file.content_type, file.flags) == (packed, "application/zip", ())


def test_a_docx_is_unwrapped_only_from_a_zip_around_it() -> None:
    docx = zipped(("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w/>"))
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    (raw,) = files(letter(docx, name="a.docx", own_type=word))
    (mislabelled,) = files(letter(docx, name="a.docx", own_type="application/zip", named_type=word))
    (wrapped,) = files(letter(zipped(("x.docx", docx)), name="a.docx", own_type="application/zip"))
    (foreign,) = files(letter(zipped(("x.txt", docx)), name="a.docx", own_type="application/zip"))
    assert content_of(raw) == content_of(mislabelled) == content_of(wrapped) == docx
    assert content_of(foreign) == zipped(("x.txt", docx))
    assert mislabelled.content_type == word


def test_a_zip_bomb_is_refused() -> None:
    bomb = zipped(("a.txt", bytes(20 << 20)))
    assert violations_of(letter(bomb, own_type="application/zip")) == [("R.ContentTransferEncoded", CONTENT_FIELD)]


def test_a_zip_that_lies_about_its_size_is_refused() -> None:
    bomb = bytearray(zipped(("a.txt", bytes(20 << 20))))
    at = bomb.index(b"PK\x01\x02")
    struct.pack_into("<L", bomb, at + 24, 10)
    assert violations_of(letter(bytes(bomb), own_type="application/zip"))[0][1] == CONTENT_FIELD


def test_a_file_that_unpacks_above_the_limit_is_refused() -> None:
    data = zlib.compress(bytes(range(256)) * 40, 0)
    limits = replace(LIMITS, max_unzipped_bytes=5000)
    assert violations_of(letter(zipped(("a", data)), own_type="application/zip"), limits) == [
        ("R.ContentTransferEncoded", CONTENT_FIELD)
    ]


@pytest.mark.parametrize("cut", [10, 40])
def test_a_zip_that_breaks_off_is_refused(cut: int) -> None:
    packed = zipped(("a.txt", b"inside" * 100))
    assert violations_of(letter(packed[:-cut])) == [("M.Attachment-Type", CONTENT_FIELD)]


def test_a_zip_with_a_wrong_checksum_is_refused() -> None:
    packed = zipped(("a.txt", b"inside"), method=zipfile.ZIP_STORED).replace(b"inside", b"insidE")
    assert violations_of(letter(packed)) == [("M.Attachment-Type", CONTENT_FIELD)]


def test_a_zip_is_not_opened_to_count_very_many_entries() -> None:
    packed = bytearray(zipped(("a.txt", b"inside")))
    struct.pack_into("<L", packed, len(packed) - 10, 500_000)
    (file,) = files(letter(bytes(packed)))
    assert file.flags == (AttachmentFlag.ZIP_KEPT,)


def test_an_encrypted_zip_is_kept() -> None:
    packed = bytearray(zipped(("a.txt", b"inside")))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    assert files(letter(bytes(packed)))[0].flags == (AttachmentFlag.ZIP_KEPT,)


# Names


@pytest.mark.parametrize(
    "name",
    [
        "../x.txt",
        "a/b.txt",
        "a\\b.txt",
        "C:x.txt",
        ".",
        "..",
        ". .",
        "a\tb.txt",
        "a&#10;b.txt",
        "a\u0085b.txt",
        "a\u2028b.txt",
        "a\u202etxt.exe",
        "a\u2066.txt",
        "NUL",
        "con.txt",
        "Lpt1.txt",
    ],
)
def test_names_that_harm_or_mislead_are_refused(name: str) -> None:
    found = violations_of(letter(name=name))
    assert found == [
        ("M.AttachmentName", "edXMLManifest/Reference[1]/AttachmentName"),
        ("M.AttachmentName", "AttachmentEncoded/Attachment[1]/AttachmentName"),
    ]


@pytest.mark.parametrize(
    "name", ["Giấy mời (bản 2).txt", "a b.txt", ".txt", "console.txt", "a..b.txt", "Báo cáo: quý 1"]
)
def test_names_as_people_give_them_are_read(name: str) -> None:
    assert files(letter(name=name))[0].attachment_name == name


def test_a_name_that_is_too_long_is_refused() -> None:
    assert ("R.AttachmentName", "AttachmentEncoded/Attachment[1]/AttachmentName") in violations_of(
        letter(name="x" * 2001)
    )


@pytest.mark.parametrize("name", ["a\0b", "a\x1bb", "\ud800"])
def test_characters_that_xml_cannot_carry_are_refused_in_names_too(name: str) -> None:
    assert name_problem(name)


def test_extensions() -> None:
    assert [extension_of(name) for name in ("a.PDF", "a.tar.gz", "a", ".txt", "a.")] == ["pdf", "gz", "", "", ""]


def test_media_types() -> None:
    assert media_type_of("a.PDF") == "application/pdf"
    assert media_type_of("a.unknown") == "application/octet-stream"
    assert is_media_type('text/calendar; method=REQUEST; charset="utf-8"')
    assert not is_media_type("text/plain\r\nX: y")


def test_a_file_of_an_unknown_type_has_no_problem() -> None:
    assert content_problem("a.bin", b"") is None
