"""``edoc init``, ``serve``, ``worker`` and ``run``: an exchange on this machine."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from api.cli.command import EdocCommand
from api.cli.errors import ExitCode
from api.cli.language import Text
from api.cli.options import home_option, settings_of
from api.cli.output import Mark, Output

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from api.config import Settings
    from edoc.delivery.outbox import Task
    from edoc.worker import Worker

IDLE_SECONDS: Final = 0.5
"""How long the worker waits when there was nothing to do."""
SWEEP_SECONDS: Final = 6 * 3600
"""How often the worker sweeps the archive; the first time when it has started and nothing is due."""
LONGEST_PAUSE_SECONDS: Final = 10.0
"""How long the worker waits at most before it tries again what failed."""
REMINDER_SECONDS: Final = 60.0
"""How often it says that it still fails."""
_PARENT_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@click.command(cls=EdocCommand)
@home_option
@click.option("--key", type=click.Path(path_type=Path), help="The exchange's own seal (.p12), not a demonstration.")
@click.option("--password-file", type=click.Path(path_type=Path), help="A file with its password; else it is asked.")
@click.option("--agencies", type=click.Path(path_type=Path), help="A list of agencies to enter, as for directory load.")
def init(
    output: Output, home: Path | None, key: Path | None, password_file: Path | None, agencies: Path | None
) -> None:
    """Make an exchange in a home folder, or bring an old one to this version. What is there stays as it is."""
    from api.cli.directory import enter_agencies, read_agencies
    from api.cli.options import open_key
    from api.cli.setup import set_up

    settings = settings_of(home)
    entries = read_agencies(agencies) if agencies is not None else ()
    own_key = open_key(key, password_file) if key is not None else None
    done = set_up(settings, datetime.now(UTC), own_key)
    added = enter_agencies(settings.home, entries, None) if entries else 0
    output.document({"home": str(done.home), "made": list(done.made), "agencies_added": added})
    output.line(output.say(Text("Trục liên thông: {home}", "Exchange: {home}"), home=done.home), mark=Mark.GOOD)
    if own_key is not None and "exchange_key" not in done.made:
        output.note(output.say(Text("Trục đã có chính con dấu này", "The exchange has this very seal already")))
    if "authority" in done.made:
        warning = Text(
            "Con dấu của trục là con dấu dùng thử, không có giá trị pháp lý",
            "Its seal is a demonstration: no legal effect",
        )
        output.line(output.say(warning), mark=Mark.UNKNOWN)
    output.line(output.say(Text("Tiếp theo: edoc run --home {home}", "Next: edoc run --home {home}"), home=done.home))


@click.command(cls=EdocCommand)
@home_option
def serve(output: Output, home: Path | None) -> None:
    """Run the HTTP service until it is stopped. Its log goes to standard error."""
    from api.server import serve as run_server

    settings = settings_of(home)
    _check_before_start(settings)

    def ready(url: str) -> None:
        output.document({"url": url, "docs": f"{url}/api/docs", "pid": os.getpid()})
        output.line(f"{url}  ({url}/api/docs)", mark=Mark.GOOD)
        sys.stdout.flush()

    run_server(settings, ready)


@click.command(cls=EdocCommand)
@home_option
@click.option("--once", is_flag=True, help="Do what is due and end.")
def worker(output: Output, home: Path | None, *, once: bool) -> None:
    """Run the worker until it is stopped: it keeps the promises of the outbox. Any number of them may run."""
    import structlog

    from api.bootstrap import build_program
    from api.observability import configure_log
    from edoc.errors import EdocError
    from edoc.worker import Worker

    settings = settings_of(home)
    configure_log(settings)
    log = structlog.get_logger("edoc.worker")
    program = build_program(settings)

    def failed(task: Task, error: Exception) -> None:
        log.warning(
            "task failed, will be tried again", topic=task.topic.value, attempts=task.attempts, reason=str(error)
        )

    stop = _stop_event()
    todo, done, next_sweep, outage = Worker(program.exchange, failed), 0, time.monotonic(), Outage(log)
    while not stop.is_set():
        try:
            taken = todo.run_once()
        except EdocError as error:
            if once:
                raise
            stop.wait(outage.failed(error))
            continue
        outage.ended()
        done += taken
        if once and not taken:
            break
        if not taken and time.monotonic() >= next_sweep:
            next_sweep = time.monotonic() + SWEEP_SECONDS
            _sweep(todo, log)
        if not taken:
            stop.wait(IDLE_SECONDS)
    program.close()
    output.document({"tasks": done})


class Outage:
    """What the worker says and how long it waits while the outbox cannot be worked on.

    It says so when that begins, at most once a minute while it lasts, and when it is over.

    Args:
        log: where it says so.
        seconds: a clock that only goes forward.
    """

    def __init__(self, log: FilteringBoundLogger, seconds: Callable[[], float] = time.monotonic) -> None:
        self._log, self._seconds = log, seconds
        self._pause = 0.0
        self._since: float | None = None
        self._said = 0.0

    def failed(self, error: Exception) -> float:
        """It failed; returns how many seconds to wait before the next attempt."""
        now = self._seconds()
        if self._since is None or now - self._said >= REMINDER_SECONDS:
            self._log.warning("the outbox cannot be worked on now", reason=str(error))
            self._said = now
        if self._since is None:
            self._since, self._pause = now, IDLE_SECONDS / 2
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        return self._pause

    def ended(self) -> None:
        """It worked."""
        if self._since is not None:
            self._log.info("the outbox is worked on again", seconds=round(self._seconds() - self._since, 1))
            self._since = None


def _sweep(todo: Worker, log: FilteringBoundLogger) -> None:
    """Remove what crashes left in the archive, at a moment when nothing else is due."""
    from edoc.errors import EdocError

    try:
        report = todo.sweep()
    except EdocError as error:
        log.warning("the archive cannot be swept now", reason=str(error))
    else:
        log.info("archive swept", **vars(report))
        if report.kept:
            log.warning("the archive holds messages that no row refers to: edoc doctor --deep", kept=report.kept)


@click.command(cls=EdocCommand)
@home_option
def run(output: Output, home: Path | None) -> int:
    """Run service and worker together until stopped: all that one machine needs. Should one end, the other is stopped.

    For more machines, run edoc serve and edoc worker on each, over one PostgreSQL and one object store.
    """
    settings = settings_of(home)
    _check_before_start(settings)
    stop = _stop_event()
    shared = ["--json"] if output.as_json else ["--lang", output.language.value]
    children = [
        subprocess.Popen(  # noqa: S603 -- this very program
            [*edoc_command(), name, "--home", str(settings.home), *shared],
            env=child_environment(),
            stdout=None if name == "serve" else subprocess.DEVNULL,
            process_group=0,  # Ctrl-C reaches this process alone, which stops the two in order, once
            preexec_fn=_end_with_parent,  # noqa: PLW1509 -- this process has one thread, and prctl takes no lock
        )
        for name in ("serve", "worker")
    ]
    while not stop.wait(IDLE_SECONDS) and all(child.poll() is None for child in children):
        pass
    asked, ended = stop.is_set(), next((child.returncode for child in children if child.returncode), None)
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    codes = [child.wait(settings.stop_timeout_seconds + 10) for child in children]
    if asked:
        # One that was stopped before it had begun, and so before it heeds the signal, had nothing in hand.
        return int(ExitCode.GOOD if set(codes) <= {0, -signal.SIGTERM} else ExitCode.INPUT_OUTPUT)
    return ended if ended in set(ExitCode) and ended else int(ExitCode.INPUT_OUTPUT)


def edoc_command() -> list[str]:
    """How this very program is started again."""
    return [sys.executable, "-m", "api.cli"]


def child_environment() -> Mapping[str, str]:
    """The environment for it: also where it is not installed, Python finds it."""
    root = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{known}" if known else root}


def _check_before_start(settings: Settings) -> None:
    """Build the program once and close it: what is wrong is said in one line and once, where gunicorn would say it in a
    trace of each of its workers, and service and worker each for itself.

    Raises:
        ApiError, KeysError, EdocError: whatever keeps the exchange from working.
    """
    from api.bootstrap import build_program

    build_program(settings).close()


def _stop_event() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _end_with_parent() -> None:
    """Let the kernel stop this process should its parent be killed; where it cannot (not Linux), nothing is lost."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
