"""Keys with certificates of one test root, made once a session: what a signer needs and no more.

Path building, revocation and bad certificates are the business of ``pki.py``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from keys.store import DigestAlgorithm, KeyKind

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

SIGNING_TIME = datetime(2026, 3, 2, 1, 15, tzinfo=UTC)
_NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
_NOT_AFTER = datetime(2045, 1, 1, tzinfo=UTC)
_HASHES: dict[DigestAlgorithm, hashes.HashAlgorithm] = {
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}


@dataclass(frozen=True)
class PlainKey:
    """A :class:`keys.store.SigningKey` over a private key in memory."""

    private_key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    @property
    def kind(self) -> KeyKind:
        return KeyKind.RSA if isinstance(self.private_key, rsa.RSAPrivateKey) else KeyKind.EC

    def sign(self, data: bytes, digest: DigestAlgorithm) -> bytes:
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return self.private_key.sign(data, padding.PKCS1v15(), _HASHES[digest])
        return self.private_key.sign(data, ec.ECDSA(_HASHES[digest], deterministic_signing=True))


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ủy ban nhân dân Ví dụ"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def certify(
    subject: str, public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, *, serial: int, is_ca: bool = False
) -> x509.Certificate:
    """A certificate by the test root (for its own key: the root itself)."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name("Test root"))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(_root_key().public_key()), critical=False)
        .add_extension(_key_usage(is_ca=is_ca), critical=True)
    )
    return builder.sign(_root_key(), hashes.SHA256())


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=not is_ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


@functools.cache
def _root_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def root_certificate() -> x509.Certificate:
    return certify("Test root", _root_key().public_key(), serial=1, is_ca=True)


def root_pem() -> bytes:
    return root_certificate().public_bytes(serialization.Encoding.PEM)


@functools.cache
def private_key(kind: str, number: int = 0) -> PrivateKey:
    """A key of the kind ``RSA-2048``, ``RSA-3072``, ``P-256``, ``P-384``; another one for another ``number``."""
    family, size = kind.split("-")
    if family == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    curves: dict[str, ec.EllipticCurve] = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "521": ec.SECP521R1()}
    return ec.generate_private_key(curves[size])


@functools.cache
def signing_key(kind: str = "P-256", number: int = 0) -> PlainKey:
    """A key with its certificate, whose chain is the test root."""
    key = private_key(kind, number)
    certificate = certify(f"Con dấu {kind} {number}", key.public_key(), serial=1000 + number)
    return PlainKey(key, certificate, (root_certificate(),))
