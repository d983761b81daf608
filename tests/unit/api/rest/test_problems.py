"""Every error has an answer of one shape, and says no more than it should."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest, ImATeapot, MethodNotAllowed, NotFound, RequestTimeout

import api
import edoc
import keys
import schemas
import signing
from api.errors import ApiError
from api.rest.models import Problem
from api.rest.problems import KINDS, MOST_ERRORS, ProblemKind, kind_of
from api.rest.remedies import REMEDIES
from edoc.database.errors import DatabaseUnavailableError, RetryableError
from edoc.errors import ArchiveError, EdocError, ObjectCorruptError
from keys.errors import KeysError, KeyStoreError, PathError
from schemas.errors import SchemaError
from signing.errors import SigningError
from tests.support.exchange import SmallExchange
from tests.support.http import Desk, problem_of

NOT_OVER_HTTP = ("api.cli", "api.demonstration", "api.client")
"""Errors of what asks the service, or runs without it."""


def import_everything() -> None:
    for package in (api, edoc, keys, schemas, signing):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith((*NOT_OVER_HTTP, "edoc.database.migrations")):
                importlib.import_module(module.name)


def all_below(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for each in error.__subclasses__():
        yield from all_below(each)


def test_every_error_class_is_mapped() -> None:
    import_everything()
    classes = {
        each
        for base in (KeysError, SchemaError, SigningError, EdocError, ApiError)
        for each in all_below(base)
        if not each.__module__.startswith((*NOT_OVER_HTTP, "tests."))
    }
    assert len(classes) > 50
    assert {f"{each.__module__}.{each.__qualname__}" for each in classes - set(KINDS)} == set()


def kinds() -> list[ProblemKind]:
    return sorted({id(each): each for each in KINDS.values()}.values(), key=lambda each: each.name)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_problem_has_titles_in_both_languages(kind: ProblemKind) -> None:
    assert kind.vi
    assert kind.en
    assert kind.vi != kind.en
    assert kind.name == kind.name.lower()


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_problem_has_a_remedy_in_both_languages(kind: ProblemKind) -> None:
    assert kind.remedy.vi
    assert kind.remedy.en
    assert kind.remedy.vi != kind.remedy.en


def test_what_the_web_framework_refuses_has_a_remedy_too_and_no_remedy_is_without_a_problem() -> None:
    refused = [kind_of(each()) for each in (BadRequest, NotFound, MethodNotAllowed, RequestTimeout, ImATeapot)]
    assert all(each.remedy.en for each in refused)
    assert set(REMEDIES) == {each.name for each in (*kinds(), *refused)}


@pytest.mark.parametrize(("language", "remedy"), [("vi", REMEDIES["not-found"].vi), ("en", REMEDIES["not-found"].en)])
def test_the_remedy_is_in_the_language_of_the_title(office: SmallExchange, language: str, remedy: str) -> None:
    response = office.client().get("/nothing", headers={"Accept-Language": language})
    assert problem_of(response, 404, "not-found")["remedy"] == remedy


def test_each_error_names_its_rule(office: SmallExchange, sender: Desk) -> None:
    refused = problem_of(sender.post("/messages", office.letter(subject="Tuyệt mật")), 422, "refused")
    assert {each["rule"] for each in refused["errors"]} == {"allowed"}
    query = problem_of(sender.get("/inbox?limit=0&sort=asc"), 422, "invalid-request")
    assert {(each["field"], each["rule"]) for each in query["errors"]} == {
        ("limit", "greater_than_equal"),
        ("sort", "extra_forbidden"),
    }
    cursor = problem_of(sender.get("/inbox?cursor=AAAA"), 422, "invalid-request")
    assert [each["rule"] for each in cursor["errors"]] == ["allowed"]


def test_of_many_errors_a_page_is_told(sender: Desk) -> None:
    query = "&".join(f"unknown{number}=1" for number in range(300))
    assert len(problem_of(sender.get(f"/inbox?{query}"), 422, "invalid-request")["errors"]) == MOST_ERRORS


def test_a_seal_that_fails_names_the_rule_of_the_verifier(office: SmallExchange, sender: Desk) -> None:
    altered = office.letter().replace(b"<edXML:Place>", b"<edXML:Place>x", 1)
    refused = problem_of(sender.post("/messages", altered), 422, "refused")
    assert refused["errors"][0]["code"] == f"M.Signature.{refused['errors'][0]['rule']}"


def test_a_sender_that_nobody_is_is_named_with_its_field(ward: Desk) -> None:
    problem = problem_of(ward.get("/inbox?sender=NOBODY"), 422, "agency")
    assert problem["errors"] == [
        {
            "code": "M.sender",
            "field": "sender",
            "rule": "known",
            "reason": "no agency has the code NOBODY",
            "remedy": "use a code that the directory holds",
        }
    ]


def test_what_has_to_be_changed_is_told_even_where_no_field_is_named(
    office: SmallExchange, ward: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise PathError("the certificate ended")

    monkeypatch.setattr(office.exchange.directory, "current", fail)
    [error] = problem_of(ward.get("/agencies"), 422, "certificate")["errors"]
    assert (error["field"], error["rule"], error["reason"]) == ("body", "certificate", "the certificate ended")


def test_names_tell_problems_apart() -> None:
    names = [each.name for each in kinds()]
    assert len(names) == len(set(names))


def test_only_what_may_pass_is_to_be_tried_again() -> None:
    for kind in KINDS.values():
        assert (kind.retry_after is not None) == (kind.status is HTTPStatus.SERVICE_UNAVAILABLE), kind.name


@pytest.mark.parametrize(
    ("header", "title", "language"),
    [
        (None, "Không tìm thấy", "vi"),
        ("vi", "Không tìm thấy", "vi"),
        ("en-GB,en;q=0.9,vi;q=0.5", "Not found", "en"),
        ("fr", "Không tìm thấy", "vi"),
        ("vi;q=0.9,en;q=0.1", "Không tìm thấy", "vi"),
    ],
)
def test_the_title_is_in_the_language_asked_for(
    office: SmallExchange, header: str | None, title: str, language: str
) -> None:
    response = office.client().get("/nothing", headers={"Accept-Language": header} if header else {})
    assert problem_of(response, 404, "not-found")["title"] == title
    assert response.headers["Content-Language"] == language


def test_a_problem_is_what_its_description_says(office: SmallExchange, sender: Desk) -> None:
    body = sender.post("/messages", office.letter(subject="Tuyệt mật")).json
    Problem.model_validate(body)
    assert set(body) <= set(Problem.model_json_schema(by_alias=True)["properties"])


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (DatabaseUnavailableError("secret-host is down"), 503, "database-unavailable"),
        (RetryableError("secret-row is locked"), 503, "database-busy"),
        (ArchiveError("secret-bucket is away"), 503, "archive-unavailable"),
        (KeyStoreError("/secret/exchange.p12"), 500, "keys"),
        (RuntimeError("secret in a bug"), 500, "internal"),
    ],
)
def test_faults_of_the_exchange_are_logged_and_not_told(
    office: SmallExchange, ward: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, name: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(office.exchange.directory, "current", fail)
    response = ward.get("/agencies")
    problem = problem_of(response, status, name)
    assert "secret" not in response.get_data(as_text=True)
    assert response.headers["X-Request-ID"] in problem["detail"]
    assert ("Retry-After" in response.headers) == (status == HTTPStatus.SERVICE_UNAVAILABLE)


def test_damage_in_the_archive_is_told(office: SmallExchange, ward: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ObjectCorruptError("object 00 is not what was archived")

    monkeypatch.setattr(office.exchange.directory, "current", fail)
    assert "not what was archived" in problem_of(ward.get("/agencies"), 500, "archive-damaged")["detail"]


def test_pydantic_errors_have_the_same_shape(ward: Desk) -> None:
    assert KINDS[ValidationError].name == "invalid-request"
    problem = problem_of(ward.get("/inbox?limit=0&priority=x"), 422, "invalid-request")
    assert {(each["code"], each["field"]) for each in problem["errors"]} == {
        ("R.limit", "limit"),
        ("T.priority", "priority"),
    }


def test_every_problem_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[4] / "docs" / "rest.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d{3}) \| (.+?) \|", text, re.MULTILINE))
    refused = [kind_of(each()) for each in (BadRequest, NotFound, MethodNotAllowed, RequestTimeout)]
    for kind in (*KINDS.values(), *refused):
        assert f"`{kind.name}`" in rows[str(kind.status.value)], kind.name
