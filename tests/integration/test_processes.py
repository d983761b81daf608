"""The processes of the service: where they run, what they keep, and that a busy one leaves connections to others."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.config import usable_processors
from api.server import HEAPS
from tests.support.homes import SENDER, Home, Service, make_home, service

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PROCESSORS = usable_processors()
needs_processors = pytest.mark.skipif(len(PROCESSORS) < 2, reason="a machine with one processor has nothing to share")
HEAPS_OF_THREADS = """
import ctypes, sys, threading
from api import server
if sys.argv[2] == "bounded":
    server._bound_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(16)
def work():
    together.wait()
    for _ in range(100):
        libc.malloc(5000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(16)]
for each in threads: each.start()
for each in threads: each.join()
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("processes") / "home", wards=1)


def bound_to(running: Service) -> dict[int, str]:
    """The processors on which each of the processes that serve may run, as the kernel tells it."""
    found = {}
    for pid in running.worker_processes()[1:]:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        found[pid] = next(line.split()[1] for line in lines if line.startswith("Cpus_allowed_list"))
    return found


@needs_processors
def test_each_process_stays_on_a_processor_and_so_does_the_one_that_follows_it(home: Home) -> None:
    everywhere = sorted(str(each) for each in PROCESSORS)
    with service(home, EDOC_WORKERS=str(len(PROCESSORS))) as running:
        before = wait_for(running, everywhere)
        killed = next(iter(before))
        os.kill(killed, signal.SIGKILL)
        after = wait_for(running, everywhere, gone=killed)
        [follower] = set(after) - set(before)
        assert after[follower] == before[killed]
        assert httpx.get(f"{running.url}/health/live", trust_env=False).is_success


@needs_processors
def test_the_kernel_decides_where_it_is_told_to(home: Home) -> None:
    with service(home, EDOC_WORKERS=str(len(PROCESSORS)), EDOC_CPU_AFFINITY="off") as running:
        assert len(set(bound_to(running).values())) == 1


def test_a_busy_process_leaves_new_connections_to_the_others(home: Home) -> None:
    with service(home, EDOC_WORKERS="2", EDOC_THREADS="1") as running, closing(half_a_request(home, running)):
        time.sleep(0.5)
        for _ in range(30):
            assert httpx.get(f"{running.url}/health/live", trust_env=False, timeout=3).is_success


def test_connections_on_which_nothing_comes_keep_no_thread(home: Home) -> None:
    with service(home, EDOC_WORKERS="2", EDOC_THREADS="1") as running, contextlib.ExitStack() as silent:
        for _ in range(12):
            silent.enter_context(closing(connect(running)))
        time.sleep(0.5)
        assert httpx.get(f"{running.url}/health/live", trust_env=False, timeout=3).is_success


def test_connections_on_which_nothing_comes_do_not_hold_the_end_up(home: Home) -> None:
    with service(home) as running, contextlib.ExitStack() as silent:
        for _ in range(4):
            silent.enter_context(closing(connect(running)))
        time.sleep(0.5)
        running.process.terminate()
        assert running.process.wait(8) == 0


def connect(running: Service) -> socket.socket:
    parts = urlsplit(running.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


def half_a_request(home: Home, running: Service) -> socket.socket:
    """A connection that keeps one thread busy: the rest of its body does not come."""
    connection = connect(running)
    head = (
        f"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {home.tokens[SENDER]}\r\n"
        "Content-Type: application/xml\r\nContent-Length: 5000\r\n\r\n<edXML"
    )
    connection.sendall(head.encode())
    return connection


def wait_for(running: Service, everywhere: list[str], gone: int | None = None) -> dict[int, str]:
    """Where the processes run, once there is one on each processor, without the one that is gone."""
    stop = time.monotonic() + 30
    while sorted((found := bound_to(running)).values()) != everywhere or gone in found:
        assert time.monotonic() < stop, found
        time.sleep(0.1)
    return found


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="no glibc: there are no heaps to bound")
def test_the_threads_of_a_process_share_two_heaps(tmp_path: Path) -> None:
    assert heaps_of(tmp_path, "bounded") == HEAPS
    assert heaps_of(tmp_path, "free") > HEAPS


def heaps_of(folder: Path, how: str) -> int:
    """How many heaps a program with sixteen busy threads has, as glibc tells it."""
    told = folder / how
    subprocess.run([sys.executable, "-c", HEAPS_OF_THREADS, str(told), how], cwd=ROOT, check=True)
    return told.read_text(encoding="ascii").count("<heap nr=")
