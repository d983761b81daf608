"""A message that was written, sealed and read back: what the seal covers is what was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edoc.envelope.codec import decode
from edoc.envelope.model import DocumentMessage, Message
from edoc.sealing import REPORTING_AGENCY, SENDING_AGENCY, seal_message
from schemas import SchemaName, validate
from signing.report import Indication, ValidationReport
from signing.xades.verifier import verify
from signing.xml import parse
from tests.support.messages import LIMITS, attachment, changed, comparable, document, status
from tests.support.signatures import trusting
from tests.support.signing_keys import SIGNING_TIME, VERIFICATION_TIME, signing_key

LARGE = bytes(range(256)) * 1000
MESSAGES: tuple[Message, ...] = (
    document(attachment("a.bin", LARGE), attachment("b.txt", b"hello", content_id="att-2")),
    document(),
    status(),
)


def sealed(message: Message) -> bytes:
    return b"".join(seal_message(message, signing_key(), SIGNING_TIME).encoded_chunks())


def report_on(data: bytes) -> ValidationReport:
    source = parse(data, LIMITS.xml)
    decoded = decode(source, LIMITS)
    (signature,) = decoded.signatures
    return verify(source, signature, decoded.parts, validator=trusting(), at=VERIFICATION_TIME)


def verdict(data: bytes) -> Indication:
    return report_on(data).indication


@pytest.mark.parametrize(
    ("competence", "position", "roles"),
    [
        ("KT. GIÁM ĐỐC", "Phó Giám đốc", (SENDING_AGENCY, "KT. GIÁM ĐỐC")),
        (None, "Giám đốc", (SENDING_AGENCY, "Giám đốc")),
        (None, None, (SENDING_AGENCY,)),
    ],
)
def test_an_agency_seals_in_a_capacity(competence: str | None, position: str | None, roles: tuple[str, ...]) -> None:
    letter = document()
    officer = replace(letter.signer_info, competence=competence, position=position)
    assert report_on(sealed(replace(letter, signer_info=officer))).claimed_roles == roles
    assert report_on(sealed(status())).claimed_roles == (REPORTING_AGENCY,)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_sealed_message_passes_and_reads_as_it_was(message: Message) -> None:
    data = sealed(message)
    assert verdict(data) is Indication.TOTAL_PASSED
    assert comparable(decode(parse(data, LIMITS.xml), LIMITS).message) == message


@pytest.mark.parametrize("message", MESSAGES)
def test_a_sealed_message_is_strictly_valid(message: Message) -> None:
    strict = SchemaName.EDXML_DOCUMENT if isinstance(message, DocumentMessage) else SchemaName.EDXML_STATUS
    assert validate(strict, parse(sealed(message), LIMITS.xml).root) == ()


@pytest.mark.parametrize(
    "tamper",
    [
        lambda text: changed(text, "<edXML:Subject>Họp", "<edXML:Subject>Hop"),
        lambda text: changed(text, "<edXML:Paper>0", "<edXML:Paper>1"),
        lambda text: changed(text, "<edXML:AttachmentName>b.txt", "<edXML:AttachmentName>c.txt"),
        lambda text: changed(text, "aGVsbG8=", "aGVsbG9v"),
        lambda text: changed(text, "<edXML:Reference>", "<edXML:Reference><edXML:New>1</edXML:New>"),
    ],
)
def test_a_change_to_what_was_read_is_noticed(tamper: Callable[[str], str]) -> None:
    assert verdict(tamper(sealed(MESSAGES[0]).decode()).encode()) is Indication.TOTAL_FAILED


def test_a_hop_that_adds_its_trace_breaks_no_seal() -> None:
    hop = "<edXML:TraceHeader><edXML:OrganId>02.29.W00</edXML:OrganId></edXML:TraceHeader></edXML:TraceHeaderList>"
    data = changed(sealed(MESSAGES[0]).decode(), "</edXML:TraceHeaderList>", hop).encode()
    assert verdict(data) is Indication.TOTAL_PASSED


def test_a_new_bussiness_put_into_a_sealed_message_is_noticed() -> None:
    text = sealed(document()).decode()
    start, stop = text.index("<edXML:Bussiness "), text.index("</edXML:Bussiness>")
    recall = "<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType>"
    assert verdict((text[:start] + recall + text[stop:]).encode()) is not Indication.TOTAL_PASSED
