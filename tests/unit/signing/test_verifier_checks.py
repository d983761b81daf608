"""For each single check of the verifier a signature that is right but for that: only this check refuses it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from lxml import etree

from keys.errors import (
    CertificateExpiredError,
    CertificateNotYetValidError,
    CertificateRevokedError,
    KeyUsageError,
    PathError,
    PathNotFoundError,
    RevocationUnknownError,
    WeakKeyError,
)
from keys.store import DigestAlgorithm
from signing.errors import ContainerError
from signing.parts import Base64Part, ElementPart, FilePart, Part
from signing.report import Indication, SubIndication
from signing.xades import verifier
from signing.xades.references import IdIndex, index_ids
from signing.xades.verifier import reconsider, verify
from signing.xml import ParsedXml, XmlLimits, parse
from tests.support import signatures as made
from tests.support.pki import DAY, NOW, X400_NAME, Pki, of_unknown_version, private_key, revoked_entry
from tests.support.signatures import (
    BASE64,
    DETACHED,
    DS,
    ENVELOPED,
    EXC,
    INC,
    LETTER,
    PROPERTIES_REF,
    PROPERTIES_TYPE,
    WHOLE,
    XADES,
    Recipe,
    Ref,
    substitution,
)
from tests.support.signing_keys import SIGNING_TIME, PlainKey, certified, root_certificate, signing_key

FAILED, UNKNOWN = Indication.TOTAL_FAILED, Indication.INDETERMINATE
FORMAT = SubIndication.FORMAT_FAILURE
CRYPTO = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
CHAIN = SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE
CONSTRAINTS = SubIndication.SIG_CONSTRAINTS_FAILURE
NO_CERTIFICATE = SubIndication.NO_SIGNING_CERTIFICATE_FOUND
NOT_FOUND = SubIndication.SIGNED_DATA_NOT_FOUND

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
SEAL = signing_key()
SEAL_CERT = made.x509_data(SEAL.certificate)
STRANGELY_NAMED = Pki().certificate("x", issuer=None, extensions=[(X400_NAME, False)]).certificate
CERT_DIGEST = made.certificate_digest(SEAL.certificate)


@dataclass(frozen=True)
class Refused:
    """A recipe, and how the verifier has to refuse it."""

    recipe: Recipe
    rule: str
    sub_indication: SubIndication = FORMAT
    says: str = ""
    """What the reason has to name."""


def broken(old: str, new: str) -> Recipe:
    """A signature with a change of the one place where ``old`` stands, made before signing."""
    return Recipe(break_signature=substitution(old, new))


def first(ref: Ref) -> Recipe:
    """With another reference to the header."""
    return Recipe(references=(ref, *DETACHED[1:]))


def also(*refs: Ref) -> Recipe:
    """With more references."""
    return Recipe(references=(*DETACHED, *refs))


def nothing(_: etree._Element) -> bytes:
    return b""


def header(root: etree._Element) -> bytes:
    found = root.find(f".//{made.E}MessageHeader")
    assert found is not None
    return etree.tostring(found, method="c14n", exclusive=True)


def role(inside: str, name: str = "SignerRoleV2") -> Recipe:
    return Recipe(more_signature_properties=f"<xades:{name}>{inside}</xades:{name}>")


def data_object(inside: str) -> Recipe:
    return Recipe(data_object_properties=inside)


TRANSFORMS = f'<ds:Transform Algorithm="{EXC}"></ds:Transform></ds:Transforms>'
PREFIXES = f'<x:InclusiveNamespaces xmlns:x="{EXC}" PrefixList="{{}}"/>'
C14N = '<ds:CanonicalizationMethod Algorithm="{}">{}</ds:CanonicalizationMethod>'

STRUCTURE = {
    "no KeyInfo": Refused(
        Recipe(break_signature=lambda text: text[: text.index("<ds:KeyInfo")] + text[text.index("<ds:Object") :]),
        "signature.structure",
        says="Signature contains SignedInfo, SignatureValue, Object",
    ),
    "two SignatureValues": Refused(
        broken("<ds:SignatureValue>", "<ds:SignatureValue>AA==</ds:SignatureValue><ds:SignatureValue>"),
        "signature.structure",
    ),
    "foreign element in Signature": Refused(
        broken("</ds:Signature>", "<ds:Manifest/></ds:Signature>"), "signature.structure", says="Manifest"
    ),
    "SignatureValue with a child": Refused(broken("@value@", "@value@<ds:x/>"), "signature.structure"),
    "processing instruction in SignatureValue": Refused(
        broken("@value@", "@value@<?x?>"), "signature.structure", says="a processing instruction"
    ),
    "processing instruction in SignedInfo": Refused(
        broken("<ds:SignedInfo>", "<ds:SignedInfo><?x?>"), "signature.structure", says="a processing instruction"
    ),
    "two SignatureMethods": Refused(
        broken("<ds:SignatureMethod", f'<ds:SignatureMethod Algorithm="{MORE}rsa-sha256"/><ds:SignatureMethod'),
        "signature.structure",
    ),
    "SignatureMethod with a child": Refused(
        Recipe(
            break_signature=substitution(
                f'"{made.ECDSA_SHA256}"/>', f'"{made.ECDSA_SHA256}"><ds:HMACOutputLength/></ds:SignatureMethod>'
            )
        ),
        "signature.structure",
        says="HMACOutputLength",
    ),
    "no reference": Refused(Recipe(references=()), "signature.structure"),
    "reference without digest": Refused(
        broken("<ds:DigestValue>@digest1@</ds:DigestValue>", ""), "signature.structure", says="Reference"
    ),
    "DigestMethod with a child": Refused(
        Recipe(
            break_signature=lambda text: text.replace(
                f'<ds:DigestMethod Algorithm="{made.SHA256}"/>',
                f'<ds:DigestMethod Algorithm="{made.SHA256}"><ds:x/></ds:DigestMethod>',
                1,
            )
        ),
        "signature.structure",
        says="DigestMethod",
    ),
    "empty Transforms": Refused(
        Recipe(
            references=(replace(DETACHED[0], transforms=("urn:none",), octets=header), *DETACHED[1:]),
            break_signature=substitution('<ds:Transform Algorithm="urn:none"></ds:Transform>', ""),
        ),
        "signature.structure",
        says="Transforms contains nothing",
    ),
    "element in a base64 transform": Refused(
        Recipe(
            break_signature=lambda text: text.replace(
                f'"{BASE64}"></ds:Transform>', f'"{BASE64}"><ds:x/></ds:Transform>', 1
            )
        ),
        "signature.structure",
    ),
    "unknown child of a canonicalization": Refused(
        Recipe(canonicalization=C14N.format(EXC, "<ds:x/>")), "signature.structure"
    ),
    "prefix list for inclusive canonicalization": Refused(
        Recipe(canonicalization=C14N.format(INC, PREFIXES.format("xlink"))), "signature.structure"
    ),
    "child of an InclusiveNamespaces": Refused(
        Recipe(
            canonicalization=C14N.format(
                EXC, PREFIXES.format("xlink").replace("/>", "><ds:x/></x:InclusiveNamespaces>")
            )
        ),
        "signature.structure",
    ),
    "signature value not base64": Refused(
        broken("@value@", "not base64!"), "signature.base64", says="SignatureValue is not base64"
    ),
    "signature value empty": Refused(broken("@value@", ""), "signature.base64"),
    "signature value not canonical": Refused(broken("@value@", "AB=="), "signature.base64"),
    "digest value not base64": Refused(
        broken("@digest1@", "!"), "reference.digest_value", says='DigestValue of "#manifest"'
    ),
    "Object with a manifest": Refused(
        broken("</ds:Signature>", "<ds:Object><ds:Manifest/></ds:Object></ds:Signature>"),
        "signature.object",
        says="Manifest",
    ),
    "empty Object": Refused(broken("</ds:Signature>", "<ds:Object/></ds:Signature>"), "signature.object"),
    "id used twice": Refused(Recipe(document=LETTER.replace("<From>", '<From ID="manifest">')), "id.duplicate"),
}

ALGORITHMS = {
    "canonicalization that keeps comments": Refused(
        Recipe(canonicalization=C14N.format(EXC + "WithComments", "")),
        "signature.canonicalization",
        says="WithComments",
    ),
    "wrong URI of the vendor's samples": Refused(
        Recipe(canonicalization=C14N.format("http://www.w3.org/TR/xml-exc-c14n#", "")), "signature.canonicalization"
    ),
    "RSA with SHA-1": Refused(
        Recipe(method=DS + "rsa-sha1"), "signature.method", CRYPTO, says="RSA with SHA-1 is refused"
    ),
    "HMAC": Refused(Recipe(method=MORE + "hmac-sha256"), "signature.method", CRYPTO, says="HMAC"),
    "RSASSA-PSS": Refused(
        Recipe(method="http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"), "signature.method", CRYPTO, says="PSS"
    ),
    "digest of SHA-1": Refused(
        first(replace(DETACHED[0], method=DS + "sha1")), "reference.digest_method", CRYPTO, says="SHA-1"
    ),
    "certificate digest of SHA-1": Refused(
        Recipe(certificate_digest=made.certificate_digest(SEAL.certificate, DS + "sha1")),
        "properties.digest_method",
        CRYPTO,
        says="SHA-1",
    ),
    "method of another kind of key": Refused(
        Recipe(method=made.RSA_SHA256), "key.method", CRYPTO, says="a key of kind EC"
    ),
    "ECDSA value as DER": Refused(
        Recipe(sign=lambda data: SEAL.sign(data, DigestAlgorithm.SHA256)), "signature.ecdsa_encoding", says="is DER"
    ),
    "ECDSA value too short": Refused(
        Recipe(sign=lambda data: b"\x01" + made.raw_signature(SEAL, data)), "signature.ecdsa_encoding", says="65 bytes"
    ),
}

REFERENCES = {
    "unknown transform": Refused(
        first(Ref("#header", ("http://www.w3.org/TR/1999/REC-xslt-19991116",), octets=header)),
        "reference.transform",
        says="REC-xslt",
    ),
    "XPath transform": Refused(
        first(Ref("#header", ("http://www.w3.org/TR/1999/REC-xpath-19991116", EXC), octets=header)),
        "reference.transform",
        says="REC-xpath",
    ),
    "transform without algorithm": Refused(
        first(Ref("#header", ("",), octets=header)), "reference.transform", says="(none)"
    ),
    "two canonicalizations": Refused(first(Ref("#header", (INC, EXC), octets=header)), "reference.transforms"),
    "canonicalization before enveloped": Refused(
        Recipe(references=(Ref("", (EXC, ENVELOPED)),), xades=False), "reference.transforms"
    ),
    "default namespace in a prefix list": Refused(
        first(Ref("#header", prefixes="#default")), "reference.prefix_list", says="#default"
    ),
    "a long prefix list": Refused(
        first(Ref("#header", prefixes=" ".join(f"p{each}" for each in range(17)))), "reference.prefix_list", says="16"
    ),
    "enveloped for an element": Refused(
        first(Ref("#header", (ENVELOPED, EXC), octets=header)), "reference.enveloped", says="#header"
    ),
    "enveloped for the properties": Refused(
        Recipe(references=(*DETACHED[:4], replace(PROPERTIES_REF, transforms=(ENVELOPED, EXC), octets=nothing))),
        "reference.enveloped",
    ),
    "whole document without enveloped": Refused(
        Recipe(references=(Ref("", (EXC,), octets=nothing),), xades=False), "reference.enveloped"
    ),
    "text before a whole-document signature": Refused(
        replace(made.WHOLE_PLAIN, document=LETTER.replace("{signature}", "x{signature}")), "signature.place"
    ),
    "text before it that starts its parent": Refused(
        replace(
            made.WHOLE_PLAIN,
            document=LETTER.replace("{signature}", "").replace("<edXMLHeader>", "<edXMLHeader>x{signature}"),
        ),
        "signature.place",
    ),
    "text behind a whole-document signature": Refused(
        replace(made.WHOLE_PLAIN, document=LETTER.replace("{signature}", "{signature}x")), "signature.place"
    ),
    "whole-document signature inside a part": Refused(
        replace(
            made.WHOLE_PLAIN,
            document=LETTER.replace("{signature}", "").replace("</edXMLManifest>", "{signature}</edXMLManifest>"),
        ),
        "signature.place",
    ),
    "base64 of an element": Refused(
        first(Ref("#header", (BASE64,), octets=nothing)), "reference.base64", says="MessageHeader"
    ),
    "base64 of the properties": Refused(
        Recipe(references=(*DETACHED[:4], replace(PROPERTIES_REF, transforms=(BASE64,), octets=nothing))),
        "reference.base64",
    ),
    "transform of a cid": Refused(
        Recipe(references=(*DETACHED[:2], Ref("cid:file-1", (BASE64,)), *DETACHED[3:])), "reference.transforms"
    ),
    "no URI": Refused(first(Ref(None, octets=header)), "reference.uri", says="no URI"),
    "XPointer": Refused(first(Ref("#xpointer(id('header'))", octets=header)), "reference.uri", says="XPointer"),
    "type of a manifest": Refused(first(Ref("#header", type=DS + "Manifest")), "reference.type", says="Manifest"),
    "web address": Refused(
        also(Ref("https://example.vn/x", (), octets=nothing)), "reference.external_uri", says="https://example.vn/x"
    ),
    "file": Refused(also(Ref("file:///etc/hostname", (), octets=nothing)), "reference.external_uri"),
    "id of nothing": Refused(also(Ref("#nowhere", octets=nothing)), "reference.not_found", NOT_FOUND, says="#nowhere"),
    "cid of nothing": Refused(also(Ref("cid:nowhere", (), octets=nothing)), "reference.not_found", NOT_FOUND),
    "cid of an element": Refused(
        also(Ref("cid:header", (), octets=nothing)), "reference.not_found", NOT_FOUND, says="no attachment"
    ),
    "cid of a file whose name is the id of another element": Refused(
        Recipe(
            document=LETTER.replace(' Id="file-1"', "").replace("<TraceHeaderList>", '<TraceHeaderList Id="file-1">'),
            references=(*DETACHED[:2], Ref("cid:file-1", (), octets=lambda _: made.FIRST_FILE), *DETACHED[3:]),
        ),
        "reference.not_found",
        NOT_FOUND,
        says="no attachment",
    ),
    "element that is no part": Refused(
        Recipe(
            document=LETTER.replace("<TraceHeaderList>", '<TraceHeaderList Id="trace">'),
            references=(*DETACHED, Ref("#trace")),
        ),
        "reference.unexpected",
        CONSTRAINTS,
        says="TraceHeaderList",
    ),
    "part named twice": Refused(also(Ref("#header")), "reference.doubled", CONSTRAINTS, says="MessageHeader"),
    "file named by id and cid": Refused(also(Ref("cid:file-1", ())), "reference.doubled", CONSTRAINTS, says="file-1"),
    "document named twice": Refused(Recipe(references=WHOLE * 2, xades=False), "reference.doubled", CONSTRAINTS),
    "KeyInfo named twice": Refused(
        also(Ref("#key-info"), Ref("#key-info")), "reference.doubled", CONSTRAINTS, says="KeyInfo"
    ),
    "content under another label": Refused(
        Recipe(
            document=LETTER.replace('"file-1"', '"fileA"'),
            references=(*DETACHED[:2], Ref("#fileA", (BASE64,)), *DETACHED[3:]),
        ),
        "reference.label",
        CONSTRAINTS,
        says="file-1",
    ),
    "part not covered": Refused(Recipe(references=DETACHED[1:]), "coverage.missing", CONSTRAINTS, says="MessageHeader"),
    "file not covered": Refused(
        Recipe(references=(*DETACHED[:3], PROPERTIES_REF)), "coverage.missing", CONSTRAINTS, says="file-2"
    ),
    "content not base64": Refused(
        Recipe(
            document=LETTER.replace("JVBERi0xLjcgdGhlIGZpcnN0", "JVBERi0xLjcg*dGhlIGZpcnN0"),
            references=(*DETACHED[:2], Ref("#file-1", (BASE64,), octets=nothing), *DETACHED[3:]),
        ),
        "reference.content",
        says="file-1",
    ),
    "relative namespace in a part": Refused(
        Recipe(
            document=LETTER.replace("<From>", '<From xmlns:r="relative/name" r:x="1">'),
            references=(replace(DETACHED[0], octets=nothing), *DETACHED[1:]),
        ),
        "xml.canonicalization",
        says="MessageHeader",
    ),
    "changed content": Refused(
        first(replace(DETACHED[0], octets=nothing)),
        "reference.digest",
        SubIndication.HASH_FAILURE,
        says="MessageHeader is not what was signed",
    ),
    "signature of another SignedInfo": Refused(
        Recipe(sign=lambda data: made.raw_signature(SEAL, data + b" ")),
        "signature.value",
        SubIndication.SIG_CRYPTO_FAILURE,
    ),
    "signature of another key": Refused(
        Recipe(sign=lambda data: made.raw_signature(signing_key("P-256", 1), data)),
        "signature.value",
        SubIndication.SIG_CRYPTO_FAILURE,
    ),
}

KEY_INFO = {
    "key without certificate": Refused(
        Recipe(key_info="<ds:KeyValue/>"), "key_info.certificate_missing", NO_CERTIFICATE, says="bare key"
    ),
    "subject without certificate": Refused(
        Recipe(key_info="<ds:X509Data><ds:X509SubjectName>CN=x</ds:X509SubjectName></ds:X509Data>"),
        "key_info.certificate_missing",
        NO_CERTIFICATE,
    ),
    "retrieval from elsewhere": Refused(
        Recipe(key_info=SEAL_CERT + '<ds:RetrievalMethod URI="https://example.vn/"/>'),
        "key_info.structure",
        says="RetrievalMethod",
    ),
    "unknown child of X509Data": Refused(
        Recipe(key_info=SEAL_CERT.replace("</ds:X509Data>", "<ds:x/></ds:X509Data>")), "key_info.structure"
    ),
    "damaged certificate": Refused(
        Recipe(key_info=SEAL_CERT.replace("<ds:X509Certificate>MII", "<ds:X509Certificate>MIA")), "key_info.certificate"
    ),
    "certificate of an unknown version": Refused(
        Recipe(
            key_info=SEAL_CERT.replace(
                base64.b64encode(made.der(SEAL.certificate)).decode(),
                base64.b64encode(of_unknown_version(SEAL.certificate)).decode(),
            )
        ),
        "key_info.certificate",
        says="damaged",
    ),
    "certificate with a name of an unknown kind": Refused(
        Recipe(key_info=made.x509_data(STRANGELY_NAMED)), "key_info.certificate", says="damaged"
    ),
    "certificate and more bytes": Refused(
        Recipe(
            key_info=made.x509_data().replace(
                "></",
                f"><ds:X509Certificate>{base64.b64encode(made.der(SEAL.certificate) + b'x').decode()}"
                "</ds:X509Certificate></",
            )
        ),
        "key_info.certificate",
    ),
    "certificate not base64": Refused(
        Recipe(key_info=SEAL_CERT.replace("Certificate>MII", "Certificate>*MII", 1)), "key_info.certificate"
    ),
    "huge certificate": Refused(
        Recipe(key_info=SEAL_CERT.replace("Certificate>MII", f"Certificate>{'A' * 16384}MII", 1)),
        "key_info.certificate",
        says="more than 16384",
    ),
    "too many certificates": Refused(
        Recipe(key_info=made.x509_data(*[SEAL.certificate] * 10)), "key_info.certificates"
    ),
}

PROPERTIES = {
    "detached parts without properties": Refused(
        Recipe(references=DETACHED[:4], xades=False), "properties.missing", says="neither when nor by whom"
    ),
    "properties that nothing refers to": Refused(Recipe(references=DETACHED[:4]), "properties.unsigned"),
    "unsigned properties of a whole-document signature": Refused(Recipe(references=WHOLE), "properties.unsigned"),
    "reference to the properties without its type": Refused(
        Recipe(references=(*DETACHED[:4], Ref("#properties"))), "reference.unexpected", CONSTRAINTS
    ),
    "reference to the properties twice": Refused(also(PROPERTIES_REF), "reference.signed_properties"),
    "reference with the type to a part": Refused(
        Recipe(references=(replace(DETACHED[0], type=PROPERTIES_TYPE), *DETACHED[1:])), "reference.signed_properties"
    ),
    "reference with the type to a file name": Refused(
        Recipe(references=(*DETACHED[:4], replace(PROPERTIES_REF, uri="xproperties", octets=nothing))),
        "reference.signed_properties",
    ),
    "reference with the type, without properties": Refused(
        Recipe(references=(*WHOLE, replace(PROPERTIES_REF, octets=nothing)), xades=False), "reference.signed_properties"
    ),
    "target of another signature": Refused(broken('Target="#signature"', 'Target="#other"'), "properties.target"),
    "signature without an Id": Refused(
        broken(f'<ds:Signature xmlns:ds="{DS}" Id="signature">', f'<ds:Signature xmlns:ds="{DS}">'), "properties.target"
    ),
    "two QualifyingProperties in two Objects": Refused(
        broken(
            "</ds:Signature>",
            f'<ds:Object><q:QualifyingProperties xmlns:q="{XADES}" Target="#signature"/></ds:Object></ds:Signature>',
        ),
        "properties.doubled",
    ),
    "reference to properties elsewhere": Refused(
        broken(
            "</ds:Signature>",
            f'<ds:Object><q:QualifyingPropertiesReference xmlns:q="{XADES}" URI="x"/></ds:Object></ds:Signature>',
        ),
        "signature.object",
        says="QualifyingPropertiesReference",
    ),
    "two SignedProperties": Refused(
        broken(
            '<xades:SignedProperties Id="properties">',
            '<xades:SignedProperties/><xades:SignedProperties Id="properties">',
        ),
        "signature.structure",
        says="SignedProperties, SignedProperties",
    ),
    "properties in a wrong order": Refused(
        broken(
            "<xades:SignedSignatureProperties>", "<xades:SignedDataObjectProperties/><xades:SignedSignatureProperties>"
        ),
        "signature.structure",
    ),
    "signing time twice": Refused(
        broken("<xades:SigningTime>", "<xades:SigningTime>2020-01-01T00:00:00Z</xades:SigningTime><xades:SigningTime>"),
        "signature.structure",
    ),
    "unknown signed property": Refused(
        Recipe(more_signature_properties="<xades:OnlyValidOnSundays/>"), "properties.unknown", says="OnlyValidOnSundays"
    ),
    "processing instruction among the properties": Refused(
        Recipe(more_signature_properties="<?x?>"), "properties.unknown"
    ),
    "no signing time": Refused(
        Recipe(break_signature=substitution(f"<xades:SigningTime>{SIGNING_TIME.isoformat()}</xades:SigningTime>", "")),
        "properties.signing_time",
        says="no SigningTime",
    ),
    "no certificate digest": Refused(
        Recipe(
            break_signature=substitution(
                f"<xades:SigningCertificateV2><xades:Cert>{CERT_DIGEST}</xades:Cert></xades:SigningCertificateV2>", ""
            )
        ),
        "properties.signing_certificate",
        NO_CERTIFICATE,
        says="0 times",
    ),
    "certificate digests of both versions": Refused(
        broken(
            "<xades:SigningCertificateV2>",
            f"<xades:SigningCertificate><xades:Cert>{CERT_DIGEST}<xades:IssuerSerial/></xades:Cert>"
            "</xades:SigningCertificate><xades:SigningCertificateV2>",
        ),
        "properties.signing_certificate",
        NO_CERTIFICATE,
        says="2 times",
    ),
    "certificate digest that is empty": Refused(
        broken(f"<xades:Cert>{CERT_DIGEST}</xades:Cert>", ""), "signature.structure", says="SigningCertificateV2"
    ),
    "Cert without digest": Refused(broken(CERT_DIGEST, ""), "signature.structure", says="Cert contains nothing"),
    "CertDigest without value": Refused(
        Recipe(certificate_digest="<xades:CertDigest/>"), "signature.structure", says="CertDigest contains nothing"
    ),
    "certificate digest not base64": Refused(
        Recipe(
            certificate_digest=f'<xades:CertDigest><ds:DigestMethod Algorithm="{made.SHA256}"/>'
            "<ds:DigestValue>!</ds:DigestValue></xades:CertDigest>"
        ),
        "properties.digest_value",
    ),
    "digest of another certificate": Refused(
        Recipe(certificate_digest=made.certificate_digest(signing_key("P-256", 1).certificate)),
        "signing_certificate.digest",
        NO_CERTIFICATE,
    ),
    "signature policy": Refused(
        Recipe(
            break_signature=substitution(
                "</xades:SignedSignatureProperties>",
                "<xades:SignaturePolicyIdentifier/></xades:SignedSignatureProperties>",
            )
        ),
        "properties.policy",
        SubIndication.POLICY_PROCESSING_ERROR,
    ),
    "certified role": Refused(role("<xades:CertifiedRolesV2/>"), "properties.unknown", says="CertifiedRolesV2"),
    "role that is empty": Refused(role(""), "properties.unknown", says="SignerRoleV2"),
    "claimed roles without a role": Refused(role("<xades:ClaimedRoles/>"), "signature.structure"),
    "claimed role with markup": Refused(
        role("<xades:ClaimedRoles><xades:ClaimedRole>x<y/></xades:ClaimedRole></xades:ClaimedRoles>"),
        "signature.structure",
    ),
    "claimed role of many thousand characters": Refused(
        role(f"<xades:ClaimedRoles><xades:ClaimedRole>{'x' * 40_000}</xades:ClaimedRole></xades:ClaimedRoles>"),
        "properties.role",
    ),
    "commitment": Refused(data_object("<xades:CommitmentTypeIndication/>"), "properties.unknown", says="Commitment"),
    "format of an unknown reference": Refused(
        data_object('<xades:DataObjectFormat ObjectReference="#nothing"/>'),
        "properties.object_reference",
        says="#nothing",
    ),
    "format of a part instead of a reference": Refused(
        data_object('<xades:DataObjectFormat ObjectReference="#header"/>'), "properties.object_reference"
    ),
    "format of something outside": Refused(
        data_object('<xades:DataObjectFormat ObjectReference="ref-header"/>'), "properties.object_reference"
    ),
    "signing time after the time of interest": Refused(
        Recipe(signing_time=(SIGNING_TIME + timedelta(hours=1)).isoformat()), "acceptance.signing_time", CONSTRAINTS
    ),
}

ALL = STRUCTURE | ALGORITHMS | REFERENCES | KEY_INFO | PROPERTIES


@pytest.mark.parametrize("refused", ALL.values(), ids=ALL.keys())
def test_only_this_check_refuses(refused: Refused) -> None:
    report = made.report_on(made.make(refused.recipe))
    assert [finding.rule for finding in report.findings] == [refused.rule], report.findings
    assert report.sub_indication is refused.sub_indication
    assert report.indication is not Indication.TOTAL_PASSED
    assert refused.says in report.findings[0].reason
    assert report.findings[0].remedy
    assert report.covered == ()


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "2026-03-02",
        "2026-03-02T01:15:00",
        "2026-03-02 01:15:00Z",
        "2026-W10-1T01:15:00Z",
        "20260302T011500Z",
        "2026-13-02T01:15:00Z",
        "2026-02-30T01:15:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T01:15:60Z",
        "2026-03-02T01:15:00+25:00",
        "٢٠٢٦-03-02T01:15:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "-2026-03-02T01:15:00Z",
    ],
)
def test_what_is_no_moment_is_no_signing_time(time: str) -> None:
    report = made.report_on(made.make(Recipe(signing_time=time)))
    assert [finding.rule for finding in report.findings] == ["properties.signing_time"]


REVOKED = datetime(2026, 3, 1, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 1, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "indication", "sub_indication", "rule"),
    [
        (PathNotFoundError("no path"), UNKNOWN, SubIndication.NO_CERTIFICATE_CHAIN_FOUND, "path.not_found"),
        (RevocationUnknownError("no CRL"), UNKNOWN, SubIndication.TRY_LATER, "path.revocation_unknown"),
        (KeyUsageError("a CA"), UNKNOWN, SubIndication.CHAIN_CONSTRAINTS_FAILURE, "path.key_usage"),
        (WeakKeyError("RSA-1024"), UNKNOWN, CRYPTO, "path.weak_key"),
        (PathError("other"), UNKNOWN, CHAIN, "path.general"),
        (CertificateNotYetValidError("x", LATER), FAILED, SubIndication.NOT_YET_VALID, "path.not_yet_valid"),
        (CertificateRevokedError("x", REVOKED, "keyCompromise"), FAILED, SubIndication.REVOKED, "path.revoked"),
        (CertificateRevokedError("x", LATER, "keyCompromise"), UNKNOWN, SubIndication.REVOKED_NO_POE, "path.revoked"),
        (
            CertificateRevokedError("x", REVOKED, "keyCompromise", of_authority=True),
            UNKNOWN,
            SubIndication.REVOKED_CA_NO_POE,
            "path.authority_revoked",
        ),
        (
            CertificateRevokedError("x", LATER, "keyCompromise", of_authority=True),
            UNKNOWN,
            SubIndication.REVOKED_CA_NO_POE,
            "path.authority_revoked",
        ),
        (
            CertificateRevokedError("x", REVOKED, "certificateHold", on_hold=True),
            UNKNOWN,
            SubIndication.TRY_LATER,
            "path.on_hold",
        ),
        (
            CertificateRevokedError("x", LATER, "certificateHold", on_hold=True, of_authority=True),
            UNKNOWN,
            SubIndication.TRY_LATER,
            "path.on_hold",
        ),
        (
            CertificateRevokedError("x", REVOKED, "certificateHold", was_on_hold=True),
            UNKNOWN,
            SubIndication.CHAIN_CONSTRAINTS_FAILURE,
            "path.was_on_hold",
        ),
        (
            CertificateNotYetValidError("x", REVOKED),
            UNKNOWN,
            SubIndication.OUT_OF_BOUNDS_NO_POE,
            "path.before_validity",
        ),
        (CertificateNotYetValidError("x", LATER, of_authority=True), UNKNOWN, CHAIN, "path.authority_validity"),
        (CertificateExpiredError("x", REVOKED, of_authority=True), UNKNOWN, CHAIN, "path.authority_validity"),
        (CertificateExpiredError("x", LATER, of_authority=True), UNKNOWN, CHAIN, "path.authority_validity"),
        (
            CertificateExpiredError("x", LATER, of_authority=True, of_anchor=True),
            UNKNOWN,
            CHAIN,
            "path.anchor_expired",
        ),
        (CertificateExpiredError("x", REVOKED), FAILED, SubIndication.EXPIRED, "path.expired"),
        (CertificateExpiredError("x", LATER), UNKNOWN, SubIndication.OUT_OF_BOUNDS_NO_POE, "path.expired"),
    ],
)
def test_a_path_that_is_not_accepted_has_its_status(
    error: PathError, indication: Indication, sub_indication: SubIndication, rule: str
) -> None:
    report = made.report_on(made.make(Recipe()), validator=made.RefuseEveryPath(error))
    assert (report.indication, report.sub_indication) == (indication, sub_indication)
    assert [(finding.rule, finding.reason) for finding in report.findings] == [(rule, str(error))]
    assert report.signer == SEAL.certificate
    assert report.path == ()


@pytest.mark.parametrize(
    "error",
    [
        PathNotFoundError("no path"),
        RevocationUnknownError("no CRL"),
        KeyUsageError("a CA"),
        WeakKeyError("signed with SHA-1"),
        PathError("other"),
        CertificateNotYetValidError("x", LATER),
        CertificateRevokedError("x", LATER, "keyCompromise"),
        CertificateExpiredError("x", LATER),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(
    ("old", "new", "sub_indication", "rule"),
    [
        (b"<Subject>Finance", b"<Subject>Finances", SubIndication.HASH_FAILURE, "reference.digest"),
        (b"<ds:SignedInfo>", b'<ds:SignedInfo Id="x">', SubIndication.SIG_CRYPTO_FAILURE, "signature.value"),
    ],
    ids=["content", "signed info"],
)
def test_what_was_altered_has_failed_even_where_the_path_is_not_accepted(
    error: PathError, old: bytes, new: bytes, sub_indication: SubIndication, rule: str
) -> None:
    intact = made.make(Recipe())
    assert intact.count(old) == 1
    report = made.report_on(intact.replace(old, new), validator=made.RefuseEveryPath(error))
    assert (report.indication, report.sub_indication) == (FAILED, sub_indication)
    assert [finding.rule for finding in report.findings] == [rule]
    assert (report.path, report.covered) == ((), ())


@pytest.mark.parametrize("kind", ["RSA-1024", "secp256k1"])
def test_a_weak_key_without_an_accepted_path_is_not_even_used(kind: str) -> None:
    altered = made.make(Recipe(key=certified(private_key(kind)))).replace(b"Finance", b"Finances")
    report = made.report_on(altered, validator=made.RefuseEveryPath(WeakKeyError("weak")))
    assert (report.sub_indication, report.findings[0].rule) == (CRYPTO, "path.weak_key")


def test_without_a_signing_time_a_revoked_certificate_leaves_it_open() -> None:
    validator = made.RefuseEveryPath(CertificateRevokedError("x", REVOKED, "keyCompromise"))
    report = made.report_on(made.make(made.WHOLE_PLAIN), validator=validator)
    assert report.sub_indication is SubIndication.REVOKED_NO_POE


@pytest.mark.parametrize(("kind", "says"), [("RSA-1024", "RSA of 1024 bits"), ("secp256k1", "ECDSA on secp256k1")])
def test_a_weak_key_is_refused_even_where_the_path_is_good(kind: str, says: str) -> None:
    report = made.report_on(made.make(Recipe(key=certified(private_key(kind)))), validator=made.AcceptEveryPath())
    assert [finding.rule for finding in report.findings] == ["acceptance.key_strength"]
    assert report.sub_indication is CRYPTO
    assert says in report.findings[0].reason


def test_a_key_of_another_kind_is_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    builder = x509.CertificateBuilder(
        issuer_name=root_certificate().subject,
        subject_name=root_certificate().subject,
        public_key=key.public_key(),
        serial_number=9,
        not_valid_before=root_certificate().not_valid_before_utc,
        not_valid_after=root_certificate().not_valid_after_utc,
    )
    certificate = builder.sign(key, None)
    recipe = Recipe(key_info=made.x509_data(certificate), certificate_digest=made.certificate_digest(certificate))
    report = made.report_on(made.make(recipe), validator=made.AcceptEveryPath())
    assert [finding.rule for finding in report.findings] == ["key.kind"]


def rules(data: bytes, parts: Callable[[ParsedXml], Sequence[Part]]) -> list[str]:
    return [finding.rule for finding in made.report_on(data, parts=parts).findings]


def test_nothing_expected_is_nothing_verified() -> None:
    assert rules(made.make(made.WHOLE_PLAIN), lambda _: []) == ["coverage.expected"]


def test_a_part_of_another_document_is_not_covered() -> None:
    other = parse(made.make(Recipe()), XmlLimits())
    assert rules(made.make(made.WHOLE_PLAIN), lambda _: made.letter_parts(other)) == ["coverage.missing"]
    assert rules(made.make(Recipe()), lambda _: made.letter_parts(other)) == ["reference.unexpected"]


def test_a_part_inside_the_signature_is_not_covered_by_the_whole_document() -> None:
    def inside(document: ParsedXml) -> list[Part]:
        return [ElementPart("KeyInfo", made.own_signature(document)[2])]

    assert rules(made.make(made.WHOLE_PLAIN), inside) == ["coverage.missing"]
    assert rules(made.make(made.WHOLE_PLAIN), lambda document: [ElementPart("s", made.own_signature(document))]) == [
        "coverage.missing"
    ]


def test_a_file_of_the_container_is_not_covered_by_the_whole_document() -> None:
    class Unread:
        def digest(self, algorithm: DigestAlgorithm) -> bytes:
            raise AssertionError

    assert rules(made.make(made.WHOLE_PLAIN), lambda _: [FilePart("x", "x", Unread())]) == ["coverage.missing"]


def test_a_file_that_cannot_be_read_is_data_not_found() -> None:
    class Lost:
        def digest(self, algorithm: DigestAlgorithm) -> bytes:
            raise ContainerError("the entry is damaged")

    recipe = Recipe(document="<c>{signature}</c>", references=(Ref("x", (), octets=nothing), PROPERTIES_REF))
    report = made.report_on(made.make(recipe), parts=lambda _: [FilePart("x", "x", Lost())])
    assert report.sub_indication is NOT_FOUND
    assert [finding.rule for finding in report.findings] == ["reference.not_found"]


def test_a_file_with_transforms_is_refused() -> None:
    class Present:
        def digest(self, algorithm: DigestAlgorithm) -> bytes:
            return algorithm.digest(b"")

    recipe = Recipe(document="<c>{signature}</c>", references=(Ref("x", (EXC,), octets=nothing), PROPERTIES_REF))
    assert rules(made.make(recipe), lambda _: [FilePart("x", "x", Present())]) == ["reference.transforms"]


def test_one_element_expected_as_two_parts_is_not_covered_twice() -> None:
    def twice(document: ParsedXml) -> list[Part]:
        parts = made.letter_parts(document)
        assert isinstance(parts[2], Base64Part)
        return [*parts, replace(parts[2], media_type="text/plain")]

    assert rules(made.make(Recipe()), twice) == ["coverage.missing"]


def test_a_signature_of_another_document_is_refused() -> None:
    document, other = (parse(made.make(Recipe()), XmlLimits()) for _ in range(2))
    signature = made.own_signature(other)
    report = verify(document, signature, made.letter_parts(document), validator=made.trusting(), at=SIGNING_TIME)
    assert [finding.rule for finding in report.findings] == ["signature.document"]


def test_a_signature_that_is_the_whole_document_cannot_be_taken_out_of_it() -> None:
    recipe = Recipe(document="{signature}", references=(Ref("", (ENVELOPED, EXC), octets=nothing),), xades=False)
    data = made.make(recipe)
    assert rules(data, lambda document: [ElementPart("x", document.root)]) == ["reference.enveloped"]


def test_an_element_that_is_no_signature_is_refused() -> None:
    document = parse(made.make(Recipe()), XmlLimits())
    parts = made.letter_parts(document)
    report = verify(document, document.root, parts, validator=made.trusting(), at=SIGNING_TIME)
    assert [finding.rule for finding in report.findings] == ["signature.namespace"]
    assert report.signature_id is None


def test_a_relative_namespace_in_signed_info_has_no_canonical_form() -> None:
    data = made.make(Recipe()).replace(b"<ds:SignedInfo>", b'<ds:SignedInfo xmlns:r="relative">')
    assert rules(data, made.letter_parts) == ["xml.canonicalization"]


def test_ids_are_looked_up_once_for_all_signatures_of_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    document = parse(made.make(Recipe()), XmlLimits())
    signatures = [made.own_signature(document)] * 16
    looked_up: list[object] = []

    def counted(root: etree._Element) -> IdIndex:
        looked_up.append(root)
        return index_ids(root)

    monkeypatch.setattr(verifier, "index_ids", counted)
    reports = verifier.verify_all(
        document, signatures, made.letter_parts(document), validator=made.trusting(), at=SIGNING_TIME
    )
    assert [report.indication for report in reports] == [Indication.TOTAL_PASSED] * 16
    assert len(looked_up) == 1


def test_empty_ids_name_nothing_and_may_be_many() -> None:
    letter = LETTER.replace("<From>", '<From id="">').replace("<TraceHeaderList>", '<TraceHeaderList id="">')
    assert made.report_on(made.make(Recipe(document=letter))).passed


@pytest.mark.parametrize(
    ("reason", "sub_indication", "rule"),
    [
        (x509.ReasonFlags.key_compromise, SubIndication.REVOKED_NO_POE, "path.revoked_since"),
        (x509.ReasonFlags.certificate_hold, SubIndication.TRY_LATER, "path.on_hold"),
        (x509.ReasonFlags.superseded, None, None),
    ],
)
def test_a_good_signature_whose_time_nothing_proves_is_doubted_for_what_is_known_since(
    reason: x509.ReasonFlags, sub_indication: SubIndication | None, rule: str | None
) -> None:
    pki = Pki()
    seal = pki.seal()
    data = made.make(Recipe(key=PlainKey(seal.private_key, seal.certificate, (pki.issuing.certificate,))))
    crls = pki.crls(this_update=SIGNING_TIME - DAY, next_update=SIGNING_TIME + 7 * DAY)
    report = made.report_on(data, validator=pki.validator(crls))
    assert report.passed
    since = pki.crl(entries=[revoked_entry(seal.certificate.serial_number, NOW - 2 * DAY, reason)])
    again = reconsider(report, validator=pki.validator((*crls, since)), as_of=NOW)
    assert (again.sub_indication, again.passed) == (sub_indication, sub_indication is None)
    assert [finding.rule for finding in again.findings] == [each for each in (rule,) if each]
