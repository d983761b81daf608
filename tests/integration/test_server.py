"""The service as it runs: gunicorn, real connections, large and hostile bodies, an orderly end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from edoc.envelope.contents import MemoryContent
from edoc.sealing import seal_message
from tests.support.exchange import SENDER, WARD, SmallExchange, small_exchange
from tests.support.messages import attachment, document

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
MEBIBYTE = 1 << 20
_PROGRAM = """
import sys
from pathlib import Path
from api.config import load_settings
from api.server import serve
home = Path(sys.argv[1])
serve(load_settings(home, port=0, workers=1, threads=4, exchange_code="H29.EX", idle_timeout_seconds=5,
                    max_body_bytes=300 << 20, max_attachment_bytes=220 << 20), lambda url: print(url, flush=True))
"""


@dataclass(frozen=True)
class Service:
    """A running service and the exchange that made its home."""

    url: str
    process: subprocess.Popen[str]
    office: SmallExchange
    token: str

    def client(self, code: str = SENDER) -> httpx.Client:
        token = self.token if code == SENDER else self.office.token(code)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/xml"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, trust_env=False, timeout=60)

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)

    def worker_peak_bytes(self) -> int:
        """The most memory that the worker process has ever held."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        status = Path(f"/proc/{children.split()[0]}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("service") / "home"
    with small_exchange(home) as office, (home / "log").open("w") as log:
        office.clock.now = datetime.now(UTC)
        office.renew_crls()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EDOC_")}
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(home)],
            cwd=ROOT,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, (home / "log").read_text(encoding="utf-8")
            yield Service(url, process, office, office.token(SENDER))
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(40)
            if process.stdout is not None:
                process.stdout.close()
        assert code == 0, "an orderly end"


def test_the_service_is_ready(service: Service) -> None:
    answer = httpx.get(f"{service.url}/health/ready", trust_env=False)
    assert answer.status_code == 200, answer.text


def test_a_letter_goes_through(service: Service) -> None:
    with service.client() as sender, service.client(WARD) as ward:
        answer = sender.post("/messages", content=service.office.letter(attachment()))
        assert answer.status_code == 201, answer.text
        assert ward.get(f"/documents/{answer.json()['document']}/attachments/0").status_code == 200


def test_a_body_in_chunks_is_taken(service: Service) -> None:
    letter = service.office.letter()
    with service.client() as sender:
        answer = sender.post("/messages", content=iter([letter[:1000], letter[1000:]]))
    assert answer.status_code == 201, answer.text


def answer_to(service: Service, *pieces: bytes) -> bytes:
    """The answer to what is sent, after which this side sends no more."""
    with closing(service.connect()) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def head_of(service: Service, *fields: str) -> bytes:
    lines = (
        "POST /api/v1/messages HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {service.token}",
        "Content-Type: application/xml",
        *fields,
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def test_a_body_that_ends_before_its_length_is_no_shorter_body(service: Service) -> None:
    letter = service.office.letter() + b"\n"
    head = head_of(service, f"Content-Length: {len(letter)}", "Connection: close")
    answer = answer_to(service, head, letter[:-1])
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not come whole" in answer
    assert list((service.office.program.temporary_folder).iterdir()) == []
    assert answer_to(service, head, letter).startswith(b"HTTP/1.1 201 "), "nothing of it was taken on"


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        (b"zz\r\n<edXML\r\n0\r\n\r\n", 400),
        (b"6\r\n<edXML--0\r\n\r\n", 400),
        (b"6\r\n<edXML\r\n0\r\nno trailer\r\n\r\n", 400),
        (b"6\r\n<edXML\r\n", 408),
    ],
    ids=["size", "end", "trailer", "unfinished"],
)
def test_chunks_that_are_none_are_the_senders_fault(service: Service, chunks: bytes, status: int) -> None:
    answer = answer_to(service, head_of(service, "Transfer-Encoding: chunked", "Connection: close"), chunks)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in answer


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(service: Service) -> None:
    head = (
        f"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
        f"Content-Type: application/xml\r\nContent-Length: {301 * MEBIBYTE}\r\n\r\n"
    )
    with closing(service.connect()) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_body_without_end_is_cut_off(service: Service) -> None:
    head = (
        f"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
        "Content-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"100000\r\n" + b"a" * MEBIBYTE + b"\r\n"
    sent = 0
    with closing(service.connect()) as connection, contextlib.suppress(OSError):  # reset, or a broken pipe
        connection.sendall(head.encode())
        while sent < 600:
            connection.sendall(chunk)
            sent += 1
    assert 290 < sent < 400
    assert list((service.office.program.temporary_folder).iterdir()) == []


def test_a_silent_connection_is_cut_off_and_others_are_served(service: Service) -> None:
    head = (
        f"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
        "Content-Type: application/xml\r\nContent-Length: 5000\r\n\r\n<edXML"
    )
    with closing(service.connect()) as silent:
        silent.sendall(head.encode())
        started = time.monotonic()
        with service.client() as sender:
            assert sender.get("/sent").status_code == 200
        while silent.recv(4096):
            pass
        assert time.monotonic() - started < 25


def test_memory_stays_flat_with_a_file_of_200_mebibytes(service: Service, tmp_path: Path) -> None:
    block = hashlib.sha512(b"edoc").digest() * (MEBIBYTE // 64)

    class Large(MemoryContent):
        """200 MiB that nobody holds."""

        size = 200 * MEBIBYTE

        def chunks(self) -> Iterator[bytes]:
            for _ in range(200):
                yield block

        def digest(self, algorithm: str = "sha256") -> bytes:
            digest = hashlib.new(algorithm)
            for chunk in self.chunks():
                digest.update(chunk)
            return digest.digest()

    letter = document(number="9001")
    message = tmp_path / "large.edxml"
    large = replace(letter, attachments=(replace(attachment("lon.bin"), content=Large(b"")),))
    with message.open("wb") as out:
        for chunk in seal_message(large, service.office.keys[SENDER], service.office.clock()).encoded_chunks():
            out.write(chunk)
    with service.client() as sender, message.open("rb") as body:
        size = str(message.stat().st_size)
        answer = sender.post(
            "/messages", content=iter(lambda: body.read(MEBIBYTE), b""), headers={"Content-Length": size}
        )
        assert answer.status_code == 201, answer.text
        digest = hashlib.sha256()
        with sender.stream("GET", f"/documents/{answer.json()['document']}/attachments/0") as content:
            for chunk in content.iter_bytes():
                digest.update(chunk)
    assert digest.digest() == Large(b"").digest()
    assert service.worker_peak_bytes() < 200 * MEBIBYTE
