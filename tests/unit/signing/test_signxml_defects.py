"""Why the signer and the verifier are ours: what signxml 5.2 does with inputs that ours does right.

Each test states the behaviour measured, and that ours is right on the same input. When one of them fails, signxml has
changed: read its release notes, and decide whether the reason still holds. Where signxml is right it is used, see
:mod:`signing.trust_list`.
"""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml.algorithms import CanonicalizationMethod as SignxmlMethod
from signxml.algorithms import SignatureConstructionMethod
from signxml.exceptions import InvalidDigest
from signxml.signer import SignatureReference, XMLSigner
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESSigner, XAdESVerifier

from signing.namespaces import DS, ENVELOPED_TRANSFORM
from signing.parts import ElementPart
from signing.report import Indication, SubIndication, ValidationReport
from signing.xades.signer import sign
from signing.xades.verifier import verify
from signing.xml import CanonicalizationMethod, XmlLimits, canonicalize, parse
from tests.support.signing_keys import SIGNING_TIME, VERIFICATION_TIME, signing_key, validator

NS = {"ds": DS}
EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE
INCLUSIVE = CanonicalizationMethod.INCLUSIVE
KIND = "RSA-2048"

UNKNOWN_TRANSFORM = "urn:drop-what-the-reader-must-not-see"
PLAIN = b'<letter><header Id="header">text</header><body/></letter>'
VIETNAMESE = b'<letter xml:lang="vi"><header Id="header">text</header><body/></letter>'


# --- both sides ----------------------------------------------------------------------------------------------------


def signed_by_signxml(signer: XMLSigner, data: bytes, reference: str | None = None) -> bytes:
    key = signing_key(KIND)
    assert isinstance(key.private_key, rsa.RSAPrivateKey)
    chosen = {} if reference is None else {"reference_uri": reference}
    return etree.tostring(
        signer.sign(etree.fromstring(data), key=key.private_key, cert=[key.certificate], **chosen)  # type: ignore[arg-type]
    )


def xades_signer(method: SignxmlMethod) -> XAdESSigner:
    return XAdESSigner(c14n_algorithm=method)


def accepted_by_signxml(data: bytes, **settings: object) -> list[VerifyResult]:
    """What signxml says is signed; it raises where it does not accept the signature."""
    chosen = {"expect_references": True, "verification_time": VERIFICATION_TIME, **settings}
    certificate = signing_key(KIND).certificate
    results = XMLVerifier().verify(
        data,
        x509_cert=certificate,
        expect_config=SignatureConfiguration(**chosen),  # type: ignore[arg-type]
    )
    return results if isinstance(results, list) else [results]


def signed_by_us(data: bytes, *, times: int = 1) -> bytes:
    """The letter with its header signed, the signatures in the body."""
    document = parse(data, XmlLimits())
    for number in range(times):
        sign(
            document,
            header_of(document.root),
            parent=document.root[-1],
            key=signing_key(KIND),
            signing_time=SIGNING_TIME,
            signature_id=f"seal-{number}",
        )
    return b"".join(document.encoded_chunks())


def header_of(root: etree._Element) -> list[ElementPart]:
    return [ElementPart("header", root[0])]


def our_verdicts(data: bytes) -> list[ValidationReport]:
    """Ours, of every signature in the file, the first element being what must be covered."""
    document = parse(data, XmlLimits())
    return [
        verify(document, signature, header_of(document.root), validator=validator(), at=VERIFICATION_TIME)
        for signature in document.root.iter(f"{{{DS}}}Signature")
    ]


def passed(data: bytes) -> list[bool]:
    return [report.passed for report in our_verdicts(data)]


def wrong_by_the_standard(data: bytes) -> list[str]:
    """The references of the first signature whose digest is not that of the octets XMLDSig section 4.4.3.2 says.

    Without an explicit transform that is inclusive Canonical XML 1.0, which takes over ``xml:`` attributes from above.
    """
    root = parse(data, XmlLimits()).root
    signature = next(root.iter(f"{{{DS}}}Signature"))
    return [
        reference.attrib["URI"]
        for reference in signature.iterfind("ds:SignedInfo/ds:Reference", NS)
        if reference.findtext("ds:DigestValue", namespaces=NS) != _digest_by_the_standard(root, signature, reference)
    ]


def _digest_by_the_standard(root: etree._Element, signature: etree._Element, reference: etree._Element) -> str:
    transforms = [one.attrib["Algorithm"] for one in reference.iter(f"{{{DS}}}Transform")]
    method = next((one for one in CanonicalizationMethod if one.value in transforms), INCLUSIVE)
    name = reference.attrib["URI"].removeprefix("#")
    target = root if name == "" else next(one for one in root.iter(etree.Element) if one.get("Id") == name)
    parent = signature.getparent()
    assert parent is not None
    at = parent.index(signature)
    if ENVELOPED_TRANSFORM in transforms:
        parent.remove(signature)
    octets = canonicalize(target, method)
    parent.insert(at, signature)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(octets)
    return base64.b64encode(digest.finalize()).decode()


# --- 1: XAdES with exclusive canonicalization ----------------------------------------------------------------------


def test_exclusive_xades_of_signxml_digests_exclusively_but_says_nothing_of_it() -> None:
    data = signed_by_signxml(xades_signer(SignxmlMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0), PLAIN)
    root = etree.fromstring(data)
    unspoken = [
        reference for reference in root.iter(f"{{{DS}}}Reference") if reference.find("ds:Transforms", NS) is None
    ]
    assert [reference.attrib["URI"] for reference in unspoken] == wrong_by_the_standard(data)
    assert any("SignedProperties" in reference.attrib["URI"] for reference in unspoken)
    with pytest.raises(InvalidDigest):
        XAdESVerifier().verify(
            data,
            x509_cert=signing_key(KIND).certificate,
            expect_config=XAdESSignatureConfiguration(expect_references=True, verification_time=VERIFICATION_TIME),
        )


def test_exclusive_xades_of_ours_says_so_on_every_reference_and_holds() -> None:
    data = signed_by_us(PLAIN)
    assert wrong_by_the_standard(data) == []
    assert [result.signed_xml is not None for result in accepted_by_signxml(data)] == [True, True]
    assert passed(data) == [True]


# --- 2: xml: attributes above what is canonicalized inclusively ----------------------------------------------------


def test_inclusive_xades_of_signxml_forgets_xml_lang_and_accepts_itself() -> None:
    signer = xades_signer(SignxmlMethod.CANONICAL_XML_1_0)
    data = signed_by_signxml(signer, VIETNAMESE)
    accepted_by_signxml(data, default_reference_c14n_method=SignxmlMethod.CANONICAL_XML_1_0)
    assert len(wrong_by_the_standard(data)) == 2  # SignedProperties and KeyInfo, below xml:lang
    assert wrong_by_the_standard(signed_by_signxml(signer, PLAIN)) == []


def test_signed_info_of_signxml_lacks_xml_lang_as_well() -> None:
    data = signed_by_signxml(XMLSigner(c14n_algorithm=SignxmlMethod.CANONICAL_XML_1_0), VIETNAMESE)
    accepted_by_signxml(data)
    signature = next(etree.fromstring(data).iter(f"{{{DS}}}Signature"))
    value = base64.b64decode(signature.findtext("ds:SignatureValue", namespaces=NS) or "")
    signed_info = signature.find("ds:SignedInfo", NS)
    assert signed_info is not None
    public_key = signing_key(KIND).certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    with pytest.raises(InvalidSignature):
        public_key.verify(value, canonicalize(signed_info, INCLUSIVE), padding.PKCS1v15(), hashes.SHA256())


def test_our_signature_below_xml_lang_is_right_and_ours_does_not_accept_that_of_signxml() -> None:
    data = signed_by_us(VIETNAMESE)
    assert wrong_by_the_standard(data) == []
    assert passed(data) == [True]
    assert passed(signed_by_signxml(XMLSigner(c14n_algorithm=SignxmlMethod.CANONICAL_XML_1_0), VIETNAMESE)) == [False]
    assert passed(signed_by_signxml(XMLSigner(c14n_algorithm=SignxmlMethod.CANONICAL_XML_1_0), PLAIN)) == [True]


# --- 3: a second signature -----------------------------------------------------------------------------------------


def test_second_enveloped_signature_of_signxml_breaks_the_first_one() -> None:
    signer = XMLSigner(c14n_algorithm=SignxmlMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    once = signed_by_signxml(signer, PLAIN)
    assert wrong_by_the_standard(once) == []
    twice = signed_by_signxml(signer, once)
    assert twice.count(b"<ds:SignatureValue>") == 2
    assert wrong_by_the_standard(twice) == [""]


def test_second_signature_of_ours_leaves_the_first_one_valid() -> None:
    assert passed(signed_by_us(PLAIN, times=2)) == [True, True]


# --- 4: long texts -------------------------------------------------------------------------------------------------


def test_text_of_more_than_ten_million_characters_cannot_be_signed_by_signxml_but_by_us() -> None:
    data = b'<letter><header Id="header">' + b"QUJD" * 2_500_001 + b"</header><body/></letter>"
    root = etree.fromstring(data, etree.XMLParser(huge_tree=True))
    key = signing_key(KIND)
    assert isinstance(key.private_key, rsa.RSAPrivateKey)
    with pytest.raises(etree.XMLSyntaxError, match=r"[Hh]uge|too long|XML_PARSE_HUGE"):
        XMLSigner().sign(root, key=key.private_key, cert=[key.certificate])
    assert passed(signed_by_us(data)) == [True]


# --- 6: ids --------------------------------------------------------------------------------------------------------


def two_ids() -> bytes:
    """Signed once; then a second element takes the same id under another spelling, which other readers prefer."""
    signer = XMLSigner(
        method=SignatureConstructionMethod.detached, c14n_algorithm=SignxmlMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
    )
    signature = etree.fromstring(signed_by_signxml(signer, PLAIN, "#header"))
    root = etree.fromstring(PLAIN.replace(b"<header", b'<header ID="header">forged</header><header'))
    root[-1].append(signature)
    return etree.tostring(root)


def test_same_id_under_two_spellings_is_accepted_by_signxml_and_refused_by_us() -> None:
    data = two_ids()
    (result,) = accepted_by_signxml(data)
    assert b"text" in result.signed_data
    (report,) = our_verdicts(data)
    assert report.findings[0].rule == "id.duplicate"
    assert report.sub_indication is SubIndication.FORMAT_FAILURE


# --- 7: transforms -------------------------------------------------------------------------------------------------


def with_unknown_transform() -> bytes:
    """Signed with signxml; the signer put one more transform there, which nobody knows."""

    class Unknowing(XMLSigner):
        def _build_transforms_for_reference(
            self,
            *,
            transforms_node: etree._Element,
            reference: SignatureReference,
            exclude_c14n_transform_element: bool = True,
        ) -> None:
            etree.SubElement(transforms_node, f"{{{DS}}}Transform", Algorithm=UNKNOWN_TRANSFORM)
            super()._build_transforms_for_reference(
                transforms_node=transforms_node,
                reference=reference,
                exclude_c14n_transform_element=exclude_c14n_transform_element,
            )

    signer = Unknowing(c14n_algorithm=SignxmlMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    return signed_by_signxml(signer, PLAIN)


def test_unknown_transform_is_skipped_by_signxml_and_refused_by_name_by_us() -> None:
    data = with_unknown_transform()
    assert UNKNOWN_TRANSFORM.encode() in data
    assert len(accepted_by_signxml(data)) == 1
    (report,) = our_verdicts(data)
    assert report.indication is not Indication.TOTAL_PASSED
    assert UNKNOWN_TRANSFORM in report.findings[0].reason


# --- 9: coverage ---------------------------------------------------------------------------------------------------


def wrapped() -> bytes:
    """The signed header moved out of the way, and another one in its place."""
    root = etree.fromstring(signed_by_us(PLAIN))
    header = root[0]
    wrapper = etree.SubElement(root[-1], "wrapper")
    root.replace(header, etree.fromstring('<header Id="other">forged</header>'))
    wrapper.append(header)
    return etree.tostring(root)


def test_wrapped_document_is_a_success_to_signxml_and_refused_by_us() -> None:
    data = wrapped()
    signed = [result.signed_data for result in accepted_by_signxml(data)]
    assert signed[0] == b'<header Id="header">text</header>'
    assert etree.fromstring(data)[0].text == "forged"
    (report,) = our_verdicts(data)
    assert report.sub_indication is SubIndication.SIG_CONSTRAINTS_FAILURE
    assert report.covered == ()
