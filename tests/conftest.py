"""For all tests: nothing may reach beyond this machine; and the servers that some of them need."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import settings

from tests.support.server_fixtures import (
    empty_postgresql_url,
    minio_client,
    postgresql_server,
    postgresql_template,
    postgresql_url,
    s3_server,
    s3_settings,
)

__all__ = [
    "empty_postgresql_url",
    "minio_client",
    "postgresql_server",
    "postgresql_template",
    "postgresql_url",
    "s3_server",
    "s3_settings",
]

Address = tuple[Any, ...] | str | bytes


# A busy machine is no failure, and in CI the same change gives the same verdict; elsewhere each run explores anew.
settings.register_profile("edoc", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("edoc")


class NetworkUsedError(AssertionError):
    """A test tried to connect to another machine."""


def _is_on_this_machine(family: int, address: Address) -> bool:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return True
    host = address[0] if isinstance(address, tuple) else None
    if host == "localhost":
        return True
    try:
        return ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Connections and name look-ups stay on the loopback interface, whatever the test or a package tries."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse_others(self: socket.socket, address: Address) -> None:
        if not _is_on_this_machine(self.family, address):
            raise NetworkUsedError(f"a test connects to {address!r}")

    def checked_connect(self: socket.socket, address: Address) -> None:
        refuse_others(self, address)
        connect(self, address)

    def checked_connect_ex(self: socket.socket, address: Address) -> int:
        refuse_others(self, address)
        return connect_ex(self, address)

    def checked_look_up(host: str | bytes | None, *args: Any, **kwargs: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        if name and not _is_on_this_machine(socket.AF_INET, (name,)):
            raise NetworkUsedError(f"a test looks up {name!r}")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked_connect)
        patch.setattr(socket.socket, "connect_ex", checked_connect_ex)
        patch.setattr(socket, "getaddrinfo", checked_look_up)
        yield
