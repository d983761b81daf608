"""What all ways of sending share: receiving the bytes, submitting them, and answering with the receipt."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from flask import Response, request

from api.rest.answers import BASE, EDXML_TYPES, XML, json_answer, xml_answer
from api.rest.context import exchange, program
from api.rest.errors import MediaTypeError, OwnConflictError, SealNotHeldError
from edoc.acceptance.errors import ConflictError
from edoc.acceptance.incoming import Readable, receive
from edoc.acceptance.receipts import Receipt
from edoc.acceptance.service import Acceptance
from edoc.acceptance.steps import AcceptanceStep
from edoc.access.errors import NotYoursError
from edoc.access.tokens import Principal
from edoc.database.engine import read
from edoc.documents.views import find_document, find_document_pk
from edoc.envelope.model import Message
from edoc.evidence.model import MessageKind
from edoc.sealing import seal_message
from keys.errors import KeyNotFoundError
from keys.store import SigningKey


class ChunkReader:
    """A stream over bytes that come in pieces."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)


def require_media_type(*accepted: str) -> None:
    """Refuse a body of another media type, or one that is compressed: limits count the bytes that come.

    Raises:
        MediaTypeError: it is.
    """
    require_plain_coding(*accepted)
    if request.mimetype not in accepted:
        raise MediaTypeError(request.mimetype[:100], accepted)


def require_plain_coding(*accepted: str) -> None:
    """Refuse a body that is compressed, whatever its media type; ``accepted`` is what the caller is told.

    Raises:
        MediaTypeError: it is.
    """
    coding = request.headers.get("Content-Encoding", "identity").lower()
    if coding != "identity":
        raise MediaTypeError(f"in the content coding {coding[:40]}", accepted)


def submit_body(caller: Principal) -> Response:
    """Submit the request's body, an edXML message, read as it comes.

    Raises:
        MediaTypeError: it is of another media type.
    """
    require_media_type(*EDXML_TYPES)
    return _submit(request.stream, caller)


def seal_of(caller: Principal) -> SigningKey:
    """The caller's seal, where the exchange holds it.

    Raises:
        SealNotHeldError: it does not.
    """
    try:
        return program().seals.find(caller.agency_code)
    except KeyNotFoundError as error:
        raise SealNotHeldError(caller.agency_code) from error


def submit_sealed(message: Message, key: SigningKey, caller: Principal) -> Response:
    """Seal a message with a key that the exchange holds, and submit it like any other."""
    sealed = seal_message(message, key, exchange().clock())
    return _submit(ChunkReader(iter(sealed.encoded_chunks())), caller)


def _submit(stream: Readable, caller: Principal) -> Response:
    limit = exchange().policy.limits.xml.max_bytes
    with receive(stream, exchange().store, limit) as incoming:
        try:
            receipt = Acceptance(exchange()).submit(incoming, caller)
        except ConflictError as error:
            raise _told_to(caller, error) from error
    exchange().observer.reached(AcceptanceStep.ANSWERING)
    return _answer(receipt)


def _told_to(caller: Principal, error: ConflictError) -> ConflictError:
    """A conflict, with the document that stands in the way where that is the caller's own."""
    with read(exchange().engine) as connection:
        pk = find_document_pk(connection, error.document_id)
        if pk is None:
            return error
        try:
            document = find_document(connection, pk, caller)
        except NotYoursError:
            return error
    if document.sender_id != caller.agency_id:
        return error
    return OwnConflictError(error.document_id, f"{BASE}/documents/{pk}")


def _answer(receipt: Receipt) -> Response:
    """201 with the receipt; 200 where the same bytes were taken on before. The evidence alone for who asks for XML."""
    document = f"{BASE}/documents/{receipt.document_pk}"
    is_document = receipt.kind is MessageKind.DOCUMENT
    location = document if is_document else f"{document}/status-messages/{receipt.message_sha256}"
    status, headers = 200 if receipt.replayed else 201, {"Location": location}
    if request.accept_mimetypes.best_match(["application/json", XML]) == XML:
        return xml_answer(receipt.evidence, status, headers)
    return json_answer(_receipt_json(receipt, document), status, headers)


def _receipt_json(receipt: Receipt, document: str) -> dict[str, Any]:
    """As :class:`api.rest.models.Receipt`, written by hand: this is the hot path."""
    return {
        "kind": receipt.kind.value,
        "document": str(receipt.document_pk),
        "documentId": receipt.document_id,
        "messageSha256": receipt.message_sha256,
        "acceptedAt": receipt.accepted_at.isoformat().replace("+00:00", "Z"),
        "deliveries": [{"id": str(each.id), "recipientCode": each.recipient_code} for each in receipt.deliveries],
        "warnings": [vars(each) for each in receipt.warnings],
        "replayed": receipt.replayed,
        "receipt": base64.b64encode(receipt.evidence).decode(),
        "links": {
            "document": document,
            "message": f"{document}/message",
            "evidence": f"{document}/evidence",
            "statusMessages": f"{document}/status-messages",
        },
    }
