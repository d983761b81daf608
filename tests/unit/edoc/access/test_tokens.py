"""Tokens: who presents one, and until when."""

from __future__ import annotations

import os
from datetime import date, timedelta

import pytest

from edoc.access.errors import InvalidTokenError, MissingScopeError
from edoc.access.tokens import NewToken, Scope, authenticate, issue_tokens, list_tokens, read_scopes, revoke_token
from edoc.database.engine import read, write
from edoc.directory.repository import close_agency
from tests.support.services import WARD, SmallExchange


def token_of(small: SmallExchange, lifetime: timedelta = timedelta(days=1)) -> str:
    agency = small.exchange.directory.current().find(WARD)
    now = small.clock()
    with write(small.exchange.engine) as connection:
        wanted = NewToken(agency.id, frozenset({Scope.RECEIVE}), "Văn thư", now + lifetime)
        return issue_tokens(connection, [wanted], now, os.urandom)[0].token


def test_a_token_says_who_calls_and_what_it_may(small: SmallExchange) -> None:
    token = token_of(small)
    principal = authenticate(small.exchange.engine, token, small.clock())
    assert principal.agency_code == WARD
    assert principal.scopes == frozenset({Scope.RECEIVE})
    principal.require(Scope.RECEIVE)
    with pytest.raises(MissingScopeError, match="send"):
        principal.require(Scope.SEND)


def test_what_is_made_is_listed_and_authenticated_by_its_identifier_in_the_order_wanted(small: SmallExchange) -> None:
    agency = small.exchange.directory.current().find(WARD)
    now = small.clock()
    wanted = [NewToken(agency.id, frozenset({Scope.RECEIVE}), str(each), now + timedelta(1)) for each in range(3)]
    with write(small.exchange.engine) as connection:
        made = issue_tokens(connection, wanted, now, os.urandom)
        listed = {each.id: each.label for each in list_tokens(connection)}
    assert [listed[each.id] for each in made] == ["0", "1", "2"]
    assert [authenticate(small.exchange.engine, each.token, now).token_id for each in made] == [
        each.id for each in made
    ]
    assert all(each.token not in repr(each) for each in made)


def test_only_the_digest_of_a_token_is_kept(small: SmallExchange) -> None:
    token = token_of(small)
    with read(small.exchange.engine) as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        rows = raw.execute("SELECT * FROM access_token").fetchall()
    assert len(rows) == 1
    assert token not in str(rows)


@pytest.mark.parametrize("token", ["", "edoc_", "edoc_" + "A" * 43, "\udcff"])
def test_an_unknown_token_is_refused(small: SmallExchange, token: str) -> None:
    token_of(small)
    with pytest.raises(InvalidTokenError, match="unknown"):
        authenticate(small.exchange.engine, token, small.clock())


def test_a_token_ends_when_it_expires_is_revoked_or_its_agency_ends(small: SmallExchange) -> None:
    expiring, revoked, closed = token_of(small, timedelta(seconds=1)), token_of(small), token_of(small)
    with write(small.exchange.engine) as connection:
        revoke_token(connection, list_tokens(connection)[1].id, small.clock())
    engine = small.exchange.engine
    with pytest.raises(InvalidTokenError, match="revoked"):
        authenticate(engine, revoked, small.clock())
    assert authenticate(engine, closed, small.clock()).agency_code == WARD
    with pytest.raises(InvalidTokenError, match="expired"):
        authenticate(engine, expiring, small.clock() + timedelta(minutes=1))
    directory = small.exchange.directory.current()
    with write(small.exchange.engine) as connection:
        close_agency(connection, directory.find(WARD), date(2026, 11, 24), [])
    with pytest.raises(InvalidTokenError, match="ended on 2026-11-24"):
        authenticate(engine, closed, small.clock())


def test_revoking_twice_says_so(small: SmallExchange) -> None:
    token_of(small)
    with write(small.exchange.engine) as connection:
        [issued] = list_tokens(connection)
        revoke_token(connection, issued.id, small.clock())
        with pytest.raises(InvalidTokenError):
            revoke_token(connection, issued.id, small.clock())


def test_scopes_are_read_by_name() -> None:
    assert read_scopes(["send", "audit"]) == {Scope.SEND, Scope.AUDIT}
    with pytest.raises(ValueError, match="everything"):
        read_scopes(["everything"])
