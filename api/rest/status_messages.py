"""``/status-messages``: business states told about documents."""

from __future__ import annotations

from uuid import UUID

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.rest import examples
from api.rest.answers import (
    BASE,
    EDXML_TYPES,
    JSON,
    SECURITY,
    XML,
    binary,
    described,
    json_answer,
    request_body,
    responses,
    schema_reference,
)
from api.rest.authentication import caller
from api.rest.context import exchange
from api.rest.downloads import Content, send
from api.rest.errors import invalid
from api.rest.json_bodies import read_body
from api.rest.messages import EDXML_BODY, SUBMISSION_ANSWERS
from api.rest.models import DigestPath, DocumentPath, Status, StatusInput, StatusList
from api.rest.submissions import require_plain_coding, seal_of, submit_body, submit_sealed
from edoc.access.errors import NotYoursError
from edoc.access.tokens import Principal, Scope
from edoc.database.engine import read
from edoc.documents.views import DocumentView, StatusView, find_document, list_statuses
from edoc.envelope.model import Organization, ResponseFor, StatusMessage
from edoc.vietnam import vietnam_time
from schemas.codelists import CodeListName, code_list

blueprint = APIBlueprint(
    "status_messages",
    __name__,
    url_prefix=BASE,
    abp_tags=[Tag(name="States", description="Trạng thái xử lý")],
    abp_security=SECURITY,
)


@blueprint.post(
    "/status-messages",
    operation_id="reportStatus",
    responses=SUBMISSION_ANSWERS,
    openapi_extensions=request_body(
        "A sealed edXML status message, or JSON for callers whose seal the exchange holds",
        {JSON: {"schema": schema_reference(StatusInput), "example": examples.STATUS}, **EDXML_BODY},
    ),
)
def report_status() -> Response:
    """Tell a business state of a document (scope send; with JSON also scope seal).

    JSON is turned into a status message and sealed with the agency's seal that the exchange holds.
    """
    if request.mimetype != JSON:
        return submit_body(caller(Scope.SEND))
    who = caller(Scope.SEND, Scope.SEAL)
    require_plain_coding(JSON, *EDXML_TYPES)
    key = seal_of(who)
    wanted = read_body(StatusInput)
    _check_code(wanted.code)
    with read(exchange().engine) as connection:
        document = find_document(connection, wanted.document, who)
    return submit_sealed(_status_message(document, wanted, who), key, who)


@blueprint.get(
    "/documents/<uuid:document>/status-messages",
    operation_id="listStatusMessages",
    responses=responses({200: described(StatusList, "The states told", examples.STATUSES)}, 401, 404),
)
def list_status_messages(path: DocumentPath) -> Response:
    """List the states told about a document, in the order they came."""
    _, statuses = _find(path.document)
    items = [Status.model_validate(vars(each) | {"link": _link(path.document, each)}) for each in statuses]
    return json_answer(StatusList(items=items))


@blueprint.get(
    "/documents/<uuid:document>/status-messages/<sha256>",
    operation_id="getStatusMessage",
    responses=responses({200: binary("The message as it was received", XML)}, 401, 404, 412, 416),
)
def get_status_message(path: DigestPath) -> Response:
    """Read a status message as it was received, byte for byte."""
    _, statuses = _find(path.document)
    for each in statuses:
        if each.message_sha256 == path.sha256:
            return send(_content(each))
    raise NotYoursError("there is no such status message of this document")


def _check_code(code: str) -> None:
    """What the exchange writes itself is of the list; what others have sealed may know more codes.

    Raises:
        InvalidRequestError: the list of states has no such code.
    """
    known = code_list(CodeListName.STATUS_CODES).by_code
    if code not in known:
        raise invalid("code", f"there is no state {code}", f"use one of {', '.join(known)}", "known")


def _find(pk: UUID) -> tuple[DocumentView, tuple[StatusView, ...]]:
    who = caller()
    with read(exchange().engine) as connection:
        document = find_document(connection, pk, who)
        return document, list_statuses(connection, document)


def _content(status: StatusView) -> Content:
    store, sha256 = exchange().store, status.message_sha256
    found = store.stat(sha256)
    return Content(
        size=0 if found is None else found.size,
        sha256=sha256,
        media_type=XML,
        file_name=f"status-{status.code}-{sha256[:12]}.edxml",
        open=lambda start, length: store.open(sha256, start, length),
    )


def _link(pk: UUID, status: StatusView) -> str:
    return f"{BASE}/documents/{pk}/status-messages/{status.message_sha256}"


def _status_message(document: DocumentView, wanted: StatusInput, who: Principal) -> StatusMessage:
    """The status from the caller to the other side of the delivery.

    Raises:
        InvalidRequestError: the sender does not say which recipient is meant, or names one that did not get it.
    """
    agency = exchange().directory.current().agencies[who.agency_id]
    return StatusMessage(
        sender=Organization(organ_id=agency.code, organ_name=agency.name),
        response_for=ResponseFor(
            organ_id=_addressee(document, wanted, who),
            code=f"{document.number}/{document.notation}",
            document_id=document.document_id,
            promulgation_date=document.promulgation_date,
        ),
        status_code=wanted.code,
        timestamp=vietnam_time(exchange().clock()).replace(microsecond=0),
        description=wanted.description,
    )


def _addressee(document: DocumentView, wanted: StatusInput, who: Principal) -> str:
    if who.agency_id != document.sender_id:
        return document.sender_code
    codes = [delivery.recipient_code for delivery in document.deliveries]
    if wanted.recipient is None and len(codes) == 1:
        return codes[0]
    if wanted.recipient not in codes:
        raise invalid("recipient", "the document was not sent to this agency", f"name one of {', '.join(codes[:20])}")
    return wanted.recipient
