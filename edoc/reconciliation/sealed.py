"""What the archive holds under a seal: messages of agencies and statements of the exchange, read and judged.

Messages are read under limits that no setting lowers. Large ones are read in pieces, and their files decoded once.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from lxml import etree

from edoc.acceptance.errors import RefusedError, VerificationUnavailableError
from edoc.acceptance.verification import check_seal
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
from signing.errors import XmlError
from signing.parts import ElementPart
from signing.report import ValidationReport, report_as_json
from signing.xades.verifier import SignaturePresence, classify, verify
from signing.xml import ByteSource, MemorySource, ParsedXml, parse

IN_MEMORY_BYTES: Final = 2 << 20
"""Messages up to this size are read at once."""
_REMEMBERED: Final = 32
"""Statements read last. One of a thousand recipients takes a third of a megabyte."""
_UNREADABLE: Final = (ObjectNotFoundError, ObjectCorruptError)
_JUDGED_ALIKE: Final = (
    "indication",
    "validated_at",
    "signature_id",
    "signature_algorithm",
    "signing_time",
    "claimed_roles",
    "covered",
)
"""Of a validation report, what does not hang on the day on which it is made."""


IsExchangeSeal = Callable[[x509.Certificate, datetime], bool]
"""Whether a certificate, found good, was a seal of the exchange at that time; the present one always is."""


def has_exchange_role_at(certificate: x509.Certificate, at: datetime) -> bool:
    """Whether the certificate itself says so, where no trust list tells."""
    del at
    return has_exchange_role(certificate)


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

    def __init__(self, exchange: Exchange, is_exchange_seal: IsExchangeSeal) -> None:
        self._exchange, self._is_exchange_seal = exchange, is_exchange_seal
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

    def judged_evidence(self, row: Mapping[str, Any]) -> tuple[Evidence, str | None]:
        """The statement of an evidence row, and what is wrong with its seal.

        Raises:
            UnreadError, ForeignError: there is none.
        """
        statement = _read(self._body(row))
        self._remember(row["sha256"], statement.evidence)
        return statement.evidence, self._seal_problem(statement)

    def is_own_evidence(self, body: bytes) -> bool:
        """Whether bytes are a statement under the exchange's seal."""
        try:
            return self._seal_problem(_read(body)) is None
        except ForeignError:
            return False

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

    def seal_problems(self, sealed: SealedMessage, sender: Agency | None, row: Mapping[str, Any]) -> list[str]:
        """What is wrong with the seals of an agency's message, and with the reports on them in its message row."""
        if sender is None:
            return []
        received_at: datetime = row["received_at"]
        try:
            reports = check_seal(
                sealed.document, sealed.decoded, [sender], self.directory, self._validator, received_at
            )
        except RefusedError as error:
            return [f"the seal does not hold ({error.violations[0].code})"]
        except VerificationUnavailableError:
            return []
        return [] if _same_reports(reports, row["validation"]) else ["validation: not as the seals are"]

    def sealed_by_exchange(self, sealed: SealedMessage, at: datetime) -> bool:
        """Whether a message is under the exchange's own seal, as its reports of arrivals are."""
        present = [each for each in sealed.decoded.signatures if classify(each) is SignaturePresence.PRESENT]
        reports = [
            verify(sealed.document, each, sealed.decoded.parts, validator=self._validator, at=at) for each in present
        ]
        return any(report.passed and self._is_exchange(report.signer, at) for report in reports)

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

    def _seal_problem(self, statement: _Statement) -> str | None:
        at = statement.evidence.event_time
        report = verify(statement.document, statement.signature, [statement.part], validator=self._validator, at=at)
        if not report.passed:
            return f"the seal does not hold ({report.findings[0].rule})"
        return None if self._is_exchange(report.signer, at) else "the seal is not the exchange's"

    def _remember(self, sha256: str, evidence: Evidence) -> None:
        self._remembered[sha256] = evidence
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def _is_exchange(self, signer: x509.Certificate | None, at: datetime) -> bool:
        if signer is None:
            return False
        return signer == self._exchange.issuer.key.certificate or self._is_exchange_seal(signer, at)


def _read(body: bytes) -> _Statement:
    try:
        document = parse_evidence(body)
        evidence, part, signature = read_evidence(document)
    except EvidenceFormatError as error:
        raise ForeignError("what the archive holds is no evidence") from error
    return _Statement(evidence, document, part, signature)


def _same_reports(reports: Sequence[ValidationReport], text: str) -> bool:
    """Whether the reports in a row say of the seals what they are found to be."""
    try:
        told = [_core(each) for each in json.loads(text)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return told == [_core(report_as_json(each)) for each in reports]


def _core(report: Mapping[str, Any]) -> list[object]:
    return [*(report[name] for name in _JUDGED_ALIKE), report["signer"]["sha256"]]
