"""Whatever is done to a signed document, the verifier answers, and passes only what says the same as before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from signing.errors import ContentError, XmlError
from signing.parts import Base64Part, FilePart
from signing.report import ValidationReport
from signing.xml import ParsedXml, XmlLimits, parse
from tests.support import signatures as made
from tests.support.signatures import DETACHED, Recipe, Ref

ROLE = (
    "<xades:SignerRoleV2><xades:ClaimedRoles><xades:ClaimedRole>Chief</xades:ClaimedRole></xades:ClaimedRoles>"
    "</xades:SignerRoleV2>"
)
DOCUMENTS = {
    "detached": made.make(Recipe(more_signature_properties=ROLE)),
    "cid": made.make(Recipe(references=(*DETACHED[:2], Ref("cid:file-1", ()), Ref("cid:file-2", ()), DETACHED[4]))),
    "whole": made.make(made.WHOLE_XADES),
    "plain": made.make(made.WHOLE_PLAIN),
}
SIGNED_ELEMENTS = {
    "detached": (b"MessageHeader", b"edXMLManifest", b"ds:SignedInfo", b"xades:SignedProperties"),
    "cid": (b"MessageHeader", b"ContentTransferEncoded", b"ds:SignedInfo"),
    "whole": (b"edXMLEnvelope", b"TraceHeaderList", b"AttachmentEncoded"),
    "plain": (b"edXML", b"ds:SignatureValue"),
}


@dataclass(frozen=True)
class Signed:
    """Everything that the signature says and covers, by values."""

    parts: tuple[bytes, ...]
    signing_time: datetime | None
    claimed_roles: tuple[str, ...]
    signer: x509.Certificate | None


def signed_values(document: ParsedXml, report: ValidationReport) -> Signed:
    parts = []
    for part in made.letter_parts(document):
        assert not isinstance(part, FilePart)
        if isinstance(part, Base64Part):
            parts.append(document.content(part.element).read())
        else:
            parts.append(etree.tostring(part.element, method="c14n", exclusive=True))
    return Signed(tuple(parts), report.signing_time, report.claimed_roles, report.signer)


def judge(data: bytes) -> tuple[ParsedXml, ValidationReport] | None:
    """``None`` where the document is refused before there is a signature to judge."""
    try:
        document = parse(data, XmlLimits())
    except XmlError:
        return None
    if next(document.root.iter(f"{{{made.DS}}}Signature"), None) is None:
        return None
    return document, made.report_on(data)


def assert_harmless(name: str, data: bytes) -> None:
    """A passing document is one in which nothing that was signed has another value."""
    judged = judge(data)
    if judged is None or not judged[1].passed:
        return
    original = judge(DOCUMENTS[name])
    assert original is not None
    try:
        assert signed_values(*judged) == signed_values(*original)
    except ContentError:  # a passing document has only readable contents
        pytest.fail("a content that cannot be decoded passed")


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=120, deadline=None, derandomize=True)
@given(data=st.data())
def test_one_changed_byte_of_signed_content_is_refused(name: str, data: st.DataObject) -> None:
    document = DOCUMENTS[name]
    element = data.draw(st.sampled_from(SIGNED_ELEMENTS[name]))
    start, stop = document.index(b"<" + element), document.index(b"</" + element)
    at = data.draw(st.integers(start, stop - 1))
    changed = bytearray(document)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert_harmless(name, bytes(changed))


def test_each_character_of_signed_texts_counts() -> None:
    document = DOCUMENTS["detached"]
    for text in (b"Finance", b"file-1</ContentId>", b"JVBERi0xLjcgdGhlIGZpcnN0", b"Chief", b"2026-03-02T01:15"):
        start = document.index(text)
        for at in range(start, start + len(text)):
            changed = document[:at] + (b"x" if document[at : at + 1] != b"x" else b"y") + document[at + 1 :]
            judged = judge(changed)
            assert judged is None or not judged[1].passed, changed[at - 10 : at + 10]


PIECES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [
            b"<!-- -->",
            b"<?x y?>",
            b"<![CDATA[]]>",
            b"&#x41;",
            b"&amp;",
            b' Id="header"',
            b' xml:id="manifest"',
            b' xmlns="urn:other"',
            b' xmlns:r="relative"',
            b"<ds:Object/>",
            b"<x/>",
            b"\r\n",
            b" ",
            b"\x00",
            b"\xff",
            "Ủy ban".encode(),
            b"=",
        ]
    ),
)


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_mutation_raises_or_changes_what_passes(name: str, data: st.DataObject) -> None:
    document = DOCUMENTS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(document)))
        stop = min(len(document), start + data.draw(st.integers(0, 40)))
        cut, piece = document[start:stop], data.draw(PIECES)
        middle = data.draw(st.sampled_from([piece + cut, b"", piece, cut + cut, cut[::-1]]))
        document = document[:start] + middle + document[stop:]
    assert_harmless(name, document)


TREE_CHANGES = ("drop", "double", "empty", "swap", "rename", "attribute", "unattribute", "text")


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_change_of_the_tree_raises_or_changes_what_passes(name: str, data: st.DataObject) -> None:
    root = etree.fromstring(DOCUMENTS[name])
    elements = list(root.iter())[1:]
    one, two = data.draw(st.sampled_from(elements)), data.draw(st.sampled_from(elements))
    _change_tree(data.draw(st.sampled_from(TREE_CHANGES)), one, two)
    assert_harmless(name, etree.tostring(root))


def _change_tree(how: str, one: etree._Element, two: etree._Element) -> None:
    parent = one.getparent()
    assert parent is not None
    if how == "drop":
        parent.remove(one)
    elif how == "double":
        parent.insert(0, etree.fromstring(etree.tostring(one, with_tail=False)))
    elif how == "empty":
        one[:] = []
    elif how == "swap":
        if one not in two.iterancestors() and one is not two:
            two.append(one)
    elif how == "rename":
        one.tag = two.tag
    elif how == "attribute":
        for key, value in two.items():
            one.set(key, value)
    elif how == "unattribute":
        one.attrib.clear()
    else:
        one.text = two.text
