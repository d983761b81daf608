"""The transaction that takes a status message on: the report, the delivery's new state, evidence and event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, update

from edoc.acceptance.errors import DirectoryChangedError
from edoc.acceptance.receipts import Receipt, ReceiptDelivery, find_receipt
from edoc.acceptance.verification import still_holds
from edoc.database.group_commit import Failed, Preparation, Ready, RowBatch, Sequences, Settled
from edoc.database.tables import DeliveryRow, DocumentRow, EvidenceRow, MessageRow, StatusReportRow
from edoc.delivery.errors import DeliveryError, UnknownDeliveryError
from edoc.delivery.keys import delivery_key
from edoc.delivery.states import REPEATABLE, ReporterRole, advance, check_room, replay, role_of
from edoc.directory.model import Agency
from edoc.envelope.model import ReaderWarning, StatusMessage
from edoc.events import EventType, add_event
from edoc.evidence.model import Evidence, EvidenceType, MessageKind, Party
from edoc.evidence.rows import acceptance_occasion, add_evidence
from edoc.exchange import Exchange
from edoc.identifiers import after, uuid7
from signing.report import ValidationReport


@dataclass(frozen=True)
class VerifiedStatus:
    """A status message whose bytes are archived and whose seal has passed."""

    message: StatusMessage
    reporter: Agency
    addressee: Agency
    """``ResponseFor/OrganId``."""
    reports: tuple[ValidationReport, ...]
    validation: str
    """The reports, JSON."""
    sha256: str
    size: int
    received_at: datetime
    by_exchange: bool = False
    warnings: tuple[ReaderWarning, ...] = ()

    @property
    def document_id(self) -> str:
        """The document it is about; acceptance has refused messages without."""
        return self.message.response_for.document_id or ""

    @property
    def role(self) -> ReporterRole:
        """The reporter's side."""
        return role_of(self.message.status_code)

    @property
    def sender_id(self) -> int:
        """The agency that sent the document."""
        return (self.reporter if self.role is ReporterRole.SENDER else self.addressee).id

    @property
    def recipient_id(self) -> int:
        """The agency that received it."""
        return (self.addressee if self.role is ReporterRole.SENDER else self.reporter).id


def status_columns(message: StatusMessage) -> dict[str, object]:
    """The columns of :class:`~edoc.database.tables.StatusReportRow` that the message alone decides."""
    return {"code": message.status_code, "description": message.description, "reported_at": message.timestamp}


def status_occasion(delivery_id: UUID, reporter_id: int, code: str, message_sha256: str) -> str:
    """What a report states once and for all; of a code that may repeat, once for each message."""
    occasion = f"{delivery_id}:{reporter_id}:{code}"
    return f"{occasion}:{message_sha256}" if code in REPEATABLE else occasion


@dataclass
class _Found:
    """What the preparation looked up."""

    delivery_id: UUID
    document_pk: UUID
    shown: str
    occasion: str
    previous_sha256: str
    at: datetime
    """When it is accepted: the seal holds then, unless another clock was ahead."""


class AcceptStatus:
    """The work item that enters one status report."""

    def __init__(self, exchange: Exchange, status: VerifiedStatus) -> None:
        self._exchange, self._status = exchange, status
        self._found: _Found | None = None

    @property
    def keys(self) -> frozenset[str]:
        """One report on a delivery at a time: each decides what may follow."""
        status = self._status
        return frozenset({f"message:{status.sha256}", delivery_key(status.document_id, status.recipient_id)})

    @property
    def actors(self) -> Sequence[int]:
        """The reporter."""
        return [self._status.reporter.id]

    @classmethod
    def prepare(cls, connection: Connection, items: Sequence[Self]) -> Sequence[Preparation]:
        """Find the deliveries and whether the reports may follow."""
        return [item.judge(connection) for item in items]

    def judge(self, connection: Connection, *, lock: bool = True) -> Preparation:
        """Find the delivery, and whether the report repeats, follows or cannot.

        Args:
            connection: in a transaction that may write, or without ``lock`` in any.
            lock: whether to hold the delivery until the transaction ends.
        """
        status = self._status
        receipt = find_receipt(connection, self._exchange.store, status.sha256)
        if receipt is not None:
            return Settled(receipt)
        delivery = connection.execute(
            _DELIVERY_LOCKED if lock else _DELIVERY,
            {"document": status.document_id, "recipient": status.recipient_id, "sender": status.sender_id},
        ).one_or_none()
        if delivery is None:
            return Failed(
                UnknownDeliveryError(
                    f"{self._status.role.value} {status.reporter.code} has no part in a document {status.document_id}"
                    f" between {status.addressee.code} and itself"
                )
            )
        return self._judge_delivery(connection, delivery.id, delivery.document_pk)

    def _judge_delivery(self, connection: Connection, delivery_id: UUID, document_pk: UUID) -> Preparation:
        status, code = self._status, self._status.message.status_code
        occasion = status_occasion(delivery_id, status.reporter.id, code, status.sha256)
        reports = connection.execute(_HISTORY, {"delivery": delivery_id}).all()
        if code not in REPEATABLE and (repeated := [each for each in reports if each.occasion == occasion]):
            return Settled(find_receipt(connection, self._exchange.store, repeated[0].sha256))
        try:
            check_room((each.code for each in reports), code)
            state = advance(replay((each.code, role_of(each.code)) for each in reports), code, status.role)
        except DeliveryError as error:
            return Failed(error)
        previous = (
            connection.execute(_LAST_EVIDENCE, {"delivery": delivery_id}).one_or_none()
            or connection.execute(
                _CONSIGNMENT, {"document": document_pk, "type": EvidenceType.CONTENT_CONSIGNMENT.value}
            ).one()
        )
        now = self._exchange.clock()
        at = after(now, previous.issued_at)
        if not still_holds(status.reports, self._exchange.validator(), now):
            return Failed(DirectoryChangedError("the seal does not hold any more"))
        self._found = _Found(delivery_id, document_pk, state.shown, occasion, previous.sha256, at)
        return Ready()

    def write(self, connection: Connection, rows: RowBatch, sequences: Sequences) -> Receipt:
        """Add the report, its evidence and event, and move the delivery."""
        exchange, status, found = self._exchange, self._status, self._found
        if found is None:
            raise RuntimeError("write comes after prepare")
        now = found.at
        sequence = sequences.take(status.reporter.id)
        sealed = exchange.issuer.seal(
            Evidence(
                identifier=uuid7(now, exchange.random),
                type=EvidenceType.SUBMISSION_ACCEPTANCE,
                event_time=now,
                issuer=exchange.issuer.party,
                sender=Party(status.reporter.code, status.reporter.name, sequence),
                recipients=(Party(status.addressee.code, status.addressee.name),),
                message_kind=MessageKind.STATUS,
                document_id=status.document_id,
                message_size=status.size,
                message_sha256=status.sha256,
                previous_sha256=found.previous_sha256,
            )
        )
        self._add_rows(rows, found, now)
        connection.execute(
            update(DeliveryRow).where(DeliveryRow.id == found.delivery_id).values(state=found.shown, state_at=now)
        )
        add_evidence(
            rows,
            sealed,
            occasion=acceptance_occasion(status.sha256),
            document_pk=found.document_pk,
            delivery_id=found.delivery_id,
            random=exchange.random,
        )
        add_event(
            rows,
            EventType.STATUS_REPORT,
            agency_id=status.reporter.id,
            sequence=sequence,
            occurred_at=now,
            message_sha256=status.sha256,
            evidence_sha256=sealed.sha256,
            random=exchange.random,
            document_pk=found.document_pk,
            delivery_id=found.delivery_id,
        )
        return Receipt(
            kind=MessageKind.STATUS,
            document_pk=found.document_pk,
            document_id=status.document_id,
            message_sha256=status.sha256,
            sender_id=status.reporter.id,
            accepted_at=now,
            evidence=sealed.body,
            deliveries=(ReceiptDelivery(found.delivery_id, self._recipient_code()),),
            warnings=status.warnings,
        )

    def _recipient_code(self) -> str:
        status = self._status
        return (status.addressee if status.role is ReporterRole.SENDER else status.reporter).code

    def _add_rows(self, rows: RowBatch, found: _Found, now: datetime) -> None:
        exchange, status = self._exchange, self._status
        message_id = uuid7(now, exchange.random)
        rows.add(
            MessageRow,
            id=message_id,
            sha256=status.sha256,
            size=status.size,
            kind=MessageKind.STATUS.value,
            sender_id=status.reporter.id,
            received_at=status.received_at,
            validation=status.validation,
        )
        rows.add(
            StatusReportRow,
            id=uuid7(now, exchange.random),
            message_id=message_id,
            delivery_id=found.delivery_id,
            reporter_id=status.reporter.id,
            occasion=found.occasion,
            **status_columns(status.message),
            received_at=now,
            by_exchange=status.by_exchange,
        )


_DELIVERY = (
    select(DeliveryRow.id, DeliveryRow.document_pk)
    .join(DocumentRow, DocumentRow.id == DeliveryRow.document_pk)
    .where(
        DocumentRow.document_id == bindparam("document"),
        DeliveryRow.recipient_id == bindparam("recipient"),
        DeliveryRow.sender_id == bindparam("sender"),
    )
)
_DELIVERY_LOCKED = _DELIVERY.with_for_update(of=DeliveryRow)
_HISTORY = (
    select(StatusReportRow.code, StatusReportRow.occasion, MessageRow.sha256)
    .join(MessageRow, MessageRow.id == StatusReportRow.message_id)
    .where(StatusReportRow.delivery_id == bindparam("delivery"))
    .order_by(StatusReportRow.id)
)
_LAST_EVIDENCE = (
    select(EvidenceRow.sha256, EvidenceRow.issued_at)
    .where(EvidenceRow.delivery_id == bindparam("delivery"))
    .order_by(EvidenceRow.id.desc())
    .limit(1)
)
_CONSIGNMENT = select(EvidenceRow.sha256, EvidenceRow.issued_at).where(
    EvidenceRow.document_pk == bindparam("document"), EvidenceRow.type == bindparam("type")
)
