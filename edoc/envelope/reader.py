"""The tolerant reader: an edXML message as a value, with everything that had to be overlooked as warnings.

The order of the work: the root and its namespace; the tolerant schema; then each element at its one place. A rule
that is broken does not end the reading, so that the sender learns of all of them at once.

What a signature has to cover is handed back as the very elements that were read. A second ``MessageHeader`` elsewhere
in the file is not read, and two at the right place are refused, so signed and read content cannot differ.

Not read: what recall, update and replace say beyond a new document, the MIME and SOAP form, and elements that no
system uses (``ReplyFors``, ``ReferenceCodes``, ``ResponseForTask``, ``ApplicationType``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

from lxml import etree

import schemas
from edoc.envelope.attachments import AttachedFiles, AttachmentReader
from edoc.envelope.elements import ElementReader, Group
from edoc.envelope.findings import Findings
from edoc.envelope.limits import MessageLimits
from edoc.envelope.model import (
    Bussiness,
    BussinessDocType,
    Code,
    DocumentMessage,
    DocumentType,
    Message,
    Organization,
    OtherInfo,
    Priority,
    ReaderWarning,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusMessage,
    SteeringType,
    TraceHeader,
)
from edoc.envelope.rules import needs_description
from edoc.envelope.scalars import MAX_AMOUNT, is_no_code, max_length, parse_integer
from edoc.envelope.schema_findings import violations_of
from edoc.envelope.vocabulary import DS_SIGNATURE, VOCABULARIES, Names, Vocabulary
from edoc.errors import MessageError, Violation
from edoc.plain_text import has_visible_text
from signing.parts import ElementPart, Part
from signing.xml import ParsedXml

MAX_SIGNATURES: Final = 16
_LEFTOVER_NORMAL: Final = 5
"""A table of one axis server numbers ``normal`` 5."""
_REPORT_NUMBERED_FROM_ONE: Final = 3
_STATUS_DIGITS: Final = 2
_DEFAULT_TYPE: Final = 2
_DEFAULT_TYPE_DETAIL: Final = -1

_DOC_TYPES: Final = {int(member): member for member in BussinessDocType}
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}

_Number = TypeVar("_Number", bound=IntEnum)


@dataclass(frozen=True)
class DecodedMessage:
    """What :func:`decode` hands back."""

    message: Message
    warnings: tuple[ReaderWarning, ...]
    signatures: tuple[etree._Element, ...]
    """All signatures at the header's place for them, placeholders among them, in document order."""
    parts: tuple[Part, ...]
    """What a seal must cover: exactly the elements that ``message`` was read from."""
    header: etree._Element
    """``edXMLHeader``, where a further signature is appended."""


def decode(document: ParsedXml, limits: MessageLimits) -> DecodedMessage:
    """Read a message.

    Contents of attachments are decoded once, in pieces, to check them; their size and SHA-256 are known afterwards.

    Raises:
        MessageError: the message breaks rules of the format; says all of them.
    """
    vocabulary = VOCABULARIES.get(document.root.tag if isinstance(document.root.tag, str) else "")
    if vocabulary is None:
        raise MessageError((_unknown_root(document.root),))
    broken = schemas.validate(vocabulary.schema, document.root)
    decoded = _MessageReader(document, vocabulary, limits).read()
    if broken:
        raise MessageError(violations_of(broken, document.root))
    return decoded


def _unknown_root(root: etree._Element) -> Violation:
    name = etree.QName(root)
    return Violation(
        "M.edXML",
        "edXML",
        f"the root element is {name.localname!r} in the namespace {name.namespace or ''!r}, not an edXML message",
        f"send an edXML file in the namespace {next(iter(VOCABULARIES.values())).namespace}",
    )


class _Structure(NamedTuple):
    """The groups that a message consists of, each found at its one place."""

    header: Group
    block: Group
    """``MessageHeader`` or ``Status``."""
    traces: Group | None
    manifest: Group | None
    standard_files: Group | None
    other_files: Group | None


class _MessageReader:
    """Reads one message."""

    def __init__(self, document: ParsedXml, vocabulary: Vocabulary, limits: MessageLimits) -> None:
        self._findings = Findings()
        self._elements = ElementReader(document, vocabulary, limits, self._findings)
        self._names = vocabulary
        self._limits = limits
        self._root = document.root

    def read(self) -> DecodedMessage:
        """The message, or a :class:`MessageError` with all that is wrong with it."""
        structure = self._structure()
        signatures = self._signatures(structure.header)
        parts: list[Part] = [ElementPart("MessageHeader", structure.block.element)]
        message: Message
        if self._is_status(structure.block):
            self._warn_of_more_than_a_status(structure)
            message = self._status(structure.block)
        else:
            files = self._files(structure, signatures)
            bussiness = self._optional_bussiness(structure.traces)
            message = self._document(structure, bussiness, files)
            parts += [ElementPart("Bussiness", bussiness.element)] if bussiness else []
            parts += [ElementPart("edXMLManifest", structure.manifest.element)] if structure.manifest else []
            parts += files.parts
        self._findings.raise_violations()
        return DecodedMessage(
            message, tuple(self._findings.warnings), signatures, tuple(parts), structure.header.element
        )

    # The frame

    def _structure(self) -> _Structure:
        names = self._names
        root = self._elements.group(self._root, names.root, "edXML")
        envelope = self._group(root, "edXMLEnvelope", names.envelope)
        header = self._group(envelope, "edXMLHeader", names.header)
        body = self._optional_group(envelope, "edXMLBody", names.body)
        return _Structure(
            header=header,
            block=self._block(header),
            traces=self._optional_group(header, "TraceHeaderList", names.trace_header_list),
            manifest=None if body is None else self._optional_group(body, "edXMLManifest", names.manifest),
            standard_files=self._optional_group(root, "AttachmentEncoded", names.attachments),
            other_files=self._optional_group(envelope, "edXMLAttachments", names.attachments),
        )

    def _group(self, parent: Group, name: str, names: Names) -> Group:
        """A group without which there is nothing to read."""
        element = self._elements.one(parent, name, required=True)
        if element is None:
            self._findings.fail()
        return self._elements.group(element, names, name)

    def _optional_group(self, parent: Group, name: str, names: Names, path: str | None = None) -> Group | None:
        element = self._elements.one(parent, name)
        return None if element is None else self._elements.group(element, names, path or name)

    def _block(self, header: Group) -> Group:
        """``MessageHeader``, which one server calls ``Status`` in a status message; never both."""
        if "Status" not in header.members:
            return self._group(header, "MessageHeader", self._names.message_header)
        if "MessageHeader" in header.members:
            self._findings.refuse(
                "M",
                "MessageHeader",
                "MessageHeader and Status stand side by side",
                "send one message in a file",
                header.members["Status"][0],
            )
        element = self._elements.one(header, "Status")
        return self._elements.group(
            header.element if element is None else element, self._names.message_header, "MessageHeader"
        )

    def _signatures(self, header: Group) -> tuple[etree._Element, ...]:
        """The signatures in the header, or in its placeholder ``Signature`` where they were put into that."""
        found: list[etree._Element] = []
        for element in (*header.members.get("Signature", ()), *header.members.get("DigitalSignature", ())):
            inside = () if element.tag == DS_SIGNATURE else tuple(element.iterchildren(DS_SIGNATURE))
            found += inside or (element,)
        if len(found) > MAX_SIGNATURES:
            self._findings.refuse(
                "R",
                "edXMLHeader/Signature",
                f"{len(found)} signatures, more than {MAX_SIGNATURES}",
                "leave out what the exchange does not need",
                found[MAX_SIGNATURES],
                "R.Signature",
            )
        return tuple(found)

    def _is_status(self, block: Group) -> bool:
        """Told by its ``StatusCode``: a status also has a ``MessageHeader``, and a document has ``To``."""
        if "StatusCode" not in block.members:
            return False
        if "To" not in block.members:
            return True
        self._findings.refuse(
            "M",
            "MessageHeader/StatusCode",
            "the message has both To and StatusCode, so it is neither a document nor a status",
            "write To in documents and StatusCode in status messages only",
            block.members["StatusCode"][0],
        )
        return False

    def _warn_of_more_than_a_status(self, structure: _Structure) -> None:
        more = (structure.traces, structure.manifest, structure.standard_files, structure.other_files)
        for group in more:
            if group is not None and group.members:
                self._findings.warn("M", group.path, "a status message has no such element; not read")

    # The header of a status

    def _status(self, block: Group) -> StatusMessage:
        elements = self._elements
        status_code = self._status_code(block)
        description = elements.optional(block, "Description")
        if needs_description(status_code) and not has_visible_text(description or ""):
            self._findings.warn("N", "MessageHeader/Description", f"a status {status_code} should give its reason")
        staff = elements.one(block, "StaffInfo")
        return StatusMessage(
            sender=self._required_organization(block, "From"),
            response_for=self._addressed(block),
            status_code=status_code,
            timestamp=elements.required_timestamp(block, "Timestamp"),
            description=description,
            staff_info=None if staff is None else self._staff_info(staff, "MessageHeader/StaffInfo"),
        )

    def _status_code(self, block: Group) -> str:
        text = self._elements.required(block, "StatusCode")
        if text and not (text.isascii() and text.isdigit() and len(text) <= _STATUS_DIGITS):
            self._findings.refuse(
                "T",
                "MessageHeader/StatusCode",
                f"{text!r} is no status code",
                "write two digits",
                block.members["StatusCode"][0],
            )
        return text.zfill(_STATUS_DIGITS)

    def _addressed(self, block: Group) -> ResponseFor:
        """The document that the status is about, and the agency that it is addressed to."""
        path = "MessageHeader/ResponseFor"
        element = self._elements.one(block, "ResponseFor", required=True)
        if element is None:
            return ResponseFor()
        group = self._elements.group(element, self._names.response_for, path)
        self._elements.required_agency_code(group)
        response_for = self._response_for(group)
        if response_for.document_id is None and response_for.code is None:
            self._elements.missing(group, "DocumentId")
        return response_for

    # The header of a document

    def _document(self, structure: _Structure, bussiness: Group | None, files: AttachedFiles) -> DocumentMessage:
        elements, block = self._elements, structure.block
        code = self._required_group(block, "Code", self._names.code)
        promulgation = self._required_group(block, "PromulgationInfo", self._names.promulgation_info)
        return DocumentMessage(
            sender=self._required_organization(block, "From"),
            recipients=self._recipients(block),
            document_id=elements.required(block, "DocumentId"),
            code=Code(elements.required(code, "CodeNumber"), elements.required(code, "CodeNotation")),
            place=elements.expected(promulgation, "Place", "PromulgationInfo/Place"),
            promulgation_date=elements.required_date(promulgation, "PromulgationDate"),
            document_type=self._document_type(block),
            subject=elements.required(block, "Subject"),
            content=elements.required(block, "Content"),
            signer_info=self._signer_info(block),
            due_date=elements.optional_date(block, "DueDate"),
            other_info=self._other_info(block),
            response_for=self._answered(block),
            steering_type=self._steering_type(block),
            to_places=self._to_places(block),
            trace_headers=self._trace_headers(structure.traces),
            bussiness=Bussiness() if bussiness is None else self._bussiness(bussiness),
            attachments=files.attachments,
        )

    def _required_group(self, parent: Group, name: str, names: Names) -> Group:
        """A group inside the header; where it is missing an empty one stands in, and its texts are missed."""
        path = f"{parent.path}/{name}"
        return self._optional_group(parent, name, names, path) or Group(parent.element, path, {})

    def _required_organization(self, block: Group, name: str) -> Organization:
        group = self._required_group(block, name, self._names.organization)
        return self._organization(group)

    def _organization(self, group: Group) -> Organization:
        optional = self._elements.optional
        return Organization(
            organ_id=self._elements.required_agency_code(group),
            organ_name=self._elements.required(group, "OrganName"),
            organization_in_charge=optional(group, "OrganizationInCharge"),
            organ_add=optional(group, "OrganAdd"),
            email=optional(group, "Email"),
            telephone=optional(group, "Telephone"),
            fax=optional(group, "Fax"),
            website=optional(group, "Website"),
        )

    def _recipients(self, block: Group) -> tuple[Organization, ...]:
        found = block.members.get("To", ())
        if not found:
            self._elements.missing(block, "To")
        if len(found) > self._limits.max_recipients:
            self._findings.refuse(
                "R",
                "MessageHeader/To",
                f"{len(found)} recipients, more than {self._limits.max_recipients}",
                "send several messages",
                found[self._limits.max_recipients],
            )
            return ()
        recipients: dict[str, Organization] = {}
        for position, element in enumerate(found, 1):
            path = f"MessageHeader/To[{position}]"
            organization = self._organization(self._elements.group(element, self._names.organization, path))
            if organization.organ_id in recipients and organization.organ_id:
                self._findings.refuse(
                    "M",
                    f"{path}/OrganId",
                    f"the recipient {organization.organ_id} is named twice",
                    "name each recipient once",
                    element,
                )
            recipients[organization.organ_id] = organization
        return tuple(recipients.values())

    def _document_type(self, block: Group) -> DocumentType:
        elements = self._elements
        group = self._required_group(block, "DocumentType", self._names.document_type)
        number = elements.integer(group, "Type", _DEFAULT_TYPE)
        return DocumentType(
            type_name=elements.required(group, "TypeName"),
            type=_DEFAULT_TYPE if number is None else number,
            type_detail=elements.integer(group, "TypeDetail", _DEFAULT_TYPE_DETAIL),
        )

    def _signer_info(self, block: Group) -> SignerInfo:
        elements = self._elements
        group = self._required_group(block, "SignerInfo", self._names.signer_info)
        return SignerInfo(
            full_name=elements.expected(group, "FullName"),
            competence=elements.optional(group, "Competence"),
            position=elements.optional(group, "Position"),
        )

    def _other_info(self, block: Group) -> OtherInfo:
        elements = self._elements
        group = self._required_group(block, "OtherInfo", self._names.other_info)
        appendixes = self._optional_group(group, "Appendixes", self._names.appendixes, f"{group.path}/Appendixes")
        return OtherInfo(
            priority=self._priority(group),
            sphere_of_promulgation=elements.optional(group, "SphereOfPromulgation"),
            typer_notation=elements.optional(group, "TyperNotation"),
            promulgation_amount=self._amount(group, "PromulgationAmount"),
            page_amount=self._amount(group, "PageAmount"),
            direction=self._direction(group),
            appendixes=() if appendixes is None else tuple(elements.texts(appendixes, "Appendix")),
        )

    def _priority(self, group: Group) -> Priority:
        return self._member(group, "Priority", Priority.NORMAL, {_LEFTOVER_NORMAL: Priority.NORMAL})

    def _steering_type(self, block: Group) -> SteeringType:
        again = {_REPORT_NUMBERED_FROM_ONE: SteeringType.REPORT_ON_DIRECTIVE}
        return self._member(block, "SteeringType", SteeringType.NOT_STEERING, again)

    def _member(self, group: Group, name: str, otherwise: _Number, also: dict[int, _Number]) -> _Number:
        """The member of an enumeration; other numbers that occur, and unknown ones, with a warning."""
        number = self._elements.integer(group, name, otherwise)
        if number is None:
            return otherwise
        try:
            return type(otherwise)(number)
        except ValueError:
            meant = also.get(number, otherwise)
            self._findings.warn("R", f"{group.path}/{name}", f"{number} is no code of the list; read as {meant:d}")
            return meant

    def _amount(self, group: Group, name: str) -> int | None:
        number = self._elements.integer(group, name, 1)
        if number is None or 0 <= number <= MAX_AMOUNT:
            return number
        self._findings.warn("R", f"{group.path}/{name}", f"{number} is not between 0 and {MAX_AMOUNT}; read as 1")
        return 1

    def _direction(self, group: Group) -> bool | None:
        text = self._elements.optional(group, "Direction")
        if text is None:
            return None
        if text.lower() not in _BOOLEANS:
            self._findings.warn("T", f"{group.path}/Direction", f"{text!r} is neither true nor false; read as false")
        return _BOOLEANS.get(text.lower(), False)

    def _answered(self, block: Group) -> tuple[ResponseFor, ...]:
        """The documents that this one answers; an empty ``ResponseFor`` occurs and means nothing."""
        answered = []
        for position, element in enumerate(block.members.get("ResponseFor", ()), 1):
            path = f"MessageHeader/ResponseFor[{position}]"
            response_for = self._response_for(self._elements.group(element, self._names.response_for, path))
            if response_for != ResponseFor():
                answered.append(response_for)
        return tuple(answered)

    def _response_for(self, group: Group) -> ResponseFor:
        elements = self._elements
        return ResponseFor(
            organ_id=elements.agency_code(group),
            code=elements.optional(group, "Code", "ResponseFor/Code"),
            document_id=elements.optional(group, "DocumentId"),
            promulgation_date=elements.optional_date(group, "PromulgationDate"),
        )

    def _to_places(self, block: Group) -> tuple[str, ...]:
        group = self._optional_group(block, "ToPlaces", self._names.to_places, "MessageHeader/ToPlaces")
        if group is None:
            return ()
        places = tuple(self._elements.texts(group, "Place", "ToPlaces/Place"))
        together, longest = sum(map(len, places)), max_length("ToPlaces")
        if together > longest * self._limits.length_tolerance:
            self._findings.refuse(
                "R",
                group.path,
                f"all places together have {together} characters, more than {longest * self._limits.length_tolerance}",
                f"shorten them to {longest} characters together",
                group.element,
            )
        elif together > longest:
            self._findings.warn("R", group.path, f"all places together have {together} characters, more than {longest}")
        return places

    # Bussiness and trace

    def _optional_bussiness(self, traces: Group | None) -> Group | None:
        if traces is None:
            return None
        return self._optional_group(traces, "Bussiness", self._names.bussiness, "TraceHeaderList/Bussiness")

    def _bussiness(self, group: Group) -> Bussiness:
        elements = self._elements
        doc_type = self._doc_type(group)
        reason = elements.optional(group, "BussinessDocReason")
        if reason is None and doc_type is not BussinessDocType.NEW:
            self._findings.warn("N", f"{group.path}/BussinessDocReason", "the reason is missing")
        document_id = elements.optional(group, "DocumentId")
        return Bussiness(
            doc_type=doc_type,
            reason=reason,
            paper=bool(self._member(group, "Paper", _Paper.NONE, {})),
            # The id of an earlier document; samples of new documents carry one that means nothing.
            document_id=None if doc_type is BussinessDocType.NEW else document_id,
            staff_info=tuple(
                staff
                for position, element in enumerate(group.members.get("StaffInfo", ()), 1)
                if (staff := self._staff_info(element, f"{group.path}/StaffInfo[{position}]")) is not None
            ),
        )

    def _doc_type(self, group: Group) -> BussinessDocType:
        """What the message does is never guessed: unknown is refused."""
        text = self._elements.required(group, "BussinessDocType")
        if text == "":
            return BussinessDocType.NEW
        number = parse_integer(text)
        if number is not None and number in _DOC_TYPES:
            return _DOC_TYPES[number]
        self._findings.refuse(
            "T" if number is None else "M",
            f"{group.path}/BussinessDocType",
            f"{text!r} is no type of message",
            "write 0 new, 1 recall, 2 update or 3 replace",
            group.members["BussinessDocType"][0],
        )
        return BussinessDocType.NEW

    def _staff_info(self, element: etree._Element, path: str) -> StaffInfo | None:
        """The clerk; an element that says nothing is as good as none."""
        group = self._elements.group(element, self._names.staff_info, path)
        optional = self._elements.optional
        staff = StaffInfo(
            department=optional(group, "Department"),
            department_id=optional(group, "DepartmentId"),
            staff=optional(group, "Staff"),
            staff_id=optional(group, "StaffId"),
            email=optional(group, "Email"),
            mobile=optional(group, "Mobile"),
        )
        return None if staff == StaffInfo() else staff

    def _trace_headers(self, traces: Group | None) -> tuple[TraceHeader, ...]:
        """The hops; nodes of the axis leave out their code, or write ``null``."""
        if traces is None:
            return ()
        return tuple(
            self._trace_header(element, position)
            for position, element in enumerate(traces.members.get("TraceHeader", ()), 1)
        )

    def _trace_header(self, element: etree._Element, position: int) -> TraceHeader:
        group = self._elements.group(element, self._names.trace_header, f"TraceHeaderList/TraceHeader[{position}]")
        organ_id = self._elements.agency_code(group)
        timestamp = self._elements.timestamp(group, "Timestamp")
        return TraceHeader(None if is_no_code(organ_id or "") else organ_id, timestamp)

    # Files

    def _files(self, structure: _Structure, signatures: tuple[etree._Element, ...]) -> AttachedFiles:
        signed = any(signature.tag == DS_SIGNATURE for signature in signatures)
        reader = AttachmentReader(self._elements, signed=signed)
        return reader.read(structure.manifest, structure.standard_files, structure.other_files)


class _Paper(IntEnum):
    """``Paper``: whether a paper copy follows."""

    NONE = 0
    FOLLOWS = 1
