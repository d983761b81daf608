"""Running the web application under gunicorn: several processes, each with its own program, several threads in each.

Nothing is opened before the fork: the arbiter only listens and minds its workers, each of which builds the program
for itself. What slow and silent clients may hold up is in :mod:`api.processes`; a connection that stays silent while
a body is read or an answer written is cut off by the kernel (``SO_RCVTIMEO``, ``SO_SNDTIMEO``).
"""

from __future__ import annotations

import contextlib
import errno
import queue
import resource
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger

from api.app import create_app
from api.bootstrap import Program, build_program
from api.config import Settings, usable_processors
from api.errors import AddressError, AddressTakenError
from api.observability import configure_log
from api.processes import BoundWorker, least_used, processors_to_share

KEEP_ALIVE_SECONDS: Final = 15
HANG_SECONDS: Final = 120
"""After so long without a sign of life a worker process is replaced; its threads may take longer for a request."""
BACKLOG: Final = 1024
OPEN_FILES: Final = 8192
"""Files and connections that a process may have open, where the system lets it."""

Ready = Callable[[str], None]
"""Told the address of the service once it listens."""


def serve(settings: Settings, ready: Ready = lambda _: None) -> None:
    """Serve until the process is told to stop (SIGTERM, SIGINT); ends with :class:`SystemExit`.

    Raises:
        AddressError: the address cannot be listened on.
    """
    _require_free(settings)
    configure_log(settings)
    _allow_files()
    _Server(settings, ready).run()


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's own log, as part of ours: one form, one stream."""

    def setup(self, cfg: Config) -> None:
        """Hand everything on instead of writing it."""
        self.error_log.setLevel(cfg.loglevel.upper())
        self.error_log.propagate = True


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
            "worker_class": "api.processes.BoundWorker",
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
            "post_fork": heed_an_early_end,
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


def heed_an_early_end(arbiter: Arbiter, _worker: object) -> None:
    """End a new process that is told to stop before it heeds signals itself.

    Until then it has the arbiter's handler, which only puts them into a queue that is the arbiter's own: the arbiter
    would wait for the process until its patience is over.

    Raises:
        SystemExit: it has been told so since the fork.
    """
    signal.signal(signal.SIGTERM, _end)
    with contextlib.suppress(queue.Empty):
        while True:
            if arbiter.SIG_QUEUE.get_nowait() == signal.SIGTERM:
                raise SystemExit(0)


def _end(*_: object) -> None:
    raise SystemExit(0)


def _allow_files() -> None:
    """Let each process open as many files as it may: a thousand connections alone would use up the usual 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _bound(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def _require_free(settings: Settings) -> None:
    """Say at once that the address is taken, where gunicorn would try for seconds and then end without a reason.

    Raises:
        AddressTakenError: it is.
        AddressError: it is none of this machine's, or only root may listen there.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            kind = AddressTakenError if error.errno == errno.EADDRINUSE else AddressError
            raise kind(_bound(settings), error.strerror or str(error)) from error
