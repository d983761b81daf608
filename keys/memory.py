"""Keys held in memory: what the PKCS#12 store hands out, and what tests and the demonstration authority work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from keys.certificates import subject_text
from keys.errors import KeyNotFoundError, KeyStoreError, KeyUnavailableError
from keys.store import DigestAlgorithm, KeyKind

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_HASHES: Mapping[DigestAlgorithm, hashes.HashAlgorithm] = {
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}


class MemoryKey:
    """A :class:`keys.store.SigningKey` over a key object that was loaded once. Does not change; safe between threads.

    Raises:
        KeyStoreError: the certificate belongs to another key.
    """

    def __init__(
        self, private_key: PrivateKey, certificate: x509.Certificate, chain: Sequence[x509.Certificate] = ()
    ) -> None:
        if private_key.public_key() != certificate.public_key():
            raise KeyStoreError(f"the certificate of {subject_text(certificate)} belongs to another key")
        self._private_key = private_key
        self._certificate = certificate
        self._chain = tuple(chain)

    @property
    def private_key(self) -> PrivateKey:
        """The key itself, for writing it to a file."""
        return self._private_key

    @property
    def certificate(self) -> x509.Certificate:
        """The end-entity certificate of this key."""
        return self._certificate

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificates from the issuer upwards."""
        return self._chain

    @property
    def kind(self) -> KeyKind:
        """RSA or EC."""
        return KeyKind.RSA if isinstance(self._private_key, rsa.RSAPrivateKey) else KeyKind.EC

    def sign(self, data: bytes, digest: DigestAlgorithm) -> bytes:
        """Sign ``data``: RSASSA-PKCS1-v1_5 (RFC 8017), or deterministic ECDSA (RFC 6979) in DER (RFC 3279).

        Raises:
            KeyUnavailableError: the key cannot sign with this digest, as an RSA key too short for it.
        """
        algorithm = _HASHES[digest]
        try:
            if isinstance(self._private_key, rsa.RSAPrivateKey):
                return self._private_key.sign(data, padding.PKCS1v15(), algorithm)
            return self._private_key.sign(data, ec.ECDSA(algorithm, deterministic_signing=True))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnavailableError(f"the key of {subject_text(self._certificate)} cannot sign: {error}") from error

    def __repr__(self) -> str:
        return f"MemoryKey({subject_text(self._certificate)!r})"


class MemoryKeyStore:
    """A :class:`keys.store.KeyStore` over keys given by label."""

    def __init__(self, keys: Mapping[str, MemoryKey]) -> None:
        self._keys = dict(keys)

    def labels(self) -> tuple[str, ...]:
        """The labels of all keys held, sorted."""
        return tuple(sorted(self._keys))

    def find(self, label: str) -> MemoryKey:
        """The key of that label.

        Raises:
            KeyNotFoundError: there is none.
        """
        try:
            return self._keys[label]
        except KeyError:
            raise KeyNotFoundError(f"there is no key {label!r}") from None
