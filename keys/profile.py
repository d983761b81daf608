"""What a certificate must be for its use: strong enough, made for the purpose, and, of an issuer, a CA.

Every check reads one certificate or the order of a path; whether the path is genuine is the business of ``trust``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from keys.certificates import UNREADABLE, subject_text
from keys.errors import KeyUsageError, PathNotFoundError, WeakKeyError

ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384
"""A verification costs about the square of the size: a certificate with a huge key must not stop the exchange."""

_CURVES = ("secp256r1", "secp384r1", "secp521r1")

_SIGNATURE_ALGORITHMS = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    }
)

_SEALING_PURPOSES = frozenset(
    {
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # id-kp-documentSigning (RFC 9336)
        x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),  # document signing, as Microsoft's programs name it
        ExtendedKeyUsageOID.EMAIL_PROTECTION,  # what authorities put into personal certificates before RFC 9336
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }
)


_UNDERSTOOD_OF_ANCHORS = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.FRESHEST_CRL,
        x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"),  # qcStatements (RFC 3739)
    }
)
"""Extensions that limit a path and are applied to it, or that limit none. Policy mappings of an anchor are neither."""

TRUST_LIST_SIGNING = x509.ObjectIdentifier("0.4.0.2231.3.0")
"""id-tsl-kp-tslSigning (ETSI TS 119 612 section 5.7.1): the key signs trust lists."""


class KeyPurpose(Enum):
    """What a key is about to be used for; decides which key usage (RFC 5280 section 4.2.1.3) is required."""

    SEAL = "SEAL"
    """Sealing or signing documents: digitalSignature or nonRepudiation, and not a CA."""
    CRL = "CRL"
    """Signing CRLs: cRLSign."""
    TRUST_LIST = "TRUST_LIST"
    """Signing trust lists: as for a seal, but the extended key usage, where there is one, names tslSigning."""


_EXTENDED_USAGES = {
    KeyPurpose.SEAL: (_SEALING_PURPOSES, "signing documents"),
    KeyPurpose.TRUST_LIST: (
        frozenset({TRUST_LIST_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}),
        "signing trust lists",
    ),
}
"""Of which an extended key usage, where there is one, must name one; and the words for it."""


def check_key_strength(public_key: object, subject: str) -> None:
    """Refuse a key that is too weak, or of a kind nobody here can judge.

    Raises:
        WeakKeyError: RSA below 2048 bits or absurdly large, or a curve other than P-256, P-384 and P-521.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= public_key.key_size <= MAX_RSA_BITS:
            raise WeakKeyError(
                f"key of {subject} is RSA of {public_key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted"
            )
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.name not in _CURVES:
            raise WeakKeyError(f"key of {subject} is on the curve {public_key.curve.name}; {_CURVES} are accepted")
    else:
        raise WeakKeyError(f"key of {subject} is neither RSA nor on an accepted curve")


def check_strength(certificate: x509.Certificate, *, is_anchor: bool = False) -> None:
    """Refuse a certificate with a weak key or signed with a weak algorithm.

    The signature of a trust anchor over itself is not looked at: nothing rests on it.

    Raises:
        WeakKeyError: the key is too weak, or the signature is made with SHA-1, MD5 or another algorithm not accepted.
    """
    subject = subject_text(certificate)
    try:
        public_key: object = certificate.public_key()
    except UNREADABLE as error:
        raise WeakKeyError(f"key of {subject} cannot be read: {error}") from error
    check_key_strength(public_key, subject)
    if not is_anchor and not is_strong_signature(certificate.signature_algorithm_oid):
        algorithm = certificate.signature_algorithm_oid
        raise WeakKeyError(f"certificate of {subject} is signed with {algorithm.dotted_string}, which is not accepted")


def is_strong_signature(algorithm: x509.ObjectIdentifier) -> bool:
    """Whether a certificate or CRL signed with this algorithm is accepted: RSA (PKCS#1 v1.5) or ECDSA with SHA-2."""
    return algorithm in _SIGNATURE_ALGORITHMS


def check_purpose(certificate: x509.Certificate, purpose: KeyPurpose) -> None:
    """Refuse a certificate that is not meant for ``purpose``.

    A certificate without key usage is refused: ETSI EN 319 412-2 section 4.3.2 requires it, and silence is no consent.

    Raises:
        KeyUsageError: key usage, extended key usage or basic constraints do not allow it.
        PathNotFoundError: the certificate's extensions cannot be read.
    """
    subject = subject_text(certificate)
    extensions = _extensions(certificate)
    usage = _extension(extensions, x509.KeyUsage)
    if usage is None:
        raise KeyUsageError(f"certificate of {subject} does not say what its key may be used for")
    if purpose is KeyPurpose.CRL:
        if not usage.crl_sign:
            raise KeyUsageError(f"certificate of {subject} is not meant for signing CRLs")
        return
    if not (usage.digital_signature or usage.content_commitment):
        raise KeyUsageError(f"certificate of {subject} is not meant for signatures")
    constraints = _extension(extensions, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise KeyUsageError(f"certificate of {subject} belongs to a certification authority, which signs no files")
    extended = _extension(extensions, x509.ExtendedKeyUsage)
    wanted, what = _EXTENDED_USAGES[purpose]
    if extended is not None and not wanted.intersection(extended):
        raise KeyUsageError(f"certificate of {subject} is limited to other purposes than {what}")


def check_issuers(path: Sequence[x509.Certificate]) -> None:
    """Refuse a path (signer first, anchor last) in which somebody issued a certificate who may not.

    An anchor may be of version 1, without extensions; the basic constraints and key usage that it does have count as
    those of others. Its critical extensions are the business of :func:`check_anchor`, its constraints on names and
    policies, as those of everybody on the path, that of ``trust``.

    Raises:
        KeyUsageError: an issuer is no CA, may not sign certificates, or has more CAs below it than it may.
        PathNotFoundError: extensions cannot be read.
    """
    for below, issuer in enumerate(path[1:]):
        extensions = _extensions(issuer)
        is_anchor = issuer is path[-1]
        constraints = _extension(extensions, x509.BasicConstraints)
        if constraints is None:
            if not is_anchor:
                raise KeyUsageError(f"{subject_text(issuer)} has issued a certificate but is no authority")
        elif not constraints.ca:
            raise KeyUsageError(f"{subject_text(issuer)} has issued a certificate but is no authority")
        elif constraints.path_length is not None and _counted(path[1 : below + 1]) > constraints.path_length:
            raise KeyUsageError(f"{subject_text(issuer)} may not have so many authorities below it")
        usage = _extension(extensions, x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            raise KeyUsageError(f"{subject_text(issuer)} is not meant for signing certificates")


def check_anchor(anchor: x509.Certificate) -> None:
    """Refuse a trust anchor with a critical extension that nobody here understands: it may limit what it is good for.

    RFC 5280 section 4.2 asks this of every certificate, and leaves an anchor's to the reader's own choice.

    Raises:
        PathNotFoundError: there is such an extension, or the extensions cannot be read.
    """
    strange = [each.oid for each in _extensions(anchor) if each.critical and each.oid not in _UNDERSTOOD_OF_ANCHORS]
    if strange:
        named = ", ".join(each.dotted_string for each in strange)
        raise PathNotFoundError(
            f"the trust anchor {subject_text(anchor)} has a critical extension that is not understood: {named}"
        )


def _counted(authorities: Sequence[x509.Certificate]) -> int:
    """How many of them count for a path length: self-issued ones do not (RFC 5280 section 4.2.1.9)."""
    return sum(authority.subject != authority.issuer for authority in authorities)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate says that it belongs to a CA; False where its extensions cannot be read."""
    try:
        constraints = _extension(certificate.extensions, x509.BasicConstraints)
    except UNREADABLE:
        return False
    return constraints is not None and constraints.ca


def may_issue(certificate: x509.Certificate) -> bool:
    """Whether a certificate that is no anchor says that its holder may issue others, as :func:`check_issuers` wants it.

    False where its extensions cannot be read.
    """
    try:
        usage = _extension(certificate.extensions, x509.KeyUsage)
    except UNREADABLE:
        return False
    return is_authority(certificate) and (usage is None or usage.key_cert_sign)


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except UNREADABLE as error:
        raise PathNotFoundError(f"certificate of {subject_text(certificate)} cannot be read: {error}") from error


def _extension(extensions: x509.Extensions, kind: type[ExtensionT]) -> ExtensionT | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
