"""The home folder of an exchange that runs as a real service by the real clock, and that service as a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from api.bootstrap import open_database
from api.config import load_settings
from edoc.access.tokens import NewToken, Scope, issue_tokens
from edoc.database.engine import write
from edoc.database.migrate import upgrade
from edoc.directory.loader import AgencyEntry
from edoc.directory.model import SealBinding
from edoc.directory.repository import add_agencies, bind_seals, read_directory
from edoc.envelope.contents import MemoryContent
from edoc.envelope.model import (
    Attachment,
    AttachmentContent,
    Code,
    DocumentMessage,
    DocumentType,
    Organization,
    SignerInfo,
)
from edoc.sealing import seal_message
from edoc.vietnam import vietnam_date
from keys.authority import DemonstrationAuthority, KeyAlgorithm
from keys.certificates import fingerprint
from keys.memory import MemoryKey
from keys.pkcs12 import MIN_KDF_ROUNDS, write_pkcs12, write_private_file
from signing.xml import ParsedXml

SENDER = "H29.1"
SCOPES = frozenset({Scope.SEND, Scope.RECEIVE, Scope.AUDIT})
_PASSWORD = b"a password of the tests"
_START_SECONDS = 30.0
_COMMAND_SECONDS = 120.0


def ward(number: int) -> str:
    """The code of a ward, from 1."""
    return f"H29.31.{number}"


@dataclass(frozen=True)
class Home:
    """The folder, what the agencies hold, and how the program is called."""

    folder: Path
    database_url: str
    environment: Mapping[str, str]
    authority: DemonstrationAuthority
    seals: Mapping[str, MemoryKey]
    """Of the sender and of the wards, as far as they were asked for."""
    tokens: Mapping[str, str]

    def letter(self, number: int, recipients: int, *contents: AttachmentContent | bytes) -> ParsedXml:
        """A sealed letter of the sender to the first wards, with a file of each content."""
        now = datetime.now(UTC)
        code, on = Code(f"{number:02d}", "UBND-VX"), vietnam_date(now)
        message = DocumentMessage(
            sender=Organization(SENDER, "Văn phòng", organization_in_charge="Ủy ban nhân dân Thành phố"),
            recipients=tuple(
                Organization(ward(each), f"Phường {each}", organ_add="Thành phố Hồ Chí Minh")
                for each in range(1, recipients + 1)
            ),
            document_id=f"{SENDER},{on:%Y/%m/%d},{code}",
            code=code,
            place="Thành phố Hồ Chí Minh",
            promulgation_date=on,
            document_type=DocumentType("Công văn"),
            subject="Về việc triển khai chương trình cải cách hành chính",
            content="Về việc triển khai chương trình cải cách hành chính",
            signer_info=SignerInfo("Nguyễn Văn Ví Dụ", "TL. CHỦ TỊCH", "CHÁNH VĂN PHÒNG"),
            attachments=tuple(_attachment(position, content) for position, content in enumerate(contents, 1)),
        )
        return seal_message(message, self.seals[SENDER], now)

    def edoc(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command ``edoc`` on this home, whatever it ends with."""
        return subprocess.run(
            [sys.executable, "-m", "api.cli", *arguments],
            env={**_clean_environment(), "EDOC_HOME": str(self.folder), **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )


def make_home(
    folder: Path,
    *,
    wards: int = 3,
    sender_algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    scopes: frozenset[Scope] = SCOPES,
    environment: Mapping[str, str] | None = None,
) -> Home:
    """Make one: authority, seals of sender and wards, trust, database, a token with ``scopes`` for each of them."""
    environment = dict(environment or {})
    settings = load_settings(folder, **_given(environment))
    since = datetime.now(UTC) - timedelta(hours=1)
    authority = DemonstrationAuthority.in_memory(at=since, name="tests")
    entries = (
        AgencyEntry("H29", None, None, "city", "Ủy ban nhân dân Thành phố", None),
        AgencyEntry(SENDER, None, "H29", "office", "Văn phòng", None),
        *(AgencyEntry(ward(each), None, "H29", "ward", f"Phường {each}", None) for each in range(1, wards + 1)),
    )
    seals = {SENDER: authority.issue_seal(SENDER, "Văn phòng", at=since, algorithm=sender_algorithm)}
    named = [(entry.code, entry.name) for entry in entries if entry.kind == "ward"]
    seals |= dict(zip((code for code, _ in named), authority.issue_seals(named, at=since), strict=True))
    (folder / "keys").mkdir(parents=True)
    exchange = authority.issue_exchange_seal("Trục liên thông", at=since)
    write_pkcs12(folder / "keys" / "exchange.p12", exchange, _PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)
    write_private_file(folder / "keys" / "exchange.password", _PASSWORD)
    _write_trust(folder / "trust", authority, since)
    engine = open_database(settings, create=True)
    try:
        upgrade(engine)
        with write(engine) as connection:
            add_agencies(connection, entries, date(2018, 1, 1))
            directory = read_directory(connection)
            bind_seals(
                connection,
                [
                    SealBinding(
                        fingerprint(key.certificate),
                        directory.find(code).id,
                        key.certificate.public_bytes(Encoding.DER),
                        since,
                        None,
                    )
                    for code, key in seals.items()
                ],
            )
            wanted = [NewToken(directory.find(code).id, scopes, "test", since + timedelta(days=2)) for code in seals]
            made = issue_tokens(connection, wanted, since, os.urandom)
            tokens = {code: each.token for code, each in zip(seals, made, strict=True)}
    finally:
        engine.dispose()
    url = settings.database_url.get_secret_value()
    return Home(folder, url, environment, authority, seals, tokens)


@dataclass(frozen=True)
class Service:
    """A running service."""

    url: str
    process: subprocess.Popen[bytes]

    def worker_processes(self) -> list[int]:
        """The process numbers of gunicorn's workers and of the arbiter."""
        return [self.process.pid, *_children(self.process.pid)]

    def kill(self) -> None:
        """Cut the power: every process at once, without a chance to finish."""
        for pid in reversed(self.worker_processes()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


@contextmanager
def service(home: Home, command: tuple[str, ...] = ("-m", "api.cli", "serve"), **environment: str) -> Iterator[Service]:
    """Start the service of a home on a free port; stopped at the end."""
    port = free_port()
    values = {
        "EDOC_HOME": str(home.folder),
        "EDOC_HOST": "127.0.0.1",
        "EDOC_PORT": str(port),
        "EDOC_LOG_LEVEL": "warning",
        **home.environment,
        **environment,
    }
    process = subprocess.Popen([sys.executable, *command], env={**_clean_environment(), **values})
    running = Service(f"http://127.0.0.1:{port}", process)
    try:
        wait_until_live(running)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_live(running: Service) -> None:
    """Wait until a service that was started answers.

    Raises:
        RuntimeError: it has ended, or does not answer in time.
    """
    stop = time.monotonic() + _START_SECONDS
    while time.monotonic() < stop:
        if running.process.poll() is not None:
            raise RuntimeError(f"the service ended with {running.process.returncode} before it was live")
        try:
            if httpx.get(f"{running.url}/health/live", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the service did not become live")


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    direct = [int(each) for each in path.read_text().split()] if path.exists() else []
    return [pid for child in direct for pid in (child, *_children(child))]


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("EDOC_")}


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("EDOC_").lower(): value for name, value in environment.items()}


def _attachment(position: int, content: AttachmentContent | bytes) -> Attachment:
    data = MemoryContent(content) if isinstance(content, bytes) else content
    name = "cong-van.pdf" if position == 1 else f"phụ lục {position - 1}.pdf"
    return Attachment(f"att-{position}", name, "application/pdf", data)


def _write_trust(trust: Path, authority: DemonstrationAuthority, at: datetime) -> None:
    (trust / "anchors").mkdir(parents=True)
    (trust / "anchors" / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    (trust / "crls").mkdir()
    for number, crl in enumerate(authority.crls(at=at, next_update=at + timedelta(days=30))):
        (trust / "crls" / f"{number}.crl").write_bytes(crl.public_bytes(Encoding.DER))
