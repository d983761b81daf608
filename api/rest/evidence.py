"""``/documents/{id}/evidence``: what the exchange states, sealed, about a document."""

from __future__ import annotations

import io
from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.rest import examples
from api.rest.answers import BASE, SECURITY, XML, binary, described, json_answer, responses
from api.rest.authentication import caller
from api.rest.context import exchange
from api.rest.downloads import Content, send
from api.rest.models import DigestPath, DocumentPath, Evidence, EvidenceList
from edoc.access.errors import NotYoursError
from edoc.database.engine import read
from edoc.documents.views import EvidenceView, find_document, list_evidence
from edoc.evidence.rows import read_body

blueprint = APIBlueprint(
    "evidence",
    __name__,
    url_prefix=BASE,
    abp_tags=[Tag(name="Proof", description="Chứng cứ")],
    abp_security=SECURITY,
)


@blueprint.get(
    "/documents/<uuid:document>/evidence",
    operation_id="listEvidence",
    responses=responses({200: described(EvidenceList, "The evidence", examples.EVIDENCE)}, 401, 404),
)
def list_document_evidence(path: DocumentPath) -> Response:
    """List the evidence of a document, in the order it was issued."""
    return json_answer(EvidenceList(items=[_item(path.document, each) for each in _find(path.document)]))


@blueprint.get(
    "/documents/<uuid:document>/evidence/<sha256>",
    operation_id="getEvidence",
    responses=responses({200: binary("The sealed evidence", XML)}, 401, 404, 412, 416),
)
def get_evidence(path: DigestPath) -> Response:
    """Read a piece of evidence as it was sealed, byte for byte."""
    for each in _find(path.document):
        if each.sha256 == path.sha256:
            return send(_content(each))
    raise NotYoursError("there is no such evidence of this document")


def _find(pk: UUID) -> tuple[EvidenceView, ...]:
    who = caller()
    with read(exchange().engine) as connection:
        return list_evidence(connection, find_document(connection, pk, who))


def _item(pk: UUID, evidence: EvidenceView) -> Evidence:
    link = f"{BASE}/documents/{pk}/evidence/{evidence.sha256}"
    return Evidence.model_validate(vars(evidence) | {"type": evidence.type.value, "link": link})


def _content(evidence: EvidenceView) -> Content:
    body = read_body(exchange().store, evidence.body, evidence.sha256)

    def open_body(start: int, length: int | None) -> io.BytesIO:
        return io.BytesIO(body[start : None if length is None else start + length])

    name = f"{evidence.type.value}-{evidence.sha256[:12]}.xml"
    return Content(len(body), evidence.sha256, XML, name, open_body)
