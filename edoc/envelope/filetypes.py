"""Names, media types and first bytes of attached files: what is refused because it would harm or mislead a reader."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from edoc.envelope.unzip import ZIP_BASED, ZIP_MAGIC

HEAD_BYTES: Final = 1024
"""How much of a file is looked at."""

ZIP_TYPE: Final = "application/zip"

_MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "txt": "text/plain",
    "csv": "text/csv",
    "xml": "application/xml",
    "edxml": "application/xml",
    "ics": "text/calendar",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "zip": ZIP_TYPE,
}
_MAGIC: Final = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "jpeg": (b"\xff\xd8\xff",),
    "gif": (b"GIF87a", b"GIF89a"),
    **dict.fromkeys(ZIP_BASED, (ZIP_MAGIC, b"PK\x05\x06")),
}
_PDF_MAGIC: Final = b"%PDF-"
_REPLACEMENT_CHARACTERS: Final = b"\xef\xbf\xbd\xef\xbf\xbd"
"""U+FFFD twice in UTF-8: binary data was passed through a text decoder."""

_TOKEN: Final = r"[A-Za-z0-9!#$&^_.+-]+"  # noqa: S105 - a token of RFC 9110
_MEDIA_TYPE: Final = re.compile(
    rf'{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|"[^"\\\x00-\x1f\x7f]*"))*', re.ASCII
)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_RESERVED: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)))
)
_DIRECTION_MARKS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def extension_of(name: str) -> str:
    """The extension of a file name in lower case, without the dot; empty when it has none."""
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if dot and stem else ""


def media_type_of(name: str) -> str:
    """The media type that a file of that name has."""
    return _MEDIA_TYPES.get(extension_of(name), "application/octet-stream")


def is_media_type(text: str) -> bool:
    """Whether the text is a media type (RFC 9110 section 8.3.1) that is safe in a header."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def name_problem(name: str) -> str | None:
    """Why no file may be given that name, on any system that a recipient may use; ``None`` when it may."""
    if "/" in name or "\\" in name or _DRIVE.match(name):
        return "the name has a path in it"
    if name.strip(". ") == "":
        return "the name consists of dots"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        return "the name has control characters in it"
    if not _DIRECTION_MARKS.isdisjoint(name):
        return "the name changes the direction of writing, which can hide its extension"
    if name.partition(".")[0].strip().lower() in _RESERVED:
        return "the name is reserved by some systems"
    return None


def content_problem(name: str, head: bytes) -> str | None:
    """Why a file that starts with ``head`` is damaged or is not what its name says; ``None`` when it looks right.

    Only types whose files all start alike are judged.
    """
    extension = extension_of(name)
    if extension == "pdf":
        if _PDF_MAGIC not in head:
            return "the file is named as a PDF but does not start as one"
        if _REPLACEMENT_CHARACTERS in head:
            return "the PDF was damaged: binary data was passed through a text decoder"
        return None
    magic = _MAGIC.get(extension)
    if magic is not None and not head.startswith(magic):
        return f"the file is named .{extension} but does not start as one"
    return None
