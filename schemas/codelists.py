"""The code lists of the format, with Vietnamese and English names and where each code was found.

Source marks: ``ND30`` Decree 30/2020/ND-CP, ``QD28`` Decision 28/2018/QD-TTg; ``PVN`` (a state corporation),
``BKAV`` (a provincial axis server) and ``RIPT`` (a converter) are public implementations of the format.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from types import MappingProxyType
from typing import Any

from schemas.errors import SchemaUnavailableError


class CodeListName(Enum):
    """The code lists offered; the value is the name of the file."""

    DOCUMENT_TYPES = "document-types"
    PRIORITIES = "priorities"
    STATUS_CODES = "status-codes"
    BUSINESS_TYPES = "business-types"
    STEERING_TYPES = "steering-types"
    SECRECY_MARKS = "secrecy-marks"


@dataclass(frozen=True)
class CodeListEntry:
    """One code. What a list does not say about its codes has its default."""

    code: str
    name_vi: str
    name_en: str
    source: str
    """Source marks, see the module."""
    abbreviation: str | None = None
    """Of a document type, as it stands in a notation: ``GM`` in ``15/GM-SVD``."""
    kind: str | None = None
    """``copy`` for the three forms of copies among the document types."""
    sent_by: str | None = None
    """Of a status: ``sender`` or ``recipient`` of the document."""
    final: bool = False
    """Of a status: nothing is expected after it."""
    may_repeat: bool = False
    """Of a status: the same agency may send it again for the same document."""
    needs_description: bool = False
    """Of a status: it must give a reason."""
    written: bool = True
    """False for a code that is read but never written."""
    note: str | None = None


@dataclass(frozen=True)
class CodeList:
    """A code list; ``entries`` in the order of its source."""

    title: str
    source: str
    version: str
    entries: tuple[CodeListEntry, ...]

    @functools.cached_property
    def by_code(self) -> MappingProxyType[str, CodeListEntry]:
        """The entries by their code."""
        return MappingProxyType({entry.code: entry for entry in self.entries})


@functools.cache
def code_list(name: CodeListName) -> CodeList:
    """The code list of that name.

    Raises:
        SchemaUnavailableError: the installation lacks it.
    """
    try:
        data: dict[str, Any] = json.loads(
            resources.files("schemas").joinpath(f"codes/{name.value}.json").read_text(encoding="utf-8")
        )
    except OSError as error:
        raise SchemaUnavailableError(f"the installation lacks the code list {name.value}") from error
    entries = tuple(CodeListEntry(**entry) for entry in data["entries"])
    return CodeList(data["title"], data["source"], data["version"], entries)
