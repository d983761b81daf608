"""Writing answers, and describing them for OpenAPI."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, json
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel

from api.rest.models import Problem
from api.rest.problems import MEDIA_TYPE
from api.rest.remedies import REMEDIES

BASE: Final = "/api/v1"
JSON: Final = "application/json"
XML: Final = "application/xml"
EDXML_TYPES: Final = ("application/vnd.edxml+xml", "application/xml", "text/xml", "application/octet-stream")
ASICE: Final = "application/vnd.etsi.asic-e+zip"
SECURITY: Final[list[dict[str, list[str]]]] = [{"token": []}]

PROBLEM_EXAMPLE: Final = {
    "type": "urn:edoc:problem:refused",
    "title": "Văn bản bị từ chối",
    "status": 422,
    "detail": "N.Signature at edXMLHeader/Signature: the message carries no seal of the sending agency",
    "instance": "urn:edoc:request:5f2b6a0c9d4e4f3f8a0d1c2b3a495867",
    "remedy": REMEDIES["refused"].vi,
    "errors": [
        {
            "code": "N.Signature",
            "field": "edXMLHeader/Signature",
            "rule": "required",
            "reason": "the message carries no seal of the sending agency",
            "remedy": "seal the message with the agency's key before sending it",
        }
    ],
}
_TOO_LARGE: Final = 413
_NO_SUCH_RANGE: Final = 416
_PROBLEMS: Final = {
    400: "The request, or the XML in it, cannot be read",
    401: "The token is missing or not valid",
    403: "The token does not allow this",
    404: "There is no such thing, or your agency has no part in it",
    408: "The body did not come whole, or too slowly",
    409: "It contradicts what was accepted before",
    412: "The content is not what If-Match names",
    413: "The body is larger than the exchange takes",
    415: "The media type is not taken here",
    416: "The range lies outside the content",
    422: "Something in the request is not valid, or the message is refused",
    500: "The exchange has failed; the log says why",
    503: "Something that the exchange depends on is unavailable; try again later",
}


def json_answer(body: BaseModel | dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON that nobody may keep."""
    text = body.model_dump_json(by_alias=True) if isinstance(body, BaseModel) else json.dumps(body)
    response = Response(text, status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if headers:
        response.headers.extend(headers)
    return response


def xml_answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in XML, as it was sealed."""
    response = Response(body, status, mimetype=XML)
    response.headers["Cache-Control"] = "no-store"
    if headers:
        response.headers.extend(headers)
    return response


def responses(found: dict[int, dict[str, Any]], *problem_statuses: int) -> ResponseDict:
    """The description of all answers of a route: what it gives, and its problems beside those that every route has.

    A route that may find a body too large may find it too slow, and one that knows ranges may give a part.
    """
    if _TOO_LARGE in problem_statuses:
        problem_statuses = (*problem_statuses, 408)
    if _NO_SUCH_RANGE in problem_statuses:
        found = found | {304: {"description": "The content is what If-None-Match names"}}
        found = found | {206: found[200] | {"description": f"{found[200]['description']}: the range asked for"}}
    described_problems: dict[int, dict[str, Any]] = {
        status: {
            "description": _PROBLEMS[status],
            "content": {
                MEDIA_TYPE: {"schema": schema_reference(Problem), "example": PROBLEM_EXAMPLE | {"status": status}}
            },
        }
        for status in sorted({*problem_statuses, 422, 500, 503})
    }
    answers: ResponseDict = dict((described_problems | found).items())
    return answers


def binary(description: str, *media_types: str) -> dict[str, Any]:
    """The description of an answer in bytes."""
    content = {each: {"schema": {"type": "string", "contentMediaType": each}} for each in media_types}
    return {"description": description, "content": content}


def described(model: type[BaseModel], description: str, example: object, **more: dict[str, Any]) -> dict[str, Any]:
    """The description of an answer in JSON of a shape that a blueprint has registered."""
    content = {"application/json": {"schema": schema_reference(model), "example": example}, **more}
    return {"description": description, "content": content}


def request_body(description: str, content: dict[str, Any]) -> dict[str, Any]:
    """The description of a body that the view reads as a stream."""
    return {"requestBody": {"description": description, "required": True, "content": content}}


def schema_reference(model: type[BaseModel]) -> dict[str, str]:
    """A reference to the schema of a model."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}
