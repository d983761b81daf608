"""Cursors: where a list goes on, opaque to the caller.

A cursor holds nothing but the last identifier of a page. It needs no signature: each list is narrowed to the caller's
own rows anyway, so a made-up cursor shows nothing that the caller may not see.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from api.rest.errors import invalid

_LENGTH = 22


def write_cursor(last: UUID | None) -> str | None:
    """The cursor of the page after ``last``."""
    return None if last is None else base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def read_cursor(cursor: str | None) -> UUID | None:
    """Where the list goes on.

    Raises:
        InvalidRequestError: no page of ours ended so.
    """
    if cursor is None:
        return None
    try:
        if len(cursor) != _LENGTH:
            raise ValueError
        identifier = UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        identifier = None
    if identifier is None or write_cursor(identifier) != cursor:
        raise invalid("cursor", "this is no cursor of this list", "give what `next` of the page before held, unchanged")
    return identifier
