"""The algorithms accepted, and those refused by name."""

from __future__ import annotations

import pytest

from keys.store import DigestAlgorithm, KeyKind
from signing.algorithms import DIGEST_URIS, SignatureAlgorithm, digest_from_uri
from signing.errors import AlgorithmRefusedError

DSIG = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
MORE_2007 = "http://www.w3.org/2007/05/xmldsig-more#"


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_each_algorithm_is_found_by_its_uri_and_by_key_and_digest(algorithm: SignatureAlgorithm) -> None:
    assert SignatureAlgorithm.from_uri(algorithm.uri) is algorithm
    assert SignatureAlgorithm.of(algorithm.kind, algorithm.digest) is algorithm


def test_every_kind_of_key_signs_with_every_digest() -> None:
    pairs = {(algorithm.kind, algorithm.digest) for algorithm in SignatureAlgorithm}
    assert pairs == {(kind, digest) for kind in KeyKind for digest in DigestAlgorithm}


@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_each_digest_is_found_by_its_uri(digest: DigestAlgorithm) -> None:
    assert digest_from_uri(DIGEST_URIS[digest]) is digest


@pytest.mark.parametrize(
    ("uri", "name", "why"),
    [
        (DSIG + "rsa-sha1", "RSA with SHA-1", "collisions"),
        (MORE + "ecdsa-sha1", "ECDSA with SHA-1", "collisions"),
        (DSIG + "dsa-sha1", "DSA with SHA-1", "collisions"),
        ("http://www.w3.org/2009/xmldsig11#dsa-sha256", "DSA with SHA-256", "withdrawn"),
        (MORE + "rsa-md5", "RSA with MD5", "MD5"),
        (DSIG + "hmac-sha1", "HMAC with SHA-1", "no signature"),
        (MORE + "hmac-sha256", "HMAC with SHA-256", "no signature"),
        (MORE + "rsa-sha224", "RSA with SHA-224", "256 bits"),
        (MORE_2007 + "sha256-rsa-MGF1", "RSASSA-PSS with SHA-256", "not offered"),
        (MORE_2007 + "rsa-pss", "RSASSA-PSS with parameters", "not offered"),
        ("urn:unheard-of", "urn:unheard-of", "not a signature algorithm accepted"),
        ("", "(none)", "not a signature algorithm accepted"),
        (MORE + "RSA-SHA256", MORE + "RSA-SHA256", "not a signature algorithm accepted"),
    ],
)
def test_other_signature_algorithms_are_refused_by_name(uri: str, name: str, why: str) -> None:
    with pytest.raises(AlgorithmRefusedError) as refusal:
        SignatureAlgorithm.from_uri(uri)
    assert refusal.value.name == name
    assert why in refusal.value.why


@pytest.mark.parametrize(
    ("uri", "name", "why"),
    [
        (DSIG + "sha1", "SHA-1", "collisions"),
        (MORE + "md5", "MD5", "collisions"),
        (MORE + "sha224", "SHA-224", "256 bits"),
        (MORE_2007 + "sha3-256", "SHA3-256", "not offered"),
        ("http://www.w3.org/2001/04/xmlenc#ripemd160", "RIPEMD-160", "256 bits"),
        ("urn:unheard-of", "urn:unheard-of", "not a digest algorithm accepted"),
    ],
)
def test_other_digests_are_refused_by_name(uri: str, name: str, why: str) -> None:
    with pytest.raises(AlgorithmRefusedError) as refusal:
        digest_from_uri(uri)
    assert refusal.value.name == name
    assert why in refusal.value.why
