"""Sending so that nothing is lost: what is checked before, what is kept when an answer or a receipt fails."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from api import client
from api.app import create_app
from api.cli import files
from api.cli.errors import OutputFailedError
from api.client import Client
from edoc.sealing import REPORTING_AGENCY, SENDING_AGENCY
from tests.unit.api.cli.conftest import City, Edoc

OFFICE, HOME_AFFAIRS, DEPARTMENT = "H29.1", "H29.2", "H29.3"
NUMBERS = count(1)
Network = Callable[[Callable[[httpx.Response], None]], list[str]]


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where sealed messages under way are kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "edoc" / "outgoing"


@pytest.fixture
def letter(city: City, tmp_path: Path, state: Path) -> list[str]:
    """A call that sends a new letter, sealed here."""
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    del state
    return ["send", *city.as_agency(OFFICE, with_key=True), *parts(tmp_path / "a.txt")]


def parts(file: Path) -> list[str]:
    options = ["--to", DEPARTMENT, "--number", str(next(NUMBERS)), "--notation", "CV-THU", "--subject", "s"]
    return [*options, "--signer", "n", "--file", str(file)]


@pytest.fixture
def network(city: City, monkeypatch: pytest.MonkeyPatch) -> Network:
    """Puts something between the exchange and the answers to what is posted; returns the paths posted to."""
    inner = httpx.WSGITransport(app=create_app(city.program).wsgi_app)

    def install(spoil: Callable[[httpx.Response], None]) -> list[str]:
        posted: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            response = inner.handle_request(request)
            if request.method == "POST":
                posted.append(request.url.path)
                spoil(response)
            return response

        monkeypatch.setattr("api.client.time.sleep", lambda _: None)
        monkeypatch.setattr(client, "Client", partial(Client, transport=httpx.MockTransport(answer)))
        return posted

    return install


def lost(_: httpx.Response) -> None:
    raise httpx.ReadError("the line broke")


def interrupted(_: httpx.Response) -> None:
    raise KeyboardInterrupt


def untouched(_: httpx.Response) -> None:
    pass


def sends_as_agency(city: City, code: str) -> int:
    make: Callable[..., Client] = client.Client
    token = (city.stage.actors[code].folder / "token").read_text().strip()
    with make("http://exchange.test", token) as sender:
        return len(sender.sent(limit=200).items)


def kept(state: Path) -> list[Path]:
    return sorted(state.iterdir()) if state.exists() else []


@pytest.mark.parametrize("option", ["--receipt", "--save"])
@pytest.mark.parametrize("obstacle", ["there already", "no folder", "a file is no folder", "a dangling link"])
def test_a_new_file_that_cannot_be_made_is_told_before_anything_is_sent(
    edoc: Edoc, letter: list[str], tmp_path: Path, network: Network, option: str, obstacle: str
) -> None:
    posted = network(untouched)
    (tmp_path / "old").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    path = {
        "there already": tmp_path / "old",
        "no folder": tmp_path / "none" / "r.xml",
        "a file is no folder": tmp_path / "old" / "r.xml",
        "a dangling link": tmp_path / "link",
    }[obstacle]
    result = edoc(*letter, option, str(path), code=3)
    assert str(path) in result.stderr
    assert result.stderr.count("\n") == 1
    assert posted == []
    assert (tmp_path / "old").read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_sent(
    edoc: Edoc, letter: list[str], tmp_path: Path, network: Network
) -> None:
    posted = network(untouched)
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "Permission denied" in edoc(*letter, "--receipt", str(tmp_path / "closed" / "r.xml"), code=3).stderr
    assert posted == []


def test_receipt_and_message_in_one_file_are_wrong_use(
    edoc: Edoc, letter: list[str], tmp_path: Path, network: Network
) -> None:
    posted = network(untouched)
    edoc(*letter, "--receipt", str(tmp_path / "x"), "--save", str(tmp_path / "x"), code=2)
    assert posted == []


def test_a_status_report_checks_its_new_files_first(
    edoc: Edoc, city: City, letter: list[str], tmp_path: Path, network: Network
) -> None:
    document = edoc.json(*letter)["document"]
    posted = network(untouched)
    own = city.as_agency(DEPARTMENT, with_key=True)
    for option in ("--receipt", "--save"):
        edoc("status", *own, document, "03", option, str(tmp_path / "none" / "x"), code=3)
    assert posted == []
    edoc("status", *own, document, "03", "--receipt", str(tmp_path / "r"), "--save", str(tmp_path / "m"))
    assert edoc.json("verify", str(tmp_path / "r"), "--trust", city.trust)["kind"] == "evidence"
    assert edoc.json("verify", str(tmp_path / "m"), "--trust", city.trust)["kind"] == "status"
    assert f"<xades:ClaimedRole>{REPORTING_AGENCY}<" in (tmp_path / "m").read_text(encoding="utf-8")


def test_after_a_lost_answer_the_message_is_kept_and_gets_the_one_receipt(
    edoc: Edoc, city: City, letter: list[str], tmp_path: Path, state: Path, network: Network
) -> None:
    before = sends_as_agency(city, OFFICE)
    network(lost)
    result = edoc(*letter, "--receipt", str(tmp_path / "r.xml"), "--json", code=3)
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "unreachable"
    assert [str(path) for path in kept(state)] == [error["where"]]
    assert Path(error["where"]).stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "r.xml").exists()

    command = shlex.split(error["remedy"].partition("receipt: ")[2])
    assert command[:3] == ["edoc", "send", error["where"]]
    network(untouched)
    again = edoc.json(*command[1:])
    assert again["replayed"] is True
    assert sends_as_agency(city, OFFICE) == before + 1
    assert edoc.json("verify", str(tmp_path / "r.xml"), "--trust", city.trust)["verdict"] == "good"
    assert kept(state) == []


def test_a_kept_message_stays_until_its_resend_has_a_receipt_that_is_written(
    edoc: Edoc, city: City, letter: list[str], tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("api.cli.send._keep", lambda *_: lost(httpx.Response(200)))
        edoc(*letter, code=3)
    message = kept(state)[0]
    (tmp_path / "token").write_text("unknown", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    own = city.as_agency(OFFICE)
    edoc("send", str(message), *own, "--token-file", str(tmp_path / "token"), code=2)
    assert kept(state) == [message], "a refusal does not tell whether it was taken on before"

    def full(path: Path, data: bytes, mode: int = 0) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as broken:
        broken.setattr(files, "write_new", full)
        edoc("send", str(message), *own, "--receipt", str(tmp_path / "r.xml"), code=3)
    assert kept(state) == [message]
    edoc("send", str(message), *own, "--receipt", str(tmp_path / "r.xml"))
    assert kept(state) == []


def test_a_file_of_the_users_own_stays_wherever_it_lies(
    edoc: Edoc, city: City, letter: list[str], tmp_path: Path, state: Path
) -> None:
    made = "20261124T083000-0a1b2c-15-CV.edxml"
    edoc(*letter, "--save", str(tmp_path / made))
    assert f"<xades:ClaimedRole>{SENDING_AGENCY}<" in (tmp_path / made).read_text(encoding="utf-8")
    state.mkdir(parents=True)
    (state / "mine.edxml").write_bytes((tmp_path / made).read_bytes())
    (state / made).symlink_to(tmp_path / made)
    for message in (tmp_path / made, state / "mine.edxml", state / made):
        assert edoc.json("send", str(message), *city.as_agency(OFFICE))["replayed"] is True
    assert kept(state) == [state / made, state / "mine.edxml"]
    assert (tmp_path / made).is_file()


def test_a_saved_message_is_named_when_the_answer_is_lost(
    edoc: Edoc, letter: list[str], tmp_path: Path, state: Path, network: Network
) -> None:
    network(lost)
    result = edoc(*letter, "--save", str(tmp_path / "m.edxml"), code=3)
    assert f"edoc send {tmp_path / 'm.edxml'}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "m.edxml").stat().st_size > 1000
    assert kept(state) == []


def test_a_lost_answer_to_a_status_report_is_asked_for_again_by_sending_what_was_kept(
    edoc: Edoc, city: City, letter: list[str], state: Path, network: Network
) -> None:
    document = edoc.json(*letter)["document"]
    network(lost)
    result = edoc("status", *city.as_agency(DEPARTMENT, with_key=True), document, "03", "--json", code=3)
    command = shlex.split(json.loads(result.stdout)["error"]["remedy"].partition("receipt: ")[2])
    assert [str(path) for path in kept(state)] == [command[2]]
    network(untouched)
    assert edoc.json(*command[1:])["replayed"] is True
    assert kept(state) == []


def test_whoever_presses_ctrl_c_while_it_is_sent_learns_where_the_message_is(
    edoc: Edoc, letter: list[str], state: Path, network: Network
) -> None:
    network(interrupted)
    result = edoc(*letter, code=130)
    assert str(kept(state)[0]) in result.stderr


def test_a_receipt_that_cannot_be_written_leaves_the_message_to_ask_again_with(
    edoc: Edoc, letter: list[str], tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, mode: int = 0) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(files, "write_new", full)
    result = edoc(*letter, "--receipt", str(tmp_path / "r.xml"), code=3)
    assert "No space left on device" in result.stderr
    assert f"edoc send {kept(state)[0]}" in result.stderr
    monkeypatch.undo()
    assert edoc.json("send", str(kept(state)[0]), *letter[1:5])["replayed"] is True


def test_the_message_is_on_the_disk_before_it_is_sent_and_gone_when_its_receipt_is_told(
    edoc: Edoc, letter: list[str], state: Path, network: Network
) -> None:
    seen: list[int] = []
    network(lambda _: seen.extend(path.stat().st_size for path in kept(state)))
    edoc(*letter)
    assert len(seen) == 1
    assert seen[0] > 1000
    assert kept(state) == []


def test_a_message_that_is_refused_for_good_is_not_kept(edoc: Edoc, city: City, letter: list[str], state: Path) -> None:
    edoc(*letter)
    conflict = edoc(*letter, "--subject", "other bytes of the same DocumentId", code=1)
    assert "409" in conflict.stderr
    assert kept(state) == []
    del city


def test_a_user_without_a_folder_of_its_own_sends_all_the_same(
    edoc: Edoc, letter: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: Network
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    network(lost)
    assert f"edoc send {tmp_path}/2" in edoc(*letter, code=3).stderr


def test_a_result_that_cannot_be_printed_leaves_the_message_unless_the_receipt_is_safe(
    edoc: Edoc, letter: list[str], tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OutputFailedError("Broken pipe")

    monkeypatch.setattr("api.cli.output.Output.line", broken)
    assert "standard output" in edoc(*letter, "--receipt", str(tmp_path / "r.xml"), code=3).stderr
    assert kept(state) == []
    assert (tmp_path / "r.xml").exists()
    other = [*letter[: letter.index("--number") + 1], str(next(NUMBERS)), *letter[letter.index("--number") + 2 :]]
    assert "edoc send" in edoc(*other, code=3).stderr
    assert len(kept(state)) == 1


def test_where_the_exchange_seals_a_lost_answer_says_where_to_look_first(
    edoc: Edoc, city: City, tmp_path: Path, network: Network
) -> None:
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    call = ["send", *city.as_agency(HOME_AFFAIRS), *parts(tmp_path / "a.txt")]
    posted = network(lost)
    assert "edoc sent" in edoc(*call, code=3).stderr
    assert posted == ["/api/v1/documents"]


def test_options_that_would_change_nothing_are_wrong_use(
    edoc: Edoc, city: City, letter: list[str], tmp_path: Path
) -> None:
    message = tmp_path / "m.edxml"
    edoc(*letter, "--save", str(message))
    own, key = city.as_agency(OFFICE), city.as_agency(OFFICE, with_key=True)
    for call in (
        ["send", str(message), *key],
        ["send", str(message), *own, "--number", "7"],
        ["send", str(message), *own, "--save", str(tmp_path / "x")],
        ["send", *own, *parts(tmp_path / "a.txt"), "--save", str(tmp_path / "x")],
        ["status", *own, str(UUID(int=0)), "03", "--save", str(tmp_path / "x")],
    ):
        assert "leave out" in edoc(*call, code=2).stderr


def test_a_folder_or_a_pipe_is_not_sent_as_if_it_were_empty(
    edoc: Edoc, city: City, letter: list[str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        assert "no plain file" in edoc("send", str(path), *city.as_agency(OFFICE), code=2).stderr
        assert "no plain file" in edoc(*letter, "--file", str(path), code=2).stderr
    assert "none.edxml: No such file" in edoc("send", "none.edxml", *city.as_agency(OFFICE), code=3).stderr


@pytest.mark.parametrize("url", ["nonsense", "", "ftp://x", "127.0.0.1:8080"])
def test_an_address_that_is_none_is_wrong_use(edoc: Edoc, city: City, url: str) -> None:
    assert "no address" in edoc("inbox", *city.as_agency(OFFICE), "--url", url, code=2).stderr


@pytest.mark.parametrize("content", ["two words", "mã-truy-cập"])
def test_what_cannot_be_a_token_is_wrong_use(edoc: Edoc, tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content, encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    assert "this is no token" in edoc("inbox", "--token-file", str(tmp_path / "token"), code=2).stderr


def test_a_ca_file_that_cannot_be_used_is_named(edoc: Edoc, city: City, tmp_path: Path) -> None:
    call = ["inbox", *city.as_agency(OFFICE), "--ca-file", str(tmp_path / "ca.pem")]
    assert f"{tmp_path}/ca.pem: No such file" in edoc(*call, code=3).stderr
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    assert f"the CA certificates in {tmp_path}/ca.pem cannot be used" in edoc(*call, code=3).stderr
