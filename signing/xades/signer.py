"""Making XAdES signatures at level B-B (ETSI EN 319 132-1) over parts of a document or of a container.

Every same-document reference names one element by its ``Id`` and says in an explicit ``Transform`` how its octets
come about: exclusive canonicalization for elements (W3C xml-exc-c14n), base64 decoding for encoded files (XMLDSig
section 6.6.2). Nothing depends on the place where the signature stands, so signatures stand beside each other
without touching: there is no enveloped transform, and no signature covers another one.

The signature element is placed in the document first, then its own canonical octets are taken from that very tree.
Whatever namespace declarations the document has above it, what is digested is therefore what is written out.

Left out: signature policies, production place, time-stamps and every level above B-B.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast
from xml.sax.saxutils import escape, quoteattr

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from keys.store import DigestAlgorithm, KeyKind, SigningKey
from signing.algorithms import DIGEST_URIS, SignatureAlgorithm
from signing.errors import SignatureCreationError
from signing.namespaces import BASE64_TRANSFORM, DS, SIGNED_PROPERTIES_TYPE, XADES132
from signing.parts import Base64Part, ElementPart, FilePart, Part
from signing.xml import CanonicalizationMethod, ParsedXml, canonicalize

_EXCLUSIVE: Final = CanonicalizationMethod.EXCLUSIVE
_MIN_RSA_BITS: Final = 2048
_DER_LONG_FORM: Final = 0x80
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES: Final = {
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}

_NAME_START: Final = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NCNAME: Final = re.compile(f"[{_NAME_START}][{_NAME_START}\\-.0-9\u00b7\u0300-\u036f\u203f-\u2040]*")
"""XML Namespaces 1.0, production NCName."""
_RELATIVE_URI: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=@/]|%[0-9A-Fa-f]{2})+")
"""RFC 3986 path-noscheme without a colon, query or fragment, so that it cannot be read as another scheme."""

_XML_MEDIA_TYPE: Final = "text/xml"
_DECLARED_SIGNED_INFO: Final = f'<ds:SignedInfo xmlns:ds="{DS}">'
_DECLARED_PROPERTIES: Final = f'<xades:SignedProperties xmlns:xades="{XADES132}" '
_DECLARED_DIGEST_METHOD: Final = f'<ds:DigestMethod xmlns:ds="{DS}" '
_GAP: Final = "\0"
"""Stands where a template has a gap: no text of a signature can hold it."""
_EMPTY_DIGEST_VALUE: Final = "<ds:DigestValue></ds:DigestValue>"
_DECLARED_DIGEST_VALUE: Final = f'<ds:DigestValue xmlns:ds="{DS}">'

_ALL_IDS: Final = etree.XPath("//@*[translate(local-name(), 'ID', 'id') = 'id'][. != '']", smart_strings=False)
_SIGNATURES: Final = etree.XPath("descendant-or-self::ds:Signature", namespaces={"ds": DS})
_REFERENCE_URIS: Final = etree.XPath(
    "//ds:Signature/ds:SignedInfo/ds:Reference/@URI", namespaces={"ds": DS}, smart_strings=False
)


@dataclass(frozen=True)
class _Reference:
    """One ``ds:Reference``, ready to be written."""

    uri: str
    transform: str | None
    digest: bytes
    media_type: str


@dataclass(frozen=True)
class _CertificateTexts:
    """What a certificate contributes to every signature made with it."""

    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    signing_certificate: str
    key_info: str


def sign(
    document: ParsedXml,
    parts: Sequence[Part],
    *,
    parent: etree._Element,
    key: SigningKey,
    signing_time: datetime,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    claimed_roles: Sequence[str] = (),
    signature_id: str,
) -> etree._Element:
    """Sign ``parts`` and append the finished ``ds:Signature`` to ``parent``, an element of ``document``.

    Guarantees: the document as :meth:`ParsedXml.encoded_chunks` writes it, once parsed again, has exactly the octets
    that were digested; each part is covered by one reference with an ``Id`` and a ``DataObjectFormat``; the
    signature value verifies under the key's certificate. Signatures that were there before stay valid.

    Args:
        document: the document that ``parent`` and the elements of ``parts`` belong to.
        parts: what to sign. Elements carry an ``Id``; a :class:`FilePart` has a percent-encoded relative URI.
        parent: where the signature goes; no part and no signature already there may cover it.
        key: holds the private key, its certificate and chain.
        signing_time: the claimed SigningTime, written in UTC to the second.
        digest: the digest of every reference and of the signature value.
        claimed_roles: the capacities in which is signed (SignerRoleV2/ClaimedRoles), in this order.
        signature_id: ``Id`` of the signature; the ``Id`` values inside it begin with it and a hyphen.

    Raises:
        SignatureCreationError: an ``Id`` is missing, doubled or not an NCName; the time has no zone; the key is not
            the one of its certificate or too weak; a part or the parent does not lie where it can be signed; or a
            part would read differently once written out. Nothing was added to the document then.
        ContentError: the text of a :class:`Base64Part` is not strict base64.
        KeyUnavailableError: the holder of the key cannot sign now.
    """
    time = _signing_time(signing_time)
    algorithm = SignatureAlgorithm.of(key.kind, digest)
    certificate = _certificate_texts(key.certificate, key.chain, digest)
    _check_key(key.kind, certificate)
    _check_places(document, parts, parent)
    _check_ids(document, parts, signature_id)
    references = [_reference(document, part, digest) for part in parts]
    properties = _signed_properties(signature_id, time, certificate, claimed_roles, references)
    signed_info = _signed_info(signature_id, algorithm, references)
    signature = _place(parent, _signature(signature_id, signed_info, certificate, properties))
    try:
        _finish(signature, key, certificate, digest)
    except BaseException:
        parent.remove(signature)
        raise
    return signature


def seal_text(
    octets: bytes,
    element_id: str,
    *,
    key: SigningKey,
    signing_time: datetime,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    claimed_roles: Sequence[str] = (),
    signature_id: str,
) -> str:
    """The ``ds:Signature``, as text, over one element that the caller has written in its canonical form.

    It is the signature that :func:`sign` would make, in a form that is canonical but for its namespace declarations,
    so that neither a tree nor a parser is needed: for the many small documents that the exchange itself writes. The
    declarations it needs are its own, so that it may stand anywhere outside of the element.

    Args:
        octets: the exclusive canonical form of the element, which must be what a reader gets from the document.
        element_id: the ``Id`` of that element, the only one of this name in the document.
        key, signing_time, digest, claimed_roles, signature_id: see :func:`sign`.

    Raises:
        SignatureCreationError: an ``Id`` is not an NCName; a role has a character that XML cannot hold; the time has
            no zone; the key is not the one of its certificate or too weak.
        KeyUnavailableError: the holder of the key cannot sign now.
    """
    time = _signing_time(signing_time)
    template = _text_template(
        key.certificate, key.chain, key.kind, digest, element_id, tuple(claimed_roles), signature_id
    )
    properties_digest = digest.digest((template.canonical_properties % time).encode())
    digests = (_base64(digest.digest(octets)), _base64(properties_digest))
    signed_info = (template.canonical_signed_info % digests).encode()
    value = _base64(_sign_octets(signed_info, key, template.certificate, digest))
    return template.signature % (*digests, value, time)


@dataclass(frozen=True)
class _TextTemplate:
    """Signatures made by one key over an element of one ``Id`` differ in a few values, which are gaps (``%s``) here."""

    certificate: _CertificateTexts
    canonical_properties: str
    """SignedProperties in canonical form; the time."""
    canonical_signed_info: str
    """SignedInfo in canonical form; the digests of the element and of the properties."""
    signature: str
    """The whole; both digests, the signature value, the time."""


@functools.lru_cache(maxsize=64)
def _text_template(
    certificate: x509.Certificate,
    chain: tuple[x509.Certificate, ...],
    kind: KeyKind,
    digest: DigestAlgorithm,
    element_id: str,
    claimed_roles: tuple[str, ...],
    signature_id: str,
) -> _TextTemplate:
    texts = _certificate_texts(certificate, chain, digest)
    _check_key(kind, texts)
    if not _NCNAME.fullmatch(element_id) or not _NCNAME.fullmatch(signature_id):
        raise SignatureCreationError(f"the Id {element_id!r} or {signature_id!r} is not an NCName")
    if not all(role.isprintable() for role in claimed_roles):
        raise SignatureCreationError("a role has a character that cannot be printed")
    reference = _Reference("#" + element_id, _EXCLUSIVE.value, b"", _XML_MEDIA_TYPE)
    properties = _signed_properties(signature_id, _GAP, texts, claimed_roles, [reference])
    signed_info = _signed_info(signature_id, SignatureAlgorithm.of(kind, digest), [reference])
    signed_info = signed_info.replace(_EMPTY_DIGEST_VALUE, f"<ds:DigestValue>{_GAP}</ds:DigestValue>")
    return _TextTemplate(
        certificate=texts,
        canonical_properties=_gapped(_canonical_properties(properties)),
        canonical_signed_info=_gapped(signed_info.replace("<ds:SignedInfo>", _DECLARED_SIGNED_INFO, 1)),
        signature=_gapped(_signature(signature_id, signed_info, texts, properties, _GAP)),
    )


def _gapped(text: str) -> str:
    return text.replace("%", "%%").replace(_GAP, "%s")


def _canonical_properties(text: str) -> str:
    """SignedProperties in exclusive canonical form: each element that first uses a prefix declares it."""
    return (
        text.replace("<xades:SignedProperties ", _DECLARED_PROPERTIES, 1)
        .replace("<ds:DigestMethod ", _DECLARED_DIGEST_METHOD)
        .replace("<ds:DigestValue>", _DECLARED_DIGEST_VALUE)
    )


def _finish(
    signature: etree._Element, key: SigningKey, certificate: _CertificateTexts, digest: DigestAlgorithm
) -> None:
    """Fill in the digest of SignedProperties, then the signature value, over the octets of the placed tree."""
    signed_info, signature_value, _, ds_object = signature
    properties_digest = signed_info[-1][-1]
    signed_properties = ds_object[0][0]
    properties_digest.text = _base64(digest.digest(canonicalize(signed_properties, _EXCLUSIVE)))
    signature_value.text = _base64(_sign_octets(canonicalize(signed_info, _EXCLUSIVE), key, certificate, digest))


def _signing_time(moment: datetime) -> str:
    if moment.utcoffset() is None:
        raise SignatureCreationError("the signing time has no time zone: give it in UTC")
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


# --- the key -------------------------------------------------------------------------------------------------------


def _check_key(kind: KeyKind, certificate: _CertificateTexts) -> None:
    is_rsa = isinstance(certificate.public_key, rsa.RSAPublicKey)
    if is_rsa is not (kind is KeyKind.RSA):
        raise SignatureCreationError(f"the key says it is {kind.value}, but its certificate is for another kind")


@functools.lru_cache(maxsize=256)
def _certificate_texts(
    certificate: x509.Certificate, chain: tuple[x509.Certificate, ...], digest: DigestAlgorithm
) -> _CertificateTexts:
    """Cached: an exchange makes all its signatures with a handful of certificates."""
    certificate_der = certificate.public_bytes(Encoding.DER)
    bundle = [certificate_der, *(issuer.public_bytes(Encoding.DER) for issuer in chain if issuer != certificate)]
    written = "".join(f"<ds:X509Certificate>{_base64(der)}</ds:X509Certificate>" for der in bundle)
    return _CertificateTexts(
        public_key=_public_key(certificate),
        signing_certificate=(
            "<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
            f"{_digest_method(digest)}<ds:DigestValue>{_base64(digest.digest(certificate_der))}</ds:DigestValue>"
            f"</xades:CertDigest><xades:IssuerSerialV2>{_base64(_issuer_serial(certificate))}</xades:IssuerSerialV2>"
            "</xades:Cert></xades:SigningCertificateV2>"
        ),
        key_info=f"<ds:KeyInfo><ds:X509Data>{written}</ds:X509Data></ds:KeyInfo>",
    )


def _public_key(certificate: x509.Certificate) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    public_key = certificate.public_key()
    if isinstance(public_key, rsa.RSAPublicKey):
        if public_key.key_size < _MIN_RSA_BITS:
            raise SignatureCreationError(f"an RSA key of {public_key.key_size} bits is too weak: use 2048 or more")
        return public_key
    if isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(public_key.curve, _CURVES):
        return public_key
    raise SignatureCreationError("the certificate's key is neither RSA nor on the curves P-256, P-384 or P-521")


def _issuer_serial(certificate: x509.Certificate) -> bytes:
    """DER of IssuerSerial (RFC 5035 section 5): the issuer's name as a GeneralNames, and the serial number."""
    serial = certificate.serial_number
    number = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    directory_name = _der(0xA4, certificate.issuer.public_bytes())
    return _der(0x30, _der(0x30, directory_name) + _der(0x02, number))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < _DER_LONG_FORM:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, _DER_LONG_FORM | len(size)]) + size + content


def _sign_octets(octets: bytes, key: SigningKey, certificate: _CertificateTexts, digest: DigestAlgorithm) -> bytes:
    """The signature value; checked under the certificate, so that no seal by a wrong or faulty key leaves the house."""
    value = key.sign(octets, digest)
    public_key = certificate.public_key
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(value, octets, padding.PKCS1v15(), _HASHES[digest])
            return value
        public_key.verify(value, octets, ec.ECDSA(_HASHES[digest]))
    except InvalidSignature as error:
        raise SignatureCreationError("the private key is not the one of the key's certificate") from error
    r, s = decode_dss_signature(value)
    # XMLDSig 1.1 section 6.4.3 wants r and s at full width, side by side, where X.509 has them in DER.
    width = (public_key.key_size + 7) // 8
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


# --- what is signed ------------------------------------------------------------------------------------------------


def _check_places(document: ParsedXml, parts: Sequence[Part], parent: etree._Element) -> None:
    """The signature must change nothing that it or a signature already there covers."""
    if not parts:
        raise SignatureCreationError("there is nothing to sign: no parts were given")
    if not _belongs(document, parent):
        raise SignatureCreationError("the place for the signature is not in the document")
    elements = [part for part in parts if not isinstance(part, FilePart)]
    above = [parent, *parent.iterancestors()]
    for part in elements:
        if not _belongs(document, part.element):
            raise SignatureCreationError(f"{part.label} is not an element of the document")
        if part.element in above:
            raise SignatureCreationError(f"the signature would stand inside {part.label}, which it signs")
    if _SIGNATURES(document.root):
        _check_other_signatures(document, elements, above)


def _check_other_signatures(
    document: ParsedXml, parts: Iterable[ElementPart | Base64Part], above: Sequence[etree._Element]
) -> None:
    """Signatures stand beside each other: none covers, or is covered by, another one."""
    for part in parts:
        if _touches_signature(part.element):
            raise SignatureCreationError(f"{part.label} holds or lies in another signature, which may not be signed")
    covered = set(cast(list[str], _REFERENCE_URIS(document.root)))
    if "" in covered or any("#" + (element.get("Id") or "") in covered for element in above):
        raise SignatureCreationError("a signature already there covers the place for this one and would break")


def _belongs(document: ParsedXml, element: etree._Element) -> bool:
    return element.getroottree().getroot() is document.root


def _touches_signature(element: etree._Element) -> bool:
    name = f"{{{DS}}}Signature"
    return bool(_SIGNATURES(element)) or next(element.iterancestors(name), None) is not None


def _check_ids(document: ParsedXml, parts: Sequence[Part], signature_id: str) -> None:
    """Ids signed are NCNames; no id stands twice in the document, under whatever spelling of the attribute."""
    wanted = [_part_id(part) for part in parts if not isinstance(part, FilePart)]
    uris = [_file_uri(part) for part in parts if isinstance(part, FilePart)]
    if len({*wanted, *uris}) != len(parts):
        raise SignatureCreationError("a part is given twice, or two parts have the same Id")
    if not _NCNAME.fullmatch(signature_id):
        raise SignatureCreationError(f"the signature's Id {signature_id!r} is not an NCName")
    present = cast(list[str], _ALL_IDS(document.root))
    if len(present) != len(set(present)):
        doubled = next(name for name in present if present.count(name) > 1)
        raise SignatureCreationError(f"the Id {doubled!r} stands more than once in the document")
    for name in present:
        if name == signature_id or name.startswith(signature_id + "-"):
            raise SignatureCreationError(f"the Id {name!r} is taken, the signature needs {signature_id!r} and below")


def _part_id(part: ElementPart | Base64Part) -> str:
    name = part.element.get("Id")
    if name is None:
        raise SignatureCreationError(f"{part.label} has no Id")
    if not _NCNAME.fullmatch(name):
        raise SignatureCreationError(f"the Id {name!r} of {part.label} is not an NCName")
    return name


def _file_uri(part: FilePart) -> str:
    if not _RELATIVE_URI.fullmatch(part.uri) or part.uri.startswith("/") or ".." in part.uri.split("/"):
        raise SignatureCreationError(f"{part.uri!r} is not a percent-encoded relative URI below the container")
    return part.uri


def _reference(document: ParsedXml, part: Part, digest: DigestAlgorithm) -> _Reference:
    match part:
        case ElementPart():
            value = _element_digest(document, part, digest)
            return _Reference("#" + _part_id(part), _EXCLUSIVE.value, value, part.media_type)
        case Base64Part():
            value = document.content(part.element).digest(digest.value)
            return _Reference("#" + _part_id(part), BASE64_TRANSFORM, value, part.media_type)
        case FilePart():
            return _Reference(part.uri, None, part.content.digest(digest), part.media_type)


def _element_digest(document: ParsedXml, part: ElementPart, digest: DigestAlgorithm) -> bytes:
    state = hashlib.new(digest.value)
    has_return = False
    for chunk in document.canonical_chunks(part.element, _EXCLUSIVE):
        has_return = has_return or b"&#xD;" in chunk
        state.update(chunk)
    if has_return:
        _check_written_form(document, part)
    return state.digest()


def _check_written_form(document: ParsedXml, part: ElementPart) -> None:
    """A tree made by a program can hold what no file can: a carriage return in a CDATA section, lost when written.

    Carriage returns are rare, so the document is simply written out and read again where there is one.
    """
    written = etree.tostring(document.root.getroottree(), encoding="UTF-8")
    again = etree.fromstring(written, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    twin = next(element for element in again.iter(etree.Element) if element.get("Id") == part.element.get("Id"))
    if canonicalize(twin, _EXCLUSIVE) != canonicalize(part.element, _EXCLUSIVE):
        raise SignatureCreationError(f"{part.label} reads differently once it is written out: build it by parsing")


# --- the XML -------------------------------------------------------------------------------------------------------


def _signature(
    signature_id: str, signed_info: str, certificate: _CertificateTexts, properties: str, value: str = ""
) -> str:
    return (
        f'<ds:Signature xmlns:ds="{DS}" Id="{signature_id}">{signed_info}'
        f'<ds:SignatureValue Id="{signature_id}-value">{value}</ds:SignatureValue>{certificate.key_info}'
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES132}" Target="#{signature_id}">{properties}'
        "</xades:QualifyingProperties></ds:Object></ds:Signature>"
    )


def _signed_info(signature_id: str, algorithm: SignatureAlgorithm, references: Sequence[_Reference]) -> str:
    """SignedInfo, the reference to SignedProperties last and with its digest still empty.

    Canonical but for the namespace declarations, as is all that follows: empty elements have end tags.
    """
    digest_method = _digest_method(algorithm.digest)
    written = [
        _reference_xml(f'Id="{signature_id}-ref-{number}"', digest_method, reference)
        for number, reference in enumerate(references, 1)
    ]
    properties = _Reference(f"#{signature_id}-properties", _EXCLUSIVE.value, b"", "")
    written.append(_reference_xml(f'Type="{SIGNED_PROPERTIES_TYPE}"', digest_method, properties))
    return (
        f'<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{_EXCLUSIVE.value}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{algorithm.uri}"></ds:SignatureMethod>{"".join(written)}</ds:SignedInfo>'
    )


def _reference_xml(attribute: str, digest_method: str, reference: _Reference) -> str:
    transforms = (
        f'<ds:Transforms><ds:Transform Algorithm="{reference.transform}"></ds:Transform></ds:Transforms>'
        if reference.transform
        else ""
    )
    return (
        f"<ds:Reference {attribute} URI={quoteattr(reference.uri)}>{transforms}{digest_method}"
        f"<ds:DigestValue>{_base64(reference.digest)}</ds:DigestValue></ds:Reference>"
    )


def _signed_properties(
    signature_id: str,
    time: str,
    certificate: _CertificateTexts,
    claimed_roles: Iterable[str],
    references: Sequence[_Reference],
) -> str:
    formats = "".join(
        f'<xades:DataObjectFormat ObjectReference="#{signature_id}-ref-{number}">'
        f"<xades:MimeType>{_text(reference.media_type)}</xades:MimeType></xades:DataObjectFormat>"
        for number, reference in enumerate(references, 1)
    )
    return (
        f'<xades:SignedProperties Id="{signature_id}-properties"><xades:SignedSignatureProperties>'
        f"<xades:SigningTime>{time}</xades:SigningTime>{certificate.signing_certificate}"
        f"{_signer_role(claimed_roles)}</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>"
        f"{formats}</xades:SignedDataObjectProperties></xades:SignedProperties>"
    )


def _signer_role(claimed_roles: Iterable[str]) -> str:
    roles = "".join(f"<xades:ClaimedRole>{_text(role)}</xades:ClaimedRole>" for role in claimed_roles)
    return f"<xades:SignerRoleV2><xades:ClaimedRoles>{roles}</xades:ClaimedRoles></xades:SignerRoleV2>" if roles else ""


def _digest_method(digest: DigestAlgorithm) -> str:
    return f'<ds:DigestMethod Algorithm="{DIGEST_URIS[digest]}"></ds:DigestMethod>'


def _text(value: str) -> str:
    return escape(value, {"\r": "&#xD;"})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _place(parent: etree._Element, text: str) -> etree._Element:
    """Append the signature; lxml may replace its prefixes by those in scope, so no octets are taken before."""
    try:
        signature = etree.fromstring(text)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SignatureCreationError(f"a role or media type has a character that XML cannot hold: {error}") from error
    parent.append(signature)
    return signature
