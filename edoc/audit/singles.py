"""Judging one signed XML file: a message, a piece of evidence, or any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from cryptography import x509

from edoc.audit.agencies import AgencyCodes, Likeness
from edoc.audit.model import AuditTime, AuditTrust, Check, CheckName, Fact, Outcome
from edoc.audit.remedies import remedy_of_seal
from edoc.delivery.states import ARRIVED
from edoc.envelope.codec import DecodedMessage, decode
from edoc.envelope.limits import MessageLimits
from edoc.envelope.model import DocumentMessage, StatusMessage
from edoc.errors import MessageError
from edoc.evidence.codec import read_evidence
from edoc.evidence.errors import EvidenceFormatError
from edoc.evidence.model import Evidence
from keys.certificates import CertificateRole, agency_code, fingerprint, role_of, subject_text
from keys.trust import PathValidator
from signing.namespaces import DS
from signing.parts import ElementPart, Part
from signing.report import Indication, ValidationReport
from signing.trust_list import Listed
from signing.xades.verifier import CLOCK_TOLERANCE, SignaturePresence, classify, reconsider, verify, verify_all
from signing.xml import ParsedXml

MAX_SIGNATURES: Final = 16
_AGENCY_ROLES: Final = (CertificateRole.AGENCY_SEAL, None)
"""A certificate whose authority does not say what it is for may be an agency's; an officer's is none."""

REPORTED_BY_EXCHANGE: Final = "sender.exchange"
"""The rule of a status that the exchange itself reported in an agency's name."""
UNCONFIRMED_AGENCY: Final = "agency.unconfirmed"
"""The rule of two codes of which only a list of agencies tells whether they are one agency's."""
AFTER_AUDIT: Final = "time.after_audit"
"""The rule of an event that is dated after the audit."""
UNLISTED_AGENCY: Final = "agency.unlisted"
"""The same where the reader has given a list, which does not have one of the codes."""
UNNAMED_AGENCY: Final = "agency.unnamed"
"""The rule of a seal whose certificate names no agency, and which the reader has bound to none."""
NAME_A_LIST: Final = "verify with --directory and a list of agencies that you trust"
ASK_FOR_CODE: Final = "ask the agency, or whoever keeps the list, whose code that is; until then do not rely on it"
ASK_WHOSE: Final = "ask the agency, by a way that you trust, whether the certificate of that SHA-256 is its own"
_LATER: Final = (
    "if your clock, or the time that you named with --at, is before that, judge it again as of a later time; else do"
    " not rely on it, and let the exchange explain"
)

SIGNATURE_TAG: Final = f"{{{DS}}}Signature"


@dataclass(frozen=True)
class JudgedMessage:
    """A message and what was found on it."""

    decoded: DecodedMessage | None
    """None where it cannot be read."""
    checks: tuple[Check, ...]
    codes: AgencyCodes = field(default_factory=AgencyCodes)
    """What the reader knows of agencies: two codes of one are one recipient."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What the message says, for the reader; nothing unless it is under a seal of its sender that held."""
        held = any(each.name is CheckName.MESSAGE_SENDER and each.outcome is Outcome.GOOD for each in self.checks)
        if self.decoded is None or not held:
            return ()
        by_exchange = (Fact("reported_by", "the exchange, in the sender's name"),) if self.is_by_exchange else ()
        return (*message_facts(self.decoded, self.codes), *by_exchange)

    @property
    def is_by_exchange(self) -> bool:
        """Whether it is the exchange's own report in the name of the agency, which has not sealed it."""
        return any(each.rule == REPORTED_BY_EXCHANGE for each in self.checks)


@dataclass(frozen=True)
class JudgedEvidence:
    """A piece of evidence and what was found on it."""

    evidence: Evidence | None
    checks: tuple[Check, ...]

    @property
    def proven(self) -> Evidence | None:
        """The evidence, where it is under a seal of the exchange that held."""
        held = all(each.outcome in (Outcome.GOOD, Outcome.NOTE) for each in self.checks)
        return self.evidence if held else None


def judge_message(
    document: ParsedXml,
    subject: str,
    trust: AuditTrust,
    validator: PathValidator,
    at: datetime,
    limits: MessageLimits,
) -> JudgedMessage:
    """Check the seal of a document or status message, and that it is that of the agency in ``From``.

    The exchange reports in an agency's name that a document has arrived, and nothing else.
    """
    try:
        decoded = decode(document, limits)
    except MessageError as error:
        reason = f"not an edXML message: {error}"
        return JudgedMessage(None, (_bad(CheckName.FORMAT, subject, reason, "get the message as it was sent"),))
    is_status = isinstance(decoded.message, StatusMessage)
    name = CheckName.STATUS_SEAL if is_status else CheckName.MESSAGE_SEAL
    present = [each for each in decoded.signatures if classify(each) is SignaturePresence.PRESENT]
    if not present:
        reason = "the message carries no seal: anybody could have written it"
        return JudgedMessage(decoded, (_bad(name, subject, reason, "ask the sender for the sealed message"),))
    reports = verify_all(document, present, decoded.parts, validator=validator, at=at)
    checks = [check_of(name, subject, report) for report in reports]
    on_behalf = isinstance(decoded.message, StatusMessage) and decoded.message.status_code == ARRIVED
    checks.append(_check_sender(subject, reports, decoded.message.sender.organ_id, trust, on_behalf=on_behalf))
    return JudgedMessage(decoded, tuple(checks), trust.codes)


def judge_evidence(
    document: ParsedXml,
    subject: str,
    trust: AuditTrust,
    validator: PathValidator,
    at: datetime | None,
    *,
    as_of: datetime,
) -> JudgedEvidence:
    """Check the seal of a piece of evidence at ``at`` (else at its own event time), that it is the exchange's, and that
    the event is not dated after the audit.

    The event time is written by whoever has the key. So a seal revoked since for a reason that leaves open who that
    was, as far as is known at ``as_of``, is undecided.
    """
    try:
        evidence, part, signature = read_evidence(document)
    except EvidenceFormatError as error:
        return JudgedEvidence(None, (_bad(CheckName.FORMAT, subject, str(error), "get the evidence as issued"),))
    report = verify(document, signature, [part], validator=validator, at=at or evidence.event_time)
    check = check_exchange_seal(CheckName.EVIDENCE_SEAL, subject, report, trust)
    if check.outcome is Outcome.GOOD:
        reconsidered = reconsider(report, validator=validator, as_of=as_of)
        check = check if reconsidered.passed else check_of(CheckName.EVIDENCE_SEAL, subject, reconsidered)
    return JudgedEvidence(evidence, (check, _check_event_time(subject, evidence, as_of)))


def judge_lone_evidence(
    document: ParsedXml, subject: str, trust: AuditTrust, validator: PathValidator, time: AuditTime
) -> JudgedEvidence:
    """The same for a piece of evidence outside an export, at the time that the reader named, else at its own.

    A note tells that its time is the exchange's word.
    """
    at = time.at if time.given else None
    judged = judge_evidence(document, subject, trust, validator, at, as_of=time.at)
    if judged.proven is None:
        return judged
    stated = judged.proven.event_time.isoformat()
    judged_at = f"the seal is judged as of {time.at.isoformat()}" if time.given else "the seal is judged at that time"
    reason = f"the exchange states the time {stated}, and {judged_at}; no independent time-stamp confirms it"
    return replace(judged, checks=(*judged.checks, Check(CheckName.TIME, subject, Outcome.NOTE, reason)))


def judge_signed_xml(document: ParsedXml, subject: str, validator: PathValidator, at: datetime) -> tuple[Check, ...]:
    """Check every signature of an XML file of another kind, each of which must cover the whole of it."""
    signatures = list(document.root.iter(SIGNATURE_TAG))
    if not signatures:
        reason = "the file carries no XML signature"
        return (_bad(CheckName.MESSAGE_SEAL, subject, reason, "ask for the signed file"),)
    if len(signatures) > MAX_SIGNATURES:
        reason = f"the file carries more than {MAX_SIGNATURES} signatures"
        return (_bad(CheckName.FORMAT, subject, reason, "this is no file of the exchange: ask for the right one"),)
    whole: Sequence[Part] = [ElementPart("the whole document", document.root)]
    reports = verify_all(document, signatures, whole, validator=validator, at=at)
    return tuple(check_of(CheckName.MESSAGE_SEAL, subject, each) for each in reports)


def check_of(name: CheckName, subject: str, report: ValidationReport) -> Check:
    """The outcome of a signature's validation as a check."""
    if report.passed:
        signer = subject_text(report.signer) if report.signer else "an unknown signer"
        covered = ", ".join(part.label for part in report.covered)
        return Check(name, subject, Outcome.GOOD, f"sealed by {signer}; covers {covered}", report=report)
    finding = report.findings[0]
    sub = f"/{report.sub_indication.value}" if report.sub_indication else ""
    outcome = Outcome.BAD if report.indication is Indication.TOTAL_FAILED else Outcome.INDETERMINATE
    reason = f"{report.indication.value}{sub}: {finding.reason} ({finding.rule})"
    return Check(name, subject, outcome, reason, remedy_of_seal(name, finding.rule, report.sub_indication), report)


def check_exchange_seal(name: CheckName, subject: str, report: ValidationReport, trust: AuditTrust) -> Check:
    """The same for a seal that must be the exchange's own."""
    check = check_of(name, subject, report)
    if check.outcome is not Outcome.GOOD or report.signer is None:
        return check
    listed, signer = trust.exchange_seal(report.signer, report.validated_at), subject_text(report.signer)
    number = f"trust list {trust.trust_list.sequence}" if trust.trust_list else None
    if listed is Listed.HOLDS:
        return replace(check, reason=f"{check.reason}; {number} names it") if number else check
    if listed is Listed.NOT_THEN:
        then = report.validated_at.isoformat()
        reason = f"the seal is valid, but {number} names {signer} for other times than {then}"
        remedy = "judge it as of a time at which it was the exchange's seal, if you can prove that it is from then"
        return Check(name, subject, Outcome.INDETERMINATE, reason, remedy, report)
    why = f": {number} does not name this seal (SHA-256 {fingerprint(report.signer)})" if number else ""
    reason = f"the seal is valid, but {signer} is not the exchange{why}"
    return Check(name, subject, Outcome.BAD, reason, "believe only what the exchange itself sealed", report)


def message_facts(decoded: DecodedMessage, codes: AgencyCodes) -> tuple[Fact, ...]:
    """What a message says, whether or not its seal held: see :attr:`JudgedMessage.facts`."""
    message = decoded.message
    if isinstance(message, DocumentMessage):
        return (
            Fact("document_id", message.document_id),
            Fact("code", str(message.code)),
            Fact("type", message.document_type.type_name),
            Fact("subject", message.subject),
            Fact("sender", f"{message.sender.organ_name} ({message.sender.organ_id})"),
            Fact("recipients", str(codes.count(each.organ_id for each in message.recipients))),
            Fact("promulgation_date", message.promulgation_date.isoformat()),
        )
    return (
        Fact("document_id", message.response_for.document_id or ""),
        Fact("status", message.status_code),
        Fact("sender", f"{message.sender.organ_name} ({message.sender.organ_id})"),
        Fact("reported_at", message.timestamp.isoformat()),
    )


def _check_sender(
    subject: str, reports: Sequence[ValidationReport], code: str, trust: AuditTrust, *, on_behalf: bool
) -> Check:
    """One of the seals that passed is the agency's own, or the exchange's where it reports in the agency's name."""
    signed = [(report.signer, report.validated_at) for report in reports if report.passed and report.signer is not None]
    if not signed:
        reason = f"no seal passed, so nothing shows that the message is from {code}"
        return Check(CheckName.MESSAGE_SENDER, subject, Outcome.INDETERMINATE, reason, "see the seal's own finding")
    sealers = [
        each for signer, at in signed if role_of(signer) in _AGENCY_ROLES and (each := _agency_of(signer, at, trust))
    ]
    likeness = {each: trust.codes.compare(code, each) for each in sealers}
    if Likeness.ONE in likeness.values():
        return Check(CheckName.MESSAGE_SENDER, subject, Outcome.GOOD, f"the seal is that of {code}")
    if on_behalf and any(trust.exchange_seal(signer, at) is Listed.HOLDS for signer, at in signed):
        reason = f"reported by the exchange in the name of {code}, under its own seal"
        return Check(CheckName.MESSAGE_SENDER, subject, Outcome.GOOD, reason, rule=REPORTED_BY_EXCHANGE)
    maybe = next((each for each, found in likeness.items() if found is Likeness.UNKNOWN), None)
    if maybe is not None:
        reason = f"the message says it is from {code}; nothing shows that this is {maybe}, whose seal it carries"
        return unconfirmed(CheckName.MESSAGE_SENDER, subject, reason, trust.codes.unknown((code, maybe)))
    unnamed = [
        signer for signer, at in signed if role_of(signer) in _AGENCY_ROLES and _agency_of(signer, at, trust) is None
    ]
    if unnamed:
        return _unnamed(subject, code, unnamed[0])
    names = ", ".join(f"{subject_text(signer)} (certificate {fingerprint(signer)[:16]})" for signer, _ in signed)
    reason = f"the message says it is from {code}, but is sealed by {names}"
    return _bad(CheckName.MESSAGE_SENDER, subject, reason, "do not believe it; ask the agency")


def _agency_of(signer: x509.Certificate, at: datetime, trust: AuditTrust) -> str | None:
    """The agency that a certificate names; of one that names none, the agency to which the reader bound it."""
    return agency_code(signer) or trust.bound_to(signer, at)


def _unnamed(subject: str, code: str, signer: x509.Certificate) -> Check:
    """An exchange may have bound such a certificate to an agency; nothing in a file can show that."""
    reason = (
        f"the certificate ({subject_text(signer)}, SHA-256 {fingerprint(signer)}) names no agency; only the exchange"
        f" says that it is {code}'s"
    )
    return Check(CheckName.MESSAGE_SENDER, subject, Outcome.INDETERMINATE, reason, ASK_WHOSE, rule=UNNAMED_AGENCY)


def unconfirmed(name: CheckName, subject: str, reason: str, unknown: Sequence[str]) -> Check:
    """A check that hangs on whether two codes are one agency's, which the reader's list of agencies does not tell.

    Args:
        name: of the check.
        subject: of the check.
        reason: what only the exchange says.
        unknown: the codes that the reader's list does not have; none where there is no list.
    """
    if not unknown:
        return Check(name, subject, Outcome.INDETERMINATE, reason, NAME_A_LIST, rule=UNCONFIRMED_AGENCY)
    reason = f"{reason}, and your list of agencies does not know {', '.join(unknown)}"
    return Check(name, subject, Outcome.INDETERMINATE, reason, ASK_FOR_CODE, rule=UNLISTED_AGENCY)


def _check_event_time(subject: str, evidence: Evidence, as_of: datetime) -> Check:
    stated = evidence.event_time.isoformat()
    if evidence.event_time <= as_of + CLOCK_TOLERANCE:
        return Check(CheckName.EVIDENCE_TIME, subject, Outcome.GOOD, f"it is dated {stated}, not after this audit")
    reason = f"it is dated {stated}, after the time of this audit, {as_of.isoformat()}: nobody can have seen that yet"
    return Check(CheckName.EVIDENCE_TIME, subject, Outcome.INDETERMINATE, reason, _LATER, rule=AFTER_AUDIT)


def _bad(name: CheckName, subject: str, reason: str, remedy: str) -> Check:
    return Check(name, subject, Outcome.BAD, reason, remedy)


__all__ = [
    "AFTER_AUDIT",
    "ASK_FOR_CODE",
    "ASK_WHOSE",
    "NAME_A_LIST",
    "REPORTED_BY_EXCHANGE",
    "SIGNATURE_TAG",
    "UNCONFIRMED_AGENCY",
    "UNLISTED_AGENCY",
    "UNNAMED_AGENCY",
    "JudgedEvidence",
    "JudgedMessage",
    "check_exchange_seal",
    "check_of",
    "judge_evidence",
    "judge_lone_evidence",
    "judge_message",
    "judge_signed_xml",
    "message_facts",
    "unconfirmed",
]
