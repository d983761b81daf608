"""The command line as a program among others: signals, and what a killed sender leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from keys.pkcs12 import MIN_KDF_ROUNDS, write_pkcs12
from tests.support.homes import SENDER, Home, Service, make_home, service, ward

ROOT = Path(__file__).parents[2]
EDOC = [sys.executable, "-m", "api.cli"]
PATIENCE = 30.0
"""Seconds after which nothing will happen any more."""

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module", autouse=True)
def interruptible() -> Iterator[None]:
    """What is started from a shell in the background ignores Ctrl-C, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def environment(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EDOC_", "LC_", "LANG"))}
    return {**kept, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **given}


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("exchange") / "home")


@pytest.fixture(scope="module")
def running(home: Home) -> Iterator[Service]:
    with service(home) as started:
        yield started


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_ctrl_c_at_the_terminal_stops_service_and_worker_in_order(home: Home) -> None:
    with subprocess.Popen(
        [*EDOC, "run", "--home", str(home.folder), "--json"],
        env=environment(EDOC_PORT="0", **home.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"{\n"
            assert eventually(lambda: len(children(process.pid)) == 2)
            started = children(process.pid)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
            assert process.wait(PATIENCE) == 0
            assert not any(Path(f"/proc/{pid}").exists() for pid in started)
        finally:
            process.kill()


@contextmanager
def silent_exchange(url: str) -> Iterator[tuple[str, threading.Event]]:
    """A way to the exchange on which the answers to what is posted never arrive; says when one was given."""
    committed, over = threading.Event(), threading.Event()

    class Way(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send_on(httpx.get(f"{url}{self.path}", headers=self._headers(), trust_env=False))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {**self._headers(), "Content-Type": self.headers["Content-Type"]}
            answer = httpx.post(f"{url}{self.path}", content=body, headers=headers, timeout=PATIENCE, trust_env=False)
            assert answer.status_code == 201, answer.text
            committed.set()
            over.wait(PATIENCE)

        def _headers(self) -> dict[str, str]:
            return {"Authorization": self.headers["Authorization"]}

        def _send_on(self, answer: httpx.Response) -> None:
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Way) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", committed
        finally:
            over.set()
            server.shutdown()
            thread.join()


def send(home: Home, folder: Path, number: int) -> list[str]:
    """A call that sends a letter of the sender, sealed here."""
    if not (folder / "seal.p12").exists():
        write_pkcs12(folder / "seal.p12", home.seals[SENDER], b"secret", kdf_rounds=MIN_KDF_ROUNDS)
        for name, content in (("password", "secret\n"), ("token", home.tokens[SENDER])):
            (folder / name).write_text(content)
            (folder / name).chmod(0o600)
        (folder / "a.txt").write_text("x")
    options = ["--key", str(folder / "seal.p12"), "--password-file", str(folder / "password"), "--to", ward(1)]
    options += ["--number", str(number), "--notation", "CV-X", "--subject", "s", "--signer", "n"]
    return ["send", "--token-file", str(folder / "token"), *options, "--file", str(folder / "a.txt")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_sender_killed_before_the_answer_finds_the_message_and_sends_nothing_twice(
    home: Home, running: Service, tmp_path: Path, number: signal.Signals
) -> None:
    call = [*EDOC, *send(home, tmp_path, 20 + number), "--receipt", str(tmp_path / "r.xml")]
    with silent_exchange(running.url) as (url, committed):
        process = subprocess.Popen(
            call, env=environment(EDOC_URL=url, XDG_STATE_HOME=str(tmp_path)), stderr=subprocess.PIPE, text=True
        )
        assert committed.wait(PATIENCE)
        process.send_signal(number)
        complaint = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == (-number if number is signal.SIGKILL else 130)
    assert not (tmp_path / "r.xml").exists()
    (kept,) = (tmp_path / "edoc" / "outgoing").iterdir()
    assert number is signal.SIGKILL or f"edoc send {kept}" in complaint

    resend = [
        "send",
        str(kept),
        "--token-file",
        str(tmp_path / "token"),
        "--receipt",
        str(tmp_path / "r.xml"),
        "--json",
    ]
    again = subprocess.run(
        [*EDOC, *resend], env=environment(EDOC_URL=running.url), capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    answer: dict[str, Any] = json.loads(again.stdout)
    assert answer["replayed"] is True
    trust = str(home.folder / "trust")
    judged = subprocess.run(
        [*EDOC, "verify", str(tmp_path / "r.xml"), "--trust", trust],
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout
    sent = [*EDOC, "sent", "--token-file", str(tmp_path / "token"), "--json"]
    listed = subprocess.run(sent, env=environment(EDOC_URL=running.url), capture_output=True, check=True)
    codes = [each["code"] for each in json.loads(listed.stdout)["items"]]
    assert codes.count(f"{20 + number}/CV-X") == 1
