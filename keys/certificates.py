"""Reading X.509 certificates and CRLs (RFC 5280), and the facts this exchange looks for in them.

An agency is named in the subject by ``organizationIdentifier`` (2.5.4.97) in the form of a semantics identifier of
ETSI EN 319 412-1 section 5.1.4: ``GOVVN-`` and the agency's code. What a certificate is for among us (seal of an
agency, signature of an officer, seal of the exchange) is said by a certificate policy (RFC 5280 section 4.2.1.4).
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from keys.errors import CertificateFormatError

_ARC = "2.25.339351983961038766052315355313121955132"
"""An arc of our own, made from a UUID (ITU-T X.667), so that it needs no registration."""

DEMONSTRATION_POLICY = x509.ObjectIdentifier(f"{_ARC}.1")
"""The policy in every certificate of the demonstration authority: nothing it signs has legal effect."""

DEMONSTRATION_NOTICE = "DEMONSTRATION ONLY: no person or agency was identified, and nothing signed has legal effect."


class CertificateRole(Enum):
    """What a certificate is for in this exchange; the value is the policy that says so."""

    AGENCY_SEAL = x509.ObjectIdentifier(f"{_ARC}.2")
    OFFICER = x509.ObjectIdentifier(f"{_ARC}.3")
    EXCHANGE_SEAL = x509.ObjectIdentifier(f"{_ARC}.4")
    TRUST_LIST = x509.ObjectIdentifier(f"{_ARC}.5")


_ROLE_BY_POLICY = {role.value: role for role in CertificateRole}
UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises on certificates and CRLs that are damaged or made to confuse."""

MAX_BLOCKS = 1024
"""PEM blocks of one bundle; those of the authorities that browsers trust have less than two hundred."""
MAX_BLOCK_BYTES = 64 << 20
"""One PEM block; CRLs of national authorities, which hold each certificate revoked in years, reach some megabytes."""

_PEM_BEGIN = b"-----BEGIN "
_PEM_LABEL = re.compile(rb"([A-Z0-9 ]{1,64})-----")
_PEM_DASHES = b"-----"
_CERTIFICATE_LABELS = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})
_CRL_LABELS = frozenset({b"X509 CRL"})
_AGENCY_PREFIX = "GOVVN-"
_AGENCY_CODE = re.compile(r"[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*")
_MAX_AGENCY_CODE_CHARACTERS = 58
"""With the prefix, 64: the upper bound X.520 sets for serialNumber, in which the code stands as well."""

_REMEMBERED = 1024
"""An exchange meets the same few hundred seals over and over."""


def _remembered(look: Callable[[x509.Certificate], str]) -> Callable[[x509.Certificate], str]:
    """Remember what was found out about a certificate, by the object itself: to hash one takes as long as to look."""
    known: dict[int, tuple[x509.Certificate, str]] = {}

    @functools.wraps(look)
    def remembered(certificate: x509.Certificate) -> str:
        found = known.get(id(certificate))
        if found is not None and found[0] is certificate:
            return found[1]
        value = look(certificate)
        if len(known) >= _REMEMBERED:
            known.clear()
        known[id(certificate)] = certificate, value
        return value

    return remembered


def read_certificates(
    data: bytes, *, at_most: int = MAX_BLOCKS, seen: set[bytes] | None = None
) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM bundle in its order (other PEM blocks are passed over), or the one DER certificate.

    Args:
        data: the bundle, or the DER.
        at_most: PEM blocks, of whatever label.
        seen: digests of the encodings of those read before; they are passed over unparsed, and new ones are added.

    Raises:
        CertificateFormatError: there is none, or one of them is damaged, or there are more than ``at_most`` PEM blocks.
    """
    blocks = _pem_blocks(data, _CERTIFICATE_LABELS, at_most)
    try:
        load = x509.load_pem_x509_certificate if blocks else x509.load_der_x509_certificate
        certificates = tuple(load(each) for each in _unseen(blocks or (data,), seen))
    except UNREADABLE as error:
        wrong = (
            "a certificate in the PEM bundle is damaged" if blocks else "it is no X.509 certificate, in DER or in PEM"
        )
        raise CertificateFormatError(wrong) from error
    for certificate in certificates:
        check_readable(certificate)
    return certificates


def check_readable(certificate: x509.Certificate) -> None:
    """Refuse a certificate that is damaged in a part which cryptography reads only when asked for it.

    One whose signature has unused bits is refused as well: they are not signed, and changing them would make another
    certificate of the same validity.

    Raises:
        CertificateFormatError: so it is.
    """
    try:
        _ = certificate.extensions, certificate.subject, certificate.issuer, subject_text(certificate)
    except UNREADABLE as error:
        raise CertificateFormatError(f"not a well-formed X.509 certificate: {error}") from error
    if not certificate.public_bytes(serialization.Encoding.DER).endswith(b"\x00" + certificate.signature):
        raise CertificateFormatError("the signature of a certificate is not a whole number of octets")


def read_crls(
    data: bytes, *, at_most: int = MAX_BLOCKS, seen: set[bytes] | None = None
) -> tuple[x509.CertificateRevocationList, ...]:
    """The CRLs of a PEM bundle in its order (other PEM blocks are passed over), or the one DER CRL.

    Args:
        data: the bundle, or the DER.
        at_most: PEM blocks, of whatever label.
        seen: digests of the encodings of those read before; they are passed over unparsed, and new ones are added.

    Raises:
        CertificateFormatError: there is none, or one of them is damaged, or there are more than ``at_most`` PEM blocks.
    """
    blocks = _pem_blocks(data, _CRL_LABELS, at_most)
    try:
        load = x509.load_pem_x509_crl if blocks else x509.load_der_x509_crl
        crls = tuple(load(each) for each in _unseen(blocks or (data,), seen))
        for crl in crls:
            _ = crl.extensions, crl.issuer
    except UNREADABLE as error:
        wrong = "a CRL is damaged" if blocks or data.startswith(b"\x30") else "it is no CRL, in DER or in PEM"
        raise CertificateFormatError(wrong) from error
    return crls


def _unseen(encodings: Sequence[bytes], seen: set[bytes] | None) -> Iterator[bytes]:
    """Those whose digest, white space of PEM aside, is not in ``seen``; all where nobody keeps it."""
    for each in encodings:
        if seen is not None:
            digest = hashlib.sha256(b"".join(each.split()) if each.startswith(_PEM_BEGIN) else each).digest()
            if digest in seen:
                continue
            seen.add(digest)
        yield each


def _pem_blocks(data: bytes, labels: frozenset[bytes], at_most: int) -> tuple[bytes, ...]:
    """The PEM blocks of these labels (RFC 7468); a bundle in which any block was cut short is refused whole.

    Nothing is looked at twice, so that a bundle made of beginnings costs no more than its length.
    """
    found: list[bytes] = []
    blocks, at = 0, data.find(_PEM_BEGIN)
    while at >= 0:
        label, stop = _pem_block(data, at)
        begins_line = at == 0 or data[at - 1 : at] == b"\n"
        if label is None and begins_line:
            raise CertificateFormatError(f"a PEM block has no end, or more than {MAX_BLOCK_BYTES} bytes")
        if label is not None and not begins_line:
            raise CertificateFormatError("a PEM block does not begin its line")
        blocks += label is not None
        if blocks > at_most:
            raise CertificateFormatError(f"it has more than {at_most} PEM blocks")
        if label in labels:
            found.append(data[at:stop])
        at = data.find(_PEM_BEGIN, stop)
    return tuple(found)


def _pem_block(data: bytes, at: int) -> tuple[bytes | None, int]:
    """The label of the block that begins at ``at`` (None where it is no whole block), and where to go on."""
    begin = _PEM_LABEL.match(data, at + len(_PEM_BEGIN))
    if begin is None:
        return None, at + len(_PEM_BEGIN)
    label = begin.group(1)
    end = data.find(_PEM_DASHES, begin.end(), begin.end() + MAX_BLOCK_BYTES)
    closing = b"-----END " + label + _PEM_DASHES
    if end < 0:
        return None, begin.end() + MAX_BLOCK_BYTES - len(_PEM_DASHES)  # dashes may begin just before
    return (label, end + len(closing)) if data.startswith(closing, end) else (None, end)


@_remembered
def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 of the certificate's DER, in lower-case hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


@_remembered
def subject_text(certificate: x509.Certificate) -> str:
    """The subject as text (RFC 4514), most specific part first."""
    return certificate.subject.rfc4514_string()


def organization_identifier(certificate: x509.Certificate) -> str | None:
    """The subject's organizationIdentifier (2.5.4.97); None where it is absent or there are several."""
    values = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)
    value = values[0].value if len(values) == 1 else None
    return value if isinstance(value, str) else None


def is_agency_code(text: str) -> bool:
    """Whether ``text`` can stand as an agency's code in a certificate: letters and digits in parts joined by dots."""
    return len(text) <= _MAX_AGENCY_CODE_CHARACTERS and _AGENCY_CODE.fullmatch(text) is not None


def agency_identifier(agency_code: str) -> str:
    """The organizationIdentifier of an agency (ETSI EN 319 412-1 section 5.1.4).

    Raises:
        ValueError: the code cannot stand in a certificate.
    """
    if not is_agency_code(agency_code):
        raise ValueError(f"{agency_code!r} is not an agency code: letters and digits, in parts joined by dots")
    return _AGENCY_PREFIX + agency_code


def agency_code(certificate: x509.Certificate) -> str | None:
    """The code of the agency that the certificate names; None where there is none or it is malformed.

    An officer's certificate names the agency too: ask :func:`role_of` before taking a signature for a seal.
    """
    identifier = organization_identifier(certificate)
    if identifier is None or not identifier.startswith(_AGENCY_PREFIX):
        return None
    code = identifier.removeprefix(_AGENCY_PREFIX)
    return code if is_agency_code(code) else None


def role_of(certificate: x509.Certificate) -> CertificateRole | None:
    """What the certificate is for; None where no policy of ours says so, or several do."""
    roles = [_ROLE_BY_POLICY[policy] for policy in _policies(certificate) if policy in _ROLE_BY_POLICY]
    return roles[0] if len(roles) == 1 else None


def is_demonstration(certificate: x509.Certificate) -> bool:
    """Whether the certificate comes from a demonstration authority and has no legal effect."""
    return DEMONSTRATION_POLICY in _policies(certificate)


def _policies(certificate: x509.Certificate) -> tuple[x509.ObjectIdentifier, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.CertificatePolicies)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()
    return tuple(policy.policy_identifier for policy in extension.value)
