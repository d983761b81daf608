"""Why a caller is turned away."""

from __future__ import annotations

from edoc.errors import EdocError


class AccessError(EdocError):
    """Base: the caller may not do this."""


class InvalidTokenError(AccessError):
    """The token is unknown, expired or revoked, or its agency is no more."""


class MissingScopeError(AccessError):
    """The token does not carry the scope that the call needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the token does not carry the scope {scope}")
        self.scope = scope


class NotYoursError(AccessError):
    """The caller's agency has no part in this document. Outside it looks the same as one that does not exist."""
