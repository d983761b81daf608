"""Sealing a message: the strict edXML form, with the agency's XAdES seal in its header."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from edoc.envelope.codec import encode, seal_place
from edoc.envelope.model import Message
from keys.store import SigningKey
from signing.xades.signer import sign
from signing.xml import ParsedXml

SEAL_ID: Final = "seal-1"


def seal_message(message: Message, key: SigningKey, at: datetime, claimed_roles: Sequence[str] = ()) -> ParsedXml:
    """The sealed message, to be written out with :meth:`~signing.xml.ParsedXml.encoded_chunks`.

    Raises:
        MessageError: the message is not what the format allows.
        SignatureCreationError: the key cannot seal it.
    """
    document = encode(message)
    place = seal_place(document)
    sign(
        document,
        place.parts,
        parent=place.header,
        key=key,
        signing_time=at,
        claimed_roles=claimed_roles,
        signature_id=SEAL_ID,
    )
    return document
