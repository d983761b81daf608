"""Deliveries: how far each has come, against its handover evidence and the status messages; and the reports themselves.

The state is reckoned anew from the sealed status messages, by the same machine that moved it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select

from edoc.database.tables import DeliveryRow, DocumentRow, EvidenceRow, MessageRow, StatusReportRow
from edoc.delivery.errors import TransitionError
from edoc.delivery.outbox import Topic
from edoc.delivery.reports import status_columns, status_occasion
from edoc.delivery.states import ARRIVED, ReporterRole, replay, role_of
from edoc.envelope.model import StatusMessage
from edoc.evidence.model import MessageKind
from edoc.evidence.rows import acceptance_occasion, handover_occasion
from edoc.exchange import Exchange
from edoc.reconciliation.model import Compared, Difference, SealProblem, Theme, as_difference, differing
from edoc.reconciliation.sealed import ForeignError, SealedArchive, SealedMessage, UnreadError
from edoc.reconciliation.snapshots import FIRST, Row, fetch, grouped, promised, snapshot

PAGE: Final = 100


@dataclass
class _History:
    """What the sealed reports of a delivery tell."""

    codes: list[str] = field(default_factory=list)
    last_at: datetime | None = None
    is_whole: bool = True
    """Whether every report could be read."""


@dataclass(frozen=True)
class _Delivery:
    """All rows of one delivery."""

    row: Row
    reports: Sequence[Row]
    """In the order in which they came, each with its message row."""
    evidence: dict[str, Row]
    """By occasion."""
    has_task: bool
    """Whether its arrival is still to be reported."""

    @property
    def subject(self) -> str:
        """What the delivery is called."""
        return f"{self.row['document_id']} to {self.row['addressed_as']}"


def compare_deliveries(exchange: Exchange, archive: SealedArchive) -> Iterator[Compared]:
    """Look at every delivery row with its status reports."""
    after = FIRST
    while deliveries := _page(exchange, after):
        for each in deliveries:
            yield _compare(archive, each, reports_arrival=exchange.policy.report_arrival)
        after = deliveries[-1].row["id"]


def _compare(archive: SealedArchive, delivery: _Delivery, *, reports_arrival: bool) -> Compared:
    if delivery.row["document_id"] is None:
        subject = f"delivery {delivery.row['id']}"
        return Compared((Difference(Theme.DELIVERIES, subject, "its letter has no row"),))
    history = _History()
    differences = [
        found for report in delivery.reports for found in _report_differences(archive, delivery, report, history)
    ]
    differences += _handover_differences(archive, delivery, history)
    if reports_arrival and _is_unreported(delivery):
        what = "it was handed over, its arrival was not reported, and no task of the outbox promises it"
        differences.append(Difference(Theme.UNREPORTED_ARRIVALS, delivery.subject, what))
    if history.is_whole:
        differences += _state_differences(delivery, history)
    return Compared(tuple(differences), is_unread=not history.is_whole)


def _is_unreported(delivery: _Delivery) -> bool:
    """Whether an arrival will never be reported. Where there was any report the worker may have had none to make."""
    was_handed_over = handover_occasion(delivery.row["id"]) in delivery.evidence
    return was_handed_over and not delivery.reports and not delivery.has_task


def _handover_differences(archive: SealedArchive, delivery: _Delivery, history: _History) -> Iterator[Difference]:
    row = delivery.evidence.get(handover_occasion(delivery.row["id"]))
    told: datetime | None = None
    if row is not None:
        try:
            told = archive.evidence(row).event_time
        except UnreadError:
            history.is_whole = False
            return
        except ForeignError:  # told of the evidence itself
            return
    if delivery.row["handed_over_at"] == told:
        return
    if told is None:
        yield Difference(Theme.EVIDENCE, delivery.subject, "its ContentHandover has no row, though it was handed over")
    else:
        yield Difference(Theme.DELIVERIES, delivery.subject, "handed_over_at: not as in the sealed ContentHandover")


def _state_differences(delivery: _Delivery, history: _History) -> list[Difference]:
    try:
        state = replay((code, role_of(code)) for code in history.codes)
    except TransitionError:
        return [Difference(Theme.DELIVERIES, delivery.subject, "the sealed reports that have rows do not follow")]
    is_so = {"state": state.shown, "state_at": history.last_at or delivery.row["consigned_at"]}
    columns = differing(delivery.row, is_so)
    return as_difference(Theme.DELIVERIES, delivery.subject, columns, "the sealed status messages")


def _report_differences(
    archive: SealedArchive, delivery: _Delivery, report: Row, history: _History
) -> Iterator[Difference]:
    subject = f"{delivery.subject}, status {report['code']}"
    if report["sha256"] is None:
        history.is_whole = False
        yield Difference(Theme.STATUSES, subject, "its message has no row")
        return
    try:
        sealed = archive.message(report["sha256"])
        message = sealed.decoded.message
        if not isinstance(message, StatusMessage):
            raise ForeignError("its message is no status message")
    except UnreadError:
        history.is_whole = False
        return
    except ForeignError as error:
        history.is_whole = False
        yield Difference(Theme.STATUSES, subject, str(error))
        return
    history.codes.append(message.status_code)
    columns, problems = _compare_report(archive, delivery, report, sealed, message)
    accepted = delivery.evidence.get(acceptance_occasion(report["sha256"]))
    if accepted is None:
        yield Difference(Theme.EVIDENCE, subject, "its SubmissionAcceptance has no row")
        history.last_at = report["received_at"]
    else:
        try:
            history.last_at = archive.evidence(accepted).event_time
        except (UnreadError, ForeignError):  # told of the evidence itself
            history.last_at = report["received_at"]
    if report["received_at"] != history.last_at:
        columns.append("received_at")
    yield from as_difference(Theme.STATUSES, subject, columns, "the sealed status message and its acceptance")
    for problem in problems:
        yield problem.as_difference(Theme.STATUSES, subject)


def _compare_report(
    archive: SealedArchive, delivery: _Delivery, report: Row, sealed: SealedMessage, message: StatusMessage
) -> tuple[list[str], list[SealProblem]]:
    """The columns that differ, and what is wrong with the seal."""
    reporter = archive.agency(message.sender.organ_id)
    reporter_id = None if reporter is None else reporter.id
    occasion = status_occasion(delivery.row["id"], reporter_id or 0, message.status_code, sealed.sha256)
    columns = differing(
        report, {**status_columns(message), "reporter_id": reporter_id, "occasion": occasion, "size": sealed.size}
    )
    columns += differing(report, {"message_sender_id": reporter_id, "message_kind": MessageKind.STATUS.value})
    parties = [archive.agency_id(message.response_for.organ_id), reporter_id]
    if role_of(message.status_code) is ReporterRole.SENDER:
        parties.reverse()
    row = delivery.row
    if [row["sender_id"], row["recipient_id"], row["document_id"]] != [*parties, message.response_for.document_id]:
        columns.append("delivery_id")
    if message.status_code == ARRIVED:
        problem = archive.own_seal_problem(sealed, report["message_received_at"])
        if problem is None or (problem.doubt and report["by_exchange"]):
            problems = [] if problem is None else [problem]
            return columns + differing(report, {"by_exchange": True, "validation": "[]"}), problems
    if report["by_exchange"]:
        columns.append("by_exchange")
    seal_row = {"received_at": report["message_received_at"], "validation": report["validation"]}
    return columns, archive.seal_problems(sealed, reporter, seal_row)


def _page(exchange: Exchange, after: Any) -> list[_Delivery]:  # noqa: ANN401 -- an identifier as rows have it
    with snapshot(exchange.engine) as connection:
        rows = fetch(connection, _DELIVERIES, after=after)
        keys = [each["id"] for each in rows]
        reports = grouped(fetch(connection, _REPORTS, deliveries=keys), "delivery_id")
        evidence = grouped(fetch(connection, _EVIDENCE, deliveries=keys), "delivery_id")
        waiting = promised(connection, Topic.REPORT_ARRIVAL, keys)
    return [
        _Delivery(
            each,
            reports.get(each["id"], ()),
            {found["occasion"]: found for found in evidence.get(each["id"], ())},
            each["id"] in waiting,
        )
        for each in rows
    ]


_DELIVERIES: Final = (
    select(DeliveryRow.__table__, DocumentRow.document_id)
    .outerjoin(DocumentRow, DocumentRow.id == DeliveryRow.document_pk)
    .where(DeliveryRow.id > bindparam("after"))
    .order_by(DeliveryRow.id)
    .limit(PAGE)
)
_REPORTS: Final = (
    select(
        StatusReportRow.__table__,
        MessageRow.sha256,
        MessageRow.size,
        MessageRow.kind.label("message_kind"),
        MessageRow.sender_id.label("message_sender_id"),
        MessageRow.received_at.label("message_received_at"),
        MessageRow.validation,
    )
    .outerjoin(MessageRow, MessageRow.id == StatusReportRow.message_id)
    .where(StatusReportRow.delivery_id.in_(bindparam("deliveries", expanding=True)))
    .order_by(StatusReportRow.id)
)
_EVIDENCE: Final = select(EvidenceRow.__table__).where(
    EvidenceRow.delivery_id.in_(bindparam("deliveries", expanding=True))
)
