"""Judging a file of any kind: what it is, and whether it holds."""

from __future__ import annotations

from typing import Final

from lxml import etree

from edoc.audit.bundle import BundleAudit, Progress
from edoc.audit.model import AuditReport, AuditTime, AuditTrust, Check, CheckName, Fact, FileKind, Outcome
from edoc.audit.singles import judge_evidence, judge_message, judge_signed_xml, message_facts
from edoc.envelope.limits import MessageLimits
from edoc.envelope.model import DocumentMessage
from edoc.evidence.codec import NAMESPACE as EVIDENCE_NAMESPACE
from edoc.evidence.model import Evidence
from signing.asice import open_container
from signing.errors import ContainerError, XmlError
from signing.xml import ByteSource, ParsedXml, parse

_ZIP_START: Final = b"PK"
_EDXML_ROOTS: Final = frozenset({"edXML", "Envelope"})


def no_progress(subject: str) -> None:
    """Nobody watches."""
    del subject


def verify_file(
    source: ByteSource,
    subject: str,
    trust: AuditTrust,
    time: AuditTime,
    *,
    limits: MessageLimits | None = None,
    progress: Progress = no_progress,
) -> AuditReport:
    """Judge an export, a message, a piece of evidence or another signed XML file, by its bytes alone.

    Raises nothing for a bad file: what is wrong with it is in the report.
    """
    limits = limits or MessageLimits()
    if source.read(0, len(_ZIP_START)) == _ZIP_START:
        try:
            with open_container(source) as container:
                return BundleAudit(container, trust, time, limits, progress).run()
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
    if name.namespace == EVIDENCE_NAMESPACE:
        judged = judge_evidence(document, subject, trust, validator, time.at if time.given else None)
        return AuditReport(FileKind.EVIDENCE, judged.checks, _evidence_facts(judged.evidence))
    if name.localname in _EDXML_ROOTS:
        message = judge_message(document, subject, trust, validator, time.at, limits)
        if message.decoded is None:
            return AuditReport(FileKind.UNKNOWN, message.checks)
        is_document = isinstance(message.decoded.message, DocumentMessage)
        kind = FileKind.DOCUMENT if is_document else FileKind.STATUS
        return AuditReport(kind, message.checks, message_facts(message.decoded))
    return AuditReport(FileKind.SIGNED_XML, judge_signed_xml(document, subject, validator, time.at))


def _unreadable(kind: FileKind, subject: str, reason: str) -> AuditReport:
    remedy = "this is no file of the exchange, or it was damaged: get it again"
    return AuditReport(kind, (Check(CheckName.FORMAT, subject, Outcome.BAD, reason, remedy),))


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
