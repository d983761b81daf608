"""The transaction that records a refusal: evidence and event, nothing else.

Crash: before the commit nothing is recorded and the sender, unanswered, tries again. The same message refused
again for the same reasons gets the same evidence, so that repeats cannot fill the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection

from edoc.database.group_commit import Preparation, Ready, RowBatch, Sequences, Settled
from edoc.directory.model import Agency
from edoc.errors import Violation
from edoc.events import EventType, add_event
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.model import Evidence, EvidenceType, MessageKind, Party, Reason, SealedEvidence
from edoc.evidence.rows import add_evidence, find_by_occasion, rejection_occasion
from edoc.exchange import Exchange
from edoc.identifiers import uuid7


@dataclass(frozen=True)
class Refusal:
    """A message that was refused, and why."""

    sender: Agency
    """The caller's agency, whatever the message says."""
    kind: MessageKind
    document_id: str | None
    sha256: str
    size: int
    violations: tuple[Violation, ...]

    @property
    def occasion(self) -> str:
        """One for each message, caller and set of rules broken."""
        return rejection_occasion(self.sha256, self.sender.id, (violation.code for violation in self.violations))


class RecordRefusal:
    """The work item that records one refusal."""

    def __init__(self, exchange: Exchange, refusal: Refusal) -> None:
        self._exchange, self._refusal = exchange, refusal

    @property
    def keys(self) -> frozenset[str]:
        """The same refusal once."""
        return frozenset({self._refusal.occasion})

    @property
    def actors(self) -> Sequence[int]:
        """The caller."""
        return [self._refusal.sender.id]

    @classmethod
    def prepare(cls, connection: Connection, items: Sequence[Self]) -> Sequence[Preparation]:
        """Find refusals recorded before."""
        return [item.find(connection) for item in items]

    def find(self, connection: Connection) -> Preparation:
        """Whether the refusal was recorded before."""
        body = find_by_occasion(connection, self._exchange.store, self._refusal.occasion)
        if body is None:
            return Ready()
        evidence, _, _ = read_evidence(parse_evidence(body))
        return Settled(SealedEvidence(evidence, body, hashlib.sha256(body).hexdigest()))

    def write(self, connection: Connection, rows: RowBatch, sequences: Sequences) -> SealedEvidence:
        """Add the evidence and the event."""
        del connection
        exchange, refusal = self._exchange, self._refusal
        now = exchange.clock()
        sequence = sequences.take(refusal.sender.id)
        sealed = exchange.issuer.seal(
            Evidence(
                identifier=uuid7(now, exchange.random),
                type=EvidenceType.SUBMISSION_REJECTION,
                event_time=now,
                issuer=exchange.issuer.party,
                sender=Party(refusal.sender.code, refusal.sender.name, sequence),
                recipients=(),
                message_kind=refusal.kind,
                document_id=refusal.document_id,
                message_size=refusal.size,
                message_sha256=refusal.sha256,
                reasons=tuple(Reason(each.code, f"{each.field}: {each.reason}") for each in refusal.violations),
            )
        )
        add_evidence(
            rows,
            sealed,
            occasion=refusal.occasion,
            document_pk=None,
            delivery_id=None,
            random=exchange.random,
        )
        add_event(
            rows,
            EventType.SUBMISSION_REJECTION,
            agency_id=refusal.sender.id,
            sequence=sequence,
            occurred_at=now,
            message_sha256=refusal.sha256,
            evidence_sha256=sealed.sha256,
            random=exchange.random,
        )
        return sealed
