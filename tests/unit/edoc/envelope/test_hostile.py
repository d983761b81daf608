"""Files made to harm: each is refused by name, at its place, in bounded time and memory."""

from __future__ import annotations

import base64
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO

import pytest

from edoc.envelope.findings import MAX_FINDINGS
from edoc.errors import MessageError
from signing.errors import XmlError, XmlLimitError
from tests.support.messages import DOCUMENT_XML, STATUS_XML, changed, read

CURRENT = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
SECONDS = 5
"""Far more than any of these takes, far less than one that got out of hand."""
MEMORY = 64 << 20


@contextmanager
def bounded() -> Iterator[None]:
    """Fails when what is inside takes too much time, or memory of Python's."""
    start = time.monotonic()
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY
    assert time.monotonic() - start < SECONDS


def inside(place: str, markup: str) -> bytes:
    """The letter of the reference with markup right behind a place in it."""
    return changed(DOCUMENT_XML, place, place + markup).encode()


def instead(old: str, new: str) -> bytes:
    return changed(DOCUMENT_XML, old, new).encode()


def bomb() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("giay-moi.txt", bytes(50 << 20))
    return instead("aGVsbG8K", base64.b64encode(packed.getvalue()).decode())


DOCTYPE = '<!DOCTYPE edXML [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n<edXML '
EXTERNAL = '<!DOCTYPE edXML [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<edXML '

UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "xml.empty"),
    "white space": (lambda: b" \r\n", "xml.well_formed"),
    "no XML": (lambda: b"%PDF-1.7", "xml.well_formed"),
    "truncated": (lambda: DOCUMENT_XML.encode()[:2000], "xml.well_formed"),
    "truncated in a character": (
        lambda: DOCUMENT_XML.encode()[: DOCUMENT_XML.encode().index("Ủ".encode()) + 1],
        "xml.well_formed",
    ),
    "bytes before the declaration": (lambda: b"x" + DOCUMENT_XML.encode(), "xml.well_formed"),
    "UTF-16": (lambda: DOCUMENT_XML.encode("utf-16"), "xml.encoding"),
    "declared Latin 1": (lambda: instead('encoding="UTF-8"', 'encoding="ISO-8859-1"'), "xml.encoding"),
    "Latin 1 declared as UTF-8": (lambda: instead("Họp", "Hop").replace(b"Hop", b"H\xf4p"), "xml.well_formed"),
    "lone surrogate in bytes": (lambda: instead("Họp", "Hop").replace(b"Hop", b"H\xed\xa0\x80p"), "xml.well_formed"),
    "lone surrogate as reference": (lambda: instead("Họp", "H&#xD800;p"), "xml.well_formed"),
    "NUL": (lambda: instead("Họp", "Hop").replace(b"Hop", b"H\0p"), "xml.well_formed"),
    "NUL as reference": (lambda: instead("Họp", "H&#0;p"), "xml.well_formed"),
    "control character": (lambda: instead("Họp", "Hop").replace(b"Hop", b"H\x0bp"), "xml.well_formed"),
    "control character in a file name": (
        lambda: instead("<AttachmentName>", "<AttachmentName>&#27;"),
        "xml.well_formed",
    ),
    "DTD": (lambda: instead("<edXML ", '<!DOCTYPE edXML SYSTEM "http://192.0.2.1/x.dtd">\n<edXML '), "xml.doctype"),
    "internal entities": (lambda: instead("<edXML ", DOCTYPE).replace("Họp".encode(), b"&b;"), "xml.doctype"),
    "external entity": (lambda: instead("<edXML ", EXTERNAL).replace("Họp".encode(), b"&x;"), "xml.doctype"),
    "undefined entity": (lambda: instead("Họp", "&ocirc;"), "xml.well_formed"),
    "prefix that is not declared": (lambda: inside("<edXML:Reference", ' xlink:href="x"'), "xml.well_formed"),
    "attribute twice": (lambda: instead('version="1.0">', 'version="1.0" version="1.0">'), "xml.well_formed"),
    "very deep": (lambda: inside("<edXML:edXMLBody>", "<x>" * 200 + "</x>" * 200), "xml.max_depth"),
    "extremely deep": (lambda: b"<a>" * 100_000, "xml.well_formed"),
    "very many elements": (lambda: inside("<edXML:edXMLBody>", "<x/>" * 250_000), "xml.max_nodes"),
    "very many attributes": (
        lambda: inside("<edXML:Reference", "".join(f' a{each}=""' for each in range(210_000))),
        "xml.max_attributes",
    ),
    "very long header": (lambda: instead("Họp", "ộ" * (2 << 20)), "xml.max_skeleton_bytes"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_xml_of_ours_is_refused_by_rule(name: str) -> None:
    make, rule = UNREADABLE[name]
    with bounded(), pytest.raises(XmlError) as caught:
        read(make())
    assert caught.value.rule == rule
    assert isinstance(caught.value, XmlLimitError) is rule.startswith("xml.max")


CONTENT = "AttachmentEncoded/Attachment[1]/ContentTransferEncoded"
RECIPIENT = "<edXML:To><edXML:OrganId>H29.{}</edXML:OrganId><edXML:OrganName>x</edXML:OrganName></edXML:To>"

WRONG: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "unknown namespace": (lambda: DOCUMENT_XML.replace(CURRENT, "urn:x").encode(), "M.edXML", "edXML"),
    "no namespace": (lambda: b"<edXML/>", "M.edXML", "edXML"),
    "another root": (f'<Envelope xmlns="{CURRENT}"/>'.encode, "M.edXML", "edXML"),
    "nothing inside": (f'<edXML xmlns="{CURRENT}"/>'.encode, "N.edXMLEnvelope", "edXML/edXMLEnvelope"),
    "no header": (
        f'<edXML xmlns="{CURRENT}"><edXMLEnvelope/></edXML>'.encode,
        "N.edXMLHeader",
        "edXMLEnvelope/edXMLHeader",
    ),
    "empty header": (
        f'<edXML xmlns="{CURRENT}"><edXMLEnvelope><edXMLHeader/></edXMLEnvelope></edXML>'.encode,
        "N.MessageHeader",
        "edXMLHeader/MessageHeader",
    ),
    "two envelopes": (
        lambda: inside("</edXML:edXMLEnvelope>", f'<edXMLEnvelope xmlns="{CURRENT}"/>'),
        "M.edXMLEnvelope",
        "edXML/edXMLEnvelope",
    ),
    "two lists of files": (
        lambda: inside("</AttachmentEncoded>", "<AttachmentEncoded/>"),
        "M.AttachmentEncoded",
        "edXML/AttachmentEncoded",
    ),
    "two contents": (
        lambda: instead(
            "</Attachment>", f'<ContentTransferEncoded xmlns="{CURRENT}">QQ==</ContentTransferEncoded></Attachment>'
        ),
        "M.ContentTransferEncoded",
        CONTENT,
    ),
    "processing instruction in a text": (
        lambda: inside("<edXML:Subject>", "<?x y?>"),
        "T.MessageHeader.Subject",
        "MessageHeader/Subject",
    ),
    "processing instruction between elements": (
        lambda: inside("<edXML:MessageHeader>", "<?x y?>"),
        "M.MessageHeader",
        "MessageHeader",
    ),
    "element in a text": (
        lambda: inside("<edXML:Subject>", "<b>x</b>"),
        "T.MessageHeader.Subject",
        "MessageHeader/Subject",
    ),
    "impossible date": (
        lambda: instead("2026/03/05", "2026/02/30"),
        "T.MessageHeader.DueDate",
        "MessageHeader/DueDate",
    ),
    "unknown kind": (
        lambda: instead("<edXML:BussinessDocType>0", "<edXML:BussinessDocType>9"),
        "M.Bussiness.BussinessDocType",
        "TraceHeaderList/Bussiness/BussinessDocType",
    ),
    "bad base64": (lambda: instead("aGVsbG8K", "<![CDATA[aGVs\u00f4]]>"), "T.ContentTransferEncoded", CONTENT),
    "zip bomb": (bomb, "R.ContentTransferEncoded", CONTENT),
    "path in a file name": (
        lambda: instead("<AttachmentName>", "<AttachmentName>../../"),
        "M.AttachmentName",
        "AttachmentEncoded/Attachment[1]/AttachmentName",
    ),
    "direction mark in a file name": (
        lambda: instead("<AttachmentName>", "<AttachmentName>\u202e"),
        "M.AttachmentName",
        "AttachmentEncoded/Attachment[1]/AttachmentName",
    ),
    "line break in a file name": (
        lambda: instead("<AttachmentName>giay", "<AttachmentName>giay&#13;&#10;"),
        "M.AttachmentName",
        "AttachmentEncoded/Attachment[1]/AttachmentName",
    ),
    "very many recipients": (
        lambda: inside("</edXML:From>", "".join(RECIPIENT.format(each) for each in range(20_000))),
        "R.MessageHeader.To",
        "MessageHeader/To",
    ),
    "very many files": (
        lambda: inside("<AttachmentEncoded>", "<Attachment/>" * 20_000),
        "R.Attachment",
        "AttachmentEncoded/Attachment",
    ),
    "very long text of base64 characters": (
        lambda: instead("<edXML:Subject>Họp rà soát danh mục mã định danh", f"<edXML:Subject>{'x' * (3 << 20)}"),
        "R.MessageHeader.Subject",
        "MessageHeader/Subject",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_the_format_is_refused_at_its_place(name: str) -> None:
    make, code, field = WRONG[name]
    with bounded(), pytest.raises(MessageError) as caught:
        read(make())
    assert (code, field) in [(violation.code, violation.field) for violation in caught.value.violations]


def test_no_more_violations_are_kept_than_a_page() -> None:
    recipients = "".join(RECIPIENT.format("!") for _ in range(900))
    with bounded(), pytest.raises(MessageError) as caught:
        read(inside("</edXML:From>", recipients))
    assert len(caught.value.violations) == MAX_FINDINGS


def test_no_more_warnings_are_kept_than_a_page() -> None:
    with bounded():
        decoded = read(inside("<edXML:MessageHeader>", "<edXML:New/>" * 50_000))
    assert len(decoded.warnings) == MAX_FINDINGS


def test_a_schema_named_by_the_message_is_not_looked_at() -> None:
    hint = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://192.0.2.1/x"'
    with bounded():
        assert read(changed(STATUS_XML, "<edXML ", f"<edXML{hint} ")).warnings == ()
