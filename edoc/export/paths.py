"""The certificates and CRLs by which the seals of a document were found good, for whoever judges them later.

Only what stands on a path is gathered. Whatever else a message carries, in ``KeyInfo`` or in places that no seal
covers, its sender chose: it proves nothing, and is in the message anyway.

Where the CRLs of a past time are gone, nothing tells any more that a seal of that time was good. Its certificates are
gathered all the same, so that a reader who has such CRLs can judge it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from edoc.envelope.codec import decode
from edoc.envelope.limits import limits_of_archived
from edoc.errors import MessageError
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.errors import EvidenceFormatError
from keys.errors import PathError, RevocationUnknownError
from keys.store import SigningKey
from keys.trust import CertificatePath, KeyPurpose, PathValidator
from signing.errors import XmlError
from signing.xades.chains import signer_first
from signing.xades.errors import VerificationError
from signing.xades.structure import ParsedSignature, parse_signature
from signing.xml import ByteSource, parse

_Issued = x509.Certificate | x509.CertificateRevocationList


class Paths:
    """Gathers paths, seal by seal, each certificate and CRL once.

    Of a seal about which the CRLs at hand cannot tell, the path is gathered with those CRLs that tell of a part of it.
    A seal whose path is not found good for another reason adds nothing: it is left to the reader to judge.
    """

    def __init__(self, validator: PathValidator) -> None:
        self._validator = validator
        self._authorities: dict[x509.Certificate, None] = {}
        self._lenient: PathValidator | None = None
        self._certificates: dict[str, bytes] = {}
        self._crls: dict[str, bytes] = {}

    @property
    def certificates(self) -> Sequence[tuple[str, bytes]]:
        """The DER of each by its SHA-256 in lower-case hex, in the order of these."""
        return sorted(self._certificates.items())

    @property
    def crls(self) -> Sequence[tuple[str, bytes]]:
        """The same of the CRLs."""
        return sorted(self._crls.items())

    def add_message(self, source: ByteSource | bytes, at: datetime) -> None:
        """Add the paths of the seals at the header's place of an archived message, as they were at ``at``."""
        limits = limits_of_archived()
        try:
            signatures = decode(parse(source, limits.xml), limits).signatures
        except (XmlError, MessageError):  # altered since; its seals are still judged by the reader
            return
        for signature in signatures:
            self._add(signature, at)

    def add_evidence(self, body: bytes, at: datetime) -> None:
        """Add the path of the exchange's own seal on a piece of evidence, as it was at ``at``."""
        try:
            _, _, signature = read_evidence(parse_evidence(body))
        except EvidenceFormatError:
            return
        self._add(signature, at)

    def add_key(self, key: SigningKey, at: datetime) -> None:
        """Add the path of a key that seals at ``at`` what can hold no path of its own, such as the export itself.

        Added before all others: the authorities on it help to find the paths of seals whose CRLs are gone.
        """
        self._add_path(key.certificate, key.chain, at)

    def _add(self, element: etree._Element, at: datetime) -> None:
        try:
            signer, *others = _signer_first(parse_signature(element))
        except VerificationError:  # no seal, such as a placeholder
            return
        self._add_path(signer, others, at)

    def _add_path(self, signer: x509.Certificate, others: Sequence[x509.Certificate], at: datetime) -> None:
        try:
            path = self._find(signer, others, at)
        except PathError:  # not good now
            return
        if not self._authorities.keys() >= set(path.certificates[1:]):
            self._authorities.update(dict.fromkeys(path.certificates[1:]))
            self._lenient = None
        self._certificates.update(_by_digest(path.certificates))
        self._crls.update(_by_digest(path.crls))

    def _find(self, signer: x509.Certificate, others: Sequence[x509.Certificate], at: datetime) -> CertificatePath:
        try:
            return self._validator.validate(signer, intermediates=others, at=at, usage=KeyPurpose.SEAL)
        except RevocationUnknownError:
            if self._lenient is None:
                self._lenient = PathValidator(
                    self._validator.anchors,
                    self._validator.revocation,
                    intermediates=tuple(self._authorities),
                    require_revocation=False,
                )
            return self._lenient.validate(signer, intermediates=others, at=at, usage=KeyPurpose.SEAL)


def _signer_first(signature: ParsedSignature) -> Sequence[x509.Certificate]:
    """The certificates that came with it, first the one that its signed properties name, else the likely one."""
    certificates = [each.certificate for each in signature.certificates]
    if signature.properties is None:
        return signer_first(certificates)
    named = signature.properties.signing_certificate
    is_named = [each.digest(named.algorithm) == named.digest for each in signature.certificates]
    if True not in is_named:
        return signer_first(certificates)
    at = is_named.index(True)
    return (certificates[at], *certificates[:at], *certificates[at + 1 :])


def _by_digest(issued: Sequence[_Issued]) -> Iterator[tuple[str, bytes]]:
    for each in issued:
        der = each.public_bytes(Encoding.DER)
        yield hashlib.sha256(der).hexdigest(), der
