"""What a process of the service does before it serves."""

from __future__ import annotations

import os
import queue
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.config import load_settings
from api.errors import AddressError, AddressTakenError
from api.server import heed_an_early_end, serve


@pytest.fixture(autouse=True)
def own_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def arbiter_told(*signals: int) -> SimpleNamespace:
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    for each in signals:
        told.put(each)
    return SimpleNamespace(SIG_QUEUE=told)


def test_a_process_that_was_told_to_stop_since_the_fork_ends() -> None:
    with pytest.raises(SystemExit) as ended:
        heed_an_early_end(arbiter_told(signal.SIGCHLD, signal.SIGTERM), None)
    assert ended.value.code == 0


def test_a_process_that_is_told_to_stop_before_it_serves_ends() -> None:
    heed_an_early_end(arbiter_told(signal.SIGCHLD), None)
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 0


def test_a_port_that_another_program_has_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressTakenError, match=f"^127.0.0.1:{port}: ."):
            serve(load_settings(tmp_path, host="127.0.0.1", port=port))


def test_an_address_of_another_machine_is_not_taken_but_wrong(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match=r"^192\.0\.2\.1:0: .") as caught:
        serve(load_settings(tmp_path, host="192.0.2.1", port=0))
    assert type(caught.value) is AddressError
