"""Lists: pages that neither lose nor repeat anything, and filters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from api.rest import models
from edoc.envelope.model import DocumentType, OtherInfo, Priority
from tests.support.exchange import DISTRICT, SENDER, WARD, SmallExchange
from tests.support.http import Desk, desk, problem_of
from tests.support.messages import document


def pages(who: Desk, path: str, limit: int, **query: str) -> Iterator[list[str]]:
    """The identifiers of each page, until there is no next one."""
    cursor: str | None = None
    for _ in range(50):
        given = query | {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        body = who.get(f"{path}?{urlencode(given)}").json
        yield [each["document"] if "document" in each else each["code"] for each in body["items"]]
        cursor = body["next"]
        if cursor is None:
            return


@pytest.mark.parametrize(("path", "who"), [("/inbox", WARD), ("/sent", SENDER)])
def test_pages_give_everything_once_newest_first(office: SmallExchange, sender: Desk, path: str, who: str) -> None:
    sent = []
    for _ in range(7):
        office.clock.advance(timedelta(seconds=1))
        sent.append(sender.submit(office.letter()))
    got = list(pages(desk(office, who), path, limit=3))
    assert [len(page) for page in got] == [3, 3, 1]
    assert [each for page in got for each in page] == sent[::-1]


def test_what_arrives_while_paging_moves_nothing(office: SmallExchange, sender: Desk, ward: Desk) -> None:
    first = [sender.submit(office.letter()) for _ in range(2)]
    page = ward.get("/inbox?limit=1").json
    office.clock.advance(timedelta(seconds=1))
    sender.submit(office.letter())
    following = ward.get(f"/inbox?limit=1&cursor={page['next']}").json
    assert {page["items"][0]["document"], following["items"][0]["document"]} == set(first)
    assert following["next"] is None


def test_a_cursor_of_another_agency_shows_nothing_of_it(office: SmallExchange, sender: Desk, stranger: Desk) -> None:
    for _ in range(3):
        sender.submit(office.letter())
    cursor = desk(office, WARD).get("/inbox?limit=1").json["next"]
    assert stranger.get(f"/inbox?cursor={cursor}").json == {"items": [], "next": None}


def test_an_item_has_the_fields_of_its_description(office: SmallExchange, sender: Desk, ward: Desk) -> None:
    sender.submit(office.letter())
    models.InboxPage.model_validate(ward.get("/inbox").json)
    models.SentPage.model_validate(sender.get("/sent").json)
    assert set(ward.get("/inbox").json["items"][0]) == set(
        models.InboxItem.model_json_schema(by_alias=True, mode="serialization")["properties"]
    )


def test_each_filter_narrows_the_inbox(office: SmallExchange, sender: Desk, ward: Desk) -> None:
    plain = sender.submit(office.letter())
    office.clock.advance(timedelta(hours=1))
    express = document(
        number="77", document_type=DocumentType("Công văn"), other_info=OtherInfo(priority=Priority.EXPRESS)
    )
    urgent = sender.submit(office.seal(express))
    ward.post_json("/status-messages", {"document": urgent, "code": "03"})

    def found(**query: str) -> set[str]:
        return {each["document"] for each in ward.get(f"/inbox?{urlencode(query)}").json["items"]}

    between = (office.clock() - timedelta(minutes=30)).isoformat()
    assert found() == {plain, urgent}
    assert found(state="consigned") == {plain}
    assert found(state="03") == {urgent}
    assert found(since=between) == {urgent}
    assert found(until=between) == {plain}
    assert found(type="Công văn") == {urgent}
    assert found(priority="3") == {urgent}
    assert found(sender=SENDER) == found(sender="000.09.00.H29") == {plain, urgent}
    assert found(sender=DISTRICT) == set()
    assert found(type="Công văn", state="consigned") == set()


def test_the_directory_is_listed_page_by_page(ward: Desk) -> None:
    got = list(pages(ward, "/agencies", limit=2))
    assert [each for page in got for each in page] == ["H29", "H29.900", "H29.901", "H29.902", "H29.903"]
    body = ward.get("/agencies?kind=ward").json
    models.AgenciesPage.model_validate(body)
    assert [(each["code"], each["parent"], each["aliases"]) for each in body["items"]] == [
        ("H29.901", "H29", ["000.09.01.H29"])
    ]


def test_the_directory_needs_a_token(office: SmallExchange) -> None:
    problem_of(office.client().get("/api/v1/agencies"), 401, "token-missing")
