"""A document as a caller may see it.

The sender and an auditor see all deliveries; a recipient sees its own. Whoever has no part in a document is told
the same as where there is none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, or_, select
from sqlalchemy.orm import aliased

from edoc.acceptance.receipts import read_warnings
from edoc.access.errors import NotYoursError
from edoc.access.tokens import Principal, Scope
from edoc.database.tables import (
    AgencyRow,
    AttachmentRow,
    DeliveryRow,
    DocumentRow,
    EvidenceRow,
    MessageRow,
    StatusReportRow,
)
from edoc.envelope.model import ReaderWarning
from edoc.evidence.model import EvidenceType


class Perspective(Enum):
    """From where a caller looks at a document."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    AUDITOR = "auditor"


@dataclass(frozen=True)
class AttachmentView:
    """A file of the document."""

    position: int
    content_id: str
    name: str
    media_type: str
    description: str | None
    size: int
    sha256: str
    is_object: bool


@dataclass(frozen=True)
class DeliveryView:
    """A delivery of the document."""

    id: UUID
    recipient_id: int
    recipient_code: str
    recipient_name: str
    addressed_as: str
    consigned_at: datetime
    handed_over_at: datetime | None
    state: str
    state_at: datetime
    recipient_sequence: int


@dataclass(frozen=True)
class DocumentView:
    """A document with all that every system must show of it (Decision 28/2018 Art. 10(2))."""

    perspective: Perspective
    pk: UUID
    document_id: str
    sender_id: int
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
    response_for: tuple[dict[str, Any], ...]
    accepted_at: datetime
    message_sha256: str
    message_size: int
    validation: tuple[dict[str, Any], ...]
    """The validation reports made at acceptance, as :func:`signing.report.report_as_json` writes them."""
    warnings: tuple[ReaderWarning, ...]
    attachments: tuple[AttachmentView, ...]
    deliveries: tuple[DeliveryView, ...]


@dataclass(frozen=True)
class EvidenceView:
    """A piece of evidence of the document."""

    sha256: str
    type: EvidenceType
    delivery_id: UUID | None
    message_sha256: str
    previous_sha256: str | None
    issued_at: datetime
    body: bytes | None
    """None once the archive holds it, or where it was not asked for."""


@dataclass(frozen=True)
class StatusView:
    """A business state that was told."""

    message_sha256: str
    delivery_id: UUID
    reporter_code: str
    reporter_name: str
    code: str
    description: str | None
    reported_at: datetime
    received_at: datetime
    by_exchange: bool


def find_document(connection: Connection, pk: UUID, caller: Principal) -> DocumentView:
    """The document as the caller may see it.

    Raises:
        NotYoursError: there is none, or the caller has no part in it.
    """
    row = connection.execute(
        select(
            DocumentRow.__table__,
            AgencyRow.code,
            AgencyRow.name,
            MessageRow.sha256,
            MessageRow.size,
            MessageRow.validation,
        )
        .join(AgencyRow, AgencyRow.id == DocumentRow.sender_id)
        .join(MessageRow, MessageRow.id == DocumentRow.message_id)
        .where(DocumentRow.id == pk)
    ).one_or_none()
    if row is None:
        raise NotYoursError("there is no such document, or your agency has no part in it")
    perspective = _perspective(row.sender_id, caller)
    deliveries = _deliveries(connection, pk, caller.agency_id if perspective is Perspective.RECIPIENT else None)
    if not deliveries:
        raise NotYoursError("there is no such document, or your agency has no part in it")
    return DocumentView(
        perspective=perspective,
        pk=row.id,
        document_id=row.document_id,
        sender_id=row.sender_id,
        sender_code=row.code,
        sender_name=row.name,
        number=row.number,
        notation=row.notation,
        promulgation_date=row.promulgation_date,
        place=row.place,
        type_name=row.type_name,
        subject=row.subject,
        content=row.content,
        priority=row.priority,
        due_date=row.due_date,
        signer_name=row.signer_name,
        signer_competence=row.signer_competence,
        signer_position=row.signer_position,
        response_for=tuple(json.loads(row.response_for)),
        accepted_at=row.accepted_at,
        message_sha256=row.sha256,
        message_size=row.size,
        validation=tuple(json.loads(row.validation)),
        warnings=read_warnings(row.warnings),
        attachments=_attachments(connection, pk),
        deliveries=deliveries,
    )


def find_document_pk(connection: Connection, document_id: str) -> UUID | None:
    """The document of a DocumentId, whoever may see it."""
    return connection.execute(select(DocumentRow.id).where(DocumentRow.document_id == document_id)).scalar()


def list_evidence(connection: Connection, document: DocumentView, *, bodies: bool = True) -> tuple[EvidenceView, ...]:
    """The evidence of the document that its perspective may see, in the order it was issued.

    Args:
        connection: of the database.
        document: as the caller may see it.
        bodies: False to leave out those that the archive does not hold yet, where there may be thousands.
    """
    columns = [each for each in EvidenceRow.__table__.columns if bodies or each.name != "body"]
    query = select(*columns).where(EvidenceRow.document_pk == document.pk).order_by(EvidenceRow.id)
    if document.perspective is Perspective.RECIPIENT:
        own = [delivery.id for delivery in document.deliveries]
        query = query.where(or_(EvidenceRow.delivery_id.is_(None), EvidenceRow.delivery_id.in_(own)))
    return tuple(
        EvidenceView(
            row.sha256,
            EvidenceType(row.type),
            row.delivery_id,
            row.message_sha256,
            row.previous_sha256,
            row.issued_at,
            row.body if bodies else None,
        )
        for row in connection.execute(query)
    )


def list_statuses(connection: Connection, document: DocumentView) -> tuple[StatusView, ...]:
    """The business states told about the deliveries in view, in the order they came."""
    reporter = aliased(AgencyRow)
    rows = connection.execute(
        select(StatusReportRow.__table__, MessageRow.sha256, reporter.code.label("reporter_code"), reporter.name)
        .join(MessageRow, MessageRow.id == StatusReportRow.message_id)
        .join(reporter, reporter.id == StatusReportRow.reporter_id)
        .where(StatusReportRow.delivery_id.in_([delivery.id for delivery in document.deliveries]))
        .order_by(StatusReportRow.id)
    )
    return tuple(
        StatusView(
            row.sha256,
            row.delivery_id,
            row.reporter_code,
            row.name,
            row.code,
            row.description,
            row.reported_at,
            row.received_at,
            row.by_exchange,
        )
        for row in rows
    )


def _perspective(sender_id: int, caller: Principal) -> Perspective:
    """From where the caller looks; whether a recipient has a part in it, its delivery tells."""
    if Scope.AUDIT in caller.scopes:
        return Perspective.AUDITOR
    return Perspective.SENDER if sender_id == caller.agency_id else Perspective.RECIPIENT


def _attachments(connection: Connection, pk: UUID) -> tuple[AttachmentView, ...]:
    rows = connection.execute(
        select(AttachmentRow.__table__).where(AttachmentRow.document_pk == pk).order_by(AttachmentRow.position)
    )
    return tuple(
        AttachmentView(
            row.position,
            row.content_id,
            row.name,
            row.media_type,
            row.description,
            row.size,
            row.sha256,
            row.is_object,
        )
        for row in rows
    )


def _deliveries(connection: Connection, pk: UUID, recipient_id: int | None) -> tuple[DeliveryView, ...]:
    """All deliveries of a document, or that to one recipient: there can be a thousand others."""
    query = (
        select(DeliveryRow.__table__, AgencyRow.code, AgencyRow.name)
        .join(AgencyRow, AgencyRow.id == DeliveryRow.recipient_id)
        .where(DeliveryRow.document_pk == pk)
        .order_by(DeliveryRow.id)
    )
    if recipient_id is not None:
        query = query.where(DeliveryRow.recipient_id == recipient_id)
    return tuple(
        DeliveryView(
            row.id,
            row.recipient_id,
            row.code,
            row.name,
            row.addressed_as,
            row.consigned_at,
            row.handed_over_at,
            row.state,
            row.state_at,
            row.recipient_sequence,
        )
        for row in connection.execute(query)
    )
