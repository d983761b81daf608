"""The certificates a signature carries (XMLDSig section 4.5.4), decoded once and kept.

An exchange sees the same few hundred certificates in every message, so decoded ones are kept by their base64
text. Keeping them says nothing about trust: a path is validated for each signature.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Final

import pybase64
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keys.certificates import UNREADABLE
from keys.store import DigestAlgorithm, KeyKind
from signing.xades.errors import AlgorithmConstraintsError, SignatureFormatError

_MAX_TEXT: Final = 16 << 10
"""Characters of one certificate; with the number kept it bounds the memory that hostile ones can take."""
_MAX_KEPT: Final = 2048
_SPACE: Final = b" \t\r\n"

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def decode_base64(text: str, rule: str, what: str) -> bytes:
    """The bytes of a base64 text in its one canonical encoding, whitespace aside (RFC 4648 section 3.5).

    Raises:
        SignatureFormatError: under ``rule``, it is anything else, or empty.
    """
    try:
        encoded = text if _is_one_line(text) else text.encode("ascii").translate(None, _SPACE).decode("ascii")
        data = pybase64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise SignatureFormatError(rule, f"{what} is not base64: {error}", "write it as base64") from error
    if not data or pybase64.b64encode_as_string(data) != encoded:
        raise SignatureFormatError(rule, f"{what} is empty or not canonical base64", "write it as canonical base64")
    return data


def _is_one_line(text: str) -> bool:
    return "\n" not in text and " " not in text and "\t" not in text and "\r" not in text


@dataclass(frozen=True)
class KeyCertificate:
    """A certificate out of ``KeyInfo``, with what is needed of it again and again."""

    certificate: x509.Certificate
    der: bytes

    digests: dict[DigestAlgorithm, bytes] = field(default_factory=dict, compare=False, repr=False)
    """Those computed so far."""

    def digest(self, algorithm: DigestAlgorithm) -> bytes:
        """The digest over the DER encoding."""
        known = self.digests.get(algorithm)
        if known is None:
            known = self.digests[algorithm] = algorithm.digest(self.der)
        return known

    @functools.cached_property
    def kind(self) -> KeyKind:
        """The kind of the key. Raises as :attr:`public_key`."""
        return KeyKind.RSA if isinstance(self.public_key, rsa.RSAPublicKey) else KeyKind.EC

    @functools.cached_property
    def public_key(self) -> PublicKey:
        """The RSA or elliptic-curve key.

        Raises:
            AlgorithmConstraintsError: it is of another kind, or damaged.
        """
        try:
            key = self.certificate.public_key()
        except UNREADABLE as error:
            raise AlgorithmConstraintsError(
                "key.kind", f"the key of the certificate cannot be used: {error}", "sign with an RSA or ECDSA key"
            ) from error
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise AlgorithmConstraintsError(
                "key.kind", f"the certificate holds a key of kind {type(key).__name__}", "sign with an RSA or ECDSA key"
            )
        return key


def read_certificate(text: str) -> KeyCertificate:
    """The certificate of an ``X509Certificate`` text.

    Raises:
        SignatureFormatError: it is not the base64 form of one DER certificate.
    """
    if len(text) > _MAX_TEXT:
        raise SignatureFormatError(
            "key_info.certificate", f"a certificate has more than {_MAX_TEXT} characters", "send a usual certificate"
        )
    return _read_kept(text)


@functools.lru_cache(maxsize=_MAX_KEPT)
def _read_kept(text: str) -> KeyCertificate:
    der = decode_base64(text, "key_info.certificate", "a certificate in KeyInfo")
    try:
        certificate = x509.load_der_x509_certificate(der)
        _touch(certificate)
    except UNREADABLE as error:
        raise SignatureFormatError(
            "key_info.certificate", f"a certificate in KeyInfo is damaged: {error}", "send the certificate as issued"
        ) from error
    return KeyCertificate(certificate, der)


def _touch(certificate: x509.Certificate) -> None:
    """Decode what is otherwise decoded late, so that damage shows here and not in the path validation."""
    _ = certificate.subject, certificate.issuer, certificate.extensions
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.signature_algorithm_oid
