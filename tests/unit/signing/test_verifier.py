"""Signatures that are right pass, in every form accepted, and the report says what they cover."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from keys.errors import NoTrustAnchorsError
from keys.store import DigestAlgorithm
from signing.parts import ElementPart, FilePart, Part
from signing.report import Indication
from signing.xades.verifier import SignaturePresence, classify, verify
from signing.xml import FileSource, ParsedXml, XmlLimits, parse
from tests.support import signatures as made
from tests.support.signatures import DETACHED, ENVELOPED, INC, LETTER, SHA384, WHOLE, Recipe, Ref
from tests.support.signing_keys import SIGNING_TIME, root_certificate, signing_key

CID = (Ref("cid:file-1", ()), Ref("cid:file-2", ()))
ROLE = "<xades:SignerRoleV2><xades:ClaimedRoles><xades:ClaimedRole>Chánh Văn phòng</xades:ClaimedRole>"
ROLE += "</xades:ClaimedRoles></xades:SignerRoleV2>"
V1_DIGEST = made.certificate_digest(signing_key().certificate) + (
    "<xades:IssuerSerial><ds:X509IssuerName>CN=Test root</ds:X509IssuerName>"
    "<ds:X509SerialNumber>1</ds:X509SerialNumber></xades:IssuerSerial>"
)

# Written out by hand from Canonical XML 1.0 section 2.4: what xmlsec1 and the JDK say, and signxml and lxml do not.
HEADER = (
    b'<MessageHeader xmlns="http://www.e-doc.vn/Schema/" xmlns:xlink="http://www.w3.org/1999/xlink" Id="header" '
    b'xml:lang="vi"><From><OrganId>000.00.00.H29</OrganId></From>\n<Subject>Finance</Subject></MessageHeader>'
)
MANIFEST = (
    b'<edXMLManifest xmlns="http://www.e-doc.vn/Schema/" xmlns:xlink="http://www.w3.org/1999/xlink" Id="manifest" '
    b'xml:lang="vi"><Reference><ContentId>file-1</ContentId></Reference>\n'
    b"<Reference><ContentId>file-2</ContentId></Reference></edXMLManifest>"
)
HEADER_INCLUSIVE = Ref("#header", (INC,), octets=lambda _: HEADER)
MANIFEST_INCLUSIVE = Ref("#manifest", (), octets=lambda _: MANIFEST)  # inclusive where no transform says how


def as_version_1(text: str) -> str:
    return text.replace("SigningCertificateV2", "SigningCertificate")


def with_commas_of_space(text: str) -> str:
    return text.replace("><", ">\n  <")


RIGHT = {
    "detached": Recipe(),
    "RSA of 2048 bits": Recipe(key=signing_key("RSA-2048")),
    "ECDSA on P-384": Recipe(key=signing_key("P-384")),
    "ECDSA on P-521": Recipe(key=signing_key("P-521")),
    "RSA with SHA-512": Recipe(
        key=signing_key("RSA-2048"),
        method="http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        sign=lambda data: made.raw_signature(signing_key("RSA-2048"), data, DigestAlgorithm.SHA512),
    ),
    "digests of SHA-384": Recipe(references=tuple(replace(ref, method=SHA384) for ref in DETACHED)),
    "whole document as plain XML signature": made.WHOLE_PLAIN,
    "whole document with properties": made.WHOLE_XADES,
    "whole document without canonicalization transform": Recipe(references=(Ref("", (ENVELOPED,)),), xades=False),
    "whole document and the files once more": Recipe(references=(*WHOLE, *CID), xades=False),
    "file by cid that has no id": Recipe(
        document=LETTER.replace(' Id="file-1"', ""),
        references=(*DETACHED[:2], Ref("cid:file-1", (), octets=lambda _: made.FIRST_FILE), *DETACHED[3:]),
    ),
    "files by cid": Recipe(references=(*DETACHED[:2], *CID, DETACHED[4])),
    "files as elements": Recipe(references=(*DETACHED[:2], Ref("#file-1"), Ref("#file-2"), DETACHED[4])),
    "KeyInfo signed": Recipe(references=(*DETACHED, Ref("#key-info"))),
    "references in another order": Recipe(references=tuple(reversed(DETACHED))),
    "inclusive canonicalization": Recipe(references=(HEADER_INCLUSIVE, MANIFEST_INCLUSIVE, *DETACHED[2:])),
    "inclusive canonicalization of SignedInfo": Recipe(
        document=LETTER.replace(' xml:lang="vi"', ""),
        canonicalization=f'<ds:CanonicalizationMethod Algorithm="{INC}"/>',
    ),
    "namespaces of ancestors kept by a prefix list": Recipe(
        references=(Ref("#header", prefixes="xlink ds unknown"), *DETACHED[1:])
    ),
    "role and data object format": Recipe(
        more_signature_properties=ROLE,
        data_object_properties='<xades:DataObjectFormat ObjectReference="#ref-header">'
        "<xades:MimeType>text/xml</xades:MimeType></xades:DataObjectFormat>",
    ),
    "SigningCertificate of version 1": Recipe(break_signature=as_version_1, certificate_digest=V1_DIGEST),
    "white space everywhere": Recipe(break_signature=with_commas_of_space),
    "comment in signed text": Recipe(document=LETTER.replace("Finance", "Fin<!-- -->ance")),
    "CDATA in signed text": Recipe(document=LETTER.replace("Finance", "<![CDATA[Fin & ance]]>")),
    "CR and LF in signed text": Recipe(document=LETTER.replace("\n", "\r\n").replace("Finance", "Fin&#13;ance")),
    "processing instructions around the document": Recipe(
        document=LETTER.replace("?>\n<edXML", "?>\n<?first a?><?second?>\n<edXML", 1) + "<?last?>",
        references=WHOLE,
        xades=False,
    ),
    "white space on both sides of the signature": Recipe(
        document=LETTER.replace("{signature}", "\n \t{signature} \n "), references=WHOLE, xades=False
    ),
    "the signature as first child": Recipe(
        document=LETTER.replace("{signature}", "").replace("<edXMLHeader>", "<edXMLHeader> {signature}\n"),
        references=WHOLE,
        xades=False,
    ),
    "a bare key beside the certificate": Recipe(
        key_info="<ds:KeyName>seal</ds:KeyName>" + made.x509_data(signing_key().certificate, root_certificate())
    ),
    "the signing certificate last": Recipe(
        key_info=made.x509_data(root_certificate(), signing_key().certificate),
    ),
    "the signing certificate last, and nothing names it": replace(
        made.WHOLE_PLAIN, key_info=made.x509_data(root_certificate(), signing_key().certificate)
    ),
}


@pytest.mark.parametrize("recipe", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_signature_passes(recipe: Recipe) -> None:
    report = made.report_on(made.make(recipe))
    assert report.findings == ()
    assert report.indication is Indication.TOTAL_PASSED
    assert report.passed
    assert report.sub_indication is None
    assert [part.label for part in report.covered] == ["MessageHeader", "edXMLManifest", "file-1", "file-2"]


def test_the_report_says_who_when_how_and_what() -> None:
    key = signing_key("RSA-2048")
    report = made.report_on(made.make(Recipe(key=key, more_signature_properties=ROLE)))
    assert report.signature_id == "signature"
    assert report.signature_algorithm == made.RSA_SHA256
    assert report.signing_time == SIGNING_TIME
    assert report.validated_at == SIGNING_TIME + timedelta(minutes=1)
    assert report.claimed_roles == ("Chánh Văn phòng",)
    assert report.signer == key.certificate
    assert report.path == (key.certificate, root_certificate())
    file = report.covered[2]
    assert (file.uri, file.digest_algorithm) == ("#file-1", "sha256")
    assert file.digest == hashlib.sha256(made.FIRST_FILE).digest()


def test_a_plain_xml_signature_has_no_signing_time() -> None:
    report = made.report_on(made.make(made.WHOLE_PLAIN))
    assert report.passed
    assert report.signing_time is None
    assert {part.uri for part in report.covered} == {""}


def test_parallel_signatures_do_not_disturb_each_other() -> None:
    first = made.make(Recipe()).decode()
    second = Recipe(
        document=first.replace("{", "{{").replace("}", "}}").replace("</edXMLHeader>", "{signature}</edXMLHeader>"),
        signature_id="second",
        key=signing_key("RSA-2048"),
        break_signature=lambda text: (
            text.replace('"properties"', '"p2"').replace('"key-info"', '"k2"').replace('"ref-header"', '"r2"')
        ),
        references=(*DETACHED[:4], replace(DETACHED[4], uri="#p2")),
    )
    document = parse(_sign_last(second), XmlLimits())
    found = list(document.root.iter(f"{{{made.DS}}}Signature"))
    assert len(found) == 2
    at = SIGNING_TIME + timedelta(minutes=1)
    for signature in found:
        assert verify(document, signature, made.letter_parts(document), validator=made.trusting(), at=at).passed


def _sign_last(recipe: Recipe) -> bytes:
    """As :func:`made.make`, for the last of several signatures."""
    return made.make(replace(recipe, own=-1))


def test_a_whole_document_signature_removes_only_itself() -> None:
    inner = made.make(Recipe()).decode().replace("{", "{{").replace("}", "}}")
    outer = Recipe(
        document=inner.replace("</edXMLHeader>", "{signature}</edXMLHeader>"),
        references=WHOLE,
        xades=False,
        signature_id="outer",
        break_signature=lambda text: text.replace('"key-info"', '"k2"'),
    )
    document = parse(_sign_last(outer), XmlLimits())
    first, last = document.root.iter(f"{{{made.DS}}}Signature")
    at = SIGNING_TIME + timedelta(minutes=1)
    parts = made.letter_parts(document)
    assert verify(document, last, parts, validator=made.trusting(), at=at).passed
    before = etree.tostring(document.root)
    assert verify(document, first, parts, validator=made.trusting(), at=at).passed
    assert etree.tostring(document.root) == before


@pytest.mark.parametrize("references", [DETACHED, (*DETACHED[:2], *CID, DETACHED[4])], ids=["base64", "cid"])
def test_a_large_attachment_is_digested_without_being_in_the_tree(references: tuple[Ref, ...], tmp_path: Path) -> None:
    content = bytes(range(256)) * 400
    text = base64.encodebytes(content).decode()
    recipe = Recipe(
        document=LETTER.replace(base64.b64encode(made.FIRST_FILE).decode(), text.replace("\n", "\r\n")),
        references=references,
    )
    path = tmp_path / "letter.edxml"
    path.write_bytes(made.make(recipe))
    document = parse(FileSource.of(path), XmlLimits())
    assert len(etree.tostring(document.root)) < 20_000
    at = SIGNING_TIME + timedelta(minutes=1)
    signature = made.own_signature(document)
    report = verify(document, signature, made.letter_parts(document), validator=made.trusting(), at=at)
    assert report.passed
    assert report.covered[2].digest == hashlib.sha256(content).digest()


def test_a_large_attachment_is_part_of_a_whole_document_signature() -> None:
    text = base64.encodebytes(bytes(100_000)).decode().replace("\n", "\r\n")
    recipe = replace(made.WHOLE_PLAIN, document=LETTER.replace(base64.b64encode(made.FIRST_FILE).decode(), text))
    signed = made.make(recipe)
    assert made.report_on(signed).passed
    place = signed.index(b"AAAAAAAA") + 40_000
    changed = signed[:place] + b"B" + signed[place + 1 :]
    report = made.report_on(changed)
    assert [finding.rule for finding in report.findings] == ["reference.digest"]


@dataclass(frozen=True)
class File:
    """A file of a container."""

    data: bytes

    def digest(self, algorithm: DigestAlgorithm) -> bytes:
        return algorithm.digest(self.data)


def _container(recipe: Recipe, *files: tuple[str, bytes]) -> tuple[ParsedXml, list[Part]]:
    document = parse(made.make(recipe), XmlLimits())
    return document, [FilePart(uri, uri, File(data)) for uri, data in files]


def test_files_of_a_container_are_covered_by_their_uris() -> None:
    refs = (Ref("letter.edxml", (), octets=lambda _: b"letter"), Ref("a%20b.pdf", (), octets=lambda _: b"pdf"))
    recipe = Recipe(document="<container>{signature}</container>", references=(*refs, made.PROPERTIES_REF))
    document, parts = _container(recipe, ("letter.edxml", b"letter"), ("a%20b.pdf", b"pdf"))
    at = SIGNING_TIME + timedelta(minutes=1)
    report = verify(document, made.own_signature(document), parts, validator=made.trusting(), at=at)
    assert report.passed
    assert [part.uri for part in report.covered] == ["letter.edxml", "a%20b.pdf"]


def test_a_changed_file_of_a_container_is_refused() -> None:
    ref = Ref("letter.edxml", (), octets=lambda _: b"letter")
    recipe = Recipe(document="<container>{signature}</container>", references=(ref, made.PROPERTIES_REF))
    document, parts = _container(recipe, ("letter.edxml", b"Letter"))
    report = verify(document, made.own_signature(document), parts, validator=made.trusting(), at=SIGNING_TIME)
    assert [finding.rule for finding in report.findings] == ["reference.digest"]


def test_a_sealed_root_element_is_covered_by_the_whole_document() -> None:
    recipe = Recipe(
        document='<Receipt xmlns="urn:receipt"><Id>1</Id>{signature}</Receipt>', references=WHOLE, xades=False
    )
    report = made.report_on(made.make(recipe), parts=lambda document: [ElementPart("Receipt", document.root)])
    assert report.passed


def test_vanished_trust_is_not_the_fault_of_the_document() -> None:
    validator = made.RefuseEveryPath(NoTrustAnchorsError("there are none"))
    data = made.make(Recipe())
    with pytest.raises(NoTrustAnchorsError):
        made.report_on(data, validator=validator)


@pytest.mark.parametrize(
    "time", ["2026-03-02T08:15:00+07:00", "2026-03-02T01:15:00.123456789Z", "2026-03-01T20:15:00-05:00"]
)
def test_signing_times_with_a_zone_are_read(time: str) -> None:
    report = made.report_on(made.make(Recipe(signing_time=time)))
    assert report.passed
    assert report.signing_time is not None
    assert report.signing_time.astimezone(UTC).replace(microsecond=0) == datetime(2026, 3, 2, 1, 15, tzinfo=UTC)


def test_the_signers_clock_may_be_five_minutes_ahead() -> None:
    data = made.make(Recipe())
    assert made.report_on(data, at=SIGNING_TIME - timedelta(minutes=5)).passed
    assert not made.report_on(data, at=SIGNING_TIME - timedelta(minutes=5, seconds=1)).passed


def _signature(value: str, key_info: str) -> str:
    return (
        f'<ds:Signature xmlns:ds="{made.DS}"><ds:SignatureValue>{value}</ds:SignatureValue>'
        f"<ds:KeyInfo>{key_info}</ds:KeyInfo></ds:Signature>"
    )


def _element(text: str) -> etree._Element:
    return etree.fromstring(text)


@pytest.mark.parametrize(
    "text",
    [
        '<Signature xmlns="http://www.e-doc.vn/Schema/"><SignatureValue>AA==</SignatureValue></Signature>',
        '<DigitalSignature xmlns="http://www.e-doc.vn/Schema/"/>',
        f'<Signature xmlns="{made.DS}"/>',
        f'<Signature xmlns="{made.DS}"><SignatureValue>AA==</SignatureValue></Signature>',
        _signature("...", made.x509_data(root_certificate())),
        _signature("AA==", "<ds:X509Data><ds:X509Certificate>AA==</ds:X509Certificate></ds:X509Data>"),
        _signature("", made.x509_data(root_certificate())),
    ],
    ids=["namespace", "DigitalSignature", "empty", "no certificate", "value", "certificate", "empty value"],
)
def test_what_cannot_be_a_signature_is_a_placeholder(text: str) -> None:
    assert classify(_element(text)) is SignaturePresence.PLACEHOLDER


def test_a_signature_is_present_even_when_it_is_wrong() -> None:
    document = parse(made.make(Recipe()).replace(b"Finance", b"Defence"), XmlLimits())
    assert classify(made.own_signature(document)) is SignaturePresence.PRESENT


def test_no_element_is_no_signature() -> None:
    assert classify(None) is SignaturePresence.ABSENT


def test_the_signer_is_found_beside_another_certificate_where_nothing_names_it() -> None:
    """KeyInfo has no order (XMLDSig section 4.5.4); xmlsec1 tries the first one only."""
    key_info = made.x509_data(signing_key("P-256", 1).certificate, signing_key().certificate)
    report = made.report_on(made.make(replace(made.WHOLE_PLAIN, key_info=key_info)))
    assert report.passed
    assert report.signer == signing_key().certificate
