"""Evidence in the database: entered with its transaction, read whether the worker has archived its body or not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, select

from edoc.archive.objects import ObjectStore
from edoc.database.engine import read
from edoc.database.group_commit import RowBatch
from edoc.database.tables import EvidenceRow
from edoc.delivery.outbox import Topic, add_task
from edoc.errors import ObjectNotFoundError
from edoc.evidence.model import SealedEvidence
from edoc.identifiers import Random

MAX_EVIDENCE_BYTES: Final = 1 << 20


def acceptance_occasion(message_sha256: str) -> str:
    """The occasion of a SubmissionAcceptance: one for each message, for ever."""
    return f"acceptance:{message_sha256}"


def consignment_occasion(document_pk: UUID) -> str:
    """The occasion of a ContentConsignment: one for each document."""
    return f"consignment:{document_pk}"


def handover_occasion(delivery_id: UUID) -> str:
    """The occasion of a ContentHandover: one for each delivery."""
    return f"handover:{delivery_id}"


def rejection_occasion(message_sha256: str, sender_id: int, rules: Iterable[str]) -> str:
    """The occasion of a SubmissionRejection: one for each message, caller and set of rules broken."""
    broken = "\n".join(sorted(set(rules)))
    return f"rejection:{message_sha256}:{sender_id}:{hashlib.sha256(broken.encode()).hexdigest()[:16]}"


def add_evidence(
    rows: RowBatch,
    sealed: SealedEvidence,
    *,
    occasion: str,
    document_pk: UUID | None,
    delivery_id: UUID | None,
    random: Random,
) -> None:
    """Enter sealed evidence, and the worker's task to archive its body."""
    evidence = sealed.evidence
    rows.add(
        EvidenceRow,
        id=evidence.identifier,
        sha256=sealed.sha256,
        occasion=occasion,
        type=evidence.type.value,
        document_pk=document_pk,
        delivery_id=delivery_id,
        message_sha256=evidence.message_sha256,
        previous_sha256=evidence.previous_sha256,
        issued_at=evidence.event_time,
        body=sealed.body,
        archived_at=None,
    )
    add_task(rows, Topic.ARCHIVE_EVIDENCE, evidence.identifier, evidence.event_time, random)


def read_body(store: ObjectStore, row_body: bytes | None, sha256: str) -> bytes:
    """The sealed XML of a row, out of the row or the archive.

    Raises:
        ObjectNotFoundError, ObjectCorruptError: the archive has lost or altered it.
    """
    return store.read(sha256, MAX_EVIDENCE_BYTES) if row_body is None else row_body


def read_sealed(engine: Engine, store: ObjectStore, sha256: str) -> bytes:
    """The sealed XML of that digest: out of the archive, and only where it is not there yet out of its row.

    Raises:
        ObjectNotFoundError, ObjectCorruptError: the archive has lost or altered it.
    """
    try:
        return store.read(sha256, MAX_EVIDENCE_BYTES)
    except ObjectNotFoundError:
        with read(engine) as connection:
            body = connection.execute(select(EvidenceRow.body).where(EvidenceRow.sha256 == sha256)).scalar()
        return read_body(store, body, sha256)  # archived meanwhile, or lost, where the row has none


def find_by_occasion(connection: Connection, store: ObjectStore, occasion: str) -> bytes | None:
    """The sealed XML of the evidence of an occasion, or None where it did not occur."""
    row = connection.execute(
        select(EvidenceRow.body, EvidenceRow.sha256).where(EvidenceRow.occasion == occasion)
    ).one_or_none()
    return None if row is None else read_body(store, row.body, row.sha256)
