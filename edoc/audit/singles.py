"""Judging one signed XML file: a message, a piece of evidence, or any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from edoc.audit.model import AuditTime, AuditTrust, Check, CheckName, Fact, Outcome
from edoc.directory.model import normalized_code
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
from signing.report import Finding, Indication, SubIndication, ValidationReport
from signing.trust_list import Listed
from signing.xades.verifier import ON_HOLD, SignaturePresence, classify, reconsider, verify
from signing.xml import ParsedXml

MAX_SIGNATURES: Final = 16
_AGENCY_ROLES: Final = (CertificateRole.AGENCY_SEAL, None)
"""A certificate whose authority does not say what it is for may be an agency's; an officer's is none."""

_PROVE_THE_TIME: Final = (
    "the exchange's receipt, or the export of the document, tells when it was accepted: verify that; if you can prove"
    " by it or otherwise that the seal was there before {end}, judge the file as of a time before {end};"
    " else do not rely on it"
)
_AUDITORS_REMEDIES: Final = {
    SubIndication.REVOKED_NO_POE: _PROVE_THE_TIME.format(end="the revocation"),
    SubIndication.REVOKED_CA_NO_POE: _PROVE_THE_TIME.format(end="the revocation of the authority"),
    SubIndication.OUT_OF_BOUNDS_NO_POE: _PROVE_THE_TIME.format(end="the certificate's end"),
    SubIndication.REVOKED: "do not rely on it: it was sealed after the revocation; ask for it under a valid seal",
    SubIndication.EXPIRED: "do not rely on it: it was sealed after its certificate's end; ask for a valid seal",
    SubIndication.NO_CERTIFICATE_CHAIN_FOUND: (
        "if you have reason to believe the authority that issued the certificate, add its root certificate, got by a"
        " way you trust, to your anchors and verify again; else do not rely on it"
    ),
}
_REMEDIES_BY_RULE: Final = {
    "path.before_validity": "judge the file as of a time at which the certificate is valid, or as of now",
    ON_HOLD: (
        "its authority has put the certificate on hold: do not rely on the file until the hold is lifted; then verify"
        " again with a CRL that says so"
    ),
    "path.was_on_hold": "do not rely on it: the certificate was on hold at that time; ask for it under a valid seal",
    "path.revoked_since": (
        "whoever has the key can write any time: do not rely on it, unless you can prove by something else that it was"
        " there before the revocation; then judge it as of a time before the revocation"
    ),
}
"""What whoever reads the file can do; a finding's own remedy is for whoever signs."""

SIGNATURE_TAG: Final = f"{{{DS}}}Signature"


@dataclass(frozen=True)
class JudgedMessage:
    """A message and what was found on it."""

    decoded: DecodedMessage | None
    """None where it cannot be read."""
    checks: tuple[Check, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What the message says, for the reader; nothing unless it is under a seal of its sender that held."""
        held = any(each.name is CheckName.MESSAGE_SENDER and each.outcome is Outcome.GOOD for each in self.checks)
        return message_facts(self.decoded) if self.decoded is not None and held else ()


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
    sender_code: str | None = None,
) -> JudgedMessage:
    """Check the seal of a document or status message, and that it is the sender's.

    Args:
        sender_code: the sender's code where evidence names it; else that in ``From``.
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
    reports = [verify(document, each, decoded.parts, validator=validator, at=at) for each in present]
    checks = [check_of(name, subject, report) for report in reports]
    code = sender_code or decoded.message.sender.organ_id
    checks.append(_check_sender(subject, reports, code, trust, on_behalf=is_status))
    return JudgedMessage(decoded, tuple(checks))


def judge_evidence(
    document: ParsedXml,
    subject: str,
    trust: AuditTrust,
    validator: PathValidator,
    at: datetime | None,
    *,
    as_of: datetime,
) -> JudgedEvidence:
    """Check the seal of a piece of evidence at ``at`` (else at its own event time), and that it is the exchange's.

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
    return JudgedEvidence(evidence, (check,))


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
    return tuple(
        check_of(CheckName.MESSAGE_SEAL, subject, verify(document, each, whole, validator=validator, at=at))
        for each in signatures
    )


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
    return Check(name, subject, outcome, reason, _remedy(finding, report.sub_indication), report)


def _remedy(finding: Finding, sub_indication: SubIndication | None) -> str:
    """What the reader can do, by the rule where it says more than the sub-indication."""
    by_status = _AUDITORS_REMEDIES.get(sub_indication) if sub_indication is not None else None
    return _REMEDIES_BY_RULE.get(finding.rule) or by_status or finding.remedy


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


def message_facts(decoded: DecodedMessage) -> tuple[Fact, ...]:
    """What a message says, whether or not its seal held: see :attr:`JudgedMessage.facts`."""
    message = decoded.message
    if isinstance(message, DocumentMessage):
        return (
            Fact("document_id", message.document_id),
            Fact("code", str(message.code)),
            Fact("type", message.document_type.type_name),
            Fact("subject", message.subject),
            Fact("sender", f"{message.sender.organ_name} ({message.sender.organ_id})"),
            Fact("recipients", str(len(message.recipients))),
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
    for signer, at in signed:
        if role_of(signer) in _AGENCY_ROLES and normalized_code(agency_code(signer) or "") == normalized_code(code):
            return Check(CheckName.MESSAGE_SENDER, subject, Outcome.GOOD, f"the seal is that of {code}")
        if on_behalf and trust.exchange_seal(signer, at) is Listed.HOLDS:
            reason = f"reported by the exchange in the name of {code}, under its own seal"
            return Check(CheckName.MESSAGE_SENDER, subject, Outcome.GOOD, reason)
    if not signed:
        reason = f"no seal passed, so nothing shows that the message is from {code}"
        return Check(CheckName.MESSAGE_SENDER, subject, Outcome.INDETERMINATE, reason, "see the seal's own finding")
    names = ", ".join(f"{subject_text(signer)} (certificate {fingerprint(signer)[:16]})" for signer, _ in signed)
    reason = f"the message says it is from {code}, but is sealed by {names}"
    return _bad(CheckName.MESSAGE_SENDER, subject, reason, "do not believe it; ask the agency")


def _bad(name: CheckName, subject: str, reason: str, remedy: str) -> Check:
    return Check(name, subject, Outcome.BAD, reason, remedy)


__all__ = [
    "SIGNATURE_TAG",
    "JudgedEvidence",
    "JudgedMessage",
    "check_exchange_seal",
    "check_of",
    "judge_evidence",
    "judge_lone_evidence",
    "judge_message",
    "judge_signed_xml",
    "message_facts",
]
