"""What one message may cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from signing.xml import XmlLimits

MOST_RECIPIENTS: Final = 1000
MOST_ATTACHMENTS: Final = 1000
MOST_BYTES: Final = 2 << 30
"""The most that any exchange may be set to accept: of a message, or of its files together, decoded."""


@dataclass(frozen=True)
class MessageLimits:
    """Limits of the reader; sizes in bytes."""

    xml: XmlLimits = field(default_factory=XmlLimits)
    max_status_bytes: int = 128 << 10
    """Of a status message, whole. With its certificates one has some ten kilobytes; of a letter to a thousand agencies
    there are thousands, and its export, which holds them all, stays below the 4 GiB of plain ZIP."""
    max_recipients: int = 1000
    max_attachments: int = 100
    max_attachment_bytes: int = 300 << 20
    """Of one decoded file."""
    max_total_attachment_bytes: int = 300 << 20
    max_unzipped_ratio: int = 100
    """Of the bytes out of a ZIP to the bytes in."""
    max_unzipped_bytes: int = 64 << 20
    """Of a file that came as a ZIP, packed and unpacked; the packed bytes are held in memory."""
    length_tolerance: int = 4
    """A text may be this many times longer than the format allows; then it is refused."""


def limits_of_archived() -> MessageLimits:
    """The limits of an exchange that reads its own archive.

    What is there was accepted, under the limits of that day, and must stay readable when the operator lowers them: so
    these allow whatever any exchange may be set to accept, or has accepted before a limit was set at all.
    """
    usual = MessageLimits()
    return replace(
        usual,
        xml=replace(usual.xml, max_bytes=MOST_BYTES, max_attributes_of_one=usual.xml.max_attributes),
        max_recipients=MOST_RECIPIENTS,
        max_attachments=MOST_ATTACHMENTS,
        max_attachment_bytes=MOST_BYTES,
        max_total_attachment_bytes=MOST_BYTES,
    )
