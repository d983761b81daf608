"""What the sender of a message gets: the exchange's sealed SubmissionAcceptance, the same bytes for ever."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine, bindparam, exists, select

from edoc.archive.objects import ObjectStore
from edoc.database.prepared import Query
from edoc.database.tables import AgencyRow, DeliveryRow, DocumentRow, EvidenceRow, MessageRow, StatusReportRow
from edoc.envelope.model import ReaderWarning
from edoc.evidence.model import MessageKind
from edoc.evidence.rows import acceptance_occasion, read_body


@dataclass(frozen=True)
class Trace:
    """What the database holds of a message that comes in."""

    has_receipt: bool
    """Whether these bytes were taken on before."""
    is_taken: bool
    """Whether a document has its DocumentId."""


@dataclass(frozen=True)
class ReceiptDelivery:
    """A delivery that acceptance made."""

    id: UUID
    recipient_code: str


@dataclass(frozen=True)
class Receipt:
    """The answer to a message that was taken on."""

    kind: MessageKind
    document_pk: UUID
    """The document, or the one that the status is about."""
    document_id: str
    message_sha256: str
    sender_id: int
    accepted_at: datetime
    evidence: bytes
    """The sealed SubmissionAcceptance."""
    deliveries: tuple[ReceiptDelivery, ...]
    warnings: tuple[ReaderWarning, ...] = ()
    replayed: bool = False
    """Whether the message had been taken on before."""


def find_trace(engine: Engine, message_sha256: str, document_id: str | None) -> Trace:
    """What there is of a message that comes in."""
    occasion = acceptance_occasion(message_sha256)
    (row,) = _TRACE.fetch(engine, occasion=occasion, document=document_id)
    return Trace(bool(row.has_receipt), bool(row.is_taken))


def find_receipt(connection: Connection, store: ObjectStore, message_sha256: str) -> Receipt | None:
    """The receipt of a message that was taken on before, or None."""
    occasion = acceptance_occasion(message_sha256)
    row = connection.execute(_MESSAGE, {"occasion": occasion}).one_or_none()
    if row is None:
        return None
    body = read_body(store, row.body, row.sha256)
    kind = MessageKind(row.kind)
    document = connection.execute(_DOCUMENT, {"pk": row.document_pk}).one()
    where = {"pk": row.document_pk} if kind is MessageKind.DOCUMENT else {"message": row.message_id}
    deliveries = connection.execute(_DELIVERIES if kind is MessageKind.DOCUMENT else _STATUS_DELIVERY, where).all()
    return Receipt(
        kind=kind,
        document_pk=row.document_pk,
        document_id=document.document_id,
        message_sha256=message_sha256,
        sender_id=row.sender_id,
        accepted_at=row.issued_at,
        evidence=body,
        deliveries=tuple(ReceiptDelivery(each.id, each.code) for each in deliveries),
        warnings=read_warnings(document.warnings) if kind is MessageKind.DOCUMENT else (),
        replayed=True,
    )


def warnings_text(warnings: tuple[ReaderWarning, ...]) -> str:
    """Warnings as kept in a row."""
    return json.dumps([vars(warning) for warning in warnings], ensure_ascii=False) if warnings else "[]"


def read_warnings(text: str) -> tuple[ReaderWarning, ...]:
    """Warnings as read from a row."""
    return tuple(ReaderWarning(**each) for each in json.loads(text))


_TRACE = Query(
    select(
        exists().where(EvidenceRow.occasion == bindparam("occasion")).label("has_receipt"),
        exists().where(DocumentRow.document_id == bindparam("document")).label("is_taken"),
    )
)
_MESSAGE = (
    select(
        EvidenceRow.body,
        EvidenceRow.sha256,
        EvidenceRow.document_pk,
        EvidenceRow.issued_at,
        MessageRow.id.label("message_id"),
        MessageRow.kind,
        MessageRow.sender_id,
    )
    .join(MessageRow, MessageRow.sha256 == EvidenceRow.message_sha256)
    .where(EvidenceRow.occasion == bindparam("occasion"))
)
_DOCUMENT = select(DocumentRow.document_id, DocumentRow.warnings).where(DocumentRow.id == bindparam("pk"))
_DELIVERIES = (
    select(DeliveryRow.id, AgencyRow.code)
    .join(AgencyRow, AgencyRow.id == DeliveryRow.recipient_id)
    .where(DeliveryRow.document_pk == bindparam("pk"))
    .order_by(DeliveryRow.id)
)
_STATUS_DELIVERY = (
    select(DeliveryRow.id, AgencyRow.code)
    .join(StatusReportRow, StatusReportRow.delivery_id == DeliveryRow.id)
    .join(AgencyRow, AgencyRow.id == DeliveryRow.recipient_id)
    .where(StatusReportRow.message_id == bindparam("message"))
)
