"""The signature and digest algorithms by their URIs, and the refused ones by their names.

URIs are those of RFC 9231 and XMLDSig 1.1. An algorithm that is not offered here is never accepted, whatever
the document says; the ones a reader may meet are refused by name, so that the signer learns what to change.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final

from keys.store import DigestAlgorithm, KeyKind
from signing.errors import AlgorithmRefusedError

_DSIG = "http://www.w3.org/2000/09/xmldsig#"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_MORE_2007 = "http://www.w3.org/2007/05/xmldsig-more#"
_DSIG_11 = "http://www.w3.org/2009/xmldsig11#"


class SignatureAlgorithm(Enum):
    """The signature algorithms accepted: RSASSA-PKCS1-v1_5 and ECDSA (raw ``r || s``) with SHA-2."""

    RSA_SHA256 = (_MORE + "rsa-sha256", KeyKind.RSA, DigestAlgorithm.SHA256)
    RSA_SHA384 = (_MORE + "rsa-sha384", KeyKind.RSA, DigestAlgorithm.SHA384)
    RSA_SHA512 = (_MORE + "rsa-sha512", KeyKind.RSA, DigestAlgorithm.SHA512)
    ECDSA_SHA256 = (_MORE + "ecdsa-sha256", KeyKind.EC, DigestAlgorithm.SHA256)
    ECDSA_SHA384 = (_MORE + "ecdsa-sha384", KeyKind.EC, DigestAlgorithm.SHA384)
    ECDSA_SHA512 = (_MORE + "ecdsa-sha512", KeyKind.EC, DigestAlgorithm.SHA512)

    uri: str
    """``SignatureMethod/@Algorithm``."""
    kind: KeyKind
    """The kind of key it is made with."""
    digest: DigestAlgorithm
    """The digest it is made over."""

    def __init__(self, uri: str, kind: KeyKind, digest: DigestAlgorithm) -> None:
        self.uri, self.kind, self.digest = uri, kind, digest

    @classmethod
    def of(cls, kind: KeyKind, digest: DigestAlgorithm) -> SignatureAlgorithm:
        """The algorithm for a kind of key and a digest; there is exactly one for each pair."""
        return _SIGNATURES_BY_KEY[kind, digest]

    @classmethod
    def from_uri(cls, uri: str) -> SignatureAlgorithm:
        """The algorithm of that URI.

        Raises:
            AlgorithmRefusedError: it is known and refused (with its name and why), or unknown.
        """
        found = _SIGNATURES_BY_URI.get(uri)
        if found is None:
            raise _refused(uri, _REFUSED_SIGNATURES, "a signature algorithm")
        return found


DIGEST_URIS: Final = MappingProxyType(
    {
        DigestAlgorithm.SHA256: "http://www.w3.org/2001/04/xmlenc#sha256",
        DigestAlgorithm.SHA384: _MORE + "sha384",
        DigestAlgorithm.SHA512: "http://www.w3.org/2001/04/xmlenc#sha512",
    }
)
"""``DigestMethod/@Algorithm`` of each digest accepted."""


def digest_from_uri(uri: str) -> DigestAlgorithm:
    """The digest of that URI.

    Raises:
        AlgorithmRefusedError: it is known and refused (with its name and why), or unknown.
    """
    found = _DIGESTS_BY_URI.get(uri)
    if found is None:
        raise _refused(uri, _REFUSED_DIGESTS, "a digest algorithm")
    return found


def _refused(uri: str, known: dict[str, tuple[str, str]], what: str) -> AlgorithmRefusedError:
    name, why = known.get(uri, (uri or "(none)", f"it is not {what} accepted here"))
    return AlgorithmRefusedError(name, why)


_SIGNATURES_BY_URI: Final = {algorithm.uri: algorithm for algorithm in SignatureAlgorithm}
_SIGNATURES_BY_KEY: Final = {(algorithm.kind, algorithm.digest): algorithm for algorithm in SignatureAlgorithm}
_DIGESTS_BY_URI: Final = {uri: digest for digest, uri in DIGEST_URIS.items()}

_BROKEN_SHA1 = "collisions of SHA-1 can be bought"
_BROKEN_MD5 = "collisions of MD5 take seconds"
_MAC = "anyone who can check an HMAC can also make it, so it is no signature"
_DSA = "DSA is withdrawn (FIPS 186-5)"
_PSS = "RSASSA-PSS is not offered; use RSASSA-PKCS1-v1_5 or ECDSA"
_SHORT = "its digest is shorter than 256 bits"
_NOT_OFFERED = "it is not offered; use SHA-256, SHA-384 or SHA-512"

_REFUSED_DIGESTS: Final = {
    _DSIG + "sha1": ("SHA-1", _BROKEN_SHA1),
    _MORE + "md5": ("MD5", _BROKEN_MD5),
    _MORE + "sha224": ("SHA-224", _SHORT),
    "http://www.w3.org/2001/04/xmlenc#ripemd160": ("RIPEMD-160", _SHORT),
    _MORE_2007 + "sha3-224": ("SHA3-224", _SHORT),
    _MORE_2007 + "sha3-256": ("SHA3-256", _NOT_OFFERED),
    _MORE_2007 + "sha3-384": ("SHA3-384", _NOT_OFFERED),
    _MORE_2007 + "sha3-512": ("SHA3-512", _NOT_OFFERED),
    _MORE_2007 + "whirlpool": ("Whirlpool", _NOT_OFFERED),
}

_REFUSED_SIGNATURES: Final = {
    _DSIG + "rsa-sha1": ("RSA with SHA-1", _BROKEN_SHA1),
    _DSIG + "dsa-sha1": ("DSA with SHA-1", _BROKEN_SHA1),
    _MORE + "ecdsa-sha1": ("ECDSA with SHA-1", _BROKEN_SHA1),
    _MORE + "rsa-md5": ("RSA with MD5", _BROKEN_MD5),
    _MORE + "rsa-ripemd160": ("RSA with RIPEMD-160", _SHORT),
    _MORE_2007 + "ecdsa-ripemd160": ("ECDSA with RIPEMD-160", _SHORT),
    _MORE + "rsa-sha224": ("RSA with SHA-224", _SHORT),
    _MORE + "ecdsa-sha224": ("ECDSA with SHA-224", _SHORT),
    _DSIG_11 + "dsa-sha256": ("DSA with SHA-256", _DSA),
    _DSIG + "hmac-sha1": ("HMAC with SHA-1", _MAC),
    _MORE + "hmac-md5": ("HMAC with MD5", _MAC),
    _MORE + "hmac-ripemd160": ("HMAC with RIPEMD-160", _MAC),
    _MORE + "hmac-sha224": ("HMAC with SHA-224", _MAC),
    _MORE + "hmac-sha256": ("HMAC with SHA-256", _MAC),
    _MORE + "hmac-sha384": ("HMAC with SHA-384", _MAC),
    _MORE + "hmac-sha512": ("HMAC with SHA-512", _MAC),
    _MORE_2007 + "rsa-pss": ("RSASSA-PSS with parameters", _PSS),
    _MORE_2007 + "sha1-rsa-MGF1": ("RSASSA-PSS with SHA-1", _BROKEN_SHA1),
    _MORE_2007 + "sha224-rsa-MGF1": ("RSASSA-PSS with SHA-224", _SHORT),
    _MORE_2007 + "sha256-rsa-MGF1": ("RSASSA-PSS with SHA-256", _PSS),
    _MORE_2007 + "sha384-rsa-MGF1": ("RSASSA-PSS with SHA-384", _PSS),
    _MORE_2007 + "sha512-rsa-MGF1": ("RSASSA-PSS with SHA-512", _PSS),
}
