"""Sealing a message: the strict edXML form, with the agency's XAdES seal in its header."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from edoc.envelope.codec import encode, seal_place
from edoc.envelope.model import DocumentMessage, Message
from keys.store import SigningKey
from signing.xades.signer import sign
from signing.xml import ParsedXml

SEAL_ID: Final = "seal-1"
SENDING_AGENCY: Final = "sending-agency"
REPORTING_AGENCY: Final = "reporting-agency"


def capacity(message: Message) -> tuple[str, ...]:
    """In what capacity an agency seals a message (SignerRoleV2, EN 319 132-1 section 5.2.6).

    As the one that sends or reports; and, of a letter, the capacity in which its officer signs it, or else the
    officer's position, as the letter has it.
    """
    if not isinstance(message, DocumentMessage):
        return (REPORTING_AGENCY,)
    officer = message.signer_info.competence or message.signer_info.position
    return (SENDING_AGENCY, officer) if officer else (SENDING_AGENCY,)


def seal_message(
    message: Message, key: SigningKey, at: datetime, claimed_roles: Sequence[str] | None = None
) -> ParsedXml:
    """The sealed message, to be written out with :meth:`~signing.xml.ParsedXml.encoded_chunks`.

    Args:
        message: what is sealed.
        key: with which.
        at: the signing time.
        claimed_roles: in what capacity; None for an agency's own, as :func:`capacity` has it.

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
        claimed_roles=capacity(message) if claimed_roles is None else claimed_roles,
        signature_id=SEAL_ID,
    )
    return document
