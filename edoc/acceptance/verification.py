"""Judging a readable message: who sends to whom, the rules of the exchange, and the seal.

Everything here is decided from arguments: the directory, the validator and the time. What is wrong is gathered as
violations in the grammar of the axis (``reference`` section 12).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from edoc.acceptance.errors import RefusedError, VerificationUnavailableError
from edoc.directory.errors import DirectoryError
from edoc.directory.model import Agency, Directory
from edoc.envelope.codec import DecodedMessage
from edoc.envelope.model import AttachmentFlag, BussinessDocType, DocumentMessage, Organization, StatusMessage
from edoc.envelope.rules import secrecy_marks
from edoc.errors import Violation
from edoc.vietnam import vietnam_date
from keys.certificates import fingerprint
from keys.errors import PathError
from keys.trust import KeyPurpose, PathValidator
from signing.report import SubIndication, ValidationReport
from signing.xades.verifier import ANCHOR_EXPIRED, ON_HOLD, SignaturePresence, classify, verify_all
from signing.xml import ParsedXml


@dataclass(frozen=True)
class Recipient:
    """An agency that gets the document, and the code under which the message names it."""

    agency: Agency
    addressed_as: str


def resolve_sender(directory: Directory, organization: Organization, at: datetime) -> Agency:
    """The agency in ``From``.

    Raises:
        RefusedError: it is unknown, or not valid on that day.
    """
    try:
        return directory.resolve(organization.organ_id, vietnam_date(at))
    except DirectoryError as error:
        raise RefusedError((_agency_violation("From/OrganId", error),)) from error


def resolve_recipients(directory: Directory, message: DocumentMessage, at: datetime) -> tuple[Recipient, ...]:
    """The agencies in ``To``, each once, however often its codes are named.

    Raises:
        RefusedError: one or more are unknown or no more, each said.
    """
    recipients: dict[int, Recipient] = {}
    violations: list[Violation] = []
    on = vietnam_date(at)
    for position, organization in enumerate(message.recipients, 1):
        try:
            agency = directory.resolve(organization.organ_id, on)
        except DirectoryError as error:
            violations.append(_agency_violation(f"To[{position}]/OrganId", error))
        else:
            recipients.setdefault(agency.id, Recipient(agency, organization.organ_id))
    if violations:
        raise RefusedError(tuple(violations))
    return tuple(recipients.values())


def check_document_rules(directory: Directory, message: DocumentMessage, sender: Agency, at: datetime) -> None:
    """The exchange's own rules for a new document.

    Raises:
        RefusedError: the document is secret, not new, dated in the future, or named as another agency's.
    """
    violations = tuple(_rule_violations(directory, message, sender, vietnam_date(at)))
    if violations:
        raise RefusedError(violations)


def check_seal(
    document: ParsedXml,
    decoded: DecodedMessage,
    sealers: Sequence[Agency],
    directory: Directory,
    validator: PathValidator,
    at: datetime,
) -> tuple[ValidationReport, ...]:
    """The reports on all signatures of a message, each of which must pass, one of them by a seal of ``sealers``.

    Raises:
        RefusedError: there is no seal, a signature fails, or none is bound to the sender.
        VerificationUnavailableError: a signature cannot be judged now, and every other passes.
    """
    present = [each for each in decoded.signatures if classify(each) is SignaturePresence.PRESENT]
    if not present:
        raise RefusedError((_no_seal(),))
    reports = verify_all(document, present, decoded.parts, validator=validator, at=at)
    failed = tuple(report for report in reports if not report.passed)
    if failed and all(_may_be_judged_later(report) for report in failed):
        raise VerificationUnavailableError(failed[0])
    if failed:
        raise RefusedError(tuple(_failure(report) for report in failed), reports)
    if not any(_is_bound(report, sealers, directory, at) for report in reports):
        raise RefusedError((_wrong_agency(reports, sealers),), reports)
    return reports


def still_holds(reports: Sequence[ValidationReport], validator: PathValidator, at: datetime) -> bool:
    """Whether the certificates of seals that passed are still good: at the time that the evidence will state.

    Somebody who judges the seal later has that time alone as proof that the seal existed. A cached path makes it a
    look-up.
    """
    try:
        for report in reports:
            if report.signer is not None:
                validator.validate(report.signer, intermediates=report.path[1:], at=at, usage=KeyPurpose.SEAL)
    except PathError:
        return False
    return True


def _rule_violations(
    directory: Directory, message: DocumentMessage, sender: Agency, today: date
) -> Iterator[Violation]:
    if message.bussiness.doc_type is not BussinessDocType.NEW:
        yield Violation(
            "M.Bussiness.BussinessDocType",
            "TraceHeaderList/Bussiness/BussinessDocType",
            f"the exchange does not take on documents of type {message.bussiness.doc_type.value}"
            " (recall, update, replace)",
            "send a new document (type 0), or tell the recipients by an official letter",
        )
    for mark in secrecy_marks(message):
        yield Violation(
            "M.MessageHeader.Secrecy",
            "MessageHeader",
            f"the document is marked {mark}; state secrets may not be exchanged here (Decision 28/2018 Art. 1(2))",
            "send it by the channel for secret documents",
        )
    if message.promulgation_date > today:
        yield Violation(
            "R.MessageHeader.PromulgationInfo.PromulgationDate",
            "MessageHeader/PromulgationInfo/PromulgationDate",
            f"the date {message.promulgation_date.isoformat()} lies in the future",
            "date the document on the day it is signed, and send it then",
        )
    yield from _foreign_document_id(directory, message, sender)
    yield from _unnamed_files(message)


def _unnamed_files(message: DocumentMessage) -> Iterator[Violation]:
    """The seal covers names and types in the manifest alone: a file that it does not name could be called anything."""
    for position, attachment in enumerate(message.attachments, 1):
        if AttachmentFlag.NO_REFERENCE in attachment.flags:
            yield Violation(
                "N.edXMLManifest.Reference",
                f"AttachmentEncoded/Attachment[{position}]",
                f"the file {attachment.attachment_name} is not named in the sealed manifest",
                "name every attachment in edXMLManifest before sealing",
            )


def _foreign_document_id(directory: Directory, message: DocumentMessage, sender: Agency) -> Iterator[Violation]:
    """A DocumentId that begins with another agency's code would take that agency's number away."""
    owner, comma, _ = message.document_id.partition(",")
    if not comma:
        return
    try:
        agency = directory.find(owner)
    except DirectoryError:
        return
    if agency.id != sender.id:
        yield Violation(
            "M.MessageHeader.DocumentId",
            "MessageHeader/DocumentId",
            f"the identifier {message.document_id} begins with the code of {agency.code}, not of {sender.code}",
            "begin the identifier with the code of the sending agency",
        )


def check_status_rules(message: StatusMessage) -> None:
    """The exchange's own rules for a status message.

    Raises:
        RefusedError: it does not name its document.
    """
    if message.response_for.document_id is None:
        raise RefusedError(
            (
                Violation(
                    "N.MessageHeader.ResponseFor.DocumentId",
                    "MessageHeader/ResponseFor/DocumentId",
                    "the status does not say which document it is about",
                    "write the DocumentId of the document",
                ),
            )
        )


def _may_be_judged_later(report: ValidationReport) -> bool:
    """Whether it is for the exchange to mend: a fresher CRL will decide it, or one of its trust anchors has expired.

    The last is its own fault and not the sender's, whose certificate is valid. A certificate on hold may not be used,
    whatever becomes of it.
    """
    rules = {finding.rule for finding in report.findings}
    if ANCHOR_EXPIRED in rules:
        return True
    return report.sub_indication is SubIndication.TRY_LATER and ON_HOLD not in rules


def _is_bound(report: ValidationReport, sealers: Sequence[Agency], directory: Directory, at: datetime) -> bool:
    return report.signer is not None and any(
        directory.may_seal(sealer, fingerprint(report.signer), at) for sealer in sealers
    )


def _agency_violation(field: str, error: DirectoryError) -> Violation:
    path = field.partition("[")[0].partition("/")[0]
    return Violation(
        f"M.MessageHeader.{path}.OrganId",
        f"MessageHeader/{field}",
        str(error),
        "use a code that the directory holds today",
    )


def _no_seal() -> Violation:
    return Violation(
        "N.Signature",
        "edXMLHeader/Signature",
        "the message carries no seal of the sending agency",
        "seal the message with the agency's key before sending it",
    )


def _failure(report: ValidationReport) -> Violation:
    finding = report.findings[0]
    sub = f"/{report.sub_indication.value}" if report.sub_indication else ""
    return Violation(
        f"M.Signature.{finding.rule}",
        f"edXMLHeader/Signature[@Id='{report.signature_id}']" if report.signature_id else "edXMLHeader/Signature",
        f"{report.indication.value}{sub}: {finding.reason}",
        finding.remedy,
        finding.rule,
    )


def _wrong_agency(reports: Sequence[ValidationReport], sealers: Sequence[Agency]) -> Violation:
    signers = ", ".join(f"certificate {fingerprint(report.signer)}" for report in reports if report.signer is not None)
    owners = " or ".join(each.code for each in sealers)
    return Violation(
        "M.Signature.signer",
        "edXMLHeader/Signature",
        f"the seal is valid, but {signers} is not bound to {owners} in the directory",
        "seal with the agency's own key, or have its certificate bound in the directory",
    )
