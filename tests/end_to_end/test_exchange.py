"""A letter's whole way through the real service, on each of the two sets of stores: nothing may differ between them.

SQLite and local files are the embedded default; PostgreSQL and S3 are what more machines share. Damage in place is
tried on local files alone: nobody can change an object of S3. Each test sends a letter of its own, to stand alone.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.bootstrap import open_archive
from api.cli.demo.tampering import damaged_object, forge_copy
from api.config import load_settings
from edoc.access.tokens import Scope
from edoc.envelope.model import Organization, ResponseFor, StatusMessage
from edoc.sealing import seal_message
from edoc.vietnam import vietnam_time
from tests.support.homes import SENDER, Home, Service, free_port, make_home, service, ward
from tests.support.server_fixtures import S3Settings

pytestmark = pytest.mark.end_to_end

LOCAL, SHARED = "sqlite and local files", "postgresql and s3"
SMALL = b"%PDF-1.7\n" + b"small" * 100
LARGE = b"%PDF-1.7\n" + os.urandom(400 << 10)
"""More than :attr:`~api.config.Settings.attachment_object_bytes`: an object of its own in the archive."""
WARDS = 3
OUTSIDER = ward(WARDS + 1)
"""A ward to which nothing is sent."""
EVIDENCE_OF_EXPORT, STATUSES_OF_EXPORT = 8, 4
"""Two for the letter, two handovers, and an acceptance of each state: 01 for both, 03 and 02."""
EVIDENCE_ON_ACCEPTANCE = ["SubmissionAcceptance", "ContentConsignment"]


@dataclass(frozen=True)
class Sent:
    """A letter that the exchange has taken on."""

    message: bytes
    answer: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/documents/{self.answer['document']}"


class Scene:
    """A running exchange, and everybody who calls it."""

    def __init__(self, home: Home, running: Service, folder: Path) -> None:
        self.home = home
        self._running = running
        self._folder = folder
        self._numbers = count(1)

    @property
    def trust(self) -> Path:
        """Whom an auditor believes."""
        return self.home.folder / "trust"

    def call(
        self,
        method: str,
        path: str,
        token: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, with any answer."""
        given = {"Authorization": f"Bearer {token}", "Content-Type": "application/xml", **(headers or {})}
        url = f"{self._running.url}/api/v1{path}"
        return httpx.request(method, url, content=content, headers=given, timeout=60, trust_env=False)

    def get(self, path: str, code: str, **headers: str) -> httpx.Response:
        """What an agency reads, which it must get."""
        answer = self.call("GET", path, self.home.tokens[code], headers=headers)
        assert answer.status_code in {200, 206}, answer.text
        return answer

    def submit(self, message: bytes, code: str = SENDER) -> httpx.Response:
        """Send a message, with any answer."""
        return self.call("POST", "/messages", self.home.tokens[code], message)

    def letter(self, *contents: bytes) -> bytes:
        """A new sealed letter to the wards."""
        return b"".join(self.home.letter(next(self._numbers), WARDS, *contents).encoded_chunks())

    def send(self, *contents: bytes) -> Sent:
        """Send a new letter, which must be taken on."""
        message = self.letter(*contents)
        answer = self.submit(message)
        assert answer.status_code == 201, answer.text
        return Sent(message, answer.json())

    def report(self, sent: Sent, code: str, state: str, description: str | None = None) -> httpx.Response:
        """A ward's sealed word on a letter."""
        document, now = self.get(sent.path, code).json(), datetime.now(UTC)
        message = StatusMessage(
            sender=Organization(code, "Phường"),
            response_for=ResponseFor(
                organ_id=SENDER,
                code=f"{document['number']}/{document['notation']}",
                document_id=document["documentId"],
                promulgation_date=vietnam_time(now).date(),
            ),
            status_code=state,
            timestamp=vietnam_time(now).replace(microsecond=0),
            description=description,
        )
        sealed = seal_message(message, self.home.seals[code], now)
        return self.submit(b"".join(sealed.encoded_chunks()), code)

    def edoc(self, code: int, *arguments: str, **environment: str) -> dict[str, Any]:
        """Run a command, which must end with ``code``; returns its JSON."""
        done = self.home.edoc(*arguments, "--json", **environment)
        assert done.returncode == code, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def work(self) -> None:
        """Let the worker keep all promises there are."""
        self.edoc(0, "worker", "--once")

    def doctor(self, code: int) -> dict[str, str]:
        """Read the whole archive through; returns the outcomes."""
        found = self.edoc(code, "doctor", "--deep", EDOC_PORT=str(free_port()))
        return {each["name"]: each["outcome"] for each in found["checks"]}

    def new_token(self, code: str, *scopes: str) -> str:
        """A further token, as the operator makes one."""
        options = [option for scope in scopes for option in ("--scope", scope)]
        return str(self.edoc(0, "token", "create", code, *options, "--label", f"{code} {scopes}")["token"])

    def revoke(self, code: str, *scopes: str) -> None:
        """Revoke the token that :meth:`new_token` made."""
        tokens = self.edoc(0, "token", "list", "--agency", code)["tokens"]
        (wanted,) = [each["id"] for each in tokens if each["label"] == f"{code} {scopes}"]
        self.edoc(0, "token", "revoke", wanted)

    def evidence(self, sent: Sent, code: str) -> list[dict[str, Any]]:
        """What the exchange stated about a letter, as an agency may see it."""
        items: list[dict[str, Any]] = self.get(f"{sent.path}/evidence", code).json()["items"]
        return items

    def export(self, sent: Sent) -> Path:
        """What an auditor takes home of a letter on which everybody has done his part."""
        for each in (ward(1), ward(2)):
            self.get(f"{sent.path}/message", each)
        self.work()
        assert self.report(sent, ward(1), "03").status_code == 201
        assert self.report(sent, ward(2), "02", "Không thuộc thẩm quyền").status_code == 201
        self.work()
        answer = self.call("GET", f"{sent.path}/export", self.new_token("H29", "audit"))
        assert answer.status_code == 200, answer.text
        file = self._folder / f"{sent.answer['document']}.asice"
        file.write_bytes(answer.content)
        return file


@pytest.fixture(scope="module", params=[LOCAL, SHARED])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    environment: dict[str, str] = {}
    if request.param == SHARED:
        postgresql = request.getfixturevalue("postgresql_server")
        s3 = request.getfixturevalue("s3_server")
        store = S3Settings(s3, "end-to-end")
        request.getfixturevalue("minio_client").make_bucket(store.bucket, object_lock=True)
        environment = {
            "EDOC_DATABASE_URL": postgresql.url(postgresql.create_database()),
            "EDOC_ARCHIVE": "s3",
            "EDOC_RETENTION_DAYS": "1",
            "EDOC_S3_LOCK": "governance",
            "EDOC_S3_ENDPOINT": store.endpoint,
            "EDOC_S3_BUCKET": store.bucket,
            "EDOC_S3_CA_FILE": str(store.ca_file),
            "EDOC_S3_ACCESS_KEY": store.access_key,
            "EDOC_S3_SECRET_KEY": store.secret_key,
        }
    folder = tmp_path_factory.mktemp("exchange")
    home = make_home(
        folder / "home", wards=WARDS + 1, scopes=frozenset({Scope.SEND, Scope.RECEIVE}), environment=environment
    )
    with service(home) as running:
        yield Scene(home, running, folder)


@pytest.fixture(scope="module")
def export(scene: Scene) -> Path:
    return scene.export(scene.send(SMALL, LARGE))


class TestSending:
    def test_a_letter_is_taken_on_and_consigned_to_every_recipient(self, scene: Scene) -> None:
        sent = scene.send(SMALL, LARGE)
        assert sent.answer["messageSha256"] == sha256(sent.message).hexdigest()
        assert sent.answer["replayed"] is False
        assert [each["recipientCode"] for each in sent.answer["deliveries"]] == [ward(1), ward(2), ward(3)]
        assert [each["type"] for each in scene.evidence(sent, SENDER)] == EVIDENCE_ON_ACCEPTANCE

    def test_the_same_bytes_get_the_same_receipt(self, scene: Scene) -> None:
        sent = scene.send(SMALL, LARGE)
        scene.work()
        again = scene.submit(sent.message)
        assert again.status_code == 200
        assert again.json() == sent.answer | {"replayed": True}

    def test_other_bytes_under_the_same_identifier_are_a_conflict(self, scene: Scene) -> None:
        sent = scene.send(SMALL)
        number = int(scene.get(sent.path, SENDER).json()["number"])
        other = b"".join(scene.home.letter(number, WARDS, SMALL + b"changed").encoded_chunks())
        answer = scene.submit(other)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:edoc:problem:conflict")
        assert scene.get(f"{sent.path}/message", SENDER).content == sent.message

    def test_the_receipt_is_good_offline(self, scene: Scene, tmp_path: Path) -> None:
        receipt = tmp_path / "receipt.xml"
        receipt.write_bytes(base64.b64decode(scene.send(SMALL).answer["receipt"]))
        judged = scene.edoc(0, "verify", str(receipt), "--trust", str(scene.trust))
        assert (judged["kind"], judged["verdict"]) == ("evidence", "good")


class TestReceiving:
    def test_every_ward_finds_the_letter_in_its_inbox(self, scene: Scene) -> None:
        document = scene.send(SMALL).answer["document"]
        for number in range(1, WARDS + 1):
            newest = scene.get("/inbox", ward(number)).json()["items"][0]
            assert (newest["document"], newest["state"], newest["handedOverAt"]) == (document, "consigned", None)
        outsider = scene.get("/inbox", OUTSIDER).json()
        assert outsider["items"] == []

    def test_message_and_files_come_back_byte_for_byte(self, scene: Scene) -> None:
        sent = scene.send(SMALL, LARGE)
        assert scene.get(f"{sent.path}/message", ward(1)).content == sent.message
        for position, content in enumerate((SMALL, LARGE)):
            path = f"{sent.path}/attachments/{position}"
            assert scene.get(path, ward(1)).content == content
            part = scene.get(path, ward(1), Range="bytes=100-299")
            assert part.status_code == 206
            assert part.headers["Content-Range"] == f"bytes 100-299/{len(content)}"
            assert part.content == content[100:300]

    @pytest.mark.parametrize("what", ["message", "attachments/0", "attachments/1", "export"])
    def test_the_first_content_that_goes_out_is_handed_over_once(self, scene: Scene, what: str) -> None:
        sent = scene.send(SMALL, LARGE)
        for _ in range(2):
            scene.get(f"{sent.path}/{what}", ward(1))
        types = [each["type"] for each in scene.evidence(sent, ward(1))]
        assert types == [*EVIDENCE_ON_ACCEPTANCE, "ContentHandover"]
        (delivery,) = scene.get(sent.path, ward(1)).json()["deliveries"]
        assert delivery["handedOverAt"]
        assert [each["type"] for each in scene.evidence(sent, ward(2))] == EVIDENCE_ON_ACCEPTANCE

    def test_the_worker_reports_arrival_and_archives_the_evidence(self, scene: Scene) -> None:
        sent = scene.send(SMALL)
        scene.get(f"{sent.path}/message", ward(1))
        scene.work()
        (arrival,) = scene.get(f"{sent.path}/status-messages", SENDER).json()["items"]
        assert (arrival["code"], arrival["reporterCode"], arrival["byExchange"]) == ("01", ward(1), True)
        store = open_archive(
            load_settings(
                scene.home.folder,
                **{name.removeprefix("EDOC_").lower(): value for name, value in scene.home.environment.items()},
            )
        )
        for each in scene.evidence(sent, SENDER):
            store.verify(each["sha256"])
            body = scene.get(each["link"].removeprefix("/api/v1"), SENDER).content
            assert sha256(body).hexdigest() == each["sha256"]

    def test_the_wards_answers_reach_the_sender(self, scene: Scene) -> None:
        sent = scene.send(SMALL)
        assert scene.report(sent, ward(1), "03").status_code == 201
        assert scene.report(sent, ward(2), "02", "Không thuộc thẩm quyền").status_code == 201
        states = {each["recipientCode"]: each["state"] for each in scene.get(sent.path, SENDER).json()["deliveries"]}
        assert states == {ward(1): "03", ward(2): "02", ward(3): "consigned"}
        answers = scene.get(f"{sent.path}/status-messages", SENDER).json()["items"]
        assert [(each["code"], each["reporterCode"]) for each in answers] == [("03", ward(1)), ("02", ward(2))]
        assert [each["recipientCode"] for each in scene.get(sent.path, ward(1)).json()["deliveries"]] == [ward(1)]


class TestStrangers:
    @pytest.mark.parametrize("what", ["", "/message", "/attachments/0", "/evidence", "/status-messages", "/export"])
    def test_to_another_agency_the_letter_does_not_exist(self, scene: Scene, what: str) -> None:
        answer = scene.call("GET", scene.send(SMALL).path + what, scene.home.tokens[OUTSIDER])
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:edoc:problem:not-found")

    def test_another_agency_cannot_send_what_the_sender_sealed(self, scene: Scene) -> None:
        sent = scene.send(SMALL)
        answer = scene.submit(sent.message, OUTSIDER)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:edoc:problem:sender")

    def test_an_unknown_token_is_refused(self, scene: Scene) -> None:
        assert scene.call("GET", "/inbox", "edoc_" + "A" * 43).status_code == 401

    def test_a_revoked_token_is_refused_at_once(self, scene: Scene) -> None:
        token = scene.new_token(OUTSIDER, "receive")
        assert scene.call("GET", "/inbox", token).status_code == 200
        scene.revoke(OUTSIDER, "receive")
        assert scene.call("GET", "/inbox", token).status_code == 401


class TestAudit:
    def test_an_export_proves_everything_offline(self, scene: Scene, export: Path) -> None:
        judged = scene.edoc(0, "verify", str(export), "--trust", str(scene.trust))
        assert (judged["kind"], judged["verdict"]) == ("export", "good")
        assert {each["outcome"] for each in judged["checks"]} <= {"good", "note"}
        assert sum(each["name"] == "evidence_seal" for each in judged["checks"]) == EVIDENCE_OF_EXPORT
        assert sum(each["name"] == "status_seal" for each in judged["checks"]) == STATUSES_OF_EXPORT

    @pytest.mark.parametrize("kind", ["message", "attachments/", "evidence/", "status/", "certificates/", "crls/"])
    def test_one_changed_byte_is_found(self, scene: Scene, export: Path, tmp_path: Path, kind: str) -> None:
        with zipfile.ZipFile(export) as container:
            member = next(name for name in container.namelist() if name.startswith(kind))
        forged = tmp_path / "forged.asice"
        forge_copy(export, forged, member)
        judged = scene.edoc(1, "verify", str(forged), "--trust", str(scene.trust))
        assert judged["verdict"] == "bad"
        bad = [each for each in judged["checks"] if each["outcome"] == "bad"]
        assert any(member in each["subject"] + each["reason"] for each in bad)
        assert "container_seal" in {each["name"] for each in bad}

    def test_unzip_and_xmlsec1_alone_check_it_as_its_readme_says(
        self, scene: Scene, export: Path, tmp_path: Path
    ) -> None:
        for program in ("unzip", "xmlsec1"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        assert run(["unzip", "-q", str(export)], tmp_path).returncode == 0
        shutil.copy(tmp_path / "META-INF" / "signatures.xml", tmp_path)
        commands = readme_commands(tmp_path / "README.txt", scene.trust / "anchors" / "root.pem")

        def judge(file: str) -> int:
            return run([*commands[command_for(file)], file], tmp_path).returncode

        names = [
            str(file.relative_to(tmp_path))
            for folder in ("evidence", "status")
            for file in tmp_path.glob(f"{folder}/*")
        ]
        assert len(names) == EVIDENCE_OF_EXPORT + STATUSES_OF_EXPORT
        names += ["message.edxml", "signatures.xml"]
        assert {name: judge(name) for name in names} == dict.fromkeys(names, 0)
        for name in names:
            sealed = (tmp_path / name).read_text(encoding="utf-8")
            (tmp_path / name).write_text(sealed.replace("DigestValue>", "DigestValue>A", 1), encoding="utf-8")
        assert {name for name in names if judge(name) == 0} == set()


class TestDoctor:
    def test_a_whole_archive_is_good(self, scene: Scene) -> None:
        scene.send(SMALL, LARGE)
        scene.work()
        outcomes = scene.doctor(0)
        assert outcomes["archive_objects"] == "good"
        assert "bad" not in outcomes.values()

    @pytest.mark.parametrize("scene", [LOCAL], indirect=True)
    @pytest.mark.parametrize("what", ["message", "attachments/1"])
    def test_one_changed_byte_is_found_and_never_given_out(self, scene: Scene, what: str) -> None:
        sent = scene.send(SMALL, LARGE)
        known = scene.get(sent.path, SENDER).json()
        digest = known["messageSha256"] if what == "message" else known["attachments"][1]["sha256"]
        with damaged_object(scene.home.folder / "archive", digest):
            answer = scene.call("GET", f"{sent.path}/{what}", scene.home.tokens[ward(1)])
            assert (answer.status_code, answer.json()["type"]) == (500, "urn:edoc:problem:archive-damaged")
            assert scene.doctor(1)["archive_objects"] == "bad"
        assert scene.get(f"{sent.path}/{what}", ward(1)).status_code == 200
        assert scene.doctor(0)["archive_objects"] == "good"


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """A program by others, in a folder; names of files are UTF-8."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


def readme_commands(readme: Path, trusted: Path) -> dict[str, list[str]]:
    """The xmlsec1 commands that an export gives its reader, by the file they are for, without it."""
    text = re.sub(r"\n {8,}", " ", readme.read_text(encoding="utf-8"))
    commands = [shlex.split(line) for line in re.findall(r"^ +(xmlsec1 .+)$", text, re.MULTILINE)]
    return {command[-1]: [str(trusted) if each == "GỐC.pem" else each for each in command[:-1]] for command in commands}


def command_for(file: str) -> str:
    """The name under which the README speaks of a file."""
    if file.startswith("evidence/"):
        return "evidence/TỆP.xml"
    return "message.edxml" if file.endswith(".edxml") else file
