"""``edoc verify``: verdicts, words and exit codes."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from api.cli.demo.tampering import forge_copy
from api.cli.drafts import Letter, document_message, sealed
from api.cli.errors import CliError
from api.cli.main import cli
from api.cli.recognition import HEAD_BYTES, STANDARD_INPUT, plain_file, recognise
from api.client import Client
from tests.unit.api.cli.conftest import City, Edoc


@pytest.fixture(scope="module")
def export(city: City, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a letter to a department."""
    from api import client  # noqa: PLC0415 -- the one that speaks to the exchange in this process

    folder = tmp_path_factory.mktemp("export")
    (folder / "a.txt").write_text("nội dung", encoding="utf-8")
    letter = Letter(
        ("H29.3",), "07", "CV-VP", "Công văn", "Trích yếu", "Nguyễn Văn A", None, "TP. HCM", (folder / "a.txt",)
    )
    office, now = city.stage.actors["H29.1"], datetime.now(UTC)
    message = b"".join(sealed(document_message(letter, "H29.1", city.stage.contacts, now), office.key, now))
    (folder / "message.edxml").write_bytes(message)
    make: Callable[..., Client] = client.Client
    with make("http://exchange.test", office.token) as sender:
        document = sender.submit(message).document
    with make("http://exchange.test", city.stage.auditor_token) as auditor, (folder / "x.asice").open("wb") as file:
        auditor.export(document, file)
    return folder / "x.asice"


def bad_checks(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["name"], each["subject"]) for each in report["checks"] if each["outcome"] == "bad"}


def test_a_good_export_is_good_and_says_what_it_is(edoc: Edoc, city: City, export: Path) -> None:
    report = edoc.json("verify", str(export), "--trust", city.trust)
    assert set(report) == {"file", "kind", "verdict", "at", "facts", "checks"}
    assert (report["kind"], report["verdict"]) == ("export", "good")
    text = edoc("verify", str(export), "--trust", city.trust).stdout
    assert text.startswith("✓ GOOD")
    assert "Trích yếu" in text
    assert edoc("verify", str(export), "--trust", city.trust, "--lang", "vi").stdout.startswith("✓ TỐT")


def test_one_changed_byte_is_bad_and_named(edoc: Edoc, city: City, export: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.asice"
    forge_copy(export, forged, "attachments/01-a.txt")
    report = edoc.json("verify", str(forged), "--trust", city.trust, code=1)
    assert report["verdict"] == "bad"
    assert ("attachment", "attachments/01-a.txt") in bad_checks(report)
    text = edoc("verify", str(forged), "--trust", city.trust, "--lang", "vi", code=1).stdout
    assert text.startswith("✗ SAI")
    assert "tệp đính kèm không phải là tệp trong thông điệp đã ký" in text


def test_a_file_taken_out_is_named_as_missing_in_the_first_finding(
    edoc: Edoc, city: City, export: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(export) as archive, zipfile.ZipFile(tmp_path / "x.asice", "w") as other:
        crl = next(name for name in archive.namelist() if name.startswith("crls/"))
        for each in archive.infolist():
            if each.filename != crl:
                other.writestr(each, archive.read(each))
    call = ["verify", str(tmp_path / "x.asice"), "--trust", city.trust]
    for language, said, remedy in (
        ("en", "it is missing from the container", "get the export again from the exchange"),
        ("vi", "tệp này không có trong gói", "lấy lại gói từ trục"),
    ):
        findings = edoc(*call, "--lang", language, code=1).stdout.split("\n\n")[1]
        assert findings.startswith(f"✗ {crl}: {said}")
        assert findings.splitlines()[1].startswith(f"    → {remedy}")
        assert "leads out" not in findings


def test_a_trust_folder_without_a_trust_list_is_noted_in_the_result(
    edoc: Edoc, city: City, export: Path, tmp_path: Path
) -> None:
    shutil.copytree(city.trust, tmp_path / "trust")
    for name in ("trust-list.xml", "trust-list-authority.pem"):
        (tmp_path / "trust" / name).unlink()
    call = ["verify", str(export), "--trust", str(tmp_path / "trust")]
    assert "no trust list" in edoc(*call).stdout
    assert "không có danh sách tin cậy" in edoc(*call, "--lang", "vi").stdout
    noted = [each["outcome"] for each in edoc.json(*call)["checks"] if each["name"] == "exchange_identity"]
    assert noted == ["note"]
    assert "no trust list" not in edoc("verify", str(export), "--trust", city.trust).stdout


def test_a_message_alone_verifies_and_a_changed_one_does_not(
    edoc: Edoc, city: City, export: Path, tmp_path: Path
) -> None:
    message = export.with_name("message.edxml")
    assert edoc.json("verify", str(message), "--trust", city.trust)["kind"] == "document"
    changed = tmp_path / "changed.edxml"
    changed.write_bytes(message.read_bytes().replace("Trích yếu".encode(), "Trích yêu".encode()))
    report = edoc.json("verify", str(changed), "--trust", city.trust, code=1)
    assert (report["verdict"], report["facts"]) == ("bad", [])
    call = ["verify", str(changed), "--trust", city.trust]
    for language, said in (("en", "no seal that held proves it"), ("vi", "không có chữ ký nào đạt")):
        text = edoc(*call, "--lang", language, code=1).stdout
        assert said in text
        assert "Trích yêu" not in text


@pytest.mark.parametrize("content", [b"", b"PK", b"not xml", b"<a/>", b"\x00" * 100])
def test_what_is_no_file_of_the_exchange_is_bad(edoc: Edoc, city: City, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert edoc.json("verify", str(tmp_path / "x"), "--trust", city.trust, code=1)["verdict"] == "bad"


@pytest.mark.parametrize(
    ("content", "english", "vietnamese"),
    [
        (b"", "an empty file", "tệp rỗng"),
        (b"%PDF-1.7\n%\xe2", "a PDF document", "tệp PDF"),
        (gzip.compress(b"<a/>", mtime=0), "a gzip file", "tệp nén gzip"),
        (b"7z\xbc\xaf\x27\x1c\x00", "a compressed archive", "tệp nén"),
        (b"f.txt".ljust(257, b"\0") + b"ustar\x00", "a tar archive", "gói tar"),
        (b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml", "an office document", "tệp văn phòng"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document", "tệp văn phòng"),
        (b"\x89PNG\r\n\x1a\n", "a picture", "tệp ảnh"),
        (b"-----BEGIN CERTIFICATE-----\n", "a certificate, CRL or key (PEM)", "chứng thư số, CRL hoặc khóa"),
        (b"\n<!DOCTYPE html>", "a web page (HTML)", "trang web"),
        (b"BEGIN:VCALENDAR\r\n", "a calendar file", "tệp lịch"),
        (b"Thong bao", "neither XML nor an export", "không phải XML"),
    ],
)
def test_a_file_of_another_kind_is_named_for_what_it_is(
    edoc: Edoc, city: City, tmp_path: Path, content: bytes, english: str, vietnamese: str
) -> None:
    (tmp_path / "x").write_bytes(content)
    call = ["verify", str(tmp_path / "x"), "--trust", city.trust]
    assert f"x: {english}" in edoc(*call, code=1).stdout
    assert f"x: {vietnamese}" in edoc(*call, "--lang", "vi", code=1).stdout
    report = edoc.json(*call, code=1)
    assert (report["kind"], report["verdict"], len(report["checks"])) == ("unknown", "bad", 1)
    assert f"this is {english}" in report["checks"][0]["reason"]
    assert report["checks"][0]["remedy"]


def test_a_key_file_and_a_crl_are_named_for_what_they_are(edoc: Edoc, city: City) -> None:
    seal = city.stage.actors["H29.1"].folder / "seal.p12"
    assert "a key file" in edoc("verify", str(seal), "--trust", city.trust, code=1).stdout
    crl = next((Path(city.trust) / "crls").iterdir())
    assert "a certificate or CRL" in edoc("verify", str(crl), "--trust", city.trust, code=1).stdout


def test_xml_and_zip_are_looked_into_however_they_begin(export: Path) -> None:
    assert recognise(export.read_bytes()[:HEAD_BYTES]) is None
    for start in (b"<a", b"\xef\xbb\xbf<?xml", b"\n  <a", b"\xff\xfe<\0", b"\0<", b"PK\x05\x06"):
        assert recognise(start) is None


def test_what_comes_through_a_pipe_is_judged_like_a_file(edoc: Edoc, city: City, export: Path, tmp_path: Path) -> None:
    call = ["verify", "-", "--trust", city.trust, "--json"]
    piped = CliRunner().invoke(cli, call, input=export.read_bytes())
    assert (piped.exit_code, json.loads(piped.stdout)["verdict"]) == (0, "good")
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(export.read_bytes()))
    writer.start()
    assert edoc.json("verify", str(tmp_path / "pipe"), "--trust", city.trust)["verdict"] == "good"
    writer.join()
    nothing = CliRunner().invoke(cli, call, input=b"")
    assert (nothing.exit_code, json.loads(nothing.stdout)["verdict"]) == (1, "bad")


def test_a_pipe_is_read_up_to_its_limit_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x" * 101)))
    with pytest.raises(CliError, match="are read through a pipe"), plain_file(STANDARD_INPUT, 100):
        pytest.fail("it was read")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/", "/dev/null", "/dev/zero"])
def test_a_folder_or_a_device_is_wrong_use(edoc: Edoc, city: City, path: str) -> None:
    result = edoc("verify", path, "--trust", city.trust, code=2)
    assert "name a file" in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_trust_anchors_there_is_no_verdict(edoc: Edoc, export: Path, tmp_path: Path) -> None:
    for arguments in ([], ["--trust", str(tmp_path)], ["--trust", str(tmp_path / "none")]):
        result = edoc("verify", str(export), *arguments, "--json", code=2)
        assert json.loads(result.stdout)["error"]["code"] == "no_trust_anchors"
        assert "NO TRUST ANCHORS" in result.stderr


def test_other_anchors_do_not_make_it_good(edoc: Edoc, export: Path, home: str) -> None:
    report = edoc.json("verify", str(export), "--trust", f"{home}/trust", code=4)
    assert report["verdict"] == "indeterminate"


def test_when_no_crl_is_fresh_any_more_a_message_is_indeterminate(edoc: Edoc, city: City, export: Path) -> None:
    later = (datetime.now(UTC) + timedelta(days=60)).isoformat()
    message = str(export.with_name("message.edxml"))
    assert edoc.json("verify", message, "--trust", city.trust, "--at", later, code=4)["verdict"] == "indeterminate"


def test_a_plain_folder_and_a_bundle_are_trusted_alike(edoc: Edoc, city: City, export: Path, tmp_path: Path) -> None:
    anchor = Path(city.trust) / "anchors" / "demonstration.pem"
    folder = tmp_path / "plain"
    folder.mkdir()
    shutil.copy(anchor, folder)
    for crl in (Path(city.trust) / "crls").iterdir():
        shutil.copy(crl, folder)
    message = str(export.with_name("message.edxml"))
    assert edoc.json("verify", message, "--trust", str(folder))["verdict"] == "good"
    assert edoc.json("verify", str(export), "--trust", str(anchor))["verdict"] == "good"
    assert edoc.json("verify", message, "--trust", str(anchor), code=4)["verdict"] == "indeterminate"


def test_a_damaged_anchor_is_never_passed_over(edoc: Edoc, city: City, export: Path, tmp_path: Path) -> None:
    shutil.copytree(city.trust, tmp_path / "trust")
    (tmp_path / "trust" / "anchors" / "other.pem").write_text("-----BEGIN CERTIFICATE-----\nxx")
    assert "other.pem" in edoc("verify", str(export), "--trust", str(tmp_path / "trust"), code=2).stderr


def test_a_trust_list_that_nobody_vouches_for_is_refused(edoc: Edoc, city: City, export: Path, tmp_path: Path) -> None:
    shutil.copytree(city.trust, tmp_path / "trust")
    (tmp_path / "trust" / "trust-list-authority.pem").unlink()
    assert "trust-list-authority.pem" in edoc("verify", str(export), "--trust", str(tmp_path / "trust"), code=2).stderr


def test_a_file_that_is_not_there_is_an_io_error(edoc: Edoc, city: City, tmp_path: Path) -> None:
    assert "No such file" in edoc("verify", str(tmp_path / "none"), "--trust", city.trust, code=3).stderr


def test_a_time_that_is_none_is_wrong_use(edoc: Edoc, city: City, export: Path) -> None:
    assert "yesterday" in edoc("verify", str(export), "--trust", city.trust, "--at", "yesterday", code=2).stderr


def test_everything_is_listed_when_asked_for(edoc: Edoc, city: City, export: Path) -> None:
    text = edoc("verify", str(export), "--trust", city.trust, "--all").stdout
    assert "evidence/001-SubmissionAcceptance.xml" in text
    assert "checks hold" not in text


def test_the_readers_own_list_of_agencies_tells_which_codes_are_one_agencys(
    edoc: Edoc, city: City, tmp_path: Path
) -> None:
    actor, now = city.stage.actors["H29.1"], datetime.now(UTC)
    entry = next(each for each in city.stage.entries if each.code == "H29.1")
    (tmp_path / "a.txt").write_text("nội dung", encoding="utf-8")
    wanted = Letter(("H29.3",), "08", "CV-VP", "Công văn", "Trích yếu", "Nguyễn Văn A", None, "TP. HCM", ())
    letter = document_message(wanted, "H29.1", city.stage.contacts, now)
    old = str(entry.old_code)
    renamed = replace(
        letter,
        sender=replace(letter.sender, organ_id=old),
        document_id=letter.document_id.replace("H29.1,", f"{old},"),
    )
    message = tmp_path / "old.edxml"
    message.write_bytes(b"".join(sealed(renamed, actor.key, now)))
    listed = tmp_path / "agencies.csv"
    listed.write_text(
        f"code,old_code,parent_code,kind,name,name_en\nH29.1,{old},,office,Văn phòng,\n", encoding="utf-8"
    )
    call = ["verify", str(message), "--trust", city.trust]
    assert "verify with --directory and a list of agencies that you trust" in edoc(*call, code=4).stdout
    assert "kiểm tra lại với --directory" in edoc(*call, "--lang", "vi", code=4).stdout
    assert edoc.json(*call, "--directory", str(listed))["verdict"] == "good"


def test_a_list_of_agencies_that_is_none_is_wrong_use(edoc: Edoc, city: City, export: Path, tmp_path: Path) -> None:
    (tmp_path / "agencies.csv").write_text("code,name\nH1,x\n", encoding="utf-8")
    call = ["verify", str(export), "--trust", city.trust, "--directory"]
    assert "columns must be" in edoc(*call, str(tmp_path / "agencies.csv"), code=2).stderr
    assert "No such file" in edoc(*call, str(tmp_path / "none.csv"), code=3).stderr
