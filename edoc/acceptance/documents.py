"""The transaction that takes a document on: rows, evidence, events and outbox, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, Self
from uuid import UUID

from sqlalchemy import Connection, String, and_, bindparam, or_, select

from edoc.acceptance.columns import StoredAttachment, delivery_columns, document_columns
from edoc.acceptance.errors import ConflictError, DirectoryChangedError
from edoc.acceptance.receipts import Receipt, ReceiptDelivery, find_receipt, warnings_text
from edoc.acceptance.steps import AcceptanceStep
from edoc.acceptance.verification import Recipient, still_holds
from edoc.database.group_commit import Failed, Preparation, Ready, RowBatch, Sequences, Settled
from edoc.database.prepared import AnySelect, KeyedQuery
from edoc.database.tables import AttachmentRow, DeliveryRow, DocumentRow, MessageRow
from edoc.delivery.states import CONSIGNED
from edoc.directory.model import Agency
from edoc.directory.repository import read_version
from edoc.envelope.model import DocumentMessage, ReaderWarning
from edoc.events import EventType, add_event
from edoc.evidence.model import Evidence, EvidenceType, MessageKind, Party, SealedEvidence
from edoc.evidence.rows import acceptance_occasion, add_evidence, consignment_occasion
from edoc.exchange import Exchange
from edoc.identifiers import TICK, drawn_together, uuid7
from signing.report import ValidationReport

_RANDOM_BYTES: Final = 8
"""What an identifier takes; there is one for document, message, two pieces of evidence, their two tasks and the
sender's event, and two a recipient, for delivery and event."""


class NumberKey(NamedTuple):
    """The second key of a document: agency, year, number and notation."""

    sender_id: int
    year: int
    number: str
    notation: str


@dataclass(frozen=True)
class VerifiedDocument:
    """A document whose message is archived and whose seal has passed."""

    message: DocumentMessage
    sender: Agency
    recipients: tuple[Recipient, ...]
    attachments: tuple[StoredAttachment, ...]
    warnings: tuple[ReaderWarning, ...]
    reports: tuple[ValidationReport, ...]
    validation: str
    """The reports, JSON."""
    sha256: str
    size: int
    received_at: datetime
    directory_version: int

    @property
    def number_key(self) -> NumberKey:
        """The second key of a document."""
        message = self.message
        return NumberKey(self.sender.id, message.promulgation_date.year, message.code.number, message.code.notation)


@dataclass(frozen=True)
class _Numbers:
    """The event numbers of one document: the sender's, and those of the recipients in their order."""

    sender: int
    recipients: tuple[int, ...]


class AcceptDocument:
    """The work item that enters one document."""

    def __init__(self, exchange: Exchange, document: VerifiedDocument) -> None:
        self.exchange, self.document = exchange, document
        self._warnings = document.warnings
        self._random = exchange.random
        self._at = document.received_at
        """When it is accepted: the seal holds then."""

    @property
    def keys(self) -> frozenset[str]:
        """Neither the same bytes, nor the same DocumentId, nor the same number twice in one transaction."""
        document = self.document
        return frozenset(
            {f"message:{document.sha256}", f"document:{document.message.document_id}", f"number:{document.number_key}"}
        )

    @property
    def actors(self) -> Sequence[int]:
        """The sender submits, and to each recipient the document is consigned."""
        return [self.document.sender.id, *(recipient.agency.id for recipient in self.document.recipients)]

    @classmethod
    def prepare(cls, connection: Connection, items: Sequence[Self]) -> Sequence[Preparation]:
        """Find repeats and conflicts; a number used twice by a sender is a warning (Decree 30 App. VI III.1(h))."""
        items[0].exchange.observer.reached(AcceptanceStep.TRANSACTION_BEGUN)
        version = read_version(connection)
        documents = _find_document_ids(connection, [item.document.message.document_id for item in items])
        repeats = _find_messages(connection, [item.document.sha256 for item in items])
        numbers = _find_numbers(connection, [item.document.number_key for item in items])
        return [item.judge(connection, version, documents, repeats, numbers) for item in items]

    def judge(
        self,
        connection: Connection,
        version: int,
        documents: set[str],
        repeats: set[str],
        numbers: set[NumberKey],
    ) -> Preparation:
        """Whether the document may be written, given what was found."""
        document = self.document
        if document.sha256 in repeats:
            return Settled(find_receipt(connection, self.exchange.store, document.sha256))
        if document.message.document_id in documents:
            return Failed(ConflictError(document.message.document_id))
        if version != document.directory_version:
            return Failed(DirectoryChangedError("the directory has changed"))
        self._at = self.exchange.clock()
        if not still_holds(document.reports, self.exchange.validator(), self._at):
            return Failed(DirectoryChangedError("the seal does not hold any more"))
        if document.number_key in numbers:
            self._warnings = (*document.warnings, _number_warning(document))
        return Ready()

    def write(self, connection: Connection, rows: RowBatch, sequences: Sequences) -> Receipt:
        """Add all rows of the document; returns the receipt that holds once the transaction is committed."""
        del connection
        exchange, document = self.exchange, self.document
        now = self._at
        self._random = drawn_together(exchange.random, _RANDOM_BYTES * (7 + 2 * len(document.recipients)))
        document_pk = uuid7(now, self._random)
        numbers = self._take_numbers(sequences)
        accepted = self._seal_acceptance(now, numbers)
        consigned = self._seal_consignment(now, numbers, accepted)
        exchange.observer.reached(AcceptanceStep.EVIDENCE_SEALED)
        self._add_document(rows, document_pk, now)
        deliveries = self._add_deliveries(rows, document_pk, numbers, now)
        self._add_evidence(rows, document_pk, accepted, consigned)
        self._add_events(rows, document_pk, (accepted, consigned), numbers, deliveries)
        exchange.observer.reached(AcceptanceStep.ROWS_ADDED)
        return Receipt(
            kind=MessageKind.DOCUMENT,
            document_pk=document_pk,
            document_id=document.message.document_id,
            message_sha256=document.sha256,
            sender_id=document.sender.id,
            accepted_at=now,
            evidence=accepted.body,
            deliveries=deliveries,
            warnings=self._warnings,
        )

    def _take_numbers(self, sequences: Sequences) -> _Numbers:
        document = self.document
        return _Numbers(
            sequences.take(document.sender.id), tuple([sequences.take(each.agency.id) for each in document.recipients])
        )

    def _seal_acceptance(self, now: datetime, numbers: _Numbers) -> SealedEvidence:
        recipients = tuple([Party(each.agency.code, each.agency.name) for each in self.document.recipients])
        return self._seal(EvidenceType.SUBMISSION_ACCEPTANCE, now, numbers.sender, recipients, None)

    def _seal_consignment(self, now: datetime, numbers: _Numbers, accepted: SealedEvidence) -> SealedEvidence:
        recipients = tuple(
            [
                Party(each.agency.code, each.agency.name, number)
                for each, number in zip(self.document.recipients, numbers.recipients, strict=True)
            ]
        )
        return self._seal(EvidenceType.CONTENT_CONSIGNMENT, now + TICK, None, recipients, accepted.sha256)

    def _seal(
        self,
        kind: EvidenceType,
        at: datetime,
        sequence: int | None,
        recipients: tuple[Party, ...],
        previous_sha256: str | None,
    ) -> SealedEvidence:
        exchange, document = self.exchange, self.document
        return exchange.issuer.seal(
            Evidence(
                identifier=uuid7(at, self._random),
                type=kind,
                event_time=at,
                issuer=exchange.issuer.party,
                sender=Party(document.sender.code, document.sender.name, sequence),
                recipients=recipients,
                message_kind=MessageKind.DOCUMENT,
                document_id=document.message.document_id,
                message_size=document.size,
                message_sha256=document.sha256,
                previous_sha256=previous_sha256,
            )
        )

    def _add_document(self, rows: RowBatch, document_pk: UUID, now: datetime) -> None:
        document, message = self.document, self.document.message
        message_id = uuid7(now, self._random)
        rows.add(
            MessageRow,
            id=message_id,
            sha256=document.sha256,
            size=document.size,
            kind=MessageKind.DOCUMENT.value,
            sender_id=document.sender.id,
            received_at=document.received_at,
            validation=document.validation,
        )
        rows.add(
            DocumentRow,
            id=document_pk,
            message_id=message_id,
            sender_id=document.sender.id,
            **document_columns(message),
            warnings=warnings_text(self._warnings),
            accepted_at=now,
        )
        for position, attachment in enumerate(document.attachments):
            rows.add(AttachmentRow, document_pk=document_pk, position=position, **vars(attachment))

    def _add_deliveries(
        self, rows: RowBatch, document_pk: UUID, numbers: _Numbers, now: datetime
    ) -> tuple[ReceiptDelivery, ...]:
        document, shared = self.document, delivery_columns(self.document.message)
        deliveries = []
        for position, (recipient, number) in enumerate(zip(document.recipients, numbers.recipients, strict=True), 1):
            delivery_id = uuid7(now + position * TICK, self._random)
            rows.add(
                DeliveryRow,
                id=delivery_id,
                document_pk=document_pk,
                recipient_id=recipient.agency.id,
                addressed_as=recipient.addressed_as,
                sender_id=document.sender.id,
                **shared,
                recipient_sequence=number,
                consigned_at=now,
                handed_over_at=None,
                state=CONSIGNED,
                state_at=now,
            )
            deliveries.append(ReceiptDelivery(delivery_id, recipient.agency.code))
        return tuple(deliveries)

    def _add_evidence(
        self, rows: RowBatch, document_pk: UUID, accepted: SealedEvidence, consigned: SealedEvidence
    ) -> None:
        occasions = {
            acceptance_occasion(self.document.sha256): accepted,
            consignment_occasion(document_pk): consigned,
        }
        for occasion, sealed in occasions.items():
            add_evidence(
                rows,
                sealed,
                occasion=occasion,
                document_pk=document_pk,
                delivery_id=None,
                random=self._random,
            )

    def _add_events(
        self,
        rows: RowBatch,
        document_pk: UUID,
        sealed: tuple[SealedEvidence, SealedEvidence],
        numbers: _Numbers,
        deliveries: tuple[ReceiptDelivery, ...],
    ) -> None:
        document = self.document
        accepted, consigned = sealed
        happened = partial(
            add_event,
            rows,
            message_sha256=document.sha256,
            random=self._random,
            document_pk=document_pk,
        )
        happened(
            EventType.SUBMISSION_ACCEPTANCE,
            agency_id=document.sender.id,
            sequence=numbers.sender,
            occurred_at=accepted.evidence.event_time,
            evidence_sha256=accepted.sha256,
        )
        for recipient, number, delivery in zip(document.recipients, numbers.recipients, deliveries, strict=True):
            happened(
                EventType.CONTENT_CONSIGNMENT,
                agency_id=recipient.agency.id,
                sequence=number,
                occurred_at=consigned.evidence.event_time,
                evidence_sha256=consigned.sha256,
                delivery_id=delivery.id,
            )


def _find_document_ids(connection: Connection, document_ids: Sequence[str]) -> set[str]:
    """Those of the identifiers that are taken."""
    return {row.document_id for row in _DOCUMENTS.rows(connection, [{"document": each} for each in document_ids])}


def _find_messages(connection: Connection, digests: Sequence[str]) -> set[str]:
    return {row.sha256 for row in _MESSAGES.rows(connection, [{"digest": each} for each in digests])}


def _find_numbers(connection: Connection, keys: Sequence[NumberKey]) -> set[NumberKey]:
    found = _NUMBERS.rows(connection, [each._asdict() for each in keys])
    return {NumberKey(*row) for row in found}


def _number_warning(document: VerifiedDocument) -> ReaderWarning:
    message = document.message
    return ReaderWarning(
        "M.Exist",
        "MessageHeader/Code",
        f"{document.sender.code} has sent another document numbered {message.code} this year",
    )


def _documents(positions: Sequence[int]) -> AnySelect:
    keys = [bindparam(f"document{each}", type_=String) for each in positions]
    return select(DocumentRow.document_id).where(DocumentRow.document_id.in_(keys))


def _messages(positions: Sequence[int]) -> AnySelect:
    return select(MessageRow.sha256).where(
        MessageRow.sha256.in_([bindparam(f"digest{each}", type_=String) for each in positions])
    )


def _numbers(positions: Sequence[int]) -> AnySelect:
    columns = (DocumentRow.sender_id, DocumentRow.year, DocumentRow.number, DocumentRow.notation)
    return select(*columns).where(
        or_(*(and_(*(column == bindparam(f"{column.key}{each}") for column in columns)) for each in positions))
    )


_DOCUMENTS: Final = KeyedQuery(_documents)
_MESSAGES: Final = KeyedQuery(_messages)
_NUMBERS: Final = KeyedQuery(_numbers)
