"""Event rows against the numbers in the sealed evidence, and that no agency's numbers have a gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, func, select

from edoc.database.tables import AgencySequenceRow, DeliveryRow, EventRow, EvidenceRow
from edoc.events import EventType
from edoc.evidence.model import Evidence, EvidenceType, MessageKind
from edoc.exchange import Exchange
from edoc.reconciliation.model import Compared, Difference, Theme, as_difference, differing
from edoc.reconciliation.sealed import ForeignError, SealedArchive, UnreadError
from edoc.reconciliation.snapshots import FIRST, Row, by, fetch, snapshot

PAGE: Final = 500
AGENCIES: Final = 50
"""Of so many agencies the events are counted at once."""
_OF_RECIPIENTS: Final = (EvidenceType.CONTENT_CONSIGNMENT, EvidenceType.CONTENT_HANDOVER)


def compare_events(exchange: Exchange, archive: SealedArchive) -> Iterator[Compared]:
    """Look at every event row."""
    after = FIRST
    while True:
        rows, evidence = _page(exchange, after)
        if not rows:
            return
        for row in rows:
            yield _compare(archive, row, evidence.get(row["evidence_sha256"]))
        after = rows[-1]["id"]


def compare_sequences(exchange: Exchange, archive: SealedArchive) -> Iterator[Compared]:
    """Look at the numbers of every agency: from 1 to its last one, each once."""
    codes = {agency.id: agency.code for agency in archive.directory.agencies.values()}
    with snapshot(exchange.engine) as connection:
        known = sorted(codes.keys() | set(connection.execute(select(AgencySequenceRow.agency_id)).scalars()))
    for at in range(0, len(known), AGENCIES):
        agencies = known[at : at + AGENCIES]
        with snapshot(exchange.engine) as connection:
            last = by(fetch(connection, _LAST, agencies=agencies), "agency_id")
            counted = by(fetch(connection, _COUNTED, agencies=agencies), "agency_id")
        for each in agencies:
            yield _compare_sequence(codes.get(each, f"agency {each}"), last.get(each), counted.get(each))


def _compare_sequence(code: str, last: Row | None, counted: Row | None) -> Compared:
    if last is None:
        return Compared((Difference(Theme.EVENTS, code, "the count of its events has no row"),))
    count, lowest, highest = (counted["count"], counted["lowest"], counted["highest"]) if counted else (0, 1, 0)
    if count == highest == last["value"] and lowest == 1:
        return Compared()
    what = f"{count} events, numbered {lowest} to {highest}; the last number that it was given is {last['value']}"
    return Compared((Difference(Theme.EVENTS, code, what),))


def _compare(archive: SealedArchive, row: Row, evidence_row: Row | None) -> Compared:
    code = archive.directory.agencies[row["agency_id"]].code if row["agency_id"] in archive.directory.agencies else "?"
    subject = f"event {row['agency_sequence']} of {code}"
    if evidence_row is None:
        return Compared((Difference(Theme.EVENTS, subject, "its evidence has no row"),))
    try:
        evidence = archive.evidence(evidence_row)
    except (UnreadError, ForeignError):
        return Compared(is_unread=True)
    numbers = _numbers(archive, evidence)
    columns = differing(
        row,
        {
            "type": _event_type(evidence).value,
            "message_sha256": evidence.message_sha256,
            "occurred_at": evidence.event_time,
            "document_pk": evidence_row["document_pk"],
            "agency_sequence": numbers.get(row["agency_id"]),
        },
    )
    if not _is_of_its_delivery(row, evidence_row, evidence, numbers):
        columns.append("delivery_id")
    return Compared(tuple(as_difference(Theme.EVENTS, subject, columns, "the sealed evidence")))


def _numbers(archive: SealedArchive, evidence: Evidence) -> Mapping[int | None, int | None]:
    """Whose events a statement is, and with which numbers."""
    parties = evidence.recipients if evidence.type in _OF_RECIPIENTS else (evidence.sender,)
    return {archive.agency_id(each.code): each.sequence for each in parties}


def _event_type(evidence: Evidence) -> EventType:
    is_acceptance = evidence.type is EvidenceType.SUBMISSION_ACCEPTANCE
    if is_acceptance and evidence.message_kind is MessageKind.STATUS:
        return EventType.STATUS_REPORT
    return EventType(evidence.type.value)


def _is_of_its_delivery(
    row: Row, evidence_row: Row, evidence: Evidence, numbers: Mapping[int | None, int | None]
) -> bool:
    if evidence.type is not EvidenceType.CONTENT_CONSIGNMENT:
        return bool(row["delivery_id"] == evidence_row["delivery_id"])
    if row["recipient_id"] is None or row["delivery_document"] != row["document_pk"]:
        return False
    if numbers.get(row["recipient_id"]) != row["recipient_sequence"]:
        return True  # the delivery itself was altered, which is told of it
    return bool(row["recipient_id"] == row["agency_id"])


def _page(
    exchange: Exchange,
    after: Any,  # noqa: ANN401 -- an identifier as rows have it
) -> tuple[list[Row], Mapping[str, Row]]:
    """The rows, and the evidence that they name."""
    with snapshot(exchange.engine) as connection:
        rows = list(fetch(connection, _EVENTS, after=after))
        digests = list({each["evidence_sha256"] for each in rows})
        evidence = by(fetch(connection, _EVIDENCE, digests=digests), "sha256")
    return rows, evidence


_EVENTS: Final = (
    select(
        EventRow.__table__,
        DeliveryRow.document_pk.label("delivery_document"),
        DeliveryRow.recipient_id,
        DeliveryRow.recipient_sequence,
    )
    .outerjoin(DeliveryRow, DeliveryRow.id == EventRow.delivery_id)
    .where(EventRow.id > bindparam("after"))
    .order_by(EventRow.id)
    .limit(PAGE)
)
_EVIDENCE: Final = select(EvidenceRow.__table__).where(EvidenceRow.sha256.in_(bindparam("digests", expanding=True)))
_OF_AGENCIES: Final[BindParameter[int]] = bindparam("agencies", expanding=True)
_LAST: Final = select(AgencySequenceRow.agency_id, AgencySequenceRow.value).where(
    AgencySequenceRow.agency_id.in_(_OF_AGENCIES)
)
_COUNTED: Final = (
    select(
        EventRow.agency_id,
        func.count().label("count"),
        func.min(EventRow.agency_sequence).label("lowest"),
        func.max(EventRow.agency_sequence).label("highest"),
    )
    .where(EventRow.agency_id.in_(_OF_AGENCIES))
    .group_by(EventRow.agency_id)
)
