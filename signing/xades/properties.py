"""The qualifying properties of XAdES 1.3.2 (EN 319 132-1 section 5.2), read by a closed list.

A signed property that is not understood is refused, by name: what the signer said under it could change what the
signature means. Left out, and refused: signature policies, certified roles, commitments and data object time-stamps.
``UnsignedProperties`` are not read: nothing vouches for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

from lxml import etree

from keys.store import DigestAlgorithm
from signing.namespaces import DS, XADES132
from signing.xades.certificates import decode_base64
from signing.xades.elements import children_of, leaf_text, name_of, parse_digest_method, refuse_children
from signing.xades.errors import SignatureFormatError, SignaturePolicyError, SigningCertificateNotFoundError

_X: Final = "{" + XADES132 + "}"

QUALIFYING_PROPERTIES: Final = _X + "QualifyingProperties"
_SIGNED_PROPERTIES: Final = _X + "SignedProperties"
_CLAIMED_ROLES: Final = _X + "ClaimedRoles"
_CLAIMED_ROLE: Final = _X + "ClaimedRole"

_DIGEST: Final = ["{" + DS + "}DigestMethod", "{" + DS + "}DigestValue"]

_SIGNATURE_PROPERTIES: Final = (
    "SigningTime",
    "SigningCertificate",
    "SigningCertificateV2",
    "SignaturePolicyIdentifier",
    "SignatureProductionPlace",
    "SignatureProductionPlaceV2",
    "SignerRole",
    "SignerRoleV2",
)
"""The known signed signature properties in the order of the schema; the places are accepted and not used."""
_PROPERTY_RANK: Final[dict[object, int]] = {_X + name: rank for rank, name in enumerate(_SIGNATURE_PROPERTIES)}

_FIRST_YEAR: Final = 1990
_LAST_YEAR: Final = 9998
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
"""xs:dateTime with its optional zone made a duty: without one it names no moment."""


@dataclass(frozen=True)
class CertificateDigest:
    """The digest of a certificate as a signed property names it."""

    algorithm: DigestAlgorithm
    digest: bytes


@dataclass(frozen=True)
class SignedProperties:
    """The signed properties of XAdES."""

    element: etree._Element
    signing_time: datetime
    signing_certificate: CertificateDigest
    """The first ``Cert``, which is the signer's (EN 319 132-1 section 5.2.2); ``IssuerSerialV2`` adds nothing."""
    claimed_roles: tuple[str, ...]
    object_references: tuple[str, ...]
    """The ids of references that ``DataObjectFormat`` speaks about."""


def parse_qualifying_properties(element: etree._Element, signature_id: str | None) -> SignedProperties:
    """The signed properties inside a ``QualifyingProperties``, which must belong to the signature of that id.

    Raises:
        VerificationError: something is missing, doubled, misplaced, or not understood.
    """
    if signature_id is None or element.get("Target") != "#" + signature_id:
        raise SignatureFormatError(
            "properties.target",
            f"the qualifying properties belong to {element.get('Target')}, not to this signature",
            "set QualifyingProperties/@Target to # and the signature's Id",
        )
    children, tags = children_of(element)
    if tags not in ([_SIGNED_PROPERTIES], [_SIGNED_PROPERTIES, _X + "UnsignedProperties"]):
        refuse_children(element, tags)
    return _parse_signed_properties(children[0])


def _parse_signed_properties(element: etree._Element) -> SignedProperties:
    children, tags = children_of(element)
    expected = [_X + "SignedSignatureProperties", _X + "SignedDataObjectProperties"]
    if tags not in (expected[:1], expected):
        refuse_children(element, tags)
    of_signature = _parse_signature_properties(children[0])
    return SignedProperties(
        element=element,
        signing_time=_parse_signing_time(of_signature),
        signing_certificate=_parse_signing_certificate(of_signature),
        claimed_roles=_parse_roles(of_signature),
        object_references=_parse_object_formats(children[1]) if len(children) > 1 else (),
    )


def _parse_signature_properties(element: etree._Element) -> dict[str, etree._Element]:
    """The signed signature properties by their local names."""
    last = -1
    found: dict[str, etree._Element] = {}
    children, tags = children_of(element)
    for child, tag in zip(children, tags, strict=True):
        rank = _PROPERTY_RANK.get(tag)
        if rank is None:
            _refuse_property(child)
        if rank <= last:
            refuse_children(element, tags)
        last = rank
        found[_SIGNATURE_PROPERTIES[rank]] = child
    if "SignaturePolicyIdentifier" in found:
        raise SignaturePolicyError(
            "properties.policy",
            "the signature was made under a signature policy, which cannot be processed",
            "sign without SignaturePolicyIdentifier",
        )
    return found


def _refuse_property(element: etree._Element) -> NoReturn:
    raise SignatureFormatError(
        "properties.unknown",
        f"the signed property {name_of(element)} is not understood, so that it cannot be accepted",
        "leave this property out",
    )


def _parse_signing_time(properties: dict[str, etree._Element]) -> datetime:
    if "SigningTime" not in properties:
        raise SignatureFormatError(
            "properties.signing_time", "the signed properties have no SigningTime", "write SigningTime"
        )
    text = leaf_text(properties["SigningTime"]).strip(" \t\r\n")
    try:
        time = datetime.fromisoformat(text) if _DATE_TIME.fullmatch(text) else None
    except ValueError:
        time = None
    if time is None or not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise SignatureFormatError(
            "properties.signing_time",
            f"the SigningTime {text[:40]!r} is not a date and time with a time zone",
            "write it as xs:dateTime with a zone, such as 2018-07-02T08:00:00Z",
        )
    return time


def _parse_signing_certificate(properties: dict[str, etree._Element]) -> CertificateDigest:
    found = [properties[name] for name in ("SigningCertificate", "SigningCertificateV2") if name in properties]
    if len(found) != 1:
        raise SigningCertificateNotFoundError(
            "properties.signing_certificate",
            f"the signed properties name the signing certificate {len(found)} times",
            "write exactly one SigningCertificateV2",
        )
    certs, tags = children_of(found[0])
    if not certs or tags.count(_X + "Cert") != len(tags):
        refuse_children(found[0], tags)
    children, tags = children_of(certs[0])
    if tags[:1] != [_X + "CertDigest"] or tags[1:] not in ([], [_X + "IssuerSerial"], [_X + "IssuerSerialV2"]):
        refuse_children(certs[0], tags)
    digest, tags = children_of(children[0])
    if tags != _DIGEST:
        refuse_children(children[0], tags)
    return CertificateDigest(
        parse_digest_method(digest[0], "properties.digest_method"),
        decode_base64(leaf_text(digest[1]), "properties.digest_value", "the digest of the signing certificate"),
    )


def _parse_roles(properties: dict[str, etree._Element]) -> tuple[str, ...]:
    roles: list[str] = []
    for name in ("SignerRole", "SignerRoleV2"):
        if name in properties:
            lists, tags = children_of(properties[name])
            if tags != [_CLAIMED_ROLES]:
                # Certified roles and assertions would have to be verified, which nothing here can do.
                _refuse_property(lists[0] if lists else properties[name])
            claimed, tags = children_of(lists[0])
            if not claimed or tags.count(_CLAIMED_ROLE) != len(tags):
                refuse_children(lists[0], tags)
            roles += [leaf_text(role) for role in claimed]
    return tuple(roles)


def _parse_object_formats(element: etree._Element) -> tuple[str, ...]:
    targets: list[str] = []
    for child in children_of(element)[0]:
        if child.tag != _X + "DataObjectFormat":
            _refuse_property(child)
        target = child.get("ObjectReference", "")
        if not target.startswith("#"):
            raise SignatureFormatError(
                "properties.object_reference",
                f'a DataObjectFormat refers to "{target}", which is no reference of this signature',
                "set ObjectReference to # and the Id of a Reference",
            )
        targets.append(target[1:])
    return tuple(targets)
