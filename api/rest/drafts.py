"""A document message out of a description and files, for callers who leave the sealing to the exchange."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from werkzeug.datastructures import FileStorage

from api.rest.errors import InvalidRequestError, invalid
from api.rest.models import DocumentInput, FileInput
from edoc.access.tokens import Principal
from edoc.directory.errors import DirectoryError
from edoc.directory.model import Agency, Directory
from edoc.envelope.document_id import make_document_id
from edoc.envelope.filetypes import media_type_of
from edoc.envelope.model import (
    Attachment,
    Code,
    DocumentMessage,
    DocumentType,
    Organization,
    OtherInfo,
    Priority,
    ResponseFor,
    SignerInfo,
)
from edoc.errors import Violation
from edoc.vietnam import vietnam_date
from signing.xml import CHUNK_BYTES


class UploadedContent:
    """An :class:`~edoc.envelope.model.AttachmentContent` over an uploaded file, which lies on disk when it is large."""

    def __init__(self, file: FileStorage) -> None:
        self._stream = file.stream
        self.size: int = self._stream.seek(0, 2)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; can be called again, after the one before has ended."""
        self._stream.seek(0)
        while chunk := self._stream.read(CHUNK_BYTES):
            yield chunk

    def digest(self, algorithm: str = "sha256") -> bytes:
        """The digest of the bytes, by ``hashlib`` name."""
        digest = hashlib.new(algorithm)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.digest()


def build_document(
    wanted: DocumentInput, files: Sequence[FileStorage], directory: Directory, who: Principal, now: datetime
) -> DocumentMessage:
    """The message of the caller's agency, to be sealed.

    Raises:
        InvalidRequestError: a recipient is unknown, or there are more descriptions than files, or a file has no name.
    """
    sender = directory.agencies[who.agency_id]
    code = Code(wanted.code.number, wanted.code.notation)
    promulgated = wanted.promulgation_date or vietnam_date(now)
    return DocumentMessage(
        sender=_organization(directory, sender),
        recipients=_recipients(wanted, directory),
        document_id=wanted.document_id or make_document_id(sender.code, promulgated, code),
        code=code,
        place=wanted.place,
        promulgation_date=promulgated,
        document_type=DocumentType(wanted.type_name),
        subject=wanted.subject,
        content=wanted.content or wanted.subject,
        signer_info=SignerInfo(wanted.signer.full_name, wanted.signer.competence, wanted.signer.position),
        due_date=wanted.due_date,
        other_info=OtherInfo(priority=Priority(wanted.priority)),
        response_for=tuple(ResponseFor(**each.model_dump()) for each in wanted.response_for),
        to_places=wanted.to_places,
        attachments=_attachments(wanted.files, files),
    )


def _organization(directory: Directory, agency: Agency) -> Organization:
    """An agency as the format wants it; in charge of one without a parent is the agency itself."""
    parent = agency if agency.parent_id is None else directory.agencies[agency.parent_id]
    return Organization(organ_id=agency.code, organ_name=agency.name, organization_in_charge=parent.name)


def _recipients(wanted: DocumentInput, directory: Directory) -> tuple[Organization, ...]:
    found: list[Organization] = []
    unknown: list[Violation] = []
    for position, code in enumerate(wanted.recipients):
        try:
            agency = directory.find(code)
            # The format requires an address and the directory holds none: the city of the exchange stands for it.
            found.append(replace(_organization(directory, agency), organ_add=wanted.place))
        except DirectoryError as error:
            field = f"recipients.{position}"
            unknown.append(Violation(f"M.{field}", field, str(error), "use a code that the directory holds", "known"))
    if unknown:
        raise InvalidRequestError(tuple(unknown))
    return tuple(found)


def _attachments(described: Sequence[FileInput], files: Sequence[FileStorage]) -> tuple[Attachment, ...]:
    if len(described) > len(files):
        raise invalid("files", f"{len(described)} files are described, {len(files)} sent", "send each as a part `file`")
    descriptions = [*described, *[FileInput(content_type=None)] * (len(files) - len(described))]
    return tuple(
        _attachment(position, file, description)
        for position, (file, description) in enumerate(zip(files, descriptions, strict=True))
    )


def _attachment(position: int, file: FileStorage, described: FileInput) -> Attachment:
    name = unicodedata.normalize("NFC", file.filename or "")
    if not name:
        raise invalid(f"file.{position}", "the file has no name", "name it in the part's Content-Disposition")
    return Attachment(
        content_id=f"att-{position + 1}",
        attachment_name=name,
        content_type=described.content_type or media_type_of(name),
        content=UploadedContent(file),
        description=described.description,
    )
