"""What an operator sees: the log, one line of JSON an event with the request's identifier, and whether all is well.

The log never holds a token, a password, a body or a query; what it says of a request is in :func:`log_request`.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TextIO
from uuid import uuid4

import structlog
import structlog.tracebacks
from flask import Flask, Response, g, request

from api.bootstrap import Program
from api.config import LogFormat, Settings
from edoc.archive.s3_lock import LockState
from edoc.database.engine import check_file, read
from edoc.database.migrate import is_current
from edoc.delivery.outbox import backlog
from edoc.errors import EdocError
from keys.errors import KeysError
from keys.trust import KeyPurpose

REQUEST_ID_HEADER: Final = "X-Request-ID"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NO_OBJECT: Final = "0" * 64
_QUIET: Final = "/health/"
READY_FREE_BYTES: Final = 64 << 20
"""With less space left, a process is not ready to take anything on."""
_PROBE_BYTES: Final = 64 << 10


@dataclass(frozen=True)
class HealthFinding:
    """What one look at a part of the exchange has shown."""

    name: str
    ok: bool
    reason: str


def configure_log(settings: Settings, stream: TextIO = sys.stderr) -> None:
    """Write the log of this process, and of the packages it uses, as the settings say."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_json = settings.log_format is LogFormat.JSON
    tail: list[Any] = [_without_locals(), structlog.processors.JSONRenderer(ensure_ascii=False)]
    if not is_json:
        tail = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("alembic").setLevel(max(level, logging.WARNING))  # it greets at every look at the revision


def _without_locals() -> structlog.typing.Processor:
    """Exceptions as data, without the variables of their frames: tokens and passwords are among those."""
    return structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def register(app: Flask) -> None:
    """Name every request, and write one line about each into the log."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    g.started = time.perf_counter()
    g.agency_code = None
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    response.headers[REQUEST_ID_HEADER] = g.request_id
    log_request(response)
    return response


def log_request(response: Response) -> None:
    """One line: method, path, status, time, the caller's agency. No query, no headers, no body."""
    log = structlog.get_logger("edoc.request")
    write: Callable[..., None] = log.debug if request.path.startswith(_QUIET) else log.info
    write(
        "request",
        method=request.method,
        path=request.path,
        status=response.status_code,
        milliseconds=round((time.perf_counter() - g.started) * 1000, 1),
        agency=g.agency_code,
        bytes=response.content_length,
    )


def check_health(program: Program) -> tuple[HealthFinding, ...]:
    """Look at everything that the exchange cannot work without."""
    return (
        _check("database", lambda: _database(program)),
        _check("archive", lambda: _archive(program)),
        _check("archive_lock", lambda: _archive_lock(program)),
        _check("disk", lambda: _disk(program)),
        _check("trust", lambda: _trust(program)),
        _check("seal", lambda: _seal(program)),
        _check("outbox", lambda: _outbox(program)),
    )


def _check(name: str, look: Callable[[], HealthFinding | str]) -> HealthFinding:
    try:
        found = look()
    except (EdocError, KeysError) as error:
        return HealthFinding(name, ok=False, reason=str(error))
    return found if isinstance(found, HealthFinding) else HealthFinding(name, ok=True, reason=found)


def _database(program: Program) -> HealthFinding | str:
    check_file(program.exchange.engine)
    if not is_current(program.exchange.engine):
        return HealthFinding(
            "database", ok=False, reason="it does not have the tables of this version: run `edoc init`"
        )
    return "answers, with the tables of this version"


def _archive(program: Program) -> str:
    program.exchange.store.stat(_NO_OBJECT)
    return "answers"


def _archive_lock(program: Program) -> HealthFinding | str:
    status = program.lock_status
    if status is None:
        return "no lock is asked for"
    return HealthFinding("archive_lock", ok=status.state is not LockState.BROKEN, reason=status.detail)


def _disk(program: Program) -> HealthFinding | str:
    """Whether what comes in can still be written: a probe without a name, which nothing is left of."""
    folders = [program.temporary_folder]
    if program.settings.sqlite_file is not None:
        folders.append(program.settings.sqlite_file.parent)
    try:
        for folder in folders:
            free = shutil.disk_usage(folder).free
            if free < READY_FREE_BYTES:
                reason = f"{free >> 20} MiB are free at {folder}, less than {READY_FREE_BYTES >> 20}: free or add space"
                return HealthFinding("disk", ok=False, reason=reason)
        with tempfile.TemporaryFile(dir=program.temporary_folder, buffering=0) as probe:
            probe.write(bytes(_PROBE_BYTES))
    except OSError as error:
        return HealthFinding("disk", ok=False, reason=f"nothing can be written: {error}")
    return "can be written, with space left"


def _trust(program: Program) -> HealthFinding | str:
    material, failure = program.trust.material, program.trust.failure
    if failure is not None:
        return HealthFinding("trust", ok=False, reason=f"the trust folder has changed and cannot be read: {failure}")
    now = program.exchange.clock()
    fresh = [crl for crl in material.revocation.crls if crl.next_update_utc is not None and now <= crl.next_update_utc]
    anchors = material.anchors.certificates
    valid = [each for each in anchors if each.not_valid_before_utc <= now <= each.not_valid_after_utc]
    known = f"{len(anchors)} trust anchors, {len(valid)} of them valid, {len(fresh)} fresh CRLs"
    if not valid:
        reason = f"{known}: nothing of today can be judged; put the authorities' present certificates into anchors/"
        return HealthFinding("trust", ok=False, reason=reason)
    if not fresh:
        return HealthFinding("trust", ok=False, reason=f"{known}: no signature can be judged; put new CRLs into crls/")
    stale_from = min(crl.next_update_utc for crl in fresh if crl.next_update_utc is not None)
    return f"{known}, the first of which must be renewed by {stale_from.isoformat()}"


def _seal(program: Program) -> str:
    """The exchange's own seal, with its path and its revocation: evidence sealed with a bad one proves nothing."""
    key, now = program.exchange.issuer.key, program.exchange.clock()
    program.trust().validate(key.certificate, intermediates=key.chain, at=now, usage=KeyPurpose.SEAL)
    end = key.certificate.not_valid_after_utc
    return f"certificate and path are good; the certificate ends at {end.isoformat()}"


def _outbox(program: Program) -> str:
    with read(program.exchange.engine) as connection:
        waiting, oldest = backlog(connection)
    return f"{waiting} tasks wait" + (f", the oldest since {oldest.isoformat()}" if oldest else "")
