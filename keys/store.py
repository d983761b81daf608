"""What a signing key and a key store are, whatever holds the key: a file, memory, or later a token."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Protocol

from cryptography import x509


class DigestAlgorithm(Enum):
    """The digests accepted for signatures; the value is the name in ``hashlib``."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    def digest(self, data: bytes) -> bytes:
        """The digest of ``data``."""
        return hashlib.new(self.value, data).digest()


class KeyKind(Enum):
    """The kinds of key a signature is made with."""

    RSA = "RSA"
    EC = "EC"


class SigningKey(Protocol):
    """A private key that never leaves its holder, with the certificate that names it."""

    @property
    def certificate(self) -> x509.Certificate:
        """The end-entity certificate of this key."""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificates from the issuer upwards, as far as the store has them; may be empty."""

    @property
    def kind(self) -> KeyKind:
        """RSA or EC."""

    def sign(self, data: bytes, digest: DigestAlgorithm) -> bytes:
        """Sign ``data``: RSASSA-PKCS1-v1_5 (RFC 8017), or ECDSA as a DER ``Ecdsa-Sig-Value`` (RFC 3279), made
        deterministic by RFC 6979.

        Raises:
            KeyUnavailableError: the holder cannot sign now.
        """


class KeyStore(Protocol):
    """A holder of signing keys."""

    def labels(self) -> tuple[str, ...]:
        """The labels of all keys held, sorted."""

    def find(self, label: str) -> SigningKey:
        """The key of that label.

        Raises:
            KeyNotFoundError: there is none.
            KeyStoreError: the store cannot be opened.
        """
