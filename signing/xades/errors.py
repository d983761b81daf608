"""Why a signature does not pass: one class for each status of EN 319 102-1 table 6 that the verifier can give.

Each error carries the facts of one :class:`~signing.report.Finding`. They never leave the verifier's public
functions, which turn the first one into a report.
"""

from __future__ import annotations

from typing import ClassVar

from signing.errors import SigningError
from signing.report import Finding, Indication, SubIndication


class VerificationError(SigningError):
    """Base: a check of the verifier did not hold. ``rule``, ``reason`` and ``remedy`` are those of a finding."""

    indication: ClassVar[Indication] = Indication.INDETERMINATE
    sub_indication: ClassVar[SubIndication] = SubIndication.GENERIC

    def __init__(self, rule: str, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} ({rule}): {remedy}")
        self.rule, self.reason, self.remedy = rule, reason, remedy

    @property
    def finding(self) -> Finding:
        """The facts as a part of a report."""
        return Finding(self.rule, self.reason, self.remedy)


class SignatureFormatError(VerificationError):
    """The signature does not have the form that the standards and this project require (5.2.2)."""

    indication = Indication.TOTAL_FAILED
    sub_indication = SubIndication.FORMAT_FAILURE


class DigestMismatchError(VerificationError):
    """Signed content is not what was signed (5.2.7)."""

    indication = Indication.TOTAL_FAILED
    sub_indication = SubIndication.HASH_FAILURE


class SignatureMismatchError(VerificationError):
    """The signature value was not made over this ``SignedInfo`` with the key of the certificate (5.2.7)."""

    indication = Indication.TOTAL_FAILED
    sub_indication = SubIndication.SIG_CRYPTO_FAILURE


class SigningCertificateNotFoundError(VerificationError):
    """The signature does not say, or not unmistakably, which certificate it was made with (5.2.3)."""

    sub_indication = SubIndication.NO_SIGNING_CERTIFICATE_FOUND


class SignedDataNotFoundError(VerificationError):
    """A reference names something that is not there (5.2.7)."""

    sub_indication = SubIndication.SIGNED_DATA_NOT_FOUND


class SignatureConstraintsError(VerificationError):
    """The signature does not cover exactly what it has to, or one of its properties is not acceptable (5.2.8)."""

    sub_indication = SubIndication.SIG_CONSTRAINTS_FAILURE


class AlgorithmConstraintsError(VerificationError):
    """An algorithm or a key is too weak, or not offered here (5.2.8)."""

    sub_indication = SubIndication.CRYPTO_CONSTRAINTS_FAILURE


class SignaturePolicyError(VerificationError):
    """The signature was made under a signature policy, which cannot be processed (5.2.4)."""

    sub_indication = SubIndication.POLICY_PROCESSING_ERROR


class ChainNotFoundError(VerificationError):
    """No path leads from the signing certificate to a trust anchor (5.2.6)."""

    sub_indication = SubIndication.NO_CERTIFICATE_CHAIN_FOUND


class ChainConstraintsError(VerificationError):
    """The certificate is not meant for making such signatures (5.2.6)."""

    sub_indication = SubIndication.CHAIN_CONSTRAINTS_FAILURE


class ChainGeneralError(VerificationError):
    """The path cannot be accepted for a reason that has no status of its own (5.2.6)."""

    sub_indication = SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE


class RevocationStatusUnknownError(VerificationError):
    """Whether the certificate was revoked cannot be known now (5.2.5), or it is on hold, which may end (5.2.6)."""

    sub_indication = SubIndication.TRY_LATER


class SignedAfterRevocationError(VerificationError):
    """By its own signing time the signature was made after its certificate had been revoked."""

    indication = Indication.TOTAL_FAILED
    sub_indication = SubIndication.REVOKED


class RevokedWithoutProofError(VerificationError):
    """The certificate was revoked before the time of interest; nothing proves that the signature is older."""

    sub_indication = SubIndication.REVOKED_NO_POE


class AuthorityRevokedWithoutProofError(VerificationError):
    """An authority above the certificate was revoked; nothing proves that the signature is older (5.2.6)."""

    sub_indication = SubIndication.REVOKED_CA_NO_POE


class SignedAfterExpiryError(VerificationError):
    """By its own signing time the signature was made after its certificate had expired."""

    indication = Indication.TOTAL_FAILED
    sub_indication = SubIndication.EXPIRED


class ExpiredWithoutProofError(VerificationError):
    """The certificate was not valid at the time of interest; nothing proves that the signature is from when it was."""

    sub_indication = SubIndication.OUT_OF_BOUNDS_NO_POE


class NotYetValidError(VerificationError):
    """The signature was there before its certificate was valid."""

    indication = Indication.TOTAL_FAILED
    sub_indication = SubIndication.NOT_YET_VALID
