"""What an operator does: init, worker, doctor, keys, directory, tokens."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
import structlog
from sqlalchemy import update

from api.bootstrap import build_program
from api.cli import service
from api.cli.demo.tampering import damaged_object
from api.cli.service import Outage
from api.client import Client
from api.config import load_settings
from api.observability import READY_FREE_BYTES
from edoc import reconciliation
from edoc.acceptance.errors import RefusedError
from edoc.acceptance.incoming import incoming_bytes
from edoc.acceptance.service import Acceptance
from edoc.access.tokens import Principal, Scope
from edoc.archive.local import LocalObjectStore
from edoc.database.engine import write
from edoc.database.errors import DatabaseError
from edoc.database.tables import DocumentRow
from edoc.directory.loader import KINDS
from edoc.envelope.codec import encode
from edoc.errors import ArchiveError
from edoc.exchange import Exchange
from edoc.reconciliation import Compared, Difference, Theme
from edoc.worker import Worker
from tests.support.services import letter
from tests.unit.api.cli.conftest import City, Edoc

AGENCIES = "code,old_code,parent_code,kind,name,name_en\nH1,0.1,,city,Thành phố,City\nH1.1,,H1,office,Văn phòng,\n"


def all_below(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for each in error.__subclasses__():
        yield from all_below(each)


@pytest.fixture
def agencies(tmp_path: Path) -> str:
    path = tmp_path / "agencies.csv"
    path.write_text(AGENCIES, encoding="utf-8")
    return str(path)


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o600)
    return str(path)


def test_init_makes_a_private_home_and_leaves_alone_what_is_there(edoc: Edoc, tmp_path: Path, agencies: str) -> None:
    home = tmp_path / "home"
    first = edoc.json("init", "--home", str(home), "--agencies", agencies)
    assert first == {"home": str(home), "made": ["authority", "exchange_key", "trust_list"], "agencies_added": 2}
    key = (home / "keys" / "exchange.p12").read_bytes()
    assert edoc.json("init", "--home", str(home))["made"] == []
    assert (home / "keys" / "exchange.p12").read_bytes() == key
    assert home.stat().st_mode & 0o077 == 0
    secrets = [path for path in home.rglob("*") if path.suffix in {".p12", ".password"}]
    assert len(secrets) == 7
    assert all(path.stat().st_mode & 0o077 == 0 for path in secrets)


def test_an_exchange_with_its_own_seal_makes_no_authority(edoc: Edoc, home: str, tmp_path: Path, password: str) -> None:
    seal = str(tmp_path / "own.p12")
    edoc("keys", "issue", "H9", "Trục", "--exchange", "--home", home, "--out", seal, "--password-file", password)
    other = tmp_path / "other"
    made = edoc.json("init", "--home", str(other), "--key", seal, "--password-file", password)["made"]
    assert made == ["exchange_key"]
    assert not (other / "authority").exists()


def test_the_worker_ends_when_nothing_is_due(edoc: Edoc, home: str) -> None:
    assert edoc.json("worker", "--once", "--home", home) == {"tasks": 0}


def test_the_doctor_finds_nothing_wrong_with_a_new_exchange(
    edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")
    report = edoc.json("doctor", "--deep", "--home", home)
    assert report["ok"] is True
    assert {each["name"] for each in report["checks"]} == {
        "clock", "sqlite", "disk", "home", "port", "database", "archive", "trust", "crls", "trust_list", "seal",
        "agencies", "outbox", "archive_objects", "rows_documents", "rows_deliveries", "rows_statuses", "rows_evidence",
        "rows_events", "rows_tasks", "unreported_arrivals", "unjudged_seals", "unknown_seals", "lost_evidence",
        "unclaimed_messages",
    }  # fmt: skip
    assert "✓ Database" in edoc("doctor", "--home", home).stdout


def test_the_doctor_says_what_to_do_where_there_is_no_exchange(edoc: Edoc, tmp_path: Path) -> None:
    result = edoc("doctor", "--home", str(tmp_path / "none"), code=1)
    assert "✗ Start" in result.stdout
    assert "edoc init" in result.stdout


def test_the_doctor_finds_the_one_object_that_was_altered(
    edoc: Edoc, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    arguments = ["--to", "H29.4", "--number", "5", "--notation", "CV-VP", "--subject", "s", "--signer", "n"]
    sent = edoc.json("send", *city.as_agency("H29.1", with_key=True), *arguments, "--file", str(tmp_path / "a.txt"))
    digest = sent["message_sha256"]
    assert edoc.json("doctor", "--deep", "--home", city.home)["ok"] is True
    with damaged_object(city.stage.settings.archive_folder, digest):
        report = edoc.json("doctor", "--deep", "--home", city.home, code=1)
        wrong = [each for each in report["checks"] if each["outcome"] == "bad"]
        assert [each["name"] for each in wrong] == ["archive_objects"]
        assert digest in wrong[0]["detail"]
        assert wrong[0]["remedy"]
        edoc("fetch", *city.as_agency("H29.4"), sent["document"], "--to", str(tmp_path / "in"), code=3)
        assert list((tmp_path / "in").iterdir()) == []
    assert edoc.json("doctor", "--deep", "--home", city.home)["ok"] is True


def test_the_doctor_finds_the_one_row_that_was_altered(
    edoc: Edoc, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    arguments = ["--to", "H29.4", "--number", "6", "--notation", "CV-VP", "--subject", "s", "--signer", "n"]
    sent = edoc.json("send", *city.as_agency("H29.1", with_key=True), *arguments, "--file", str(tmp_path / "a.txt"))
    edoc("fetch", *city.as_agency("H29.4"), sent["document"], "--to", str(tmp_path / "in"))
    edoc("worker", "--once", "--home", city.home)
    assert edoc.json("doctor", "--deep", "--home", city.home)["ok"] is True
    of_it = DocumentRow.id == UUID(sent["document"])
    with write(city.program.exchange.engine) as connection:
        connection.execute(update(DocumentRow).where(of_it).values(subject="an altered subject"))
    try:
        report = edoc.json("doctor", "--deep", "--home", city.home, code=1)
        plain = edoc("doctor", "--deep", "--home", city.home, code=1).stdout
    finally:
        with write(city.program.exchange.engine) as connection:
            connection.execute(update(DocumentRow).where(of_it).values(subject="s"))
    [wrong] = [each for each in report["checks"] if each["outcome"] == "bad"]
    assert wrong["name"] == "rows_documents"
    assert wrong["detail"].startswith("1; first: H29.1,")
    assert wrong["detail"].endswith("subject: not as in the sealed message")
    assert "backup" in wrong["remedy"]
    assert "altered subject" not in plain
    assert "✗ Letters against their sealed messages" in plain


def test_rows_that_cannot_even_be_read_are_found(edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")

    def fail(*_: object) -> None:
        raise ValueError("Invalid isoformat string: 'x'")

    monkeypatch.setattr(reconciliation, "compare_rows", fail)
    report = edoc.json("doctor", "--deep", "--home", home, code=1)
    [wrong] = [each for each in report["checks"] if each["outcome"] == "bad"]
    assert (wrong["name"], wrong["detail"]) == ("rows", "ValueError: Invalid isoformat string: 'x'")


def test_the_doctor_tells_lost_evidence_from_what_a_crash_leaves(
    edoc: Edoc, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")
    found = [
        Compared((Difference(theme, "object 00", "without a row"),))
        for theme in (Theme.LOST_EVIDENCE, Theme.UNCLAIMED_MESSAGES, Theme.UNCLAIMED_MESSAGES)
    ]
    monkeypatch.setattr(reconciliation, "find_unclaimed", lambda *_: iter(found))
    checks = {each["name"]: each for each in edoc.json("doctor", "--deep", "--home", city.home, code=1)["checks"]}
    assert checks["lost_evidence"]["outcome"] == "bad"
    assert checks["lost_evidence"]["detail"] == "1; first: object 00: without a row"
    assert checks["unclaimed_messages"]["outcome"] == "warning"
    assert checks["unclaimed_messages"]["detail"].startswith("2; first")
    assert checks["unclaimed_messages"]["remedy"]


def test_the_doctor_accuses_nobody_where_seals_cannot_be_judged(
    edoc: Edoc, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")
    themes = (Theme.UNJUDGED_SEALS, Theme.UNKNOWN_SEALS, Theme.UNREPORTED_ARRIVALS)
    monkeypatch.setattr(
        reconciliation, "compare_rows", lambda *_: iter([Compared((Difference(each, "x", "y"),)) for each in themes])
    )
    report = edoc.json("doctor", "--deep", "--home", city.home)
    warnings = {each["name"]: each for each in report["checks"] if each["outcome"] == "warning"}
    assert set(warnings) == {each.value for each in themes}
    assert "anchors/" in warnings["unjudged_seals"]["remedy"]
    assert "exchange-seals/" in warnings["unknown_seals"]["remedy"]
    assert all(each["detail"] == "1; first: x: y" for each in warnings.values())


def test_evidence_under_a_key_that_the_exchange_had_before_is_its_own(
    edoc: Edoc, home: str, tmp_path: Path, password: str, agencies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")
    own, keys = tmp_path / "own", []
    for name in ("first", "second"):
        keys.append(str(tmp_path / f"{name}.p12"))
        edoc("keys", "issue", "H9", name, "--home", home, "--out", keys[-1], "--password-file", password)
    edoc("init", "--home", str(own), "--key", keys[0], "--password-file", password, "--agencies", agencies)
    shutil.rmtree(own / "trust")
    shutil.copytree(Path(home) / "trust", own / "trust")
    for name in ("trust-list.xml", "trust-list-authority.pem"):
        (own / "trust" / name).unlink(missing_ok=True)
    program = build_program(load_settings(own))
    _seal_a_rejection(program.exchange)
    program.close()
    assert edoc.json("doctor", "--deep", "--home", str(own))["ok"] is True
    (own / "keys" / "exchange.p12").rename(own / "keys" / "old.p12")
    edoc("init", "--home", str(own), "--key", keys[1], "--password-file", password)
    assert _outcomes(edoc, own)["unknown_seals"] == "good"
    assert len(list((own / "exchange-seals").iterdir())) == 2
    shutil.rmtree(own / "exchange-seals")
    outcomes = _outcomes(edoc, own)
    assert (outcomes["unknown_seals"], outcomes["rows_evidence"]) == ("warning", "good")


def _outcomes(edoc: Edoc, home: Path) -> dict[str, str]:
    checks = edoc.json("doctor", "--deep", "--home", str(home))["checks"]
    return {each["name"]: each["outcome"] for each in checks}


def _seal_a_rejection(exchange: Exchange) -> None:
    """The one piece of evidence that needs no message that holds."""
    agency = exchange.directory.current().find("H1.1")
    caller = Principal(UUID(int=1), agency.id, agency.code, frozenset({Scope.SEND}))
    message = letter(sender="H1.1", to=("H1",))
    with pytest.raises(RefusedError):
        Acceptance(exchange).submit(incoming_bytes(b"".join(encode(message).encoded_chunks())), caller)


def test_the_doctor_says_of_an_archive_that_cannot_be_written_what_to_do_about_it(
    edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")

    def full(*_: object) -> None:
        raise ArchiveError("the staging folder cannot be written: No space left on device")

    monkeypatch.setattr(LocalObjectStore, "put_bytes", full)
    report = edoc.json("doctor", "--home", home, code=1)
    [wrong] = [each for each in report["checks"] if each["outcome"] == "bad"]
    assert wrong["name"] == "archive"
    assert "No space left" in wrong["detail"]
    assert "free space for the archive" in wrong["remedy"]


@pytest.mark.parametrize("kind", sorted({*all_below(DatabaseError), *all_below(ArchiveError)}, key=str))
def test_the_doctor_sends_nobody_to_itself(
    edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")

    def fail(*_: object) -> None:
        raise kind("reason")

    monkeypatch.setattr(LocalObjectStore, "put_bytes", fail)
    report = edoc.json("doctor", "--home", home, code=1)
    [wrong] = [each for each in report["checks"] if each["outcome"] == "bad"]
    assert wrong["remedy"]
    assert not re.search(r"edoc doctor(?! --deep)", wrong["remedy"])


def test_the_doctor_does_not_take_another_homes_exchange_for_its_own(
    edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        monkeypatch.setenv("EDOC_PORT", str(holder.getsockname()[1]))
        for answers, outcome in ((True, "warning"), (False, "bad")):
            monkeypatch.setattr(Client, "is_ready", lambda _, answers=answers: answers)
            checks = edoc.json("doctor", "--home", home, code=0 if answers else 1)["checks"]
            [port] = [each for each in checks if each["name"] == "port"]
            assert port["outcome"] == outcome
            assert "EDOC_PORT" in port["remedy"]
            assert ("whether it is this one is not known" in port["detail"]) is answers


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_port_that_another_program_has_is_told_with_what_helps(
    edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        monkeypatch.setenv("EDOC_PORT", port)
        told = edoc("serve", "--home", home, "--lang", language, code=3).stderr
    assert f"127.0.0.1:{port}" in told
    assert {"vi": "đặt EDOC_PORT khác", "en": "set another EDOC_PORT"}[language] in told
    assert not re.search("đĩa|disk", told)


def test_a_certificate_is_issued_listed_shown_and_revoked(edoc: Edoc, home: str, tmp_path: Path, password: str) -> None:
    seal = tmp_path / "seal.p12"
    issue = ["keys", "issue", "H1.1", "Văn phòng", "--home", home, "--out", str(seal), "--password-file", password]
    issued = edoc.json(*issue)
    assert seal.stat().st_mode & 0o777 == 0o600
    assert "not overwritten" in edoc(*issue, code=3).stderr
    shown = edoc.json("keys", "show", str(seal), "--password-file", password)["certificates"]
    assert shown[0]["agency_code"] == "H1.1"
    assert shown[0]["demonstration"] is True
    assert len(shown) == 3
    listed = edoc.json("keys", "list", "--home", home, "--agency", "h1.1")["certificates"]
    assert [each["serial"] for each in listed] == [issued["serial"]]

    revoked = edoc.json("keys", "revoke", issued["serial"], "--reason", "key-compromise", "--home", home)
    assert revoked["reason"] == "keyCompromise"
    crl = edoc.json("keys", "show", f"{home}/trust/crls/demonstration-issuing.crl")["crls"][0]
    assert crl["revoked"] == [issued["serial"]]
    assert "already" in edoc("keys", "revoke", issued["serial"], "--home", home, code=2).stderr
    assert "xyz" in edoc("keys", "revoke", "xyz", "--home", home, code=2).stderr
    assert len(edoc.json("keys", "crl", "--home", home)["files"]) == 2
    assert issued["serial"] in edoc("keys", "list", "--home", home).stdout


def test_nothing_is_revoked_as_of_a_time_to_come_and_nothing_is_recorded(
    edoc: Edoc, home: str, tmp_path: Path, password: str
) -> None:
    out = str(tmp_path / "x.p12")
    issued = edoc.json("keys", "issue", "H1", "Một", "--home", home, "--out", out, "--password-file", password)
    revoke = ["keys", "revoke", issued["serial"], "--home", home]
    error = edoc.json(*revoke, "--at", "2999-01-01", code=2)["error"]
    assert (error["code"], error["where"]) == ("future", "01/01/2999 00:00:00")
    assert "--at" in error["remedy"]
    assert edoc.json("keys", "list", "--home", home, "--agency", "H1")["certificates"][0]["revoked_at"] is None
    assert edoc.json(*revoke)["revoked_at"]
    assert edoc.json(*revoke, "--reason", "key-compromise")["reason"] == "keyCompromise"
    assert "only an earlier time" in edoc.json(*revoke, code=2)["error"]["what"]


def test_an_officer_and_an_exchange_exclude_each_other(edoc: Edoc, home: str, tmp_path: Path, password: str) -> None:
    rest = ["--home", home, "--out", str(tmp_path / "x.p12"), "--password-file", password]
    edoc("keys", "issue", "H1", "x", "--officer", "A", "--exchange", *rest, code=2)
    issued = edoc.json("keys", "issue", "H1", "Sở", "--officer", "Nguyễn Văn A", "--algorithm", "P-384", *rest)
    assert "Nguyễn Văn A" in issued["subject"]


def test_a_password_comes_from_a_private_file_or_a_terminal_only(edoc: Edoc, home: str, tmp_path: Path) -> None:
    arguments = ["keys", "issue", "H1", "x", "--home", home, "--out", str(tmp_path / "x.p12")]
    assert "--password-file" in edoc(*arguments, code=2).stderr
    open_to_all = tmp_path / "open"
    open_to_all.write_text("secret")
    open_to_all.chmod(0o644)
    assert "chmod 600" in edoc(*arguments, "--password-file", str(open_to_all), code=2).stderr
    assert not (tmp_path / "x.p12").exists()


def test_a_second_authority_is_refused(edoc: Edoc, home: str) -> None:
    assert "already" in edoc("keys", "init", "--home", home, code=2).stderr


def test_the_directory_is_loaded_listed_bound_and_closed(
    edoc: Edoc, home: str, tmp_path: Path, agencies: str, password: str
) -> None:
    assert edoc.json("directory", "load", agencies, "--home", home)["added"] == 2
    assert edoc.json("directory", "load", agencies, "--home", home)["added"] == 0
    listed = edoc.json("directory", "list", "--home", home, "--find", "văn")["agencies"]
    assert [each["code"] for each in listed] == ["H1.1"]
    assert edoc.json("directory", "show", "0.1", "--home", home)["code"] == "H1"
    assert "Văn phòng" in edoc("directory", "list", "--home", home, "--kind", "office").stdout

    seal, certificate = tmp_path / "s.p12", f"{home}/authority/issuing.pem"
    edoc("keys", "issue", "H1.1", "x", "--home", home, "--out", str(seal), "--password-file", password)
    bound = edoc.json("directory", "bind", "H1.1", certificate, "--home", home)
    assert bound["sha256"] in edoc("directory", "show", "H1.1", "--home", home).stdout
    assert "another agency" in edoc("directory", "bind", "H1", certificate, "--home", home, code=2).stderr
    edoc("directory", "close", bound["sha256"], "--home", home)
    assert edoc.json("directory", "show", "H1.1", "--home", home)["seals"][0]["valid_to"] is not None
    edoc("directory", "close", bound["sha256"], "--successor", "H1", "--home", home, code=2)
    edoc("directory", "close", "H1.1", "--successor", "H1", "--at", "2026-12-01", "--home", home)
    closed = edoc.json("directory", "show", "H1.1", "--home", home)
    assert (closed["valid_to"], closed["successors"]) == ("2026-12-01", ["H1"])
    assert "no agency" in edoc("directory", "show", "H7", "--home", home, code=2).stderr


@pytest.mark.parametrize("content", [b"a,b\n", b"\xff\xfe", AGENCIES.replace("city", "town").encode()])
def test_a_bad_list_of_agencies_is_refused_whole(edoc: Edoc, home: str, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    assert edoc("directory", "load", str(tmp_path / "bad.csv"), "--home", home, code=2).stderr.count("\n") == 1
    assert edoc.json("directory", "list", "--home", home)["agencies"] == []


def test_a_token_is_shown_once_and_revoked_at_once(edoc: Edoc, home: str, tmp_path: Path, agencies: str) -> None:
    edoc("directory", "load", agencies, "--home", home)
    path = tmp_path / "token"
    made = edoc.json("token", "create", "H1.1", "--scope", "audit", "--home", home, "--out", str(path))
    assert (made["scopes"], made["token"]) == (["audit"], None)
    assert path.stat().st_mode & 0o777 == 0o600
    shown = edoc("token", "create", "H1", "--label", "sổ", "--home", home).stdout.strip()
    assert shown.startswith("edoc_")
    listed = edoc.json("token", "list", "--home", home)
    assert shown not in str(listed)
    assert path.read_text().strip() not in edoc("token", "list", "--home", home).stdout
    identifier = edoc.json("token", "list", "--agency", "H1", "--home", home)["tokens"][0]["id"]
    edoc("token", "revoke", identifier, "--home", home)
    assert edoc.json("token", "list", "--agency", "h1", "--home", home)["tokens"][0]["revoked_at"]
    edoc("token", "revoke", identifier, "--home", home, code=2)
    edoc("token", "create", "H7", "--home", home, code=2)


def test_the_identifier_of_a_token_is_told_when_it_is_made(
    edoc: Edoc, home: str, tmp_path: Path, agencies: str
) -> None:
    edoc("directory", "load", agencies, "--home", home)
    for options in ([], ["--out", str(tmp_path / "token")]):
        made = edoc.json("token", "create", "H1", "--home", home, *options)
        assert edoc.json("token", "revoke", made["id"], "--home", home)["id"] == made["id"]
    told = edoc("token", "create", "H1", "--home", home)
    [identifier] = re.findall(r"edoc token revoke (\S+)", told.stderr)
    assert identifier not in told.stdout
    edoc("token", "revoke", identifier, "--home", home)
    assert all(each["revoked_at"] for each in edoc.json("token", "list", "--home", home)["tokens"])


@pytest.mark.parametrize(("label", "found"), [("a\udcff", "U+DCFF"), ("a\x07", "U+0007")])
def test_a_label_that_no_database_would_keep_is_wrong_use(
    edoc: Edoc, home: str, agencies: str, label: str, found: str
) -> None:
    edoc("directory", "load", agencies, "--home", home)
    refused = edoc("token", "create", "H1", "--label", label, "--home", home, code=2).stderr
    assert "--label" in refused
    assert found in refused
    assert edoc.json("token", "list", "--home", home)["tokens"] == []


def test_a_token_whose_file_cannot_be_written_is_not_made(edoc: Edoc, home: str, tmp_path: Path, agencies: str) -> None:
    edoc("directory", "load", agencies, "--home", home)
    (tmp_path / "token").touch()
    edoc("token", "create", "H1", "--home", home, "--out", str(tmp_path / "token"), code=3)
    assert edoc.json("token", "list", "--home", home)["tokens"] == []


@pytest.mark.parametrize("command", [["directory", "list"], ["token", "list"], ["worker", "--once"]])
def test_where_there_is_no_exchange_the_remedy_is_init(edoc: Edoc, tmp_path: Path, command: list[str]) -> None:
    assert "edoc init" in edoc(*command, "--home", str(tmp_path / "none"), code=2).stderr


def test_a_list_of_agencies_that_is_not_there_is_told_before_anything_is_made(edoc: Edoc, tmp_path: Path) -> None:
    edoc("init", "--home", str(tmp_path / "home"), "--agencies", str(tmp_path / "none.csv"), code=3)
    assert list(tmp_path.iterdir()) == []


def test_a_kind_of_agency_that_there_is_not_is_wrong_use(edoc: Edoc, home: str) -> None:
    wrong = edoc("directory", "list", "--home", home, "--kind", "province", code=2).stderr
    assert all(f"'{kind}'" in wrong for kind in KINDS)
    for kind in KINDS:
        edoc("directory", "list", "--home", home, "--kind", kind)


@pytest.mark.parametrize("command", ["run", "serve", "worker"])
def test_where_there_is_no_exchange_nothing_is_started_and_one_line_says_so(
    edoc: Edoc, tmp_path: Path, command: str
) -> None:
    result = edoc(command, "--home", str(tmp_path / "none"), code=2)
    assert result.stderr.count("\n") == 1
    assert "edoc init" in result.stderr


@pytest.mark.parametrize(
    ("free", "outcome", "code"),
    [(READY_FREE_BYTES - 1, "bad", 1), (READY_FREE_BYTES, "warning", 0), (4 << 30, "good", 0)],
)
def test_the_doctor_finds_a_disk_bad_on_which_the_service_is_not_ready(
    edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch, free: int, outcome: str, code: int
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    report = edoc.json("doctor", "--home", home, code=code)
    assert next(each["outcome"] for each in report["checks"] if each["name"] == "disk") == outcome


@pytest.mark.parametrize("text", ["a" * 140_000, '"never closed', '"a"b,c'])
def test_a_list_that_is_no_csv_is_told(edoc: Edoc, home: str, tmp_path: Path, text: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"code,old_code,parent_code,kind,name,name_en\n{text}\n", encoding="utf-8")
    told = edoc("directory", "load", "--home", home, str(file), code=2).stderr
    assert "line 2" in told


def test_a_list_is_a_file_of_a_usual_size(edoc: Edoc, home: str, tmp_path: Path) -> None:
    assert "no file" in edoc("directory", "load", "--home", home, "/dev/zero", code=2).stderr
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate((16 << 20) + 1)
    assert "more than" in edoc("directory", "load", "--home", home, str(large), code=2).stderr


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "1899-12-31"])
def test_a_time_outside_the_usual_years_is_wrong_use(edoc: Edoc, home: str, at: str) -> None:
    told = edoc("directory", "close", "--home", home, "H29.4", "--at", at, code=2).stderr
    assert "1900" in told


@pytest.mark.parametrize("emptied", [False, True])
def test_an_archive_whose_database_is_away_or_emptied_gets_no_new_one(
    edoc: Edoc, tmp_path: Path, *, emptied: bool
) -> None:
    home = tmp_path / "home"
    database = home / "edoc.sqlite3"
    edoc("init", "--home", str(home))
    database.unlink()
    LocalObjectStore(home / "archive", retention=timedelta()).put_bytes(b"edoc doctor was here\n")
    edoc("init", "--home", str(home))
    LocalObjectStore(home / "archive", retention=timedelta()).put_bytes(b"<edXML/>")
    edoc("init", "--home", str(home))
    database.unlink()
    if emptied:
        database.touch(0o600)
    for _ in range(2):
        assert "its database is away or empty" in edoc("init", "--home", str(home), code=2).stderr
    assert database.exists() is emptied


@pytest.mark.parametrize("tables", ["orders (id)", "message (id); CREATE TABLE alembic_version (version_num)"])
def test_the_database_of_another_program_stays_as_it_is(edoc: Edoc, tmp_path: Path, tables: str) -> None:
    home = tmp_path / "home"
    home.mkdir(0o700)
    database = home / "edoc.sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as other:
        other.executescript(f"CREATE TABLE {tables}; CREATE TABLE others (id)")
    before = database.read_bytes()
    assert "another program's: it holds o" in edoc("init", "--home", str(home), code=3).stderr
    assert database.read_bytes() == before
    assert [each.name for each in home.glob("edoc.sqlite3*")] == [database.name]


@pytest.mark.parametrize("command", [["token", "list"], ["serve"], ["worker", "--once"], ["doctor"], ["init"]])
def test_of_a_database_of_a_newer_version_the_remedy_is_to_update_the_program(
    edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("EDOC_PORT", "0")
    with contextlib.closing(sqlite3.connect(f"{home}/edoc.sqlite3")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    result = edoc(*command, "--home", home, code=1 if command == ["doctor"] else 3)
    assert "9999" in result.output
    assert "update the program" in result.output
    assert "edoc init" not in result.output


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_outage_is_told_when_it_begins_each_minute_and_when_it_ends() -> None:
    clock = Clock()
    outage = Outage(structlog.get_logger(), clock)
    with structlog.testing.capture_logs() as log:
        outage.ended()
        for _ in range(2):
            began, pauses = clock.now, []
            while clock.now < began + 150:
                pauses.append(outage.failed(DatabaseError("away")))
                clock.now += pauses[-1]
            assert pauses[:6] == [0.5, 1, 2, 4, 8, 10]
            assert set(pauses[6:]) == {10}
            outage.ended()
            outage.ended()
    warnings = ["warning", "warning", "warning", "info"]
    assert [each["log_level"] for each in log] == 2 * warnings
    assert log[0]["reason"] == "away"


def test_the_worker_outlives_an_outage_and_does_not_sweep_meanwhile(
    edoc: Edoc, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, calls = threading.Event(), []

    def run_once(_: object) -> int:
        calls.append("run")
        if len(calls) < 3:
            raise DatabaseError("away")
        return 0

    def sweep(_: object) -> None:
        calls.append("sweep")
        stop.set()
        raise ArchiveError("it is told and waits for the next time")

    monkeypatch.setattr(service, "_stop_event", lambda: stop)
    monkeypatch.setattr(service, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(Worker, "run_once", run_once)
    monkeypatch.setattr(Worker, "sweep", sweep)
    edoc("worker", "--home", home)
    assert calls == ["run", "run", "run", "sweep"]
