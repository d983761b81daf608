"""What can be said about a document as a whole: its type, and whether it is marked as a state secret.

State secrets are excluded from the exchange (Decision 28/2018/QD-TTg Article 1(2)). edXML has no field for the mark,
so senders put it where a reader would see it first. Words that merely contain the syllable, such as ``bảo mật`` or
``bí mật kinh doanh``, are no marks.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from edoc.envelope.model import DocumentMessage
from schemas import CodeListEntry, CodeListName, code_list

_MARK: Final = r"(?P<mark>TUYỆT\s+MẬT|TỐI\s+MẬT|MẬT)"
_DEGREE: Final = r"(?:(?:MỨC\s+)?ĐỘ\s+(?:BÍ\s+)?MẬT|DẤU\s+CHỈ\s+ĐỘ\s+MẬT)"
_OPENING: Final = r"[(\[{<«“\"*]"
_CLOSING: Final = r"[)\]}>»”\"*]"

_ALONE: Final = re.compile(rf"\W*(?:VĂN\s+BẢN\s+)?(?:{_DEGREE}\W*)?{_MARK}\W*")
"""Nothing but the mark."""
_IN_BRACKETS: Final = re.compile(rf"{_OPENING}\s*(?:{_DEGREE}\s*:?\s*)?{_MARK}\s*{_CLOSING}")
"""The mark alone between brackets, anywhere."""
_AS_DEGREE: Final = re.compile(rf"{_DEGREE}\s*:\s*{_MARK}(?!\w)")
"""``Độ mật: Tối mật``, anywhere."""
_LEADING: Final = re.compile(rf"\s*{_MARK}\s*[:.\-–—|/]")
"""The mark and then a stop, at the beginning."""
_LEADING_SHOUTED: Final = re.compile(rf"\s*{_MARK}\s+(?P<rest>\w.*)", re.DOTALL)
"""The mark in capitals, at the beginning of a text that is not itself in capitals."""
_AFTER_TYPE: Final = re.compile(rf"(?P<type>\S.*?)\W+{_MARK}\W*", re.DOTALL)
"""``Công văn mật``: a type of document and then the mark."""
_SEPARATORS: Final = re.compile(r"[;,/|\n]|\s[-–—]\s")
_INDIVIDUAL: Final = re.compile(r"\s*\(cá biệt\)\s*", re.IGNORECASE)


def secrecy_marks(message: DocumentMessage) -> tuple[str, ...]:
    """The marks of secrecy that the document carries, each once, as the code list names them; empty for none.

    Looked at are the limits of circulation, the type name, the notation's last part, the subject and content, the
    names and descriptions of attachments and appendixes, and the places of the distribution list.
    """
    names = {entry.name_vi.upper(): entry.name_vi for entry in code_list(CodeListName.SECRECY_MARKS).entries}
    found = dict.fromkeys(" ".join(mark.split()).upper() for mark in _marks(message))
    return tuple(names[mark] for mark in found)


def document_type(message: DocumentMessage) -> CodeListEntry | None:
    """The type of the document by its name, else by the abbreviation that its notation begins with; else ``None``.

    The numbers of ``DocumentType`` differ from sender to sender and are not looked at.
    """
    by_name = _types_by_name().get(_comparable(message.document_type.type_name))
    return by_name or _types_by_abbreviation().get(message.code.notation.partition("-")[0])


def is_type_name(name: str) -> bool:
    """Whether the name is one of the list, with or without ``(cá biệt)``."""
    return any(name in (entry.name_vi, _INDIVIDUAL.sub("", entry.name_vi)) for entry in _document_types())


def needs_description(status_code: str) -> bool:
    """Whether a status of that code must give its reason."""
    entry = code_list(CodeListName.STATUS_CODES).by_code.get(status_code)
    return entry is not None and entry.needs_description


def _marks(message: DocumentMessage) -> Iterator[str]:
    for text in _SEPARATORS.split(message.other_info.sphere_of_promulgation or ""):
        yield from _full_mark(text)
    yield from _mark_in_type(message.document_type.type_name)
    yield from _full_mark(message.code.notation.rpartition("-")[2])
    for text in (message.subject, message.content):
        yield from _mark_in_text(text)
    for place in (*message.to_places, *message.other_info.appendixes):
        yield from _mark_in_text(place)
    for attachment in message.attachments:
        yield from _mark_in_text(attachment.attachment_name.rpartition(".")[0] or attachment.attachment_name)
        yield from _mark_in_text(attachment.description or "")


def _full_mark(text: str) -> Iterator[str]:
    found = _ALONE.fullmatch(_upper(text))
    if found:
        yield found["mark"]


def _mark_in_type(text: str) -> Iterator[str]:
    """After the name of a type the bare word is a mark: there is no type that ends with it."""
    yield from _full_mark(text)
    yield from _mark_in_text(text)
    found = _AFTER_TYPE.fullmatch(_upper(text))
    if found and _comparable(found["type"]) in _types_by_name():
        yield found["mark"]


def _mark_in_text(text: str) -> Iterator[str]:
    upper = _upper(text)
    if "MẬT" not in upper:
        return
    yield from _full_mark(text)
    for pattern in (_IN_BRACKETS, _AS_DEGREE):
        for found in pattern.finditer(upper):
            yield found["mark"]
    if leading := _LEADING.match(upper):
        yield leading["mark"]
    shouted = _LEADING_SHOUTED.match(_visible(text))
    if shouted and shouted["rest"].upper() != shouted["rest"]:
        yield shouted["mark"]


def _visible(text: str) -> str:
    """What a reader sees: composed, without the invisible characters by which a mark could be split."""
    composed = unicodedata.normalize("NFC", text)
    if composed.isprintable():  # then none of it is invisible
        return composed
    return "".join(each for each in composed if unicodedata.category(each) != "Cf")


def _upper(text: str) -> str:
    return _visible(text).upper()


def _comparable(name: str) -> str:
    return " ".join(_INDIVIDUAL.sub(" ", unicodedata.normalize("NFC", name)).casefold().split())


def _document_types() -> tuple[CodeListEntry, ...]:
    return code_list(CodeListName.DOCUMENT_TYPES).entries


@functools.cache
def _types_by_name() -> dict[str, CodeListEntry]:
    return {_comparable(entry.name_vi): entry for entry in _document_types()}


@functools.cache
def _types_by_abbreviation() -> dict[str, CodeListEntry]:
    return {entry.abbreviation: entry for entry in _document_types() if entry.abbreviation}
