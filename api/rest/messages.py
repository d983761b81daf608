"""``/messages``: edXML messages as agencies seal them."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.rest import examples
from api.rest.answers import BASE, EDXML_TYPES, SECURITY, XML, described, request_body, responses
from api.rest.authentication import caller
from api.rest.models import Receipt
from api.rest.submissions import submit_body
from edoc.access.tokens import Scope

EDXML_BODY = {
    each: {"schema": {"type": "string", "contentMediaType": each}, "example": examples.EDXML} for each in EDXML_TYPES
}
SUBMISSION_ANSWERS = responses(
    {
        201: described(
            Receipt,
            "Taken on: archived, verified, consigned",
            examples.RECEIPT,
            **{XML: {"schema": {"type": "string"}}},
        ),
        200: described(
            Receipt,
            "The same bytes were taken on before: the same receipt",
            examples.RECEIPT | {"replayed": True},
            **{XML: {"schema": {"type": "string"}}},
        ),
    },
    400,
    401,
    403,
    404,
    409,
    413,
    415,
)

blueprint = APIBlueprint(
    "messages",
    __name__,
    url_prefix=BASE,
    abp_tags=[Tag(name="Sending", description="Gửi văn bản và trạng thái")],
    abp_security=SECURITY,
)


@blueprint.post(
    "/messages",
    operation_id="submitMessage",
    responses=SUBMISSION_ANSWERS,
    openapi_extensions=request_body("One edXML message, a document or a status, sealed by its sender", EDXML_BODY),
)
def submit_message() -> Response:
    """Submit an edXML message (scope send).

    The answer holds the sealed receipt; with `Accept: application/xml` it is the receipt itself. The same bytes again
    get the same receipt. A refused message gets a sealed SubmissionRejection in `rejection` of the problem.
    """
    return submit_body(caller(Scope.SEND))
