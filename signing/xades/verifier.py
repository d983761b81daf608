"""Basic signature validation of XAdES and of plain XML signatures (ETSI EN 319 102-1 section 5.3).

The building blocks are run in the order of the standard, each of them a function that raises a
:class:`~signing.xades.errors.VerificationError`; :func:`verify` turns the first one, but for step 4, into a report:

    1. format checking (5.2.2): ids, schema and closed lists, then what the references refer to
    2. identification of the signing certificate (5.2.3)
    3. validation context (5.2.4): the key has to fit the algorithm
    4. X.509 certificate validation with revocation (5.2.5, 5.2.6), and the strength of the key
    5. cryptographic verification (5.2.7): digests, then the signature value; also where step 4 has not accepted the
       certificate, for what was altered is altered whoever signed it (5.3.4); only then the status of step 4 is told
    6. signature acceptance (5.2.8): signing time

The document is parsed once, before: comments are gone, and what the caller reads is the very tree that was digested.
"Valid" alone would say little, so a caller states what has to be covered, and only exactly that passes.

A whole-document signature may be a plain XML signature without signed properties; then the first certificate of
``KeyInfo`` is taken, the signing time is unknown, and nobody vouches for the certificate but the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from keys.certificates import subject_text
from keys.errors import (
    CertificateExpiredError,
    CertificateNotYetValidError,
    CertificateRevokedError,
    KeyUsageError,
    PathError,
    PathNotFoundError,
    RevocationUnknownError,
    WeakKeyError,
)
from keys.store import DigestAlgorithm
from keys.trust import CertificatePath, KeyPurpose, PathValidator
from signing.errors import XmlError
from signing.parts import Part
from signing.report import CoveredPart, Indication, ValidationReport
from signing.xades.certificates import KeyCertificate, decode_base64, read_certificate
from signing.xades.chains import signer_first
from signing.xades.errors import (
    AlgorithmConstraintsError,
    AuthorityRevokedWithoutProofError,
    ChainConstraintsError,
    ChainGeneralError,
    ChainNotFoundError,
    ExpiredWithoutProofError,
    NotYetValidError,
    RevocationStatusUnknownError,
    RevokedWithoutProofError,
    SignatureConstraintsError,
    SignatureFormatError,
    SignatureMismatchError,
    SignedAfterExpiryError,
    SignedAfterRevocationError,
    SigningCertificateNotFoundError,
    VerificationError,
)
from signing.xades.references import IdIndex, Resolved, check_digests, covered_parts, index_ids, resolve_references
from signing.xades.structure import SIGNATURE, SIGNATURE_VALUE, X509_CERTIFICATE, ParsedSignature, parse_signature
from signing.xml import ParsedXml, canonicalize

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the signer's clock may be ahead of the time of interest."""
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
"""A verification costs about the square of the size; no authority issues larger keys."""
ANCHOR_EXPIRED: Final = "path.anchor_expired"
"""The rule of a certificate that is valid, while the trust anchor by which it is judged is not any more."""
ON_HOLD: Final = "path.on_hold"
"""The rule of a certificate on hold: the verdict may change, but not by waiting for a CRL (TRY_LATER, 5.2.6)."""

_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_HASHES: Final[dict[DigestAlgorithm, hashes.HashAlgorithm]] = {
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}
_ECDSA: Final = {digest: ec.ECDSA(algorithm) for digest, algorithm in _HASHES.items()}
_PKCS1: Final = padding.PKCS1v15()
_DER_SEQUENCE: Final = 0x30


class SignaturePresence(Enum):
    """Whether there is a signature at all. A placeholder counts as absent for acceptance."""

    ABSENT = "absent"
    PLACEHOLDER = "placeholder"
    PRESENT = "present"


def classify(signature: etree._Element | None) -> SignaturePresence:
    """Whether a ``Signature`` or ``DigitalSignature`` element is a signature, right or wrong, or a placeholder.

    A placeholder is an element in another namespace, or one whose signature value or certificates cannot be decoded,
    as those that senders copy out of the samples of the format. Says nothing about validity.
    """
    if signature is None:
        return SignaturePresence.ABSENT
    if signature.tag != SIGNATURE:
        return SignaturePresence.PLACEHOLDER
    values = list(signature.iterchildren(SIGNATURE_VALUE))
    certificates = list(signature.iter(X509_CERTIFICATE))
    if not values or not certificates:
        return SignaturePresence.PLACEHOLDER
    try:
        for value in values:
            decode_base64(value.text or "", "signature.base64", "SignatureValue")
        for certificate in certificates:
            read_certificate(certificate.text or "")
    except SignatureFormatError:
        return SignaturePresence.PLACEHOLDER
    return SignaturePresence.PRESENT


@dataclass
class _Progress:
    """What is known about the signature so far, for the report."""

    at: datetime
    signature: ParsedSignature | None = None
    signer: x509.Certificate | None = None
    path: tuple[x509.Certificate, ...] = ()

    def failed(self, error: VerificationError) -> ValidationReport:
        """The report of the first check that did not hold."""
        return self._report(error)

    def passed(self, covered: tuple[CoveredPart, ...]) -> ValidationReport:
        """The report of a signature that passed every check."""
        return self._report(None, covered)

    def _report(self, error: VerificationError | None, covered: tuple[CoveredPart, ...] = ()) -> ValidationReport:
        signature = self.signature
        properties = signature.properties if signature else None
        return ValidationReport(
            indication=error.indication if error else Indication.TOTAL_PASSED,
            sub_indication=error.sub_indication if error else None,
            findings=(error.finding,) if error else (),
            validated_at=self.at,
            signature_id=signature.id if signature else None,
            signature_algorithm=signature.algorithm.uri if signature else None,
            signing_time=properties.signing_time if properties else None,
            claimed_roles=properties.claimed_roles if properties else (),
            signer=self.signer,
            path=self.path,
            covered=covered,
        )


def verify(
    document: ParsedXml,
    signature: etree._Element,
    expected: Sequence[Part],
    *,
    validator: PathValidator,
    at: datetime,
) -> ValidationReport:
    """The verdict on a signature over exactly the ``expected`` parts of ``document``, at the time ``at`` (aware).

    TOTAL-PASSED means: the signature value is right, each expected part is covered by a reference that leads to that
    very element object (or by the signed document as a whole), nothing else is, and the signer's certificate had a
    path to an anchor at ``at``. The caller must use only those element objects, and still decide whether this signer
    may sign for that agency. ``at`` is a time at which the signature is known to have existed, such as that of its
    arrival. In any other verdict the signer, the signing time and the roles are mere claims.

    Raises:
        NoTrustAnchorsError: there is nothing to judge by; never the document's fault.
        OSError: a file of a container cannot be read.
    """
    return verify_all(document, [signature], expected, validator=validator, at=at)[0]


def verify_all(
    document: ParsedXml,
    signatures: Sequence[etree._Element],
    expected: Sequence[Part],
    *,
    validator: PathValidator,
    at: datetime,
) -> tuple[ValidationReport, ...]:
    """The verdict on each of several signatures of one document, as :func:`verify` gives it.

    What is the same for all of them is looked up once.
    """
    try:
        ids = index_ids(document.root)
    except SignatureFormatError as error:
        return tuple(_Progress(at).failed(error) for _ in signatures)
    return tuple(_verify(document, each, ids, expected, validator, at) for each in signatures)


def reconsider(report: ValidationReport, *, validator: PathValidator, as_of: datetime) -> ValidationReport:
    """The report on a signature whose time is its signer's own word, in the light of what is known at ``as_of``.

    A key that has been stolen signs with any time. So where a certificate of the path has been revoked since for a
    reason that does not exclude this, a signature that passed is undecided, and covers nothing: REVOKED_NO_POE, or
    REVOKED_CA_NO_POE where the certificate is an authority's; TRY_LATER while it is on hold.
    """
    if not report.passed:
        return report
    try:
        validator.check_undoubted(report.path, as_of)
    except CertificateRevokedError as error:
        reason = f"{error}, and nothing but the signature's own word proves that it was made before"
        if error.on_hold:
            doubt: VerificationError = _revocation_refusal(error, None)
        else:
            refusal = AuthorityRevokedWithoutProofError if error.of_authority else RevokedWithoutProofError
            doubt = refusal("path.revoked_since", reason, "get a new certificate and sign again")
        return replace(
            report,
            indication=doubt.indication,
            sub_indication=doubt.sub_indication,
            findings=(doubt.finding,),
            path=(),
            covered=(),
        )
    return report


def _verify(
    document: ParsedXml,
    signature: etree._Element,
    ids: IdIndex,
    expected: Sequence[Part],
    validator: PathValidator,
    at: datetime,
) -> ValidationReport:
    progress = _Progress(at)
    try:
        return progress.passed(_verify_basic(document, signature, ids, expected, validator, progress))
    except VerificationError as error:
        return progress.failed(error)


def _verify_basic(
    document: ParsedXml,
    element: etree._Element,
    ids: IdIndex,
    expected: Sequence[Part],
    validator: PathValidator,
    progress: _Progress,
) -> tuple[CoveredPart, ...]:
    signature = progress.signature = parse_signature(element)  # 1. format, 5.2.2
    _check_roles(document, signature)
    resolved = resolve_references(document, ids, signature, expected)
    signer = _identify_signing_certificate(signature)  # 2. signing certificate, 5.2.3
    progress.signer = signer.certificate
    _check_key_fits(signature, signer)  # 3. context, 5.2.4
    try:
        path = _validate_path(signature, signer, validator, progress.at)  # 4. path with revocation, 5.2.5 and 5.2.6
    except VerificationError:
        if _is_strong(signer):
            _verify_cryptographically(document, signature, resolved, signer)  # its failure tells more, 5.3.4
        raise
    progress.path = path.certificates
    _accept_strength(signer)
    _verify_cryptographically(document, signature, resolved, signer)
    _accept_signing_time(signature, progress.at)  # 6. acceptance, 5.2.8
    return covered_parts(resolved, expected)


def _verify_cryptographically(
    document: ParsedXml, signature: ParsedSignature, resolved: Sequence[Resolved], signer: KeyCertificate
) -> None:
    """5. Cryptographic verification, 5.2.7. Only with a key that is strong: others may cost much, and prove nothing."""
    check_digests(document, signature, resolved)
    _check_value(signature, signer)


def _check_roles(document: ParsedXml, signature: ParsedSignature) -> None:
    """A role so long that the parser has cut it out would be reported as the marker in its place."""
    roles = signature.properties.claimed_roles if signature.properties else ()
    if any(role in document.markers for role in roles):
        raise SignatureFormatError("properties.role", "a claimed role is far too long", "write a short role")


def _identify_signing_certificate(signature: ParsedSignature) -> KeyCertificate:
    """The certificate that the signed properties name; without them the likely one, which nothing vouches for."""
    if signature.properties is None:
        order = signer_first([each.certificate for each in signature.certificates])
        likely = sorted(signature.certificates, key=lambda each: order.index(each.certificate))
        return next((each for each in likely if _fits(signature, each)), likely[0])
    named = signature.properties.signing_certificate
    for certificate in signature.certificates:
        if certificate.digest(named.algorithm) == named.digest:
            return certificate
    raise SigningCertificateNotFoundError(
        "signing_certificate.digest",
        "none of the certificates in KeyInfo is the one that the signed properties name",
        "send the signing certificate in KeyInfo as it was signed",
    )


def _fits(signature: ParsedSignature, signer: KeyCertificate) -> bool:
    """Whether the signature value is of the certificate's key. Only strong keys are tried: others may cost much."""
    try:
        _check_key_fits(signature, signer)
        _accept_strength(signer)
        _check_value(signature, signer)
    except VerificationError:
        return False
    return True


def _check_key_fits(signature: ParsedSignature, signer: KeyCertificate) -> None:
    if signer.kind is not signature.algorithm.kind:
        raise AlgorithmConstraintsError(
            "key.method",
            f"the certificate has a key of kind {signer.kind.value}, the signature says {signature.algorithm.uri}",
            "name the algorithm that the key was used with",
        )


def _validate_path(
    signature: ParsedSignature, signer: KeyCertificate, validator: PathValidator, at: datetime
) -> CertificatePath:
    others = [each.certificate for each in signature.certificates if each is not signer]
    try:
        return validator.validate(signer.certificate, intermediates=others, at=at, usage=KeyPurpose.SEAL)
    except PathError as error:
        raise _path_refusal(error, signature) from error


def _path_refusal(error: PathError, signature: ParsedSignature) -> VerificationError:
    """The status for a path that was not accepted; for a time that has passed it depends on the signing time."""
    claimed = signature.properties.signing_time if signature.properties else None
    if isinstance(error, CertificateRevokedError):
        return _revocation_refusal(error, claimed)
    if isinstance(error, CertificateExpiredError | CertificateNotYetValidError) and error.of_authority:
        if isinstance(error, CertificateExpiredError) and error.of_anchor:
            remedy = "judge with the authority's present certificate, or as of when it was valid"
            return ChainGeneralError(ANCHOR_EXPIRED, str(error), remedy)
        return ChainGeneralError(
            "path.authority_validity", str(error), "sign with a certificate of an authority that is valid"
        )
    if isinstance(error, CertificateNotYetValidError):
        if _is_after(claimed, error.not_before):
            return ExpiredWithoutProofError("path.before_validity", str(error), "sign when the certificate is valid")
        return NotYetValidError("path.not_yet_valid", str(error), "sign when the certificate is valid")
    if isinstance(error, CertificateExpiredError):
        expired = SignedAfterExpiryError if _is_after(claimed, error.not_after) else ExpiredWithoutProofError
        return expired("path.expired", str(error), "sign again with a certificate that is valid")
    for kind, (refusal, rule, remedy) in _PATH_REFUSALS.items():
        if isinstance(error, kind):
            return refusal(rule, str(error), remedy)
    return ChainGeneralError("path.general", str(error), "use a certificate of an authority that is trusted here")


def _revocation_refusal(error: CertificateRevokedError, claimed: datetime | None) -> VerificationError:
    if error.on_hold:
        remedy = "ask the authority why the certificate is on hold; send again when that is lifted, or sign anew"
        return RevocationStatusUnknownError(ON_HOLD, str(error), remedy)
    if error.was_on_hold:
        return ChainConstraintsError("path.was_on_hold", str(error), "sign again, with a certificate that is valid")
    if error.of_authority:
        remedy = "get a certificate of another authority and sign again"
        return AuthorityRevokedWithoutProofError("path.authority_revoked", str(error), remedy)
    revoked = SignedAfterRevocationError if _is_after(claimed, error.revoked_at) else RevokedWithoutProofError
    return revoked("path.revoked", str(error), "get a new certificate and sign again")


def _is_after(claimed: datetime | None, border: datetime) -> bool:
    return claimed is not None and claimed >= border


_PATH_REFUSALS: Final[dict[type[PathError], tuple[type[VerificationError], str, str]]] = {
    PathNotFoundError: (
        ChainNotFoundError,
        "path.not_found",
        "use a certificate of an authority that is trusted here, and send its chain",
    ),
    RevocationUnknownError: (
        RevocationStatusUnknownError,
        "path.revocation_unknown",
        "get a fresh CRL of the issuing authority and verify again",
    ),
    KeyUsageError: (ChainConstraintsError, "path.key_usage", "sign with a certificate that is meant for seals"),
    WeakKeyError: (AlgorithmConstraintsError, "path.weak_key", "get a certificate with a stronger key"),
}


def _check_value(signature: ParsedSignature, signer: KeyCertificate) -> None:
    """Check the signature value over the canonical SignedInfo, which holds the digests just compared."""
    how = signature.canonicalization
    try:
        signed = canonicalize(signature.signed_info, how.method, how.prefixes)
    except XmlError as error:
        raise SignatureFormatError(error.rule, error.reason, error.remedy) from error
    key, digest = signer.public_key, signature.algorithm.digest
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature.value, signed, _PKCS1, _HASHES[digest])
        else:
            key.verify(_to_der(signature.value, key), signed, _ECDSA[digest])
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as error:
        raise SignatureMismatchError(
            "signature.value",
            f"the signature value does not fit SignedInfo and the key of {subject_text(signer.certificate)}",
            "get the original from the signer again; do not use this copy",
        ) from error


def _to_der(value: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """The raw ``r || s`` of XMLDSig 1.1 (section 6.4.3) as the DER that cryptography expects."""
    size = (key.key_size + 7) // 8
    if len(value) != 2 * size:
        der = "DER" if value[0] == _DER_SEQUENCE else f"{len(value)} bytes"
        raise SignatureFormatError(
            "signature.ecdsa_encoding",
            f"the ECDSA signature value is {der}, not r and s of {size} bytes each",
            "write r and s one after the other, each filled up with zeros from the left",
        )
    return encode_dss_signature(int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big"))


def _accept_signing_time(signature: ParsedSignature, at: datetime) -> None:
    if signature.properties is not None and signature.properties.signing_time > at + CLOCK_TOLERANCE:
        raise SignatureConstraintsError(
            "acceptance.signing_time",
            f"the signing time {signature.properties.signing_time.isoformat()} lies after {at.isoformat()}",
            "set the clock of the signing machine, and sign again",
        )


def _accept_strength(signer: KeyCertificate) -> None:
    if _is_strong(signer):
        return
    key = signer.public_key
    name = f"RSA of {key.key_size} bits" if isinstance(key, rsa.RSAPublicKey) else f"ECDSA on {key.curve.name}"
    raise AlgorithmConstraintsError(
        "acceptance.key_strength", f"a key of {name} is not accepted", "use RSA of 2048 bits or more, or P-256"
    )


def _is_strong(signer: KeyCertificate) -> bool:
    key = signer.public_key
    if isinstance(key, rsa.RSAPublicKey):
        return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
    return key.curve.name in _CURVES
