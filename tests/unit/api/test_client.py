"""The client of the REST API where the exchange is away, busy, or something else."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.client import Client, ExchangeUnreachableError, RefusedByExchangeError, UnexpectedAnswerError

RECEIPT = {
    "kind": "document",
    "document": "d",
    "documentId": "H1,2026/01/01,1/CV",
    "messageSha256": "00",
    "acceptedAt": "2026-01-01T00:00:00Z",
    "deliveries": [{"id": "x", "recipientCode": "H2"}],
    "replayed": False,
    "receipt": "PGEvPg==",
}
PROBLEM = {"type": "urn:edoc:problem:refused", "title": "Refused", "detail": "no", "rejection": "PGIvPg=="}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def talking_to(*answers: httpx.Response | Exception) -> tuple[Client, list[httpx.Request]]:
    """A client whose exchange gives these answers, and the requests it gets."""
    left, requests = list(answers), list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        request.read()
        requests.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Client("http://exchange.test/", "edoc_token", transport=httpx.MockTransport(handle)), requests


def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"<m/>")
    exchange, requests = talking_to(
        httpx.ReadError("lost"), httpx.Response(503, json=PROBLEM), httpx.Response(201, json=RECEIPT)
    )
    receipt = exchange.submit(tmp_path / "m")
    assert receipt.evidence == b"<a/>"
    assert receipt.recipients == ("H2",)
    assert [request.content for request in requests] == [b"<m/>"] * 3
    assert requests[0].headers["Authorization"] == "Bearer edoc_token"
    assert requests[0].headers["Content-Length"] == "4"


def test_what_the_exchange_would_seal_anew_is_not_asked_for_twice() -> None:
    exchange, requests = talking_to(httpx.ReadError("lost"), httpx.Response(201, json=RECEIPT))
    with pytest.raises(ExchangeUnreachableError):
        exchange.submit_files({"subject": "x"}, [])
    assert len(requests) == 1


def test_a_refusal_is_told_once_with_its_evidence() -> None:
    exchange, requests = talking_to(httpx.Response(422, json=PROBLEM))
    with pytest.raises(RefusedByExchangeError, match="no") as caught:
        exchange.submit(b"<m/>")
    assert (caught.value.status, caught.value.kind, caught.value.rejection) == (422, "refused", b"<b/>")
    assert len(requests) == 1


def test_who_stays_away_is_given_up() -> None:
    exchange, requests = talking_to(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(ExchangeUnreachableError, match=r"exchange\.test"):
        exchange.inbox()
    assert len(requests) == 3


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<html>nothing here</html>"),
        httpx.Response(302, headers={"Location": "http://elsewhere.test/"}),
        httpx.Response(200, text="hello"),
        httpx.Response(200, json=["items"]),
        httpx.Response(200, json={"items": "none"}),
    ],
)
def test_what_is_no_exchange_is_called_so(answer: httpx.Response) -> None:
    exchange, _ = talking_to(answer)
    with pytest.raises(UnexpectedAnswerError):
        exchange.inbox()


@pytest.mark.parametrize("change", [{"receipt": "***"}, {"deliveries": None}, {"document": ...}])
def test_a_receipt_that_lacks_something_is_none(change: dict[str, object]) -> None:
    answer = {name: value for name, value in (RECEIPT | change).items() if value is not ...}
    exchange, _ = talking_to(httpx.Response(201, json=answer))
    with pytest.raises(UnexpectedAnswerError, match="receipt"):
        exchange.submit(b"<m/>")


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda exchange: exchange.document("../x"), "/api/v1/documents/..%2Fx"),
        (lambda exchange: exchange.inbox(state="03", cursor=None), "/api/v1/inbox?state=03"),
    ],
)
def test_identifiers_cannot_leave_their_place_in_the_path(call: Callable[[Client], object], path: str) -> None:
    exchange, requests = talking_to(httpx.Response(200, json={"items": [], "next": None}))
    call(exchange)
    assert requests[0].url.raw_path.decode() == path


def test_content_is_handed_on_as_it_comes() -> None:
    exchange, _ = talking_to(httpx.Response(200, content=b"x" * 1000))
    out, seen = io.BytesIO(), list[int]()
    exchange.export("d", out, seen.append)
    assert out.getvalue() == b"x" * 1000
    assert sum(seen) == 1000


def test_an_export_that_fails_says_why() -> None:
    exchange, _ = talking_to(httpx.Response(500, json=PROBLEM | {"type": "urn:edoc:problem:archive-damaged"}))
    with pytest.raises(RefusedByExchangeError) as caught:
        exchange.export("d", io.BytesIO())
    assert caught.value.kind == "archive-damaged"
