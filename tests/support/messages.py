"""Messages for tests: values to write, and the examples of the format as text to change. All agencies are invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from edoc.envelope.codec import DecodedMessage, decode, encode
from edoc.envelope.contents import MemoryContent
from edoc.envelope.document_id import make_document_id
from edoc.envelope.filetypes import media_type_of
from edoc.envelope.limits import MessageLimits
from edoc.envelope.model import (
    Attachment,
    Bussiness,
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
from edoc.vietnam import VIETNAM
from signing.xml import ParsedXml, parse

LIMITS = MessageLimits()
SENT_AT = datetime(2026, 3, 2, 8, 15, tzinfo=VIETNAM)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n%%EOF\n"

DOCUMENT_XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        <edXML:From><edXML:OrganId>H29.900</edXML:OrganId>
        <edXML:OrganizationInCharge>Ủy ban nhân dân Thành phố Hồ Chí Minh</edXML:OrganizationInCharge>
        <edXML:OrganName>Sở Ví dụ</edXML:OrganName></edXML:From>
        <edXML:To><edXML:OrganId>H29.901</edXML:OrganId>
        <edXML:OrganName>Ủy ban nhân dân phường Ví dụ</edXML:OrganName>
        <edXML:OrganAdd>Thành phố Hồ Chí Minh</edXML:OrganAdd></edXML:To>
        <edXML:DocumentId>H29.900,2026/03/02,15/GM-SVD</edXML:DocumentId>
        <edXML:Code><edXML:CodeNumber>15</edXML:CodeNumber><edXML:CodeNotation>GM-SVD</edXML:CodeNotation>
        </edXML:Code>
        <edXML:PromulgationInfo><edXML:Place>Thành phố Hồ Chí Minh</edXML:Place>
        <edXML:PromulgationDate>2026/03/02</edXML:PromulgationDate></edXML:PromulgationInfo>
        <edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeDetail>0</edXML:TypeDetail>
        <edXML:TypeName>Giấy mời</edXML:TypeName></edXML:DocumentType>
        <edXML:Subject>Họp rà soát danh mục mã định danh</edXML:Subject>
        <edXML:Content>Họp rà soát danh mục mã định danh</edXML:Content>
        <edXML:SignerInfo><edXML:Competence>KT. GIÁM ĐỐC</edXML:Competence>
        <edXML:Position>PHÓ GIÁM ĐỐC</edXML:Position><edXML:FullName>Nguyễn Văn A</edXML:FullName>
        </edXML:SignerInfo>
        <edXML:DueDate>2026/03/05</edXML:DueDate>
        <edXML:OtherInfo><edXML:Priority>1</edXML:Priority><edXML:PromulgationAmount>1</edXML:PromulgationAmount>
        <edXML:PageAmount>1</edXML:PageAmount><edXML:Direction>false</edXML:Direction></edXML:OtherInfo>
        <edXML:SteeringType>0</edXML:SteeringType>
        <edXML:ToPlaces><edXML:Place>Như trên</edXML:Place><edXML:Place>Lưu: VT</edXML:Place></edXML:ToPlaces>
      </edXML:MessageHeader>
      <edXML:TraceHeaderList>
        <edXML:Bussiness>
          <edXML:BussinessDocType>0</edXML:BussinessDocType>
          <edXML:BussinessDocReason>Văn bản điện tử mới</edXML:BussinessDocReason>
          <edXML:Paper>0</edXML:Paper>
          <edXML:StaffInfo><edXML:Department>Văn thư</edXML:Department><edXML:Staff>Trần Thị B</edXML:Staff>
          </edXML:StaffInfo>
        </edXML:Bussiness>
        <edXML:TraceHeader><edXML:OrganId>H29.900</edXML:OrganId>
        <edXML:Timestamp>2026/03/02 08:15:00</edXML:Timestamp></edXML:TraceHeader>
      </edXML:TraceHeaderList>
    </edXML:edXMLHeader>
    <edXML:edXMLBody>
      <edXML:edXMLManifest version="1.0">
        <edXML:Reference><edXML:ContentId>cid:att-1</edXML:ContentId>
        <edXML:ContentType>text/plain</edXML:ContentType><edXML:Description>Nội dung</edXML:Description>
        <edXML:AttachmentName>giay-moi.txt</edXML:AttachmentName></edXML:Reference>
      </edXML:edXMLManifest>
    </edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded>
    <Attachment>
      <ContentId>cid:att-1</ContentId>
      <AttachmentName>giay-moi.txt</AttachmentName>
      <Description>Nội dung</Description>
      <ContentType>text/plain</ContentType>
      <edXML:ContentTransferEncoded xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">aGVsbG8K</edXML:ContentTransferEncoded>
    </Attachment>
  </AttachmentEncoded>
</edXML>
"""
"""A new document with one file, as the reference of the format gives it."""

STATUS_XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        <edXML:From><edXML:OrganId>H29.901</edXML:OrganId>
        <edXML:OrganName>Ủy ban nhân dân phường Ví dụ</edXML:OrganName></edXML:From>
        <edXML:ResponseFor><edXML:OrganId>H29.900</edXML:OrganId><edXML:Code>15/GM-SVD</edXML:Code>
        <edXML:DocumentId>H29.900,2026/03/02,15/GM-SVD</edXML:DocumentId>
        <edXML:PromulgationDate>2026/03/02</edXML:PromulgationDate></edXML:ResponseFor>
        <edXML:StaffInfo><edXML:Department>Văn thư</edXML:Department><edXML:Staff>Lê Văn C</edXML:Staff>
        </edXML:StaffInfo>
        <edXML:StatusCode>02</edXML:StatusCode>
        <edXML:Description>Chữ ký số của cơ quan không hợp lệ</edXML:Description>
        <edXML:Timestamp>2026/03/02 09:00:00</edXML:Timestamp>
      </edXML:MessageHeader>
    </edXML:edXMLHeader>
  </edXML:edXMLEnvelope>
</edXML>
"""
"""A refusal."""

RECALL_XML = """\
<edXML:Bussiness><edXML:DocumentId>H29.900,2026/03/01,14/GM-SVD</edXML:DocumentId>
<edXML:BussinessDocType>1</edXML:BussinessDocType>
<edXML:BussinessDocReason>Gửi nhầm nơi nhận</edXML:BussinessDocReason><edXML:Paper>0</edXML:Paper>
</edXML:Bussiness>
"""
"""The ``Bussiness`` of a recall."""

UPDATE_XML = """\
<edXML:Bussiness><edXML:DocumentId>H29.900,2026/03/01,14/GM-SVD</edXML:DocumentId>
<edXML:BussinessDocType>2</edXML:BussinessDocType>
<edXML:BussinessDocReason>Bổ sung nơi nhận</edXML:BussinessDocReason><edXML:Paper>0</edXML:Paper>
<edXML:BussinessDocumentInfo><edXML:DocumentInfo>0</edXML:DocumentInfo>
<edXML:DocumentReceiver>1</edXML:DocumentReceiver><edXML:ReceiverList><edXML:Receiver>
<edXML:OrganId>H29.902</edXML:OrganId><edXML:ReceiverType>1</edXML:ReceiverType></edXML:Receiver>
</edXML:ReceiverList></edXML:BussinessDocumentInfo></edXML:Bussiness>
"""
"""The ``Bussiness`` of an update that adds one receiver."""

REPLACE_XML = """\
<edXML:Bussiness><edXML:BussinessDocType>3</edXML:BussinessDocType>
<edXML:BussinessDocReason>Sai thời gian họp</edXML:BussinessDocReason><edXML:Paper>0</edXML:Paper>
<edXML:ReplacementInfoList><edXML:ReplacementInfo>
<edXML:DocumentId>H29.900,2026/03/01,14/GM-SVD</edXML:DocumentId><edXML:OrganIdList>
<edXML:OrganId>H29.901</edXML:OrganId></edXML:OrganIdList></edXML:ReplacementInfo></edXML:ReplacementInfoList>
</edXML:Bussiness>
"""
"""The ``Bussiness`` of a replacement."""


def document(
    *attachments: Attachment,
    sender: str = "H29.900",
    recipients: Sequence[str] = ("H29.901",),
    number: str = "15",
    **changes: Any,
) -> DocumentMessage:
    """An invitation of ``sender`` to ``recipients`` with those files; ``changes`` replace fields of the message."""
    code = Code(number, "GM-SVD")
    day = SENT_AT.date()
    message = DocumentMessage(
        sender=Organization(sender, "Sở Ví dụ", "Ủy ban nhân dân Thành phố Hồ Chí Minh"),
        recipients=tuple(
            Organization(each, f"Ủy ban nhân dân phường {each}", organ_add="Thành phố Hồ Chí Minh")
            for each in recipients
        ),
        document_id=make_document_id(sender, day, code),
        code=code,
        place="Thành phố Hồ Chí Minh",
        promulgation_date=day,
        document_type=DocumentType("Giấy mời"),
        subject="Họp rà soát danh mục mã định danh",
        content="Họp rà soát danh mục mã định danh",
        signer_info=SignerInfo("Nguyễn Văn A", "KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC"),
        due_date=date(2026, 3, 5),
        other_info=OtherInfo(priority=Priority.URGENT, promulgation_amount=1, page_amount=1),
        to_places=("Như trên", "Lưu: VT"),
        trace_headers=(TraceHeader(sender, SENT_AT),),
        bussiness=Bussiness(
            reason="Văn bản điện tử mới", staff_info=(StaffInfo(department="Văn thư", staff="Trần Thị B"),)
        ),
        attachments=attachments,
    )
    return replace(message, **changes)


def attachment(
    name: str = "giay-moi.pdf", data: bytes = PDF, *, content_id: str = "att-1", content_type: str | None = None
) -> Attachment:
    """A file; its type is that of its name unless given."""
    return Attachment(content_id, name, content_type or media_type_of(name), MemoryContent(data))


def document_with_attachments(count: int, size: int = 1000, **changes: Any) -> DocumentMessage:
    """A document with ``count`` different files of ``size`` bytes."""
    files = (
        attachment(f"tep-{each}.bin", (each.to_bytes(4, "big") * (size // 4 + 1))[:size], content_id=f"att-{each}")
        for each in range(1, count + 1)
    )
    return document(*files, **changes)


def status(
    status_code: str = "03",
    *,
    sender: str = "H29.901",
    about: DocumentMessage | None = None,
    **changes: Any,
) -> StatusMessage:
    """A status of ``sender`` about a document, addressed to the document's sender."""
    about = about or document()
    message = StatusMessage(
        sender=Organization(sender, "Ủy ban nhân dân phường Ví dụ"),
        response_for=ResponseFor(about.sender.organ_id, str(about.code), about.document_id, about.promulgation_date),
        status_code=status_code,
        timestamp=datetime(2026, 3, 2, 9, 0, tzinfo=VIETNAM),
        description="Chữ ký số của cơ quan không hợp lệ" if status_code in ("02", "13", "16") else None,
        staff_info=StaffInfo(department="Văn thư", staff="Lê Văn C"),
    )
    return replace(message, **changes)


def message_bytes(message: Message) -> bytes:
    """The message as it is sent, without a seal."""
    return b"".join(encode(message).encoded_chunks())


def read(data: str | bytes, limits: MessageLimits = LIMITS) -> DecodedMessage:
    """The message in those bytes."""
    return decode(parsed(data), limits)


def parsed(data: str | bytes) -> ParsedXml:
    """The document in those bytes."""
    return parse(data.encode() if isinstance(data, str) else data, LIMITS.xml)


def changed(text: str, old: str, new: str) -> str:
    """The text with one place changed, which must be there."""
    assert old in text, old
    return text.replace(old, new, 1)


def comparable(message: Message) -> Message:
    """The message with the bytes of its files in memory, so that two messages with the same files are equal."""
    if isinstance(message, StatusMessage):
        return message
    files = (replace(each, content=MemoryContent(b"".join(each.content.chunks()))) for each in message.attachments)
    return replace(message, attachments=tuple(files))
