"""What an attacker does to a good signed letter, without the key: each attack is refused, and under its own name."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from keys.store import DigestAlgorithm
from signing.parts import ElementPart
from signing.report import Indication, SubIndication, ValidationReport
from signing.xml import XmlLimits, parse
from tests.support import signatures as made
from tests.support.pki import private_key
from tests.support.signatures import DETACHED, DS, EXC, WHOLE_PLAIN, WHOLE_XADES, XADES, E, Recipe, Ref
from tests.support.signing_keys import certified, signing_key

Attack = Callable[[etree._Element], None]

GOOD = made.make(Recipe())
WHOLE = made.make(WHOLE_XADES)
CID = made.make(Recipe(references=(*DETACHED[:2], Ref("cid:file-1", ()), Ref("cid:file-2", ()), DETACHED[4])))
TWO_REFERENCES = made.make(Recipe(data_object_properties='<xades:DataObjectFormat ObjectReference="#ref-header"/>'))
ID_NAMES = ("Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id", "{urn:wsu}Id")


def attacked(data: bytes, attack: Attack) -> bytes:
    """The document after the attack, which leaves the signature value as it was."""
    root = etree.fromstring(data)
    attack(root)
    return etree.tostring(root)


def the(root: etree._Element, name: str) -> etree._Element:
    found = next(root.iter(name if name.startswith("{") else f"{{*}}{name}"), None)
    assert found is not None, name
    return found


def parent_of(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    assert parent is not None
    return parent


def ds(name: str) -> str:
    return f"{{{DS}}}{name}"


def forged_header(identifier: tuple[str, str] | None) -> etree._Element:
    header = etree.fromstring(f'<MessageHeader xmlns="{E[1:-1]}"><Subject>Forged</Subject></MessageHeader>')
    if identifier:
        header.set(*identifier)
    return header


def replace_header(root: etree._Element, identifier: tuple[str, str] | None = None) -> etree._Element:
    """Put a forged header in the place of the signed one, which is returned."""
    header = the(root, "MessageHeader")
    parent_of(header).replace(header, forged_header(identifier))
    return header


def wrap_at_the_end(root: etree._Element) -> None:
    wrapper = etree.SubElement(root, "{urn:attacker}Wrapper")
    wrapper.append(replace_header(root))


def wrap_beside_the_forged_one(root: etree._Element) -> None:
    header = replace_header(root)
    the(root, "MessageHeader").append(header)


def wrap_with_another_id(root: etree._Element) -> None:
    wrapper = etree.SubElement(root, "{urn:attacker}Wrapper")
    wrapper.append(replace_header(root, ("Id", "other")))


def hide_in_an_object(root: etree._Element) -> None:
    header = replace_header(root)
    etree.SubElement(the(root, ds("Signature")), ds("Object")).append(header)


def hide_in_the_properties(root: etree._Element) -> None:
    header = replace_header(root)
    qualifying = the(root, "QualifyingProperties")
    etree.SubElement(qualifying, f"{{{XADES}}}UnsignedProperties").append(header)


def hide_in_key_info(root: etree._Element) -> None:
    the(root, ds("KeyInfo")).append(replace_header(root))


def copy_into_the_trace(root: etree._Element) -> None:
    the(root, "TraceHeaderList").append(replace_header(root))


def fake_properties_before(root: etree._Element) -> None:
    fake = etree.fromstring(etree.tostring(the(root, "SignedProperties")))
    fake.set("Id", "fake")
    the(fake, "SigningTime").text = "2020-01-01T00:00:00Z"
    the(root, "QualifyingProperties").insert(0, fake)


def fake_properties_in_place(root: etree._Element) -> None:
    genuine = the(root, "SignedProperties")
    fake = etree.fromstring(etree.tostring(genuine))
    fake.set("Id", "fake")
    the(fake, "SigningTime").text = "2020-01-01T00:00:00Z"
    parent_of(genuine).replace(genuine, fake)
    etree.SubElement(root, "{urn:attacker}Wrapper").append(genuine)


def unsigned_qualifying_properties_first(root: etree._Element) -> None:
    genuine = parent_of(the(root, "QualifyingProperties"))
    fake = etree.fromstring(etree.tostring(genuine))
    the(fake, "SignedProperties").set("Id", "fake")
    parent_of(genuine).insert(3, fake)


def unsigned_qualifying_properties_in_one_object(root: etree._Element) -> None:
    genuine = the(root, "QualifyingProperties")
    fake = etree.fromstring(etree.tostring(genuine))
    the(fake, "SignedProperties").set("Id", "fake")
    parent_of(genuine).insert(0, fake)


def references_into_a_manifest(root: etree._Element) -> None:
    manifest = etree.SubElement(etree.SubElement(the(root, ds("Signature")), ds("Object")), ds("Manifest"))
    manifest.append(the(root, ds("Reference")))


def reference_to_a_manifest(root: etree._Element) -> None:
    the(root, ds("Reference")).set("Type", DS + "Manifest")


def swap_objects(root: etree._Element) -> None:
    genuine = parent_of(the(root, "QualifyingProperties"))
    other = etree.SubElement(parent_of(genuine), ds("Object"))
    etree.SubElement(other, ds("SignatureProperties"))
    parent_of(genuine).remove(genuine)


def comment_out_a_property(root: etree._Element) -> None:
    time = the(root, "SigningTime")
    parent_of(time).remove(time)


def change_text(root: etree._Element) -> None:
    the(root, "Subject").text = "Defence"


def instruction_in_text(root: etree._Element) -> None:
    subject = the(root, "Subject")
    subject.text = "Fin"
    subject.append(etree.ProcessingInstruction("x", "y"))
    subject[0].tail = "ance"


def swap_key_info(root: etree._Element) -> None:
    other = etree.fromstring(f'<x xmlns:ds="{DS}">{made.x509_data(signing_key("P-256", 1).certificate)}</x>')
    key_info = the(root, ds("KeyInfo"))
    key_info[:] = other[:]


def swap_for_another_certificate_of_the_same_key(root: etree._Element) -> None:
    seal = signing_key()
    twin = certified(seal.private_key, "Somebody else")
    the(root, ds("X509Certificate")).text = base64.b64encode(made.der(twin.certificate)).decode()


def key_value_only(root: etree._Element) -> None:
    key_info = the(root, ds("KeyInfo"))
    key_info[:] = []
    etree.SubElement(key_info, ds("KeyValue"))


def hmac_with_the_public_key(root: etree._Element) -> None:
    the(root, ds("SignatureMethod")).set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    public = signing_key().certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    octets = etree.tostring(the(root, ds("SignedInfo")), method="c14n", exclusive=True)
    the(root, ds("SignatureValue")).text = base64.b64encode(hmac.digest(public, octets, "sha256")).decode()


def remove_a_reference(root: etree._Element) -> None:
    reference = the(root, ds("Reference"))
    parent_of(reference).remove(reference)


def second_reference(root: etree._Element) -> etree._Element:
    """A copy of the reference to the header, without its Id."""
    reference = etree.fromstring(etree.tostring(the(root, ds("Reference"))))
    del reference.attrib["Id"]
    return reference


def add_a_reference(root: etree._Element) -> None:
    trace = the(root, "TraceHeaderList")
    trace.set("Id", "trace")
    reference = second_reference(root)
    reference.set("URI", "#trace")
    octets = etree.tostring(trace, method="c14n", exclusive=True)
    the(reference, ds("DigestValue")).text = base64.b64encode(DigestAlgorithm.SHA256.digest(octets)).decode()
    the(root, ds("SignedInfo")).append(reference)


def repeat_a_reference(root: etree._Element) -> None:
    the(root, ds("SignedInfo")).append(second_reference(root))


def inject_transform(algorithm: str) -> Attack:
    def inject(root: etree._Element) -> None:
        transforms = the(root, ds("Transforms"))
        transforms.insert(0, transforms.makeelement(ds("Transform"), {"Algorithm": algorithm}))

    return inject


def other_canonicalization_of_equal_octets(root: etree._Element) -> None:
    the(root, ds("CanonicalizationMethod")).set("Algorithm", "http://www.w3.org/2006/12/xml-c14n11")


def inject_prefixes(root: etree._Element) -> None:
    transform = the(root, ds("Transform"))
    etree.SubElement(transform, f"{{{EXC}}}InclusiveNamespaces").set("PrefixList", "xlink")


def refer_outside(uri: str) -> Attack:
    def refer(root: etree._Element) -> None:
        the(root, ds("Reference")).set("URI", uri)

    return refer


def swap_contents(root: etree._Element) -> None:
    first, second = root.iter(f"{E}ContentTransferEncoded")
    first.text, second.text = second.text, first.text


def swap_ids(root: etree._Element) -> None:
    first, second = root.iter(f"{E}ContentTransferEncoded")
    first.set("Id", "file-2")
    second.set("Id", "file-1")


def swap_attachments(root: etree._Element) -> None:
    attachments = the(root, "AttachmentEncoded")
    attachments.append(attachments[0])


def swap_names_in_the_manifest(root: etree._Element) -> None:
    first, second = root.iter(f"{E}ContentId")
    first.text, second.text = second.text, first.text


def rename_header(root: etree._Element) -> None:
    the(root, "MessageHeader").set("Priority", "express")


def signature_of_another_letter(root: etree._Element) -> None:
    other = etree.fromstring(made.make(Recipe(document=made.LETTER.replace("Finance", "Defence"))))
    signature = the(root, ds("Signature"))
    parent_of(signature).replace(signature, the(other, ds("Signature")))


def signature_moved_into_a_part(root: etree._Element) -> None:
    the(root, "edXMLManifest").append(the(root, ds("Signature")))


def signature_moved_into_a_text(root: etree._Element) -> None:
    """Every digest stays right, as the enveloped transform takes the signature out again; readers stop at it."""
    subject, signature = the(root, "Subject"), the(root, ds("Signature"))
    subject.text = "Fin"
    before, tail = signature.getprevious(), signature.tail
    assert before is not None
    before.tail = (before.tail or "") + (tail or "")
    subject.append(signature)
    signature.tail = "ance"


def der_value(root: etree._Element) -> None:
    value = the(root, ds("SignatureValue"))
    octets = etree.tostring(the(root, ds("SignedInfo")), method="c14n", exclusive=True)
    value.text = base64.b64encode(signing_key().sign(octets, DigestAlgorithm.SHA256)).decode()


def value_of_zeros(root: etree._Element) -> None:
    # r = s = 0 was accepted for every document by some implementations (CVE-2022-21449).
    the(root, ds("SignatureValue")).text = base64.b64encode(bytes(64)).decode()


def weaker_digest(root: etree._Element) -> None:
    the(root, ds("DigestMethod")).set("Algorithm", DS + "sha1")


def role_added(root: etree._Element) -> None:
    properties = the(root, "SignedSignatureProperties")
    role = etree.SubElement(properties, f"{{{XADES}}}SignerRoleV2")
    roles = etree.SubElement(role, f"{{{XADES}}}ClaimedRoles")
    etree.SubElement(roles, f"{{{XADES}}}ClaimedRole").text = "Minister"


def format_of_another_reference(root: etree._Element) -> None:
    the(root, ds("Reference")).set("Id", "moved")


ATTACKS = [
    (wrap_at_the_end, GOOD, "reference.unexpected"),
    (wrap_beside_the_forged_one, GOOD, "reference.unexpected"),
    (wrap_with_another_id, GOOD, "reference.unexpected"),
    (copy_into_the_trace, GOOD, "reference.unexpected"),
    (hide_in_an_object, GOOD, "signature.object"),
    (hide_in_the_properties, GOOD, "reference.unexpected"),
    (hide_in_key_info, GOOD, "key_info.structure"),
    (wrap_at_the_end, WHOLE, "reference.digest"),
    (fake_properties_before, GOOD, "signature.structure"),
    (fake_properties_in_place, GOOD, "reference.signed_properties"),
    (unsigned_qualifying_properties_first, GOOD, "properties.doubled"),
    (unsigned_qualifying_properties_in_one_object, GOOD, "properties.doubled"),
    (references_into_a_manifest, GOOD, "signature.object"),
    (reference_to_a_manifest, GOOD, "reference.type"),
    (swap_objects, GOOD, "signature.object"),
    (comment_out_a_property, GOOD, "properties.signing_time"),
    (change_text, GOOD, "reference.digest"),
    (change_text, WHOLE, "reference.digest"),
    (instruction_in_text, GOOD, "reference.digest"),
    (instruction_in_text, WHOLE, "reference.digest"),
    (rename_header, GOOD, "reference.digest"),
    (swap_key_info, GOOD, "signing_certificate.digest"),
    (swap_for_another_certificate_of_the_same_key, GOOD, "signing_certificate.digest"),
    (swap_key_info, made.make(WHOLE_PLAIN), "signature.value"),
    (key_value_only, GOOD, "key_info.certificate_missing"),
    (hmac_with_the_public_key, GOOD, "signature.method"),
    (remove_a_reference, GOOD, "coverage.missing"),
    (remove_a_reference, TWO_REFERENCES, "properties.object_reference"),
    (format_of_another_reference, TWO_REFERENCES, "properties.object_reference"),
    (add_a_reference, GOOD, "reference.unexpected"),
    (repeat_a_reference, GOOD, "reference.doubled"),
    (inject_transform("http://www.w3.org/TR/1999/REC-xslt-19991116"), GOOD, "reference.transform"),
    (inject_transform("http://www.w3.org/2002/06/xmldsig-filter2"), GOOD, "reference.transform"),
    (inject_transform(EXC), GOOD, "reference.transforms"),
    (inject_transform(DS + "enveloped-signature"), GOOD, "reference.enveloped"),
    (inject_transform(DS + "base64"), GOOD, "reference.transforms"),
    (inject_prefixes, GOOD, "reference.digest"),
    (other_canonicalization_of_equal_octets, GOOD, "signature.value"),
    (refer_outside("https://attacker.example/header.xml"), GOOD, "reference.external_uri"),
    (refer_outside("file:///etc/passwd"), GOOD, "reference.external_uri"),
    (refer_outside("//attacker.example/"), GOOD, "reference.external_uri"),
    (refer_outside("#xpointer(/)"), GOOD, "reference.uri"),
    (swap_contents, CID, "reference.digest"),
    (swap_contents, GOOD, "reference.digest"),
    (swap_ids, CID, "reference.label"),
    (swap_ids, GOOD, "reference.label"),
    (swap_attachments, GOOD, "reference.label"),
    (swap_attachments, CID, "reference.label"),
    (swap_names_in_the_manifest, GOOD, "reference.digest"),
    (signature_of_another_letter, GOOD, "reference.digest"),
    (signature_moved_into_a_part, GOOD, "reference.digest"),
    (signature_moved_into_a_part, WHOLE, "signature.place"),
    (signature_moved_into_a_text, WHOLE, "signature.place"),
    (der_value, GOOD, "signature.ecdsa_encoding"),
    (value_of_zeros, GOOD, "signature.value"),
    (weaker_digest, GOOD, "reference.digest_method"),
    (role_added, GOOD, "reference.digest"),
]


@pytest.mark.parametrize(("attack", "good", "rule"), ATTACKS)
def test_an_attack_is_refused_under_its_name(attack: Attack, good: bytes, rule: str) -> None:
    assert made.report_on(good).passed
    report = made.report_on(attacked(good, attack))
    assert [finding.rule for finding in report.findings] == [rule], report.findings
    assert report.indication is not Indication.TOTAL_PASSED
    assert report.covered == ()


@pytest.mark.parametrize("second", ID_NAMES)
@pytest.mark.parametrize("good", [GOOD, WHOLE], ids=["detached", "whole"])
def test_two_elements_of_one_id_are_refused_whatever_the_attribute_is_called(second: str, good: bytes) -> None:
    def double(root: etree._Element) -> None:
        wrapper = etree.SubElement(root, "{urn:attacker}Wrapper")
        wrapper.append(replace_header(root, (second, "header")))

    report = made.report_on(attacked(good, double))
    assert [finding.rule for finding in report.findings] == ["id.duplicate"]


@pytest.mark.parametrize("first", ID_NAMES[1:])
def test_two_ids_that_are_both_no_usual_ones_are_refused(first: str) -> None:
    def double(root: etree._Element) -> None:
        root.set(first, "x")
        the(root, "TraceHeaderList").set("ID" if first != "ID" else "id", "x")

    assert made.report_on(attacked(GOOD, double)).findings[0].rule == "id.duplicate"


def test_a_comment_in_a_signed_text_does_not_shorten_what_is_read() -> None:
    data = GOOD.replace(b"<Subject>Finance</Subject>", b"<Subject>Fin<!-- -->ance</Subject>")
    document = parse(data, XmlLimits())
    assert made.report_on(data).passed
    part = made.letter_parts(document)[0]
    assert isinstance(part, ElementPart)
    assert part.element.findtext(f"{E}Subject") == "Finance"


def test_a_comment_in_a_claimed_role_does_not_shorten_what_is_reported() -> None:
    role = "<xades:SignerRoleV2><xades:ClaimedRoles><xades:ClaimedRole>Deputy chief</xades:ClaimedRole>"
    recipe = Recipe(more_signature_properties=role + "</xades:ClaimedRoles></xades:SignerRoleV2>")
    report = made.report_on(made.make(recipe).replace(b"Deputy chief", b"Deputy<!----> chief"))
    assert report.passed
    assert report.claimed_roles == ("Deputy chief",)


def test_a_certificate_that_the_attacker_made_has_no_path() -> None:
    attacker = private_key("P-256", 4711)
    seal = signing_key()
    copied = made.self_signed_copy(seal.certificate, attacker)
    report = made.report_on(made.make(Recipe(key=replace(seal, private_key=attacker, certificate=copied, chain=()))))
    assert report.sub_indication is SubIndication.NO_CERTIFICATE_CHAIN_FOUND


def _verdicts(data: bytes, attacks: Sequence[Attack]) -> list[ValidationReport]:
    return [made.report_on(attacked(data, attack)) for attack in attacks]


def test_no_two_attacks_together_pass() -> None:
    pairs = [(one, two) for one in (swap_ids, swap_contents, swap_attachments) for two in (swap_ids, swap_contents)]
    for one, two in pairs:
        if one is two:
            continue

        def both(root: etree._Element, one: Attack = one, two: Attack = two) -> None:
            one(root)
            two(root)

        assert not _verdicts(GOOD, [both])[0].passed
