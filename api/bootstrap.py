"""The composition root: the only place that builds the program, for the web application, the worker and the command.

Nothing is opened on import. What is opened here (connections, key files, later tokens) must not cross a fork: under
gunicorn each worker process builds its own program.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from pydantic import SecretStr
from sqlalchemy import Engine

from api.config import ArchiveKind, S3Lock, Settings
from api.errors import NotInitializedError, SecretFileError, SecretFileMissingError
from api.exchange_seals import keep_seal
from api.trust import ReloadingTrust
from edoc.acceptance.steps import NoObserver, StepObserver
from edoc.archive.local import LocalObjectStore
from edoc.archive.objects import ObjectStore
from edoc.archive.s3 import S3ObjectStore
from edoc.archive.s3_lock import LockStatus
from edoc.archive.s3_requests import LockMode, open_client
from edoc.database.engine import open_engine
from edoc.database.errors import DatabaseUnavailableError
from edoc.database.group_commit import GroupCommit
from edoc.database.migrate import is_current
from edoc.directory.cache import DirectoryCache
from edoc.envelope.limits import MessageLimits
from edoc.evidence.issuer import EvidenceIssuer
from edoc.evidence.model import Party
from edoc.exchange import Exchange, Policy
from edoc.identifiers import Clock, Random
from keys.errors import KeysError
from keys.pkcs12 import Pkcs12KeyStore, read_pkcs12
from keys.store import KeyStore
from schemas import compile_all
from signing.xml import XmlLimits

_SPARE_CONNECTIONS: Final = 4
"""Beside one for each thread: the leader of a group commit, the worker's thread."""
_LOCK_MODES: Final = {
    S3Lock.NONE: None,
    S3Lock.GOVERNANCE: LockMode.GOVERNANCE,
    S3Lock.COMPLIANCE: LockMode.COMPLIANCE,
}


def system_clock() -> datetime:
    """Now, by the clock of this machine, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Program:
    """The exchange with what only the ways in need. Safe to share between threads, not between processes."""

    settings: Settings
    exchange: Exchange
    trust: ReloadingTrust
    seals: KeyStore
    """The seals of agencies that the exchange holds, by the agencies' codes."""
    lock_status: LockStatus | None
    """How well the object store keeps its lock, as tried at the start; None where no lock is asked for."""

    @property
    def temporary_folder(self) -> Path:
        """Where large files wait that are neither received nor archived: uploads, exports being made."""
        return self.settings.archive_folder / "staging"

    def close(self) -> None:
        """Close the connections."""
        self.exchange.engine.dispose()


def build_program(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    observer: StepObserver | None = None,
) -> Program:
    """Open everything that the settings name.

    Raises:
        NotInitializedError: there is no database with the tables of this version.
        SchemaVersionError: the database was migrated by a newer version.
        SecretFileError, KeysError: the exchange's seal or the trust anchors cannot be read.
        DatabaseError, ArchiveError: the database or the archive cannot be opened.
    """
    compile_all()  # before any thread parses: see schemas/validation.py
    engine = open_database(settings)
    try:
        if not is_current(engine):
            raise NotInitializedError(
                "the database does not have the tables of this version",
                "run `edoc init`, which makes or upgrades them and keeps what is there",
            )
        trust = ReloadingTrust(
            settings.trust_folder,
            time.monotonic,
            _report_trust_failure,
            clock=clock,
            seen=settings.home / "trust-lists-seen",
        )
        store = open_archive(settings, clock)
        exchange = Exchange(
            engine=engine,
            store=store,
            issuer=open_issuer(settings),
            validator=trust,
            clock=clock,
            random=random,
            directory=DirectoryCache(engine, clock),
            commits=GroupCommit(engine),
            policy=policy_of(settings),
            observer=observer or NoObserver(),
        )
        asks_lock = settings.s3_lock is not S3Lock.NONE
        lock_status = store.check_lock() if asks_lock and isinstance(store, S3ObjectStore) else None
    except BaseException:
        engine.dispose()
        raise
    keep_seal(settings, exchange.issuer.key.certificate)
    return Program(settings, exchange, trust, open_seals(settings), lock_status)


def build_exchange(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    observer: StepObserver | None = None,
) -> Exchange:
    """The exchange alone; raises as :func:`build_program`."""
    return build_program(settings, clock=clock, random=random, observer=observer).exchange


def open_database(settings: Settings, *, create: bool = False) -> Engine:
    """The engine, whatever tables the database has.

    Args:
        settings: which name the database.
        create: whether a file of SQLite that is not there is made.

    Raises:
        NotInitializedError: the database is an SQLite file that was never made.
        DatabaseError: it cannot be opened.
    """
    file = settings.sqlite_file
    if file is not None and not file.parent.is_dir():
        raise NotInitializedError(f"there is no folder {file.parent}", "run `edoc init`, or set EDOC_HOME")
    file = file.resolve() if file is not None else None
    url, size = settings.database_url.get_secret_value(), settings.threads + _SPARE_CONNECTIONS
    if file is not None and not (create or file.exists() or file.with_name(file.name + "-wal").exists()):
        raise NotInitializedError(f"there is no database {file}", "run `edoc init`, or set EDOC_HOME")
    try:
        return open_engine(url, create=create, pool_size=size)
    except DatabaseUnavailableError as error:
        unwritable = _unwritable(file)
        if unwritable is None:
            raise
        raise DatabaseUnavailableError(
            f"{unwritable} must be writable for the user of the exchange; see EDOC_HOME and EDOC_DATABASE_URL ({error})"
        ) from error


def _unwritable(file: Path | None) -> Path | None:
    """The file of an SQLite database, or its folder, for a log is written beside it: whichever cannot be written."""
    if file is None:
        return None
    return next((each for each in (file.parent, file) if each.exists() and not os.access(each, os.W_OK)), None)


def open_archive(settings: Settings, clock: Clock = system_clock) -> ObjectStore:
    """The object store.

    Raises:
        SecretFileError: a key file of S3 cannot be read.
        ArchiveError: the archive cannot be reached or written.
    """
    if settings.archive is ArchiveKind.LOCAL:
        return LocalObjectStore(settings.archive_folder, retention=settings.retention)
    client = open_client(
        settings.s3_endpoint or "",
        _secret(settings.s3_access_key, settings.s3_access_key_file),
        _secret(settings.s3_secret_key, settings.s3_secret_key_file),
        secure=settings.s3_tls,
        region=settings.s3_region,
        ca_file=settings.s3_ca_file,
    )
    return S3ObjectStore(
        client,
        settings.s3_bucket or "",
        staging_folder=settings.archive_folder / "staging",
        retention=settings.retention,
        clock=clock,
        lock=_LOCK_MODES[settings.s3_lock],
    )


def open_issuer(settings: Settings) -> EvidenceIssuer:
    """The exchange as issuer of evidence.

    Raises:
        SecretFileError, KeyStoreError, KeyNotFoundError: its seal cannot be opened.
    """
    key = read_pkcs12(settings.exchange_key_file, read_secret(settings.exchange_password_file))
    return EvidenceIssuer(Party(settings.exchange_code, settings.exchange_name), key)


def open_seals(settings: Settings) -> Pkcs12KeyStore:
    """The seals of agencies that the exchange holds; each is opened when it is first used."""
    return Pkcs12KeyStore(settings.seals_folder, lambda _label: read_secret(settings.seals_password_file))


def policy_of(settings: Settings) -> Policy:
    """What the operator decides."""
    limits = MessageLimits(
        xml=replace(XmlLimits(), max_bytes=settings.max_body_bytes),
        max_recipients=settings.max_recipients,
        max_attachments=settings.max_attachments,
        max_attachment_bytes=settings.max_attachment_bytes,
        max_total_attachment_bytes=settings.max_attachment_bytes,
    )
    return Policy(limits, settings.report_arrival, settings.attachment_object_bytes)


def read_secret(path: Path) -> bytes:
    """The first line of a file that nobody else can read.

    Raises:
        SecretFileMissingError: it is not there.
        SecretFileError: it cannot be read, is empty, or others can read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.readline(4096).rstrip(b"\r\n")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SecretFileMissingError(f"there is no file {path}") from error
    except OSError as error:
        raise SecretFileError(f"the secret in {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretFileError(f"{path} has mode {stat.S_IMODE(mode):04o} and others can get at it: chmod 600 {path}")
    if not secret:
        raise SecretFileError(f"{path} is empty; its first line must be the secret")
    return secret


def _secret(given: SecretStr | None, file: Path | None) -> str:
    if given is not None:
        return given.get_secret_value()
    return read_secret(file).decode() if file is not None else ""


def _report_trust_failure(error: KeysError) -> None:
    structlog.get_logger("edoc.trust").error(
        "the trust folder has changed and cannot be read; what was read before stays in force", reason=str(error)
    )
