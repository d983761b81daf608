"""Real servers for tests: PostgreSQL, and MinIO or versitygw for S3, each private to one test session.

Each lives in a temporary folder, listens on a free port of the loopback interface with credentials made up for it,
and is stopped at the end. Programs are looked for on the path, where Debian puts them, where a variable says, and in
the cache of the continuous integration; where one is absent, :class:`ServerMissingError` says what was looked for.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import psycopg
from minio import Minio

from edoc.archive.s3_requests import open_client
from tests.support.certificates import write_server_certificate

Command = Sequence[str | Path]
START_SECONDS: Final = 60
_CACHE: Final = Path.home() / ".cache" / "edoc-ci" / "bin"


class ServerMissingError(Exception):
    """The program is not installed; the text says where it was looked for."""


class ServerFailedError(Exception):
    """The program did not start; the text ends with its log."""


class PostgresqlServer:
    """A running PostgreSQL with ``fsync`` on, and any number of databases of one session."""

    def __init__(self, port: int, password: str) -> None:
        self.port = port
        self._password = password
        self._serial = count(1)

    def create_database(self, template: str | None = None) -> str:
        """A new database, empty or a copy of ``template`` (which nobody may use meanwhile); returns its name."""
        name = f"test_{next(self._serial)}"
        self._execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, and end the connections that are left to it."""
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, database: str) -> str:
        """How SQLAlchemy opens it."""
        return f"postgresql+psycopg://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def _execute(self, statement: str) -> None:
        address = f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())


@dataclass(frozen=True)
class S3Server:
    """A running S3 service."""

    program: str
    """``minio`` or ``versitygw``."""
    endpoint: str
    access_key: str
    secret_key: str
    ca_file: Path
    """It speaks TLS with a certificate that this one vouches for."""

    def client(self) -> Minio:
        """A client of it."""
        return open_client(self.endpoint, self.access_key, self.secret_key, ca_file=self.ca_file)


@contextlib.contextmanager
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server while the context lasts.

    Raises:
        ServerMissingError: there are no server programs, or they refuse to run as root and there is nobody else.
    """
    programs = _postgresql_programs()
    with _temporary_folder() as folder:
        user = _unprivileged(folder)
        password = secrets.token_hex(16)
        password_file = folder / "password"
        password_file.write_text(password)
        if user is not None:
            os.chown(password_file, user.uid, user.gid)
        data, port = folder / "data", _free_port()
        options = ["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"]
        create: Command = [programs / "initdb", "-D", data, f"--pwfile={password_file}", *options]
        _run_as(user, create, folder / "initdb.log")
        server = PostgresqlServer(port, password)
        command: Command = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        with _running(_as_user(user, command), {}, folder, signal.SIGINT) as process:
            _wait_until(process, folder, lambda: _answers(server))
            yield server


@contextlib.contextmanager
def s3() -> Iterator[S3Server]:
    """An S3 service while the context lasts: MinIO, else versitygw.

    Raises:
        ServerMissingError: neither is there.
    """
    program = _s3_program()
    with _temporary_folder() as folder:
        port = _free_port()
        certificate, key = write_server_certificate(folder / "certs")
        server = S3Server(
            "versitygw" if "versitygw" in program.name else "minio",
            f"127.0.0.1:{port}",
            secrets.token_hex(10),
            secrets.token_hex(20),
            certificate,
        )
        command, environment = _s3_command(program, server, folder, key)
        with _running(command, environment, folder, signal.SIGTERM) as process:
            _wait_until(process, folder, lambda: _lists_buckets(server))
            yield server


def _s3_command(program: Path, server: S3Server, folder: Path, key: Path) -> tuple[Command, Mapping[str, str]]:
    data = folder / "objects"
    data.mkdir()
    if server.program == "minio":
        command: Command = [program, "server", data, "--address", server.endpoint, "--certs-dir", key.parent, "--quiet"]
        return command, {
            "MINIO_ROOT_USER": server.access_key,
            "MINIO_ROOT_PASSWORD": server.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
    versions = folder / "versions"
    versions.mkdir()
    options: Command = ["--port", server.endpoint, "--cert", server.ca_file, "--key", key, "--quiet"]
    return [program, *options, "posix", "--versioning-dir", versions, data], {
        "ROOT_ACCESS_KEY": server.access_key,
        "ROOT_SECRET_KEY": server.secret_key,
    }


def _s3_program() -> Path:
    named = os.environ.get("EDOC_TEST_MINIO")
    if named is not None and not Path(named).is_file():
        raise ServerMissingError(f"EDOC_TEST_MINIO names {named}, which is no file")
    candidates = [named, *(shutil.which(name) or _CACHE / name for name in ("minio", "versitygw"))]
    for candidate in candidates:
        if candidate is not None and Path(candidate).is_file():
            return Path(candidate)
    raise ServerMissingError(f"no minio or versitygw: not on the path, not in EDOC_TEST_MINIO, not in {_CACHE}")


def _postgresql_programs() -> Path:
    named = os.environ.get("EDOC_TEST_POSTGRESQL")
    if named is not None:
        return Path(named)
    found = shutil.which("initdb")
    if found is not None and (Path(found).parent / "postgres").exists():
        return Path(found).parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        raise ServerMissingError("no PostgreSQL server: not on the path, not in EDOC_TEST_POSTGRESQL, not in Debian's")
    return newest.parent


@dataclass(frozen=True)
class _User:
    uid: int
    gid: int


def _unprivileged(folder: Path) -> _User | None:
    """Who shall run PostgreSQL, which refuses to run as root; the folder is made theirs. None: we ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        raise ServerMissingError("PostgreSQL refuses to run as root, and there is no user postgres") from None
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return _User(entry.pw_uid, entry.pw_gid)


def _as_user(user: _User | None, command: Command) -> Command:
    if user is None:
        return command
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", "--", *command]


def _run_as(user: _User | None, command: Command, log: Path) -> None:
    with log.open("wb") as output:
        done = subprocess.run(_as_user(user, command), stdout=output, stderr=output, cwd="/", check=False)
    if done.returncode != 0:
        raise ServerFailedError(log.read_text(errors="replace")[-2000:])


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder directly below the system's, so that another user can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="edoc-server-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(
    command: Command, environment: Mapping[str, str], folder: Path, stop: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "HOME": str(folder), **environment},
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until(process: subprocess.Popen[bytes], folder: Path, answers: Callable[[], bool]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > give_up:
            raise ServerFailedError((folder / "server.log").read_text(errors="replace")[-2000:])
        time.sleep(0.1)


def _answers(server: PostgresqlServer) -> bool:
    try:
        server._execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _lists_buckets(server: S3Server) -> bool:
    client = open_client(server.endpoint, server.access_key, server.secret_key, ca_file=server.ca_file, attempts=1)
    try:
        client.list_buckets()
    except Exception:  # noqa: BLE001 - whatever it says, it is not ready
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
