"""A process of the service: where it runs, and which connections get one of its threads.

The interpreter's lock lets one thread of a process run at a time. Left to the kernel, the threads wander over all
processors, and each turn finds the caches of the other; a process that is bound to one processor does a quarter more
in the same time. That holds only while every processor has its process, so no process takes a new connection on while
all its threads are busy: another one may be idle. A connection that is kept alive stays where it is, and waits there.

Threads are few, so clients that are slow, or mean to be, must not hold them:

- a connection gets a thread when the head of a request has come whole; until then it waits beside the others, and is
  closed after :data:`HEAD_SECONDS`;
- a body must come at :data:`LEAST_RATE` in the long run; who asks before sending one (``Expect: 100-continue``) is told
  to go on when the program reads it, and what the program did not want to read is hardly waited for: before the
  answer goes out, so that it says whether the connection can be used again;
- where all connections that a process may have are taken, those that have been silent longest are closed;
- a connection that is to be closed is closed without a thread, and without the loop, waiting for the other side.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.gthread import TConn, ThreadWorker

from api.config import CpuAffinity, Settings
from api.http_requests import HostError, StrictRequest

HEAPS: Final = 2
"""Heaps of the C library in each process, where it would give each thread one that keeps what was freed in it."""
_M_ARENA_MAX: Final = -8
"""The parameter of glibc's mallopt(3) that bounds them."""

HEAD_SECONDS: Final = 15.0
"""How long the head of a request may take from its first byte, and a new connection until then."""
MOST_HEAD_BYTES: Final = 32 << 10
"""A longer head is refused."""
SILENT_SECONDS: Final = 1.0
"""How long a connection may be silent when others have no room."""
_END_OF_HEAD: Final = b"\r\n\r\n"
GRACE_SECONDS: Final = 90.0
"""How long a body may make a thread wait whatever its size."""
LEAST_RATE: Final = 1 << 10
"""Bytes a second at which a body must come beyond that."""
_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 1 << 20
"""How long, and for how much, a connection that is to be closed is still read: were it closed with bytes unread, the
kernel would reset it, and the other side could lose the answer (RFC 9112 section 9.6)."""


def processors_to_share(settings: Settings, usable: Sequence[int]) -> tuple[int, ...]:
    """The processors to which the processes of the service are bound: ``usable``, or none, where the kernel decides.

    It decides where it is told to, and where the processes cannot be spread evenly over more than one processor:
    bound, some would have less of one than others, while it may move them about.
    """
    wanted = settings.cpu_affinity is CpuAffinity.AUTO and hasattr(os, "sched_setaffinity")
    is_even = len(usable) > 1 and settings.workers % len(usable) == 0
    return tuple(usable) if wanted and is_even else ()


def least_used(processors: Sequence[int], taken: Iterable[int | None]) -> int | None:
    """The first of the processors that has the fewest processes bound to it; None where there are none."""
    bound = Counter(taken)
    return min(processors, key=lambda each: bound[each], default=None)


_STATUSES: Final = (
    (HostError, HTTPStatus.BAD_REQUEST, "there must be one header Host, which names a host with or without a port"),
    (LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG, "the request line is too long"),
    (LimitRequestHeaders, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the header fields are too long or too many"),
    (UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED, "the transfer coding is not supported"),
    (ExpectationFailed, HTTPStatus.EXPECTATION_FAILED, "the expectation cannot be met"),
    (ParseException, HTTPStatus.BAD_REQUEST, "the request breaks the rules of HTTP/1.1"),
)
"""What a request is answered that never reaches the application, the first that fits.

In words of our own: gunicorn's repeat what was sent, a token among it.
"""


class PacedSocket:
    """A connection's socket while one request is read from it: bytes that come too slowly are an end.

    Only the time for which a thread waits in :meth:`recv` counts. A single wait is bounded by ``SO_RCVTIMEO``.
    """

    def __init__(self, plain: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._plain, self._clock = plain, clock
        self._waited, self._received = 0.0, 0

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes.

        Raises:
            TimeoutError: what has come so far has taken too long.
        """
        began = self._clock()
        data = self._plain.recv(size)
        self._waited += self._clock() - began
        self._received += len(data)
        if self._waited > GRACE_SECONDS + self._received / LEAST_RATE:
            raise TimeoutError(f"{self._received} bytes came in {self._waited:.0f} seconds")
        return data

    def gettimeout(self) -> float | None:
        """As a socket has it; gunicorn sets one while it drains a body."""
        return self._plain.gettimeout()

    def settimeout(self, value: float | None) -> None:
        """As a socket has it."""
        self._plain.settimeout(value)


@dataclass
class _Head:
    """What is known of a head that has not come whole."""

    deadline: float
    """On the monotonic clock."""
    seen: int = -1
    """How many of its bytes had come at the last look; less than none before the first."""


class BoundWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's process with threads, on a processor of its own, whose threads wait for nobody that is slow."""

    processor: int | None = None
    """Where it runs; None for anywhere. Set by the arbiter before the fork."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._heads: WeakKeyDictionary[TConn, _Head] = WeakKeyDictionary()
        self._lingering: deque[TConn] = deque()
        self._drained: Counter[TConn] = Counter()

    def init_process(self) -> None:
        """Bind the process, and bound its heaps, before it has threads, which all inherit it."""
        _bound_heaps()
        if self.processor is not None:
            os.sched_setaffinity(0, {self.processor})
        super().init_process()

    @property
    def in_work(self) -> int:
        """Connections on which a request is being served, or waits for a thread."""
        idle = len(self.keepalived_conns) + len(self.pending_conns) + len(self._lingering)
        return int(self.nr_conns) - idle

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 -- gunicorn's own
        """Leave new connections to other processes while every thread has a request."""
        super().set_accept_enabled(enabled and self.in_work < self.cfg.threads)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Look again whether to take connections on, wait for what comes, and close what has lingered long enough."""
        if self.nr_conns >= self.worker_connections:
            self._make_room(time.monotonic() - SILENT_SECONDS)
        if self.alive:
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
        super().wait_for_and_dispatch_events(timeout)
        now = time.monotonic()
        while self._lingering and self._lingering[0].timeout <= now:
            self._close_lingering(self._lingering[0])

    def _make_room(self, since: float) -> None:
        """Close connections that have been silent since then, up to a quarter of all that there may be.

        Anybody may open connections and say nothing.
        """
        silent = [(conn.timeout - HEAD_SECONDS, self.pending_conns, conn) for conn in self.pending_conns]
        silent += [(conn.timeout - self.cfg.keepalive, self.keepalived_conns, conn) for conn in self.keepalived_conns]
        longest = sorted((each for each in silent if each[0] <= since), key=lambda each: each[0])
        for _, waiting, conn in longest[: max(1, self.worker_connections // 4)]:
            waiting.remove(conn)
            self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            conn.close()

    def enqueue_req(self, conn: TConn) -> None:
        """Give a connection to a thread when the head of its request is there.

        Woken without more of it than before: the other side has ended, and a thread finds that out without waiting.
        """
        seen, head = _seen_of_head(conn), self._heads.get(conn)
        if seen is None or (head is not None and seen <= head.seen):
            if head is not None:
                del self._heads[conn]
                _wake_after(conn.sock, 1)
            conn.data_ready = True
            super().enqueue_req(conn)
            return
        if head is None:
            head = self._heads[conn] = _Head(time.monotonic() + HEAD_SECONDS)
        if time.monotonic() > head.deadline:
            self.nr_conns -= 1
            conn.close()
            return
        if seen >= MOST_HEAD_BYTES:
            _refuse(conn.sock, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {MOST_HEAD_BYTES} bytes")
            self._linger(conn)
            return
        head.seen = seen
        self._wait_for_more(conn, head)

    def _wait_for_more(self, conn: TConn, head: _Head) -> None:
        """Put a connection beside the others until more of its head has come than has by now."""
        conn.sock.setblocking(False)
        _wake_after(conn.sock, head.seen + 1)
        conn.timeout = head.deadline
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: TConn) -> object:
        """Serve a request whose bytes come at a pace."""
        conn.init()
        conn.parser.mesg_class = StrictRequest
        conn.parser.unreader.sock = PacedSocket(conn.sock)
        return super().handle(conn)

    def handle_request(self, req: StrictRequest, conn: TConn) -> bool:
        """Serve a request, whose body the program may leave alone."""
        req.attend(conn.sock, conn.parser)
        return bool(super().handle_request(req, conn))

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: Exception) -> None:
        """Answer a request that is none as all errors are answered, with a problem (RFC 9457)."""
        del req, addr  # what the other side sent, and where it is, is not for the log
        structlog.contextvars.clear_contextvars()  # of the request that this thread served before
        for kind, status, words in _STATUSES:
            if isinstance(exc, kind):
                self.log.info("a request that is none: %s", type(exc).__name__)
                _refuse(client, status, f"{words} ({type(exc).__name__})")
                return
        self.log.error("a request ended outside the application", exc_info=exc)
        _refuse(client, HTTPStatus.INTERNAL_SERVER_ERROR, "the exchange has failed; its log says more")

    def finish_request(self, conn: TConn, fs: Future[object]) -> None:
        """Keep the connection, or close it without waiting for the other side to do so."""
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
        else:
            self._linger(conn)

    def _linger(self, conn: TConn) -> None:
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.nr_conns -= 1
            conn.close()
            return
        conn.timeout = time.monotonic() + _LINGER_SECONDS
        self._lingering.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))

    def _drain(self, conn: TConn, sock: socket.socket) -> None:
        try:
            data = sock.recv(64 << 10)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._drained[conn] += len(data)
        if not data or self._drained[conn] > _LINGER_BYTES:
            self._close_lingering(conn)

    def _close_lingering(self, conn: TConn) -> None:
        self._lingering.remove(conn)
        self._drained.pop(conn, None)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """On the way to the end, wait for silent connections no longer than for those that are kept alive."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


def _seen_of_head(conn: TConn) -> int | None:
    """How many bytes of a head have come; None where it is whole, or none can come any more."""
    ahead: bytes = conn.parser.unreader.buf.getvalue() if conn.initialized else b""
    try:
        peeked = conn.sock.recv(MOST_HEAD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 0 if _END_OF_HEAD not in ahead else None
    except OSError:
        return None
    return None if not peeked or _END_OF_HEAD in ahead + peeked else len(peeked)


def _refuse(sock: socket.socket, status: HTTPStatus, detail: str) -> None:
    """Send a problem, as far as the system takes it at once; the connection is closed after it."""
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status is not HTTPStatus.NOT_IMPLEMENTED
    problem = {
        "type": "urn:edoc:problem:internal" if is_ours else "urn:edoc:problem:bad-request",
        "title": "Trục liên thông gặp lỗi" if is_ours else "Yêu cầu không đọc được",
        "status": status.value,
        "detail": detail,
        "remedy": "send the request again later" if is_ours else "send a request as HTTP/1.1 has it (RFC 9112)",
    }
    body = json.dumps(problem, ensure_ascii=False).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nCache-Control: no-store\r\n"
        f"Content-Type: application/problem+json\r\nContent-Language: vi\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with contextlib.suppress(OSError):
        sock.send(head.encode() + body, socket.MSG_DONTWAIT)


def _wake_after(sock: socket.socket, count: int) -> None:
    """Let the poller tell of a socket when so many bytes wait in it: else it would tell at once, again and again."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def _bound_heaps() -> None:
    """Let the threads share their heaps; where the C library has no such thing, nothing is lost."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, HEAPS)
