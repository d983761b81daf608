"""Reading documents, their content and proof; who may, and what that records; sending what the exchange seals."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from werkzeug.datastructures import FileStorage, MultiDict

from api.rest import models
from edoc.acceptance.errors import ConflictError
from edoc.access.tokens import Scope
from edoc.errors import ObjectCorruptError
from edoc.sealing import SENDING_AGENCY
from tests.support.exchange import CITY, DISTRICT, STRANGER, WARD, SmallExchange
from tests.support.http import Desk, desk, problem_of, stored
from tests.support.messages import PDF, attachment

LARGE = bytes(range(256)) * 6000
AUDITOR = frozenset({Scope.AUDIT})


@pytest.fixture
def letter(office: SmallExchange) -> bytes:
    files = (attachment(), attachment("bảng lớn.bin", LARGE, content_id="att-2"))
    return office.letter(*files, recipients=(WARD, DISTRICT))


@pytest.fixture
def pk(sender: Desk, letter: bytes) -> str:
    return sender.submit(letter)


def evidence_types(who: Desk, pk: str) -> list[str]:
    return [each["type"] for each in who.get(f"/documents/{pk}/evidence").json["items"]]


def test_each_side_sees_what_is_its_own(office: SmallExchange, sender: Desk, ward: Desk, pk: str) -> None:
    auditor = desk(office, CITY, AUDITOR)
    seen = {
        name: models.Document.model_validate(who.get(f"/documents/{pk}").json)
        for name, who in {"sender": sender, "recipient": ward, "auditor": auditor}.items()
    }
    assert {name: each.perspective for name, each in seen.items()} == {name: name for name in seen}
    assert [each.recipient_code for each in seen["sender"].deliveries] == [WARD, DISTRICT]
    assert [each.recipient_code for each in seen["recipient"].deliveries] == [WARD]
    assert [each.recipient_code for each in seen["auditor"].deliveries] == [WARD, DISTRICT]


@pytest.mark.parametrize(
    "path",
    ["", "/message", "/attachments/0", "/evidence", "/status-messages", "/export", "/evidence/{0}", "/message?x=1"],
)
def test_an_agency_that_has_no_part_sees_nothing(sender: Desk, stranger: Desk, pk: str, path: str) -> None:
    known = sender.get(f"/documents/{pk}/evidence").json["items"][0]["sha256"]
    problem_of(stranger.get(f"/documents/{pk}{path.format(known)}"), 404, "not-found")


def test_a_stranger_cannot_tell_a_document_from_none(stranger: Desk, pk: str) -> None:
    none = "019cac21-7600-7000-8baf-0bc70460a620"
    there, not_there = (stranger.get(f"/documents/{each}").json for each in (pk, none))
    assert {**there, "instance": ""} == {**not_there, "instance": ""}


def test_the_message_comes_out_as_it_went_in(ward: Desk, letter: bytes, pk: str) -> None:
    response = ward.get(f"/documents/{pk}/message")
    assert response.data == letter
    assert response.content_type == "application/vnd.edxml+xml"
    assert response.headers["ETag"] == f'"{hashlib.sha256(letter).hexdigest()}"'


def test_looking_hands_nothing_over_and_reading_does_once(office: SmallExchange, ward: Desk, pk: str) -> None:
    ward.get("/inbox")
    ward.get(f"/documents/{pk}")
    ward.head(f"/documents/{pk}/message")
    assert ward.get("/inbox").json["items"][0]["handedOverAt"] is None
    for path in ("message", "attachments/0", "attachments/1", "export"):
        assert ward.get(f"/documents/{pk}/{path}").status_code == 200
    assert evidence_types(ward, pk).count("ContentHandover") == 1
    assert ward.get("/inbox").json["items"][0]["handedOverAt"] is not None
    district = desk(office, DISTRICT)
    assert "ContentHandover" not in evidence_types(district, pk)


def test_the_senders_own_reading_hands_nothing_over(sender: Desk, pk: str) -> None:
    assert sender.get(f"/documents/{pk}/message").status_code == 200
    assert "ContentHandover" not in evidence_types(sender, pk)


def test_a_recipient_needs_scope_receive_for_content(office: SmallExchange, pk: str) -> None:
    clerk = desk(office, WARD, frozenset({Scope.SEND}))
    assert clerk.get(f"/documents/{pk}").status_code == 200
    problem_of(clerk.get(f"/documents/{pk}/message"), 403, "scope")
    problem_of(clerk.get("/inbox"), 403, "scope")


def test_a_file_comes_with_its_name_and_cannot_run_in_a_browser(ward: Desk, pk: str) -> None:
    response = ward.get(f"/documents/{pk}/attachments/1")
    assert response.data == LARGE
    assert "filename*=UTF-8''b%E1%BA%A3ng%20l%E1%BB%9Bn.bin" in response.headers["Content-Disposition"]
    assert response.headers["Content-Disposition"].startswith("attachment; ")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1535990-", 1535990, None),
        ("bytes=-5", -5, None),
        ("bytes=0-", 0, None),
    ],
)
@pytest.mark.parametrize("position", [1])
def test_one_range_is_given(ward: Desk, pk: str, position: int, wanted: str, start: int, stop: int | None) -> None:
    response = ward.get(f"/documents/{pk}/attachments/{position}", Range=wanted)
    assert response.status_code == 206
    assert response.data == LARGE[start:stop]
    first = start % len(LARGE)
    assert response.headers["Content-Range"] == f"bytes {first}-{first + len(response.data) - 1}/{len(LARGE)}"


def test_a_range_of_a_file_that_lies_inside_the_message_is_given(ward: Desk, pk: str) -> None:
    assert ward.get(f"/documents/{pk}/attachments/0", Range="bytes=1-3").data == PDF[1:4]


@pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=-0"])
def test_a_range_outside_is_refused_with_the_size(ward: Desk, pk: str, wanted: str) -> None:
    response = ward.get(f"/documents/{pk}/attachments/1", Range=wanted)
    problem_of(response, 416, "range")
    assert response.headers["Content-Range"] == f"bytes */{len(LARGE)}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "lines=1-2", "bytes=5-1", "nonsense"])
def test_what_is_no_single_range_gets_the_whole(ward: Desk, pk: str, wanted: str) -> None:
    response = ward.get(f"/documents/{pk}/attachments/1", Range=wanted)
    assert (response.status_code, response.data) == (200, LARGE)


def test_a_range_of_another_version_gets_the_whole(ward: Desk, pk: str) -> None:
    path = f"/documents/{pk}/attachments/1"
    tag = f'"{hashlib.sha256(LARGE).hexdigest()}"'
    assert ward.get(path, Range="bytes=0-4", If_Range=tag).status_code == 206
    for other in ('"other"', f"W/{tag}", "Mon, 02 Mar 2026 01:00:00 GMT"):
        assert ward.get(path, Range="bytes=0-4", If_Range=other).status_code == 200


def test_content_that_the_caller_has_is_not_sent_again(ward: Desk, pk: str) -> None:
    path = f"/documents/{pk}/attachments/1"
    tag = ward.head(path).headers["ETag"]
    response = ward.get(path, If_None_Match=tag)
    assert (response.status_code, response.data) == (304, b"")
    assert response.headers["ETag"] == tag


@pytest.mark.parametrize("form", ["W/{}", '"other", W/{}', '{}, "other"', "*"])
def test_weak_tags_count_where_content_is_not_to_be_sent_again(ward: Desk, pk: str, form: str) -> None:
    path = f"/documents/{pk}/attachments/1"
    tag = ward.head(path).headers["ETag"]
    response = ward.get(path, If_None_Match=form.format(tag))
    assert (response.status_code, response.data) == (304, b"")


@pytest.mark.parametrize("condition", ['"zzz"', 'W/{}, "zzz"', "W/{}", '""'])
@pytest.mark.parametrize("others", [{}, {"Range": "bytes=0-4"}, {"If_None_Match": "{}"}])
def test_content_that_is_not_what_if_match_names_is_not_sent_nor_handed_over(
    ward: Desk, pk: str, condition: str, others: dict[str, str]
) -> None:
    for part in ("message", "attachments/1"):
        path = f"/documents/{pk}/{part}"
        tag = ward.head(path).headers["ETag"]
        headers = {name: value.format(tag) for name, value in others.items()} | {"If_Match": condition.format(tag)}
        response = ward.get(path, **headers)
        problem_of(response, 412, "precondition")
        assert response.headers["ETag"] == tag
    assert "ContentHandover" not in evidence_types(ward, pk)


@pytest.mark.parametrize("condition", ["{}", '"zzz", {}', "*"])
def test_content_that_if_match_names_is_sent(ward: Desk, pk: str, condition: str) -> None:
    path = f"/documents/{pk}/attachments/1"
    tag = ward.head(path).headers["ETag"]
    assert ward.get(path, If_Match=condition.format(tag)).data == LARGE


def test_head_tells_the_size_without_content(ward: Desk, pk: str) -> None:
    response = ward.head(f"/documents/{pk}/attachments/1")
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Content-Length"] == str(len(LARGE))


def test_a_file_that_the_document_does_not_have_is_not_found(ward: Desk, pk: str) -> None:
    problem_of(ward.get(f"/documents/{pk}/attachments/2"), 404, "not-found")
    problem_of(ward.get(f"/documents/{pk}/attachments/-1"), 404, "not-found")


def overwrite(office: SmallExchange, content: bytes, at: int) -> None:
    """Change one bit of an object behind the exchange's back."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = office.program.settings.archive_folder / "objects" / sha256[:2] / sha256
    data = bytearray(path.read_bytes())
    assert data == content
    data[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_a_large_file_that_was_altered_is_not_handed_over(office: SmallExchange, ward: Desk, pk: str) -> None:
    overwrite(office, LARGE, len(LARGE) // 2)
    problem_of(ward.get(f"/documents/{pk}/attachments/1"), 500, "archive-damaged")
    assert "ContentHandover" not in evidence_types(ward, pk)


@pytest.mark.parametrize("wanted", [None, "bytes=0-", "bytes=-99999999", f"bytes=0-{len(LARGE) - 1}"])
def test_a_large_file_that_was_altered_breaks_off_before_its_end(
    office: SmallExchange, sender: Desk, pk: str, wanted: str | None
) -> None:
    overwrite(office, LARGE, len(LARGE) // 2)
    headers = {"Authorization": f"Bearer {sender.token}"} | ({"Range": wanted} if wanted else {})
    response = sender.client.get(f"/api/v1/documents/{pk}/attachments/1", headers=headers, buffered=False)
    received = bytearray()
    with pytest.raises(ObjectCorruptError):
        received.extend(byte for chunk in response.iter_encoded() for byte in chunk)
    assert len(received) < len(LARGE)


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-"}, {"Range": "bytes=0-3"}, {"Range": "bytes=-1"}])
@pytest.mark.parametrize("path", ["attachments/0", "message"])
def test_of_small_content_that_was_altered_no_part_is_given(
    office: SmallExchange, sender: Desk, path: str, headers: dict[str, str]
) -> None:
    letter = office.letter(attachment())
    pk = sender.submit(letter)
    overwrite(office, letter, letter.index(base64.b64encode(PDF)[:9]))
    problem_of(sender.get(f"/documents/{pk}/{path}", **headers), 500, "archive-damaged")


@pytest.mark.parametrize("path", ["message", "attachments/0", "attachments/1", "export"])
def test_asking_for_headers_hands_nothing_over(ward: Desk, pk: str, path: str) -> None:
    response = ward.head(f"/documents/{pk}/{path}")
    assert response.data == b""
    assert response.status_code == (405 if path == "export" else 200)
    assert "ContentHandover" not in evidence_types(ward, pk)


def test_an_export_has_no_headers_of_its_own(ward: Desk, stranger: Desk, pk: str) -> None:
    response = ward.head(f"/documents/{pk}/export")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "OPTIONS"}
    assert stranger.head(f"/documents/{pk}/export").status_code == 404


def test_evidence_comes_out_as_it_was_sealed(ward: Desk, pk: str) -> None:
    items = ward.get(f"/documents/{pk}/evidence").json["items"]
    assert {each["type"] for each in items} == {"SubmissionAcceptance", "ContentConsignment"}
    for each in items:
        models.Evidence.model_validate(each)
        body = ward.client.get(each["link"], headers={"Authorization": f"Bearer {ward.token}"}).data
        assert hashlib.sha256(body).hexdigest() == each["sha256"]
    problem_of(ward.get(f"/documents/{pk}/evidence/{'0' * 64}"), 404, "not-found")


def test_an_export_holds_and_a_changed_one_does_not(ward: Desk, pk: str) -> None:
    response = ward.get(f"/documents/{pk}/export")
    assert response.mimetype == "application/vnd.etsi.asic-e+zip"
    good = ward.post("/verifications", response.data, "application/octet-stream").json
    models.Verification.model_validate(good)
    assert (good["kind"], good["verdict"]) == ("export", "good")
    changed = response.data.replace(b"<Statement", b"<Statemenu", 1)
    assert changed != response.data
    assert ward.post("/verifications", changed, "application/octet-stream").json["verdict"] == "bad"


@pytest.mark.parametrize("body", [b"PK\x03\x04", b"hello", b"<a/>", b"\x00" * 100])
def test_any_file_gets_a_verdict(ward: Desk, body: bytes) -> None:
    answer = ward.post("/verifications", body, "application/octet-stream")
    assert answer.status_code == 200
    assert answer.json["verdict"] != "good"
    assert answer.json["checks"]


def test_a_verdict_can_be_asked_for_another_time(office: SmallExchange, sender: Desk) -> None:
    letter = office.letter()
    now = sender.post("/verifications", letter, "application/octet-stream").json
    before = sender.post("/verifications?at=2020-01-01T00:00:00Z", letter, "application/octet-stream").json
    assert (now["kind"], before["at"]) == ("document", "2020-01-01T00:00:00Z")
    assert before["verdict"] != "good"


METADATA: dict[str, Any] = {
    "recipients": [WARD, DISTRICT],
    "code": {"number": "27", "notation": "CV-SVD"},
    "typeName": "Công văn",
    "subject": "Về việc gửi tệp",
    "signer": {"fullName": "Nguyễn Văn Ví Dụ", "position": "Giám đốc"},
    "place": "Thành phố Ví dụ",
    "priority": 2,
}


def send_files(who: Desk, metadata: dict[str, Any], *files: tuple[str, bytes]) -> Any:  # noqa: ANN401 - an answer
    parts = {"metadata": json.dumps(metadata), "file": [FileStorage(io.BytesIO(data), name) for name, data in files]}
    return who.post_form("/documents", parts)


def test_files_are_sealed_by_the_exchange_and_sent(sender: Desk, ward: Desk) -> None:
    response = send_files(sender, METADATA, ("công văn.pdf", PDF), ("lớn.bin", LARGE))
    assert response.status_code == 201, response.data
    assert response.json["documentId"] == "H29.900,2026/03/02,27/CV-SVD"
    pk = response.json["document"]
    seen = ward.get(f"/documents/{pk}").json
    assert [each["name"] for each in seen["attachments"]] == ["công văn.pdf", "lớn.bin"]
    assert seen["attachments"][0]["mediaType"] == "application/pdf"
    assert (seen["subject"], seen["priority"], seen["signerPosition"]) == ("Về việc gửi tệp", 2, "Giám đốc")
    assert seen["validation"][0]["indication"] == "TOTAL-PASSED"
    assert ward.get(f"/documents/{pk}/attachments/1").data == LARGE


def test_the_same_form_after_a_lost_answer_leads_to_the_document_and_its_receipt(
    office: SmallExchange, sender: Desk
) -> None:
    first = send_files(sender, METADATA, ("a.pdf", PDF))
    office.clock.advance(timedelta(seconds=2))
    problem = problem_of(send_files(sender, METADATA, ("a.pdf", PDF)), 409, "conflict")
    assert models.Problem.model_validate(problem).document == first.headers["Location"]
    listed = sender.get(f"{problem['document'].removeprefix('/api/v1')}/evidence").json["items"]
    [acceptance] = [each for each in listed if each["type"] == "SubmissionAcceptance"]
    path = acceptance["link"].removeprefix("/api/v1")
    assert sender.get(path).data == base64.b64decode(first.json["receipt"])
    assert stored(office)[0] == 1


def test_a_conflict_with_another_agencys_document_does_not_say_which(
    office: SmallExchange, sender: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = UUID(sender.submit(office.letter()))
    taken = ConflictError("000.00.00.H29,2026/03/02,15/CV")

    def refuse(*_: object) -> None:
        raise taken

    monkeypatch.setattr("api.rest.submissions.Acceptance.submit", refuse)
    monkeypatch.setattr("api.rest.submissions.find_document_pk", lambda *_: pk)
    for who, shown in (
        (sender, f"/api/v1/documents/{pk}"),
        (desk(office, WARD), None),
        (desk(office, STRANGER), None),
        (desk(office, CITY, AUDITOR | {Scope.SEND}), None),
    ):
        problem = problem_of(who.post("/messages", office.letter()), 409, "conflict")
        assert problem.get("document") == shown


def test_the_description_may_use_the_names_of_the_format(sender: Desk) -> None:
    named = {"typeName": "type_name"}
    metadata = {named.get(name, name): value for name, value in METADATA.items()}
    metadata["signer"] = {"full_name": "Nguyễn Văn Ví Dụ", "position": "Giám đốc"}
    sent = send_files(sender, metadata, ("a.pdf", PDF))
    assert sent.status_code == 201
    message = sender.get(f"/documents/{sent.headers['Location'].rpartition('/')[2]}/message").data
    for role in (SENDING_AGENCY, "Giám đốc"):
        assert f"<xades:ClaimedRole>{role}</xades:ClaimedRole>".encode() in message


def test_unknown_recipients_are_all_named(office: SmallExchange, sender: Desk) -> None:
    problem = problem_of(
        send_files(sender, METADATA | {"recipients": ["X1", WARD, "X2"]}, ("a.pdf", PDF)), 422, "invalid-request"
    )
    assert [each["field"] for each in problem["errors"]] == ["recipients.0", "recipients.2"]
    assert stored(office) == (0, 0, 0)


def test_more_descriptions_than_files_are_refused(sender: Desk) -> None:
    described = METADATA | {"files": [{"description": "một"}, {"description": "hai"}]}
    problem = problem_of(send_files(sender, described, ("a.pdf", PDF)), 422, "invalid-request")
    assert problem["errors"][0]["field"] == "files"


def test_an_agency_whose_seal_is_not_held_is_told_so(office: SmallExchange, stranger: Desk) -> None:
    problem_of(send_files(stranger, METADATA, ("a.pdf", PDF)), 403, "seal-not-held")
    assert stored(office) == (0, 0, 0)


def test_a_file_name_with_a_path_is_refused_here_too(office: SmallExchange, sender: Desk) -> None:
    response = send_files(sender, METADATA, ("../../x.pdf", PDF))
    problem_of(response, 422, "message")
    assert stored(office) == (0, 0, 0)


@pytest.mark.parametrize("part", ["files", "file"])
def test_a_file_that_would_get_lost_is_refused(office: SmallExchange, sender: Desk, part: str) -> None:
    lost: dict[str, Any] = {"files": FileStorage(io.BytesIO(PDF), "a.pdf"), "file": "a file without a name"}
    response = sender.post_form("/documents", {"metadata": json.dumps(METADATA), part: lost[part]})
    assert problem_of(response, 422, "invalid-request")["errors"][0]["field"] == part
    assert stored(office) == (0, 0, 0)


def test_a_second_description_is_refused_and_not_passed_over(office: SmallExchange, sender: Desk) -> None:
    other = METADATA | {"subject": "Về việc khác"}
    parts = MultiDict([("metadata", json.dumps(METADATA)), ("metadata", json.dumps(other))])
    response = sender.post_form("/documents", parts)
    [error] = problem_of(response, 422, "invalid-request")["errors"]
    assert (error["field"], error["rule"]) == ("metadata", "single")
    assert stored(office) == (0, 0, 0)


@pytest.mark.parametrize("media_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_without_a_boundary_is_told_that_it_is_missing(sender: Desk, media_type: str) -> None:
    [error] = problem_of(sender.post("/documents", b"--x\r\n", media_type), 422, "invalid-request")["errors"]
    assert (error["field"], error["rule"]) == ("Content-Type", "boundary")
    assert "boundary" in error["reason"]


def test_too_many_files_are_told_with_the_limits(office: SmallExchange, sender: Desk) -> None:
    most = office.program.settings.max_attachments
    parts: MultiDict[str, Any] = MultiDict([("metadata", json.dumps(METADATA))])
    for number in range(most + 1):
        parts.add("file", FileStorage(io.BytesIO(b"x"), f"{number}.txt"))
    problem = problem_of(sender.post_form("/documents", parts), 413, "too-large")
    assert f"at most {most} parts `file`" in problem["detail"]
    assert stored(office) == (0, 0, 0)


@pytest.mark.parametrize("disposition", ["form-data", 'form-data; filename="a.pdf"'])
def test_a_part_without_a_name_is_refused(office: SmallExchange, sender: Desk, disposition: str) -> None:
    described = f'--x\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{json.dumps(METADATA)}\r\n'
    nameless = f"--x\r\nContent-Disposition: {disposition}\r\n\r\nbytes\r\n--x--\r\n"
    answer = sender.post("/documents", (described + nameless).encode(), "multipart/form-data; boundary=x")
    assert problem_of(answer, 422, "invalid-request")["errors"][0]["field"] == "form"
    assert stored(office) == (0, 0, 0)
