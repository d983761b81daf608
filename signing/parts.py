"""The parts of a document that a signature covers: what the signer asks for and what the verifier expects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lxml import etree

from keys.store import DigestAlgorithm


@dataclass(frozen=True)
class ElementPart:
    """An element by its ``Id``, digested over its exclusive canonical form."""

    label: str
    element: etree._Element
    media_type: str = "text/xml"


@dataclass(frozen=True)
class Base64Part:
    """An element by its ``Id``, whose text is base64; digested over the decoded bytes (XMLDSig section 6.6.2)."""

    label: str
    element: etree._Element
    media_type: str = "application/octet-stream"


class FileContent(Protocol):
    """A file outside the document that can be digested."""

    def digest(self, algorithm: DigestAlgorithm) -> bytes:
        """The digest over the file's bytes."""


@dataclass(frozen=True)
class FilePart:
    """A file of the same container, by its relative URI (EN 319 162-1)."""

    label: str
    uri: str
    content: FileContent
    media_type: str = "application/octet-stream"


Part = ElementPart | Base64Part | FilePart
