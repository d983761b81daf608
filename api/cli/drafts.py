"""Messages that an agency builds and seals itself, with its own key, before anything leaves its machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from edoc.directory.errors import UnknownAgencyError
from edoc.envelope.document_id import make_document_id
from edoc.envelope.filetypes import media_type_of
from edoc.envelope.model import (
    Attachment,
    Code,
    DocumentMessage,
    DocumentType,
    Message,
    Organization,
    OtherInfo,
    Priority,
    ResponseFor,
    SignerInfo,
    StatusMessage,
)
from edoc.sealing import seal_message
from edoc.vietnam import vietnam_date, vietnam_time
from keys.store import SigningKey

CHUNK_BYTES: Final = 256 << 10


@dataclass(frozen=True)
class FileContent:
    """An :class:`~edoc.envelope.model.AttachmentContent` over a file, read anew each time."""

    path: Path

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.path.stat().st_size

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the bytes, by ``hashlib`` name."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).digest()


@dataclass(frozen=True)
class Letter:
    """What a sender says about a document, whoever seals it."""

    recipients: tuple[str, ...]
    """Codes of the agencies."""
    number: str
    notation: str
    type_name: str
    subject: str
    signer: str
    position: str | None
    place: str
    files: tuple[Path, ...]
    promulgation_date: date | None = None
    """Today in Vietnam, where it is not given."""
    due_date: date | None = None
    priority: int = 0
    content: str | None = None

    def metadata(self) -> Mapping[str, object]:
        """As the exchange wants it when it seals for the agency."""
        fields: dict[str, object] = {
            "recipients": list(self.recipients),
            "code": {"number": self.number, "notation": self.notation},
            "typeName": self.type_name,
            "subject": self.subject,
            "content": self.content,
            "signer": {"fullName": self.signer, "position": self.position},
            "place": self.place,
            "promulgationDate": self.promulgation_date.isoformat() if self.promulgation_date else None,
            "dueDate": self.due_date.isoformat() if self.due_date else None,
            "priority": self.priority,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Contact:
    """How a message names an agency."""

    code: str
    name: str
    parent: str | None
    """Code of the agency above it."""


def document_message(letter: Letter, sender: str, contacts: Mapping[str, Contact], now: datetime) -> DocumentMessage:
    """The message of the agency ``sender``; ``contacts`` are all agencies by their codes in upper case.

    The directory has no addresses, so a recipient's is the place where the document was issued: one city.

    Raises:
        UnknownAgencyError: nobody has one of the codes.
    """
    code = Code(letter.number, letter.notation)
    promulgated = letter.promulgation_date or vietnam_date(now)
    return DocumentMessage(
        sender=_sender(sender, contacts),
        recipients=tuple(_recipient(each, contacts, letter.place) for each in letter.recipients),
        document_id=make_document_id(sender, promulgated, code),
        code=code,
        place=letter.place,
        promulgation_date=promulgated,
        document_type=DocumentType(letter.type_name),
        subject=letter.subject,
        content=letter.content or letter.subject,
        signer_info=SignerInfo(letter.signer, position=letter.position),
        due_date=letter.due_date,
        other_info=OtherInfo(priority=Priority(letter.priority)),
        attachments=tuple(
            Attachment(f"att-{number}", path.name, media_type_of(path.name), FileContent(path))
            for number, path in enumerate(letter.files, 1)
        ),
    )


def status_message(
    document: Mapping[str, Any],
    code: str,
    sender: tuple[str, str],
    addressee: str,
    now: datetime,
    description: str | None,
) -> StatusMessage:
    """A state of a document (as the exchange shows it), told by ``sender`` (code and name) to ``addressee`` (code)."""
    return StatusMessage(
        sender=Organization(organ_id=sender[0], organ_name=sender[1]),
        response_for=ResponseFor(
            organ_id=addressee,
            code=f"{document['number']}/{document['notation']}",
            document_id=str(document["documentId"]),
            promulgation_date=date.fromisoformat(str(document["promulgationDate"])),
        ),
        status_code=code,
        timestamp=vietnam_time(now).replace(microsecond=0),
        description=description,
    )


def sealed(message: Message, key: SigningKey, now: datetime) -> Iterator[bytes]:
    """The sealed message in pieces.

    Raises:
        MessageError: it is not what the format allows.
        SignatureCreationError: the key cannot seal it.
    """
    return seal_message(message, key, now).encoded_chunks()


def media_types(files: Sequence[Path]) -> tuple[str, ...]:
    """The media types of files by their names."""
    return tuple(media_type_of(path.name) for path in files)


def _sender(code: str, contacts: Mapping[str, Contact]) -> Organization:
    """The format wants to know who governs the sender; whom nobody governs stands for itself."""
    own = _contact(code, contacts)
    above = _contact(own.parent, contacts) if own.parent is not None else own
    return Organization(organ_id=own.code, organ_name=own.name, organization_in_charge=above.name)


def _recipient(code: str, contacts: Mapping[str, Contact], place: str) -> Organization:
    known = _contact(code, contacts)
    return Organization(organ_id=known.code, organ_name=known.name, organ_add=place)


def _contact(code: str, contacts: Mapping[str, Contact]) -> Contact:
    found = contacts.get(code.strip().upper())
    if found is None:
        raise UnknownAgencyError(code)
    return found
