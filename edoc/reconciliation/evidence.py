"""Evidence rows against the statements that the exchange sealed, and their seals.

A statement follows on another and is about a message: neither may be without a row. No statement has a number that its
agency has not come to yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import aliased

from edoc.database.tables import AgencySequenceRow, DeliveryRow, DocumentRow, EvidenceRow, MessageRow, StatusReportRow
from edoc.delivery.outbox import Topic
from edoc.evidence.model import Evidence, EvidenceType, MessageKind
from edoc.evidence.rows import acceptance_occasion, consignment_occasion, handover_occasion, rejection_occasion
from edoc.exchange import Exchange
from edoc.reconciliation.model import Compared, Difference, Theme, as_difference, differing
from edoc.reconciliation.sealed import ForeignError, SealedArchive, UnreadError
from edoc.reconciliation.snapshots import FIRST, Row, fetch, promised, snapshot

PAGE: Final = 100
"""Each may hold a body that names a thousand recipients."""


def compare_evidence(exchange: Exchange, archive: SealedArchive) -> Iterator[Compared]:
    """Look at every evidence row."""
    after = FIRST
    while True:
        rows, present, last, waiting = _page(exchange, after)
        if not rows:
            return
        for row in rows:
            compared = _compare(archive, row, present, last)
            if row["archived_at"] is None and row["id"] not in waiting:
                what = "it is not archived, and no task of the outbox promises it"
                lost = Difference(Theme.TASKS, f"{row['type']} {row['sha256']}", what)
                compared = replace(compared, differences=(*compared.differences, lost))
            yield compared
        after = rows[-1]["id"]


def _compare(archive: SealedArchive, row: Row, present: frozenset[str], last: Mapping[int, int]) -> Compared:
    subject = f"{row['type']} {row['sha256']}"
    try:
        evidence, problem = archive.judged_evidence(row)
    except UnreadError:
        return Compared(is_unread=True)
    except ForeignError as error:
        return Compared((Difference(Theme.EVIDENCE, subject, str(error)),))
    differences = as_difference(Theme.EVIDENCE, subject, _columns(archive, row, evidence), "the sealed statement")
    differences += [] if problem is None else [problem.as_difference(Theme.EVIDENCE, subject)]
    wrong = []
    if evidence.previous_sha256 is not None and evidence.previous_sha256 not in present:
        wrong.append("the evidence that it follows on has no row")
    if evidence.type is not EvidenceType.SUBMISSION_REJECTION and row["message_kind"] is None:
        wrong.append("the message that it is about has no row")
    differences += [Difference(Theme.EVIDENCE, subject, each) for each in wrong]
    for party in (evidence.sender, *evidence.recipients):
        if party.sequence is not None and party.sequence > last.get(archive.agency_id(party.code) or 0, 0):
            what = f"it states number {party.sequence} of {party.code}, which has not come so far"
            differences.append(Difference(Theme.EVENTS, subject, what))
    return Compared(tuple(differences))


def _columns(archive: SealedArchive, row: Row, evidence: Evidence) -> list[str]:
    columns = differing(
        row,
        {
            "id": evidence.identifier,
            "type": evidence.type.value,
            "message_sha256": evidence.message_sha256,
            "previous_sha256": evidence.previous_sha256,
            "issued_at": evidence.event_time,
            "occasion": _occasion(archive, row, evidence),
        },
    )
    if not _is_of_its_document(row, evidence):
        columns.append("document_pk")
    if not _is_of_its_delivery(archive, row, evidence):
        columns.append("delivery_id")
    return columns


def _occasion(archive: SealedArchive, row: Row, evidence: Evidence) -> str:
    match evidence.type:
        case EvidenceType.SUBMISSION_ACCEPTANCE:
            return acceptance_occasion(evidence.message_sha256)
        case EvidenceType.CONTENT_CONSIGNMENT:
            return consignment_occasion(row["document_pk"])
        case EvidenceType.CONTENT_HANDOVER:
            return handover_occasion(row["delivery_id"])
        case EvidenceType.SUBMISSION_REJECTION:
            sender = archive.agency_id(evidence.sender.code) or 0
            return rejection_occasion(evidence.message_sha256, sender, (each.rule for each in evidence.reasons))


def _is_of_its_document(row: Row, evidence: Evidence) -> bool:
    """Whether the row's document is the one that the statement is about: told by its message, else by the delivery."""
    if evidence.type is EvidenceType.SUBMISSION_REJECTION:
        return row["document_pk"] is None
    if evidence.message_kind is MessageKind.DOCUMENT:
        return bool(row["document_sha256"] == evidence.message_sha256)
    return bool(row["document_pk"] is not None and row["document_pk"] == row["delivery_document"])


def _is_of_its_delivery(archive: SealedArchive, row: Row, evidence: Evidence) -> bool:
    """Whether the row's delivery is the one that the statement is about."""
    if evidence.message_kind is MessageKind.STATUS and evidence.type is EvidenceType.SUBMISSION_ACCEPTANCE:
        return row["delivery_id"] is not None and row["reported_delivery"] in (row["delivery_id"], None)
    if evidence.type is not EvidenceType.CONTENT_HANDOVER:
        return row["delivery_id"] is None
    recipients = [archive.agency_id(each.code) for each in evidence.recipients]
    return recipients == [row["recipient_id"]] and row["delivery_document"] == row["document_pk"]


def _page(
    exchange: Exchange,
    after: Any,  # noqa: ANN401 -- an identifier as rows have it
) -> tuple[list[Row], frozenset[str], Mapping[int, int], frozenset[UUID]]:
    """The rows, which of the evidence before them has rows, how far each agency's numbers have come, and which of the
    rows wait for the worker.
    """
    with snapshot(exchange.engine) as connection:
        rows = list(fetch(connection, _EVIDENCE, after=after))
        before = [each["previous_sha256"] for each in rows if each["previous_sha256"] is not None]
        present = frozenset(connection.execute(_PRESENT, {"digests": before}).scalars())
        last = {each["agency_id"]: each["value"] for each in fetch(connection, _LAST)}
        unarchived = [each["id"] for each in rows if each["archived_at"] is None]
        waiting = promised(connection, Topic.ARCHIVE_EVIDENCE, unarchived)
    return rows, present, last, waiting


_LETTER: Final = aliased(MessageRow)
_EVIDENCE: Final = (
    select(
        EvidenceRow.__table__,
        MessageRow.kind.label("message_kind"),
        StatusReportRow.delivery_id.label("reported_delivery"),
        DeliveryRow.document_pk.label("delivery_document"),
        DeliveryRow.recipient_id,
        _LETTER.sha256.label("document_sha256"),
    )
    .outerjoin(MessageRow, MessageRow.sha256 == EvidenceRow.message_sha256)
    .outerjoin(StatusReportRow, StatusReportRow.message_id == MessageRow.id)
    .outerjoin(DeliveryRow, DeliveryRow.id == EvidenceRow.delivery_id)
    .outerjoin(DocumentRow, DocumentRow.id == EvidenceRow.document_pk)
    .outerjoin(_LETTER, _LETTER.id == DocumentRow.message_id)
    .where(EvidenceRow.id > bindparam("after"))
    .order_by(EvidenceRow.id)
    .limit(PAGE)
)
_PRESENT: Final = select(EvidenceRow.sha256).where(EvidenceRow.sha256.in_(bindparam("digests", expanding=True)))
_LAST: Final = select(AgencySequenceRow.agency_id, AgencySequenceRow.value)
