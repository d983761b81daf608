"""What the archive holds under a seal: messages of agencies and statements of the exchange, read and judged.

Messages are read under limits that no setting lowers. Large ones are read in pieces, and their files decoded once.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from lxml import etree

from edoc.audit.model import has_exchange_role
from edoc.directory.errors import DirectoryError
from edoc.directory.model import Agency, Directory
from edoc.documents.content import ArchivedSource
from edoc.envelope.codec import DecodedMessage, decode
from edoc.envelope.limits import limits_of_archived
from edoc.errors import MessageError, ObjectCorruptError, ObjectNotFoundError
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.errors import EvidenceFormatError
from edoc.evidence.model import Evidence
from edoc.evidence.rows import MAX_EVIDENCE_BYTES
from edoc.exchange import Exchange
from edoc.reconciliation.model import SealProblem, Theme
from keys.certificates import fingerprint
from signing.errors import XmlError
from signing.parts import ElementPart
from signing.report import Indication, ValidationReport, report_as_json
from signing.trust_list import Listed, TrustedAs, TrustList
from signing.xades.verifier import ANCHOR_EXPIRED, ON_HOLD, SignaturePresence, classify, verify, verify_all
from signing.xml import ByteSource, MemorySource, ParsedXml, parse

IN_MEMORY_BYTES: Final = 2 << 20
"""Messages up to this size are read at once."""
_REMEMBERED: Final = 32
"""Statements read last. One of a thousand recipients takes a third of a megabyte."""
_UNREADABLE: Final = (ObjectNotFoundError, ObjectCorruptError)
_JUDGED_ALIKE: Final = (
    "validated_at",
    "signature_id",
    "signature_algorithm",
    "signing_time",
    "claimed_roles",
    "signer",
)
"""Of a validation report, what does not hang on the day on which it is made, nor on what is trusted then."""
_HANGS_ON_TRUST: Final = frozenset(
    {
        "path.not_found",
        "path.revocation_unknown",
        "path.authority_validity",
        "path.revoked",
        "path.authority_revoked",
        "path.was_on_hold",
        ON_HOLD,
        ANCHOR_EXPIRED,
    }
)
"""The rules of signatures that may have been good by the anchors and CRLs of their day. Those whose value is wrong have
another (``signing.xades.verifier``)."""


@dataclass(frozen=True)
class ExchangeSeals:
    """Which seals, beside the present one, are the exchange's."""

    kept: frozenset[x509.Certificate] = frozenset()
    """Those that it had before, of which it kept the certificates itself."""
    trust_list: TrustList | None = None
    """Names more of them; without one, a certificate that was issued as an exchange's seal is believed to be one."""

    def names(self, certificate: x509.Certificate, at: datetime) -> bool:
        """Whether somebody else than the certificate says so; holds of one without a path as well."""
        if certificate in self.kept:
            return True
        trust_list = self.trust_list
        return trust_list is not None and (
            trust_list.listed(certificate, TrustedAs.EXCHANGE_SEAL, at) is not Listed.NEVER
        )

    def knows(self, certificate: x509.Certificate, at: datetime) -> bool:
        """Whether a certificate that was found good is one of them."""
        return self.names(certificate, at) or (self.trust_list is None and has_exchange_role(certificate))


NOTHING_KEPT: Final = ExchangeSeals()


class UnreadError(Exception):
    """The archive does not have an object whole, which is told elsewhere."""


class ForeignError(Exception):
    """The archive has the object whole, and it is not what its row takes it for."""


@dataclass(frozen=True)
class SealedMessage:
    """A message of the archive."""

    sha256: str
    size: int
    document: ParsedXml
    decoded: DecodedMessage


@dataclass(frozen=True)
class _Statement:
    """A statement with its seal."""

    evidence: Evidence
    document: ParsedXml
    part: ElementPart
    signature: etree._Element


class SealedArchive:
    """Reads what is sealed. Not to be shared between threads."""

    def __init__(self, exchange: Exchange, seals: ExchangeSeals) -> None:
        self._exchange, self._seals = exchange, seals
        self._validator = exchange.validator().without_revocation()
        self._remembered: OrderedDict[str, Evidence] = OrderedDict()

    @property
    def directory(self) -> Directory:
        """The present directory."""
        return self._exchange.directory.current()

    def agency(self, code: str | None) -> Agency | None:
        """The agency of a code or alias, whenever it was valid; None where there is none."""
        try:
            return None if code is None else self.directory.find(code)
        except DirectoryError:
            return None

    def agency_id(self, code: str | None) -> int | None:
        """The identifier of the same."""
        agency = self.agency(code)
        return None if agency is None else agency.id

    def evidence(self, row: Mapping[str, Any]) -> Evidence:
        """The statement of an evidence row.

        Raises:
            UnreadError, ForeignError: there is none.
        """
        known = self._remembered.get(row["sha256"])
        if known is not None:
            self._remembered.move_to_end(row["sha256"])
            return known
        evidence = _read(self._body(row)).evidence
        self._remember(row["sha256"], evidence)
        return evidence

    def judged_evidence(self, row: Mapping[str, Any]) -> tuple[Evidence, SealProblem | None]:
        """The statement of an evidence row, and what is wrong with its seal.

        Raises:
            UnreadError, ForeignError: there is none.
        """
        statement = _read(self._body(row))
        self._remember(row["sha256"], statement.evidence)
        return statement.evidence, self._statement_problem(statement)

    def is_own_evidence(self, body: bytes) -> bool:
        """Whether bytes are a statement under the exchange's seal; not, where nothing tells whose the seal is."""
        try:
            problem = self._statement_problem(_read(body))
        except ForeignError:
            return False
        return problem is None or problem.doubt is Theme.UNJUDGED_SEALS

    def message(self, sha256: str) -> SealedMessage:
        """A message, decoded.

        Raises:
            UnreadError, ForeignError: there is none.
        """
        stat = self._exchange.store.stat(sha256)
        if stat is None:
            raise UnreadError
        limits = limits_of_archived()
        try:
            document = parse(self._source(sha256, stat.size), limits.xml)
            return SealedMessage(sha256, stat.size, document, decode(document, limits))
        except _UNREADABLE as error:
            raise UnreadError from error
        except (XmlError, MessageError) as error:
            raise ForeignError("what the archive holds is no message") from error

    def seal_problems(self, sealed: SealedMessage, sender: Agency | None, row: Mapping[str, Any]) -> list[SealProblem]:
        """What is wrong with the seals of an agency's message, and with the reports on them in its message row.

        A binding of the sender counts for all times: whoever ended it since may have ended it at a time before.
        """
        if sender is None:
            return []
        reports = self._reports(sealed, row["received_at"])
        failed = [_rule(report) for report in reports if not report.passed]
        wrong = [rule for rule in failed if rule not in _HANGS_ON_TRUST]
        if not reports:
            return [SealProblem("the seal does not hold (N.Signature)")]
        if wrong:
            return [SealProblem(f"the seal does not hold (M.Signature.{wrong[0]})")]
        if not any(self._bound_to(report.signer) == sender.id for report in reports):
            return [SealProblem("the seal does not hold (M.Signature.signer)")]
        problems = [_unjudged(failed[0])] if failed else []
        if not _same_reports(reports, row["validation"]):
            problems.append(SealProblem("validation: not as the seals are"))
        return problems

    def own_seal_problem(self, sealed: SealedMessage, at: datetime) -> SealProblem | None:
        """Why a message is not under the exchange's own seal, as its reports of arrivals are; None where it is."""
        problems = [self._own_problem(report, at) for report in self._reports(sealed, at)]
        if None in problems:
            return None
        found = [each for each in problems if each is not None]
        return next((each for each in found if each.doubt), found[0] if found else SealProblem("it has no seal"))

    def _reports(self, sealed: SealedMessage, at: datetime) -> tuple[ValidationReport, ...]:
        present = [each for each in sealed.decoded.signatures if classify(each) is SignaturePresence.PRESENT]
        return verify_all(sealed.document, present, sealed.decoded.parts, validator=self._validator, at=at)

    def _bound_to(self, signer: x509.Certificate | None) -> int | None:
        """The agency to which a certificate is or was bound."""
        binding = None if signer is None else self.directory.bindings.get(fingerprint(signer))
        return None if binding is None else binding.agency_id

    def _source(self, sha256: str, size: int) -> ByteSource:
        if size > IN_MEMORY_BYTES:
            return ArchivedSource(self._exchange, sha256, size)
        return MemorySource(self._exchange.store.read(sha256, IN_MEMORY_BYTES))

    def _body(self, row: Mapping[str, Any]) -> bytes:
        body: bytes | None = row["body"]
        if body is not None:
            if hashlib.sha256(body).hexdigest() != row["sha256"]:
                raise ForeignError("its body does not have the digest of its row")
            return body
        try:
            return self._exchange.store.read(row["sha256"], MAX_EVIDENCE_BYTES)
        except _UNREADABLE as error:
            if row["archived_at"] is None:
                raise ForeignError("its body is neither in the row nor in the archive") from error
            raise UnreadError from error

    def _statement_problem(self, statement: _Statement) -> SealProblem | None:
        at = statement.evidence.event_time
        report = verify(statement.document, statement.signature, [statement.part], validator=self._validator, at=at)
        return self._own_problem(report, at)

    def _own_problem(self, report: ValidationReport, at: datetime) -> SealProblem | None:
        """Why a seal is not the exchange's; None where it is.

        Without a path a certificate says nothing of itself: of such, only those are not wrong that somebody else names.
        """
        signer = report.signer
        if signer is None:
            return SealProblem(f"the seal does not hold ({_rule(report)})")
        is_present = signer == self._exchange.issuer.key.certificate
        if not report.passed:
            if _rule(report) in _HANGS_ON_TRUST and (is_present or self._seals.names(signer, at)):
                return _unjudged(_rule(report))
            return SealProblem(f"the seal does not hold ({_rule(report)})")
        if is_present or self._seals.knows(signer, at):
            return None
        if self._bound_to(signer) is not None:
            return SealProblem("the seal is not the exchange's")
        return SealProblem(f"nothing tells whose the seal is (certificate {fingerprint(signer)})", Theme.UNKNOWN_SEALS)

    def _remember(self, sha256: str, evidence: Evidence) -> None:
        self._remembered[sha256] = evidence
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)


def _read(body: bytes) -> _Statement:
    try:
        document = parse_evidence(body)
        evidence, part, signature = read_evidence(document)
    except EvidenceFormatError as error:
        raise ForeignError("what the archive holds is no evidence") from error
    return _Statement(evidence, document, part, signature)


def _rule(report: ValidationReport) -> str:
    return report.findings[0].rule


def _unjudged(rule: str) -> SealProblem:
    return SealProblem(f"the seal's value is right, its certificate cannot be judged ({rule})", Theme.UNJUDGED_SEALS)


def _same_reports(reports: Sequence[ValidationReport], text: str) -> bool:
    """Whether the reports in a row say of the seals what they are found to be: that they passed, which the acceptance
    proves, and all else but the authorities on the path, which hang on what was trusted then.
    """
    try:
        told = json.loads(text)
        return len(told) == len(reports) and all(_is_same(*each) for each in zip(told, reports, strict=True))
    except (ValueError, TypeError, LookupError, AttributeError):
        return False


def _is_same(told: Mapping[str, Any], report: ValidationReport) -> bool:
    found = report_as_json(report)
    names = (*_JUDGED_ALIKE, "covered") if report.passed else _JUDGED_ALIKE
    has_passed = [told["indication"], told["sub_indication"], told["findings"]] == [
        Indication.TOTAL_PASSED.value,
        None,
        [],
    ]
    return has_passed and told["path"][0] == told["signer"] and all(told[name] == found[name] for name in names)
