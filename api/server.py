"""Running the web application under gunicorn: several processes, each with its own program, several threads in each.

Nothing is opened before the fork: the arbiter only listens and minds its workers, each of which builds the program
for itself. A connection that stays silent while a request is read or an answer written is cut off by the kernel
(``SO_RCVTIMEO``, ``SO_SNDTIMEO``), so that slow clients cannot hold the threads.

The interpreter's lock lets one thread of a process run at a time. Left to the kernel, the threads wander over all
processors, and each turn finds the caches of the other; a process that is bound to one processor does a quarter more
in the same time. That holds only while every processor has its process, so no process takes a connection on while
all its threads are busy: another one may be idle.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from selectors import EVENT_READ
from typing import Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

from api.app import create_app
from api.bootstrap import Program, build_program
from api.config import CpuAffinity, Settings, usable_processors
from api.observability import configure_log

KEEP_ALIVE_SECONDS: Final = 15
HANG_SECONDS: Final = 120
"""After so long without a sign of life a worker process is replaced; its threads may take longer for a request."""
BACKLOG: Final = 1024
HEAPS: Final = 2
"""Heaps of the C library in each process, where it would give each thread one that keeps what was freed in it."""
_M_ARENA_MAX: Final = -8
"""The parameter of glibc's mallopt(3) that bounds them."""

Ready = Callable[[str], None]
"""Told the address of the service once it listens."""


def serve(settings: Settings, ready: Ready = lambda _: None) -> None:
    """Serve until the process is told to stop (SIGTERM, SIGINT); ends with :class:`SystemExit`.

    Raises:
        OSError: the address cannot be listened on.
    """
    _require_free(settings)
    configure_log(settings)
    _Server(settings, ready).run()


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's own log, as part of ours: one form, one stream."""

    def setup(self, cfg: Config) -> None:
        """Hand everything on instead of writing it."""
        self.error_log.setLevel(cfg.loglevel.upper())
        self.error_log.propagate = True


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


class BoundWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's process with threads, on a processor of its own."""

    processor: int | None = None
    """Where it runs; None for anywhere. Set by the arbiter before the fork."""

    def init_process(self) -> None:
        """Bind the process, and bound its heaps, before it has threads, which all inherit it."""
        _bound_heaps()
        if self.processor is not None:
            os.sched_setaffinity(0, {self.processor})
        super().init_process()

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 -- gunicorn's own
        """Leave new connections to other processes while every thread has a request."""
        super().set_accept_enabled(enabled and self.in_work < self.cfg.threads)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Look again whether to take connections on, and wait for what comes."""
        if self.alive:
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
        super().wait_for_and_dispatch_events(timeout)

    def enqueue_req(self, conn: TConn) -> None:
        """Give a connection to a thread; a new one when it has sent something: one that waits serves nobody."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _cap_keepalive(self, deadline: float) -> None:
        """On the way to the end, wait for silent connections no longer than for those that are kept alive."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    @property
    def in_work(self) -> int:
        """Connections on which a request is being served, or waits for a thread."""
        idle = len(self.keepalived_conns) + len(self.pending_conns)
        return int(self.nr_conns) - idle


def _bound_heaps() -> None:
    """Let the threads share their heaps; where the C library has no such thing, nothing is lost."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, HEAPS)


class _Server(BaseApplication):  # type: ignore[misc]
    """The application as gunicorn wants it."""

    def __init__(self, settings: Settings, ready: Ready) -> None:
        self._settings, self._ready = settings, ready
        self._program: Program | None = None
        super().__init__()

    def load_config(self) -> None:
        """Set what of gunicorn's own settings is not the default."""
        settings = self._settings
        values: dict[str, Any] = {
            "bind": _bound(settings),
            "workers": settings.workers,
            "threads": settings.threads,
            "worker_class": "api.server.BoundWorker",
            "keepalive": KEEP_ALIVE_SECONDS,
            "timeout": HANG_SECONDS,
            "graceful_timeout": settings.stop_timeout_seconds,
            "backlog": BACKLOG,
            "proc_name": "edoc",
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            "loglevel": settings.log_level,
            "logger_class": _Log,
            "when_ready": self._when_ready,
            "pre_fork": self._pre_fork,
            "post_worker_init": self._post_worker_init,
            "worker_exit": self._worker_exit,
        }
        for name, value in values.items():
            self.cfg.set(name, value)

    def load(self) -> Any:  # noqa: ANN401 -- a WSGI application
        """Build program and application; called in each worker process, after the fork."""
        configure_log(self._settings)
        self._program = build_program(self._settings)
        return create_app(self._program)

    def _when_ready(self, arbiter: Arbiter) -> None:
        host, port = arbiter.LISTENERS[0].sock.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        self._ready(self._settings.public_url or f"http://{shown}:{port}")

    def _pre_fork(self, arbiter: Arbiter, worker: BoundWorker) -> None:
        """Choose the processor of a process, new or in the place of one that has ended."""
        processors = processors_to_share(self._settings, usable_processors())
        worker.processor = least_used(processors, (each.processor for each in arbiter.WORKERS.values()))

    def _post_worker_init(self, worker: BoundWorker) -> None:
        """Connections inherit these from the socket on which they are accepted."""
        interval = struct.pack("ll", self._settings.idle_timeout_seconds, 0)
        for listener in worker.sockets:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                listener.setsockopt(socket.SOL_SOCKET, option, interval)

    def _worker_exit(self, _arbiter: Arbiter, _worker: BoundWorker) -> None:
        if self._program is not None:
            self._program.close()


def _bound(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def _require_free(settings: Settings) -> None:
    """Say at once that the address is taken, where gunicorn would try for seconds and then end without a reason."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise OSError(error.errno, error.strerror, _bound(settings)) from error
