"""The exchange's trust list: which certificates are exchange seals and issuing authorities, and when.

It names roots as well, for comparison only: whom to believe is the reader's own decision.

A small XML file of our own, signed as a whole (enveloped, exclusive C14N) by the authority that keeps it, with signxml,
which is right for exactly this: a plain XML signature over a small file without ``xml:`` attributes. It is read back
with signxml's strict settings: the authority's certificate is given, never taken from the file; one reference, the
signature directly below the root, only the algorithms of :mod:`signing.algorithms`, validity at a given time; and
nothing is used but the element that signxml returns as signed.

A list has a sequence number and an end of validity, so that an old one cannot be passed off as the current one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final, cast
from xml.sax.saxutils import quoteattr

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureConstructionMethod, SignatureMethod
from signxml.algorithms import DigestAlgorithm as SignxmlDigest
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from keys.certificates import UNREADABLE
from keys.errors import KeyUsageError, PathNotFoundError
from keys.profile import KeyPurpose, check_purpose
from keys.store import DigestAlgorithm, SigningKey
from signing.algorithms import DIGEST_URIS, SignatureAlgorithm
from signing.errors import TrustListError, XmlError
from signing.xml import XmlLimits, parse

NAMESPACE: Final = "urn:edoc-exchange:trust-list:1"
"""Namespace of the list; the number is the version of its form."""

_ROOT: Final = f"{{{NAMESPACE}}}TrustList"
_ENTRY: Final = f"{{{NAMESPACE}}}Certificate"
MAX_BYTES: Final = 2 << 20
"""Of a list."""
_LIMITS: Final = XmlLimits(max_bytes=MAX_BYTES, max_skeleton_bytes=MAX_BYTES, max_nodes=10_000, max_depth=8)
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_SEQUENCE: Final = re.compile(r"[1-9][0-9]{0,17}")


class TrustedAs(Enum):
    """What a certificate of the list may vouch for."""

    TRUST_ANCHOR = "TrustAnchor"
    """A root of the authority that keeps the list, told for comparison with the reader's own anchors: no path ends here
    because of it, and an end set for it takes no anchor away (docs/decisions/0008-trust-list.md)."""
    EXCHANGE_SEAL = "ExchangeSeal"
    """Seals evidence of the exchange."""
    ISSUING_AUTHORITY = "IssuingAuthority"
    """Issues certificates of agencies and officers; a path goes on from it to an anchor."""


class Listed(Enum):
    """What a list says of a certificate and one thing that it might vouch for."""

    HOLDS = "holds"
    """It is named, for the time in question too."""
    NOT_THEN = "not_then"
    """It is named, for other times only."""
    NEVER = "never"
    """It is not named."""


@dataclass(frozen=True)
class TrustListEntry:
    """One certificate and the time in which it may be relied upon; its own validity is not widened by that."""

    trusted_as: TrustedAs
    certificate: x509.Certificate
    valid_from: datetime
    valid_until: datetime | None
    """The first moment at which it is no longer relied upon; None while no end is set."""

    def holds(self, at: datetime) -> bool:
        """Whether it may be relied upon at that time."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


@dataclass(frozen=True)
class TrustList:
    """A whole list. Times have a zone and count to the second."""

    operator: str
    """Who keeps the list."""
    sequence: int
    """Larger in each new list; 1 or more."""
    issued_at: datetime
    next_update: datetime
    """From here on the list is stale."""
    entries: tuple[TrustListEntry, ...]

    def certificates(self, trusted_as: TrustedAs, at: datetime) -> tuple[x509.Certificate, ...]:
        """The certificates that may be relied upon for that at that time, in the order of the list."""
        return tuple(entry.certificate for entry in self.entries if entry.trusted_as is trusted_as and entry.holds(at))

    def listed(self, certificate: x509.Certificate, trusted_as: TrustedAs, at: datetime) -> Listed:
        """What the list says of that very certificate at that time."""
        named = [each for each in self.entries if (each.trusted_as, each.certificate) == (trusted_as, certificate)]
        if not named:
            return Listed.NEVER
        return Listed.HOLDS if any(entry.holds(at) for entry in named) else Listed.NOT_THEN

    def is_current(self, at: datetime) -> bool:
        """Whether it is issued and not stale at that time."""
        return self.issued_at <= at < self.next_update


# --- writing -------------------------------------------------------------------------------------------------------


def write_trust_list(trust_list: TrustList, key: SigningKey, digest: DigestAlgorithm = DigestAlgorithm.SHA256) -> bytes:
    """The list as an XML file, signed by the authority's ``key``.

    Raises:
        TrustListError: the list has no entries, a sequence below 1, times without zone, or a text that XML cannot hold.
        KeyUnavailableError: the holder of the key cannot sign now.
    """
    if not trust_list.entries or trust_list.sequence < 1:
        raise TrustListError("a trust list has at least one entry and a sequence number of 1 or more")
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod(SignatureAlgorithm.of(key.kind, digest).uri),
        digest_algorithm=SignxmlDigest(DIGEST_URIS[digest]),
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    # An object, never PEM: signxml checks an RSA key anew each time it loads one.
    borrowed = cast(rsa.RSAPrivateKey, _BorrowedKey(key, digest))
    signed = signer.sign(_to_element(trust_list), key=borrowed, cert=[key.certificate, *key.chain])
    return etree.tostring(signed, encoding="UTF-8", xml_declaration=True)


@dataclass(frozen=True)
class _BorrowedKey:
    """A :class:`SigningKey` with the two members of a private key that signxml uses: the key stays where it is."""

    key: SigningKey
    digest: DigestAlgorithm

    @property
    def key_size(self) -> int:
        public_key = self.key.certificate.public_key()
        assert isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)  # noqa: S101 - KeyKind has no other
        return public_key.key_size

    def sign(self, data: bytes, **how: object) -> bytes:
        chosen = how.get("algorithm") or how.get("signature_algorithm")
        algorithm = chosen.algorithm if isinstance(chosen, ec.ECDSA) else chosen
        assert isinstance(algorithm, hashes.HashAlgorithm)  # noqa: S101 - or signxml has changed
        if algorithm.name != self.digest.value:
            raise TrustListError(f"asked to sign with {algorithm.name} in place of {self.digest.value}")
        return self.key.sign(data, self.digest)


def _to_element(trust_list: TrustList) -> etree._Element:
    entries = "".join(_entry_text(entry) for entry in trust_list.entries)
    text = (
        f'<TrustList xmlns="{NAMESPACE}" Operator={quoteattr(trust_list.operator)} Sequence="{trust_list.sequence}" '
        f'IssuedAt="{_time_text(trust_list.issued_at)}" NextUpdate="{_time_text(trust_list.next_update)}">'
        f"{entries}</TrustList>"
    )
    try:
        return etree.fromstring(text)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise TrustListError(f"the operator's name has a character that XML cannot hold: {error}") from error


def _entry_text(entry: TrustListEntry) -> str:
    until = f' ValidUntil="{_time_text(entry.valid_until)}"' if entry.valid_until else ""
    encoded = base64.b64encode(entry.certificate.public_bytes(Encoding.DER)).decode()
    return (
        f'<Certificate TrustedAs="{entry.trusted_as.value}" ValidFrom="{_time_text(entry.valid_from)}"{until}>'
        f"{encoded}</Certificate>"
    )


def _time_text(moment: datetime) -> str:
    if moment.utcoffset() is None:
        raise TrustListError("a time of the trust list has no time zone: give it in UTC")
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


# --- reading -------------------------------------------------------------------------------------------------------


def read_trust_list(data: bytes, *, authority: x509.Certificate, at: datetime, min_sequence: int = 1) -> TrustList:
    """The list in ``data``, if it was signed by ``authority`` and is current ``at`` that time.

    The caller vouches for ``authority``: its path is not checked, its validity and the list's are.

    Args:
        data: the file.
        authority: the certificate of the only key that may have signed.
        at: the time of interest.
        min_sequence: the sequence of the newest list seen so far; an older one is refused.

    Raises:
        TrustListError: the file is no such list, its signature does not hold, or it is stale, early or superseded.
    """
    trust_list = verify_trust_list(data, authority=authority, at=at)
    if not trust_list.is_current(at):
        raise TrustListError(
            f"the trust list holds from {trust_list.issued_at.isoformat()} to {trust_list.next_update.isoformat()}, "
            f"not at {at.isoformat()}: get the current one"
        )
    if trust_list.sequence < min_sequence:
        raise TrustListError(f"the trust list has number {trust_list.sequence}, but {min_sequence} was seen before")
    return trust_list


def verify_trust_list(data: bytes, *, authority: x509.Certificate, at: datetime) -> TrustList:
    """The list in ``data``, if it was signed by ``authority``: for showing it, since it may be stale.

    Raises:
        TrustListError: the file is no such list, its signature does not hold, or ``authority`` may not sign one at
            that time.
    """
    try:
        parse(data, _LIMITS)
        check_purpose(authority, KeyPurpose.TRUST_LIST)
    except XmlError as error:
        raise TrustListError(f"the trust list cannot be read: {error}") from error
    except (KeyUsageError, PathNotFoundError) as error:
        raise TrustListError(f"the authority of the trust list may not sign it: {error}") from error
    return _from_element(_signed_element(data, authority, at))


def _signed_element(data: bytes, authority: x509.Certificate, at: datetime) -> etree._Element:
    strict = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=frozenset(SignatureMethod(algorithm.uri) for algorithm in SignatureAlgorithm),
        digest_algorithms=frozenset(SignxmlDigest(uri) for uri in DIGEST_URIS.values()),
        verification_time=at,
        default_reference_c14n_method=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    try:
        result = XMLVerifier().verify(data, x509_cert=authority, expect_config=strict)
    except Exception as error:  # on hostile input signxml raises errors of half a dozen packages
        raise TrustListError(f"the trust list is not signed by its authority: {error}") from error
    if not isinstance(result, VerifyResult) or result.signed_xml is None:
        raise TrustListError("what the authority signed is no XML")
    return result.signed_xml


def _from_element(root: etree._Element) -> TrustList:
    if root.tag != _ROOT or any(child.tag != _ENTRY for child in root):
        raise TrustListError("what the authority signed is no trust list of this version")
    sequence = _required(root, "Sequence")
    if not _SEQUENCE.fullmatch(sequence):
        raise TrustListError(f"the sequence number {sequence!r} is no positive number")
    entries = tuple(_read_entries(list(root)))
    if not entries:
        raise TrustListError("the trust list is empty")
    return TrustList(
        operator=_required(root, "Operator"),
        sequence=int(sequence),
        issued_at=_read_time(_required(root, "IssuedAt")),
        next_update=_read_time(_required(root, "NextUpdate")),
        entries=entries,
    )


def _read_entries(elements: Sequence[etree._Element]) -> Iterator[TrustListEntry]:
    for element in elements:
        until = element.get("ValidUntil")
        try:
            trusted_as = TrustedAs(_required(element, "TrustedAs"))
            certificate = x509.load_der_x509_certificate(base64.b64decode(element.text or "", validate=True))
        except UNREADABLE as error:
            raise TrustListError(f"an entry of the trust list cannot be read: {error}") from error
        valid_from = _read_time(_required(element, "ValidFrom"))
        yield TrustListEntry(trusted_as, certificate, valid_from, None if until is None else _read_time(until))


def _required(element: etree._Element, name: str) -> str:
    value = element.get(name)
    if value is None:
        raise TrustListError(f"the trust list lacks the attribute {name} of {etree.QName(element).localname}")
    return value


def _read_time(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise TrustListError(f"{text!r} is no time in UTC to the second")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise TrustListError(f"{text!r} is no time: {error}") from error
