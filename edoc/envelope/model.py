"""The messages of the edXML format as frozen values; no I/O, no XML.

Names are those of the format (QCVN 102:2016/BTTTT) in snake case. All texts are Unicode, NFC; empty and absent
mean the same and are ``None`` or ``()``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, IntEnum
from typing import Protocol


class BussinessDocType(IntEnum):
    """What a document message does (``Bussiness/BussinessDocType``)."""

    NEW = 0
    RECALL = 1
    UPDATE = 2
    REPLACE = 3


class Priority(IntEnum):
    """Urgency (``OtherInfo/Priority``); 4 is a leftover of older rules: read, never written."""

    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    EXPRESS_TIMED = 4


class SteeringType(IntEnum):
    """Whether the document steers (``SteeringType``)."""

    NOT_STEERING = 0
    DIRECTIVE = 1
    REPORT_ON_DIRECTIVE = 2


@dataclass(frozen=True)
class Organization:
    """``From`` or ``To``: an agency as the message names it."""

    organ_id: str
    organ_name: str
    organization_in_charge: str | None = None
    organ_add: str | None = None
    email: str | None = None
    telephone: str | None = None
    fax: str | None = None
    website: str | None = None


@dataclass(frozen=True)
class Code:
    """Number and notation: ``Code(number="15", notation="GM-SVD")`` is printed ``15/GM-SVD``."""

    number: str
    notation: str

    def __str__(self) -> str:
        return f"{self.number}/{self.notation}"


@dataclass(frozen=True)
class DocumentType:
    """``DocumentType``: the numbers are kept as read, only the name is dependable."""

    type_name: str
    type: int = 2
    type_detail: int | None = 0


@dataclass(frozen=True)
class SignerInfo:
    """``SignerInfo``: who signed, in which capacity."""

    full_name: str
    competence: str | None = None
    position: str | None = None


@dataclass(frozen=True)
class ResponseFor:
    """A document that this one answers, or that a status is about."""

    organ_id: str | None = None
    code: str | None = None
    """``number/notation``."""
    document_id: str | None = None
    promulgation_date: date | None = None


@dataclass(frozen=True)
class StaffInfo:
    """``StaffInfo``: the clerk to talk to."""

    department: str | None = None
    department_id: str | None = None
    staff: str | None = None
    staff_id: str | None = None
    email: str | None = None
    mobile: str | None = None


@dataclass(frozen=True)
class OtherInfo:
    """``OtherInfo``."""

    priority: Priority = Priority.NORMAL
    sphere_of_promulgation: str | None = None
    typer_notation: str | None = None
    promulgation_amount: int | None = None
    page_amount: int | None = None
    direction: bool | None = False
    appendixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TraceHeader:
    """One hop: who passed the message on, and when (Vietnam time)."""

    organ_id: str | None
    timestamp: datetime | None
    """Aware, +07:00."""


@dataclass(frozen=True)
class Bussiness:
    """``Bussiness``: what the message does. The fields of recall, update and replace are not read yet."""

    doc_type: BussinessDocType = BussinessDocType.NEW
    reason: str | None = None
    paper: bool = False
    document_id: str | None = None
    staff_info: tuple[StaffInfo, ...] = ()


class AttachmentContent(Protocol):
    """The decoded bytes of an attachment, wherever they lie."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; can be called again."""

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the bytes, by ``hashlib`` name."""


class AttachmentFlag(Enum):
    """What the reader noticed on an attachment; each becomes a warning."""

    ZIP_MISLABELLED = "zip_mislabelled"
    """It came as a ZIP under another content type; unwrapped."""
    ZIP_KEPT = "zip_kept"
    """It came as a ZIP with more than one entry; kept as it is."""
    NO_REFERENCE = "no_reference"
    """The manifest does not name it."""
    NON_STANDARD = "non_standard"
    """It came in ``edXMLAttachments``."""


@dataclass(frozen=True)
class Attachment:
    """One attached file. Name and type come from the manifest where it names the file."""

    content_id: str
    """Without ``cid:``."""
    attachment_name: str
    content_type: str
    content: AttachmentContent
    """The file itself: decoded, and unwrapped where it came as a ZIP with one entry."""
    description: str | None = None
    flags: tuple[AttachmentFlag, ...] = ()


@dataclass(frozen=True)
class DocumentMessage:
    """A document message: an official letter on its way."""

    sender: Organization
    recipients: tuple[Organization, ...]
    document_id: str
    code: Code
    place: str
    promulgation_date: date
    document_type: DocumentType
    subject: str
    content: str
    signer_info: SignerInfo
    due_date: date | None = None
    other_info: OtherInfo = OtherInfo()
    response_for: tuple[ResponseFor, ...] = ()
    steering_type: SteeringType = SteeringType.NOT_STEERING
    to_places: tuple[str, ...] = ()
    trace_headers: tuple[TraceHeader, ...] = ()
    bussiness: Bussiness = Bussiness()
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class StatusMessage:
    """A status message: one business state of one document, told by one agency to another."""

    sender: Organization
    """``From``: who reports."""
    response_for: ResponseFor
    """``organ_id`` is the agency the status is addressed to."""
    status_code: str
    """Two digits; unknown codes are kept."""
    timestamp: datetime
    """Aware, +07:00: when the state changed."""
    description: str | None = None
    staff_info: StaffInfo | None = None


Message = DocumentMessage | StatusMessage


@dataclass(frozen=True)
class ReaderWarning:
    """Something the tolerant reader let pass."""

    code: str
    """As in :class:`edoc.errors.Violation`."""
    field: str
    reason: str
