"""Sealing evidence with the exchange's own key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from edoc.evidence.codec import LIMITS, STATEMENT_ID, write_statement
from edoc.evidence.model import Evidence, Party, SealedEvidence
from keys.store import SigningKey
from signing.parts import ElementPart
from signing.xades.signer import sign
from signing.xml import parse

SEAL_ID: Final = "seal"
CLAIMED_ROLE: Final = "document-exchange"


@dataclass(frozen=True)
class EvidenceIssuer:
    """The exchange as issuer of evidence."""

    party: Party
    key: SigningKey

    def seal(self, evidence: Evidence) -> SealedEvidence:
        """Seal a statement as XAdES B-B at its event time."""
        document = parse(write_statement(evidence), LIMITS)
        sign(
            document,
            [ElementPart("Statement", document.root[0])],
            parent=document.root,
            key=self.key,
            signing_time=evidence.event_time,
            claimed_roles=(CLAIMED_ROLE,),
            signature_id=SEAL_ID,
        )
        body = b"".join(document.encoded_chunks())
        return SealedEvidence(evidence, body, hashlib.sha256(body).hexdigest())


__all__ = ["CLAIMED_ROLE", "SEAL_ID", "STATEMENT_ID", "EvidenceIssuer"]
