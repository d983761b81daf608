"""edXML messages and values: ``decode`` and ``encode``, in one place for the services."""

from __future__ import annotations

from edoc.envelope.reader import DecodedMessage, decode
from edoc.envelope.writer import SealPlace, encode, seal_place

__all__ = ["DecodedMessage", "SealPlace", "decode", "encode", "seal_place"]
