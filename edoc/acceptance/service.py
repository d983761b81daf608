"""The use case: take a message on, or say why not.

    bytes -> limits -> parse -> rules -> signatures -> archive -> one transaction -> receipt

The steps are in :mod:`edoc.acceptance.steps`, each with what a crash there leaves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from edoc.acceptance.columns import StoredAttachment, stored_attachment
from edoc.acceptance.documents import AcceptDocument, VerifiedDocument
from edoc.acceptance.errors import ConflictError, DirectoryChangedError, RefusedError, SenderMismatchError
from edoc.acceptance.incoming import Incoming, archive_message
from edoc.acceptance.receipts import Receipt, find_receipt, find_trace
from edoc.acceptance.rejections import RecordRefusal, Refusal
from edoc.acceptance.steps import AcceptanceStep
from edoc.acceptance.verification import (
    check_document_rules,
    check_seal,
    check_status_rules,
    resolve_recipients,
    resolve_sender,
)
from edoc.access.tokens import Principal, Scope
from edoc.archive.objects import StagedObject
from edoc.database.engine import read
from edoc.database.group_commit import Failed, Settled, WorkItem
from edoc.delivery.errors import DeliveryError, ReportLimitError
from edoc.delivery.reports import AcceptStatus, VerifiedStatus
from edoc.directory.errors import DirectoryError
from edoc.directory.model import Agency, Directory
from edoc.envelope.codec import DecodedMessage, decode
from edoc.envelope.model import Attachment, DocumentMessage, StatusMessage
from edoc.errors import MessageError, Violation
from edoc.evidence.model import MessageKind
from edoc.exchange import Exchange
from signing.errors import XmlError, XmlLimitError
from signing.report import ValidationReport, report_as_json
from signing.xml import Base64Content, ParsedXml, parse

MAX_DIRECTORY_CHANGES: Final = 3
JUDGED_ALONE_BYTES: Final = 64 << 10
"""Messages up to this size are judged in a few milliseconds, one at a time in each process."""


@dataclass(frozen=True)
class _Case:
    """One message that could be read, and what is known of it."""

    incoming: Incoming
    document: ParsedXml
    decoded: DecodedMessage
    caller: Principal
    at: datetime
    """When it was received: the time of interest."""
    is_taken: bool
    """Whether its DocumentId belonged to other bytes when it came; the transaction looks again."""


class Acceptance:
    """Takes messages on."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def submit(self, incoming: Incoming, caller: Principal) -> Receipt:
        """Take on one message of the caller's agency, a document or a status.

        When this returns, bytes, rows, evidence and event are durable. The same bytes again give the same receipt.

        Raises:
            XmlError, MessageError: the message cannot be read or breaks the format, or is a status larger than states
                may be; nothing is recorded.
            SenderMismatchError, AccessError: the caller may not send it.
            RefusedError: it breaks a rule or its seal fails; recorded, with a SubmissionRejection.
            ConflictError: its DocumentId is taken.
            TransitionError, UnknownDeliveryError: a status that cannot follow, or about no such delivery.
            VerificationUnavailableError: it cannot be judged now.
            ArchiveError, DatabaseError: it could not be stored; nothing was taken on.
        """
        caller.require(Scope.SEND)
        self._reached(AcceptanceStep.RECEIVED)
        received_at = self._exchange.clock()
        try:
            with self._one_at_a_time(incoming):
                document = parse(incoming.source, self._exchange.policy.limits.xml)
                self._reached(AcceptanceStep.PARSED)
                decoded = decode(document, self._exchange.policy.limits)
        except (XmlError, MessageError):
            # What was taken on keeps its receipt, even if it could not be read any more.
            known, _ = self._look_up(incoming, None, caller)
            if known is None:
                raise
            return known
        self._reached(AcceptanceStep.DECODED)
        known, is_taken = self._look_up(incoming, decoded, caller)
        if known is not None:
            return known
        self._check_status_size(incoming, decoded)
        case = _Case(incoming, document, decoded, caller, received_at, is_taken)
        for _ in range(MAX_DIRECTORY_CHANGES):
            try:
                return self._take_on(case)
            except DirectoryChangedError:
                self._exchange.directory.refresh()
                case = replace(case, at=self._exchange.clock())
        return self._take_on(case)

    def _check_status_size(self, incoming: Incoming, decoded: DecodedMessage) -> None:
        """Every export of the document holds its states, so that they are kept small."""
        most = self._exchange.policy.limits.max_status_bytes
        if isinstance(decoded.message, StatusMessage) and incoming.size > most:
            raise XmlLimitError(
                "status.max_bytes",
                f"the status message has {incoming.size} bytes, more than {most}",
                "leave out what is not part of a status, such as files: send those in a document of their own",
            )

    def _look_up(
        self, incoming: Incoming, decoded: DecodedMessage | None, caller: Principal
    ) -> tuple[Receipt | None, bool]:
        """The receipt of a message taken on before; else whether its DocumentId is taken by another one."""
        message = decoded.message if decoded else None
        document_id = message.document_id if isinstance(message, DocumentMessage) else None
        trace = find_trace(self._exchange.engine, incoming.sha256, document_id)
        if not trace.has_receipt:
            return None, trace.is_taken
        with read(self._exchange.engine) as connection:
            receipt = find_receipt(connection, self._exchange.store, incoming.sha256)
        if receipt is None:
            return None, trace.is_taken
        if receipt.sender_id != caller.agency_id:
            raise SenderMismatchError(caller.agency_code, "another agency")
        self._reached(AcceptanceStep.RECEIPT_READ)
        return receipt, False

    def _take_on(self, case: _Case) -> Receipt:
        directory = self._exchange.directory.current()
        message = case.decoded.message
        with self._recording_refusals(case, directory):
            sender = resolve_sender(directory, message.sender, case.at)
            if sender.id != case.caller.agency_id:
                raise SenderMismatchError(case.caller.agency_code, sender.code)
            if isinstance(message, DocumentMessage):
                work: WorkItem[Receipt] | Receipt = self._judge_document(case, message, sender, directory)
            else:
                work = self._judge_status(case, message, sender, directory)
            receipt = work if isinstance(work, Receipt) else self._exchange.commits.run(work)
        self._reached(AcceptanceStep.COMMITTED)
        return receipt

    @contextmanager
    def _recording_refusals(self, case: _Case, directory: Directory) -> Iterator[None]:
        """Whatever is refused inside leaves a SubmissionRejection, which goes out with the error."""
        try:
            yield
        except (RefusedError, DeliveryError) as error:
            violations = error.violations if isinstance(error, RefusedError) else (_status_violation(error),)
            is_document = isinstance(case.decoded.message, DocumentMessage)
            refusal = Refusal(
                sender=directory.agencies[case.caller.agency_id],
                kind=MessageKind.DOCUMENT if is_document else MessageKind.STATUS,
                document_id=_document_id(case.decoded),
                sha256=case.incoming.sha256,
                size=case.incoming.size,
                violations=violations,
            )
            evidence = self._exchange.commits.run(RecordRefusal(self._exchange, refusal))
            reports = error.reports if isinstance(error, RefusedError) else ()
            raise RefusedError(violations, reports, evidence) from error

    def _judge_document(
        self, case: _Case, message: DocumentMessage, sender: Agency, directory: Directory
    ) -> AcceptDocument:
        with ExitStack() as stack:
            with self._one_at_a_time(case.incoming):
                check_document_rules(directory, message, sender, case.at)
                recipients = resolve_recipients(directory, message, case.at)
                self._reached(AcceptanceStep.AUTHORIZED)
                staged = self._stage_attachments(stack, message)
                self._reached(AcceptanceStep.ATTACHMENTS_STAGED)
                reports = self._check_seal(case, sender, directory)
                self._reached(AcceptanceStep.SIGNATURES_VERIFIED)
            if case.is_taken:
                raise ConflictError(message.document_id)
            attachments = self._archive_attachments(message, staged)
        archive_message(case.incoming, self._exchange.store)
        self._reached(AcceptanceStep.MESSAGE_ARCHIVED)
        return AcceptDocument(
            self._exchange,
            VerifiedDocument(
                message=message,
                sender=sender,
                recipients=recipients,
                attachments=attachments,
                warnings=case.decoded.warnings,
                reports=reports,
                validation=_reports_text(reports),
                sha256=case.incoming.sha256,
                size=case.incoming.size,
                received_at=case.at,
                directory_version=directory.version,
            ),
        )

    def _check_seal(self, case: _Case, sender: Agency, directory: Directory) -> tuple[ValidationReport, ...]:
        return check_seal(case.document, case.decoded, [sender], directory, self._exchange.validator(), case.at)

    def _judge_status(
        self, case: _Case, message: StatusMessage, sender: Agency, directory: Directory
    ) -> AcceptStatus | Receipt:
        check_status_rules(message)
        addressee = _resolve_addressee(directory, message)
        self._reached(AcceptanceStep.AUTHORIZED)
        reports = self._check_seal(case, sender, directory)
        self._reached(AcceptanceStep.SIGNATURES_VERIFIED)
        work = AcceptStatus(
            self._exchange,
            VerifiedStatus(
                message=message,
                reporter=sender,
                addressee=addressee,
                reports=reports,
                validation=_reports_text(reports),
                sha256=case.incoming.sha256,
                size=case.incoming.size,
                received_at=case.at,
                warnings=case.decoded.warnings,
            ),
        )
        with read(self._exchange.engine) as connection:
            preparation = work.judge(connection, lock=False)
        if isinstance(preparation, Failed):
            raise preparation.error
        if isinstance(preparation, Settled):  # the report is there already: its first message is kept, and no other
            receipt: Receipt = preparation.result
            return receipt
        archive_message(case.incoming, self._exchange.store)
        self._reached(AcceptanceStep.MESSAGE_ARCHIVED)
        return work

    def _stage_attachments(self, stack: ExitStack, message: DocumentMessage) -> dict[str, StagedObject]:
        """Decode large attachments once: into a staged object, with the digest that the seal is checked against."""
        staged = {}
        for attachment in message.attachments:
            if self._is_object(attachment):
                target = stack.enter_context(self._exchange.store.stage())
                _copy(attachment, target)
                staged[attachment.content_id] = target
        return staged

    def _archive_attachments(
        self, message: DocumentMessage, staged: dict[str, StagedObject]
    ) -> tuple[StoredAttachment, ...]:
        for target in staged.values():
            self._exchange.store.put(target)
        self._reached(AcceptanceStep.ATTACHMENTS_ARCHIVED)
        return tuple(
            stored_attachment(attachment, is_object=attachment.content_id in staged)
            for attachment in message.attachments
        )

    def _is_object(self, attachment: Attachment) -> bool:
        content = attachment.content
        size = content.size_at_most if isinstance(content, Base64Content) else content.size
        return size >= self._exchange.policy.attachment_object_bytes

    def _one_at_a_time(self, incoming: Incoming) -> AbstractContextManager[object]:
        """What a small message is judged in; a large one waits for nobody, as nobody could wait for it."""
        return self._exchange.judging if incoming.size <= JUDGED_ALONE_BYTES else nullcontext()

    def _reached(self, step: AcceptanceStep) -> None:
        self._exchange.observer.reached(step)


def _copy(attachment: Attachment, target: StagedObject) -> None:
    content = attachment.content
    if isinstance(content, Base64Content):
        content.consume(target.write)
        return
    for chunk in content.chunks():
        target.write(chunk)


def _resolve_addressee(directory: Directory, message: StatusMessage) -> Agency:
    """The agency that the status is for; one that is no more still resolves, so that late answers arrive."""
    code = message.response_for.organ_id
    try:
        if code is None:
            raise RefusedError((_addressee_violation("the status does not say for which agency it is"),))
        return directory.find(code)
    except DirectoryError as error:
        raise RefusedError((_addressee_violation(str(error)),)) from error


def _addressee_violation(reason: str) -> Violation:
    return Violation(
        "N.MessageHeader.ResponseFor.OrganId",
        "MessageHeader/ResponseFor/OrganId",
        reason,
        "write the code of the agency that the status is for",
    )


def _status_violation(error: DeliveryError) -> Violation:
    if isinstance(error, ReportLimitError):
        return Violation(
            "R.UpdateTraces",
            "MessageHeader/StatusCode",
            str(error),
            "report only what changes the document's state, such as 06 when it is done; room is kept for that",
        )
    return Violation(
        "M.UpdateTraces",
        "MessageHeader/StatusCode",
        str(error),
        "look at the document's present state, and report what follows on it",
    )


def _document_id(decoded: DecodedMessage) -> str | None:
    message = decoded.message
    return message.document_id if isinstance(message, DocumentMessage) else message.response_for.document_id


def _reports_text(reports: Sequence[ValidationReport]) -> str:
    return _JSON.encode([report_as_json(report) for report in reports])


_JSON: Final = json.JSONEncoder(ensure_ascii=False)
