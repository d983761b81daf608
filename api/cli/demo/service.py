"""The exchange's own processes, started as an operator starts them: ``edoc run`` on a free port."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from api.cli.errors import input_output_error
from api.cli.language import Text
from api.cli.service import child_environment, edoc_command
from api.client import Client

START_SECONDS: Final = 60
STOP_SECONDS: Final = 45
_REMEDY: Final = Text("xem nhật ký của dịch vụ", "see the service's log")


@dataclass(frozen=True)
class RunningExchange:
    """An exchange that answers."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self.process.poll() is None

    def stop(self) -> int:
        """Stop it as an operator would; returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def start(home: Path, log: Path) -> RunningExchange:
    """Start the exchange of that home folder on a free port, and wait until it says that it is ready.

    Raises:
        CliError: it did not start; its log says why.
    """
    environment = {**child_environment(), "EDOC_PORT": "0", "EDOC_HOST": "127.0.0.1"}
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603 -- this very program
            [*edoc_command(), "run", "--home", str(home), "--json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            start_new_session=True,
        )
    try:
        return _ready(process, log)
    except BaseException:
        process.terminate()
        raise


def _ready(process: subprocess.Popen[str], log: Path) -> RunningExchange:
    deadline = time.monotonic() + START_SECONDS
    assert process.stdout is not None  # noqa: S101 -- a pipe was asked for
    url = _read_url(process.stdout, deadline)
    running = RunningExchange(url or "", process, log)
    if url is None or not _becomes_ready(running, deadline):
        running.stop()
        what = Text("dịch vụ không khởi động được", "the service did not start")
        raise input_output_error("service", what, _REMEDY, str(log))
    return running


def _read_url(stream: IO[str], deadline: float) -> str | None:
    """The address out of the JSON document that the service prints once it listens; None where none comes."""
    found: list[str] = []

    def read() -> None:
        text = ""
        for line in stream:
            text += line
            if line.startswith("}"):
                found.append(str(json.loads(text)["url"]))
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(max(0.0, deadline - time.monotonic()))
    return found[0] if found else None


def _becomes_ready(running: RunningExchange, deadline: float) -> bool:
    with Client(running.url) as client:
        while running.is_running and time.monotonic() < deadline:
            if client.is_ready():
                return True
            time.sleep(0.1)
    return False
