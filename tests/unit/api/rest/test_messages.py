"""Sending sealed messages."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from api.rest import models
from edoc.access.tokens import Scope
from edoc.audit.files import verify_file
from edoc.audit.model import AuditTime, AuditTrust, Outcome
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.model import EvidenceType
from signing.xml import MemorySource
from tests.support.exchange import DISTRICT, SENDER, WARD, SmallExchange
from tests.support.http import Desk, desk, problem_of, stored
from tests.support.messages import attachment, document, status


def evidence_verdict(office: SmallExchange, body: bytes) -> Outcome:
    material = office.program.trust.material
    trust = AuditTrust(material.anchors, material.revocation.crls)
    return verify_file(MemorySource(body), "evidence", trust, AuditTime(office.clock(), given=True)).verdict


def test_a_sealed_letter_is_taken_on_and_the_answer_holds_the_sealed_receipt(
    office: SmallExchange, sender: Desk
) -> None:
    response = sender.post("/messages", office.letter(attachment(), recipients=(WARD, DISTRICT)))
    assert response.status_code == 201
    receipt = models.Receipt.model_validate(response.json)
    assert response.headers["Location"] == f"/api/v1/documents/{receipt.document}"
    assert [each.recipient_code for each in receipt.deliveries] == [WARD, DISTRICT]
    evidence, _, _ = read_evidence(parse_evidence(base64.b64decode(receipt.receipt)))
    assert evidence.type is EvidenceType.SUBMISSION_ACCEPTANCE
    assert evidence.message_sha256 == receipt.message_sha256
    assert evidence_verdict(office, base64.b64decode(receipt.receipt)) is Outcome.GOOD


def test_the_answer_has_exactly_the_fields_of_its_description(office: SmallExchange, sender: Desk) -> None:
    body = sender.post("/messages", office.letter()).json
    assert set(body) == set(models.Receipt.model_json_schema(mode="serialization")["properties"])


def test_the_same_bytes_again_get_the_same_receipt(office: SmallExchange, sender: Desk) -> None:
    letter = office.letter()
    first = sender.post("/messages", letter)
    again = sender.post("/messages", letter)
    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json["replayed"], again.json["replayed"]) == (False, True)
    assert again.json["receipt"] == first.json["receipt"]
    assert stored(office) == (1, 1, 0)


def test_who_asks_for_xml_gets_the_evidence_itself(office: SmallExchange, sender: Desk) -> None:
    letter = office.letter()
    as_json = sender.post("/messages", letter)
    as_xml = sender.post("/messages", letter, Accept="application/xml")
    assert as_xml.mimetype == "application/xml"
    assert as_xml.data == base64.b64decode(as_json.json["receipt"])


@pytest.mark.parametrize(
    "media_type",
    ["application/xml", "text/xml; charset=utf-8", "application/octet-stream", "application/vnd.edxml+xml"],
)
def test_every_media_type_of_the_format_is_taken(office: SmallExchange, sender: Desk, media_type: str) -> None:
    assert sender.post("/messages", office.letter(), media_type).status_code == 201


def test_a_document_id_with_other_bytes_is_a_conflict_and_leaves_the_first_alone(
    office: SmallExchange, sender: Desk
) -> None:
    first = sender.submit(office.letter(number="15", subject="Bản thứ nhất"))
    problem_of(sender.post("/messages", office.letter(number="15", subject="Bản thứ hai")), 409, "conflict")
    assert sender.get(f"/documents/{first}").json["subject"] == "Bản thứ nhất"
    assert stored(office) == (1, 1, 0)


def test_a_refusal_carries_evidence_that_can_be_checked(office: SmallExchange, sender: Desk) -> None:
    response = sender.post("/messages", office.letter(subject="Tuyệt mật"))
    problem = problem_of(response, 422, "refused")
    body = base64.b64decode(problem["rejection"])
    evidence, _, _ = read_evidence(parse_evidence(body))
    assert evidence.type is EvidenceType.SUBMISSION_REJECTION
    assert evidence.reasons
    assert {each.rule for each in evidence.reasons} == {each["code"] for each in problem["errors"]}
    assert evidence_verdict(office, body) is Outcome.GOOD
    assert stored(office) == (0, 0, 0)


def test_a_seal_of_another_agency_is_refused(office: SmallExchange, sender: Desk) -> None:
    letter = office.seal(document(), code=WARD)
    problem = problem_of(sender.post("/messages", letter), 422, "refused")
    assert problem["errors"][0]["code"] == "M.Signature.signer"
    assert stored(office) == (0, 0, 0)


def test_a_token_sends_for_its_own_agency_only(office: SmallExchange, ward: Desk) -> None:
    problem_of(ward.post("/messages", office.letter()), 403, "sender")
    assert stored(office) == (0, 0, 0)


def test_a_token_without_scope_send_does_not_send(office: SmallExchange) -> None:
    reader = desk(office, SENDER, frozenset({Scope.RECEIVE}))
    response = reader.post("/messages", office.letter())
    problem_of(response, 403, "scope")
    assert 'scope="send"' in response.headers["WWW-Authenticate"]
    assert stored(office) == (0, 0, 0)


def test_stale_revocation_data_asks_to_try_later_and_takes_nothing_on(office: SmallExchange, sender: Desk) -> None:
    office.clock.advance(timedelta(days=40))
    late = desk(office, SENDER)
    response = late.post("/messages", office.letter())
    problem_of(response, 503, "verification-unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert stored(office) == (0, 0, 0)


def test_a_status_message_goes_the_same_way(office: SmallExchange, sender: Desk, ward: Desk) -> None:
    letter = document(number="15")
    pk = sender.submit(office.seal(letter))
    response = ward.post("/messages", office.seal(status("03", about=letter)))
    assert response.status_code == 201
    assert response.json["kind"] == "status"
    assert response.headers["Location"] == f"/api/v1/documents/{pk}/status-messages/{response.json['messageSha256']}"
    assert ward.get(f"/documents/{pk}").json["deliveries"][0]["state"] == "03"
