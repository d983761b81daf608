"""The error tree of ``keys``: every exception this folder raises descends from :class:`KeysError`."""

from __future__ import annotations

from datetime import datetime


class KeysError(Exception):
    """Base of all errors raised by ``keys``."""


class KeyNotFoundError(KeysError):
    """A key store holds no key of the given label."""


class KeyStoreError(KeysError):
    """A key store cannot be opened: wrong password, damaged file, or a file others can read."""


class KeyUnavailableError(KeysError):
    """A key exists but cannot sign now, or not with the algorithm asked for."""


class CertificateFormatError(KeysError):
    """Bytes are not an X.509 certificate, a CRL, or a bundle of them (RFC 5280)."""


class NoTrustAnchorsError(KeysError):
    """There are no trust anchors, so that nothing can be judged. Never a fault of the document."""


class PathError(KeysError):
    """Base: a certificate cannot be accepted at the time of interest (RFC 5280 section 6)."""


class PathNotFoundError(PathError):
    """No path leads from the certificate to a trust anchor, or a signature in it is wrong."""


class CertificateExpiredError(PathError):
    """A certificate of the path had expired at the time of interest: the signer's, or that of an authority above."""

    def __init__(
        self, subject: str, not_after: datetime, *, of_authority: bool = False, of_anchor: bool = False
    ) -> None:
        super().__init__(f"certificate of {subject} expired at {not_after.isoformat()}")
        self.subject, self.not_after, self.of_authority = subject, not_after, of_authority
        self.of_anchor = of_anchor
        """That of the authority that is trusted by itself: then it is the reader's trust that has expired."""


class CertificateNotYetValidError(PathError):
    """A certificate of the path was not yet valid at the time of interest: the signer's, or an authority's above."""

    def __init__(self, subject: str, not_before: datetime, *, of_authority: bool = False) -> None:
        super().__init__(f"certificate of {subject} is not valid before {not_before.isoformat()}")
        self.subject, self.not_before, self.of_authority = subject, not_before, of_authority


class CertificateRevokedError(PathError):
    """A certificate of the path, the signer's or an authority's, had been revoked before the time of interest."""

    def __init__(
        self,
        subject: str,
        revoked_at: datetime,
        reason: str,
        *,
        on_hold: bool = False,
        was_on_hold: bool = False,
        of_authority: bool = False,
    ) -> None:
        since = "; that hold has ended since" if was_on_hold else ""
        super().__init__(f"certificate of {subject} was revoked at {revoked_at.isoformat()} ({reason}){since}")
        self.subject, self.revoked_at, self.reason = subject, revoked_at, reason
        self.on_hold, self.was_on_hold, self.of_authority = on_hold, was_on_hold, of_authority
        """On hold it may become valid again (RFC 5280 section 5.3.1); for the time of a hold that has ended, it never
        does, whether the hold was lifted or made final."""


class RevocationUnknownError(PathError):
    """No fresh CRL says whether a certificate of the path was revoked: try later, never "valid"."""


class KeyUsageError(PathError):
    """The certificate is not meant for this use (key usage, extended key usage, basic constraints)."""


class WeakKeyError(PathError):
    """A key of the path is too weak: RSA below 2048 bits, a curve other than P-256, P-384, P-521, or SHA-1."""


class AuthorityError(KeysError):
    """The demonstration authority refuses: it exists already, its folder is damaged, or the request makes no sense."""
