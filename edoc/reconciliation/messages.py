"""Letters: message, document, attachment and delivery rows against the message that the agency sealed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, select

from edoc.acceptance.columns import delivery_columns, document_columns, stored_attachment
from edoc.database.tables import AttachmentRow, DeliveryRow, DocumentRow, EvidenceRow, MessageRow, StatusReportRow
from edoc.envelope.model import DocumentMessage
from edoc.evidence.model import Evidence, MessageKind
from edoc.evidence.rows import acceptance_occasion, consignment_occasion
from edoc.exchange import Exchange
from edoc.reconciliation.model import Compared, Difference, Theme, as_difference, differing
from edoc.reconciliation.sealed import ForeignError, SealedArchive, SealedMessage, UnreadError
from edoc.reconciliation.snapshots import FIRST, Row, by, fetch, grouped, snapshot

PAGE: Final = 10
"""Each may have a thousand deliveries."""
_MESSAGE: Final = "the sealed message"


@dataclass(frozen=True)
class _Letter:
    """All rows of one message; of a status message, those that say so."""

    message: Row
    document: Row | None
    report: Row | None
    attachments: Sequence[Row]
    deliveries: Sequence[Row]
    evidence: Sequence[Row]

    @property
    def subject(self) -> str:
        """What the letter is called."""
        return f"message {self.message['sha256']}" if self.document is None else str(self.document["document_id"])


def compare_messages(exchange: Exchange, archive: SealedArchive) -> Iterator[Compared]:
    """Look at every message row and all rows of the letter that it is."""
    after = FIRST
    while letters := _page(exchange, after):
        for each in letters:
            yield _compare(archive, each)
        after = letters[-1].message["id"]


def _compare(archive: SealedArchive, letter: _Letter) -> Compared:
    if letter.document is None and letter.report is not None:
        return Compared(tuple(_report_of_nothing(letter)))  # compared with its delivery
    try:
        sealed = archive.message(letter.message["sha256"])
        return Compared(tuple(_differences(archive, letter, sealed)))
    except UnreadError:
        return Compared(is_unread=True)
    except ForeignError as error:
        return Compared((Difference(Theme.DOCUMENTS, letter.subject, str(error)),))


def _report_of_nothing(letter: _Letter) -> Iterator[Difference]:
    if letter.report is not None and letter.report["delivery"] is None:
        yield Difference(Theme.STATUSES, letter.subject, "the delivery that it is about has no row")


def _differences(archive: SealedArchive, letter: _Letter, sealed: SealedMessage) -> Iterator[Difference]:
    message = sealed.decoded.message
    if not isinstance(message, DocumentMessage):
        what = "it is a status message, and a letter refers to it" if letter.document else "its report has no row"
        yield Difference(Theme.STATUSES, letter.subject, what)
        return
    if letter.document is None:
        yield Difference(Theme.DOCUMENTS, letter.subject, "the letter that it is has no row")
        return
    evidence = {each["occasion"]: each for each in letter.evidence}
    acceptance = evidence.get(acceptance_occasion(letter.message["sha256"]))
    consignment = evidence.get(consignment_occasion(letter.document["id"]))
    for name, row in (("SubmissionAcceptance", acceptance), ("ContentConsignment", consignment)):
        if row is None:
            yield Difference(Theme.EVIDENCE, letter.subject, f"its {name} has no row")
    accepted, consigned = _statement(archive, acceptance), _statement(archive, consignment)
    columns = [
        *_letter_columns(archive, letter, sealed, message),
        *_attachment_columns(letter.attachments, message),
    ]
    if accepted is not None and letter.document["accepted_at"] != accepted.event_time:
        columns.append("accepted_at")
    yield from as_difference(Theme.DOCUMENTS, letter.subject, columns, _MESSAGE)
    sender = archive.agency(message.sender.organ_id)
    for problem in archive.seal_problems(sealed, sender, letter.message):
        yield problem.as_difference(Theme.DOCUMENTS, letter.subject)
    yield from _delivery_differences(archive, letter, message, accepted, consigned)


def _statement(archive: SealedArchive, row: Row | None) -> Evidence | None:
    """The statement of a row; None where it cannot be read, which is told of the row itself."""
    try:
        return None if row is None else archive.evidence(row)
    except (UnreadError, ForeignError):
        return None


def _letter_columns(
    archive: SealedArchive, letter: _Letter, sealed: SealedMessage, message: DocumentMessage
) -> Iterator[str]:
    sender_id = archive.agency_id(message.sender.organ_id)
    is_so = {"kind": MessageKind.DOCUMENT.value, "size": sealed.size, "sender_id": sender_id}
    yield from differing(letter.message, is_so, "message ")
    if letter.document is not None:
        yield from differing(letter.document, {**document_columns(message), "sender_id": sender_id})


def _attachment_columns(rows: Sequence[Row], message: DocumentMessage) -> Iterator[str]:
    if [row["position"] for row in rows] != list(range(len(message.attachments))):
        yield "attachments"
        return
    for row, attachment in zip(rows, message.attachments, strict=True):
        stored = stored_attachment(attachment, is_object=row["is_object"])
        yield from differing(row, vars(stored), f"attachment {row['position'] + 1} ")


def _delivery_differences(
    archive: SealedArchive,
    letter: _Letter,
    message: DocumentMessage,
    accepted: Evidence | None,
    consigned: Evidence | None,
) -> Iterator[Difference]:
    named: dict[int | None, str] = {}
    for organization in message.recipients:
        named.setdefault(archive.agency_id(organization.organ_id), organization.organ_id)
    rows = by(letter.deliveries, "recipient_id")
    missing = [code for agency_id, code in named.items() if agency_id not in rows]
    if missing:
        what = f"{len(missing)} of {len(named)} recipients have no delivery, the first {missing[0]}"
        yield Difference(Theme.DELIVERIES, letter.subject, what)
    told = {**delivery_columns(message), "sender_id": archive.agency_id(message.sender.organ_id)}
    if accepted is not None:
        told["consigned_at"] = accepted.event_time
    numbers = None
    if consigned is not None:
        numbers = {archive.agency_id(party.code): party.sequence for party in consigned.recipients}
    for agency_id, row in rows.items():
        subject = f"{letter.subject} to {row['addressed_as']}"
        if agency_id not in named:
            yield Difference(Theme.DELIVERIES, subject, "the letter is not addressed to its recipient")
            continue
        columns = differing(row, {**told, "addressed_as": named[agency_id]})
        yield from as_difference(Theme.DELIVERIES, subject, columns, _MESSAGE)
        if numbers is not None and row["recipient_sequence"] != numbers.get(agency_id):
            what = "recipient_sequence: not the number in the sealed ContentConsignment"
            yield Difference(Theme.DELIVERIES, subject, what)


def _page(exchange: Exchange, after: Any) -> list[_Letter]:  # noqa: ANN401 -- an identifier as rows have it
    with snapshot(exchange.engine) as connection:
        messages = fetch(connection, _MESSAGES, after=after)
        identifiers = [each["id"] for each in messages]
        documents = by(fetch(connection, _DOCUMENTS, messages=identifiers), "message_id")
        reports = by(fetch(connection, _REPORTS, messages=identifiers), "message_id")
        keys = [each["id"] for each in documents.values()]
        attachments, deliveries, evidence = (
            grouped(fetch(connection, query, documents=keys), "document_pk")
            for query in (_ATTACHMENTS, _DELIVERIES, _EVIDENCE)
        )
    letters = []
    for each in messages:
        document = documents.get(each["id"])
        pk = None if document is None else document["id"]
        letters.append(
            _Letter(
                each,
                document,
                reports.get(each["id"]),
                attachments.get(pk, ()),
                deliveries.get(pk, ()),
                evidence.get(pk, ()),
            )
        )
    return letters


_MESSAGES: Final = (
    select(MessageRow.__table__).where(MessageRow.id > bindparam("after")).order_by(MessageRow.id).limit(PAGE)
)
_DOCUMENTS: Final = select(DocumentRow.__table__).where(
    DocumentRow.message_id.in_(bindparam("messages", expanding=True))
)
_REPORTS: Final = (
    select(StatusReportRow.message_id, DeliveryRow.id.label("delivery"))
    .outerjoin(DeliveryRow, DeliveryRow.id == StatusReportRow.delivery_id)
    .where(StatusReportRow.message_id.in_(bindparam("messages", expanding=True)))
)
_OF_DOCUMENTS: Final[BindParameter[Any]] = bindparam("documents", expanding=True)
_ATTACHMENTS: Final = (
    select(AttachmentRow.__table__)
    .where(AttachmentRow.document_pk.in_(_OF_DOCUMENTS))
    .order_by(AttachmentRow.document_pk, AttachmentRow.position)
)
_DELIVERIES: Final = (
    select(DeliveryRow.__table__).where(DeliveryRow.document_pk.in_(_OF_DOCUMENTS)).order_by(DeliveryRow.id)
)
_EVIDENCE: Final = select(EvidenceRow.__table__).where(
    EvidenceRow.document_pk.in_(_OF_DOCUMENTS), EvidenceRow.delivery_id.is_(None)
)
