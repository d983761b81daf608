"""The verdict on a signature, in the words of ETSI EN 319 102-1 section 5.1.

A report says not only that a signature holds but what it covers, since a document can hold more than was signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509

from keys.certificates import fingerprint, subject_text


class Indication(Enum):
    """The main status indication (EN 319 102-1 section 5.1.3)."""

    TOTAL_PASSED = "TOTAL-PASSED"
    TOTAL_FAILED = "TOTAL-FAILED"
    INDETERMINATE = "INDETERMINATE"


class SubIndication(Enum):
    """Why a signature did not pass (EN 319 102-1 table 6); names as in the standard."""

    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    POLICY_PROCESSING_ERROR = "POLICY_PROCESSING_ERROR"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    CRYPTO_CONSTRAINTS_FAILURE_NO_POE = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    NO_POE = "NO_POE"
    TRY_LATER = "TRY_LATER"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
    GENERIC = "GENERIC"


@dataclass(frozen=True)
class Finding:
    """One reason for a verdict."""

    rule: str
    """Stable dotted name of the check, such as ``reference.transform``."""
    reason: str
    """What is wrong, in plain words, naming the part concerned."""
    remedy: str
    """What the signer or the reader can do about it."""


@dataclass(frozen=True)
class CoveredPart:
    """One part of the document that the signature covers."""

    label: str
    """The label under which the caller expected it, such as ``MessageHeader`` or a ContentId."""
    uri: str
    """The reference's URI."""
    digest_algorithm: str
    """``hashlib`` name."""
    digest: bytes
    """The digest over the canonical or decoded octets."""


@dataclass(frozen=True)
class ValidationReport:
    """The verdict on one signature."""

    indication: Indication
    sub_indication: SubIndication | None
    findings: tuple[Finding, ...]
    """Empty exactly when the indication is TOTAL-PASSED."""
    validated_at: datetime
    """The time of interest: the verdict is about this time."""
    signature_id: str | None
    signature_algorithm: str | None
    """The algorithm's URI."""
    signing_time: datetime | None
    """What the signer claims (SigningTime, EN 319 132-1 section 5.2.1); proven by nothing else."""
    claimed_roles: tuple[str, ...]
    """SignerRoleV2 (EN 319 132-1 section 5.2.6)."""
    signer: x509.Certificate | None
    path: tuple[x509.Certificate, ...]
    """From the signer to the trust anchor; empty where no path was validated."""
    covered: tuple[CoveredPart, ...]
    """Empty unless the indication is TOTAL-PASSED."""

    @property
    def passed(self) -> bool:
        """Whether the indication is TOTAL-PASSED."""
        return self.indication is Indication.TOTAL_PASSED


def report_as_json(report: ValidationReport) -> dict[str, object]:
    """The report in values that JSON knows: enums by their names, times in ISO 8601, digests in hex."""
    return {
        "indication": report.indication.value,
        "sub_indication": report.sub_indication.value if report.sub_indication else None,
        "findings": [vars(finding) for finding in report.findings],
        "validated_at": report.validated_at.isoformat(),
        "signature_id": report.signature_id,
        "signature_algorithm": report.signature_algorithm,
        "signing_time": report.signing_time.isoformat() if report.signing_time else None,
        "claimed_roles": list(report.claimed_roles),
        "signer": _certificate_as_json(report.signer) if report.signer else None,
        "path": [_certificate_as_json(certificate) for certificate in report.path],
        "covered": [
            {"label": part.label, "uri": part.uri, "algorithm": part.digest_algorithm, "digest": part.digest.hex()}
            for part in report.covered
        ],
    }


def _certificate_as_json(certificate: x509.Certificate) -> dict[str, str]:
    return {"subject": subject_text(certificate), "sha256": fingerprint(certificate)}
