"""Giving content out: the first time a recipient takes a document over, the exchange seals a ContentHandover.

The evidence is durable before the first byte of content goes out. Crash: before the commit nothing was given;
after it the recipient may ask again and gets the content with the same evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, update

from edoc.database.group_commit import Failed, Preparation, Ready, RowBatch, Sequences, Settled
from edoc.database.tables import DeliveryRow, DocumentRow, EvidenceRow, MessageRow
from edoc.delivery.errors import TakenBackError, UnknownDeliveryError
from edoc.delivery.keys import delivery_key
from edoc.delivery.outbox import Topic, add_task
from edoc.delivery.states import CONSIGNED, TAKE_BACK_AGREED
from edoc.directory.model import Agency
from edoc.documents.views import DocumentView
from edoc.events import EventType, add_event
from edoc.evidence.model import Evidence, EvidenceType, MessageKind, Party
from edoc.evidence.rows import add_evidence, consignment_occasion, find_by_occasion, handover_occasion
from edoc.exchange import Exchange
from edoc.identifiers import after, uuid7


@dataclass(frozen=True)
class _Found:
    delivery_id: UUID
    document_id: str
    message_sha256: str
    message_size: int
    consignment_sha256: str
    sender_id: int
    state: str
    at: datetime
    """When it is handed over: after what the delivery's evidence states so far."""


class HandOver:
    """The work item that records that one recipient was given one document; its result is the sealed evidence."""

    def __init__(self, exchange: Exchange, document: DocumentView, recipient: Agency) -> None:
        self._exchange, self._document, self._recipient = exchange, document, recipient
        self._document_pk = document.pk
        self._found: _Found | None = None

    @property
    def keys(self) -> frozenset[str]:
        """One thing that happens to a delivery at a time: a report may take the document back."""
        return frozenset({delivery_key(self._document.document_id, self._recipient.id)})

    @property
    def actors(self) -> Sequence[int]:
        """The recipient."""
        return [self._recipient.id]

    @classmethod
    def prepare(cls, connection: Connection, items: Sequence[Self]) -> Sequence[Preparation]:
        """Find the deliveries, and handovers recorded before."""
        return [item.judge(connection) for item in items]

    def judge(self, connection: Connection) -> Preparation:
        """Find the delivery, and whether it was handed over before."""
        row = connection.execute(
            _DELIVERY, {"document": self._document_pk, "recipient": self._recipient.id}
        ).one_or_none()
        if row is None:
            return Failed(UnknownDeliveryError(f"{self._recipient.code} is no recipient of this document"))
        if row.handed_over_at is not None:
            return Settled(find_by_occasion(connection, self._exchange.store, handover_occasion(row.id)))
        if row.state == TAKE_BACK_AGREED:
            return Failed(TakenBackError("the document was taken back, and its content is not handed over any more"))
        consignment = connection.execute(_CONSIGNMENT, {"occasion": consignment_occasion(self._document_pk)}).one()
        latest = connection.execute(_LATEST, {"delivery": row.id}).scalar() or consignment.issued_at
        at = after(self._exchange.clock(), latest)
        self._found = _Found(
            row.id, row.document_id, row.sha256, row.size, consignment.sha256, row.sender_id, row.state, at
        )
        return Ready()

    def write(self, connection: Connection, rows: RowBatch, sequences: Sequences) -> bytes:
        """Add evidence and event, mark the delivery, and promise the arrival report where policy wants it."""
        exchange, recipient, found = self._exchange, self._recipient, self._found
        if found is None:
            raise RuntimeError("write comes after prepare")
        now = found.at
        sequence = sequences.take(recipient.id)
        sender = exchange.directory.current().agencies[found.sender_id]
        sealed = exchange.issuer.seal(
            Evidence(
                identifier=uuid7(now, exchange.random),
                type=EvidenceType.CONTENT_HANDOVER,
                event_time=now,
                issuer=exchange.issuer.party,
                sender=Party(sender.code, sender.name),
                recipients=(Party(recipient.code, recipient.name, sequence),),
                message_kind=MessageKind.DOCUMENT,
                document_id=found.document_id,
                message_size=found.message_size,
                message_sha256=found.message_sha256,
                previous_sha256=found.consignment_sha256,
            )
        )
        connection.execute(update(DeliveryRow).where(DeliveryRow.id == found.delivery_id).values(handed_over_at=now))
        add_evidence(
            rows,
            sealed,
            occasion=handover_occasion(found.delivery_id),
            document_pk=self._document_pk,
            delivery_id=found.delivery_id,
            random=exchange.random,
        )
        add_event(
            rows,
            EventType.CONTENT_HANDOVER,
            agency_id=recipient.id,
            sequence=sequence,
            occurred_at=now,
            message_sha256=found.message_sha256,
            evidence_sha256=sealed.sha256,
            random=exchange.random,
            document_pk=self._document_pk,
            delivery_id=found.delivery_id,
        )
        if exchange.policy.report_arrival and found.state == CONSIGNED:
            add_task(rows, Topic.REPORT_ARRIVAL, found.delivery_id, now, exchange.random)
        return sealed.body


_DELIVERY = (
    select(
        DeliveryRow.id,
        DeliveryRow.handed_over_at,
        DeliveryRow.sender_id,
        DeliveryRow.state,
        DocumentRow.document_id,
        MessageRow.sha256,
        MessageRow.size,
    )
    .join(DocumentRow, DocumentRow.id == DeliveryRow.document_pk)
    .join(MessageRow, MessageRow.id == DocumentRow.message_id)
    .where(DeliveryRow.document_pk == bindparam("document"), DeliveryRow.recipient_id == bindparam("recipient"))
    .with_for_update(of=DeliveryRow)
)
_CONSIGNMENT = select(EvidenceRow.sha256, EvidenceRow.issued_at).where(EvidenceRow.occasion == bindparam("occasion"))
_LATEST = (
    select(EvidenceRow.issued_at)
    .where(EvidenceRow.delivery_id == bindparam("delivery"))
    .order_by(EvidenceRow.id.desc())
    .limit(1)
)
