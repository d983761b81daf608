"""``/inbox`` and ``/sent``: what an agency received and sent, newest first."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.rest import examples
from api.rest.answers import BASE, SECURITY, described, json_answer, responses
from api.rest.authentication import caller
from api.rest.context import exchange
from api.rest.errors import UnknownAgencyParameterError
from api.rest.models import InboxItem, InboxPage, InboxQuery, Paging, SentItem, SentPage
from api.rest.paging import read_cursor, write_cursor
from edoc.access.tokens import Scope
from edoc.database.engine import read
from edoc.delivery import inbox
from edoc.directory.errors import UnknownAgencyError
from edoc.directory.model import Agency

blueprint = APIBlueprint(
    "mailboxes",
    __name__,
    url_prefix=BASE,
    abp_tags=[Tag(name="Receiving", description="Nhận văn bản")],
    abp_security=SECURITY,
)


@blueprint.get(
    "/inbox",
    operation_id="listInbox",
    responses=responses({200: described(InboxPage, "A page of deliveries", examples.INBOX)}, 401, 403),
)
def list_inbox(query: InboxQuery) -> Response:
    """List the deliveries to the caller's agency, newest first (scope receive).

    Looking at the list hands nothing over: that happens when content is first read.
    """
    who = caller(Scope.RECEIVE)
    wanted, before = _filter(query), read_cursor(query.cursor)
    with read(exchange().engine) as connection:
        page = inbox.list_inbox(connection, who.agency_id, wanted, before, query.limit)
    items = [InboxItem.model_validate(each) for each in page.items]
    return json_answer(InboxPage(items=items, next=write_cursor(page.next_before)))


@blueprint.get(
    "/sent",
    operation_id="listSent",
    responses=responses({200: described(SentPage, "A page of documents", examples.SENT)}, 401, 403),
)
def list_sent(query: Paging) -> Response:
    """List the documents that the caller's agency sent, newest first (scope send)."""
    who = caller(Scope.SEND)
    before = read_cursor(query.cursor)
    with read(exchange().engine) as connection:
        page = inbox.list_sent(connection, who.agency_id, before, query.limit)
    items = [SentItem.model_validate(each) for each in page.items]
    return json_answer(SentPage(items=items, next=write_cursor(page.next_before)))


def _filter(query: InboxQuery) -> inbox.DeliveryFilter:
    """What the query asks for.

    Raises:
        UnknownAgencyParameterError: nobody has the sender's code.
    """
    return inbox.DeliveryFilter(
        state=query.state,
        since=query.since,
        until=query.until,
        type_name=query.type,
        sender_id=None if query.sender is None else _find_sender(query.sender).id,
        priority=query.priority,
    )


def _find_sender(code: str) -> Agency:
    try:
        return exchange().directory.current().find(code)
    except UnknownAgencyError as error:
        raise UnknownAgencyParameterError("sender", code) from error
