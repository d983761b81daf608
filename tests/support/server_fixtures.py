"""Fixtures with real servers: started once a session, where a test asks for them; skipped with the reason where absent.

``tests/conftest.py`` hands them to all folders, so that one session never starts a server twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from minio import Minio

from edoc.database.engine import open_engine
from edoc.database.migrate import upgrade
from tests.support import servers

_buckets = count(1)


@dataclass(frozen=True)
class S3Settings:
    """A fresh bucket with object lock on a running service, and how to reach it."""

    server: servers.S3Server
    bucket: str

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def access_key(self) -> str:
        return self.server.access_key

    @property
    def secret_key(self) -> str:
        return self.server.secret_key

    @property
    def ca_file(self) -> Path:
        return self.server.ca_file


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[servers.PostgresqlServer]:
    """A PostgreSQL server of this session's own."""
    try:
        with servers.postgresql() as server:
            yield server
    except servers.ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: servers.PostgresqlServer) -> str:
    """A database with the tables of this version, to be copied."""
    name = postgresql_server.create_database()
    engine = open_engine(postgresql_server.url(name))
    upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture
def postgresql_url(postgresql_server: servers.PostgresqlServer, postgresql_template: str) -> Iterator[str]:
    """A database with the tables of this version, for one test."""
    name = postgresql_server.create_database(postgresql_template)
    yield postgresql_server.url(name)
    postgresql_server.drop_database(name)


@pytest.fixture
def empty_postgresql_url(postgresql_server: servers.PostgresqlServer) -> Iterator[str]:
    """A database without tables, for one test."""
    name = postgresql_server.create_database()
    yield postgresql_server.url(name)
    postgresql_server.drop_database(name)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[servers.S3Server]:
    """An S3 service of this session's own."""
    try:
        with servers.s3() as server:
            yield server
    except servers.ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def minio_client(s3_server: servers.S3Server) -> Minio:
    """A client of the S3 service."""
    return s3_server.client()


@pytest.fixture
def s3_settings(s3_server: servers.S3Server, minio_client: Minio) -> S3Settings:
    """A bucket with versions and object lock, for one test."""
    bucket = f"test-{next(_buckets)}"
    minio_client.make_bucket(bucket, object_lock=True)
    return S3Settings(s3_server, bucket)
