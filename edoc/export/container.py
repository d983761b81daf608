"""Writing the export of a document.

The same document at the same time gives the same bytes: files in the order of :mod:`edoc.export.layout`, evidence
and states in the order they came, certificates and CRLs in the order of their digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import BinaryIO, Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edoc.database.engine import read
from edoc.documents.content import message_source, open_attachment, open_message
from edoc.documents.views import (
    AttachmentView,
    DocumentView,
    EvidenceView,
    StatusView,
    list_evidence,
    list_statuses,
)
from edoc.errors import ObjectCorruptError
from edoc.evidence.codec import parse_evidence
from edoc.evidence.model import EvidenceType
from edoc.evidence.rows import read_body
from edoc.exchange import Exchange
from edoc.export import layout
from keys.errors import PathError
from keys.trust import CertificatePath, KeyPurpose
from signing.asice import ContainerFile, FileStream, write_container
from signing.xades.chains import embedded_certificates
from signing.xml import CHUNK_BYTES, ParsedXml, parse

CLAIMED_ROLE: Final = "document-exchange"
MAX_STATUS_BYTES: Final = 4 << 20


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
    """Write the export of a document, as its perspective may see it, sealed at ``at``; memory stays flat.

    Raises:
        ObjectNotFoundError, ObjectCorruptError: the archive has lost or altered something; ``out`` is unfinished.
    """
    with read(exchange.engine) as connection:
        evidence = list_evidence(connection, document)
        statuses = list_statuses(connection, document)
    bodies = [read_body(exchange.store, each.body, each.sha256) for each in evidence]
    messages = [exchange.store.read(each.message_sha256, MAX_STATUS_BYTES) for each in statuses]
    exported = [
        ContainerFile(layout.MESSAGE, layout.EDXML_TYPE, _Archived(exchange, document, None)),
        *_attachment_files(exchange, document),
        *_evidence_files(document, evidence, bodies, statuses),
        *_status_files(statuses, messages),
        *_trust_files(exchange, document, evidence, bodies, statuses, messages),
        ContainerFile(layout.README, layout.TEXT_TYPE, _Bytes(_readme())),
    ]
    write_container(out, exported, key=exchange.issuer.key, signing_time=at, claimed_roles=(CLAIMED_ROLE,))


def _attachment_files(exchange: Exchange, document: DocumentView) -> Iterator[ContainerFile]:
    for attachment in document.attachments:
        content: FileStream = _Archived(exchange, document, attachment)
        if not attachment.is_object:
            with open_attachment(exchange, document, attachment) as stream:
                content = _Bytes(stream.read())
        yield ContainerFile(
            layout.attachment_name(attachment.position, attachment.name), attachment.media_type, content
        )


def _evidence_files(
    document: DocumentView, evidence: Sequence[EvidenceView], bodies: Sequence[bytes], statuses: Sequence[StatusView]
) -> Iterator[ContainerFile]:
    recipients = {delivery.id: delivery.recipient_code for delivery in document.deliveries}
    reporters = {status.message_sha256: status.reporter_code for status in statuses}
    for number, (each, body) in enumerate(zip(evidence, bodies, strict=True), 1):
        agency = _agency_of(each, recipients, reporters)
        yield ContainerFile(layout.evidence_name(number, each.type.value, agency), layout.EDXML_TYPE, _Bytes(body))


def _agency_of(evidence: EvidenceView, recipients: dict[UUID, str], reporters: dict[str, str]) -> str | None:
    if evidence.delivery_id is None:
        return None
    if evidence.type is EvidenceType.CONTENT_HANDOVER:
        return recipients.get(evidence.delivery_id)
    return reporters.get(evidence.message_sha256)


def _status_files(statuses: Sequence[StatusView], messages: Sequence[bytes]) -> Iterator[ContainerFile]:
    for number, (status, message) in enumerate(zip(statuses, messages, strict=True), 1):
        name = layout.status_name(number, status.code, status.reporter_code)
        yield ContainerFile(name, layout.EDXML_TYPE, _Bytes(message))


def _trust_files(
    exchange: Exchange,
    document: DocumentView,
    evidence: Sequence[EvidenceView],
    bodies: Sequence[bytes],
    statuses: Sequence[StatusView],
    messages: Sequence[bytes],
) -> Iterator[ContainerFile]:
    """The certificates and CRLs of all paths; one that is not found good now is left to the reader to judge."""
    signed = [
        (_parse_message(exchange, document), document.accepted_at),
        *((parse_evidence(body), each.issued_at) for each, body in zip(evidence, bodies, strict=True)),
        *(
            (parse(message, exchange.policy.limits.xml), status.received_at)
            for status, message in zip(statuses, messages, strict=True)
        ),
    ]
    certificates: dict[str, bytes] = {}
    crls: dict[str, bytes] = {}
    for parsed, at in signed:
        for chain in embedded_certificates(parsed):
            path = _path(exchange, chain, at) if chain else None
            for certificate in (*chain, *(path.certificates if path else ())):
                der = certificate.public_bytes(Encoding.DER)
                certificates[hashlib.sha256(der).hexdigest()] = der
            for crl in path.crls if path else ():
                der = crl.public_bytes(Encoding.DER)
                crls[hashlib.sha256(der).hexdigest()] = der
    for name, der in sorted(certificates.items()):
        yield ContainerFile(f"{layout.CERTIFICATES}{name}.cer", layout.CERTIFICATE_TYPE, _Bytes(der))
    for name, der in sorted(crls.items()):
        yield ContainerFile(f"{layout.CRLS}{name}.crl", layout.CRL_TYPE, _Bytes(der))


def _parse_message(exchange: Exchange, document: DocumentView) -> ParsedXml:
    return parse(message_source(exchange, document), exchange.policy.limits.xml)


def _path(exchange: Exchange, chain: Sequence[x509.Certificate], at: datetime) -> CertificatePath | None:
    try:
        return exchange.validator().validate(chain[0], intermediates=chain[1:], at=at, usage=KeyPurpose.SEAL)
    except PathError:
        return None


def _readme() -> bytes:
    return files("edoc.export").joinpath(layout.README).read_bytes()
