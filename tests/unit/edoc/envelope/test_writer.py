"""The strict writer: the vendor's form exactly, and a refusal of everything the format does not allow."""

from __future__ import annotations

import base64
import hashlib
import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from lxml import etree

from edoc.envelope.codec import encode, seal_place
from edoc.envelope.contents import MemoryContent
from edoc.envelope.model import (
    Attachment,
    Bussiness,
    BussinessDocType,
    Code,
    DocumentMessage,
    DocumentType,
    Message,
    Organization,
    OtherInfo,
    Priority,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusMessage,
    TraceHeader,
)
from edoc.errors import MessageError
from edoc.vietnam import VIETNAM
from schemas import SchemaName, validate
from signing.parts import Base64Part, ElementPart
from signing.xml import CanonicalizationMethod, parse
from tests.support.messages import (
    DOCUMENT_XML,
    LIMITS,
    PDF,
    SENT_AT,
    STATUS_XML,
    attachment,
    comparable,
    document,
    document_with_attachments,
    message_bytes,
    read,
    status,
)

EDXML = "http://www.mic.gov.vn/TBT/QCVN_102_2016"


@dataclass(frozen=True)
class RepeatedContent:
    """A large content that is nowhere held as a whole."""

    block: bytes
    count: int

    @property
    def size(self) -> int:
        return len(self.block) * self.count

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self.count):
            yield self.block

    def digest(self, algorithm: str = "sha256") -> bytes:
        digest = hashlib.new(algorithm)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.digest()


def without_layout(text: str) -> str:
    return re.sub(r">\s+<", "><", text.strip()).replace("'", '"')


def violations_of(message: Message) -> list[tuple[str, str]]:
    with pytest.raises(MessageError) as caught:
        encode(message)
    assert all(each.reason and each.remedy for each in caught.value.violations)
    return [(violation.code, violation.field) for violation in caught.value.violations]


# The form


@pytest.mark.parametrize("example", [DOCUMENT_XML, STATUS_XML])
def test_the_examples_of_the_reference_are_written_letter_by_letter(example: str) -> None:
    written = b"".join(encode(read(example).message, with_ids=False).encoded_chunks()).decode()
    assert without_layout(written) == without_layout(example)


def test_prefixes_are_those_of_the_vendor() -> None:
    text = message_bytes(document(attachment())).decode()
    assert f'<edXML xmlns="{EDXML}"><edXML:edXMLEnvelope xmlns:edXML="{EDXML}">' in text
    assert "<AttachmentEncoded><Attachment><ContentId>cid:att-1</ContentId>" in text
    assert f'<edXML:ContentTransferEncoded xmlns:edXML="{EDXML}" Id="att-1">' in text


def test_empty_elements_are_left_out() -> None:
    message = document(due_date=None, to_places=("",), other_info=OtherInfo(direction=None, typer_notation=" "))
    written = encode(message).root
    assert [each.tag for each in written.iter(etree.Element) if not len(each) and not (each.text or "").strip()] == [
        f"{{{EDXML}}}edXMLManifest",
        f"{{{EDXML}}}AttachmentEncoded",
    ]


def test_times_are_written_in_vietnam_time_to_the_second() -> None:
    moment = datetime(2026, 3, 1, 20, 30, 15, 999_999, tzinfo=UTC)
    assert b"<edXML:Timestamp>2026/03/02 03:30:15</edXML:Timestamp>" in message_bytes(status(timestamp=moment))


def test_codes_and_texts_are_normalized() -> None:
    message = document(subject=" Gia\u0302\u0301y mời ", sender="h29.900", document_id="H29.900,2026/03/02,15/GM-SVD")
    text = message_bytes(message).decode()
    assert "<edXML:Subject>Giấy mời</edXML:Subject>" in text
    assert "<edXML:OrganId>H29.900</edXML:OrganId>" in text


def test_markup_in_texts_is_escaped() -> None:
    subject = "a < b & c > d \"e\" 'f' ]]> g\r\nh"
    assert read(message_bytes(document(subject=subject))).message == comparable(document(subject=subject))


@pytest.mark.parametrize("message", [document_with_attachments(3), status("02")])
def test_what_is_written_is_strictly_and_tolerantly_valid(message: Message) -> None:
    root = parse(message_bytes(message), LIMITS.xml).root
    strict = SchemaName.EDXML_DOCUMENT if isinstance(message, DocumentMessage) else SchemaName.EDXML_STATUS
    assert validate(strict, root) == ()
    assert validate(SchemaName.EDXML_READ, root) == ()


# Sealing


def test_every_part_that_a_seal_covers_has_an_id() -> None:
    place = seal_place(encode(document_with_attachments(2)))
    assert [(type(part), part.label, part.media_type) for part in place.parts] == [
        (ElementPart, "MessageHeader", "text/xml"),
        (ElementPart, "Bussiness", "text/xml"),
        (ElementPart, "edXMLManifest", "text/xml"),
        (Base64Part, "att-1", "application/octet-stream"),
        (Base64Part, "att-2", "application/octet-stream"),
    ]
    elements = [part.element for part in place.parts if isinstance(part, ElementPart | Base64Part)]
    assert [element.get("Id") for element in elements] == [part.label for part in place.parts]
    assert etree.QName(place.header).localname == "edXMLHeader"


@pytest.mark.parametrize("message", [document_with_attachments(2), status()])
def test_the_reader_expects_the_parts_that_the_writer_offers(message: Message) -> None:
    offered, expected = seal_place(encode(message)).parts, read(message_bytes(message)).parts
    assert [(part.label, part.media_type) for part in offered] == [(part.label, part.media_type) for part in expected]


def test_ids_can_be_left_out() -> None:
    assert b" Id=" not in b"".join(encode(document(attachment()), with_ids=False).encoded_chunks())


# Contents


def test_a_small_file_stands_in_the_tree() -> None:
    written = encode(document(attachment()))
    assert written.root[1][0][-1].text == base64.b64encode(PDF).decode()


@pytest.mark.parametrize("size", [24_574, 24_575, 24_576, 24_577, 100_000, 100_001, 100_002])
def test_files_of_every_size_are_written_as_they_are(size: int) -> None:
    data = bytes(size - 1) + b"x"
    message = document(attachment("a.bin", data))
    assert comparable(read(message_bytes(message)).message) == message


def test_the_digest_of_a_file_to_be_written_is_that_of_its_bytes() -> None:
    content = RepeatedContent(b"0123456789" * 1000, 10)
    file = Attachment("att-1", "a.bin", "application/octet-stream", content)
    written = encode(document(file))
    held = written.content(written.root[1][0][-1])
    assert (held.size, held.digest("sha512")) == (content.size, content.digest("sha512"))
    assert b"".join(held.chunks()) == b"".join(content.chunks())
    assert held.head(5) == b"01234"


def test_the_canonical_form_holds_the_base64_text() -> None:
    content = RepeatedContent(b"0123456789" * 1001, 10)
    written = encode(document(Attachment("att-1", "a.bin", "application/octet-stream", content)))
    octets = b"".join(written.canonical_chunks(written.root[1], CanonicalizationMethod.EXCLUSIVE))
    assert base64.b64encode(b"".join(content.chunks())) in octets


def test_a_file_of_200_megabytes_is_written_in_little_memory() -> None:
    content = RepeatedContent(b"x" * (1 << 20), 200)
    written = encode(document(Attachment("att-1", "a.bin", "application/octet-stream", content)))
    tracemalloc.start()
    size = sum(len(chunk) for chunk in written.encoded_chunks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > content.size * 4 // 3
    assert peak < 16 << 20


# What is refused

DOCUMENT_REFUSALS = [
    ({"recipients": ()}, "N.MessageHeader.To", "MessageHeader/To"),
    ({"recipients": ("H29.901", "h29.901")}, "M.MessageHeader.To.OrganId", "MessageHeader/To[2]/OrganId"),
    ({"subject": ""}, "N.MessageHeader.Subject", "MessageHeader/Subject"),
    ({"subject": " \n"}, "N.MessageHeader.Subject", "MessageHeader/Subject"),
    ({"subject": "x" * 501}, "R.MessageHeader.Subject", "MessageHeader/Subject"),
    ({"subject": "a\0b"}, "T.MessageHeader.Subject", "MessageHeader/Subject"),
    ({"subject": "a\x0bb"}, "T.MessageHeader.Subject", "MessageHeader/Subject"),
    ({"subject": "a\ud800b"}, "T.MessageHeader.Subject", "MessageHeader/Subject"),
    ({"subject": "a\uffffb"}, "T.MessageHeader.Subject", "MessageHeader/Subject"),
    ({"content": ""}, "N.MessageHeader.Content", "MessageHeader/Content"),
    ({"place": ""}, "N.MessageHeader.PromulgationInfo.Place", "MessageHeader/PromulgationInfo/Place"),
    ({"document_id": "X"}, "M.MessageHeader.DocumentId", "MessageHeader/DocumentId"),
    ({"document_id": ""}, "N.MessageHeader.DocumentId", "MessageHeader/DocumentId"),
    ({"number": "5"}, "T.MessageHeader.Code.CodeNumber", "MessageHeader/Code/CodeNumber"),
    ({"number": "15a"}, "T.MessageHeader.Code.CodeNumber", "MessageHeader/Code/CodeNumber"),
    (
        {"document_type": DocumentType("Thư mời")},
        "M.MessageHeader.DocumentType.TypeName",
        "MessageHeader/DocumentType/TypeName",
    ),
    (
        {"document_type": DocumentType("Giấy mời", 1)},
        "M.MessageHeader.DocumentType.Type",
        "MessageHeader/DocumentType/Type",
    ),
    ({"signer_info": SignerInfo("")}, "N.MessageHeader.SignerInfo.FullName", "MessageHeader/SignerInfo/FullName"),
    (
        {"other_info": OtherInfo(Priority.EXPRESS_TIMED)},
        "M.MessageHeader.OtherInfo.Priority",
        "MessageHeader/OtherInfo/Priority",
    ),
    (
        {"other_info": OtherInfo(page_amount=1000)},
        "R.MessageHeader.OtherInfo.PageAmount",
        "MessageHeader/OtherInfo/PageAmount",
    ),
    ({"to_places": ("x" * 150,) * 7}, "R.MessageHeader.ToPlaces", "MessageHeader/ToPlaces"),
    ({"to_places": ("a", "x" * 151)}, "R.MessageHeader.ToPlaces.Place", "MessageHeader/ToPlaces/Place[2]"),
    (
        {"trace_headers": (TraceHeader(None, SENT_AT),)},
        "N.TraceHeaderList.TraceHeader.OrganId",
        "TraceHeaderList/TraceHeader[1]/OrganId",
    ),
    (
        {"trace_headers": (TraceHeader("H29", None),)},
        "N.TraceHeaderList.TraceHeader.Timestamp",
        "TraceHeaderList/TraceHeader[1]/Timestamp",
    ),
    (
        {"trace_headers": (TraceHeader("H29", SENT_AT.replace(tzinfo=None)),)},
        "T.TraceHeaderList.TraceHeader.Timestamp",
        "TraceHeaderList/TraceHeader[1]/Timestamp",
    ),
    (
        {"bussiness": Bussiness(BussinessDocType.RECALL)},
        "M.Bussiness.BussinessDocType",
        "TraceHeaderList/Bussiness/BussinessDocType",
    ),
    (
        {"bussiness": Bussiness(document_id="X")},
        "M.Bussiness.BussinessDocType",
        "TraceHeaderList/Bussiness/BussinessDocType",
    ),
    (
        {"bussiness": Bussiness(staff_info=(StaffInfo(staff="x" * 301),))},
        "R.Bussiness.StaffInfo.Staff",
        "TraceHeaderList/Bussiness/StaffInfo[1]/Staff",
    ),
    (
        {"response_for": (ResponseFor(document_id="x" * 201),)},
        "R.MessageHeader.ResponseFor.DocumentId",
        "MessageHeader/ResponseFor[1]/DocumentId",
    ),
]


@pytest.mark.parametrize(("changes", "code", "field"), DOCUMENT_REFUSALS)
def test_a_document_that_the_format_does_not_allow_is_refused(
    changes: dict[str, object], code: str, field: str
) -> None:
    assert violations_of(document(**changes)) == [(code, field)]  # type: ignore[arg-type]


def test_the_notation_has_no_space_slash_or_comma() -> None:
    for notation in ("GM SVD", "GM/SVD", "GM,SVD"):
        code = Code("15", notation)
        message = document(code=code, document_id=f"H29.900,2026/03/02,15/{notation}")
        assert violations_of(message) == [("T.MessageHeader.Code.CodeNotation", "MessageHeader/Code/CodeNotation")]


def test_the_sender_names_its_governing_agency_and_recipients_their_address() -> None:
    message = document()
    message = replace(
        message, sender=Organization("H29.900", "Sở Ví dụ"), recipients=(Organization("H29.901", "Phường Ví dụ"),)
    )
    assert violations_of(message) == [
        ("N.MessageHeader.From.OrganizationInCharge", "MessageHeader/From/OrganizationInCharge"),
        ("N.MessageHeader.To.OrganAdd", "MessageHeader/To[1]/OrganAdd"),
    ]


@pytest.mark.parametrize("moment", [datetime(9999, 12, 31, 23, tzinfo=UTC), datetime(1, 1, 1, 6, tzinfo=VIETNAM)])
def test_a_time_that_readers_would_not_take_is_refused(moment: datetime) -> None:
    hops = (TraceHeader("H29.900", moment),)
    path = "TraceHeaderList/TraceHeader[1]/Timestamp"
    assert violations_of(document(trace_headers=hops)) == [("T.TraceHeaderList.TraceHeader.Timestamp", path)]


def test_what_would_be_read_as_nothing_is_refused() -> None:
    hops = (TraceHeader("null", datetime(2026, 3, 2, tzinfo=UTC)),)
    path = "TraceHeaderList/TraceHeader[1]/OrganId"
    assert violations_of(document(trace_headers=hops)) == [("T.TraceHeaderList.TraceHeader.OrganId", path)]
    answered = (ResponseFor(document_id="x"), ResponseFor())
    path = "MessageHeader/ResponseFor[2]"
    assert violations_of(document(response_for=answered)) == [("N.MessageHeader.ResponseFor", path)]


def test_an_agency_code_that_is_none_is_refused() -> None:
    message = document(recipients=("H29/901",))
    assert violations_of(message) == [("T.MessageHeader.To.OrganId", "MessageHeader/To[1]/OrganId")]


FILE_REFUSALS = [
    (attachment("a/b.pdf"), "M.AttachmentName", "AttachmentEncoded/Attachment[1]/AttachmentName"),
    (attachment("a.pdf", b"no pdf"), "M.Attachment-Type", "AttachmentEncoded/Attachment[1]/ContentTransferEncoded"),
    (attachment("a.pdf", b""), "N.ContentTransferEncoded", "AttachmentEncoded/Attachment[1]/ContentTransferEncoded"),
    (attachment("a.txt", b"PK\x03\x04"), "M.Attachment-Type", "AttachmentEncoded/Attachment[1]/ContentTransferEncoded"),
    (
        attachment("a.txt", b"x", content_type="application/zip"),
        "M.Attachment-Type",
        "AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
    ),
    (
        attachment("a.docx", b"PK\x03\x04", content_type="application/zip"),
        "M.Attachment-Type",
        "AttachmentEncoded/Attachment[1]/ContentTransferEncoded",
    ),
    (attachment(content_type="pdf"), "T.ContentType", "AttachmentEncoded/Attachment[1]/ContentType"),
    (attachment(content_id="MessageHeader"), "M.ContentId", "AttachmentEncoded/Attachment[1]/ContentId"),
]


@pytest.mark.parametrize(("file", "code", "field"), FILE_REFUSALS)
def test_a_file_that_receivers_would_misread_is_refused(file: Attachment, code: str, field: str) -> None:
    assert violations_of(document(file)) == [(code, field)]


@pytest.mark.parametrize("content_id", ["1a", "a b", "a:b", "", 'a"b'])
def test_a_content_id_that_can_be_no_id_is_refused(content_id: str) -> None:
    assert violations_of(document(attachment(content_id=content_id)))


def test_two_files_with_one_content_id_are_refused() -> None:
    assert violations_of(document(attachment("a.pdf"), attachment("b.pdf")))


STATUS_REFUSALS = [
    ({"description": None, "status_code": "02"}, "N.MessageHeader.Description", "MessageHeader/Description"),
    ({"status_code": "3"}, "T.MessageHeader.StatusCode", "MessageHeader/StatusCode"),
    ({"status_code": ""}, "N.MessageHeader.StatusCode", "MessageHeader/StatusCode"),
    ({"timestamp": datetime(2026, 3, 2)}, "T.MessageHeader.Timestamp", "MessageHeader/Timestamp"),  # noqa: DTZ001 - the value under test
    ({"description": "x" * 501}, "R.MessageHeader.Description", "MessageHeader/Description"),
    (
        {"response_for": ResponseFor("H29", "1/A", "X")},
        "N.MessageHeader.ResponseFor.PromulgationDate",
        "MessageHeader/ResponseFor/PromulgationDate",
    ),
    (
        {"response_for": ResponseFor("H29", None, "X", date(2026, 3, 2))},
        "N.MessageHeader.ResponseFor.Code",
        "MessageHeader/ResponseFor/Code",
    ),
]


@pytest.mark.parametrize(("changes", "code", "field"), STATUS_REFUSALS)
def test_a_status_that_the_format_does_not_allow_is_refused(changes: dict[str, object], code: str, field: str) -> None:
    message: StatusMessage = replace(status(), **changes)  # type: ignore[arg-type]
    assert violations_of(message) == [(code, field)]


def test_all_that_is_wrong_is_told_at_once() -> None:
    message = document(subject="", content="", place="")
    assert len(violations_of(message)) == 3


def test_a_naive_zone_is_told_apart_from_another_one() -> None:
    moment = SENT_AT.astimezone(UTC) + timedelta(hours=1)
    assert read(message_bytes(status(timestamp=moment))).message == status(timestamp=moment)


def test_contents_in_memory_are_values() -> None:
    assert MemoryContent(b"a").digest() == hashlib.sha256(b"a").digest()
    assert MemoryContent(b"a") == MemoryContent(b"a")
