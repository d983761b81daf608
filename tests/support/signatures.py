"""Signatures written out as text, independently of our signer, so that broken ones can be made in named ways.

A :class:`Recipe` says what the document and the signature look like. :func:`make` fills in the digests and the
signature value *after* the breaking, so that a broken signature is right in every respect but the one: only the
check in question can refuse it. Octets come from lxml directly, not from ``signing.xml``; for inclusive
canonicalization of a part, where lxml is wrong, they have to be given.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from keys.memory import PrivateKey
from keys.store import DigestAlgorithm
from keys.trust import CertificatePath, KeyPurpose, PathValidator, RevocationData, TrustAnchors
from signing.parts import Base64Part, ElementPart, Part
from signing.report import ValidationReport
from signing.xades.verifier import verify
from signing.xml import ParsedXml, XmlLimits, parse
from tests.support.signing_keys import SIGNING_TIME, PlainKey, root_certificate, signing_key
from tests.support.signing_keys import validator as fresh_validator

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
INC = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = DS + "enveloped-signature"
BASE64 = DS + "base64"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
PROPERTIES_TYPE = "http://uri.etsi.org/01903#SignedProperties"

E = "{http://www.e-doc.vn/Schema/}"
FIRST_FILE = b"%PDF-1.7 the first file"
SECOND_FILE = b"%PDF-1.7 the second file"

LETTER = f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.e-doc.vn/Schema/" xmlns:xlink="http://www.w3.org/1999/xlink" xml:lang="vi"><edXMLEnvelope>
<edXMLHeader><MessageHeader Id="header"><From><OrganId>000.00.00.H29</OrganId></From>
<Subject>Finance</Subject></MessageHeader>
<TraceHeaderList><TraceHeader><OrganId>000.00.00.H29</OrganId></TraceHeader></TraceHeaderList>
{{signature}}</edXMLHeader>
<edXMLBody><edXMLManifest Id="manifest"><Reference><ContentId>file-1</ContentId></Reference>
<Reference><ContentId>file-2</ContentId></Reference></edXMLManifest></edXMLBody></edXMLEnvelope>
<AttachmentEncoded><Attachment><ContentTransferEncoded Id="file-1">{base64.b64encode(FIRST_FILE).decode()}\
</ContentTransferEncoded></Attachment><Attachment><ContentTransferEncoded Id="file-2">\
{base64.b64encode(SECOND_FILE).decode()}</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>"""

Octets = Callable[[etree._Element], bytes]


@dataclass(frozen=True)
class Ref:
    """One reference; ``octets`` says what is digested where that does not follow from the URI and the transforms."""

    uri: str | None
    transforms: tuple[str, ...] = (EXC,)
    type: str | None = None
    id: str | None = None
    method: str = SHA256
    octets: Octets | None = None
    prefixes: str | None = None


PROPERTIES_REF = Ref("#properties", type=PROPERTIES_TYPE)
DETACHED = (
    Ref("#header", id="ref-header"),
    Ref("#manifest"),
    Ref("#file-1", (BASE64,)),
    Ref("#file-2", (BASE64,)),
    PROPERTIES_REF,
)
WHOLE = (Ref("", (ENVELOPED, EXC)),)


def same(text: str) -> str:
    """No change."""
    return text


def substitution(old: str, new: str) -> Callable[[str], str]:
    """A change of the one place where ``old`` stands."""

    def change(text: str) -> str:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text to break"
        return text.replace(old, new)

    return change


@dataclass(frozen=True)
class Recipe:
    """How a signed document is made."""

    document: str = LETTER
    references: tuple[Ref, ...] = DETACHED
    key: PlainKey = field(default_factory=signing_key)
    canonicalization: str = f'<ds:CanonicalizationMethod Algorithm="{EXC}"/>'
    method: str | None = None
    signature_id: str = "signature"
    signing_time: str = SIGNING_TIME.isoformat()
    certificate_digest: str | None = None
    more_signature_properties: str = ""
    data_object_properties: str = ""
    xades: bool = True
    key_info: str | None = None
    break_signature: Callable[[str], str] = same
    """Changes the signature before anything in it is digested or signed."""
    break_document: Callable[[str], str] = same
    """Changes the whole document before anything in it is digested or signed."""
    sign: Callable[[bytes], bytes] | None = None
    own: int = 0
    """Which of the signatures in the document is being made, by its place."""


WHOLE_PLAIN = Recipe(references=WHOLE, xades=False)
WHOLE_XADES = Recipe(references=(*WHOLE, PROPERTIES_REF))


def make(recipe: Recipe) -> bytes:
    """The signed document."""
    text = recipe.break_document(recipe.document.format(signature=recipe.break_signature(_signature(recipe))))
    root = _parsed(text)
    for number, ref in enumerate(recipe.references):
        octets = (ref.octets or _octets(ref, recipe.own))(root)
        text = text.replace(f"@digest{number}@", _b64(hashlib.new(_hash_name(ref.method), octets).digest()))
    signed_info = next(_own_signature(_parsed(text), recipe.own).iterchildren(f"{{{DS}}}SignedInfo"))
    sign = recipe.sign or (lambda data: raw_signature(recipe.key, data))
    value = sign(etree.tostring(signed_info, method="c14n", exclusive=INC not in recipe.canonicalization))
    return text.replace("@value@", _b64(value)).encode()


def raw_signature(key: PlainKey, data: bytes, digest: DigestAlgorithm = DigestAlgorithm.SHA256) -> bytes:
    """A signature value as XMLDSig wants it."""
    value = key.sign(data, digest)
    if not isinstance(key.private_key, ec.EllipticCurvePrivateKey):
        return value
    size = (key.private_key.key_size + 7) // 8
    return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(value))


def x509_data(*certificates: x509.Certificate) -> str:
    """``X509Data`` with those certificates."""
    texts = [_b64(certificate.public_bytes(Encoding.DER)) for certificate in certificates]
    inside = "".join(f"<ds:X509Certificate>{text}</ds:X509Certificate>" for text in texts)
    return f"<ds:X509Data>{inside}</ds:X509Data>"


def der(certificate: x509.Certificate) -> bytes:
    """Its DER encoding."""
    return certificate.public_bytes(Encoding.DER)


def self_signed_copy(certificate: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """A certificate with the same names and extensions for another key, signed with that very key."""
    return x509.CertificateBuilder(
        subject_name=certificate.subject,
        issuer_name=certificate.issuer,
        public_key=key.public_key(),
        serial_number=certificate.serial_number,
        not_valid_before=certificate.not_valid_before_utc,
        not_valid_after=certificate.not_valid_after_utc,
        extensions=list(certificate.extensions),
    ).sign(key, hashes.SHA256())


def certificate_digest(certificate: x509.Certificate, method: str = SHA256) -> str:
    """``CertDigest`` of that certificate."""
    value = _b64(hashlib.new(_hash_name(method), certificate.public_bytes(Encoding.DER)).digest())
    return (
        f'<xades:CertDigest><ds:DigestMethod Algorithm="{method}"/><ds:DigestValue>{value}</ds:DigestValue>'
        "</xades:CertDigest>"
    )


def letter_parts(document: ParsedXml) -> list[Part]:
    """The parts that a seal must cover, found by their place alone, as the exchange does."""
    header = document.root.find(f"{E}edXMLEnvelope/{E}edXMLHeader/{E}MessageHeader")
    manifest = document.root.find(f"{E}edXMLEnvelope/{E}edXMLBody/{E}edXMLManifest")
    files = document.root.findall(f"{E}AttachmentEncoded/{E}Attachment/{E}ContentTransferEncoded")
    parts: list[Part] = [
        ElementPart(label, element)
        for label, element in (("MessageHeader", header), ("edXMLManifest", manifest))
        if element is not None
    ]
    return parts + [Base64Part(f"file-{number}", element) for number, element in enumerate(files, 1)]


def own_signature(document: ParsedXml) -> etree._Element:
    """The signature in its place in the header."""
    return _own_signature(document.root)


def report_on(
    data: bytes,
    *,
    parts: Callable[[ParsedXml], Sequence[Part]] = letter_parts,
    validator: PathValidator | None = None,
    at: datetime = SIGNING_TIME + timedelta(minutes=1),
) -> ValidationReport:
    """Parse and verify."""
    document = parse(data, XmlLimits())
    signature = own_signature(document)
    return verify(document, signature, parts(document), validator=validator or trusting(), at=at)


def trusting() -> PathValidator:
    """Trusts the test root."""
    return _trusting()


_trusting = functools.cache(fresh_validator)


class AcceptEveryPath(PathValidator):
    """Finds every certificate good, so that the checks behind the path can be reached."""

    def __init__(self) -> None:
        super().__init__(TrustAnchors([root_certificate()]), RevocationData(()), require_revocation=False)

    def validate(
        self,
        certificate: x509.Certificate,
        *,
        intermediates: Sequence[x509.Certificate] = (),
        at: datetime,
        usage: KeyPurpose,
    ) -> CertificatePath:
        return CertificatePath((certificate,), (), at, at)


class RefuseEveryPath(AcceptEveryPath):
    """Refuses every certificate for one reason."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def validate(
        self,
        certificate: x509.Certificate,
        *,
        intermediates: Sequence[x509.Certificate] = (),
        at: datetime,
        usage: KeyPurpose,
    ) -> CertificatePath:
        raise self._error


def _signature(recipe: Recipe) -> str:
    method = recipe.method or (ECDSA_SHA256 if recipe.key.kind.value == "EC" else RSA_SHA256)
    references = "".join(_reference(number, ref) for number, ref in enumerate(recipe.references))
    key_info = x509_data(recipe.key.certificate, *recipe.key.chain) if recipe.key_info is None else recipe.key_info
    return (
        f'<ds:Signature xmlns:ds="{DS}" Id="{recipe.signature_id}"><ds:SignedInfo>{recipe.canonicalization}'
        f'<ds:SignatureMethod Algorithm="{method}"/>{references}</ds:SignedInfo>'
        f'<ds:SignatureValue>@value@</ds:SignatureValue><ds:KeyInfo Id="key-info">{key_info}</ds:KeyInfo>'
        f"{_object(recipe) if recipe.xades else ''}</ds:Signature>"
    )


def _reference(number: int, ref: Ref) -> str:
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in (("Id", ref.id), ("Type", ref.type), ("URI", ref.uri))
        if value is not None
    )
    inside = f'<ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="{ref.prefixes}"/>' if ref.prefixes else ""
    transforms = "".join(
        f'<ds:Transform Algorithm="{uri}">{inside if uri == EXC else ""}</ds:Transform>' for uri in ref.transforms
    )
    return (
        f"<ds:Reference{attributes}>{f'<ds:Transforms>{transforms}</ds:Transforms>' if transforms else ''}"
        f'<ds:DigestMethod Algorithm="{ref.method}"/><ds:DigestValue>@digest{number}@</ds:DigestValue></ds:Reference>'
    )


def _object(recipe: Recipe) -> str:
    digest = recipe.certificate_digest or certificate_digest(recipe.key.certificate)
    data = recipe.data_object_properties
    return (
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#{recipe.signature_id}">'
        f'<xades:SignedProperties Id="properties"><xades:SignedSignatureProperties>'
        f"<xades:SigningTime>{recipe.signing_time}</xades:SigningTime>"
        f"<xades:SigningCertificateV2><xades:Cert>{digest}</xades:Cert></xades:SigningCertificateV2>"
        f"{recipe.more_signature_properties}</xades:SignedSignatureProperties>"
        f"{f'<xades:SignedDataObjectProperties>{data}</xades:SignedDataObjectProperties>' if data else ''}"
        "</xades:SignedProperties></xades:QualifyingProperties></ds:Object>"
    )


def _octets(ref: Ref, own: int) -> Octets:
    def octets(root: etree._Element) -> bytes:
        if ref.uri == "" and ENVELOPED in ref.transforms:
            signature = _own_signature(root, own)
            parent = signature.getparent()
            assert parent is not None
            tail, before = signature.tail or "", signature.getprevious()
            parent.remove(signature)
            if before is None:
                parent.text = (parent.text or "") + tail
            else:
                before.tail = (before.tail or "") + tail
            return etree.tostring(root.getroottree(), method="c14n", exclusive=EXC in ref.transforms)
        name = (ref.uri or "").removeprefix("#").removeprefix("cid:")
        element = root.xpath("//*[@Id=$name]", name=name)[0]
        if BASE64 in ref.transforms or (ref.uri or "").startswith("cid:"):
            return base64.b64decode(element.text or "")
        assert EXC in ref.transforms, "say what is digested"
        prefixes = ref.prefixes.split() if ref.prefixes else None
        return etree.tostring(element, method="c14n", exclusive=True, inclusive_ns_prefixes=prefixes)

    return lambda root: octets(_parsed(etree.tostring(root.getroottree()).decode()))


def _parsed(text: str) -> etree._Element:
    return etree.fromstring(text.encode(), etree.XMLParser(remove_comments=True))


def _own_signature(root: etree._Element, number: int = 0) -> etree._Element:
    in_place = root.findall(f".//{E}edXMLHeader/{{{DS}}}Signature")
    return (in_place or list(root.iter(f"{{{DS}}}Signature")))[number]


def _hash_name(method: str) -> str:
    return method.rpartition("#")[2]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
