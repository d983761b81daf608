"""Evidence as XML: written, sealed, read back, and refused when it is something else."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from edoc.evidence.codec import (
    LIMITS,
    MAX_STATEMENT_BYTES,
    parse_evidence,
    read_evidence,
    write_evidence,
    write_statement,
)
from edoc.evidence.errors import EvidenceFormatError
from edoc.evidence.issuer import EvidenceIssuer
from edoc.evidence.model import Evidence, EvidenceType, MessageKind, Party, Reason
from edoc.identifiers import uuid7
from schemas import SchemaName, validate
from signing.parts import ElementPart
from signing.xades.signer import sign
from signing.xades.verifier import verify
from signing.xml import CanonicalizationMethod, canonicalize, parse
from tests.support.pki import NOW, Pki

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"], include_characters="\n\t\r<>&\"'"), max_size=30
)
CODE = st.from_regex(r"\A[A-Z][0-9]{2}(\.[0-9]{1,3}){0,2}\Z")
PARTIES = st.builds(Party, CODE, TEXT, st.none() | st.integers(1, 2**63 - 1))
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
EVIDENCE = st.builds(
    Evidence,
    identifier=st.uuids(),
    type=st.sampled_from(EvidenceType),
    event_time=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    issuer=PARTIES,
    sender=PARTIES,
    recipients=st.lists(PARTIES, max_size=3).map(tuple),
    message_kind=st.sampled_from(MessageKind),
    document_id=st.none() | TEXT,
    message_size=st.integers(0, 2**63 - 1),
    message_sha256=DIGESTS,
    previous_sha256=st.none() | DIGESTS,
    reasons=st.lists(st.builds(Reason, TEXT, TEXT), max_size=2).map(tuple),
)


def sample() -> Evidence:
    return Evidence(
        identifier=uuid7(NOW, os.urandom),
        type=EvidenceType.CONTENT_CONSIGNMENT,
        event_time=NOW + timedelta(microseconds=7),
        issuer=Party("H29", "Trục liên thông văn bản"),
        sender=Party("H29.2", "Sở Nội vụ"),
        recipients=(Party("H29.31", "Ủy ban nhân dân Quận 1", 5),),
        message_kind=MessageKind.DOCUMENT,
        document_id="H29.2,2026/11/24,05/GM-SNV",
        message_size=1234,
        message_sha256="ab" * 32,
        previous_sha256="cd" * 32,
    )


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="module")
def issuer(pki: Pki) -> EvidenceIssuer:
    return EvidenceIssuer(Party("H29", "Trục liên thông văn bản"), pki.seal())


@given(EVIDENCE)
def test_a_statement_is_written_in_its_canonical_form(evidence: Evidence) -> None:
    statement = write_statement(evidence)
    assert canonicalize(parse(statement, LIMITS).root, CanonicalizationMethod.EXCLUSIVE) == statement


@given(evidence=EVIDENCE)
def test_the_seal_written_as_text_is_the_one_that_is_made_in_a_tree(issuer: EvidenceIssuer, evidence: Evidence) -> None:
    sealed = parse_evidence(issuer.seal(evidence).body)
    document = parse(write_evidence(write_statement(evidence), ""), LIMITS)
    signature = sign(
        document,
        [ElementPart("Statement", document.root[0])],
        parent=document.root,
        key=issuer.key,
        signing_time=evidence.event_time,
        claimed_roles=("document-exchange",),
        signature_id="seal",
    )
    exclusive = CanonicalizationMethod.EXCLUSIVE
    assert canonicalize(sealed.root[1], exclusive) == canonicalize(signature, exclusive)


@pytest.mark.parametrize("text", ["a\x00b", "\x0b", "\ud800", "\ufffe"])
def test_a_statement_with_a_character_that_xml_cannot_hold_is_not_sealed(issuer: EvidenceIssuer, text: str) -> None:
    with pytest.raises(EvidenceFormatError, match="character"):
        issuer.seal(replace(sample(), document_id=text))


def test_a_statement_that_readers_would_refuse_for_its_size_is_not_sealed(issuer: EvidenceIssuer) -> None:
    with pytest.raises(EvidenceFormatError, match="bytes"):
        issuer.seal(replace(sample(), document_id="x" * MAX_STATEMENT_BYTES))


@given(evidence=EVIDENCE)
def test_what_is_sealed_is_read_back_equal(issuer: EvidenceIssuer, evidence: Evidence) -> None:
    sealed = issuer.seal(evidence)
    assert read_evidence(parse_evidence(sealed.body))[0] == evidence


def test_sealed_evidence_fits_its_schema_and_verifies(issuer: EvidenceIssuer, pki: Pki) -> None:
    body = issuer.seal(sample()).body
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    document = parse_evidence(body)
    assert validate(SchemaName.EVIDENCE, document.root) == ()
    _, part, signature = read_evidence(document)
    report = verify(document, signature, [part], validator=pki.validator(), at=NOW + timedelta(minutes=1))
    assert report.passed
    assert [covered.label for covered in report.covered] == ["Statement"]
    assert report.claimed_roles == ("document-exchange",)


def test_a_changed_statement_does_not_verify(issuer: EvidenceIssuer, pki: Pki) -> None:
    body = issuer.seal(sample()).body.replace(b"H29.31", b"H29.32")
    document = parse_evidence(body)
    _, part, signature = read_evidence(document)
    assert not verify(document, signature, [part], validator=pki.validator(), at=NOW + timedelta(minutes=1)).passed


def test_sealing_the_same_statement_gives_the_same_bytes(issuer: EvidenceIssuer) -> None:
    statement = sample()
    assert issuer.seal(statement).body == issuer.seal(statement).body
    assert issuer.seal(replace(statement, message_size=1)).sha256 != issuer.seal(statement).sha256


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<Kind>document</Kind>", b"<Kind>parcel</Kind>"),
        (b"<Size>1234</Size>", b"<Size>-1</Size>"),
        (b"Event/ContentConsignment", b"Event/Invented"),
        (b"2026-11-24T08:00:00.000007Z", b"2026-02-30T08:00:00Z"),
        (b"2026-11-24T08:00:00.000007Z", b"2026-11-24T08:00:00"),
        (b"urn:uuid:", b"urn:nothing:"),
        (b'<Recipient Code="H29.31"', b'<Recipient Kode="H29.31"'),
        (b"<Message>", b"<Message/><Message>"),
        (b"q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=", b"q6s="),
    ],
)
def test_what_is_not_evidence_is_refused(issuer: EvidenceIssuer, old: bytes, new: bytes) -> None:
    body = issuer.seal(sample()).body
    assert old in body
    with pytest.raises(EvidenceFormatError):
        read_evidence(parse_evidence(body.replace(old, new)))


@pytest.mark.parametrize("body", [b"", b"<a/", b"<!DOCTYPE a><a/>", b"<Evidence/>", b"<a>" * 30 + b"</a>" * 30])
def test_what_is_no_evidence_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(EvidenceFormatError):
        read_evidence(parse_evidence(body))


def test_a_second_statement_cannot_hide(issuer: EvidenceIssuer) -> None:
    document = parse_evidence(issuer.seal(sample()).body)
    twin = etree.fromstring(etree.tostring(document.root[0]))
    document.root.insert(0, twin)
    with pytest.raises(EvidenceFormatError):
        read_evidence(document)
