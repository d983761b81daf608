"""Why a message is not taken on. Each error changes nothing but what it says."""

from __future__ import annotations

from edoc.errors import EdocError, Violation
from edoc.evidence.model import SealedEvidence
from signing.report import ValidationReport


class AcceptanceError(EdocError):
    """Base: a message was not taken on."""


class RefusedError(AcceptanceError):
    """A readable message breaks rules or has no valid seal; the sender gets a SubmissionRejection as evidence."""

    def __init__(
        self,
        violations: tuple[Violation, ...],
        reports: tuple[ValidationReport, ...] = (),
        evidence: SealedEvidence | None = None,
    ) -> None:
        super().__init__("; ".join(f"{v.code} at {v.field}: {v.reason}" for v in violations))
        self.violations, self.reports, self.evidence = violations, reports, evidence


class ConflictError(AcceptanceError):
    """The DocumentId is taken by a document with other bytes; what is there is never overwritten."""

    def __init__(self, document_id: str) -> None:
        super().__init__(f"DocumentId {document_id} belongs to an accepted document with other bytes")
        self.document_id = document_id


class SenderMismatchError(AcceptanceError):
    """The caller may not send for the agency that the message names in From."""

    def __init__(self, caller: str, sender: str) -> None:
        super().__init__(f"the token of {caller} may not send for {sender}")
        self.caller, self.sender = caller, sender


class VerificationUnavailableError(AcceptanceError):
    """The seal cannot be judged now, since revocation data or an authority's certificate is missing or stale; try again
    later.
    """

    def __init__(self, report: ValidationReport) -> None:
        super().__init__("; ".join(finding.reason for finding in report.findings))
        self.report = report


class DirectoryChangedError(AcceptanceError):
    """The directory, or the standing of the seal, changed while the message was judged; the service judges it again."""
