"""``/documents``: a document, its message, its files and its export; and sending one that the exchange seals."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import BinaryIO, cast
from uuid import UUID

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from werkzeug.exceptions import MethodNotAllowed, RequestEntityTooLarge

from api.rest import examples
from api.rest.answers import (
    ASICE,
    BASE,
    SECURITY,
    binary,
    described,
    json_answer,
    request_body,
    responses,
    schema_reference,
)
from api.rest.authentication import caller
from api.rest.context import exchange, program
from api.rest.downloads import OCTETS, Content, disposition, safe_media_type, send
from api.rest.drafts import build_document
from api.rest.errors import invalid
from api.rest.json_bodies import read_json
from api.rest.messages import SUBMISSION_ANSWERS
from api.rest.models import AttachmentPath, Document, DocumentInput, DocumentPath
from api.rest.submissions import require_media_type, seal_of, submit_sealed
from edoc.access.errors import NotYoursError
from edoc.access.tokens import Principal, Scope
from edoc.database.engine import read
from edoc.documents.content import hand_over, open_attachment, open_message
from edoc.documents.views import DocumentView, find_document
from edoc.export.container import export_document
from signing.xml import CHUNK_BYTES

EDXML = "application/vnd.edxml+xml"
_MULTIPART = "multipart/form-data"
_PARTS = {
    _MULTIPART: {
        "schema": {
            "type": "object",
            "required": ["metadata"],
            "properties": {
                "metadata": schema_reference(DocumentInput),
                "file": {"type": "array", "items": {"type": "string", "contentMediaType": OCTETS}},
            },
        },
        "encoding": {"metadata": {"contentType": "application/json"}},
        "example": {"metadata": examples.METADATA, "file": []},
    }
}

_PROBLEMS = (401, 403, 404, 409, 412, 416)
"""Of content."""

blueprint = APIBlueprint(
    "documents",
    __name__,
    url_prefix=BASE,
    abp_tags=[Tag(name="Documents", description="Văn bản")],
    abp_security=SECURITY,
)


@blueprint.post(
    "/documents",
    operation_id="sendDocument",
    responses=SUBMISSION_ANSWERS,
    openapi_extensions=request_body(
        "Part `metadata` describes the document; each part `file` is a file, in their order", _PARTS
    ),
)
def send_document() -> Response:
    """Send a document that the exchange seals with the agency's seal (scopes send and seal).

    For agencies whose seal the exchange holds. What is sent is the same edXML message that the agency would have
    made itself; the receipt, and everything later, is the same. The seal tells its time, so the same form again is
    another message: it gets 409, whose `document` says where the document is that was taken on.
    """
    who = caller(Scope.SEND, Scope.SEAL)
    require_media_type(_MULTIPART)
    key = seal_of(who)
    with closing(request):  # the files
        _read_form()
        _check_parts()
        metadata = request.form.get("metadata")
        if metadata is None:
            raise invalid(
                "metadata", "the part is missing", "describe the document in a part `metadata`, in JSON", "required"
            )
        wanted = read_json(DocumentInput, metadata)
        directory, now = exchange().directory.current(), exchange().clock()
        message = build_document(wanted, request.files.getlist("file"), directory, who, now)
        return submit_sealed(message, key, who)


@blueprint.get(
    "/documents/<uuid:document>",
    operation_id="getDocument",
    responses=responses({200: described(Document, "The document", examples.DOCUMENT)}, 401, 404),
)
def get_document(path: DocumentPath) -> Response:
    """Read what is known of a document.

    The sender and auditors see all deliveries, a recipient its own. No content goes out, so nothing is handed over.
    """
    document, _ = _find(path.document)
    link = f"{BASE}/documents/{document.pk}"
    links = {
        "message": f"{link}/message",
        "evidence": f"{link}/evidence",
        "statusMessages": f"{link}/status-messages",
        "export": f"{link}/export",
        **{f"attachment-{each.position}": f"{link}/attachments/{each.position}" for each in document.attachments},
    }
    return json_answer(
        Document.model_validate(asdict(document) | {"perspective": document.perspective.value, "links": links})
    )


@blueprint.get(
    "/documents/<uuid:document>/message",
    operation_id="getMessage",
    responses=responses({200: binary("The message", EDXML), 206: binary("A range of it", EDXML)}, *_PROBLEMS),
)
def get_message(path: DocumentPath) -> Response:
    """Read the message as it was received, byte for byte (a recipient needs scope receive).

    The first reading by a recipient hands the document over: the exchange seals a ContentHandover.
    """
    document, who = _find(path.document)
    content = Content(
        document.message_size,
        document.message_sha256,
        EDXML,
        f"{document.number}-{document.notation}.edxml".replace("/", "-"),
        partial(open_message, exchange(), document),
    )
    return send(content, before=partial(hand_over, exchange(), document, who))


@blueprint.get(
    "/documents/<uuid:document>/attachments/<int:position>",
    operation_id="getAttachment",
    responses=responses({200: binary("The file", OCTETS), 206: binary("A range of it", OCTETS)}, *_PROBLEMS),
)
def get_attachment(path: AttachmentPath) -> Response:
    """Read a file of a document (a recipient needs scope receive); hands it over as reading the message does."""
    document, who = _find(path.document)
    for each in document.attachments:
        if each.position == path.position:
            content = Content(
                each.size,
                each.sha256,
                safe_media_type(each.media_type),
                each.name,
                partial(open_attachment, exchange(), document, each),
            )
            return send(content, before=partial(hand_over, exchange(), document, who))
    raise NotYoursError("the document has no such file")


@blueprint.get(
    "/documents/<uuid:document>/export",
    operation_id="exportDocument",
    responses=responses({200: binary("An ASiC-E container, sealed by the exchange", ASICE)}, 401, 403, 404, 409),
)
def get_export(path: DocumentPath) -> Response:
    """Export a document with all that proves it, to be checked offline: message, files, evidence, states, CRLs.

    Hands a recipient the content over, as reading the message does. There is no HEAD of it (405).
    """
    document, who = _find(path.document)
    if request.method == "HEAD":  # its size is known only once it is made, with the handover in it
        raise MethodNotAllowed(["GET", "OPTIONS"], "an export is made when it is read: use GET")
    hand_over(exchange(), document, who)
    document, _ = _find(path.document)  # again, since the handover belongs into it
    file = cast(BinaryIO, tempfile.TemporaryFile(dir=program().temporary_folder))  # noqa: SIM115 - closed with the response
    try:
        export_document(exchange(), document, file, exchange().clock())
        size, sha256 = file.tell(), _digest(file)
    except BaseException:
        file.close()
        raise
    response = Response(_sent(file), mimetype=ASICE, direct_passthrough=True)
    response.call_on_close(file.close)
    response.content_length = size
    response.set_etag(sha256)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Disposition"] = disposition(
        f"{document.number}-{document.notation}.asice".replace("/", "-")
    )
    return response


def _read_form() -> None:
    """Read the body's parts.

    Raises:
        RequestEntityTooLarge: they are more, or larger, than the exchange takes; werkzeug says so without a number.
    """
    try:
        _ = request.form
    except RequestEntityTooLarge as error:
        files, total = program().settings.max_attachments, request.max_content_length
        raise RequestEntityTooLarge(
            f"a form has at most {files} parts `file`, a part `metadata` of at most {request.max_form_memory_size}"
            f" bytes, and {total} bytes in all"
        ) from error


def _check_parts() -> None:
    """A file under another name, or without a file name, or a second description must not get lost in silence.

    Raises:
        InvalidRequestError: there is such a part, or nothing says where parts end.
    """
    if not request.mimetype_params.get("boundary"):
        raise invalid(
            "Content-Type",
            "multipart/form-data has no boundary",
            "name the boundary between the parts in Content-Type, as programs that make forms do",
            "boundary",
        )
    unknown = {name or "" for name in (set(request.form) - {"metadata"}) | (set(request.files) - {"file"})}
    if unknown:
        name = min(unknown)[:100]
        raise invalid(name or "form", "there is no such part", "send `metadata`, and each file as `file` with its name")
    if len(request.form.getlist("metadata")) > 1:
        raise invalid("metadata", "there is more than one such part", "describe the document in one part", "single")


def _find(pk: UUID) -> tuple[DocumentView, Principal]:
    who = caller()
    with read(exchange().engine) as connection:
        return find_document(connection, pk, who), who


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    for chunk in _chunks(file):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _sent(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from _chunks(file)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
