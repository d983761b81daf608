"""The composition root says what is missing before anything runs, and wires what the settings say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api import bootstrap
from api.bootstrap import build_exchange, build_program, open_database, policy_of, read_secret
from api.errors import NotInitializedError, SecretFileError, SecretFileMissingError
from edoc.database.errors import DatabaseUnavailableError
from keys.errors import KeyNotFoundError, KeyStoreError, NoTrustAnchorsError
from tests.support.exchange import HELD_SEALS, SENDER, SmallExchange, settings_of, small_exchange


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with small_exchange(tmp_path / "home"):
        return tmp_path / "home"


def test_a_home_that_is_not_there_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(NotInitializedError, match="edoc init"):
        build_program(settings_of(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_a_database_without_tables_is_told_with_the_remedy(home: Path) -> None:
    settings = settings_of(home, database_url=f"sqlite:///{home / 'empty.sqlite3'}")
    open_database(settings, create=True).dispose()
    with pytest.raises(NotInitializedError, match="edoc init"):
        build_program(settings)


def test_a_database_that_was_never_made_is_not_made_by_the_way(home: Path) -> None:
    with pytest.raises(NotInitializedError, match="edoc init"):
        build_program(settings_of(home, database_url=f"sqlite:///{home / 'none.sqlite3'}"))
    assert not list(home.glob("none*"))


def test_nothing_runs_without_trust_anchors(home: Path) -> None:
    (home / "trust" / "anchors" / "root.pem").unlink()
    with pytest.raises(NoTrustAnchorsError):
        build_program(settings_of(home))


def test_nothing_runs_without_the_exchanges_seal(home: Path) -> None:
    (home / "keys" / "exchange.p12").unlink()
    with pytest.raises(KeyNotFoundError):
        build_program(settings_of(home))


def test_a_wrong_password_is_told(home: Path) -> None:
    (home / "keys" / "exchange.password").write_bytes(b"wrong\n")
    with pytest.raises(KeyStoreError):
        build_program(settings_of(home))


@pytest.mark.parametrize(("content", "mode"), [(b"", 0o600), (b"\nsecond line", 0o600), (b"secret", 0o640)])
def test_a_secret_that_is_empty_or_open_to_others_is_refused(tmp_path: Path, content: bytes, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(SecretFileError):
        read_secret(path)


def test_a_secret_is_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes("mật khẩu\r\nmore\n".encode())
    path.chmod(0o600)
    assert read_secret(path) == "mật khẩu".encode()
    with pytest.raises(SecretFileMissingError):
        read_secret(tmp_path / "nothing")


def test_the_settings_reach_the_policy(home: Path) -> None:
    settings = settings_of(
        home,
        report_arrival=False,
        attachment_object_bytes=7,
        max_body_bytes=1 << 20,
        max_attachment_bytes=1 << 16,
        max_attachments=3,
        max_recipients=4,
    )
    policy = policy_of(settings)
    assert (policy.report_arrival, policy.attachment_object_bytes) == (False, 7)
    assert policy.limits.xml.max_bytes == 1 << 20
    assert (policy.limits.max_attachments, policy.limits.max_recipients) == (3, 4)
    assert policy.limits.max_attachment_bytes == policy.limits.max_total_attachment_bytes == 1 << 16


def test_the_seals_that_the_exchange_holds_are_found_by_code(tmp_path: Path) -> None:
    with small_exchange(tmp_path / "home") as office:
        assert office.program.seals.labels() == tuple(sorted(HELD_SEALS))
        assert office.program.seals.find(SENDER).certificate == office.keys[SENDER].certificate


def test_the_exchange_alone_is_the_same(home: Path) -> None:
    exchange = build_exchange(settings_of(home))
    try:
        assert exchange.issuer.party.code == "H29.EX"
    finally:
        exchange.engine.dispose()


def test_a_small_exchange_takes_a_letter_on(tmp_path: Path) -> None:
    with small_exchange(tmp_path / "home") as office:
        assert isinstance(office, SmallExchange)
        assert not office.submit(office.letter()).replayed


@pytest.mark.parametrize("unwritable", ["home", "home/edoc.sqlite3"])
def test_a_database_that_cannot_be_written_is_named_with_what_names_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, unwritable: str
) -> None:
    path = home.parent / unwritable
    plain = os.access
    monkeypatch.setattr(os, "access", lambda each, mode: each != path and plain(each, mode))

    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("the database failed: unable to open database file")

    monkeypatch.setattr(bootstrap, "open_engine", fail)
    with pytest.raises(DatabaseUnavailableError, match=f"^{path} must be writable .*EDOC_HOME and EDOC_DATABASE_URL"):
        open_database(settings_of(home))
    monkeypatch.setattr(os, "access", plain)
    with pytest.raises(DatabaseUnavailableError, match=r"^the database failed"):
        open_database(settings_of(home))
