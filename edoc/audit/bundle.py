"""Judging an export: every seal in it, every link of the chain, and that nothing is missing.

    author's seal <- SubmissionAcceptance <- ContentConsignment <- ContentHandover, statuses <- their acceptances

What evidence states is held against the sealed letter and statuses in :mod:`edoc.audit.statements`.
All is read from the container alone; its certificates and CRLs help to build paths, but only the reader's own
anchors are believed. Seals are judged at the time that the exchange's evidence states for them, and the report says
so: that time is as good as the exchange's word until a time-stamp says it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import unquote

from lxml import etree

from edoc.audit.carried import GET_AGAIN, carried_certificates, carried_crls
from edoc.audit.model import AuditReport, AuditTime, AuditTrust, Check, CheckName, Fact, FileKind, Outcome
from edoc.audit.singles import (
    JudgedMessage,
    check_exchange_seal,
    judge_evidence,
    judge_message,
)
from edoc.audit.statements import (
    Parties,
    ReadEvidence,
    check_delivery,
    check_letter,
    check_order,
    check_size,
    check_status,
    find_doubles,
    may_follow,
    recipient_codes,
)
from edoc.directory.model import normalized_code
from edoc.envelope.limits import MessageLimits
from edoc.envelope.model import DocumentMessage, StatusMessage
from edoc.evidence.codec import parse_evidence
from edoc.evidence.errors import EvidenceFormatError
from edoc.evidence.model import EvidenceType, MessageKind, Party
from edoc.export import layout
from keys.store import DigestAlgorithm
from keys.trust import PathValidator
from signing.asice import Container, Member, check_name
from signing.errors import ContainerError, XmlError
from signing.namespaces import DS
from signing.xades.verifier import verify
from signing.xml import parse

Progress = Callable[[str], None]
"""Told of each file before it is judged."""

MAX_SMALL_BYTES = 1 << 20

_GET_WHOLE = "get the export again from the exchange; an export in which a file is missing proves nothing of that file"
_REFERENCES = f"{{{DS}}}SignedInfo/{{{DS}}}Reference"
_ACCEPTANCE_ITSELF = frozenset({CheckName.EVIDENCE_MESSAGE, CheckName.EVIDENCE_SENDER})
"""Where one of these is in doubt, it is in doubt whether the acceptance is that of the letter."""
_NUMBERED = re.compile(r"[a-z]+/([0-9]{3,9})-")
_AS_EXPORTED = (
    "the export is as the exchange made it: whether it left out the last handovers or statuses shows only to those who"
    " hold the receipts for them"
)
_MOST_NAMED = 3
"""Missing files that the seal's finding names; each has a finding of its own."""
_MOST_BAD_STATUSES = 20
"""An export with one is bad already, and each may take half a second of its reader: thousands of them, packed, are few
bytes."""
_NOT_LOOKED_AT = f"it was not looked at, as {_MOST_BAD_STATUSES} others are bad already"
_OUTSIDE_RULE = "reference.external_uri"
"""What the verifier calls a reference to a file that is not in the container."""


@dataclass
class _Findings:
    """What has been found so far."""

    checks: list[Check] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def add(self, name: CheckName, subject: str, holds: object, reason: str, wrong: str) -> None:
        """Add a check that either holds or does not, with the words for both."""
        if holds:
            self.checks.append(Check(name, subject, Outcome.GOOD, reason))
        else:
            self.checks.append(Check(name, subject, Outcome.BAD, wrong, GET_AGAIN))


class BundleAudit:
    """The audit of one export."""

    def __init__(
        self, container: Container, trust: AuditTrust, time: AuditTime, limits: MessageLimits, progress: Progress
    ) -> None:
        self._container, self._trust, self._time = container, trust, time
        self._limits, self._progress = limits, progress
        self._found = _Findings()
        self._missing: dict[str, Check] = {}
        self._validator: PathValidator = trust.validator()
        self._parties = Parties(None, None, trust.codes)

    def run(self) -> AuditReport:
        """Judge everything; raises nothing for a bad export."""
        self._read_trust()
        self._check_container_seal()
        evidence = list(self._read_evidence())
        acceptance = self._find_acceptance(evidence)
        about = self._about_letter(acceptance)
        letter = self._check_message(about)
        self._parties = Parties.of(evidence, acceptance, self._trust.codes)
        self._check_chain(evidence, acceptance)
        for each in evidence:
            self._check_name(each.name, _evidence_name(each))
        self._check_statements(evidence, about, letter)
        self._check_statuses(evidence, letter)
        self._check_members()
        checks = (*self._missing.values(), *self._found.checks)
        return AuditReport(FileKind.EXPORT, checks, tuple(self._found.facts))

    def _members(self, folder: str) -> list[Member]:
        return [member for member in self._container.members if member.name.startswith(folder)]

    def _read_trust(self) -> None:
        """What helps to build paths."""
        certificates = carried_certificates(self._container.members)
        crls = carried_crls(self._container.members)
        self._found.checks.extend((*certificates.checks, *crls.checks))
        self._validator = self._trust.validator(crls.found, certificates.found)

    def _check_container_seal(self) -> None:
        self._progress("META-INF/signatures.xml")
        try:
            documents = self._container.signature_documents()
        except (ContainerError, XmlError) as error:
            self._found.checks.append(Check(CheckName.CONTAINER_SEAL, "META-INF", Outcome.BAD, str(error), GET_AGAIN))
            return
        parts = self._container.parts()
        for signatures in documents:
            for signature in signatures.signatures:
                missing = self._note_missing(signature, {part.uri for part in parts})
                report = verify(signatures.document, signature, parts, validator=self._validator, at=self._time.at)
                check = check_exchange_seal(CheckName.CONTAINER_SEAL, signatures.name, report, self._trust)
                if missing and report.findings and report.findings[0].rule == _OUTSIDE_RULE:
                    more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
                    names = ", ".join(missing[:_MOST_NAMED]) + more
                    reason = f"the seal is over files that are missing from the container: {names}"
                    check = replace(check, reason=reason, remedy=_GET_WHOLE)
                self._found.checks.append(check)

    def _note_missing(self, signature: etree._Element, there: set[str]) -> list[str]:
        """Tell of each file that the seal names and the container has not; whoever removed it, the reader must know."""
        named = [reference.get("URI", "") for reference in signature.iterfind(_REFERENCES)]
        missing = [unquote(uri) for uri in named if uri not in there and _is_file(unquote(uri))]
        for name in missing:
            reason = "it is missing from the container: the seal names it, but it was removed or never put in"
            self._missing[name] = Check(CheckName.PRESENCE, name, Outcome.BAD, reason, _GET_WHOLE)
        return missing

    def _read_evidence(self) -> Iterator[ReadEvidence]:
        for member in self._members(layout.EVIDENCE):
            self._progress(member.name)
            try:
                document = parse_evidence(_small(member))
            except (EvidenceFormatError, ContainerError) as error:
                self._found.checks.append(Check(CheckName.FORMAT, member.name, Outcome.BAD, str(error), GET_AGAIN))
                continue
            judged = judge_evidence(document, member.name, self._trust, self._validator, None, as_of=self._time.at)
            self._found.checks.extend(judged.checks)
            if judged.evidence is not None:
                yield ReadEvidence(member, judged.evidence, _sha256(member), judged.proven is not None)

    def _find_acceptance(self, evidence: list[ReadEvidence]) -> ReadEvidence | None:
        """The one acceptance of the document itself."""
        found = [
            each
            for each in evidence
            if each.evidence.type is EvidenceType.SUBMISSION_ACCEPTANCE
            and each.evidence.message_kind is MessageKind.DOCUMENT
        ]
        self._found.add(
            CheckName.COMPLETENESS,
            layout.EVIDENCE,
            len(found) == 1,
            "the exchange's SubmissionAcceptance of the document is there",
            f"there are {len(found)} SubmissionAcceptances of the document where there must be one",
        )
        return found[0] if found else None

    def _about_letter(self, acceptance: ReadEvidence | None) -> ReadEvidence | None:
        """The acceptance, where it is proven and names the digest of the letter as it lies in the export."""
        letter = self._letter()
        if acceptance is None or letter is None or not acceptance.proven:
            return None
        return acceptance if acceptance.evidence.message_sha256 == _sha256(letter) else None

    def _letter(self) -> Member | None:
        return next((each for each in self._container.members if each.name == layout.MESSAGE), None)

    def _check_message(self, about: ReadEvidence | None) -> JudgedMessage | None:
        """Judge the letter, at the time of its acceptance where that is proven."""
        self._progress(layout.MESSAGE)
        try:
            member = self._container.member(layout.MESSAGE)
            document = parse(member.source(), self._limits.xml)
        except (ContainerError, XmlError) as error:
            self._found.checks.append(Check(CheckName.FORMAT, layout.MESSAGE, Outcome.BAD, str(error), GET_AGAIN))
            return None
        if about is not None:
            self._note_time(about.evidence.event_time)
        at = about.evidence.event_time if about is not None else self._time.at
        judged = judge_message(document, layout.MESSAGE, self._trust, self._validator, at, self._limits)
        self._found.checks.extend(judged.checks)
        if judged.decoded is None or not isinstance(judged.decoded.message, DocumentMessage):
            self._found.checks.append(
                Check(CheckName.FORMAT, layout.MESSAGE, Outcome.BAD, "it is not a document message", GET_AGAIN)
            )
            return None
        self._check_attachments(judged.decoded.message)
        return judged

    def _note_time(self, at: datetime) -> None:
        self._found.checks.append(
            Check(
                CheckName.TIME,
                layout.MESSAGE,
                Outcome.NOTE,
                f"seals are judged at the time the exchange states for them (accepted {at.isoformat()});"
                " no independent time-stamp confirms it",
            )
        )

    def _check_statements(
        self, evidence: list[ReadEvidence], about: ReadEvidence | None, letter: JudgedMessage | None
    ) -> None:
        """Hold proven evidence against the letter; what the letter says is told only where its sender is undisputed."""
        message = letter.decoded.message if letter is not None and letter.decoded is not None else None
        stated: list[Check] = []
        if about is not None and isinstance(message, DocumentMessage):
            stated.extend(check_letter(about, message, self._trust.codes))
        self._found.checks.extend(stated)
        for each in evidence:
            if each.proven and each.evidence.message_kind is MessageKind.DOCUMENT and each is not about:
                self._found.checks.extend(check_delivery(each, self._parties))
        disputed = {each.name for each in stated if each.outcome is not Outcome.GOOD}
        if about is not None and not self._in_doubt(CheckName.EVIDENCE_TIME) and not disputed & _ACCEPTANCE_ITSELF:
            self._found.facts.append(Fact("accepted_at", about.evidence.event_time.isoformat()))
        if letter is not None and CheckName.EVIDENCE_SENDER not in disputed:
            self._found.facts.extend(letter.facts)

    def _in_doubt(self, name: CheckName) -> bool:
        return any(each.name is name and each.outcome is not Outcome.GOOD for each in self._found.checks)

    def _check_attachments(self, message: DocumentMessage) -> None:
        """Each file is there once, under the one name that the message and the place in it give; nothing else is."""
        exported = {each.name: each for each in self._members(layout.ATTACHMENTS)}
        for position, attachment in enumerate(message.attachments):
            subject = layout.attachment_name(position, attachment.attachment_name)
            member = exported.pop(subject, None)
            self._progress(subject)
            self._found.add(
                CheckName.ATTACHMENT,
                subject,
                member is not None and _sha256(member) == attachment.content.digest().hex(),
                "it is the file inside the sealed message",
                "it is not the file inside the sealed message"
                if member
                else "it is missing from the container: the sealed message has this file, the export has not",
            )
        for name in exported:
            self._found.add(CheckName.ATTACHMENT, name, False, "", "the sealed message has no file of this name there")

    def _check_chain(self, evidence: list[ReadEvidence], acceptance: ReadEvidence | None) -> None:
        """Every piece names a message of this export, and every one but the first names one before it."""
        messages = {_sha256(each): each for each in self._members(layout.STATUS)}
        letter = self._letter()
        if letter is not None:
            messages[_sha256(letter)] = letter
        before = {each.sha256: each for each in evidence}
        for each in evidence:
            self._check_subject(each, messages.get(each.evidence.message_sha256))
            self._check_previous(each, acceptance, before)
        self._found.checks.extend(find_doubles(evidence, self._trust.codes))
        self._check_consignment(evidence, acceptance)

    def _check_subject(self, each: ReadEvidence, about: Member | None) -> None:
        is_status = each.evidence.message_kind is MessageKind.STATUS
        self._found.add(
            CheckName.EVIDENCE_LINK,
            each.name,
            about is not None and about.name.startswith(layout.STATUS) == is_status,
            f"it is about {about.name if about else ''}, whose digest it names",
            f"it is about a message with the digest {each.evidence.message_sha256}, which is not in the export"
            " as it was",
        )
        if about is not None and each.proven:
            self._found.checks.append(check_size(each, about))

    def _check_previous(
        self, each: ReadEvidence, acceptance: ReadEvidence | None, before: dict[str, ReadEvidence]
    ) -> None:
        previous = each.evidence.previous_sha256
        if previous is None:
            self._found.add(
                CheckName.EVIDENCE_LINK,
                each.name,
                each is acceptance,
                "it begins the chain",
                "it names no evidence before it, although it does not begin the chain",
            )
            return
        found = before.get(previous)
        good = found is not None and may_follow(each.evidence, found.evidence, self._parties)
        self._found.add(
            CheckName.EVIDENCE_LINK,
            each.name,
            good,
            f"it follows on {found.name if found else ''}, whose digest it names",
            f"the evidence before it (digest {previous}) is missing, was altered, or cannot stand before it",
        )
        if found is not None:
            self._found.checks.append(check_order(each, found))

    def _check_consignment(self, evidence: list[ReadEvidence], acceptance: ReadEvidence | None) -> None:
        consignments = [each for each in evidence if each.evidence.type is EvidenceType.CONTENT_CONSIGNMENT]
        codes = self._trust.codes
        accepted = recipient_codes(acceptance.evidence, codes) if acceptance else frozenset()
        consigned = {code for each in consignments for code in recipient_codes(each.evidence, codes)}
        self._found.add(
            CheckName.COMPLETENESS,
            layout.EVIDENCE,
            len(consignments) == 1 and accepted == consigned,
            f"the document was consigned to all {len(consigned)} recipients",
            "the recipients of acceptance and consignment are not the same",
        )

    def _check_statuses(self, evidence: list[ReadEvidence], letter: JudgedMessage | None) -> None:
        accepted = {
            each.evidence.message_sha256: each
            for each in evidence
            if each.evidence.type is EvidenceType.SUBMISSION_ACCEPTANCE
        }
        message = letter.decoded.message if letter is not None and letter.decoded is not None else None
        document_id = message.document_id if isinstance(message, DocumentMessage) else None
        seen: dict[str, str] = {}
        bad = 0
        for member in self._members(layout.STATUS):
            if bad >= _MOST_BAD_STATUSES:
                self._found.add(CheckName.FORMAT, member.name, False, "", _NOT_LOOKED_AT)
                continue
            self._progress(member.name)
            digest = _sha256(member)
            first = seen.setdefault(digest, member.name)
            if first != member.name:
                self._found.add(CheckName.STATUS_LINK, member.name, False, "", f"it is {first} once more")
                continue
            before = len(self._found.checks)
            self._check_status(member, accepted.get(digest), document_id)
            bad += any(each.outcome is Outcome.BAD for each in self._found.checks[before:])

    def _check_status(self, member: Member, accepted: ReadEvidence | None, document_id: str | None) -> None:
        if accepted is None:
            self._found.add(CheckName.STATUS_LINK, member.name, False, "", "no evidence says that it was accepted")
        proven = accepted if accepted is not None and accepted.proven else None
        at = proven.evidence.event_time if proven else self._time.at
        try:
            document = parse(_small(member), self._limits.xml)
        except (ContainerError, XmlError) as error:
            self._found.checks.append(Check(CheckName.FORMAT, member.name, Outcome.BAD, str(error), GET_AGAIN))
            return
        judged = judge_message(document, member.name, self._trust, self._validator, at, self._limits)
        self._found.checks.extend(judged.checks)
        status = judged.decoded.message if judged.decoded else None
        is_linked = isinstance(status, StatusMessage) and status.response_for.document_id == document_id is not None
        self._found.add(
            CheckName.STATUS_LINK,
            member.name,
            is_linked,
            "it is about this document",
            "it is not about this document",
        )
        if not isinstance(status, StatusMessage):
            return
        if accepted is not None:
            self._check_name(member.name, _status_name(member.name, status, accepted.evidence.sender))
        stated = tuple(check_status(proven, status, self._parties)) if proven else ()
        self._found.checks.extend(stated)
        if is_linked and judged.facts and all(each.outcome is Outcome.GOOD for each in stated):
            who = proven.evidence.sender.code if proven else normalized_code(status.sender.organ_id)
            by = " (reported by the exchange)" if judged.is_by_exchange else ""
            self._found.facts.append(Fact("status", f"{status.status_code} {who} {status.timestamp.isoformat()}{by}"))

    def _check_name(self, name: str, given: str) -> None:
        """A file bears the name that its content gives with the number that its name tells."""
        if name != given:
            self._found.add(CheckName.FILE_NAME, name, False, "", f"by what is in it, its name would be {given}")

    def _check_members(self) -> None:
        folders = (layout.ATTACHMENTS, layout.EVIDENCE, layout.STATUS, layout.CERTIFICATES, layout.CRLS)
        strangers = [*self._container.strangers] + [
            member.name
            for member in self._container.members
            if member.name not in (layout.MESSAGE, layout.README) and not member.name.startswith(folders)
        ]
        self._found.add(
            CheckName.COMPLETENESS,
            "the container",
            not strangers,
            f"all {len(self._container.members)} files have their place",
            f"files that have no place in an export: {', '.join(strangers)}",
        )
        self._found.checks.append(Check(CheckName.OMISSION, "the container", Outcome.NOTE, _AS_EXPORTED))


def _evidence_name(each: ReadEvidence) -> str:
    """The name that the exchange gives to a piece of evidence."""
    evidence = each.evidence
    party: Party | None = None
    if evidence.type is EvidenceType.CONTENT_HANDOVER:
        party = next(iter(evidence.recipients), None)
    elif evidence.message_kind is MessageKind.STATUS:
        party = evidence.sender
    return layout.evidence_name(_number(each.name), evidence.type.value, party.code if party else None)


def _status_name(name: str, status: StatusMessage, reporter: Party) -> str:
    """The name that the exchange gives to a status, by its own code of the agency."""
    return layout.status_name(_number(name), status.status_code, reporter.code)


def _number(name: str) -> int:
    """The number that the name of a piece of evidence or of a status tells; 0 where it tells none."""
    numbered = _NUMBERED.match(name)
    return int(numbered[1]) if numbered else 0


def _is_file(name: str) -> bool:
    """Whether a reference's URI means a file of a container, and not a part of the signature or some address."""
    try:
        check_name(name)
    except ContainerError:
        return False
    return "#" not in name


def _small(member: Member) -> bytes:
    """The bytes of a file that is read whole: its reader refuses large ones too, but only after they are unpacked."""
    if member.size > MAX_SMALL_BYTES << 2:
        raise ContainerError(f"{member.name} has {member.size} bytes, too many for what it is")
    return member.read()


def _sha256(member: Member) -> str:
    try:
        return member.digest(DigestAlgorithm.SHA256).hex()
    except ContainerError:
        return ""  # damaged bytes have no digest that anything could name; the container's seal tells more
