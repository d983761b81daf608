"""Identifiers of documents: the form that is written, and the second key by which answers also name a document."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from edoc.envelope.model import Code, DocumentMessage


class DocumentKey(NamedTuple):
    """Number and notation are unique for an agency in a calendar year (Decree 30/2020/ND-CP Article 15)."""

    organ_id: str
    year: int
    number: str
    notation: str


def make_document_id(organ_id: str, promulgation_date: date, code: Code) -> str:
    """``OrganId,yyyy/MM/dd,number/notation``, the form that almost all senders use."""
    day = promulgation_date
    return f"{organ_id},{day.year:04d}/{day.month:02d}/{day.day:02d},{code}"


def document_key(message: DocumentMessage) -> DocumentKey:
    """The second key of a document, beside its opaque ``document_id``."""
    return DocumentKey(
        message.sender.organ_id, message.promulgation_date.year, message.code.number, message.code.notation
    )
