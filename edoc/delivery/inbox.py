"""Listing deliveries of a recipient and documents of a sender, newest first, page by page.

Pages go on from the last identifier seen (keyset paging): identifiers sort by time, each list walks one index, and
nothing is counted or skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Select, select
from sqlalchemy.orm import aliased

from edoc.database.tables import AgencyRow, DeliveryRow, DocumentRow
from edoc.identifiers import first_uuid7

MAX_PAGE: Final = 200


@dataclass(frozen=True)
class DeliveryFilter:
    """What a list is narrowed to; None means all."""

    state: str | None = None
    """``consigned`` or two digits."""
    since: datetime | None = None
    """Consigned at this time or later."""
    until: datetime | None = None
    """Consigned before this time."""
    type_name: str | None = None
    sender_id: int | None = None
    priority: int | None = None


@dataclass(frozen=True)
class InboxItem:
    """One delivery as a list shows it."""

    delivery_id: UUID
    document_pk: UUID
    document_id: str
    code: str
    """``number/notation``."""
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


@dataclass(frozen=True)
class SentItem:
    """One document that an agency sent."""

    document_pk: UUID
    document_id: str
    code: str
    promulgation_date: date
    type_name: str
    subject: str
    priority: int
    due_date: date | None
    accepted_at: datetime


@dataclass(frozen=True)
class InboxPage:
    """A page of an inbox."""

    items: tuple[InboxItem, ...]
    next_before: UUID | None
    """Where the next page goes on; None on the last one."""


@dataclass(frozen=True)
class SentPage:
    """A page of the documents sent."""

    items: tuple[SentItem, ...]
    next_before: UUID | None


def list_inbox(
    connection: Connection, recipient_id: int, wanted: DeliveryFilter, before: UUID | None, limit: int
) -> InboxPage:
    """A page of at most ``limit`` (1 to :data:`MAX_PAGE`) deliveries to a recipient."""
    sender = aliased(AgencyRow)
    query = (
        select(
            DeliveryRow.id,
            DeliveryRow.document_pk,
            DocumentRow.document_id,
            DocumentRow.number,
            DocumentRow.notation,
            DocumentRow.promulgation_date,
            DeliveryRow.type_name,
            DocumentRow.subject,
            DeliveryRow.priority,
            DocumentRow.due_date,
            sender.code.label("sender_code"),
            sender.name.label("sender_name"),
            DeliveryRow.consigned_at,
            DeliveryRow.handed_over_at,
            DeliveryRow.state,
            DeliveryRow.state_at,
            DeliveryRow.recipient_sequence,
        )
        .join(DocumentRow, DocumentRow.id == DeliveryRow.document_pk)
        .join(sender, sender.id == DeliveryRow.sender_id)
        .where(DeliveryRow.recipient_id == recipient_id)
        .order_by(DeliveryRow.id.desc())
        .limit(limit + 1)
    )
    rows = connection.execute(_narrowed(query, wanted, before)).all()
    items = tuple(
        InboxItem(
            delivery_id=row.id,
            document_pk=row.document_pk,
            document_id=row.document_id,
            code=f"{row.number}/{row.notation}",
            promulgation_date=row.promulgation_date,
            type_name=row.type_name,
            subject=row.subject,
            priority=row.priority,
            due_date=row.due_date,
            sender_code=row.sender_code,
            sender_name=row.sender_name,
            consigned_at=row.consigned_at,
            handed_over_at=row.handed_over_at,
            state=row.state,
            state_at=row.state_at,
            recipient_sequence=row.recipient_sequence,
        )
        for row in rows[:limit]
    )
    return InboxPage(items, items[-1].delivery_id if len(rows) > limit else None)


def list_sent(connection: Connection, sender_id: int, before: UUID | None, limit: int) -> SentPage:
    """A page of at most ``limit`` documents that an agency sent."""
    query = select(DocumentRow.__table__).where(DocumentRow.sender_id == sender_id)
    if before is not None:
        query = query.where(DocumentRow.id < before)
    rows = connection.execute(query.order_by(DocumentRow.id.desc()).limit(limit + 1)).all()
    items = tuple(
        SentItem(
            document_pk=row.id,
            document_id=row.document_id,
            code=f"{row.number}/{row.notation}",
            promulgation_date=row.promulgation_date,
            type_name=row.type_name,
            subject=row.subject,
            priority=row.priority,
            due_date=row.due_date,
            accepted_at=row.accepted_at,
        )
        for row in rows[:limit]
    )
    return SentPage(items, items[-1].document_pk if len(rows) > limit else None)


def _narrowed(
    query: Select[*tuple[object, ...]], wanted: DeliveryFilter, before: UUID | None
) -> Select[*tuple[object, ...]]:
    conditions = [
        None if wanted.state is None else DeliveryRow.state == wanted.state,
        None if wanted.since is None else DeliveryRow.id >= first_uuid7(wanted.since),
        None if wanted.until is None else DeliveryRow.id < first_uuid7(wanted.until),
        None if wanted.type_name is None else DeliveryRow.type_name == wanted.type_name,
        None if wanted.sender_id is None else DeliveryRow.sender_id == wanted.sender_id,
        None if wanted.priority is None else DeliveryRow.priority == wanted.priority,
        None if before is None else DeliveryRow.id < before,
    ]
    return query.where(*(condition for condition in conditions if condition is not None))


__all__: Sequence[str] = (
    "MAX_PAGE",
    "DeliveryFilter",
    "InboxItem",
    "InboxPage",
    "SentItem",
    "SentPage",
    "list_inbox",
    "list_sent",
)
