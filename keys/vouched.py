"""Which certificates that are said to help on the way to a trust anchor are really signed by somebody below one.

A path builder takes of two certificates with one issuer and number the first, and gives up after a number of paths. So
an altered copy of a CA's certificate, which anybody can put beside a signature, could stand in the way of the true one:
then the true one must come first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from keys.certificates import UNREADABLE
from keys.profile import is_strong_signature


def vouched_for(
    certificates: Sequence[x509.Certificate], anchors: Iterable[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Those whose signature is that of an anchor, or of another that is vouched for; in their order.

    Nothing else is checked: they may have expired, be revoked, or be no CA's. The time it takes grows with the square
    of their number at most, whatever they hold.
    """
    known: dict[str, list[x509.Certificate]] = defaultdict(list)
    for anchor in anchors:
        known[_name(anchor, of_issuer=False)].append(anchor)
    waiting = dict.fromkeys(certificates)
    found: set[x509.Certificate] = set()
    while True:
        good = [each for each in waiting if _has_issuer(each, known)]
        if not good:
            return tuple(each for each in dict.fromkeys(certificates) if each in found)
        for each in good:
            del waiting[each]
            found.add(each)
            known[_name(each, of_issuer=False)].append(each)


def _has_issuer(certificate: x509.Certificate, known: dict[str, list[x509.Certificate]]) -> bool:
    issuers = known.get(_name(certificate, of_issuer=True), ())
    return any(_is_signed_by(certificate, each) for each in issuers)


def _name(certificate: x509.Certificate, *, of_issuer: bool) -> str:
    """The name in the form in which RFC 5280 section 7.1 compares it, as the path builder does."""
    name = certificate.issuer if of_issuer else certificate.subject
    try:
        hashable: str = asn1_x509.Name.load(name.public_bytes()).hashable
    except (*UNREADABLE, LookupError, AttributeError, NotImplementedError):
        return ""  # made to break the reader: nobody's issuer, and nobody issued it
    return hashable


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if not is_strong_signature(certificate.signature_algorithm_oid):
        return False
    signed, signature = certificate.tbs_certificate_bytes, certificate.signature
    try:
        key, digest = issuer.public_key(), certificate.signature_hash_algorithm
        if digest is None:
            return False
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(digest))
        else:
            return False
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
