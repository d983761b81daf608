"""What the exchange's evidence states, held against what the sealed messages and the other evidence say.

Whoever has the exchange's key can seal any statement, so that a good seal and a chain without gaps are not enough:
the agencies' own seals say who wrote to whom, and evidence that tells something else is not believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edoc.audit.agencies import AgencyCodes, Likeness
from edoc.audit.carried import GET_AGAIN
from edoc.audit.model import Check, CheckName, Outcome
from edoc.audit.singles import unconfirmed
from edoc.delivery.states import TAKE_BACK
from edoc.envelope.model import DocumentMessage, StatusMessage
from edoc.evidence.model import Evidence, EvidenceType, MessageKind
from edoc.vietnam import vietnam_date
from signing.asice import Member
from signing.xades.verifier import CLOCK_TOLERANCE


@dataclass(frozen=True)
class ReadEvidence:
    """One piece of evidence of an export."""

    member: Member
    evidence: Evidence
    sha256: str
    proven: bool
    """Whether the exchange's seal on it held and it is not dated after the audit; else it says nothing of anything."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.member.name


@dataclass(frozen=True)
class Parties:
    """Between whom the document goes, as the exchange's acceptance and consignment state it."""

    sender: str | None
    """None where no acceptance is proven."""
    recipients: frozenset[str] | None
    """None where no consignment is proven."""
    codes: AgencyCodes
    """What the reader knows of agencies: both are told by their own codes."""

    @classmethod
    def of(cls, evidence: Iterable[ReadEvidence], acceptance: ReadEvidence | None, codes: AgencyCodes) -> Parties:
        """Those of the pieces whose seals held."""
        consigned = [each for each in evidence if each.evidence.type is EvidenceType.CONTENT_CONSIGNMENT]
        recipients = frozenset(code for each in consigned for code in recipient_codes(each.evidence, codes))
        proven = bool(consigned) and all(each.proven for each in consigned)
        sender = codes.own_code(acceptance.evidence.sender.code) if acceptance and acceptance.proven else None
        return cls(sender, recipients if proven else None, codes)

    def delivery(self, evidence: Evidence) -> frozenset[str]:
        """The recipient to whose delivery a handover or a status belongs."""
        reporter = self.codes.own_code(evidence.sender.code)
        if evidence.message_kind is MessageKind.STATUS and reporter != self.sender:
            return frozenset({reporter})
        return recipient_codes(evidence, self.codes)


def recipient_codes(evidence: Evidence, codes: AgencyCodes) -> frozenset[str]:
    """The recipients that evidence names, each agency once as far as the reader knows: by its own code."""
    return frozenset(codes.own_code(party.code) for party in evidence.recipients)


def compare_senders(subject: str, what: str, said: str, stated: str, codes: AgencyCodes) -> Check:
    """The sender that a sealed message (``what``: letter or status) names, and the one that the exchange states."""
    name, likeness = CheckName.EVIDENCE_SENDER, codes.compare(said, stated)
    if likeness is Likeness.ONE:
        return Check(name, subject, Outcome.GOOD, f"its sender {stated} is the one that the sealed message names")
    if likeness is Likeness.UNKNOWN:
        reason = f"the {what} says it is from {said}; only the exchange says that {said} is {stated}"
        return unconfirmed(name, subject, reason, codes.unknown((said, stated)))
    return _bad(name, subject, f"it names the sender {stated}, the sealed message {said}, which is another agency")


def compare_recipients(subject: str, said: Sequence[str], stated: Sequence[str], codes: AgencyCodes) -> Check:
    """The recipients that a sealed message names, and those that the exchange states."""
    name, matching = CheckName.EVIDENCE_RECIPIENTS, codes.match(said, stated)
    if matching.likeness is Likeness.ONE:
        return Check(name, subject, Outcome.GOOD, "its recipients are those that the sealed message names")
    named, told = _listed(matching.only_named), _listed(matching.only_stated)
    if matching.likeness is Likeness.UNKNOWN:
        whom = told or "one of the others"
        reason = f"the message is addressed to {named}; only the exchange says that this is {whom}"
        undecided = (*matching.only_named, *(matching.only_stated or stated))
        return unconfirmed(name, subject, reason, codes.unknown(undecided))
    reasons = [f"it leaves out {named}, to whom the sealed message is addressed"] if named else []
    reasons += [f"it names {told}, to whom the sealed message is not addressed"] if told else []
    return _bad(name, subject, "; ".join(reasons))


def check_letter(acceptance: ReadEvidence, letter: DocumentMessage, codes: AgencyCodes) -> Iterator[Check]:
    """The acceptance of a document, and the sealed letter that it is about."""
    evidence, subject = acceptance.evidence, acceptance.name
    yield _either(
        CheckName.EVIDENCE_MESSAGE,
        subject,
        evidence.document_id == letter.document_id,
        "it names the DocumentId of the letter",
        f"it is about {evidence.document_id}, the sealed letter is {letter.document_id}",
    )
    yield compare_senders(subject, "letter", letter.sender.organ_id, evidence.sender.code, codes)
    said = [each.organ_id for each in letter.recipients]
    yield compare_recipients(subject, said, [each.code for each in evidence.recipients], codes)
    dated = letter.promulgation_date
    yield _either(
        CheckName.EVIDENCE_TIME,
        subject,
        vietnam_date(evidence.event_time + CLOCK_TOLERANCE) >= dated,
        f"the letter bears the date {dated.isoformat()}, no later one",
        f"it is dated {evidence.event_time.isoformat()}, the letter itself only {dated.isoformat()}",
    )


def check_size(each: ReadEvidence, about: Member) -> Check:
    """The size that evidence states of the message whose digest it names."""
    return _either(
        CheckName.EVIDENCE_MESSAGE,
        each.name,
        each.evidence.message_size == about.size,
        f"it states the size of {about.name}",
        f"it states that the message has {each.evidence.message_size} bytes; {about.name}, whose digest it names, has"
        f" {about.size}",
    )


def check_delivery(each: ReadEvidence, parties: Parties) -> Iterator[Check]:
    """A consignment or handover is the accepted sender's, and a handover is to one of those consigned to."""
    evidence, subject = each.evidence, each.name
    if parties.sender is not None:
        yield _either(
            CheckName.EVIDENCE_SENDER,
            subject,
            parties.codes.own_code(evidence.sender.code) == parties.sender,
            "its sender is that of the acceptance",
            f"it names the sender {evidence.sender.code}, the acceptance {parties.sender}",
        )
    if parties.recipients is not None and evidence.type is EvidenceType.CONTENT_HANDOVER:
        codes = recipient_codes(evidence, parties.codes)
        yield _either(
            CheckName.EVIDENCE_RECIPIENTS,
            subject,
            len(codes) == 1 and codes <= parties.recipients,
            "it is about one to whom the document was consigned",
            f"it is about {_listed(sorted(codes)) or 'nobody'}, not about one to whom the document was consigned",
        )


def check_status(each: ReadEvidence, status: StatusMessage, parties: Parties) -> Iterator[Check]:
    """The acceptance of a status: its parties are those of the sealed status, and of the document's delivery."""
    evidence, subject, codes = each.evidence, each.name, parties.codes
    yield compare_senders(subject, "status", status.sender.organ_id, evidence.sender.code, codes)
    addressee = status.response_for.organ_id
    if addressee is not None:
        yield compare_recipients(subject, [addressee], [party.code for party in evidence.recipients], codes)
    if parties.sender is None or parties.recipients is None:
        return
    reporter, addressed = frozenset({codes.own_code(evidence.sender.code)}), recipient_codes(evidence, codes)
    is_senders = status.status_code == TAKE_BACK
    sender, recipient = (reporter, addressed) if is_senders else (addressed, reporter)
    yield _either(
        CheckName.EVIDENCE_RECIPIENTS,
        subject,
        sender == {parties.sender} and len(recipient) == 1 and recipient <= parties.recipients,
        "it is between the sender and one to whom the document was consigned",
        f"a status {status.status_code} from {_listed(sorted(reporter))} to {_listed(sorted(addressed)) or 'nobody'} is"
        " not between the sender and one to whom the document was consigned",
    )


def check_order(each: ReadEvidence, before: ReadEvidence) -> Check:
    """A piece is not dated before the one that it follows on."""
    then, now = before.evidence.event_time, each.evidence.event_time
    return _either(
        CheckName.EVIDENCE_TIME,
        each.name,
        now >= then - CLOCK_TOLERANCE,
        f"it is dated no earlier than {before.name}, on which it follows",
        f"it is dated {now.isoformat()}, although it follows on {before.name} of {then.isoformat()}",
    )


def find_doubles(evidence: Iterable[ReadEvidence], codes: AgencyCodes) -> Iterator[Check]:
    """What the exchange states twice: a handover to one recipient, or the acceptance of one message."""
    seen: dict[object, str] = {}
    for each in evidence:
        kind = each.evidence.type
        if kind is EvidenceType.CONTENT_CONSIGNMENT:
            continue  # the consignments are counted by themselves
        about = recipient_codes(each.evidence, codes) if kind is EvidenceType.CONTENT_HANDOVER else frozenset()
        first = seen.setdefault((kind, each.evidence.message_sha256, about), each.name)
        if first != each.name:
            yield _bad(CheckName.EVIDENCE_LINK, each.name, f"it states once more what {first} states already")


def may_follow(evidence: Evidence, before: Evidence, parties: Parties) -> bool:
    """Whether the types fit the chain, and both are about one document and, once it has gone out, one delivery."""
    if evidence.document_id != before.document_id:
        return False
    if evidence.message_kind is MessageKind.STATUS:
        if evidence.type is not EvidenceType.SUBMISSION_ACCEPTANCE:
            return False
        if before.type is EvidenceType.CONTENT_CONSIGNMENT:
            return True
        is_acceptance = before.type is EvidenceType.SUBMISSION_ACCEPTANCE and before.message_kind is MessageKind.STATUS
        is_of_delivery = is_acceptance or before.type is EvidenceType.CONTENT_HANDOVER
        return is_of_delivery and parties.delivery(evidence) == parties.delivery(before)
    if evidence.type is EvidenceType.CONTENT_CONSIGNMENT:
        return before.type is EvidenceType.SUBMISSION_ACCEPTANCE and before.message_kind is MessageKind.DOCUMENT
    return evidence.type is EvidenceType.CONTENT_HANDOVER and before.type is EvidenceType.CONTENT_CONSIGNMENT


def _either(name: CheckName, subject: str, holds: object, reason: str, wrong: str) -> Check:
    return Check(name, subject, Outcome.GOOD, reason) if holds else _bad(name, subject, wrong)


def _bad(name: CheckName, subject: str, reason: str) -> Check:
    return Check(name, subject, Outcome.BAD, reason, GET_AGAIN)


def _listed(codes: Sequence[str]) -> str:
    return ", ".join(codes)
