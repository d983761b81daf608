from __future__ import annotations

import socket

import pytest

from tests.conftest import NetworkUsedError


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.com", 80), ("0.0.0.0", 80)])  # noqa: S104
def test_no_test_can_connect_to_another_machine(address: tuple[str, int]) -> None:
    with socket.socket() as out, pytest.raises(NetworkUsedError):
        out.connect(address)
    with socket.socket() as out, pytest.raises(NetworkUsedError):
        out.connect_ex(address)


def test_no_test_can_look_up_another_machine() -> None:
    with pytest.raises(NetworkUsedError):
        socket.create_connection(("example.com", 80))


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
