"""The names of the files of an export, the same for whoever writes and reads one.

message.edxml                              the message as received, byte for byte
attachments/01-<name>                      its files, decoded, for reading without tools
evidence/001-<type>[-<agency>].xml         what the exchange stated, in the order it was issued
status/001-<code>-<agency>.edxml           status messages as received, in the order they came
certificates/<fingerprint>.cer             certificates of all signers and of their authorities
crls/<digest>.crl                          the CRLs by which they were judged
README.txt                                 how to check all this, in Vietnamese and English
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MESSAGE: Final = "message.edxml"
README: Final = "README.txt"
ATTACHMENTS: Final = "attachments/"
EVIDENCE: Final = "evidence/"
STATUS: Final = "status/"
CERTIFICATES: Final = "certificates/"
CRLS: Final = "crls/"

EDXML_TYPE: Final = "application/xml"
CERTIFICATE_TYPE: Final = "application/pkix-cert"
CRL_TYPE: Final = "application/pkix-crl"
TEXT_TYPE: Final = "text/plain"

_MAX_NAME_BYTES: Final = 150
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"})
"""Not those that are unassigned (Cn): which these are depends on the Python that runs, and reader and writer differ."""
_UNSAFE: Final = re.compile(r'[\\/:*?"<>|]')


def attachment_name(position: int, name: str) -> str:
    """The name of the file at ``position`` (from 0), made harmless on every system."""
    kept = "".join("_" if unicodedata.category(each) in _UNSEEN and each != " " else each for each in name)
    safe = _UNSAFE.sub("_", unicodedata.normalize("NFC", kept)).strip(" .") or "file"
    return f"{ATTACHMENTS}{position + 1:02d}-{_shortened(safe)}"


def evidence_name(number: int, event: str, agency_code: str | None) -> str:
    """The name of the ``number``-th piece of evidence (from 1)."""
    return f"{EVIDENCE}{number:03d}-{event}{_suffix(agency_code)}.xml"


def status_name(number: int, code: str, agency_code: str) -> str:
    """The name of the ``number``-th status message (from 1)."""
    return f"{STATUS}{number:03d}-{code}{_suffix(agency_code)}.edxml"


def _suffix(agency_code: str | None) -> str:
    return f"-{_UNSAFE.sub('_', agency_code)}" if agency_code else ""


def _shortened(name: str) -> str:
    """At most :data:`_MAX_NAME_BYTES` bytes, the extension kept."""
    if len(name.encode()) <= _MAX_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 20:  # noqa: PLR2004 - longer than any real extension
        stem, extension = name, ""
    tail = f".{extension}" if extension else ""
    return stem.encode()[: _MAX_NAME_BYTES - len(tail.encode())].decode(errors="ignore") + tail
