"""Who calls: bearer tokens (RFC 6750), checked with one query a request, so that a revoked one ends at once."""

from __future__ import annotations

import re
from typing import Final

from flask import g, request

from api.rest.context import exchange
from api.rest.errors import MissingTokenError
from edoc.access.errors import InvalidTokenError
from edoc.access.tokens import Principal, Scope, authenticate

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{1,512}=*) *")


def caller(*scopes: Scope) -> Principal:
    """The agency that calls, whose token carries all of ``scopes``.

    Raises:
        MissingTokenError: there is no token.
        InvalidTokenError: it is malformed, unknown, expired or revoked.
        MissingScopeError: it lacks a scope.
    """
    header = request.headers.get("Authorization")
    if not header:
        raise MissingTokenError("the request carries no bearer token")
    match = _BEARER.fullmatch(header)
    if match is None:
        raise InvalidTokenError("the header Authorization must be: Bearer <token>")
    principal = authenticate(exchange().engine, match.group(1), exchange().clock())
    g.agency_code = principal.agency_code
    for scope in scopes:
        principal.require(scope)
    return principal
