"""Keys with certificates of one test root, made once a session, and a validator that trusts it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from keys.memory import MemoryKey, PrivateKey
from keys.store import DigestAlgorithm, KeyKind
from keys.trust import PathValidator
from tests.support.pki import Pki, private_key

SIGNING_TIME = datetime(2026, 3, 2, 1, 15, tzinfo=UTC)
VERIFICATION_TIME = SIGNING_TIME + timedelta(hours=1)


@dataclass(frozen=True)
class PlainKey:
    """A :class:`keys.store.SigningKey` that, unlike :class:`MemoryKey`, may hold the certificate of another key."""

    private_key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    @property
    def kind(self) -> KeyKind:
        return KeyKind.RSA if isinstance(self.private_key, rsa.RSAPrivateKey) else KeyKind.EC

    def sign(self, data: bytes, digest: DigestAlgorithm) -> bytes:
        return _memory_key(self.private_key).sign(data, digest)


@functools.cache
def _memory_key(key: PrivateKey) -> MemoryKey:
    return _pki().certificate("Only for signing", issuer=None, key=key)


@functools.cache
def _pki() -> Pki:
    return Pki(name="Ủy ban nhân dân Ví dụ")


def root_certificate() -> x509.Certificate:
    return _pki().root.certificate


def root_pem() -> bytes:
    return root_certificate().public_bytes(serialization.Encoding.PEM)


@functools.cache
def signing_key(kind: str = "P-256", number: int = 0) -> PlainKey:
    """A key of the kind ``RSA-2048``, ``P-384`` and so on; another one for another ``number``. Issued by the root."""
    return certified(private_key(kind, 100 + number), f"Con dấu {kind} {number}")


def certified(key: PrivateKey, subject: str = "Con dấu", *, serial: int | None = None) -> PlainKey:
    """A key with a certificate by the root."""
    made = _pki().certificate(subject, issuer=_pki().root, key=key, serial=serial)
    return PlainKey(made.private_key, made.certificate, made.chain)


def validator() -> PathValidator:
    """Trusts the root, with CRLs that are fresh at :data:`VERIFICATION_TIME`."""
    day = timedelta(days=1)
    return _pki().validator(_pki().crls(this_update=SIGNING_TIME - day, next_update=SIGNING_TIME + day))
