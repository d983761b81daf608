"""The processes of the service: where they run, what they keep, and that a busy one leaves connections to others."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.config import usable_processors
from api.processes import HEAPS
from api.server import OPEN_FILES
from tests.support.homes import SENDER, Home, Service, make_home, service

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PROCESSORS = usable_processors()
needs_processors = pytest.mark.skipif(len(PROCESSORS) < 2, reason="a machine with one processor has nothing to share")
HEAPS_OF_THREADS = """
import ctypes, sys, threading
from api import processes
if sys.argv[2] == "bounded":
    processes._bound_heaps()
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


def test_each_process_may_open_more_files_than_it_has_connections(home: Home) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with service(home) as running:
            limits = [resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] for pid in running.worker_processes()[1:]]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert limits
    assert set(limits) == {OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)}


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


def test_however_many_connections_say_nothing_others_are_served(home: Home) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with service(home, EDOC_WORKERS="1") as running, contextlib.ExitStack() as silent:
            for _ in range(1100):  # gunicorn lets a process have a thousand
                silent.enter_context(closing(connect(running)))
            began = time.monotonic()
            assert httpx.get(f"{running.url}/health/live", trust_env=False, timeout=10).is_success
            assert time.monotonic() - began < 6, "not only once the others had to go anyway"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


HEAD = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
SLOW = {
    "heads": HEAD + b"X-A: ",
    "bodies that nobody reads": b"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n<edXML",
    "ends": HEAD + b"Connection: close\r\n\r\n",
}


@pytest.mark.parametrize("what", SLOW)
def test_clients_that_are_slow_with_something_keep_no_thread(home: Home, what: str) -> None:
    with service(home, EDOC_WORKERS="2", EDOC_THREADS="1") as running, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(closing(connect(running))) for _ in range(12)]
        for each in slow:
            each.sendall(SLOW[what])
        for _ in range(4):
            for each in slow:
                with contextlib.suppress(OSError):  # closed by now
                    each.sendall(b"a")
            began = time.monotonic()
            assert httpx.get(f"{running.url}/health/live", trust_env=False, timeout=10).is_success
            assert time.monotonic() - began < 4


def test_a_head_that_comes_in_pieces_is_served_when_it_is_whole(single: Service) -> None:
    with closing(connect(single)) as connection:
        for piece in (HEAD[:10], HEAD[10:30], HEAD[30:], b"\r", b"\n"):
            connection.sendall(piece)
            time.sleep(0.2)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_requests_sent_ahead_are_served_one_after_the_other(single: Service) -> None:
    request = HEAD + b"\r\n"
    with closing(connect(single)) as connection:
        connection.sendall(request * 2 + request[:20])
        assert answers_on(connection, 2) == 2
        time.sleep(0.2)
        connection.sendall(request[20:])
        assert answers_on(connection, 1) == 1


def test_a_client_that_ends_within_a_head_is_left_at_once(single: Service) -> None:
    with closing(connect(single)) as connection:
        connection.sendall(HEAD)
        connection.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        while connection.recv(4096):
            pass
        assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD + b"X-A: " + b"a" * 40_000, 431),
        (HEAD + b"X-A: " + b"a" * 10_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (HEAD + b"Content-Length: -5\r\n\r\n", 400),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: x-own, chunked\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"\x16\x03\x01 a TLS client\r\n\r\n", 400),
        (HEAD + b"Authorization Bearer edoc_SECRET\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_with_a_problem(single: Service, head: bytes, status: int) -> None:
    with closing(connect(single)) as connection:
        connection.sendall(head)
        answer = b""
        while data := connection.recv(4096):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in head
    assert b"SECRET" not in body
    problem = json.loads(body)
    assert problem["status"] == status
    assert {"type", "title", "detail", "remedy"} <= set(problem)


@pytest.mark.parametrize(
    "fields",
    [b"", b"Host: x\r\nHost: x\r\n", b"Host: x\r\nhost: y\r\n", b"Host:\r\n", b"Host: a b\r\n", b"Host: x/y\r\n"],
)
def test_a_request_without_one_good_header_host_is_refused(single: Service, fields: bytes) -> None:
    answer = answer_to(single, b"GET /health/live HTTP/1.1\r\n" + fields + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["type"] == "urn:edoc:problem:bad-request"
    assert "there must be one header Host" in problem["detail"]


def test_the_host_may_be_missing_in_http_1_0(single: Service) -> None:
    assert answer_to(single, b"GET /health/live HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize("size", [0, 10, 60_000, 100_000, 900_000])
@pytest.mark.parametrize("token", ["", "Authorization: Bearer {}\r\n"], ids=["no token", "another media type"])
def test_an_answer_says_whether_the_next_request_is_served(home: Home, single: Service, token: str, size: int) -> None:
    head = f"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\n{token.format(home.tokens[SENDER])}Content-Type: text/csv\r\n"
    with closing(connect(single)) as connection:
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % size)
        with contextlib.suppress(OSError):  # nobody reads on
            connection.sendall(b"a" * size + HEAD + b"\r\n")
        answers = b""
        with contextlib.suppress(OSError):
            while answers.count(b"HTTP/1.1 ") < 2 and (data := connection.recv(65536)):
                answers += data
    first, _, rest = answers.partition(b"\r\n\r\n")
    assert first.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 415 "))
    assert (b"Connection: keep-alive" in first) is (b"HTTP/1.1 200 " in rest) is (size <= 60_000)
    assert (b"Connection: close" in first) is (size > 60_000)


def test_the_rest_of_a_body_that_does_not_come_ends_the_connection_and_the_answer_says_so(single: Service) -> None:
    with closing(connect(single)) as connection:
        connection.sendall(b"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n<edXML")
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("token", "length", "status"),
    [("", 100_000, 401), ("Authorization: Bearer {}\r\n", 1 << 40, 413)],
    ids=["401", "413"],
)
def test_who_asks_before_sending_a_body_that_is_refused_is_not_told_to_go_on(
    home: Home, single: Service, token: str, length: int, status: int
) -> None:
    answer = asked_before_sending(single, token.format(home.tokens[SENDER]), length)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer, "nobody knows whether the body comes"


def test_who_asks_before_sending_a_small_body_is_told_to_go_on_whatever_becomes_of_it(single: Service) -> None:
    """Some clients wait for it for ever, even with the answer at hand; and so small a body is read in any case."""
    answer = asked_before_sending(single, "", 6, b"<edXML")
    go_on, _, final = answer.partition(b"\r\n\r\n")
    assert go_on == b"HTTP/1.1 100 Continue"
    assert final.startswith(b"HTTP/1.1 401 ")


def test_who_asks_before_sending_a_body_is_told_to_go_on_once_when_it_is_read(home: Home, single: Service) -> None:
    token = f"Authorization: Bearer {home.tokens[SENDER]}\r\n"
    answer = asked_before_sending(single, token, 6, b"<edXML")
    go_on, _, final = answer.partition(b"\r\n\r\n")
    assert go_on == b"HTTP/1.1 100 Continue"
    assert final.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 2


def test_who_asks_before_sending_no_body_is_served_on(single: Service) -> None:
    with closing(connect(single)) as connection:
        connection.sendall((HEAD + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n") * 2)
        assert answers_on(connection, 2) == 2


def test_a_body_that_is_refused_unread_does_not_lose_its_answer(single: Service) -> None:
    with closing(connect(single)) as connection:
        connection.sendall(SLOW["bodies that nobody reads"])
        connection.sendall(b"a" * 600_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 401")


@pytest.fixture(scope="module")
def single(home: Home) -> Iterator[Service]:
    """A service of one process and one thread."""
    with service(home, EDOC_WORKERS="1", EDOC_THREADS="1") as running:
        yield running


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


def answer_to(running: Service, request: bytes) -> bytes:
    """All that comes until the service closes the connection."""
    with closing(connect(running)) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def asked_before_sending(running: Service, token: str, length: int, body: bytes = b"") -> bytes:
    """All that comes to a request that expects to be told before its body is sent."""
    head = (
        f"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\n{token}Content-Type: application/xml\r\n"
        f"Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    )
    with closing(connect(running)) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)
        if answer.startswith(b"HTTP/1.1 100 "):
            connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            answer += data
    return answer


def answers_on(connection: socket.socket, count: int) -> int:
    """How many answers came that are good, once there are so many or the connection has ended."""
    answers = b""
    while answers.count(b"HTTP/1.1 200") < count or not answers.endswith(b"}"):
        data = connection.recv(4096)
        if not data:
            break
        answers += data
    return answers.count(b"HTTP/1.1 200")


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


def test_a_request_that_has_its_answer_gets_no_second_one(single: Service) -> None:
    head = b"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(connect(single)) as connection:
        connection.sendall(head + b"zz\r\nnothing\r\n0\r\n\r\n")
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.count(b"HTTP/1.1 ") == 1
