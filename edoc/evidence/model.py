"""Evidence as a frozen value; no I/O.

Each piece holds the digest of the message it is about and, but for the first of a chain, the digest of the
evidence before it:

    author's seal <- SubmissionAcceptance <- ContentConsignment <- ContentHandover (one a recipient)

A status message begins a chain of its own acceptance, whose previous evidence is the last one of its delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

EVENT_NAMESPACE: Final = "http://uri.etsi.org/19522/Event/"


class EvidenceType(Enum):
    """The events stated (ETSI EN 319 522-1 section 6)."""

    SUBMISSION_ACCEPTANCE = "SubmissionAcceptance"
    """The exchange took a message on: archived, verified, bound to be delivered."""
    SUBMISSION_REJECTION = "SubmissionRejection"
    """The exchange refused a message, for the reasons given."""
    CONTENT_CONSIGNMENT = "ContentConsignment"
    """The message lies ready for the recipients named."""
    CONTENT_HANDOVER = "ContentHandover"
    """The recipient was given the content."""

    @property
    def uri(self) -> str:
        """The event's identifier."""
        return EVENT_NAMESPACE + self.value


class MessageKind(Enum):
    """What a message is."""

    DOCUMENT = "document"
    STATUS = "status"


@dataclass(frozen=True)
class Party:
    """An agency as evidence names it."""

    code: str
    name: str
    sequence: int | None = None
    """The number of this event among the agency's events."""


@dataclass(frozen=True)
class Reason:
    """Why a message was refused."""

    rule: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """One statement of the exchange."""

    identifier: UUID
    type: EvidenceType
    event_time: datetime
    """Aware, UTC."""
    issuer: Party
    sender: Party
    recipients: tuple[Party, ...]
    message_kind: MessageKind
    document_id: str | None
    message_size: int
    message_sha256: str
    """Lower-case hex."""
    previous_sha256: str | None = None
    """Digest of the evidence before, as sealed XML; lower-case hex."""
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class SealedEvidence:
    """A statement and its sealed XML."""

    evidence: Evidence
    body: bytes
    sha256: str
    """Of the body; lower-case hex."""
