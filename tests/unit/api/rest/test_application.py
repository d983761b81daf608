"""What holds for every answer: identifiers, headers, health, the log, the description and its pages."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openapi_spec_validator
import pytest
import structlog

from api.app import STATIC
from api.config import LogFormat
from api.observability import READY_FREE_BYTES, configure_log
from api.rest import examples, models
from tests.support.exchange import SENDER, SmallExchange, settings_of
from tests.support.http import Desk

DOCUMENTATION = Path(__file__).parents[4] / "docs"


@pytest.fixture
def specification(office: SmallExchange) -> dict[str, Any]:
    body: dict[str, Any] = office.client().get("/api/v1/openapi.json").get_json()
    return body


def test_a_request_keeps_the_identifier_it_came_with(office: SmallExchange) -> None:
    response = office.client().get("/health/live", headers={"X-Request-ID": "trace-1.a_B"})
    assert response.headers["X-Request-ID"] == "trace-1.a_B"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "é"])
def test_an_identifier_that_could_do_harm_is_replaced(office: SmallExchange, given: str) -> None:
    response = office.client().get("/health/live", headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


@pytest.mark.parametrize("path", ["/health/live", "/api/docs", "/nothing", "/api/v1/inbox", "/static/docs/docs.js"])
def test_every_answer_is_guarded(office: SmallExchange, path: str) -> None:
    with office.client().get(path) as response:
        headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http" not in headers["Content-Security-Policy"]


def test_what_is_the_agencys_own_may_not_be_kept(ward: Desk) -> None:
    for path in ("/inbox", "/sent", "/agencies"):
        assert ward.get(path).headers["Cache-Control"] == "no-store"


def checks(office: SmallExchange) -> tuple[int, dict[str, tuple[bool, str]]]:
    response = office.client().get("/health/ready")
    body = response.get_json()
    models.Health.model_validate(body)
    return response.status_code, {each["name"]: (each["ok"], each["reason"]) for each in body["checks"]}


def test_a_sound_exchange_is_ready(office: SmallExchange) -> None:
    status, found = checks(office)
    assert status == 200
    assert {name for name, (ok, _) in found.items() if ok} == {
        "database",
        "archive",
        "archive_lock",
        "disk",
        "trust",
        "seal",
        "outbox",
    }


def test_readiness_tells_the_end_of_the_seal_and_of_the_revocation_data_apart(office: SmallExchange) -> None:
    _, found = checks(office)
    certificate = office.exchange.issuer.key.certificate
    crls = office.program.trust.material.revocation.crls
    assert found["seal"][1].endswith(f"ends at {certificate.not_valid_after_utc.isoformat()}")
    renewal = min(each.next_update_utc for each in crls if each.next_update_utc is not None)
    assert renewal < certificate.not_valid_after_utc
    assert found["trust"][1].endswith(f"renewed by {renewal.isoformat()}")


def test_stale_revocation_data_is_told_by_readiness(office: SmallExchange) -> None:
    office.clock.advance(timedelta(days=40))
    status, found = checks(office)
    assert status == 503
    assert not found["trust"][0]
    assert "CRL" in found["trust"][1]
    assert not found["seal"][0]
    assert office.client().get("/health/live").status_code == 200


def test_a_full_disk_is_told_by_readiness(office: SmallExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, ready in ((READY_FREE_BYTES - 1, False), (READY_FREE_BYTES, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        status, found = checks(office)
        assert (status, found["disk"][0]) == ((200, True) if ready else (503, False))


def test_a_folder_that_cannot_be_written_is_told_by_readiness(office: SmallExchange) -> None:
    folder = office.program.temporary_folder
    kept = folder.rename(folder.with_name("kept"))
    folder.touch()
    try:
        status, found = checks(office)
    finally:
        folder.unlink()
        kept.rename(folder)
    assert (status, found["disk"][0]) == (503, False)
    assert "nothing can be written" in found["disk"][1]
    assert checks(office)[0] == 200
    assert list(folder.iterdir()) == []


def test_a_revoked_seal_of_the_exchange_is_told_by_readiness(office: SmallExchange) -> None:
    office.authority.revoke(office.exchange.issuer.key.certificate.serial_number, at=office.clock())
    office.clock.advance(timedelta(seconds=10))
    office.renew_crls()
    office.program.trust.refresh()
    status, found = checks(office)
    assert (status, found["seal"][0]) == (503, False)
    assert "revoked" in found["seal"][1]


def test_the_log_names_the_request_and_holds_no_secret(office: SmallExchange, tmp_path: Path) -> None:
    stream = io.StringIO()
    previous = structlog.get_config()
    try:
        configure_log(settings_of(tmp_path, log_format=LogFormat.JSON), stream)
        token = office.token(SENDER)
        response = office.client().get(
            "/api/v1/inbox?sender=H29.900",
            headers={"Authorization": f"Bearer {token}", "X-Request-ID": "trace-1"},
        )
    finally:
        structlog.configure(**previous)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (line,) = [each for each in lines if each["event"] == "request"]
    assert (line["request_id"], line["method"], line["path"]) == ("trace-1", "GET", "/api/v1/inbox")
    assert (line["status"], line["agency"]) == (response.status_code, SENDER)
    assert token not in stream.getvalue()
    assert "sender=" not in stream.getvalue()


def operations(specification: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in specification["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_described(office: SmallExchange, specification: dict[str, Any]) -> None:
    undescribed = {"/static/{filename}", "/api/v1/openapi.json", "/api/docs"}
    routes = {
        f"{method} {path}"
        for rule in office.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if (path := re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)) not in undescribed
    }
    assert set(operations(specification)) == routes


def test_every_operation_says_what_it_takes_and_gives(specification: dict[str, Any]) -> None:
    assert specification["openapi"].startswith("3.1")
    for name, operation in operations(specification).items():
        assert operation["summary"], name
        assert operation["tags"], name
        assert "500" in operation["responses"], name
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (name, parameter["name"])
        if "/health/" not in name:
            assert operation["security"] == [{"token": []}], name
            assert "401" in operation["responses"], name
        if name.startswith("POST"):
            assert operation["requestBody"]["content"], name
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            for media_type, content in response.get("content", {}).items():
                if media_type.endswith("json"):
                    assert content["example"], (name, status)


def test_the_description_refers_only_to_what_it_holds(specification: dict[str, Any]) -> None:
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(specification)))
    assert referred <= set(specification["components"]["schemas"])


def test_the_description_is_openapi(specification: dict[str, Any]) -> None:
    openapi_spec_validator.validate(specification)


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        (models.Receipt, examples.RECEIPT),
        (models.InboxPage, examples.INBOX),
        (models.SentPage, examples.SENT),
        (models.Document, examples.DOCUMENT),
        (models.EvidenceList, examples.EVIDENCE),
        (models.StatusList, examples.STATUSES),
        (models.Verification, examples.VERIFICATION),
        (models.AgenciesPage, examples.AGENCIES),
        (models.Health, examples.HEALTH),
        (models.DocumentInput, examples.METADATA),
        (models.StatusInput, examples.STATUS),
    ],
)
def test_every_example_has_its_shape(shape: type[models.Shape], example: dict[str, Any]) -> None:
    made = shape.model_validate(example)
    dumped = made.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert set(dumped) == set(example)


def test_every_route_is_in_the_documentation(specification: dict[str, Any]) -> None:
    text = (DOCUMENTATION / "rest.md").read_text(encoding="utf-8")
    for name in operations(specification):
        assert f"`{name.replace('/api/v1', '')}`" in text, name


def test_the_pages_of_the_description_come_from_here_alone(office: SmallExchange) -> None:
    client = office.client()
    page = client.get("/api/docs").get_data(as_text=True)
    assert re.search(r"<script(?![^>]*\bsrc=)", page) is None
    assert re.search(r"\son\w+=|style=|(?:src|href)=\"(?:https?:)?//", page) is None
    for path in re.findall(r"(?:src|href)=\"(\.\./[^\"]+)\"", page):
        with client.get(path.removeprefix("..")) as response:
            assert response.status_code == 200, path


def test_the_vendored_files_are_those_of_the_manifest() -> None:
    vendor = STATIC / "vendor"
    manifest = json.loads((vendor / "manifest.json").read_text(encoding="utf-8"))
    listed: dict[str, str] = {}
    for package in manifest["packages"]:
        assert package["name"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert any("LICENSE" in each["path"] for each in package["files"])
        listed |= {each["path"]: each["sha256"] for each in package["files"]}
    present = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert present == listed


@pytest.mark.parametrize("form", LogFormat)
def test_the_log_of_a_failure_holds_no_token_no_parameter_and_no_variable(
    office: SmallExchange, tmp_path: Path, form: LogFormat
) -> None:
    stream, previous = io.StringIO(), structlog.get_config()
    token = office.token(SENDER)
    with office.exchange.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE access_token RENAME TO access_token_away")
    try:
        configure_log(settings_of(tmp_path, log_format=form), stream)
        answer = office.client().get("/api/v1/inbox", headers={"Authorization": f"Bearer {token}"})
    finally:
        structlog.configure(**previous)
    log = stream.getvalue()
    assert answer.status_code >= 500
    assert "request failed" in log
    assert "no such table: access_token" in log
    secret = token.removeprefix("edoc_")
    for told in (secret[:12], hashlib.sha256(token.encode()).hexdigest()[:12], "parameters: ("):
        assert told not in log


def test_readiness_tells_that_the_file_of_the_database_is_gone(office: SmallExchange) -> None:
    file = office.program.settings.sqlite_file
    assert file is not None
    kept = file.rename(file.with_name("kept"))
    status, found = checks(office)
    kept.rename(file)
    assert (status, found["database"][0]) == (503, False)
    assert "put the right file back" in found["database"][1]
    assert checks(office)[0] == 200
