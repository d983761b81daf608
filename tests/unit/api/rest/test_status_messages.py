"""Telling states, with a seal that the exchange holds, and reading what was told."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from api.rest import models
from api.rest.json_bodies import MOST_BYTES
from edoc.access.tokens import Scope
from edoc.delivery.states import MAX_OTHER_REPORTS
from edoc.envelope.limits import MessageLimits
from tests.support.exchange import ALL_SCOPES, DISTRICT, WARD, SmallExchange
from tests.support.http import Desk, desk, problem_of, stored
from tests.support.messages import document, status


def test_a_recipient_tells_a_state_and_the_sender_reads_it(office: SmallExchange, sender: Desk, ward: Desk) -> None:
    pk = sender.submit(office.letter())
    response = ward.post_json("/status-messages", {"document": pk, "code": "03", "description": "Đã tiếp nhận"})
    assert response.status_code == 201, response.data
    items = sender.get(f"/documents/{pk}/status-messages").json["items"]
    models.Status.model_validate(items[0])
    assert [(each["reporterCode"], each["code"], each["description"]) for each in items] == [
        (WARD, "03", "Đã tiếp nhận")
    ]
    original = sender.client.get(items[0]["link"], headers={"Authorization": f"Bearer {sender.token}"})
    assert hashlib.sha256(original.data).hexdigest() == items[0]["messageSha256"] == response.json["messageSha256"]


def test_a_state_told_again_in_other_bytes_gets_the_first_receipt(
    office: SmallExchange, sender: Desk, ward: Desk
) -> None:
    told = {"document": sender.submit(office.letter()), "code": "03"}
    first = ward.post_json("/status-messages", told)
    office.clock.advance(timedelta(seconds=2))
    again = ward.post_json("/status-messages", told | {"description": "Vẫn thế"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json | {"replayed": True}
    assert stored(office) == (1, 1, 1)


def test_one_recipient_does_not_see_what_another_told(office: SmallExchange, sender: Desk, ward: Desk) -> None:
    pk = sender.submit(office.letter(recipients=(WARD, DISTRICT)))
    told = ward.post_json("/status-messages", {"document": pk, "code": "03"}).json["messageSha256"]
    district = desk(office, DISTRICT)
    assert district.get(f"/documents/{pk}/status-messages").json["items"] == []
    problem_of(district.get(f"/documents/{pk}/status-messages/{told}"), 404, "not-found")


def test_the_sender_says_whom_it_asks_to_give_a_document_back(office: SmallExchange, sender: Desk) -> None:
    pk = sender.submit(office.letter(recipients=(WARD, DISTRICT)))
    wish = {"document": pk, "code": "13", "description": "Gửi nhầm"}
    problem = problem_of(sender.post_json("/status-messages", wish), 422, "invalid-request")
    assert problem["errors"][0]["field"] == "recipient"
    assert sender.post_json("/status-messages", wish | {"recipient": WARD}).status_code == 201
    states = {each["recipientCode"]: each["state"] for each in sender.get(f"/documents/{pk}").json["deliveries"]}
    assert states == {WARD: "13", DISTRICT: "consigned"}


def test_a_state_that_cannot_follow_is_refused_with_evidence(office: SmallExchange, sender: Desk, ward: Desk) -> None:
    letter = document(number="15")
    pk = sender.submit(office.seal(letter))
    assert ward.post("/status-messages", office.seal(status("03", about=letter))).status_code == 201
    problem = problem_of(
        ward.post_json("/status-messages", {"document": pk, "code": "02", "description": "Sai"}), 422, "refused"
    )
    assert problem["rejection"]
    assert stored(office) == (1, 1, 1)


def test_a_status_that_is_too_large_is_refused_with_its_rule_and_the_document_can_still_be_exported(
    office: SmallExchange, sender: Desk, ward: Desk
) -> None:
    letter = document(number="16")
    pk = sender.submit(office.seal(letter))
    data = office.seal(status("03", about=letter))
    end = b"</edXML:edXMLHeader>"
    large = data.replace(end, b'<x:Extra xmlns:x="urn:x">%s</x:Extra>%s' % (b" " * (5 << 20), end))
    problem = problem_of(ward.post("/status-messages", large), 413, "too-large")
    (error,) = problem["errors"]
    assert (error["field"], error["rule"]) == ("body", "status.max_bytes")
    assert "131072" in error["reason"]
    assert error["remedy"]
    assert stored(office) == (1, 1, 0)
    assert sender.get(f"/documents/{pk}/export").status_code == 200


def test_one_report_too_many_is_refused_with_rule_and_remedy_and_the_last_state_is_not(
    office: SmallExchange, sender: Desk, ward: Desk
) -> None:
    told = {"document": sender.submit(office.letter()), "code": "05"}
    for _ in range(MAX_OTHER_REPORTS):
        assert ward.post_json("/status-messages", told).status_code == 201
        office.clock.advance(timedelta(seconds=2))
    problem = problem_of(ward.post_json("/status-messages", told), 422, "refused")
    (error,) = problem["errors"]
    assert (error["field"], error["code"], error["rule"]) == ("MessageHeader/StatusCode", "R.UpdateTraces", "range")
    assert "06" in error["remedy"]
    assert ward.post_json("/status-messages", told | {"code": "06"}).status_code == 201


def test_the_page_of_the_interface_tells_both_limits_of_states() -> None:
    page = (Path(__file__).parents[4] / "docs" / "rest.md").read_text(encoding="utf-8")
    assert f"takes {MAX_OTHER_REPORTS} together" in page
    assert f"at most {MessageLimits().max_status_bytes >> 10} KiB" in page


def test_a_stranger_tells_nothing(office: SmallExchange, sender: Desk) -> None:
    pk = sender.submit(office.letter(recipients=(DISTRICT,)))
    ward = desk(office, WARD)
    problem_of(ward.post_json("/status-messages", {"document": pk, "code": "03"}), 404, "not-found")
    assert stored(office) == (1, 1, 0)


def test_json_needs_a_seal_that_the_exchange_holds_and_the_scope(office: SmallExchange, sender: Desk) -> None:
    pk = sender.submit(office.letter(recipients=(WARD, DISTRICT)))
    body = {"document": pk, "code": "03"}
    problem_of(desk(office, DISTRICT).post_json("/status-messages", body), 403, "seal-not-held")
    without = desk(office, WARD, ALL_SCOPES - {Scope.SEAL})
    problem_of(without.post_json("/status-messages", body), 403, "scope")


def test_json_that_makes_no_sense_is_told_field_by_field(ward: Desk) -> None:
    problem = problem_of(ward.post_json("/status-messages", {"code": "three", "more": 1}), 422, "invalid-request")
    assert {each["field"] for each in problem["errors"]} == {"document", "code", "more"}


@pytest.mark.parametrize("code", ["00", "07", "99"])
def test_the_exchange_writes_no_state_that_no_list_knows(
    office: SmallExchange, sender: Desk, ward: Desk, code: str
) -> None:
    told = {"document": sender.submit(office.letter()), "code": code}
    [error] = problem_of(ward.post_json("/status-messages", told), 422, "invalid-request")["errors"]
    assert (error["field"], error["rule"]) == ("code", "known")
    assert "03" in error["remedy"]


def test_a_state_told_with_two_codes_is_not_told(office: SmallExchange, sender: Desk, ward: Desk) -> None:
    pk = sender.submit(office.letter())
    body = f'{{"document": "{pk}", "code": "02", "code": "03"}}'.encode()
    [error] = problem_of(ward.post("/status-messages", body, "application/json"), 422, "invalid-request")["errors"]
    assert (error["field"], error["rule"]) == ("code", "single")
    assert stored(office) == (1, 1, 0)


@pytest.mark.parametrize("text", ["\u202e", " \u200b\u2066\u2069 ", "\u2800", "\u0301"])
def test_a_state_gives_no_reason_that_nobody_sees(office: SmallExchange, sender: Desk, ward: Desk, text: str) -> None:
    told = {"document": sender.submit(office.letter()), "code": "02", "description": text}
    [error] = problem_of(ward.post_json("/status-messages", told), 422, "invalid-request")["errors"]
    assert (error["field"], error["code"], error["rule"]) == ("description", "M.description", "invisible_text")
    assert stored(office) == (1, 1, 0)
    assert ward.post_json("/status-messages", told | {"description": f"Sai nơi nhận{text}"}).status_code == 201


def test_json_may_not_be_as_long_as_a_letter(ward: Desk) -> None:
    long = b'{"code": "03"' + b" " * MOST_BYTES + b"}"
    problem = problem_of(ward.post("/status-messages", long, "application/json"), 413, "too-large")
    assert str(MOST_BYTES) in problem["detail"]
