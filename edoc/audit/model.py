"""What an audit finds, as frozen values; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cryptography import x509

from edoc.audit.agencies import NO_ALIASES, AgencyCodes
from keys.certificates import CertificateRole, role_of
from keys.revocation import RevocationData
from keys.trust import PathValidator, TrustAnchors
from signing.report import ValidationReport
from signing.trust_list import Listed, TrustedAs, TrustList


class FileKind(Enum):
    """What a file was taken for."""

    EXPORT = "export"
    DOCUMENT = "document"
    STATUS = "status"
    EVIDENCE = "evidence"
    SIGNED_XML = "signed_xml"
    UNKNOWN = "unknown"


class Outcome(Enum):
    """How a check, and the whole audit, ended."""

    GOOD = "good"
    BAD = "bad"
    INDETERMINATE = "indeterminate"
    """It cannot be told now: never the same as good."""
    NOTE = "note"
    """Nothing to judge, but the reader should know."""


class CheckName(Enum):
    """The checks of an audit."""

    FORMAT = "format"
    """The file is what it claims to be, within the limits."""
    PRESENCE = "presence"
    """A file that a seal of the container names is in it; told only of one that is not."""
    FILE_NAME = "file_name"
    """A file of an export bears the name that its content gives; told only of one that does not."""
    CONTAINER_SEAL = "container_seal"
    """The exchange's seal over all files of the export."""
    MESSAGE_SEAL = "message_seal"
    """The sending agency's seal on the message."""
    MESSAGE_SENDER = "message_sender"
    """The seal is that of the agency named in From, or the exchange's where it may report in the agency's name."""
    ATTACHMENT = "attachment"
    """An exported file is the one inside the sealed message."""
    EVIDENCE_SEAL = "evidence_seal"
    """The exchange's seal on a piece of evidence."""
    EVIDENCE_LINK = "evidence_link"
    """A piece of evidence names the digest of what it is about, and of the evidence before it."""
    EVIDENCE_MESSAGE = "evidence_message"
    """What evidence states of a message besides its digest is what the message is: its size, its DocumentId."""
    EVIDENCE_SENDER = "evidence_sender"
    """The sender that evidence names is the one that the sealed message names."""
    EVIDENCE_RECIPIENTS = "evidence_recipients"
    """The recipients that evidence names are those that the sealed message names."""
    EVIDENCE_TIME = "evidence_time"
    """No event is dated after the audit, or before what it follows on."""
    STATUS_SEAL = "status_seal"
    """The seal on a status message."""
    STATUS_LINK = "status_link"
    """A status message is about this document."""
    COMPLETENESS = "completeness"
    """Nothing that an export must have is missing, and nothing else is in it."""
    OMISSION = "omission"
    """What an export cannot show: what its maker left out."""
    EXCHANGE_IDENTITY = "exchange_identity"
    """Who says which seals are the exchange's; told only where no trust list does."""
    TIME = "time"
    """For which time the verdict holds, and who says so."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    name: CheckName
    subject: str
    """The file, or the part of it."""
    outcome: Outcome
    reason: str
    """What was found, in plain words."""
    remedy: str | None = None
    """What the reader can do; None where all is well."""
    report: ValidationReport | None = None
    rule: str | None = None
    """Stable dotted name of what was found, where a check ends alike for several reasons; a seal's is in its report."""


@dataclass(frozen=True)
class Fact:
    """Something the file states under a seal that held, for the reader's eyes.

    What it states under a seal that did not hold is proven by nothing, and is no fact.
    """

    name: str
    value: str


@dataclass(frozen=True)
class AuditReport:
    """What an audit found."""

    kind: FileKind
    checks: tuple[Check, ...]
    facts: tuple[Fact, ...] = ()

    @property
    def verdict(self) -> Outcome:
        """BAD if any check is, else INDETERMINATE if any is, or if nothing was judged; else GOOD."""
        outcomes = {check.outcome for check in self.checks}
        if Outcome.BAD in outcomes:
            return Outcome.BAD
        if Outcome.INDETERMINATE in outcomes or Outcome.GOOD not in outcomes:
            return Outcome.INDETERMINATE
        return Outcome.GOOD


def has_exchange_role(certificate: x509.Certificate) -> bool:
    """Whether the authority issued the certificate as an exchange's seal."""
    return role_of(certificate) is CertificateRole.EXCHANGE_SEAL


def bound_to_none(certificate: x509.Certificate, at: datetime) -> str | None:
    """Nobody told the reader whose a certificate is that names no agency."""
    del certificate, at
    return None


@dataclass(frozen=True)
class AuditTrust:
    """What the reader believes; nothing in an audited file adds to the anchors or to who the exchange is."""

    anchors: TrustAnchors
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    trust_list: TrustList | None = None
    """Names the exchange's seals and the times for which they are its seals; without one the certificates say it."""
    is_exchange_role: Callable[[x509.Certificate], bool] = field(default=has_exchange_role)
    aliases: Mapping[str, str] = field(default_factory=lambda: NO_ALIASES)
    """The reader's own list of agencies: any code, normalized, to the agency's own code, normalized; see
    :mod:`edoc.audit.agencies`."""
    bound_to: Callable[[x509.Certificate, datetime], str | None] = field(default=bound_to_none)
    """The code of the agency to which the reader itself bound a certificate at that time; asked of those alone that
    name no agency."""

    @property
    def codes(self) -> AgencyCodes:
        """What the reader knows of agencies' codes."""
        return AgencyCodes(self.aliases)

    def validator(
        self,
        crls: tuple[x509.CertificateRevocationList, ...] = (),
        intermediates: tuple[x509.Certificate, ...] = (),
    ) -> PathValidator:
        """A validator that also knows the CRLs and certificates of a file: each counts only under its own signature."""
        return PathValidator(
            self.anchors,
            RevocationData((*self.crls, *crls)),
            intermediates=(*self.intermediates, *intermediates),
        )

    def exchange_seal(self, certificate: x509.Certificate, at: datetime) -> Listed:
        """Whether a certificate, found good, was a seal of the exchange at that time.

        Where there is a trust list, it alone decides: what a certificate says of itself counts for nothing then.
        """
        if self.trust_list is not None:
            return self.trust_list.listed(certificate, TrustedAs.EXCHANGE_SEAL, at)
        return Listed.HOLDS if self.is_exchange_role(certificate) else Listed.NEVER


@dataclass(frozen=True)
class AuditTime:
    """The time of interest of an audit."""

    at: datetime
    given: bool
    """Whether the reader named it; else it is now."""
