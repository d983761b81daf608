"""The event rows for the log: each written in the transaction that makes the event happen."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from uuid import UUID

from edoc.database.group_commit import RowBatch
from edoc.database.tables import EventRow
from edoc.identifiers import Random, uuid7


class EventType(Enum):
    """What happened; the first four have evidence of the same name."""

    SUBMISSION_ACCEPTANCE = "SubmissionAcceptance"
    SUBMISSION_REJECTION = "SubmissionRejection"
    CONTENT_CONSIGNMENT = "ContentConsignment"
    CONTENT_HANDOVER = "ContentHandover"
    STATUS_REPORT = "StatusReport"
    """A business state was told; its evidence is the acceptance of the status message."""


def add_event(
    rows: RowBatch,
    event: EventType,
    *,
    agency_id: int,
    sequence: int,
    occurred_at: datetime,
    message_sha256: str,
    evidence_sha256: str | None,
    random: Random,
    document_pk: UUID | None = None,
    delivery_id: UUID | None = None,
) -> None:
    """Add the row of one event of one agency."""
    rows.add(
        EventRow,
        id=uuid7(occurred_at, random),
        agency_id=agency_id,
        agency_sequence=sequence,
        type=event.value,
        document_pk=document_pk,
        delivery_id=delivery_id,
        message_sha256=message_sha256,
        evidence_sha256=evidence_sha256,
        occurred_at=occurred_at,
    )
