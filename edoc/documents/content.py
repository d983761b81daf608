"""Reading a document's bytes: the message exactly as received, and its files.

A recipient is handed the content over first, with evidence; the sender and auditors read their own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from edoc.access.tokens import Principal, Scope
from edoc.delivery.handover import HandOver
from edoc.documents.views import AttachmentView, DocumentView, Perspective
from edoc.envelope.codec import decode
from edoc.envelope.limits import limits_of_archived
from edoc.envelope.model import Attachment, DocumentMessage
from edoc.errors import MessageError, ObjectCorruptError
from edoc.exchange import Exchange
from signing.errors import XmlError
from signing.xml import CHUNK_BYTES, ByteSource, parse


@dataclass(frozen=True)
class ArchivedSource:
    """An object of the archive as a :class:`~signing.xml.ByteSource`."""

    exchange: Exchange
    sha256: str
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop``."""
        with self.exchange.store.open(self.sha256, start, max(0, stop - start)) as stream:
            return stream.read()

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop``."""
        with self.exchange.store.open(self.sha256, start, max(0, stop - start)) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk


def hand_over(exchange: Exchange, document: DocumentView, caller: Principal) -> None:
    """Record, before any content goes out, that a recipient is given it; sender and auditors need nothing.

    An agency that has a delivery is handed it over whatever else it is to the document. All objects are read through
    first, so that nothing is stated to have been handed over that the archive does not have.

    Raises:
        MissingScopeError: a recipient whose token may not receive.
        ObjectNotFoundError, ObjectCorruptError: the archive has lost or altered something; nothing is recorded.
    """
    if document.perspective is Perspective.RECIPIENT:
        caller.require(Scope.RECEIVE)
    own = [delivery for delivery in document.deliveries if delivery.recipient_id == caller.agency_id]
    if all(delivery.handed_over_at is not None for delivery in own):
        return
    _check_objects(exchange, document)
    recipient = exchange.directory.current().agencies[caller.agency_id]
    exchange.commits.run(HandOver(exchange, document, recipient))


def _check_objects(exchange: Exchange, document: DocumentView) -> None:
    exchange.store.verify(document.message_sha256)
    for attachment in document.attachments:
        if attachment.is_object:
            exchange.store.verify(attachment.sha256)


def open_message(exchange: Exchange, document: DocumentView, start: int = 0, length: int | None = None) -> BinaryIO:
    """The message as received, or a range of it.

    Raises:
        ObjectNotFoundError: the archive has lost it.
    """
    return exchange.store.open(document.message_sha256, start, length)


def open_attachment(
    exchange: Exchange, document: DocumentView, attachment: AttachmentView, start: int = 0, length: int | None = None
) -> BinaryIO:
    """A file of the document, or a range of it.

    Raises:
        ObjectNotFoundError: the archive has lost it.
        ObjectCorruptError: the archive has altered it.
    """
    if attachment.is_object:
        return exchange.store.open(attachment.sha256, start, length)
    (data,) = read_out_of_message(exchange, document, [attachment])
    return io.BytesIO(data[start : None if length is None else start + length])


def message_source(exchange: Exchange, document: DocumentView) -> ByteSource:
    """The message as a source that can be read again and again."""
    return ArchivedSource(exchange, document.message_sha256, document.message_size)


def read_out_of_message(
    exchange: Exchange, document: DocumentView, attachments: Sequence[AttachmentView]
) -> list[bytes]:
    """Files that are no objects of their own, decoded out of the message, which is read once for all of them.

    Raises:
        ObjectNotFoundError: the archive has lost it.
        ObjectCorruptError: the archive has altered it.
    """
    if not attachments:
        return []
    limits = limits_of_archived()
    try:
        message = decode(parse(message_source(exchange, document), limits.xml), limits).message
    except (XmlError, MessageError) as error:
        raise ObjectCorruptError(f"object {document.message_sha256} is not what was archived: {error}") from error
    contents = message.attachments if isinstance(message, DocumentMessage) else ()
    return [_content_of(each, contents, document) for each in attachments]


def _content_of(wanted: AttachmentView, contents: Sequence[Attachment], document: DocumentView) -> bytes:
    for each in contents:
        if each.content_id == wanted.content_id and each.content.digest().hex() == wanted.sha256:
            return b"".join(each.content.chunks())
    raise ObjectCorruptError(f"object {document.message_sha256} is not what was archived")
