"""What a process of the service does before it serves."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from api.server import heed_an_early_end


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
