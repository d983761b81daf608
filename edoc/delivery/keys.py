"""By what a delivery is known to those who commit together."""

from __future__ import annotations


def delivery_key(document_id: str, recipient_id: int) -> str:
    """The key of every work item that changes a delivery: two of them never share a transaction."""
    return f"delivery:{document_id}:{recipient_id}"
