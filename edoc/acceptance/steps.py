"""The steps of acceptance, in their order: for tracing, and for tests that cut the power at each of them."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class AcceptanceStep(Enum):
    """A point that acceptance has just reached."""

    RECEIVED = "received"
    """All bytes are here, in memory or staged. A crash leaves at most a staged file: the sweep removes it."""
    PARSED = "parsed"
    DECODED = "decoded"
    AUTHORIZED = "authorized"
    """Sender, recipients and rules are right."""
    ATTACHMENTS_STAGED = "attachments_staged"
    """Large attachments are staged. A crash leaves staged files: the sweep removes them."""
    SIGNATURES_VERIFIED = "signatures_verified"
    ATTACHMENTS_ARCHIVED = "attachments_archived"
    """A crash leaves objects that no row refers to: the sweep removes them after its grace period, or the sender's
    retry uses them."""
    MESSAGE_ARCHIVED = "message_archived"
    """A crash leaves a message that no row refers to, until the sender's retry uses it: the sweep removes none
    (decision 0010), and keeps what came with it."""
    TRANSACTION_BEGUN = "transaction_begun"
    """From here to the commit a crash rolls back; the objects stay as above."""
    EVIDENCE_SEALED = "evidence_sealed"
    ROWS_ADDED = "rows_added"
    COMMITTED = "committed"
    """A crash before the answer leaves an accepted message: the sender's retry gets the same receipt."""
    RECEIPT_READ = "receipt_read"
    ANSWERING = "answering"


class StepObserver(Protocol):
    """Whoever wants to know how far acceptance has come."""

    def reached(self, step: AcceptanceStep) -> None:
        """Called right after the step, in the thread that works on it."""


class NoObserver:
    """Nobody watches."""

    def reached(self, step: AcceptanceStep) -> None:
        """Do nothing."""
