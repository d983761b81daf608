"""Letters in the shape of edXML, with everything that makes canonicalization hard; agencies are invented."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from datetime import datetime

from lxml import etree

from keys.store import DigestAlgorithm, SigningKey
from signing.parts import Base64Part, ElementPart, Part
from signing.xades.signer import sign
from signing.xml import ParsedXml, XmlLimits, parse
from tests.support.signing_keys import SIGNING_TIME

EDXML = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
ATTACHMENT = "Kính gửi các phường: họp rà soát lúc 8 giờ.\n".encode() * 20

LETTER = """<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="{ns}"{root}>
  <edXML:edXMLEnvelope xmlns:edXML="{ns}">
    <edXML:edXMLHeader>
      <edXML:MessageHeader Id="header">
        <edXML:From><edXML:OrganId>H29.900</edXML:OrganId><edXML:OrganName>Sở Ví dụ</edXML:OrganName></edXML:From>
        <edXML:To><edXML:OrganId>H29.901</edXML:OrganId></edXML:To>
        <edXML:DocumentId>H29.900,2026/03/02,15/GM-SVD</edXML:DocumentId>
        <edXML:Subject>{subject}</edXML:Subject>{header}
      </edXML:MessageHeader>
      <edXML:TraceHeaderList>
        <edXML:Bussiness Id="bussiness"><edXML:BussinessDocType>0</edXML:BussinessDocType></edXML:Bussiness>
        <edXML:TraceHeader><edXML:OrganId>H29.900</edXML:OrganId></edXML:TraceHeader>
      </edXML:TraceHeaderList>
      <edXML:Signature/>
    </edXML:edXMLHeader>
    <edXML:edXMLBody>
      <edXML:edXMLManifest Id="manifest" version="1.0">
        <edXML:Reference><edXML:ContentId>att-1</edXML:ContentId>{manifest}</edXML:Reference>
      </edXML:edXMLManifest>
    </edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded>
    <Attachment>
      <ContentId>att-1</ContentId>
      <edXML:ContentTransferEncoded xmlns:edXML="{ns}" Id="att-1">{content}</edXML:ContentTransferEncoded>
    </Attachment>
  </AttachmentEncoded>
</edXML>
"""
"""Namespaces as the vendor writes them: default on the root, the same one by a prefix inside."""


def letter(
    *,
    root: str = "",
    subject: str = "Họp rà soát danh mục",
    header: str = "",
    manifest: str = "<edXML:AttachmentName>giay-moi.txt</edXML:AttachmentName>",
    content: str | None = None,
) -> bytes:
    """A letter; each argument is markup put into its place."""
    if content is None:
        content = base64.b64encode(ATTACHMENT).decode()
    text = LETTER.format(ns=EDXML, root=root, subject=subject, header=header, manifest=manifest, content=content)
    return text.encode()


@functools.cache
def big_content() -> str:
    """Base64 of more than ten million bytes, the same each time."""
    block = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(1024))
    return base64.b64encode(block * 330).decode()


SHAPES: dict[str, bytes] = {
    "plain": letter(),
    "xml:lang": letter(
        root=' xml:lang="vi" xml:space="preserve"', header='<edXML:Content xml:lang="en">Meeting</edXML:Content>'
    ),
    "default namespace": letter(
        root=' xmlns:ds="urn:other" xmlns:q="http://www.w3.org/2000/09/xmldsig#"',
        header='<Content xmlns="urn:inner" z="1" a="2" xmlns:u="urn:unused"><p xmlns="">x</p></Content>',
    ),
    "comments": letter(
        subject="Họp <!-- không --> rà soát <!-- bí mật -->danh mục",
        manifest="<!-- trước --><edXML:AttachmentName>giay<!-- x -->-moi.txt</edXML:AttachmentName><?pi dữ liệu?>",
    ),
    "CDATA": letter(subject="<![CDATA[Họp <rà> & soát]]>"),
    "CDATA around base64": letter(content=f"<![CDATA[{base64.b64encode(ATTACHMENT).decode()}]]>"),
    "CR/LF": letter(
        subject="Dòng một&#13;&#10;dòng hai\r\ndòng ba",
        header='<edXML:Content note="a&#9;b&#10;c&#13;d">\r\n\r\n</edXML:Content>',
        content=base64.encodebytes(ATTACHMENT).decode().replace("\n", "\r\n"),
    ).replace(b"\n      <", b"\r\n      <"),
}
"""The matrix but for the two that are made otherwise: more than 10 MB, and two signatures."""


def parts_of(document: ParsedXml) -> tuple[Part, ...]:
    """What a seal covers."""
    return (
        ElementPart("MessageHeader", by_id(document.root, "header")),
        ElementPart("Bussiness", by_id(document.root, "bussiness")),
        ElementPart("edXMLManifest", by_id(document.root, "manifest")),
        Base64Part("att-1", by_id(document.root, "att-1"), "text/plain"),
    )


def by_id(root: etree._Element, name: str) -> etree._Element:
    """The one element with that ``Id``."""
    (found,) = (element for element in root.iter(etree.Element) if element.get("Id") == name)
    return found


def signature_place(document: ParsedXml) -> etree._Element:
    """The header's ``Signature``, in which the seal stands."""
    return next(document.root.iter(f"{{{EDXML}}}Signature"))


def sign_letter(
    data: bytes,
    *keys: SigningKey,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    roles: Sequence[str] = ("Văn thư & lưu trữ",),
    moment: datetime = SIGNING_TIME,
) -> ParsedXml:
    """The letter with one seal by each key, side by side."""
    document = parse(data, XmlLimits())
    for number, key in enumerate(keys, 1):
        sign(
            document,
            parts_of(document),
            parent=signature_place(document),
            key=key,
            signing_time=moment,
            digest=digest,
            claimed_roles=roles,
            signature_id=f"seal-{number}",
        )
    return document


def written(document: ParsedXml) -> bytes:
    """The document as it leaves the house."""
    return b"".join(document.encoded_chunks())


def spliced(data: bytes, document: ParsedXml) -> bytes:
    """The letter as it was, comments, CDATA and line ends included, with only the signatures put in."""
    signatures = b"".join(etree.tostring(signature) for signature in signature_place(document))
    place = b"<edXML:Signature/>"
    assert data.count(place) == 1
    return data.replace(place, b"<edXML:Signature>" + signatures + b"</edXML:Signature>")
