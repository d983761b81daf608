"""Bad input: each is answered with a problem that names what and where, and nothing is stored."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import create_environ, run_wsgi_app

from api.config import load_settings
from api.errors import SettingsError
from edoc.access.tokens import Scope, authenticate, revoke_token
from edoc.database.engine import write
from edoc.envelope.model import Attachment
from tests.support.exchange import ALL_SCOPES, SENDER, WARD, SmallExchange, small_exchange
from tests.support.http import API, Desk, desk, problem_of, stored
from tests.support.messages import PDF, attachment, changed, document, message_bytes

LETTER = message_bytes(document(attachment())).decode()
BASE64_PDF = re.escape(base64.b64encode(PDF).decode())


def zip_bomb() -> str:
    """Twenty megabytes of nothing in a few kilobytes, as the format lets a file be packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("giay-moi.pdf", bytes(20 << 20))
    return base64.b64encode(out.getvalue()).decode()


BOMB = zip_bomb()


def with_text(old: str, new: str) -> bytes:
    return changed(LETTER, old, new).encode("utf-8", "surrogatepass")


BODIES = {
    "empty": (b"", 400, "xml", "xml.empty"),
    "truncated": (LETTER.encode()[:1500], 400, "xml", "xml.well_formed"),
    "not XML": (b"PK\x03\x04 this is a zip", 400, "xml", "xml.well_formed"),
    "another encoding": (LETTER.encode("utf-16"), 400, "xml", "xml.encoding"),
    "wrong encoding": (LETTER.encode().replace(b"V\xc3\xad", b"V\xed"), 400, "xml", "xml.well_formed"),
    "DTD": (b"<!DOCTYPE edXML><edXML/>", 400, "xml", "xml.doctype"),
    "entities": (
        b'<!DOCTYPE e [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]><edXML>&c;</edXML>',
        400,
        "xml",
        "xml.doctype",
    ),
    "external entity": (
        b'<!DOCTYPE e [<!ENTITY a SYSTEM "file:///etc/passwd">]><edXML>&a;</edXML>',
        400,
        "xml",
        "xml.doctype",
    ),
    "deeply nested": (b"<a>" * 100 + b"</a>" * 100, 413, "too-large", "xml.max_depth"),
    "nested without end": (b"<a>" * 5000, 400, "xml", "xml.well_formed"),
    "too many elements": (b"<a>" + b"<b/>" * 250_000 + b"</a>", 413, "too-large", "xml.max_nodes"),
    "NUL": (with_text("Họp rà soát", "Họp\x00rà soát"), 400, "xml", "xml.well_formed"),
    "control character": (with_text("Họp rà soát", "Họp\x0brà soát"), 400, "xml", "xml.well_formed"),
    "lone surrogate": (with_text("Họp rà soát", "Họp\ud800rà soát"), 400, "xml", "xml.well_formed"),
    "unknown namespace": (
        LETTER.replace("http://www.mic.gov.vn", "http://example.invalid").encode(),
        422,
        "message",
        None,
    ),
    "impossible date": (with_text("2026/03/02</", "2026/02/30</"), 422, "message", None),
    "missing element": (
        changed(LETTER.replace("Subject>", "Sujet>"), "Sujet>", "Sujet>").encode(),
        422,
        "message",
        None,
    ),
    "doubled element": (
        with_text("</edXML:Subject>", "</edXML:Subject><edXML:Subject>Khác</edXML:Subject>"),
        422,
        "message",
        None,
    ),
    "unknown code": (re.sub("BussinessDocType>[0-9]<", "BussinessDocType>77<", LETTER).encode(), 422, "message", None),
    "zip bomb": (re.sub(f">{BASE64_PDF}<", f">{BOMB}<", LETTER).encode(), 422, "message", None),
    "bad base64": (with_text(">JVBERi0", ">J*ERi0"), 422, "message", None),
    "no seal": (LETTER.encode(), 422, "refused", None),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_answered_with_what_is_wrong(office: SmallExchange, sender: Desk, name: str) -> None:
    body, status, kind, rule = BODIES[name]
    problem = problem_of(sender.post("/messages", body), status, kind)
    assert problem["errors"]
    assert rule is None or problem["errors"][0]["rule"] == rule
    assert stored(office) == (0, 0, 0)
    assert list(office.exchange.store.list()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\Windows\\a.pdf", "tệp\u202efdp.exe"])
def test_a_file_name_that_could_do_harm_is_refused(office: SmallExchange, sender: Desk, name: str) -> None:
    letter = LETTER.replace("giay-moi.pdf", name)
    problem = problem_of(sender.post("/messages", letter.encode()), 422, "message")
    assert any("name" in each["reason"] for each in problem["errors"])
    assert stored(office) == (0, 0, 0)


@pytest.mark.parametrize("media_type", [None, "application/json", "multipart/form-data; boundary=x", "image/png"])
def test_another_media_type_is_refused_before_the_body_is_read(
    office: SmallExchange, sender: Desk, media_type: str | None
) -> None:
    response = sender.post("/messages", office.letter(), media_type)
    problem_of(response, 415, "media-type")
    assert "application/vnd.edxml+xml" in response.headers["Accept"]
    assert stored(office) == (0, 0, 0)


def test_a_compressed_body_is_refused(office: SmallExchange, sender: Desk) -> None:
    problem_of(sender.post("/messages", office.letter(), Content_Encoding="gzip"), 415, "media-type")


def test_a_compressed_file_is_not_judged(office: SmallExchange, sender: Desk) -> None:
    answer = sender.post("/verifications", office.letter(), "application/octet-stream", Content_Encoding="gzip")
    problem_of(answer, 415, "media-type")
    assert answer.headers["Accept"] == "application/octet-stream"
    assert sender.post("/verifications", office.letter(), None, Content_Encoding="identity").status_code == 200


def test_compressed_json_is_refused(sender: Desk) -> None:
    answer = sender.post("/status-messages", b"{}", "application/json", Content_Encoding="gzip")
    problem_of(answer, 415, "media-type")
    assert "application/json" in answer.headers["Accept"]


def no_token(_: SmallExchange) -> str | None:
    return None


def another_scheme(_: SmallExchange) -> str | None:
    return "Basic dXNlcjpwYXNz"


def empty_token(_: SmallExchange) -> str | None:
    return "Bearer "


def strange_characters(_: SmallExchange) -> str | None:
    return "Bearer edoc_' OR 1=1 --"


def unknown_token(_: SmallExchange) -> str | None:
    return "Bearer edoc_" + "A" * 43


def expired_token(office: SmallExchange) -> str | None:
    token = office.token(SENDER, lifetime=timedelta(minutes=1))
    office.clock.advance(timedelta(minutes=1))
    return f"Bearer {token}"


def revoked_token(office: SmallExchange) -> str | None:
    token = office.token(SENDER)
    principal = authenticate(office.exchange.engine, token, office.clock())
    with write(office.exchange.engine) as connection:
        revoke_token(connection, principal.token_id, office.clock())
    return f"Bearer {token}"


@pytest.mark.parametrize(
    ("make", "name", "challenge"),
    [
        (no_token, "token-missing", 'Bearer realm="edoc"'),
        (another_scheme, "token", 'error="invalid_token"'),
        (empty_token, "token", 'error="invalid_token"'),
        (strange_characters, "token", 'error="invalid_token"'),
        (unknown_token, "token", 'error="invalid_token"'),
        (expired_token, "token", 'error="invalid_token"'),
        (revoked_token, "token", 'error="invalid_token"'),
    ],
)
def test_without_a_good_token_nothing_is_done(office: SmallExchange, make: object, name: str, challenge: str) -> None:
    letter = office.letter()
    assert callable(make)
    header = make(office)
    headers = {} if header is None else {"Authorization": header}
    client = office.client()
    for response in (
        client.post(f"{API}/messages", data=letter, content_type="application/xml", headers=headers),
        client.get(f"{API}/inbox", headers=headers),
        client.get(f"{API}/documents/{uuid4()}", headers=headers),
    ):
        problem_of(response, 401, name)
        assert challenge in response.headers["WWW-Authenticate"]
    assert stored(office) == (0, 0, 0)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[SmallExchange]:
    limits: dict[str, Any] = {
        "max_body_bytes": 200_000,
        "max_attachment_bytes": 70_000,
        "max_verification_bytes": 3_000_000,
    }
    with small_exchange(tmp_path / "narrow", **limits) as made:
        yield made


class CountingStream(io.RawIOBase):
    """A body that goes on for ever, and counts what was read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        size = min(len(buffer), 4096)
        buffer[:size] = b"a" * size
        self.count += size
        return size


def send_stream(
    office: SmallExchange, stream: CountingStream, path: str = "/messages", **environ: object
) -> tuple[str, dict[str, object]]:
    """Send a body that has no end; returns the status line and the problem."""
    made = create_environ(f"{API}{path}", method="POST", content_type="application/xml")
    made.pop("CONTENT_LENGTH", None)
    made |= {"HTTP_AUTHORIZATION": f"Bearer {office.token(SENDER)}", "wsgi.input": stream, **environ}
    body, status, _ = run_wsgi_app(office.application, made)
    return status, json.loads(b"".join(body))


def test_a_body_that_says_it_is_too_large_is_refused_unread(narrow: SmallExchange) -> None:
    stream = CountingStream()
    status, problem = send_stream(narrow, stream, CONTENT_LENGTH="200001")
    assert (status[:3], problem["type"]) == ("413", "urn:edoc:problem:too-large")
    assert stream.count == 0


def test_a_body_of_unknown_length_is_counted_as_it_comes(narrow: SmallExchange) -> None:
    stream = CountingStream()
    chunked: dict[str, Any] = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    status, problem = send_stream(narrow, stream, **chunked)
    assert (status[:3], problem["type"]) == ("413", "urn:edoc:problem:too-large")
    assert stream.count < 2_000_000
    assert stored(narrow) == (0, 0, 0)


def test_a_file_to_judge_may_be_larger_than_one_to_send(narrow: SmallExchange) -> None:
    letter = narrow.letter() + b" " * 2_500_000
    answer = desk(narrow, SENDER).post("/verifications", letter, "application/octet-stream")
    assert (answer.status_code, answer.json["size"]) == (200, len(letter))
    problem_of(desk(narrow, SENDER).post("/messages", letter), 413, "too-large")


def test_a_limit_that_an_export_of_the_largest_message_passes_is_no_setting(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"max_body_bytes": 200_000, "max_attachment_bytes": 70_000}
    assert load_settings(tmp_path, **sizes, max_verification_bytes=270_000).max_verification_bytes == 270_000
    with pytest.raises(SettingsError, match="EDOC_MAX_VERIFICATION_BYTES"):
        load_settings(tmp_path, **sizes, max_verification_bytes=269_999)


def test_a_file_too_large_to_judge_is_refused_unread_or_as_it_comes(narrow: SmallExchange) -> None:
    told, chunked = CountingStream(), CountingStream()
    status, _ = send_stream(narrow, told, "/verifications", CONTENT_LENGTH="3000001")
    assert (status[:3], told.count) == ("413", 0)
    endless = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    status, _ = send_stream(narrow, chunked, "/verifications", **endless)
    assert status[:3] == "413"
    assert 3_000_000 <= chunked.count < 5_000_000
    assert list(narrow.program.temporary_folder.iterdir()) == []


def test_a_file_larger_than_allowed_is_refused(narrow: SmallExchange) -> None:
    big: Attachment = attachment("to.bin", b"x" * 90_000)
    problem = problem_of(desk(narrow, SENDER).post("/messages", narrow.letter(big)), 422, "message")
    assert problem["errors"]
    assert stored(narrow) == (0, 0, 0)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=",
        "cursor=AAAA",
        "cursor=*********************!",
        "state=accepted",
        "since=yesterday",
        "since=2026-03-02T00:00:00",
        "priority=9",
        "sender=NOBODY",
        "sort=asc",
    ],
)
def test_a_query_that_makes_no_sense_is_told_which_part(ward: Desk, query: str) -> None:
    response = ward.get(f"/inbox?{query}")
    assert response.status_code == 422
    assert response.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/inbox?type=", "/inbox?sender=", "/inbox?cursor=", "/sent?cursor=", "/agencies?cursor="]
)
@pytest.mark.parametrize("text", ["%00", "a%00b", "%0A", "a%1F", "%7F"])
def test_a_query_with_control_characters_is_refused_before_the_database_sees_it(
    sender: Desk, path: str, text: str
) -> None:
    problem = problem_of(sender.get(path + text), 422, "invalid-request")
    [error] = problem["errors"]
    name = path.partition("?")[2].rstrip("=")
    assert (error["code"], error["field"], error["rule"]) == (f"M.{name}", name, "control_character")
    assert "leave the character out" in error["remedy"]


@pytest.mark.parametrize(
    "path", ["/documents/1", "/documents/../inbox/x", "/nothing", "/documents/01a20c99-ae33-7fb2-90d4-dd0f3ea1b514"]
)
def test_what_is_not_there_is_a_problem_too(ward: Desk, path: str) -> None:
    problem_of(ward.get(path), 404, "not-found")


def test_a_body_that_comes_too_slowly_is_to_be_sent_again(sender: Desk) -> None:
    class Slow(io.BytesIO):
        """A body whose bytes come so slowly that reading it is given up."""

        def readinto(self, _: object, /) -> int:
            raise TimeoutError("4 bytes came in 100 seconds")

        def read(self, _: int | None = -1, /) -> bytes:
            raise TimeoutError("4 bytes came in 100 seconds")

    response = sender.client.post(
        f"{API}/messages",
        headers={
            "Authorization": f"Bearer {sender.token}",
            "Content-Type": "application/xml",
        },
        input_stream=Slow(b"<edXML" * 100),
    )
    problem = problem_of(response, 408, "timeout")
    assert problem["detail"] == "the body did not come whole, or too slowly"


def test_another_method_is_told_which_are_allowed(ward: Desk) -> None:
    response = ward.client.delete(f"{API}/inbox")
    problem_of(response, 405, "method")
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"not json",
        b"{}",
        b"[]",
        b'{"recipients": []}',
        b'{"recipients": ["H29.901"], "unknown": 1}',
    ],
)
def test_a_bad_description_of_a_document_is_told_field_by_field(
    office: SmallExchange, sender: Desk, metadata: bytes
) -> None:
    parts = {"metadata": metadata.decode(), "file": FileStorage(io.BytesIO(PDF), "a.pdf")}
    problem = problem_of(sender.post_form("/documents", parts), 422, "invalid-request")
    assert problem["errors"]
    assert stored(office) == (0, 0, 0)


METADATA = {
    "recipients": [WARD],
    "code": {"number": "15", "notation": "CV-SVD"},
    "typeName": "Công văn",
    "subject": "Về việc ví dụ",
    "place": "TP. Hồ Chí Minh",
    "signer": {"fullName": "Nguyễn Văn Ví Dụ"},
    "files": [{"description": "Phụ lục"}],
}


@pytest.mark.parametrize(
    ("once", "twice", "field"),
    [
        ('"place":', '"subject": "Khác", "place":', "subject"),
        ('"number":', '"number": "16", "number":', "code.number"),
        ('"number":', '"n\\u0075mber": "16", "number":', "code.number"),
        ('"description":', '"description": "Khác", "description":', "files.0.description"),
        ('"place":', '"signer": {"x": 1, "x": 2}, "place":', "signer"),
        ('"place":', f'"priority": {"9" * 4000}, "priority": 1, "place":', "priority"),
    ],
)
def test_a_description_with_two_members_of_one_name_is_refused(
    office: SmallExchange, sender: Desk, once: str, twice: str, field: str
) -> None:
    good = json.dumps(METADATA, ensure_ascii=False)
    parts = {"metadata": changed(good, once, twice), "file": FileStorage(io.BytesIO(PDF), "a.pdf")}
    [error] = problem_of(sender.post_form("/documents", parts), 422, "invalid-request")["errors"]
    assert (error["field"], error["code"], error["rule"]) == (field, f"M.{field}", "single")
    assert stored(office) == (0, 0, 0)
    parts = {"metadata": good, "file": FileStorage(io.BytesIO(PDF), "a.pdf")}
    assert sender.post_form("/documents", parts).status_code == 201


@pytest.mark.parametrize("field", ["subject", "place", "typeName", "content"])
@pytest.mark.parametrize("text", ["\u202e", "\u200b \ufeff", "\u3164", "\xad"])
def test_a_description_in_which_nobody_sees_anything_is_refused(
    office: SmallExchange, sender: Desk, field: str, text: str
) -> None:
    parts = {"metadata": json.dumps(METADATA | {field: text}), "file": FileStorage(io.BytesIO(PDF), "a.pdf")}
    [error] = problem_of(sender.post_form("/documents", parts), 422, "invalid-request")["errors"]
    assert (error["field"], error["rule"]) == (field, "invisible_text")
    assert stored(office) == (0, 0, 0)


def test_the_scopes_for_sealing_are_both_needed(office: SmallExchange) -> None:
    only_send = desk(office, SENDER, ALL_SCOPES - {Scope.SEAL})
    problem_of(only_send.post_form("/documents", {"metadata": "{}"}), 403, "scope")
