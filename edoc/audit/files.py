"""Judging a file of any kind: what it is, and whether it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lxml import etree

from edoc.audit.bundle import BundleAudit, Progress
from edoc.audit.model import AuditReport, AuditTime, AuditTrust, Check, CheckName, Fact, FileKind, Outcome
from edoc.audit.singles import judge_lone_evidence, judge_message, judge_signed_xml
from edoc.envelope.limits import MOST_ATTACHMENTS, MOST_RECIPIENTS, MessageLimits
from edoc.envelope.model import DocumentMessage
from edoc.evidence.codec import NAMESPACE as EVIDENCE_NAMESPACE
from edoc.evidence.model import Evidence
from signing.asice import ContainerLimits, open_container
from signing.errors import ContainerError, ContainerLimitError, XmlError
from signing.trust_list import NAMESPACE as TRUST_LIST_NAMESPACE
from signing.xml import ByteSource, ParsedXml, parse
from signing.zip import MAX_MEMBERS, ZipLimits

_ZIP_START: Final = b"PK"
_NONE_OF_OURS: Final = "this is no file of the exchange, or it was damaged: get it again"
_EDXML_ROOTS: Final = frozenset({"edXML", "Envelope"})
EVIDENCE_BYTES: Final = 324 << 20
"""What the evidence, states, certificates and CRLs of an export may have together, beside the message and its files."""


def no_progress(subject: str) -> None:
    """Nobody watches."""
    del subject


def limits_for(size: int) -> MessageLimits:
    """The limits of a reader who has a file of ``size`` bytes on its own disk, and knows no exchange's settings.

    Whatever an exchange may be set to accept is judged: of a message and its files only the size of the file itself
    is the limit, where it is more than the usual one. Depth, names and the ratio of packed files stay limited.
    """
    usual = MessageLimits()
    return replace(
        usual,
        xml=replace(usual.xml, max_bytes=max(usual.xml.max_bytes, size)),
        max_recipients=MOST_RECIPIENTS,
        max_attachments=MOST_ATTACHMENTS,
        max_attachment_bytes=max(usual.max_attachment_bytes, size),
        max_total_attachment_bytes=max(usual.max_total_attachment_bytes, size),
    )


def container_limits(limits: MessageLimits, most_files: int = MAX_MEMBERS) -> ContainerLimits:
    """What an export of the largest message may cost: the message, its files once more, and the evidence."""
    largest = max(limits.xml.max_bytes, limits.max_attachment_bytes)
    together = limits.xml.max_bytes + limits.max_total_attachment_bytes + EVIDENCE_BYTES
    return ContainerLimits(ZipLimits(most_files, max_entry_bytes=largest, max_total_bytes=together))


def verify_file(
    source: ByteSource,
    subject: str,
    trust: AuditTrust,
    time: AuditTime,
    *,
    limits: MessageLimits | None = None,
    most_files: int = MAX_MEMBERS,
    progress: Progress = no_progress,
) -> AuditReport:
    """Judge an export, a message, a piece of evidence or another signed XML file, by its bytes alone.

    Args:
        limits: those of the messages that the exchange accepts; without them those of :func:`limits_for`.
        most_files: in a container; ten thousand take some 60 MB while they are judged.

    Raises nothing for a bad file: what is wrong with it is in the report.
    """
    report = _judge(source, subject, trust, time, limits or limits_for(source.size), most_files, progress)
    return replace(report, checks=(*report.checks, *_identity_note(report, subject, trust)))


def _judge(
    source: ByteSource,
    subject: str,
    trust: AuditTrust,
    time: AuditTime,
    limits: MessageLimits,
    most_files: int,
    progress: Progress,
) -> AuditReport:
    if source.read(0, len(_ZIP_START)) == _ZIP_START:
        try:
            with open_container(source, container_limits(limits, most_files)) as container:
                return BundleAudit(container, trust, time, limits, progress).run()
        except ContainerLimitError as error:
            remedy = "judge it with `edoc verify`, which reads every export; if that refuses it too, it is none"
            return _unreadable(FileKind.EXPORT, subject, str(error), remedy, Outcome.INDETERMINATE)
        except ContainerError as error:
            return _unreadable(FileKind.EXPORT, subject, str(error))
    try:
        document = parse(source, limits.xml)
    except XmlError as error:
        return _unreadable(FileKind.UNKNOWN, subject, str(error))
    return _judge_xml(document, subject, trust, time, limits)


def _judge_xml(
    document: ParsedXml, subject: str, trust: AuditTrust, time: AuditTime, limits: MessageLimits
) -> AuditReport:
    validator = trust.validator()
    name = etree.QName(document.root)
    if name.namespace == TRUST_LIST_NAMESPACE:
        return AuditReport(FileKind.SIGNED_XML, (_trust_list_check(subject),))
    if name.namespace == EVIDENCE_NAMESPACE:
        judged = judge_lone_evidence(document, subject, trust, validator, time)
        return AuditReport(FileKind.EVIDENCE, judged.checks, _evidence_facts(judged.proven))
    if name.localname in _EDXML_ROOTS:
        message = judge_message(document, subject, trust, validator, time.at, limits)
        if message.decoded is None:
            return AuditReport(FileKind.UNKNOWN, message.checks)
        is_document = isinstance(message.decoded.message, DocumentMessage)
        kind = FileKind.DOCUMENT if is_document else FileKind.STATUS
        return AuditReport(kind, message.checks, message.facts)
    return AuditReport(FileKind.SIGNED_XML, judge_signed_xml(document, subject, validator, time.at))


def _identity_note(report: AuditReport, subject: str, trust: AuditTrust) -> tuple[Check, ...]:
    """Without a trust list, seals that count as the exchange's do so by a weaker word, and the reader should know.

    A folder that lost both the list and its authority looks like one that never had a list.
    """
    signers = [each.report.signer for each in report.checks if each.report is not None and each.report.passed]
    if trust.trust_list is not None or not any(each is not None and trust.is_exchange_role(each) for each in signers):
        return ()
    reason = (
        "no trust list lies among what you trust: a seal counts as the exchange's because its certificate says so"
        " itself, not because a signed list names it"
    )
    remedy = "if your trust folder had a trust list, get trust-list.xml and trust-list-authority.pem again"
    return (Check(CheckName.EXCHANGE_IDENTITY, subject, Outcome.NOTE, f"{reason}; {remedy}"),)


def _trust_list_check(subject: str) -> Check:
    """A trust list says whom to believe; whether to believe it is not for a verdict on a letter."""
    reason = "this is a trust list: it is part of what is believed, and is not judged like a letter"
    remedy = "put it into the trust folder with its authority's certificate; `edoc keys show` tells whether it holds"
    return Check(CheckName.FORMAT, subject, Outcome.INDETERMINATE, reason, remedy)


def _unreadable(
    kind: FileKind, subject: str, reason: str, remedy: str = _NONE_OF_OURS, outcome: Outcome = Outcome.BAD
) -> AuditReport:
    return AuditReport(kind, (Check(CheckName.FORMAT, subject, outcome, reason, remedy),))


def _evidence_facts(evidence: Evidence | None) -> tuple[Fact, ...]:
    if evidence is None:
        return ()
    return (
        Fact("event", evidence.type.value),
        Fact("event_time", evidence.event_time.isoformat()),
        Fact("document_id", evidence.document_id or ""),
        Fact("sender", f"{evidence.sender.name} ({evidence.sender.code})"),
        Fact("recipients", ", ".join(party.code for party in evidence.recipients)),
        Fact("message_sha256", evidence.message_sha256),
    )
