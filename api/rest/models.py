"""The shapes of requests and answers. Names are in camel case; requests may also use the format's in snake case.

Answers are made from the services' values by their attributes, so that a field here is one that a service gives.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from edoc.plain_text import has_visible_text, unfit_character
from edoc.vietnam import FIRST_YEAR, LAST_YEAR


class TextError(ValueError):
    """A text is none that is taken; pydantic keeps this as the cause of its own error."""

    rule: str
    remedy: str


class ControlCharacterError(TextError):
    """A line of text has a control character in it."""

    rule = "control_character"
    remedy = "leave the character out"


class InvisibleTextError(TextError):
    """A text for people has nothing in it that they could see."""

    rule = "invisible_text"
    remedy = "write something that can be read, or leave the field out where it need not be there"


def _checked_line(text: str) -> str:
    if found := unfit_character(text):
        raise ControlCharacterError(f"the text has the control character {found} in it")
    return text


def _checked_text(text: str) -> str:
    if not has_visible_text(text):
        raise InvisibleTextError("the text has nothing in it but blanks and invisible characters")
    return text


Line = Annotated[str, AfterValidator(_checked_line)]
"""Text of a query, which no database must get to see with control characters in it."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_checked_text)]
"""Text for people, which shows them something."""

_FIRST_TIME = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
_END_OF_TIMES = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)

SHA256_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ID_EXAMPLE = "0198c0de-0000-7000-8000-000000000001"


class Shape(BaseModel):
    """Base of all."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="ignore", frozen=True
    )


class Input(BaseModel):
    """Base of what callers send: an unknown field is a mistake, told at once."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


# What is asked for


class DocumentPath(Input):
    """A document."""

    document: UUID = Field(
        description="Identifier that the exchange gave the document", json_schema_extra={"example": ID_EXAMPLE}
    )


class AttachmentPath(DocumentPath):
    """A file of a document."""

    position: int = Field(ge=0, description="Position of the file, from 0", json_schema_extra={"example": 0})


class DigestPath(DocumentPath):
    """Something of a document, by the digest of its bytes."""

    sha256: str = Field(description="SHA-256 in lower-case hex", json_schema_extra={"example": SHA256_EXAMPLE})


class Paging(Input):
    """One page of a list."""

    cursor: Line | None = Field(None, description="Where to go on: `next` of the page before")
    limit: int = Field(50, ge=1, le=200, description="Most items of the page")

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema, made once: flask-openapi3 asks for it with every request."""
        key = (cls, args, tuple(sorted(kwargs.items(), key=lambda each: each[0])))
        if key not in _SCHEMAS:
            _SCHEMAS[key] = super().model_json_schema(*args, **kwargs)
        return _SCHEMAS[key]


_SCHEMAS: dict[object, dict[str, Any]] = {}


class InboxQuery(Paging):
    """What an inbox is narrowed to."""

    state: str | None = Field(
        None, pattern=r"^(consigned|[0-9]{2})$", description="`consigned`, or a status code of two digits"
    )
    since: AwareDatetime | None = Field(
        None, description="Consigned at this time or later", json_schema_extra={"example": "2026-03-02T00:00:00+07:00"}
    )
    until: AwareDatetime | None = Field(None, description="Consigned before this time")
    type: Line | None = Field(None, description="Name of the document type", json_schema_extra={"example": "Công văn"})
    sender: Line | None = Field(None, description="Code of the sending agency")
    priority: int | None = Field(None, ge=0, le=4, description="Urgency: 0 normal to 3 express")


class AgenciesQuery(Paging):
    """What the directory is narrowed to."""

    cursor: Line | None = Field(None, description="Where to go on: `next` of the page before")
    limit: int = Field(200, ge=1, le=1000, description="Most items of the page")
    kind: Literal["city", "office", "department", "district", "ward"] | None = Field(None, description="Kind of agency")


class VerificationQuery(Input):
    """For which time a file is judged."""

    at: AwareDatetime | None = Field(
        None, ge=_FIRST_TIME, lt=_END_OF_TIMES, description="Time of interest; now where it is not given"
    )


class CodeInput(Input):
    """Number and notation of a document."""

    number: Text = Field(examples=["15"])
    notation: Text = Field(examples=["CV-SNV"])


class SignerInput(Input):
    """Who signed."""

    full_name: Text = Field(examples=["Nguyễn Văn Ví Dụ"])
    competence: Text | None = Field(None, description="In whose place: KT., TL., TUQ. ...")
    position: Text | None = Field(None, examples=["Giám đốc"])


class ResponseForInput(Input):
    """A document that this one answers."""

    organ_id: Text | None = Field(None, description="Code of the agency that sent it")
    code: Text | None = Field(None, description="number/notation")
    document_id: Text | None = None
    promulgation_date: date | None = None


class FileInput(Input):
    """What is said of one of the files, in their order."""

    description: Text | None = None
    content_type: Text | None = Field(None, description="Media type; by the name's ending where it is not given")


class DocumentInput(Input):
    """A new document, without its files; the sender is the caller's agency."""

    recipients: tuple[Text, ...] = Field(min_length=1, description="Codes of the receiving agencies")
    code: CodeInput
    type_name: Text = Field(description="Name of the document type", examples=["Công văn"])
    subject: Text = Field(description="Trích yếu")
    content: Text | None = Field(None, description="Content in short; the subject where it is not given")
    signer: SignerInput
    place: Text = Field(examples=["TP. Hồ Chí Minh"])
    promulgation_date: date | None = Field(None, description="Today, in Vietnam, where it is not given")
    document_id: Text | None = Field(None, description="Made from agency, date, number and notation if not given")
    due_date: date | None = None
    priority: int = Field(0, ge=0, le=3, description="0 normal, 1 urgent, 2 very urgent, 3 express")
    to_places: tuple[Text, ...] = ()
    response_for: tuple[ResponseForInput, ...] = ()
    files: tuple[FileInput, ...] = Field((), description="In the order of the parts `file`; may be shorter")


class StatusInput(Input):
    """A business state told about a document."""

    document: UUID = Field(description="Identifier that the exchange gave the document", examples=[ID_EXAMPLE])
    code: str = Field(pattern=r"^[0-9]{2}$", description="Status code", examples=["03"])
    description: Text | None = None
    recipient: Text | None = Field(
        None, description="Code of the recipient whose delivery is meant; the sender of the document must name it"
    )


# What is answered


class ErrorItem(Shape):
    """One thing that is wrong."""

    code: str = Field(examples=["N.MessageHeader.Subject"])
    field: str
    rule: str = Field(
        description="Name of the rule: `required`, `range`, `allowed`, `type`, or one that says more", examples=["type"]
    )
    reason: str
    remedy: str = Field(description="What helps")


class Problem(Shape):
    """Problem details (RFC 9457)."""

    type: str = Field(examples=["urn:edoc:problem:refused"])
    title: str = Field(description="In Vietnamese, or in English where Accept-Language prefers it")
    status: int
    detail: str
    instance: str = Field(description="Names the request, as the log does")
    remedy: str = Field(description="What the caller can do; in the language of the title")
    errors: list[ErrorItem] = []
    rejection: str | None = Field(None, description="The sealed SubmissionRejection, base64")
    document: str | None = Field(None, description="Of a conflict with a document of your own agency: where it is")


class ReaderWarning(Shape):
    """Something that was let pass."""

    code: str
    field: str
    reason: str


class ReceiptDelivery(Shape):
    """A delivery that was made."""

    id: UUID
    recipient_code: str


class Receipt(Shape):
    """What the sender of a message gets."""

    kind: Literal["document", "status"]
    document: UUID = Field(description="The document, or the one that the status is about", examples=[ID_EXAMPLE])
    document_id: str
    message_sha256: str = Field(examples=[SHA256_EXAMPLE])
    accepted_at: datetime
    deliveries: list[ReceiptDelivery]
    warnings: list[ReaderWarning]
    replayed: bool = Field(description="Whether the same bytes had been taken on before")
    receipt: str = Field(description="The sealed SubmissionAcceptance, base64: the same bytes for ever")
    links: dict[str, str]


class InboxItem(Shape):
    """A delivery to the caller's agency."""

    delivery: UUID = Field(validation_alias=AliasChoices("delivery", "delivery_id"))
    document: UUID = Field(validation_alias=AliasChoices("document", "document_pk"))
    document_id: str
    code: str
    promulgation_date: date
    type_name: str
    subject: str
    priority: int
    due_date: date | None
    sender_code: str
    sender_name: str
    consigned_at: datetime
    handed_over_at: datetime | None
    state: str
    state_at: datetime
    recipient_sequence: int


class InboxPage(Shape):
    """A page of an inbox, newest first."""

    items: list[InboxItem]
    next: str | None = Field(description="Cursor of the next page; null on the last")


class SentItem(Shape):
    """A document that the caller's agency sent."""

    document: UUID = Field(validation_alias=AliasChoices("document", "document_pk"))
    document_id: str
    code: str
    promulgation_date: date
    type_name: str
    subject: str
    priority: int
    due_date: date | None
    accepted_at: datetime


class SentPage(Shape):
    """A page of the documents sent, newest first."""

    items: list[SentItem]
    next: str | None


class Attachment(Shape):
    """A file of a document."""

    position: int
    content_id: str
    name: str
    media_type: str
    description: str | None
    size: int
    sha256: str


class Delivery(Shape):
    """A delivery of a document."""

    id: UUID
    recipient_code: str
    recipient_name: str
    addressed_as: str
    consigned_at: datetime
    handed_over_at: datetime | None
    state: str
    state_at: datetime


class Document(Shape):
    """A document as the caller may see it."""

    perspective: Literal["sender", "recipient", "auditor"]
    document: UUID = Field(validation_alias=AliasChoices("document", "pk"))
    document_id: str
    sender_code: str
    sender_name: str
    number: str
    notation: str
    promulgation_date: date
    place: str
    type_name: str
    subject: str
    content: str
    priority: int
    due_date: date | None
    signer_name: str
    signer_competence: str | None
    signer_position: str | None
    response_for: list[dict[str, Any]]
    accepted_at: datetime
    message_sha256: str
    message_size: int
    validation: list[dict[str, Any]]
    warnings: list[ReaderWarning]
    attachments: list[Attachment]
    deliveries: list[Delivery]
    links: dict[str, str]


class Evidence(Shape):
    """A piece of evidence."""

    sha256: str
    type: str
    delivery: UUID | None = Field(validation_alias=AliasChoices("delivery", "delivery_id"))
    message_sha256: str
    previous_sha256: str | None
    issued_at: datetime
    link: str


class EvidenceList(Shape):
    """The evidence of a document, in the order it was issued."""

    items: list[Evidence]


class Status(Shape):
    """A business state that was told."""

    message_sha256: str
    delivery: UUID = Field(validation_alias=AliasChoices("delivery", "delivery_id"))
    reporter_code: str
    reporter_name: str
    code: str
    description: str | None
    reported_at: datetime
    received_at: datetime
    by_exchange: bool
    link: str


class StatusList(Shape):
    """The states told about a document, in the order they came."""

    items: list[Status]


class Check(Shape):
    """One thing that was checked."""

    name: str
    subject: str
    outcome: Literal["good", "bad", "indeterminate", "note"]
    reason: str
    remedy: str | None
    report: dict[str, Any] | None


class Fact(Shape):
    """Something the file states under a seal that held."""

    name: str
    value: str


class Verification(Shape):
    """What an audit of a file found."""

    kind: str
    verdict: Literal["good", "bad", "indeterminate"]
    sha256: str
    size: int
    at: datetime
    checks: list[Check]
    facts: list[Fact]


class Agency(Shape):
    """An agency of the directory."""

    code: str
    name: str
    name_en: str | None
    kind: str
    parent: str | None
    aliases: list[str]
    valid_from: date
    valid_to: date | None
    successors: list[str]


class AgenciesPage(Shape):
    """A page of the directory."""

    version: int
    items: list[Agency]
    next: str | None


class HealthCheck(Shape):
    """One thing that the process depends on."""

    name: str
    ok: bool
    reason: str


class Health(Shape):
    """Whether a process can do its work, and why not."""

    status: Literal["ok", "failing"]
    checks: list[HealthCheck] = []
