"""Status 01, reported by the exchange for a recipient that has taken a document over (Decree 30 Art. 21(2)(c)).

The message names the recipient in ``From`` and is sealed by the exchange, whose role in the seal says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from edoc.acceptance.incoming import archive_message, incoming_bytes
from edoc.acceptance.receipts import Receipt
from edoc.database.engine import read
from edoc.database.tables import DeliveryRow, DocumentRow
from edoc.delivery.errors import TransitionError
from edoc.delivery.reports import AcceptStatus, VerifiedStatus
from edoc.delivery.states import ARRIVED, CONSIGNED
from edoc.directory.model import Agency
from edoc.envelope.model import Organization, ResponseFor, StatusMessage
from edoc.exchange import Exchange
from edoc.sealing import seal_message
from edoc.vietnam import vietnam_time

CLAIMED_ROLE: Final = "document-exchange on behalf of the recipient"
DESCRIPTION: Final = "Văn bản đã đến hệ thống của cơ quan nhận"


def report_arrival(exchange: Exchange, delivery_id: UUID) -> Receipt | None:
    """Report the arrival of a delivery; None where its recipient has reported something itself.

    Raises:
        EdocError: the report could not be stored.
    """
    with read(exchange.engine) as connection:
        found = _find(connection, delivery_id)
    if found is None:
        return None
    sender_id, recipient_id, about = found
    agencies = exchange.directory.current().agencies
    recipient, sender = agencies[recipient_id], agencies[sender_id]
    now = exchange.clock()
    message = StatusMessage(
        sender=_organization(recipient),
        response_for=replace(about, organ_id=sender.code),
        status_code=ARRIVED,
        timestamp=vietnam_time(now).replace(microsecond=0),
        description=DESCRIPTION,
    )
    sealed = seal_message(message, exchange.issuer.key, now, (CLAIMED_ROLE,))
    incoming = incoming_bytes(b"".join(sealed.encoded_chunks()))
    archive_message(incoming, exchange.store)
    status = VerifiedStatus(
        message=message,
        reporter=recipient,
        addressee=sender,
        reports=(),
        validation="[]",
        sha256=incoming.sha256,
        size=incoming.size,
        received_at=now,
        by_exchange=True,
    )
    try:
        return exchange.commits.run(AcceptStatus(exchange, status))
    except TransitionError:  # the recipient was quicker and has refused
        return None


def _find(connection: Connection, delivery_id: UUID) -> tuple[int, int, ResponseFor] | None:
    row = connection.execute(
        select(
            DeliveryRow.sender_id,
            DeliveryRow.recipient_id,
            DeliveryRow.state,
            DocumentRow.number,
            DocumentRow.notation,
            DocumentRow.document_id,
            DocumentRow.promulgation_date,
        )
        .join(DocumentRow, DocumentRow.id == DeliveryRow.document_pk)
        .where(DeliveryRow.id == delivery_id)
    ).one()
    if row.state != CONSIGNED:
        return None
    about = ResponseFor(
        code=f"{row.number}/{row.notation}",
        document_id=row.document_id,
        promulgation_date=row.promulgation_date,
    )
    return row.sender_id, row.recipient_id, about


def _organization(agency: Agency) -> Organization:
    return Organization(organ_id=agency.code, organ_name=agency.name)
