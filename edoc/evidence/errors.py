"""What can be wrong with a piece of evidence."""

from __future__ import annotations

from edoc.errors import EdocError


class EvidenceFormatError(EdocError):
    """Bytes are not evidence of this exchange: not the schema, or a value that cannot be."""
