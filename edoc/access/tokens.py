"""Making, checking and revoking bearer tokens (RFC 6750).

A token is 256 random bits in base64url after a fixed prefix, so that scanners of leaked secrets can find it. Its
SHA-256 is enough to keep: there is nothing to guess in 256 bits.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from edoc.access.errors import InvalidTokenError, MissingScopeError
from edoc.database.prepared import Query
from edoc.database.tables import AccessTokenRow, AgencyRow
from edoc.identifiers import Random, uuid7
from edoc.vietnam import vietnam_date

PREFIX: Final = "edoc_"


class Scope(Enum):
    """What a token allows."""

    SEND = "send"
    """Submit messages that the agency sealed."""
    RECEIVE = "receive"
    """Read the agency's inbox and take documents over."""
    SEAL = "seal"
    """Have the exchange seal with the agency's key, where it holds one."""
    AUDIT = "audit"
    """Read every document, its evidence and its export."""


@dataclass(frozen=True)
class Principal:
    """Who calls, after the token was checked."""

    token_id: UUID
    agency_id: int
    agency_code: str
    scopes: frozenset[Scope]

    def require(self, scope: Scope) -> None:
        """Refuse a caller without the scope.

        Raises:
            MissingScopeError: the token does not carry it.
        """
        if scope not in self.scopes:
            raise MissingScopeError(scope.value)


@dataclass(frozen=True)
class IssuedToken:
    """What is known of a token; never the token itself."""

    id: UUID
    agency_code: str
    scopes: frozenset[Scope]
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class NewToken:
    """A token to be made."""

    agency_id: int
    scopes: frozenset[Scope]
    label: str
    expires_at: datetime


@dataclass(frozen=True)
class MadeToken:
    """A token that was made: the one time that it can be read."""

    id: UUID
    """By which it is listed and revoked."""
    token: str = field(repr=False)


def issue_tokens(
    connection: Connection, wanted: Sequence[NewToken], now: datetime, random: Random
) -> tuple[MadeToken, ...]:
    """Make tokens, in the order wanted; they are shown here once and can never be read again."""
    made = tuple(MadeToken(uuid7(now, random), _new_token(random)) for _ in wanted)
    connection.execute(
        insert(AccessTokenRow),
        [
            {
                "id": new.id,
                "token_sha256": _digest(new.token),
                "agency_id": each.agency_id,
                "scopes": _scopes_text(each.scopes),
                "label": each.label,
                "created_at": now,
                "expires_at": each.expires_at,
                "revoked_at": None,
            }
            for new, each in zip(made, wanted, strict=True)
        ],
    )
    return made


def authenticate(engine: Engine, token: str, now: datetime) -> Principal:
    """Who presents this token.

    Raises:
        InvalidTokenError: the token is unknown, expired or revoked, or its agency is no more.
        DatabaseError: nobody can say.
    """
    found = _FIND.fetch(engine, digest=_digest(token))
    if not found:
        raise InvalidTokenError("the token is unknown")
    (row,) = found
    if row.revoked_at is not None and row.revoked_at <= now:
        raise InvalidTokenError(f"the token was revoked at {row.revoked_at.isoformat()}")
    if row.expires_at <= now:
        raise InvalidTokenError(f"the token expired at {row.expires_at.isoformat()}")
    if row.valid_to is not None and row.valid_to <= vietnam_date(now):
        raise InvalidTokenError(f"agency {row.code} ended on {row.valid_to.isoformat()}")
    return Principal(row.id, row.agency_id, row.code, _read_scopes(row.scopes))


def list_tokens(connection: Connection) -> tuple[IssuedToken, ...]:
    """All tokens ever made, oldest first."""
    rows = connection.execute(_ALL).all()
    return tuple(
        IssuedToken(r.id, r.code, _read_scopes(r.scopes), r.label, r.created_at, r.expires_at, r.revoked_at)
        for r in rows
    )


def revoke_token(connection: Connection, token_id: UUID, now: datetime) -> None:
    """Revoke a token at once.

    Raises:
        InvalidTokenError: there is none, or it has been revoked.
    """
    revoked = connection.execute(
        update(AccessTokenRow)
        .where(AccessTokenRow.id == token_id, AccessTokenRow.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    if revoked.rowcount != 1:
        raise InvalidTokenError(f"there is no token {token_id} that could be revoked")


def read_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Scopes by their names.

    Raises:
        ValueError: a name is not a scope.
    """
    return frozenset(Scope(name) for name in names)


_FIND = Query(
    select(
        AccessTokenRow.id,
        AccessTokenRow.agency_id,
        AccessTokenRow.scopes,
        AccessTokenRow.expires_at,
        AccessTokenRow.revoked_at,
        AgencyRow.code,
        AgencyRow.valid_to,
    )
    .join(AgencyRow, AgencyRow.id == AccessTokenRow.agency_id)
    .where(AccessTokenRow.token_sha256 == bindparam("digest"))
)
_ALL = (
    select(AccessTokenRow.__table__, AgencyRow.code)
    .join(AgencyRow, AgencyRow.id == AccessTokenRow.agency_id)
    .order_by(AccessTokenRow.id)
)


@functools.lru_cache(maxsize=64)
def _read_scopes(text: str) -> frozenset[Scope]:
    return read_scopes(text.split())


def _scopes_text(scopes: frozenset[Scope]) -> str:
    return " ".join(sorted(scope.value for scope in scopes))


def _new_token(random: Random) -> str:
    return PREFIX + base64.urlsafe_b64encode(random(32)).decode().rstrip("=")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
