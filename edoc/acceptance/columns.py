"""What the rows keep of a document message: written by acceptance, and compared with the archived message later.

One mapping for both, so that a comparison knows no other columns than those that were written.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from edoc.envelope.model import Attachment, DocumentMessage


@dataclass(frozen=True)
class StoredAttachment:
    """An attachment as the rows know it."""

    content_id: str
    name: str
    media_type: str
    description: str | None
    size: int
    sha256: str
    is_object: bool


def document_columns(message: DocumentMessage) -> dict[str, object]:
    """The columns of :class:`~edoc.database.tables.DocumentRow` that the message alone decides."""
    return {
        "document_id": message.document_id,
        "number": message.code.number,
        "notation": message.code.notation,
        "year": message.promulgation_date.year,
        "promulgation_date": message.promulgation_date,
        "place": message.place,
        "type_name": message.document_type.type_name,
        "subject": message.subject,
        "content": message.content,
        "priority": message.other_info.priority.value,
        "due_date": message.due_date,
        "signer_name": message.signer_info.full_name,
        "signer_competence": message.signer_info.competence,
        "signer_position": message.signer_info.position,
        "response_for": _references_text(message),
    }


def delivery_columns(message: DocumentMessage) -> dict[str, object]:
    """The columns of every :class:`~edoc.database.tables.DeliveryRow` that the message alone decides."""
    return {"type_name": message.document_type.type_name, "priority": message.other_info.priority.value}


def stored_attachment(attachment: Attachment, *, is_object: bool) -> StoredAttachment:
    """A file of the message as :class:`~edoc.database.tables.AttachmentRow` keeps it.

    Args:
        attachment: decoded, so that its size and digest are known.
        is_object: whether the archive holds it as an object of its own.
    """
    return StoredAttachment(
        content_id=attachment.content_id,
        name=attachment.attachment_name,
        media_type=attachment.content_type,
        description=attachment.description,
        size=attachment.content.size,
        sha256=attachment.content.digest().hex(),
        is_object=is_object,
    )


def _references_text(message: DocumentMessage) -> str:
    references = [asdict(each) for each in message.response_for]
    return json.dumps(references, default=str, ensure_ascii=False) if references else "[]"
