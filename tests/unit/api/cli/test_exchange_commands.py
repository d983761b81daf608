"""Sending, receiving and answering, by the commands as the README has them."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import unicodedata
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.unit.api.cli.conftest import City, Edoc

OFFICE, HOME_AFFAIRS, DEPARTMENT, OTHER = "H29.1", "H29.2", "H29.3", "H29.4"


@pytest.fixture(scope="module")
def sent(city: City, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A letter from the office to two departments."""
    folder = tmp_path_factory.mktemp("outgoing")
    (folder / "thư.txt").write_text("Kính gửi các sở", encoding="utf-8")
    arguments = ["send", *city.as_agency(OFFICE, with_key=True), "--to", DEPARTMENT, "--to", OTHER]
    arguments += ["--number", "1", "--notation", "CV-VP", "--subject", "Thử nghiệm", "--signer", "Nguyễn Văn A"]
    arguments += ["--file", str(folder / "thư.txt"), "--save", str(folder / "m.edxml")]
    receipt: dict[str, Any] = Edoc().json(*arguments, "--receipt", str(folder / "r.xml"))
    return {**receipt, "folder": folder}


@pytest.mark.parametrize("option", ["--type", "--sender"])
def test_a_filter_with_half_a_character_is_wrong_use(edoc: Edoc, city: City, option: str) -> None:
    assert "U+DCFF" in edoc("inbox", *city.as_agency("H29.4"), option, "a\udcff", code=2).stderr


def test_a_letter_sealed_here_is_taken_on_with_a_receipt_that_holds(
    edoc: Edoc, city: City, sent: dict[str, Any]
) -> None:
    assert sent["kind"] == "document"
    assert sent["recipients"] == [DEPARTMENT, OTHER]
    assert sent["replayed"] is False
    message = (sent["folder"] / "m.edxml").read_bytes()
    assert hashlib.sha256(message).hexdigest() == sent["message_sha256"]
    verdict = edoc.json("verify", str(sent["folder"] / "r.xml"), "--trust", city.trust)
    assert (verdict["kind"], verdict["verdict"]) == ("evidence", "good")


def test_the_same_file_again_gets_the_same_receipt(
    edoc: Edoc, city: City, sent: dict[str, Any], tmp_path: Path
) -> None:
    again = edoc.json(
        "send", str(sent["folder"] / "m.edxml"), *city.as_agency(OFFICE), "--receipt", str(tmp_path / "r.xml")
    )
    assert again["replayed"] is True
    assert (tmp_path / "r.xml").read_bytes() == (sent["folder"] / "r.xml").read_bytes()


def test_another_agency_cannot_send_the_offices_letter(edoc: Edoc, city: City, sent: dict[str, Any]) -> None:
    result = edoc("send", str(sent["folder"] / "m.edxml"), *city.as_agency(DEPARTMENT), code=1)
    assert result.stderr.count("\n") == 1
    assert "403" in result.stderr


def test_a_letter_without_its_parts_names_what_is_missing(edoc: Edoc, city: City) -> None:
    result = edoc("send", *city.as_agency(OFFICE), "--to", DEPARTMENT, code=2)
    assert "--number, --notation, --subject, --signer, --file" in result.stderr


def test_the_exchange_seals_for_the_agency_whose_seal_it_holds(edoc: Edoc, city: City, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    arguments = ["--to", OTHER, "--number", "9", "--notation", "CV-SNV", "--subject", "s", "--signer", "n"]
    arguments += ["--file", str(tmp_path / "a.txt")]
    held = edoc.json("send", *city.as_agency(HOME_AFFAIRS), *arguments)
    assert held["recipients"] == [OTHER]
    refused = edoc("send", *city.as_agency(OFFICE), *arguments, code=1)
    assert "scope" in refused.stderr


def test_a_recipient_lists_shows_fetches_and_answers(
    edoc: Edoc, city: City, sent: dict[str, Any], tmp_path: Path
) -> None:
    own = city.as_agency(DEPARTMENT)
    listed = edoc.json("inbox", *own, "--state", "consigned", "--sender", OFFICE)
    assert [each["document"] for each in listed["items"]] == [sent["document"]]
    assert listed["more"] is False
    shown = edoc.json("show", *own, sent["document"])
    assert shown["document"]["deliveries"][0]["handedOverAt"] is None

    fetched = edoc.json("fetch", *own, sent["document"], "--to", str(tmp_path / "in"), "--evidence")
    names = {Path(each["file"]).name for each in fetched["files"]}
    assert {"01-CV-VP.edxml", "thư.txt"} < names
    assert any(name.startswith("ContentHandover-") for name in names)
    assert (tmp_path / "in" / "thư.txt").read_text(encoding="utf-8") == "Kính gửi các sở"
    assert (tmp_path / "in" / "01-CV-VP.edxml").read_bytes() == (sent["folder"] / "m.edxml").read_bytes()
    again = edoc("fetch", *own, sent["document"], "--to", str(tmp_path / "in"), code=3)
    assert "not overwritten" in again.stderr

    key = city.as_agency(DEPARTMENT, with_key=True)
    reported = edoc.json("status", *key, sent["document"], "03")
    assert reported["kind"] == "status"
    refused = edoc("status", *key, sent["document"], "02", "--description", "quá muộn", code=1)
    assert refused.stderr.count("\n") == 1
    seen = edoc.json("show", *city.as_agency(OFFICE), sent["document"])
    states = {each["recipientCode"]: each["state"] for each in seen["document"]["deliveries"]}
    assert states == {DEPARTMENT: "03", OTHER: "consigned"}


def test_an_export_verifies_with_the_anchors_alone(
    edoc: Edoc, city: City, sent: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "x.asice"
    told = edoc("export", *city.as_auditor(), sent["document"], "--out", str(path)).stderr
    [command] = re.findall(r"edoc (verify .* --trust FOLDER)", " ".join(told.split()))
    edoc(*shlex.split(command.replace("FOLDER", shlex.quote(city.trust))))
    assert edoc.json("verify", str(path), "--trust", str(Path(city.trust) / "anchors"))["verdict"] == "good"
    assert edoc("export", *city.as_auditor(), sent["document"], "--out", str(path), code=3).exit_code == 3


def test_people_read_tables_and_the_lists_go_on(edoc: Edoc, city: City, sent: dict[str, Any]) -> None:
    text = edoc("inbox", *city.as_agency(OTHER), "--lang", "vi").stdout
    assert "Thử nghiệm" in text
    assert "chờ nhận" in text
    assert sent["document"] in edoc("sent", *city.as_agency(OFFICE)).stdout
    assert edoc.json("sent", *city.as_agency(OFFICE), "--limit", "1")["items"]
    for part in ("01/CV-VP", "SubmissionAcceptance", "ContentConsignment"):
        assert part in edoc("show", *city.as_agency(OFFICE), sent["document"]).stdout


def test_who_has_no_part_in_a_document_is_told_nothing(
    edoc: Edoc, city: City, sent: dict[str, Any], tmp_path: Path
) -> None:
    ward = city.stage.of_kind("ward")[0].code
    for command in (["show"], ["fetch", "--to", str(tmp_path / "in")], ["status"]):
        rest = ["03"] if command == ["status"] else []
        own = city.as_agency(ward, with_key=command == ["status"])
        assert "404" in edoc(*command, *own, sent["document"], *rest, code=1).stderr
    assert not (tmp_path / "in").exists()


def test_a_call_without_a_token_or_with_a_bad_one_is_wrong_use(edoc: Edoc, city: City, tmp_path: Path) -> None:
    assert "--token-file" in edoc("inbox", code=2).stderr
    bad = tmp_path / "token"
    bad.write_text("edoc_nonsense\n")
    assert "chmod 600" in edoc("inbox", "--token-file", str(bad), code=2).stderr
    bad.chmod(0o600)
    assert "401" in edoc("inbox", "--token-file", str(bad), code=2).stderr
    for missing in (tmp_path / "none", bad / "none"):
        error = edoc.json("inbox", "--token-file", str(missing), code=2)["error"]
        assert (error["what"], error["where"]) == ("the file with the token is not there", str(missing))
        assert "--token-file" in error["remedy"]
        assert "edoc token create" in error["remedy"]
    del city


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--state", "zz"], "consigned, 01, 02, 03"),
        (["--state", "99"], "consigned, 01, 02, 03"),
        (["--priority", "9"], "0<=x<=4"),
        (["--since", "yesterday"], "2026-11-24T08:30"),
        (["--until", "31/02/2026"], "2026-11-24T08:30"),
        (["--limit", "0"], "x>=1"),
        (["--sender", "nobody"], "nobody"),
    ],
)
def test_a_filter_that_is_none_is_wrong_use_and_says_what_there_is(
    edoc: Edoc, city: City, options: list[str], named: str
) -> None:
    result = edoc("inbox", *city.as_agency(DEPARTMENT), *options, "--json", code=2)
    assert named in json.loads(result.stdout)["error"]["what"]
    assert result.stderr.count("\n") == 1


def test_filters_are_read_as_people_type_them(edoc: Edoc, city: City, sent: dict[str, Any]) -> None:
    def listed(*options: str) -> list[str]:
        return [each["document"] for each in edoc.json("inbox", *city.as_agency(OTHER), *options)["items"]]

    assert sent["document"] in listed("--type", unicodedata.normalize("NFD", "CÔNG  văn"))
    assert sent["document"] in listed("--since", "01/01/2026", "--until", "31/12/2099 23:59:59")
    assert listed("--state", "3") == []
    nothing = edoc("inbox", *city.as_agency(OTHER), "--type", "Công vặn")
    assert "Công văn, Công điện" in nothing.stderr


def test_a_type_or_a_state_that_there_is_not_is_told_before_anything_is_built(edoc: Edoc, city: City) -> None:
    wrong = edoc("send", *city.as_agency(OFFICE), "--type", "Thư tay", code=2)
    assert "Công văn, Công điện" in wrong.stderr
    document = "00000000-0000-0000-0000-000000000000"
    assert "01, 02, 03" in edoc("status", *city.as_agency(OFFICE), document, "accepted", code=2).stderr


@pytest.mark.parametrize("command", [["show"], ["fetch"], ["export"], ["status"]])
@pytest.mark.parametrize("document", ["", "../agencies", "H29.1,2026/11/24,01/CV-VP"])
def test_what_is_no_identifier_of_a_document_is_wrong_use(
    edoc: Edoc, city: City, command: list[str], document: str
) -> None:
    rest = ["03"] if command == ["status"] else []
    assert "edoc inbox" in edoc(*command, *city.as_agency(OFFICE), document, *rest, code=2).stderr


def test_what_stands_in_the_way_is_told_before_a_document_is_handed_over(
    edoc: Edoc, city: City, sent: dict[str, Any], tmp_path: Path
) -> None:
    own = city.as_agency(OTHER)
    (tmp_path / "thư.txt").touch()
    in_the_way = edoc("fetch", *own, sent["document"], "--to", str(tmp_path), code=3)
    assert "thư.txt: it exists already" in in_the_way.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["thư.txt"]
    edoc("fetch", *own, sent["document"], "--to", str(tmp_path), "--no-message", "--no-attachments", code=2)
    shown = edoc.json("show", *own, sent["document"])["document"]["deliveries"]
    assert {each["recipientCode"]: each["handedOverAt"] for each in shown}[OTHER] is None


def test_a_refusal_without_its_reason_is_told_by_the_option(edoc: Edoc, city: City, sent: dict[str, Any]) -> None:
    for key in (True, False):
        own = city.as_agency(OTHER, with_key=key)
        for given in ((), ("--description", " "), ("--description", "\u202e")):
            assert "--description" in edoc("status", *own, sent["document"], "02", *given, code=2).stderr


def test_nobody_is_asked_for_the_password_of_a_key_that_is_not_there(edoc: Edoc, city: City, tmp_path: Path) -> None:
    key = str(tmp_path / "none.p12")
    assert key in edoc("status", *city.as_agency(OTHER), str(UUID(int=0)), "03", "--key", key, code=2).stderr
