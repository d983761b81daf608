"""Evidence to XML and back (schema ``schemas/evidence/evidence.xsd``).

The statement is written as text in the very form that exclusive canonicalization gives it, which is many times
quicker than building a tree: what is digested is what is written. A test compares the two.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Final
from uuid import UUID
from xml.sax.saxutils import escape

from lxml import etree

from edoc.evidence.errors import EvidenceFormatError
from edoc.evidence.model import EVENT_NAMESPACE, Evidence, EvidenceType, MessageKind, Party, Reason
from edoc.vietnam import is_usual
from schemas import SchemaName, validate
from signing.errors import XmlError
from signing.parts import ElementPart
from signing.xml import ParsedXml, XmlLimits, parse

NAMESPACE: Final = "urn:edoc:evidence:1"
STATEMENT_ID: Final = "statement"
SHA256_URI: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
LIMITS: Final = XmlLimits(max_bytes=1 << 20, max_skeleton_bytes=1 << 20, max_nodes=20_000, max_depth=20)
"""Room for a thousand recipients."""

MAX_STATEMENT_BYTES: Final = LIMITS.max_bytes // 2
"""Leaves as much for the seal and its certificates."""

_HEAD: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<Evidence xmlns="{NAMESPACE}">'.encode()
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0, production Char."""
_Q: Final = "{" + NAMESPACE + "}"
_SHA256_HEX_LENGTH: Final = 64
_ATTRIBUTE_ENTITIES: Final = str.maketrans({'"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"})
_ESCAPED: Final = re.compile('[&<>"\\t\\n\\r]')
"""What must be written otherwise somewhere; almost no text has any of it."""
_TEXT_ENTITIES: Final = {"\r": "&#xD;"}


def write_statement(evidence: Evidence) -> bytes:
    """The element ``Statement`` in exclusive canonical form.

    Raises:
        EvidenceFormatError: a text has a character that XML cannot hold, or there is too much of it.
    """
    parts = [
        f'<Statement xmlns="{NAMESPACE}" Id="{STATEMENT_ID}">',
        _element("EvidenceIdentifier", evidence.identifier.urn),
        _element("EventIdentifier", evidence.type.uri),
        _element("EventTime", _time(evidence.event_time)),
        _party("Issuer", evidence.issuer),
        _party("Sender", evidence.sender),
    ]
    if evidence.recipients:
        parts.append("<Recipients>")
        parts.extend(_party("Recipient", recipient) for recipient in evidence.recipients)
        parts.append("</Recipients>")
    parts.append("<Message>")
    if evidence.document_id is not None:
        parts.append(_element("DocumentId", evidence.document_id))
    parts.append(_element("Kind", evidence.message_kind.value))
    parts.append(_element("Size", str(evidence.message_size)))
    parts.append(_digest(evidence.message_sha256))
    parts.append("</Message>")
    if evidence.previous_sha256 is not None:
        parts.append(f"<PreviousEvidence>{_digest(evidence.previous_sha256)}</PreviousEvidence>")
    if evidence.reasons:
        parts.append("<Reasons>")
        parts.extend(_reason(reason) for reason in evidence.reasons)
        parts.append("</Reasons>")
    parts.append("</Statement>")
    text = "".join(parts)
    if not text.isprintable() and _NOT_XML.search(text):
        raise EvidenceFormatError("a text of the statement has a character that XML cannot hold")
    statement = text.encode()
    if len(statement) > MAX_STATEMENT_BYTES:
        raise EvidenceFormatError(f"the statement has more than {MAX_STATEMENT_BYTES} bytes")
    return statement


def write_evidence(statement: bytes, seal: str) -> bytes:
    """The whole document: a statement and the seal over it."""
    return b"%s%s%s</Evidence>" % (_HEAD, statement, seal.encode())


def read_evidence(document: ParsedXml) -> tuple[Evidence, ElementPart, etree._Element]:
    """The statement, the part its seal must cover, and the seal.

    Raises:
        EvidenceFormatError: the document is not evidence.
    """
    violations = validate(SchemaName.EVIDENCE, document.root)
    if violations:
        raise EvidenceFormatError(f"not evidence of the exchange: {violations[0]}")
    statement, signature = document.root
    try:
        evidence = _read_statement(statement)
    except ValueError as error:
        raise EvidenceFormatError(f"not evidence of the exchange: {error}") from error
    return evidence, ElementPart("Statement", statement), signature


def parse_evidence(body: bytes) -> ParsedXml:
    """Evidence from outside, parsed within its limits.

    Raises:
        EvidenceFormatError: the bytes are no XML within the limits.
    """
    try:
        return parse(body, LIMITS)
    except XmlError as error:
        raise EvidenceFormatError(str(error)) from error


def _read_statement(statement: etree._Element) -> Evidence:
    message = _child(statement, "Message")
    previous = statement.find(f"{_Q}PreviousEvidence/{_Q}Digest")
    return Evidence(
        identifier=UUID(_text(statement, "EvidenceIdentifier")),
        type=EvidenceType(_text(statement, "EventIdentifier").removeprefix(EVENT_NAMESPACE)),
        event_time=_read_time(_text(statement, "EventTime")),
        issuer=_read_party(_child(statement, "Issuer")),
        sender=_read_party(_child(statement, "Sender")),
        recipients=tuple(_read_party(each) for each in statement.iterfind(f"{_Q}Recipients/{_Q}Recipient")),
        message_kind=MessageKind(_text(message, "Kind")),
        document_id=message.findtext(f"{_Q}DocumentId"),
        message_size=int(_text(message, "Size")),
        message_sha256=_read_digest(_child(message, "Digest")),
        previous_sha256=None if previous is None else _read_digest(previous),
        reasons=tuple(
            Reason(each.get("Rule", ""), each.text or "") for each in statement.iterfind(f"{_Q}Reasons/{_Q}Reason")
        ),
    )


def _element(name: str, text: str) -> str:
    return f"<{name}>{_text_node(text)}</{name}>"


def _text_node(text: str) -> str:
    return escape(text, _TEXT_ENTITIES) if _ESCAPED.search(text) else text


def _attribute(text: str) -> str:
    if not _ESCAPED.search(text):
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").translate(_ATTRIBUTE_ENTITIES)


def _party(name: str, party: Party) -> str:
    sequence = "" if party.sequence is None else f' Sequence="{party.sequence}"'
    return f'<{name} Code="{_attribute(party.code)}"{sequence}>{_text_node(party.name)}</{name}>'


def _reason(reason: Reason) -> str:
    return f'<Reason Rule="{_attribute(reason.rule)}">{_text_node(reason.text)}</Reason>'


def _digest(sha256: str) -> str:
    return f'<Digest Algorithm="{SHA256_URI}">{base64.b64encode(bytes.fromhex(sha256)).decode()}</Digest>'


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _child(parent: etree._Element, name: str) -> etree._Element:
    child = parent.find(_Q + name)
    if child is None:
        raise EvidenceFormatError(f"{name} is missing")
    return child


def _text(parent: etree._Element, name: str) -> str:
    return _child(parent, name).text or ""


def _read_party(element: etree._Element) -> Party:
    sequence = element.get("Sequence")
    return Party(element.get("Code", ""), element.text or "", None if sequence is None else int(sequence))


def _read_digest(element: etree._Element) -> str:
    digest = base64.b64decode(element.text or "", validate=True).hex()
    if len(digest) != _SHA256_HEX_LENGTH:
        raise EvidenceFormatError("a digest does not have the 32 bytes of SHA-256")
    return digest


def _read_time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise EvidenceFormatError(f"time {text} has no zone")
    if not is_usual(at):
        raise EvidenceFormatError(f"time {text} is none at which there was evidence")
    return at.astimezone(UTC)
