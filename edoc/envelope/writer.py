"""The strict writer: messages as the vendor's classes write them, so that every system of the field reads them.

Prefixes, order and date forms are the vendor's: some regional systems look for the literal text ``edXML:StatusCode``.
Two things differ, on purpose. Nothing is indented: white space between signed elements would be signed with them, and
hops that reformat would break the seal. And no file is ever put into a ZIP.

Contents of attachments that are not small stay where they lie; they are encoded while the message is written out.

What the format does not allow is refused, whatever the tolerant reader would let pass: type names outside the list,
priorities of older rules, files that are not what their name says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

import schemas
from edoc.envelope.codes import is_code, normalize_code
from edoc.envelope.document_id import make_document_id
from edoc.envelope.filetypes import (
    HEAD_BYTES,
    ZIP_TYPE,
    content_problem,
    extension_of,
    is_media_type,
    name_problem,
)
from edoc.envelope.findings import Findings
from edoc.envelope.model import (
    Attachment,
    AttachmentContent,
    Bussiness,
    BussinessDocType,
    DocumentMessage,
    Message,
    Organization,
    OtherInfo,
    Priority,
    ResponseFor,
    StaffInfo,
    StatusMessage,
    TraceHeader,
)
from edoc.envelope.rules import is_type_name, needs_description
from edoc.envelope.scalars import (
    MAX_AMOUNT,
    format_date,
    format_timestamp,
    is_no_code,
    max_length,
    normalize_text,
    parse_timestamp,
)
from edoc.envelope.schema_findings import violations_of
from edoc.envelope.unzip import ZIP_BASED, ZIP_MAGIC
from edoc.envelope.vocabulary import EDXML
from edoc.errors import MessageError
from schemas import SchemaName
from signing.parts import Base64Part, ElementPart, Part
from signing.xml import ParsedXml, XmlLimits, parse

INLINE_BELOW: Final = 32 << 10
"""Contents with fewer base64 characters are put into the tree."""

_HEADER_ID, _BUSSINESS_ID, _MANIFEST_ID = "MessageHeader", "Bussiness", "edXMLManifest"
_RESERVED_IDS: Final = frozenset({_HEADER_ID, _BUSSINESS_ID, _MANIFEST_ID})
_DECLARATION: Final = f' xmlns:edXML="{EDXML}"'
_NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document can hold (XML 1.0 section 2.2), lone surrogates among them."""
_NUMBER: Final = re.compile(r"0[1-9]|[1-9][0-9]{1,10}")
"""Decree 30/2020/ND-CP Appendix I."""
_NOTATION: Final = re.compile(r"[^\s/,]+")
_WRITTEN_TYPE: Final = 2
_WRITTEN_TYPE_DETAIL: Final = 0


@dataclass(frozen=True)
class SealPlace:
    """Where a message that was just written is sealed."""

    header: etree._Element
    """``edXMLHeader``: the signature becomes its last child."""
    parts: tuple[Part, ...]
    """What the seal must cover; each element carries an ``Id``."""


def encode(message: Message, *, with_ids: bool = True) -> ParsedXml:
    """The message as a document that is ready to be sealed, and written out by its ``encoded_chunks``.

    Texts are written trimmed and in Unicode normalization form C; fractions of seconds are left out.

    Args:
        message: a new document or a status.
        with_ids: whether the parts that a seal covers carry an ``Id``.

    Raises:
        MessageError: the message is not what the format allows to write; says every rule that was broken.
    """
    writer = _MessageWriter(with_ids=with_ids)
    if isinstance(message, StatusMessage):
        writer.status(message)
        name = SchemaName.EDXML_STATUS
        files: tuple[Attachment, ...] = ()
    else:
        writer.document(message)
        name = SchemaName.EDXML_DOCUMENT
        files = message.attachments
    writer.findings.raise_violations()
    document = parse("".join(writer.out).encode(), XmlLimits())
    document = document.with_contents(
        {_content_element(each): file.content for each, file in zip(_attachments(document), files, strict=True)},
        INLINE_BELOW,
    )
    broken = schemas.validate(name, document.root)
    if broken:
        raise MessageError(violations_of(broken, document.root))
    return document


def seal_place(document: ParsedXml) -> SealPlace:
    """Where the document that :func:`encode` made is sealed."""
    envelope = document.root[0]
    header = envelope[0]
    parts: list[Part] = [ElementPart("MessageHeader", header[0])]
    if len(envelope) > 1:
        parts += [ElementPart("Bussiness", header[1][0]), ElementPart("edXMLManifest", envelope[1][0])]
    for attachment in _attachments(document):
        content = _content_element(attachment)
        content_id = (attachment[0].text or "").removeprefix("cid:")
        parts.append(Base64Part(content_id, content, attachment[-2].text or ""))
    return SealPlace(header, tuple(parts))


def _attachments(document: ParsedXml) -> tuple[etree._Element, ...]:
    root = document.root
    return tuple(root[1]) if len(root) > 1 else ()


def _content_element(attachment: etree._Element) -> etree._Element:
    return attachment[-1]


class _MessageWriter:
    """Writes one message as text, and notes what may not be written."""

    def __init__(self, *, with_ids: bool) -> None:
        self.out: list[str] = []
        self.findings = Findings()
        self._with_ids = with_ids
        self._prefix = "edXML:"

    def document(self, message: DocumentMessage) -> None:
        """Write a document message."""
        self._check_document(message)
        self._open("edXML", f' xmlns="{EDXML}"', prefix="")
        self._open("edXMLEnvelope", _DECLARATION)
        self._open("edXMLHeader")
        self._document_header(message)
        self._traces(message.bussiness, message.trace_headers)
        self._close("edXMLHeader")
        self._open("edXMLBody")
        self._manifest(message.attachments)
        self._close("edXMLBody")
        self._close("edXMLEnvelope")
        self._files(message.attachments)
        self._close("edXML", prefix="")

    def status(self, message: StatusMessage) -> None:
        """Write a status message."""
        path = "MessageHeader"
        self._open("edXML", f' xmlns="{EDXML}"', prefix="")
        self._open("edXMLEnvelope", _DECLARATION)
        self._open("edXMLHeader")
        self._open("MessageHeader", self._id(_HEADER_ID))
        self._organization("From", path, message.sender)
        self._response_for(f"{path}/ResponseFor", message.response_for, complete=True)
        if message.staff_info is not None:
            self._staff_info(f"{path}/StaffInfo", message.staff_info)
        self._leaf(path, "StatusCode", message.status_code, required=True)
        self._leaf(path, "Description", message.description, required=needs_description(message.status_code))
        self._timestamp(path, message.timestamp)
        for name in ("MessageHeader", "edXMLHeader", "edXMLEnvelope"):
            self._close(name)
        self._close("edXML", prefix="")

    # The header

    def _document_header(self, message: DocumentMessage) -> None:
        path = "MessageHeader"
        self._open("MessageHeader", self._id(_HEADER_ID))
        self._organization("From", path, message.sender, in_charge=True)
        for position, recipient in enumerate(message.recipients, 1):
            self._organization("To", path, recipient, f"[{position}]", address=True)
        self._leaf(path, "DocumentId", message.document_id, required=True)
        self._open("Code")
        self._leaf(f"{path}/Code", "CodeNumber", message.code.number, required=True)
        self._leaf(f"{path}/Code", "CodeNotation", message.code.notation, required=True)
        self._close("Code")
        self._open("PromulgationInfo")
        self._leaf(
            f"{path}/PromulgationInfo", "Place", message.place, required=True, length_of="PromulgationInfo/Place"
        )
        self._plain("PromulgationDate", format_date(message.promulgation_date))
        self._close("PromulgationInfo")
        self._open("DocumentType")
        self._plain("Type", str(message.document_type.type))
        self._plain("TypeDetail", str(message.document_type.type_detail))
        self._leaf(f"{path}/DocumentType", "TypeName", message.document_type.type_name, required=True)
        self._close("DocumentType")
        self._leaf(path, "Subject", message.subject, required=True)
        self._leaf(path, "Content", message.content, required=True)
        self._open("SignerInfo")
        self._leaf(f"{path}/SignerInfo", "Competence", message.signer_info.competence)
        self._leaf(f"{path}/SignerInfo", "Position", message.signer_info.position)
        self._leaf(f"{path}/SignerInfo", "FullName", message.signer_info.full_name, required=True)
        self._close("SignerInfo")
        self._date("DueDate", message.due_date)
        self._other_info(f"{path}/OtherInfo", message.other_info)
        for position, response_for in enumerate(message.response_for, 1):
            self._response_for(f"{path}/ResponseFor[{position}]", response_for)
        self._plain("SteeringType", f"{message.steering_type:d}")
        self._list("ToPlaces", f"{path}/ToPlaces", "Place", message.to_places, "ToPlaces/Place")
        self._close("MessageHeader")

    def _organization(
        self,
        name: str,
        parent: str,
        organization: Organization,
        position: str = "",
        *,
        in_charge: bool = False,
        address: bool = False,
    ) -> None:
        path = f"{parent}/{name}{position}"
        self._open(name)
        self._agency_code(path, organization.organ_id, required=True)
        self._leaf(path, "OrganizationInCharge", organization.organization_in_charge, required=in_charge)
        self._leaf(path, "OrganName", organization.organ_name, required=True)
        self._leaf(path, "OrganAdd", organization.organ_add, required=address)
        self._leaf(path, "Email", organization.email)
        self._leaf(path, "Telephone", organization.telephone)
        self._leaf(path, "Fax", organization.fax)
        self._leaf(path, "Website", organization.website)
        self._close(name)

    def _other_info(self, path: str, info: OtherInfo) -> None:
        self._open("OtherInfo")
        self._plain("Priority", f"{info.priority:d}")
        self._leaf(path, "SphereOfPromulgation", info.sphere_of_promulgation)
        self._leaf(path, "TyperNotation", info.typer_notation)
        self._amount(path, "PromulgationAmount", info.promulgation_amount)
        self._amount(path, "PageAmount", info.page_amount)
        if info.direction is not None:
            self._plain("Direction", "true" if info.direction else "false")
        self._list("Appendixes", f"{path}/Appendixes", "Appendix", info.appendixes)
        self._close("OtherInfo")

    def _response_for(self, path: str, answered: ResponseFor, *, complete: bool = False) -> None:
        if answered == ResponseFor():
            self._missing(path)
            return
        self._open("ResponseFor")
        self._agency_code(path, answered.organ_id, required=complete)
        self._leaf(path, "Code", answered.code, required=complete, length_of="ResponseFor/Code")
        self._leaf(path, "DocumentId", answered.document_id, required=complete)
        if complete and answered.promulgation_date is None:
            self._missing(f"{path}/PromulgationDate")
        self._date("PromulgationDate", answered.promulgation_date)
        self._close("ResponseFor")

    def _staff_info(self, path: str, staff: StaffInfo) -> None:
        if staff == StaffInfo():
            return
        self._open("StaffInfo")
        self._leaf(path, "Department", staff.department)
        self._leaf(path, "DepartmentId", staff.department_id)
        self._leaf(path, "Staff", staff.staff)
        self._leaf(path, "StaffId", staff.staff_id)
        self._leaf(path, "Email", staff.email)
        self._leaf(path, "Mobile", staff.mobile)
        self._close("StaffInfo")

    def _traces(self, bussiness: Bussiness, hops: Iterable[TraceHeader]) -> None:
        path = "TraceHeaderList/Bussiness"
        self._open("TraceHeaderList")
        self._open("Bussiness", self._id(_BUSSINESS_ID))
        self._plain("BussinessDocType", f"{bussiness.doc_type:d}")
        self._leaf(path, "BussinessDocReason", bussiness.reason)
        self._plain("Paper", "1" if bussiness.paper else "0")
        for position, staff in enumerate(bussiness.staff_info, 1):
            self._staff_info(f"{path}/StaffInfo[{position}]", staff)
        self._close("Bussiness")
        for position, hop in enumerate(hops, 1):
            hop_path = f"TraceHeaderList/TraceHeader[{position}]"
            self._open("TraceHeader")
            if is_no_code(normalize_code(hop.organ_id or "")):
                self._refuse("T", f"{hop_path}/OrganId", f"{hop.organ_id!r} is read as no code at all")
            self._agency_code(hop_path, hop.organ_id, required=True)
            self._timestamp(hop_path, hop.timestamp)
            self._close("TraceHeader")
        self._close("TraceHeaderList")

    # Files

    def _manifest(self, attachments: Iterable[Attachment]) -> None:
        self._open("edXMLManifest", f' version="1.0"{self._id(_MANIFEST_ID)}')
        for position, attachment in enumerate(attachments, 1):
            path = f"edXMLManifest/Reference[{position}]"
            self._open("Reference")
            self._leaf(path, "ContentId", f"cid:{attachment.content_id}")
            self._leaf(path, "ContentType", attachment.content_type, required=True)
            self._leaf(path, "Description", attachment.description)
            self._leaf(path, "AttachmentName", attachment.attachment_name, required=True)
            self._close("Reference")
        self._close("edXMLManifest")

    def _files(self, attachments: Iterable[Attachment]) -> None:
        """The attachments, their contents still empty. Names here have no prefix, but for the content."""
        self._prefix = ""
        self._open("AttachmentEncoded")
        for position, attachment in enumerate(attachments, 1):
            path = f"AttachmentEncoded/Attachment[{position}]"
            self._open("Attachment")
            self._leaf(path, "ContentId", f"cid:{attachment.content_id}")
            self._leaf(path, "AttachmentName", attachment.attachment_name, required=True)
            self._leaf(path, "Description", attachment.description)
            self._leaf(path, "ContentType", attachment.content_type, required=True)
            self.out.append(f"<edXML:ContentTransferEncoded{_DECLARATION}{self._id(attachment.content_id)}/>")
            self._close("Attachment")
            self._check_file(path, attachment)
        self._close("AttachmentEncoded")

    def _check_file(self, path: str, attachment: Attachment) -> None:
        if attachment.content_id in _RESERVED_IDS:
            self._refuse("M", f"{path}/ContentId", f"{attachment.content_id!r} is the Id of another part")
        problem = name_problem(normalize_text(attachment.attachment_name))
        if problem is not None:
            self._refuse("M", f"{path}/AttachmentName", problem)
        if attachment.content_type and not is_media_type(normalize_text(attachment.content_type)):
            self._refuse("T", f"{path}/ContentType", f"{attachment.content_type!r} is no media type")
        self._check_content(f"{path}/ContentTransferEncoded", attachment)

    def _check_content(self, path: str, attachment: Attachment) -> None:
        """Nothing is written that the rules for reading would unpack, or take for damaged."""
        head = _head(attachment.content)
        if not head:
            self._missing(path)
            return
        extension = extension_of(attachment.attachment_name)
        is_zip_type = attachment.content_type.strip().lower() == ZIP_TYPE
        problem = content_problem(attachment.attachment_name, head)
        if is_zip_type and extension != "zip":
            problem = "only a file named .zip may have the type application/zip: receivers would unpack it"
        elif head.startswith(ZIP_MAGIC) and extension not in ZIP_BASED:
            problem = "the file is a ZIP but its name does not say so: receivers would unpack it"
        if problem is not None:
            self.findings.refuse("M", path, problem, "name the file by its type", code="M.Attachment-Type")

    # Rules about a document as a whole

    def _check_document(self, message: DocumentMessage) -> None:
        if message.bussiness.doc_type is not BussinessDocType.NEW or message.bussiness.document_id is not None:
            self._refuse(
                "M", "TraceHeaderList/Bussiness/BussinessDocType", "only new documents are written, which name no other"
            )
        if message.other_info.priority is Priority.EXPRESS_TIMED:
            self._refuse("M", "MessageHeader/OtherInfo/Priority", "4 is a leftover of older rules; write at most 3")
        self._check_type(message)
        self._check_identity(message)
        self._check_recipients(message.recipients)
        together = sum(len(normalize_text(place)) for place in message.to_places)
        if together > max_length("ToPlaces"):
            self._refuse("R", "MessageHeader/ToPlaces", f"all places together have {together} characters")

    def _check_type(self, message: DocumentMessage) -> None:
        kind = message.document_type
        if (kind.type, kind.type_detail) != (_WRITTEN_TYPE, _WRITTEN_TYPE_DETAIL):
            self._refuse("M", "MessageHeader/DocumentType/Type", "systems disagree on the numbers; write 2 and 0")
        if kind.type_name and not is_type_name(normalize_text(kind.type_name)):
            self._refuse(
                "M", "MessageHeader/DocumentType/TypeName", f"{kind.type_name!r} is no type of Decree 30/2020 Article 7"
            )

    def _check_identity(self, message: DocumentMessage) -> None:
        number, notation = message.code.number, message.code.notation
        if number and not _NUMBER.fullmatch(number):
            self._refuse(
                "T", "MessageHeader/Code/CodeNumber", f"{number!r} is not 2 to 11 digits; below ten it is written 05"
            )
        if notation and not _NOTATION.fullmatch(notation):
            self._refuse("T", "MessageHeader/Code/CodeNotation", f"{notation!r} has a space, slash or comma in it")
        expected = make_document_id(normalize_code(message.sender.organ_id), message.promulgation_date, message.code)
        if message.document_id and normalize_text(message.document_id) != normalize_text(expected):
            self._refuse("M", "MessageHeader/DocumentId", f"the identifier is not {expected!r}")

    def _check_recipients(self, recipients: Iterable[Organization]) -> None:
        known: set[str] = set()
        for position, recipient in enumerate(recipients, 1):
            code = normalize_code(recipient.organ_id)
            if code in known:
                self._refuse("M", f"MessageHeader/To[{position}]/OrganId", f"the recipient {code} is named twice")
            known.add(code)
        if not known:
            self._missing("MessageHeader/To")

    # Elements

    def _open(self, name: str, attributes: str = "", prefix: str | None = None) -> None:
        self.out.append(f"<{self._prefix if prefix is None else prefix}{name}{attributes}>")

    def _close(self, name: str, prefix: str | None = None) -> None:
        self.out.append(f"</{self._prefix if prefix is None else prefix}{name}>")

    def _id(self, identifier: str) -> str:
        return f" Id={quoteattr(_NOT_XML.sub('', identifier))}" if self._with_ids else ""

    def _plain(self, name: str, text: str) -> None:
        self.out.append(f"<{self._prefix}{name}>{text}</{self._prefix}{name}>")

    def _leaf(
        self,
        parent: str,
        name: str,
        value: str | None,
        *,
        required: bool = False,
        length_of: str | None = None,
        position: str = "",
    ) -> None:
        text = "" if value is None else normalize_text(value)
        path = f"{parent}/{name}{position}"
        if not text:
            if required:
                self._missing(path)
            return
        if _NOT_XML.search(text):
            self._refuse("T", path, "the text has characters that XML cannot hold")
            return
        longest = max_length(length_of or name)
        if len(text) > longest:
            self._refuse("R", path, f"the text has {len(text)} characters, more than {longest}")
        self._plain(name, escape(text, {"\r": "&#13;"}))

    def _agency_code(self, path: str, code: str | None, *, required: bool) -> None:
        code = normalize_code(code or "")
        if code and not is_code(code):
            self._refuse(
                "T", f"{path}/OrganId", f"{code!r} is no agency code: letters, digits, dots, hyphens, at most 35"
            )
        else:
            self._leaf(path, "OrganId", code, required=required)

    def _list(self, name: str, path: str, item: str, values: Iterable[str], length_of: str | None = None) -> None:
        texts = [value for value in values if normalize_text(value)]
        if not texts:
            return
        self._open(name)
        for position, text in enumerate(texts, 1):
            self._leaf(path, item, text, length_of=length_of, position=f"[{position}]")
        self._close(name)

    def _amount(self, path: str, name: str, number: int | None) -> None:
        if number is None:
            return
        if not 0 <= number <= MAX_AMOUNT:
            self._refuse("R", f"{path}/{name}", f"{number} is not between 0 and {MAX_AMOUNT}")
        self._plain(name, str(number))

    def _date(self, name: str, day: date | None) -> None:
        if day is not None:
            self._plain(name, format_date(day))

    def _timestamp(self, path: str, moment: datetime | None) -> None:
        if moment is None:
            self._missing(f"{path}/Timestamp")
        elif moment.utcoffset() is None:
            self._refuse("T", f"{path}/Timestamp", "the time does not say in which zone it is")
        elif parse_timestamp(moment.isoformat(" ")) is None:
            self._refuse("T", f"{path}/Timestamp", "the time is none in Vietnam, or none in UTC")
        else:
            self._plain("Timestamp", format_timestamp(moment))

    def _missing(self, field: str) -> None:
        self._refuse("N", field, "the element is missing or empty")

    def _refuse(self, kind: str, field: str, reason: str) -> None:
        self.findings.refuse(kind, field, reason, "give the message a value that the format allows")


def _head(content: AttachmentContent) -> bytes:
    return next(iter(content.chunks()), b"")[:HEAD_BYTES]
