"""Where the processes of the service run, and which of them takes a new connection on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from api.config import CpuAffinity, load_settings
from api.processes import GRACE_SECONDS, HEAD_SECONDS, BoundWorker, PacedSocket, least_used, processors_to_share

if TYPE_CHECKING:
    import socket


@pytest.mark.parametrize(
    ("workers", "usable", "shared"),
    [
        (2, (0, 1), (0, 1)),
        (4, (0, 1), (0, 1)),
        (2, (5, 7), (5, 7)),
        (3, (0, 1), ()),
        (1, (0, 1), ()),
        (2, (0,), ()),
        (2, (0, 1, 2, 3), ()),
    ],
)
def test_processes_are_bound_where_they_can_be_spread_evenly(
    tmp_path: Path, workers: int, usable: tuple[int, ...], shared: tuple[int, ...]
) -> None:
    assert processors_to_share(load_settings(tmp_path, workers=workers), usable) == shared


def test_processes_are_not_bound_where_the_operator_says_so(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, workers=2, cpu_affinity=CpuAffinity.OFF)
    assert processors_to_share(settings, (0, 1)) == ()


def test_a_process_goes_where_the_fewest_are_and_a_new_one_into_the_place_of_the_one_that_ended() -> None:
    assert least_used((3, 4), ()) == 3
    assert least_used((3, 4), (3,)) == 4
    assert least_used((3, 4), (3, 4, 4)) == 3
    assert least_used((), (None, None)) is None


@pytest.mark.parametrize(
    ("connections", "kept_alive", "silent", "accepts"),
    [(0, 0, 0, True), (3, 0, 0, True), (4, 0, 0, False), (9, 5, 0, False), (9, 5, 1, True), (50, 47, 0, False)],
)
def test_a_process_takes_connections_on_while_it_has_a_thread_for_them(
    connections: int, kept_alive: int, silent: int, *, accepts: bool
) -> None:
    worker = worker_of(threads=4, most_connections=50)
    worker.nr_conns = connections
    worker.keepalived_conns.extend(Connection(time.monotonic() + 15) for _ in range(kept_alive))
    worker.pending_conns.extend(Connection(time.monotonic() + 15) for _ in range(silent))
    worker.wait_for_and_dispatch_events(0)
    assert worker._accepting is accepts


def test_those_that_have_been_silent_longest_make_room_where_all_connections_are_taken() -> None:
    worker = worker_of(threads=4, most_connections=8)
    now = time.monotonic()
    silent = [Connection(now + HEAD_SECONDS - ago) for ago in (9.0, 5.0, 0.5)]
    kept_alive = [Connection(now + 15 - ago) for ago in (7.0, 0.5)]
    worker.pending_conns.extend(silent)
    worker.keepalived_conns.extend(kept_alive)
    worker.nr_conns = 7
    worker.wait_for_and_dispatch_events(0)
    assert not any(each.closed for each in (*silent, *kept_alive)), "there was room"
    worker.nr_conns = 8
    worker.wait_for_and_dispatch_events(0)
    assert [each.closed for each in (*silent, *kept_alive)] == [True, False, False, True, False]
    assert (worker.nr_conns, len(worker.pending_conns), len(worker.keepalived_conns)) == (6, 2, 1)


def test_connections_that_have_just_come_are_not_closed_for_others() -> None:
    worker = worker_of(threads=4, most_connections=3)
    silent = [Connection(time.monotonic() + HEAD_SECONDS - 0.5) for _ in range(3)]
    worker.pending_conns.extend(silent)
    worker.nr_conns = 3
    worker.wait_for_and_dispatch_events(0)
    assert not any(each.closed for each in silent)


def test_a_process_that_is_being_stopped_takes_no_connections_on() -> None:
    worker = worker_of(threads=4, most_connections=50)
    worker.alive = False
    worker.wait_for_and_dispatch_events(0)
    assert worker._accepting is False


@dataclass(eq=False)
class Connection:
    """A connection that waits until its time is over, as gunicorn has it."""

    timeout: float
    sock: object = None
    closed: bool = False

    def close(self) -> None:
        self.closed = True


class SlowSocket:
    """A socket on which so many bytes come with each wait of so many seconds."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count, self.seconds, self.now = count, seconds, 0.0

    def recv(self, size: int) -> bytes:
        self.now += self.seconds
        return b"a" * min(size, self.count)


@pytest.mark.parametrize(("count", "seconds"), [(1, 1), (1, 29), (1000, 1), (0, 10)])
def test_a_body_that_comes_too_slowly_is_an_end(count: int, seconds: float) -> None:
    slow = SlowSocket(count, seconds)
    paced = PacedSocket(cast("socket.socket", slow), clock=lambda: slow.now)
    with pytest.raises(TimeoutError, match=r"bytes came in \d+ seconds"):
        read_all(paced, 100_000)
    assert slow.now > GRACE_SECONDS


@pytest.mark.parametrize(("count", "seconds"), [(1024, 1), (8192, 8), (8192, 0.001)])
def test_a_body_that_comes_at_the_least_rate_is_read_to_its_end(count: int, seconds: float) -> None:
    slow = SlowSocket(count, seconds)
    paced = PacedSocket(cast("socket.socket", slow), clock=lambda: slow.now)
    assert read_all(paced, 5000) == 5000 * count


def read_all(paced: PacedSocket, times: int) -> int:
    return sum(len(paced.recv(8192)) for _ in range(times))


def worker_of(*, threads: int, most_connections: int) -> BoundWorker:
    """A process as gunicorn has it before its loop, with a listener and a poller that take what they are told."""
    settings = SimpleNamespace(threads=threads, keepalive=15, worker_connections=most_connections, worker_tmp_dir=None)
    worker = BoundWorker.__new__(BoundWorker)
    listener = SimpleNamespace(setblocking=lambda _: None)
    poller = SimpleNamespace(register=lambda *_: None, unregister=lambda *_: None, select=lambda _: [])
    state = {
        "cfg": settings, "worker_connections": most_connections, "nr_conns": 0, "alive": True, "_accepting": False,
        "sockets": [listener], "poller": poller, "keepalived_conns": [], "pending_conns": [], "_lingering": [],
    }  # fmt: skip
    for name, value in state.items():
        setattr(worker, name, value)
    return worker
