"""The trust list that the demonstration authority publishes, and who believes it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from api.cli.authority import TRUST_LIST_LIFETIME, open_authority, publish_trust_list
from api.config import load_settings
from api.trust import TRUST_LIST, TRUST_LIST_AUTHORITY
from keys.certificates import is_demonstration, read_certificates
from tests.unit.api.cli.conftest import City, Edoc


def shown(edoc: Edoc, home: str) -> dict[str, object]:
    found: dict[str, object] = edoc.json("keys", "show", f"{home}/trust/{TRUST_LIST}")
    return found


def seals(document: dict[str, object]) -> dict[str, str | None]:
    listed = document["certificates"]
    assert isinstance(listed, list)
    return {each["sha256"]: each["valid_until"] for each in listed if each["trusted_as"] == "ExchangeSeal"}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor looks at no port that another program may hold."""
    monkeypatch.setenv("EDOC_PORT", "0")


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o600)
    return str(path)


def finding(edoc: Edoc, home: str, code: int) -> dict[str, str]:
    checks = edoc.json("doctor", "--home", home, code=code)["checks"]
    found: dict[str, str] = next(each for each in checks if each["name"] == "trust_list")
    return found


@pytest.mark.usefixtures("quiet")
def test_init_publishes_a_list_that_names_the_exchanges_seal(edoc: Edoc, home: str) -> None:
    document = shown(edoc, home)
    assert (document["sequence"], document["fresh"]) == (1, True)
    own = edoc.json("keys", "show", f"{home}/keys/exchange.p12", "--password-file", f"{home}/keys/exchange.password")[
        "certificates"
    ][0]["sha256"]
    assert seals(document) == {own: None}
    authorities = read_certificates(Path(home, "trust", TRUST_LIST_AUTHORITY).read_bytes())
    assert [is_demonstration(each) for each in authorities] == [True]
    assert finding(edoc, home, 0)["outcome"] == "good"


def test_init_gives_an_older_home_its_list(edoc: Edoc, home: str) -> None:
    Path(home, "trust", TRUST_LIST).unlink()
    assert edoc.json("init", "--home", home)["made"] == ["trust_list"]
    assert shown(edoc, home)["sequence"] == 2


def test_every_command_that_changes_something_publishes_a_newer_list(
    edoc: Edoc, home: str, tmp_path: Path, password: str
) -> None:
    assert edoc.json("keys", "trust-list", "--home", home)["sequence"] == 2
    assert edoc.json("keys", "crl", "--home", home)["trust_list"]["sequence"] == 3
    out = str(tmp_path / "next.p12")
    rest = ["--exchange", "--home", home, "--out", out, "--password-file", password]
    issued = edoc.json("keys", "issue", "H29", "Trục", *rest)
    document = shown(edoc, home)
    assert document["sequence"] == 4
    assert seals(document)[issued["sha256"]] is None
    revoked = edoc.json("keys", "revoke", issued["serial"], "--home", home)
    document = shown(edoc, home)
    assert document["sequence"] == 5
    assert seals(document)[issued["sha256"]] == revoked["revoked_at"], "what it sealed before can still be judged"
    assert len(seals(document)) == 2


def test_an_authority_alone_has_a_list_without_seals(edoc: Edoc, tmp_path: Path) -> None:
    home = str(tmp_path / "alone")
    made = edoc.json("keys", "init", "--home", home)["trust_list"]
    assert (made["sequence"], seals(made)) == (1, {})
    assert shown(edoc, home)["certificates"] == made["certificates"]


def test_a_seal_that_is_not_in_the_list_is_not_the_exchanges(edoc: Edoc, city: City, home: str, tmp_path: Path) -> None:
    """The other exchange's seal has the same role by the same kind of authority, and even lies below our anchors."""
    client = [*city.as_agency("H29.1", with_key=True), "--to", "H29.2", "--number", "1", "--notation", "X"]
    more = ["--subject", "x", "--signer", "A", "--file", __file__, "--receipt", str(tmp_path / "receipt.xml")]
    edoc("send", *client, *more)
    receipt = str(tmp_path / "receipt.xml")
    assert edoc.json("verify", receipt, "--trust", city.trust)["verdict"] == "good"
    trust = tmp_path / "trust"
    shutil.copytree(city.trust, trust)
    (trust / "anchors" / "own.pem").write_bytes(Path(home, "trust", "anchors", "demonstration.pem").read_bytes())
    for name in (TRUST_LIST, TRUST_LIST_AUTHORITY):
        shutil.copy(Path(home, "trust", name), trust / name)
    report = edoc.json("verify", receipt, "--trust", str(trust), code=1)
    assert "trust list 1 does not name this seal" in report["checks"][0]["reason"]


def test_a_list_that_does_not_hold_stops_verification_with_the_reason(edoc: Edoc, home: str, tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text("<x/>")
    path = Path(home, "trust", TRUST_LIST)
    path.write_bytes(path.read_bytes().replace(b'Sequence="1"', b'Sequence="9"'))
    for command in (["verify", str(tmp_path / "x.xml"), "--trust", f"{home}/trust"], ["keys", "show", str(path)]):
        error = edoc.json(*command, code=2)["error"]
        assert error["code"] == "trust_list"
        assert "not signed by its authority" in error["what"]
        assert "keys trust-list" in error["remedy"]


@pytest.mark.usefixtures("quiet")
def test_an_older_list_put_back_is_found_by_the_doctor(edoc: Edoc, home: str) -> None:
    path = Path(home, "trust", TRUST_LIST)
    old = path.read_bytes()
    edoc("keys", "trust-list", "--home", home)
    path.write_bytes(old)
    found = finding(edoc, home, 1)
    assert found["outcome"] == "bad"
    assert "number 2 was made here" in found["detail"]


@pytest.mark.usefixtures("quiet")
def test_a_list_that_is_gone_or_does_not_name_the_own_seal_is_found_by_the_doctor(
    edoc: Edoc, home: str, tmp_path: Path
) -> None:
    trust = Path(home, "trust")
    (trust / TRUST_LIST_AUTHORITY).rename(tmp_path / "authority")
    (trust / TRUST_LIST).rename(tmp_path / "list")
    assert finding(edoc, home, 0)["outcome"] == "warning"
    Path(home, "keys", "exchange.p12").rename(tmp_path / "exchange.p12")
    settings = load_settings(Path(home))
    authority = open_authority(settings)
    seal = next(each for each in authority.issued() if each.role is not None)
    authority.revoke(seal.serial, at=datetime.now(UTC))
    publish_trust_list(authority, settings, datetime.now(UTC))
    (tmp_path / "exchange.p12").rename(Path(home, "keys", "exchange.p12"))
    found = finding(edoc, home, 1)
    assert "does not name the exchange's own seal" in found["detail"]


def test_a_stale_list_is_shown_as_such(edoc: Edoc, home: str) -> None:
    settings = load_settings(Path(home))
    publish_trust_list(open_authority(settings), settings, datetime.now(UTC) - TRUST_LIST_LIFETIME - timedelta(days=1))
    assert shown(edoc, home)["fresh"] is False
    assert "NOT CURRENT" in edoc("keys", "show", f"{home}/trust/{TRUST_LIST}").stdout


def test_the_lists_key_is_renewed_before_it_expires_and_when_it_is_revoked(edoc: Edoc, home: str) -> None:
    settings, now = load_settings(Path(home)), datetime.now(UTC)
    authority = open_authority(settings)

    def publish(at: datetime) -> tuple[x509.Certificate, ...]:
        publish_trust_list(authority, settings, at)
        return read_certificates((settings.trust_folder / TRUST_LIST_AUTHORITY).read_bytes())

    first = publish(now)
    assert publish(now + timedelta(days=1000)) == first
    late = now + timedelta(days=3 * 365 - 20)
    second = publish(late)
    assert second[1:] == first, "a reader that still has the list before believes it"
    assert publish(late) == second[:1]
    authority.revoke(second[0].serial_number, at=late)
    third = publish(late)
    assert len(third) == 1
    assert third != second[:1]


@pytest.mark.parametrize("name", ["a\x01b", "x" * 65, " "])
def test_a_name_that_cannot_stand_in_a_certificate_is_wrong_use(
    edoc: Edoc, home: str, tmp_path: Path, password: str, name: str
) -> None:
    out = tmp_path / "x.p12"
    arguments = ["keys", "issue", "H1", name, "--home", home, "--out", str(out), "--password-file", password]
    error = edoc.json(*arguments, code=2)["error"]
    assert error["code"] == "authority"
    assert "no certificate can be issued" in error["what"]
    assert not out.exists()


def test_where_the_new_key_cannot_be_written_nothing_is_issued(
    edoc: Edoc, home: str, tmp_path: Path, password: str
) -> None:
    before = edoc.json("keys", "list", "--home", home)
    out = str(tmp_path / "missing" / "x.p12")
    error = edoc.json("keys", "issue", "H1", "X", "--home", home, "--out", out, "--password-file", password, code=3)
    assert out in error["error"]["what"]
    assert "the path" in error["error"]["remedy"]
    assert edoc.json("keys", "list", "--home", home) == before


@pytest.mark.parametrize("name", ["x.pem", "x.crl", "x"])
@pytest.mark.parametrize("content", [b"hello", b"", b"\x30\x03abc"])
def test_a_file_that_cannot_be_shown_is_named_in_plain_words(
    edoc: Edoc, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = edoc.json("keys", "show", str(path), code=2)["error"]
    assert (error["code"], error["where"]) == ("certificate", str(path))
    assert "asn1" not in error["what"]
    assert ".p12" in error["remedy"]


@pytest.mark.parametrize("command", [["list"], ["crl"], ["revoke", "1"]])
def test_where_there_is_no_authority_it_is_told_how_to_make_one(edoc: Edoc, tmp_path: Path, command: list[str]) -> None:
    told = edoc("keys", *command, "--home", str(tmp_path), code=2).stderr
    assert "there is no demonstration authority here" in told or "chưa có cơ quan chứng thực" in told
    assert "edoc keys init" in told
    assert list(tmp_path.iterdir()) == []
