"""What an agency does over HTTP, without a network: requests to the web application under the agency's token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse, encode_multipart

from edoc.access.tokens import Scope
from edoc.database.engine import read
from edoc.database.tables import DeliveryRow, DocumentRow, StatusReportRow
from tests.support.exchange import ALL_SCOPES, SmallExchange

API = "/api/v1"


class Answer(TestResponse):
    """An answer to a request, whose JSON may be taken apart."""

    if TYPE_CHECKING:

        @property
        def json(self) -> Any: ...  # noqa: ANN401 - whatever was answered


@dataclass(frozen=True)
class Desk:
    """An agency's desk."""

    client: FlaskClient
    token: str

    def get(self, path: str, **headers: str) -> Answer:
        """Read something below ``/api/v1``; underscores in names of headers stand for hyphens."""
        return cast(Answer, self.client.get(API + path, headers=self._headers(headers)))

    def head(self, path: str, **headers: str) -> Answer:
        """Ask for the headers alone."""
        return cast(Answer, self.client.head(API + path, headers=self._headers(headers)))

    def post(self, path: str, data: bytes, content_type: str | None = "application/xml", **headers: str) -> Answer:
        """Send a body."""
        return cast(
            Answer, self.client.post(API + path, data=data, content_type=content_type, headers=self._headers(headers))
        )

    def post_json(self, path: str, body: object) -> Answer:
        """Send JSON."""
        return cast(Answer, self.client.post(API + path, json=body, headers=self._headers({})))

    def post_form(self, path: str, parts: Mapping[str, Any]) -> Answer:
        """Send a form with files."""
        boundary, body = encode_multipart(parts)
        return self.post(path, body, f"multipart/form-data; boundary={boundary}")

    def submit(self, message: bytes) -> str:
        """Send a sealed message, which must be taken on; returns the document's identifier."""
        response = self.post("/messages", message)
        assert response.status_code == 201, response.get_data(as_text=True)
        return str(response.json["document"])

    def _headers(self, given: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in given.items()}
        return {"Authorization": f"Bearer {self.token}"} | named


def desk(office: SmallExchange, code: str, scopes: frozenset[Scope] = ALL_SCOPES) -> Desk:
    """The desk of an agency, with a new token."""
    return Desk(office.client(), office.token(code, scopes))


def problem_of(response: TestResponse, status: int, name: str) -> dict[str, Any]:
    """The problem that a request was answered with, which must have this status and type, and be well formed."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/problem+json"
    problem: dict[str, Any] = response.get_json()
    assert problem["type"] == f"urn:edoc:problem:{name}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == f"urn:edoc:request:{response.headers['X-Request-ID']}"
    assert problem["remedy"]
    assert (status != HTTPStatus.UNPROCESSABLE_ENTITY) or problem["errors"]
    for item in problem.get("errors", []):
        assert {"code", "field", "rule", "reason", "remedy"} == set(item)
        assert all(item.values())
    return problem


def stored(office: SmallExchange) -> tuple[int, int, int]:
    """How many documents, deliveries and status reports the exchange holds."""
    with read(office.exchange.engine) as connection:
        documents, deliveries, reports = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (DocumentRow, DeliveryRow, StatusReportRow)
        )
    return documents, deliveries, reports
