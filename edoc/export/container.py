"""Writing the export of a document.

The same document at the same time gives the same bytes: files in the order of :mod:`edoc.export.layout`, evidence
and states in the order they came, certificates and CRLs in the order of their digests.

Evidence and states are read one at a time, and again when they are written: of a letter to a thousand agencies they are
some ten thousand, and fifty thousand where each agency tells as many states as it may.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.resources import files
from typing import BinaryIO, Final
from uuid import UUID

from edoc.database.engine import read
from edoc.documents.content import message_source, open_attachment, open_message, read_out_of_message
from edoc.documents.views import (
    AttachmentView,
    DocumentView,
    EvidenceView,
    StatusView,
    list_evidence,
    list_statuses,
)
from edoc.errors import ObjectCorruptError
from edoc.evidence.model import EvidenceType
from edoc.evidence.rows import read_sealed
from edoc.exchange import Exchange
from edoc.export import layout
from edoc.export.paths import Paths
from signing.asice import ContainerFile, FileStream, write_container
from signing.xml import CHUNK_BYTES

CLAIMED_ROLE: Final = "document-exchange"
MAX_STATUS_BYTES: Final = 4 << 20
"""Of a status message in the archive, and so for its reader; what is taken on today is smaller (``MessageLimits``)."""


@dataclass(frozen=True)
class _Bytes:
    """A small file in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        yield self.data


@dataclass(frozen=True)
class _ReadAnew:
    """A small file that is read whenever it is wanted, and not kept."""

    read: Callable[[], bytes]

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.read())

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; raises as what reads them."""
        yield self.read()


@dataclass(frozen=True)
class _Archived:
    """The message, or one of its files, streamed out of the archive."""

    exchange: Exchange
    document: DocumentView
    attachment: AttachmentView | None

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.document.message_size if self.attachment is None else self.attachment.size

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; raises :class:`ObjectCorruptError` at their end if they are not those that were archived."""
        digest = hashlib.sha256()
        with self._open() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                yield chunk
        wanted = self.document.message_sha256 if self.attachment is None else self.attachment.sha256
        if digest.hexdigest() != wanted:
            raise ObjectCorruptError(f"what the archive holds of {wanted} is not what was archived")

    def _open(self) -> BinaryIO:
        if self.attachment is None:
            return open_message(self.exchange, self.document)
        return open_attachment(self.exchange, self.document, self.attachment)


def export_document(exchange: Exchange, document: DocumentView, out: BinaryIO, at: datetime) -> None:
    """Write the export of a document, as its perspective may see it, sealed at ``at``.

    Memory holds no message, no large file, and of evidence and states one at a time; but the name and digest of each
    member, the certificates and CRLs, and files that are no objects of their own.

    Raises:
        ObjectNotFoundError, ObjectCorruptError: the archive has lost or altered something; ``out`` is unfinished.
    """
    with read(exchange.engine) as connection:
        evidence = list_evidence(connection, document, bodies=False)
        statuses = list_statuses(connection, document)
    exported = [
        ContainerFile(layout.MESSAGE, layout.EDXML_TYPE, _Archived(exchange, document, None)),
        *_attachment_files(exchange, document),
        *_evidence_files(exchange, document, evidence, statuses),
        *_status_files(exchange, statuses),
        *_trust_files(exchange, document, evidence, statuses, at),
        ContainerFile(layout.README, layout.TEXT_TYPE, _Bytes(_readme())),
    ]
    write_container(out, exported, key=exchange.issuer.key, signing_time=at, claimed_roles=(CLAIMED_ROLE,))


def _attachment_files(exchange: Exchange, document: DocumentView) -> Iterator[ContainerFile]:
    small = [each for each in document.attachments if not each.is_object]
    decoded = dict(zip(small, read_out_of_message(exchange, document, small), strict=True))
    for attachment in document.attachments:
        content: FileStream = (
            _Archived(exchange, document, attachment) if attachment.is_object else _Bytes(decoded[attachment])
        )
        yield ContainerFile(
            layout.attachment_name(attachment.position, attachment.name), attachment.media_type, content
        )


def _evidence_files(
    exchange: Exchange, document: DocumentView, evidence: Sequence[EvidenceView], statuses: Sequence[StatusView]
) -> Iterator[ContainerFile]:
    recipients = {delivery.id: delivery.recipient_code for delivery in document.deliveries}
    reporters = {status.message_sha256: status.reporter_code for status in statuses}
    for number, each in enumerate(evidence, 1):
        name = layout.evidence_name(number, each.type.value, _agency_of(each, recipients, reporters))
        yield ContainerFile(name, layout.EDXML_TYPE, _ReadAnew(partial(_read_evidence, exchange, each)))


def _agency_of(evidence: EvidenceView, recipients: dict[UUID, str], reporters: dict[str, str]) -> str | None:
    if evidence.delivery_id is None:
        return None
    if evidence.type is EvidenceType.CONTENT_HANDOVER:
        return recipients.get(evidence.delivery_id)
    return reporters.get(evidence.message_sha256)


def _status_files(exchange: Exchange, statuses: Sequence[StatusView]) -> Iterator[ContainerFile]:
    for number, status in enumerate(statuses, 1):
        name = layout.status_name(number, status.code, status.reporter_code)
        yield ContainerFile(name, layout.EDXML_TYPE, _ReadAnew(partial(_read_status, exchange, status)))


def _trust_files(
    exchange: Exchange,
    document: DocumentView,
    evidence: Sequence[EvidenceView],
    statuses: Sequence[StatusView],
    at: datetime,
) -> Iterator[ContainerFile]:
    """The certificates and CRLs of all paths, that of the export's own seal at ``at`` among them."""
    paths = Paths(exchange.validator())
    paths.add_key(exchange.issuer.key, at)
    paths.add_message(message_source(exchange, document), document.accepted_at)
    for each in evidence:
        paths.add_evidence(_read_evidence(exchange, each), each.issued_at)
    for status in statuses:
        paths.add_message(_read_status(exchange, status), status.received_at)
    for name, der in paths.certificates:
        yield ContainerFile(f"{layout.CERTIFICATES}{name}.cer", layout.CERTIFICATE_TYPE, _Bytes(der))
    for name, der in paths.crls:
        yield ContainerFile(f"{layout.CRLS}{name}.crl", layout.CRL_TYPE, _Bytes(der))


def _read_evidence(exchange: Exchange, evidence: EvidenceView) -> bytes:
    return read_sealed(exchange.engine, exchange.store, evidence.sha256)


def _read_status(exchange: Exchange, status: StatusView) -> bytes:
    return exchange.store.read(status.message_sha256, MAX_STATUS_BYTES)


def _readme() -> bytes:
    return files("edoc.export").joinpath(layout.README).read_bytes()
