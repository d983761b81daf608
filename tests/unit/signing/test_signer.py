"""XAdES B-B signatures: what is digested is what the file, written out and read again, contains."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pytest
from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from keys.errors import KeyUnavailableError
from keys.store import DigestAlgorithm, KeyKind, SigningKey
from signing.algorithms import DIGEST_URIS, SignatureAlgorithm
from signing.errors import ContentError, SignatureCreationError
from signing.namespaces import BASE64_TRANSFORM, DS, SIGNED_PROPERTIES_TYPE, XADES132
from signing.parts import Base64Part, ElementPart, FilePart, Part
from signing.report import Indication
from signing.xades import signer
from signing.xades.signer import sign
from signing.xades.verifier import verify
from signing.xml import CanonicalizationMethod, ParsedXml, XmlLimits, canonicalize, parse
from tests.support.edxml_shapes import (
    ATTACHMENT,
    SHAPES,
    big_content,
    by_id,
    letter,
    parts_of,
    sign_letter,
    signature_place,
    spliced,
    written,
)
from tests.support.signing_keys import (
    SIGNING_TIME,
    VERIFICATION_TIME,
    PlainKey,
    certified,
    root_certificate,
    signing_key,
    validator,
)

NS = {"ds": DS, "x": XADES132}
EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE


def signatures_in(document: ParsedXml) -> list[etree._Element]:
    return list(document.root.iter(f"{{{DS}}}Signature"))


def text(element: etree._Element, path: str) -> str:
    found = element.findtext(path, namespaces=NS)
    assert found is not None
    return found


def attribute(element: etree._Element, path: str, name: str) -> str:
    found = element.find(path, namespaces=NS)
    assert found is not None
    return found.attrib[name]


def octets(document: ParsedXml, reference: etree._Element) -> bytes:
    """What a reference of ours is about, taken only from the file as it was read again."""
    target = by_id(document.root, reference.attrib["URI"].removeprefix("#"))
    transform = attribute(reference, "ds:Transforms/ds:Transform", "Algorithm")
    if transform == BASE64_TRANSFORM:
        return document.content(target).read()
    assert transform == EXCLUSIVE.value
    return b"".join(document.canonical_chunks(target, EXCLUSIVE))


def assert_signed(data: bytes, *keys: SigningKey, digest: DigestAlgorithm = DigestAlgorithm.SHA256) -> None:
    """Every signature in the file holds, by lxml's canonical form, hashlib and cryptography alone."""
    document = parse(data, XmlLimits())
    signatures = signatures_in(document)
    assert len(signatures) == len(keys)
    for signature, key in zip(signatures, keys, strict=True):
        for reference in signature.iterfind("ds:SignedInfo/ds:Reference", NS):
            assert attribute(reference, "ds:DigestMethod", "Algorithm") == DIGEST_URIS[digest]
            expected = base64.b64encode(digest.digest(octets(document, reference))).decode()
            assert text(reference, "ds:DigestValue") == expected, reference.attrib["URI"]
        signed_info = signature.find("ds:SignedInfo", NS)
        assert signed_info is not None
        value = base64.b64decode(text(signature, "ds:SignatureValue"))
        assert_value(value, canonicalize(signed_info, EXCLUSIVE), key.certificate, digest)


def assert_value(value: bytes, signed: bytes, certificate: x509.Certificate, digest: DigestAlgorithm) -> None:
    hasher = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest.value]
    public_key = certificate.public_key()
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(value, signed, padding.PKCS1v15(), hasher)
        return
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    width = (public_key.key_size + 7) // 8
    assert len(value) == 2 * width
    r, s = (int.from_bytes(half) for half in (value[:width], value[width:]))
    public_key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hasher))


# --- what is digested is what is written ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_letter_of_every_shape_is_signed_as_it_is_written(shape: str) -> None:
    document = sign_letter(SHAPES[shape], signing_key())
    assert_signed(written(document), signing_key())
    assert_signed(spliced(SHAPES[shape], document), signing_key())


@pytest.mark.parametrize("kind", ["RSA-2048", "P-256", "P-384", "P-521"])
@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_every_algorithm_offered(kind: str, digest: DigestAlgorithm) -> None:
    document = sign_letter(SHAPES["plain"], signing_key(kind), digest=digest)
    assert_signed(written(document), signing_key(kind), digest=digest)
    (signature,) = signatures_in(document)
    expected = SignatureAlgorithm.of(signing_key(kind).kind, digest).uri
    assert attribute(signature, "ds:SignedInfo/ds:SignatureMethod", "Algorithm") == expected


def test_attachment_of_more_than_ten_megabytes_is_signed_by_its_decoded_bytes() -> None:
    document = sign_letter(letter(content=big_content()), signing_key())
    (signature,) = signatures_in(document)
    digest = signature.xpath("string(ds:SignedInfo/ds:Reference[@URI='#att-1']/ds:DigestValue)", namespaces=NS)
    decoded = base64.b64decode(big_content())
    assert len(decoded) > 10_000_000
    assert digest == base64.b64encode(hashlib.sha256(decoded).digest()).decode()
    assert_signed(written(document), signing_key())


def test_element_that_holds_a_long_base64_text_is_digested_whole() -> None:
    document = parse(b'<a><b Id="b"><c>' + b"QUJD" * 20_000 + b"</c></b><s/></a>", XmlLimits())
    sign_into(document, document.root[1], [ElementPart("b", document.root[0])])
    assert_signed(written(document), signing_key())


def test_second_signature_leaves_the_first_one_as_it_is() -> None:
    first, second = signing_key(), signing_key("RSA-2048")
    document = sign_letter(SHAPES["xml:lang"], first)
    before = written(document)
    assert_signed(before, first)
    first_written = etree.tostring(signatures_in(document)[0], with_tail=False)
    sign_into(document, signature_place(document), parts_of(document), key=second, signature_id="other")
    after = written(document)
    assert_signed(after, first, second)
    assert etree.tostring(signatures_in(document)[0], with_tail=False) == first_written


def test_prefixes_in_scope_change_what_is_written_and_digested_alike() -> None:
    data = f'<a xmlns:sig="{DS}" xmlns:q="{XADES132}" xmlns="{DS}"><b Id="b" xmlns=""/><s/></a>'.encode()
    document = parse(data, XmlLimits())
    sign_into(document, document.root[1], [ElementPart("b", document.root[0])])
    assert_signed(written(document), signing_key())


@given(value=st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r\x85"), max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_attribute_and_role_is_signed_as_it_reads_back(value: str) -> None:
    value = "".join(character for character in value if character not in "\ufffe\uffff")
    document = parse(b'<a><b Id="b"/><s/></a>', XmlLimits())
    part = document.root[0]
    part.text = value
    part.set("note", value)
    etree.SubElement(part, "c").tail = value
    sign_into(document, document.root[1], [ElementPart("b", part)], claimed_roles=[value])
    data = written(document)
    assert_signed(data, signing_key())
    again = parse(data, XmlLimits())
    assert (again.root[0].text or "", again.root[0].get("note"), again.root[0][0].tail or "") == (value,) * 3
    assert again.root.findtext(".//x:ClaimedRole", namespaces=NS) == value


def test_carriage_return_in_a_tree_is_written_as_a_reference_and_holds() -> None:
    document = parse(b'<a><b Id="b"/><s/></a>', XmlLimits())
    document.root[0].text = "one\r\ntwo\rthree"
    sign_into(document, document.root[1], [ElementPart("b", document.root[0])])
    assert b"one&#13;\ntwo&#13;three" in written(document)
    assert_signed(written(document), signing_key())


def test_carriage_return_in_a_cdata_section_made_by_a_program_is_refused() -> None:
    document = parse(b'<a><b Id="b"/><s/></a>', XmlLimits())
    document.root[0].text = etree.CDATA("one\r\ntwo")
    refuse(document, [ElementPart("b", document.root[0])], "reads differently")


def test_element_that_falls_into_a_default_namespace_when_written_is_digested_as_written() -> None:
    document = parse(b'<a xmlns="urn:a"><e:b xmlns:e="urn:e" Id="b"/><s/></a>', XmlLimits())
    inner = etree.SubElement(document.root[0], "inner", Id="inner")
    sign_into(document, document.root[1], [ElementPart("b", document.root[0]), ElementPart("inner", inner)])
    assert parse(written(document), XmlLimits()).root[0][0].tag == "{urn:a}inner"
    assert_signed(written(document), signing_key())


def test_element_that_rightly_leaves_the_default_namespace_is_signed() -> None:
    document = parse(b'<a xmlns="urn:a"><b Id="b"><inner xmlns=""/></b><c xmlns="" Id="c"/><s/></a>', XmlLimits())
    parts = [ElementPart("b", document.root[0]), ElementPart("c", document.root[1])]
    sign_into(document, document.root[2], parts)
    assert_signed(written(document), signing_key())


@pytest.mark.parametrize("shape", SHAPES)
def test_our_verifier_passes_what_was_written_and_fails_it_changed(shape: str) -> None:
    data = written(sign_letter(SHAPES[shape], signing_key(), signing_key("RSA-2048")))
    assert verdicts(data) == [Indication.TOTAL_PASSED] * 2
    changed = data.replace(b"<edXML:OrganId>H29.901<", b"<edXML:OrganId>H29.902<")
    assert changed != data
    assert verdicts(changed) == [Indication.TOTAL_FAILED] * 2


def verdicts(data: bytes) -> list[Indication]:
    document = parse(data, XmlLimits())
    return [
        verify(document, signature, parts_of(document), validator=validator(), at=VERIFICATION_TIME).indication
        for signature in signatures_in(document)
    ]


# --- the form ------------------------------------------------------------------------------------------------------


def test_references_are_to_the_parts_in_order_and_then_to_the_signed_properties() -> None:
    (signature,) = signatures_in(sign_letter(SHAPES["plain"], signing_key()))
    references = signature.findall("ds:SignedInfo/ds:Reference", NS)
    assert [reference.get("URI") for reference in references] == [
        "#header",
        "#bussiness",
        "#manifest",
        "#att-1",
        "#seal-1-properties",
    ]
    assert [reference.get("Type") for reference in references] == [None] * 4 + [SIGNED_PROPERTIES_TYPE]
    transforms = [[one.get("Algorithm") for one in reference.iter(f"{{{DS}}}Transform")] for reference in references]
    assert transforms == [[EXCLUSIVE.value]] * 3 + [[BASE64_TRANSFORM], [EXCLUSIVE.value]]
    method = attribute(signature, "ds:SignedInfo/ds:CanonicalizationMethod", "Algorithm")
    assert method == EXCLUSIVE.value


def test_every_reference_to_a_part_has_a_data_object_format() -> None:
    (signature,) = signatures_in(sign_letter(SHAPES["plain"], signing_key()))
    formats = {
        one.attrib["ObjectReference"].removeprefix("#"): text(one, "x:MimeType")
        for one in signature.iter(f"{{{XADES132}}}DataObjectFormat")
    }
    ids = [one.get("Id") for one in signature.iterfind("ds:SignedInfo/ds:Reference", NS) if one.get("Type") is None]
    assert list(formats) == ids
    assert list(formats.values()) == ["text/xml"] * 3 + ["text/plain"]


def test_qualifying_properties_name_their_signature() -> None:
    (signature,) = signatures_in(sign_letter(SHAPES["plain"], signing_key()))
    assert signature.get("Id") == "seal-1"
    assert attribute(signature, "ds:Object/x:QualifyingProperties", "Target") == "#seal-1"


def test_signing_certificate_is_named_by_digest_issuer_and_serial_number() -> None:
    key = signing_key()
    (signature,) = signatures_in(sign_letter(SHAPES["plain"], key))
    base = (
        "ds:Object/x:QualifyingProperties/x:SignedProperties/x:SignedSignatureProperties/x:SigningCertificateV2/x:Cert/"
    )
    digest = hashlib.sha256(key.certificate.public_bytes(Encoding.DER)).digest()
    assert text(signature, base + "x:CertDigest/ds:DigestValue") == base64.b64encode(digest).decode()
    issuer_serial = IssuerSerial.load(base64.b64decode(text(signature, base + "x:IssuerSerialV2")), strict=True)
    assert issuer_serial["serial_number"].native == key.certificate.serial_number
    assert issuer_serial["issuer"][0].chosen.untag().dump() == key.certificate.issuer.public_bytes()


class IssuerSerial(core.Sequence):  # type: ignore[misc]
    """RFC 5035 section 5."""

    _fields = [("issuer", asn1_x509.GeneralNames), ("serial_number", core.Integer)]  # noqa: RUF012


@pytest.mark.parametrize("serial", [1, 127, 128, 255, 256, 2**64, 2**158 + 7])
def test_serial_numbers_of_every_length_are_encoded_as_der(serial: int) -> None:
    encoded = signer._issuer_serial(certified(signing_key().private_key, serial=serial).certificate)
    assert IssuerSerial.load(encoded, strict=True)["serial_number"].native == serial
    assert IssuerSerial.load(encoded, strict=True).dump(force=True) == encoded


def test_key_info_holds_the_certificate_and_its_chain_once_each() -> None:
    key = signing_key()
    doubled = replace(key, chain=(key.certificate, *key.chain))
    (signature,) = signatures_in(sign_letter(SHAPES["plain"], doubled))
    found = [base64.b64decode(one.text or "") for one in signature.iter(f"{{{DS}}}X509Certificate")]
    assert found == [one.public_bytes(Encoding.DER) for one in (key.certificate, root_certificate())]


def test_signing_time_is_utc_to_the_second_whatever_the_zone() -> None:
    hanoi = datetime(2026, 3, 2, 8, 15, 7, 999_999, tzinfo=timezone(timedelta(hours=7)))
    (signature,) = signatures_in(sign_letter(SHAPES["plain"], signing_key(), moment=hanoi))
    assert signature.findtext(".//x:SigningTime", namespaces=NS) == "2026-03-02T01:15:07Z"


def test_roles_are_claimed_in_order_and_left_out_where_there_are_none() -> None:
    (signature,) = signatures_in(sign_letter(SHAPES["plain"], signing_key(), roles=["KT. GIÁM ĐỐC", "a < b & c"]))
    roles = [one.text for one in signature.iterfind(".//x:SignerRoleV2/x:ClaimedRoles/x:ClaimedRole", NS)]
    assert roles == ["KT. GIÁM ĐỐC", "a < b & c"]
    (signature,) = signatures_in(sign_letter(SHAPES["plain"], signing_key(), roles=[]))
    assert signature.find(".//x:SignerRoleV2", NS) is None


def test_same_input_gives_the_same_bytes() -> None:
    assert written(sign_letter(SHAPES["plain"], signing_key())) == written(sign_letter(SHAPES["plain"], signing_key()))


@dataclass(frozen=True)
class Content:
    data: bytes

    def digest(self, algorithm: DigestAlgorithm) -> bytes:
        return algorithm.digest(self.data)


def test_file_is_referred_to_by_its_uri_without_transform() -> None:
    document = parse(b"<a/>", XmlLimits())
    part = FilePart("thư", "th%C6%B0%20m%E1%BB%9Di.pdf", Content(ATTACHMENT), "application/pdf")
    signature = sign_into(document, document.root, [part], digest=DigestAlgorithm.SHA512)
    reference = signature.find("ds:SignedInfo/ds:Reference", NS)
    assert reference is not None
    assert reference.get("URI") == part.uri
    assert reference.find("ds:Transforms", NS) is None
    assert text(reference, "ds:DigestValue") == base64.b64encode(hashlib.sha512(ATTACHMENT).digest()).decode()
    assert signature.findtext(".//x:MimeType", namespaces=NS) == "application/pdf"


# --- what is refused -----------------------------------------------------------------------------------------------


def sign_into(
    document: ParsedXml,
    parent: etree._Element,
    parts: Sequence[Part],
    *,
    key: SigningKey | None = None,
    moment: datetime = SIGNING_TIME,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    claimed_roles: Sequence[str] = (),
    signature_id: str = "seal",
) -> etree._Element:
    return sign(
        document,
        parts,
        parent=parent,
        key=key or signing_key(),
        signing_time=moment,
        digest=digest,
        claimed_roles=claimed_roles,
        signature_id=signature_id,
    )


def refuse(
    document: ParsedXml,
    parts: Sequence[Part],
    reason: str,
    *,
    parent: etree._Element | None = None,
    key: SigningKey | None = None,
    moment: datetime = SIGNING_TIME,
    claimed_roles: Sequence[str] = (),
    signature_id: str = "seal",
) -> None:
    """Signing is refused for that reason, and the document stays as it was."""
    before = etree.tostring(document.root)
    place = document.root[-1] if parent is None else parent
    with pytest.raises(SignatureCreationError, match=reason):
        sign_into(
            document, place, parts, key=key, moment=moment, claimed_roles=claimed_roles, signature_id=signature_id
        )
    assert etree.tostring(document.root) == before


@pytest.fixture
def document() -> ParsedXml:
    return parse(b'<a><b Id="b"><c>QUJD</c></b><d Id="d">QUJD</d><e/><s/></a>', XmlLimits())


def part(document: ParsedXml) -> ElementPart:
    return ElementPart("b", document.root[0])


def test_nothing_to_sign_is_refused(document: ParsedXml) -> None:
    refuse(document, [], "nothing to sign")


def test_missing_id_is_refused(document: ParsedXml) -> None:
    refuse(document, [ElementPart("the header", document.root[2])], "the header has no Id")


@pytest.mark.parametrize("name", ["", "1a", "a b", "a:b", "cid:a", "a#b", "-a", "a\u2028", "a/b"])
def test_id_that_is_no_ncname_is_refused(document: ParsedXml, name: str) -> None:
    document.root[2].set("Id", name)
    refuse(document, [ElementPart("e", document.root[2])], "not an NCName")
    document.root[2].set("Id", "e")
    refuse(document, [ElementPart("e", document.root[2])], "not an NCName", signature_id=name)


def test_vietnamese_id_is_an_ncname(document: ParsedXml) -> None:
    document.root[2].set("Id", "giấy-mời_1.txt")
    sign_into(document, document.root[3], [ElementPart("e", document.root[2])])
    assert_signed(written(document), signing_key())


@pytest.mark.parametrize("name", ["Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id", "{urn:wsu}Id"])
def test_id_that_occurs_twice_under_whatever_spelling_is_refused(document: ParsedXml, name: str) -> None:
    document.root[2].set(name, "b")
    refuse(document, [part(document)], "stands more than once")


@pytest.mark.parametrize("name", ["seal", "seal-properties", "seal-ref-9", "seal-value"])
def test_id_that_the_signature_needs_is_refused(document: ParsedXml, name: str) -> None:
    document.root[2].set("Id", name)
    refuse(document, [part(document)], "is taken")


def test_part_given_twice_is_refused(document: ParsedXml) -> None:
    refuse(document, [part(document), part(document)], "given twice")
    one = FilePart("f", "f", Content(b""))
    refuse(document, [one, one], "given twice")


def test_part_of_another_document_is_refused(document: ParsedXml) -> None:
    refuse(document, [ElementPart("b", etree.fromstring('<b Id="b"/>'))], "not an element of the document")


def test_place_in_another_document_is_refused(document: ParsedXml) -> None:
    refuse(document, [part(document)], "not in the document", parent=etree.fromstring("<s/>"))


def test_place_inside_a_part_is_refused(document: ParsedXml) -> None:
    refuse(document, [part(document)], "inside b, which it signs", parent=document.root[0])
    refuse(document, [part(document)], "inside b, which it signs", parent=document.root[0][0])


def test_part_with_a_signature_inside_is_refused(document: ParsedXml) -> None:
    sign_into(document, document.root[3], [part(document)])
    document.root[3].set("Id", "s")
    refuse(document, [ElementPart("s", document.root[3])], "another signature", parent=document.root, signature_id="n")
    inside = by_id(document.root, "seal-properties")
    refuse(document, [ElementPart("p", inside)], "another signature", parent=document.root, signature_id="n")


def test_place_that_another_signature_covers_is_refused(document: ParsedXml) -> None:
    sign_into(document, document.root[3], [part(document)])
    refuse(
        document,
        [ElementPart("d", document.root[1])],
        "already there covers",
        parent=document.root[0][0],
        signature_id="n",
    )


def test_document_signed_as_a_whole_takes_no_second_signature(document: ParsedXml) -> None:
    signature = sign_into(document, document.root[3], [part(document)])
    reference = signature.find("ds:SignedInfo/ds:Reference", NS)
    assert reference is not None
    reference.set("URI", "")
    refuse(document, [part(document)], "already there covers", signature_id="n")


@pytest.mark.parametrize(
    "uri", ["", "/a", "../a", "a/../b", "http://x/a", "a b", "a#b", "a?b", "thư", "%zz", "a:b", "#b"]
)
def test_file_uri_that_leads_elsewhere_is_refused(document: ParsedXml, uri: str) -> None:
    refuse(document, [FilePart("f", uri, Content(b""))], "relative URI")


def test_time_without_zone_is_refused(document: ParsedXml) -> None:
    refuse(document, [part(document)], "no time zone", moment=datetime(2026, 3, 2))  # noqa: DTZ001 - the point


def test_character_that_xml_cannot_hold_is_refused(document: ParsedXml) -> None:
    refuse(document, [part(document)], "character", claimed_roles=["a\x00"])
    refuse(document, [part(document)], "character", claimed_roles=["a\x1f"])
    refuse(document, [part(document)], "character", claimed_roles=["a\ud800"])


def test_key_of_another_certificate_is_refused(document: ParsedXml) -> None:
    for kind in ("P-256", "RSA-2048"):
        mismatched = replace(signing_key(kind), private_key=signing_key(kind, 1).private_key)
        refuse(document, [part(document)], "not the one of the key's certificate", key=mismatched)


@dataclass(frozen=True)
class Mislabelled(PlainKey):
    @property
    def kind(self) -> KeyKind:
        return KeyKind.RSA


def test_key_that_says_it_is_of_another_kind_is_refused(document: ParsedXml) -> None:
    key = signing_key("P-256")
    refuse(document, [part(document)], "another kind", key=Mislabelled(key.private_key, key.certificate, ()))


@pytest.mark.parametrize("kind", ["RSA-1024", "secp256k1"])
def test_weak_or_foreign_key_is_refused(document: ParsedXml, kind: str) -> None:
    weak = (
        rsa.generate_private_key(65537, 1024)  # noqa: S505 - the point
        if kind == "RSA-1024"
        else ec.generate_private_key(ec.SECP256K1())
    )
    refuse(document, [part(document)], "too weak|neither RSA", key=certified(weak))


def test_bad_base64_is_refused_by_its_own_error(document: ParsedXml) -> None:
    document.root[1].text = "not base64!"
    with pytest.raises(ContentError):
        sign_into(document, document.root[3], [Base64Part("d", document.root[1])])
    assert len(document.root[3]) == 0


def test_key_that_cannot_sign_leaves_the_document_as_it_was(document: ParsedXml) -> None:
    @dataclass(frozen=True)
    class Locked(PlainKey):
        def sign(self, data: bytes, digest: DigestAlgorithm) -> bytes:
            raise KeyUnavailableError("the token is not plugged in")

    key = signing_key()
    with pytest.raises(KeyUnavailableError):
        sign_into(document, document.root[3], [part(document)], key=Locked(key.private_key, key.certificate, ()))
    assert len(document.root[3]) == 0
