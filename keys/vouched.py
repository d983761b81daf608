"""Which certificates that are said to help on the way to a trust anchor are really signed by somebody below one, and
the search for a way up.

An altered copy of a CA's certificate, which anybody can put beside a signature, must not stand in the way of the true
one, and certificates made to certify each other must not make the search long. So a path leads only over signatures
that hold, the shortest is found first, and the work is bounded, whatever the certificates hold and whoever gave them.
"""

from __future__ import annotations

import functools
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from keys.certificates import UNREADABLE, subject_text
from keys.errors import PathNotFoundError
from keys.profile import is_strong_signature, may_issue

MAX_PATH_LENGTH = 8
"""Certificates of a path, signer and anchor included."""

MAX_STEPS = 64
"""How many pairs of a certificate and a possible issuer one search looks at; each costs a check of a signature."""

MAX_NAMESAKES = 8
"""How many issuers of one name are tried for one certificate, when it is asked who vouches for it."""

_USUAL_NAME_BYTES = 1024
_NOBODY_ISSUED_IT, _NOBODYS_ISSUER = "\0issuer", "\0subject"
"""What stands for a name that cannot be read: equal to none, and not to each other."""

ByName = Mapping[str, Sequence[x509.Certificate]]


def by_name(certificates: Iterable[x509.Certificate]) -> dict[str, list[x509.Certificate]]:
    """The certificates by their subject, in their order, each once."""
    named: dict[str, list[x509.Certificate]] = defaultdict(list)
    for each in dict.fromkeys(certificates):
        named[_name(each, of_issuer=False)].append(each)
    return dict(named)


def issuers_by_name(certificate: x509.Certificate, known: ByName) -> Sequence[x509.Certificate]:
    """Those whose name is that of the certificate's issuer: an authority that got a new key has several."""
    return known.get(_name(certificate, of_issuer=True), ())


def paths_up(
    certificate: x509.Certificate, anchors: Iterable[x509.Certificate], *known: ByName
) -> Iterator[tuple[x509.Certificate, ...]]:
    """The paths from a certificate to an anchor, the shortest first; the signatures in each hold.

    Nothing else is checked. A weak signature is not looked at and taken as one that holds, so that who judges the path
    can tell that it is weak.

    Args:
        certificate: where to begin.
        anchors: where to end.
        known: who may lie on the way, anchors included; of one name the first are tried first.

    Raises:
        PathNotFoundError: :data:`MAX_STEPS` were taken and there was more to look at.
    """
    ends, steps = set(anchors), 0
    waiting: deque[tuple[x509.Certificate, ...]] = deque([(certificate,)])
    while waiting:
        path = waiting.popleft()
        name = _name(path[-1], of_issuer=True)
        for issuer in (each for named in known for each in named.get(name, ()) if each not in path):
            if steps == MAX_STEPS:
                raise PathNotFoundError(
                    f"the search for a path from {subject_text(certificate)} to a trust anchor was given up after "
                    f"{MAX_STEPS} steps: too many certificates of the same names"
                )
            steps += 1
            if is_strong_signature(path[-1].signature_algorithm_oid) and not _is_signed_by(path[-1], issuer):
                continue
            if issuer in ends:
                yield (*path, issuer)
            elif len(path) + 2 <= MAX_PATH_LENGTH:
                waiting.append((*path, issuer))


def vouched_for(certificates: Sequence[x509.Certificate], anchors: ByName) -> tuple[x509.Certificate, ...]:
    """Those whose signature is that of an anchor, or of a CA that is vouched for; in their order.

    Nothing else is checked: they may have expired or be revoked, and need be no CA's themselves. For each, at
    most :data:`MAX_NAMESAKES` issuers of the right name are tried, those nearest to an anchor first. Anchors of other
    names are not looked at, however many there are.
    """
    issued_by: dict[str, list[x509.Certificate]] = defaultdict(list)
    for each in dict.fromkeys(certificates):
        issued_by[_name(each, of_issuer=True)].append(each)
    tried: dict[x509.Certificate, int] = defaultdict(int)
    found: set[x509.Certificate] = set()
    issuers = deque(anchor for name in issued_by for anchor in anchors.get(name, ()))
    while issuers:
        issuer = issuers.popleft()
        for each in issued_by.get(_name(issuer, of_issuer=False), ()):
            if each in found or tried[each] == MAX_NAMESAKES:
                continue
            tried[each] += 1
            if is_strong_signature(each.signature_algorithm_oid) and _is_signed_by(each, issuer):
                found.add(each)
                if may_issue(each):
                    issuers.append(each)
    return tuple(each for each in dict.fromkeys(certificates) if each in found)


def _name(certificate: x509.Certificate, *, of_issuer: bool) -> str:
    """The name in the form in which RFC 5280 section 7.1 compares it, as the path builder does."""
    written = (certificate.issuer if of_issuer else certificate.subject).public_bytes
    try:
        name = written()
        return _remembered_name(name) if len(name) <= _USUAL_NAME_BYTES else _comparable(name)
    except (*UNREADABLE, LookupError, AttributeError, NotImplementedError):  # made to break the reader
        return _NOBODY_ISSUED_IT if of_issuer else _NOBODYS_ISSUER


def _comparable(name: bytes) -> str:
    hashable: str = asn1_x509.Name.load(name).hashable
    return hashable


_remembered_name = functools.lru_cache(maxsize=4096)(_comparable)
"""The preparation of a name takes as long as checking a signature. Long ones are not kept: anybody can send them."""


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
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
