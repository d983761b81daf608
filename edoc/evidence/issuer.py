"""Sealing evidence with the exchange's own key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from edoc.evidence.codec import STATEMENT_ID, write_evidence, write_statement
from edoc.evidence.model import Evidence, Party, SealedEvidence
from keys.store import SigningKey
from signing.xades.signer import seal_text

SEAL_ID: Final = "seal"
CLAIMED_ROLE: Final = "document-exchange"


@dataclass(frozen=True)
class EvidenceIssuer:
    """The exchange as issuer of evidence."""

    party: Party
    key: SigningKey

    def seal(self, evidence: Evidence) -> SealedEvidence:
        """Seal a statement as XAdES B-B at its event time.

        Raises:
            EvidenceFormatError: it cannot be written as XML.
            SigningError: it cannot be sealed.
        """
        statement = write_statement(evidence)
        seal = seal_text(
            statement,
            STATEMENT_ID,
            key=self.key,
            signing_time=evidence.event_time,
            claimed_roles=(CLAIMED_ROLE,),
            signature_id=SEAL_ID,
        )
        body = write_evidence(statement, seal)
        return SealedEvidence(evidence, body, hashlib.sha256(body).hexdigest())


__all__ = ["CLAIMED_ROLE", "SEAL_ID", "STATEMENT_ID", "EvidenceIssuer"]
