"""Sending prepared messages from one thread over plain sockets, as cheaply as Python can.

What the load takes of the cores is missing to the service that it measures.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

SILENCE_SECONDS: Final = 120
_READ_BYTES: Final = 64 << 10
_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length: "


class LoadError(Exception):
    """A message was not accepted, or not answered."""


@dataclass(frozen=True)
class Sent:
    """What came of sending."""

    seconds: float
    accepted: int


@dataclass
class _Connection:
    """One connection, and what is still to come and to go over it."""

    socket: socket.socket
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    answer: bytearray = field(default_factory=bytearray)

    def send(self) -> None:
        """Send as much as the system takes now."""
        self.unsent = self.unsent[self.socket.send(self.unsent) :]

    def receive(self) -> bool:
        """Take what has come; whether the answer is whole.

        Raises:
            LoadError: the service has closed the connection, or does not take the message on.
        """
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise LoadError(f"the connection was closed after {bytes(self.answer)!r}")
        self.answer += data
        head, end, body = self.answer.partition(_END_OF_HEAD)
        if not end:
            return False
        at = head.lower().index(_LENGTH) + len(_LENGTH)
        if len(body) < int(head[at:].partition(b"\r\n")[0]):
            return False
        if head.split(b" ", 2)[1] != b"201":
            raise LoadError(bytes(self.answer).decode(errors="replace"))
        self.answer.clear()
        return True


def send_all(url: str, token: str, files: Iterable[Path], connections: int) -> Sent:
    """Send each file once over so many connections; every one must be accepted.

    Raises:
        LoadError: one was not.
    """
    address = urlsplit(url)
    requests = deque(_request(address.netloc, token, file.read_bytes()) for file in files)
    with selectors.DefaultSelector() as selector:
        began, accepted = time.perf_counter(), 0
        for _ in range(min(connections, len(requests))):
            plain = socket.create_connection((address.hostname or "", address.port or 80))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setblocking(False)
            _begin(selector, _Connection(plain), requests.popleft())
        while selector.get_map():
            accepted += _go_on(selector, requests)
        return Sent(time.perf_counter() - began, accepted)


def _go_on(selector: selectors.BaseSelector, requests: deque[bytes]) -> int:
    """Wait for the next connections that can go on, and let them; how many messages were accepted by that."""
    ready = selector.select(SILENCE_SECONDS)
    if not ready:
        raise LoadError(f"no answer for {SILENCE_SECONDS} s")
    accepted = 0
    for key, events in ready:
        connection: _Connection = key.data
        if events & selectors.EVENT_WRITE:
            connection.send()
            if not connection.unsent:
                selector.modify(connection.socket, selectors.EVENT_READ, connection)
        elif connection.receive():
            accepted += 1
            selector.unregister(connection.socket)
            if requests:
                _begin(selector, connection, requests.popleft())
            else:
                connection.socket.close()
    return accepted


def _begin(selector: selectors.BaseSelector, connection: _Connection, request: bytes) -> None:
    connection.unsent = memoryview(request)
    connection.send()
    events = selectors.EVENT_WRITE if connection.unsent else selectors.EVENT_READ
    selector.register(connection.socket, events, connection)


def _request(host: str, token: str, message: bytes) -> bytes:
    lines = (
        "POST /api/v1/messages HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/xml",
        "Accept: application/xml",
        f"Content-Length: {len(message)}",
    )
    return "\r\n".join(lines).encode() + _END_OF_HEAD + message


if __name__ == "__main__":
    service_url, token_file, folder, count = sys.argv[1:5]
    result = send_all(service_url, Path(token_file).read_text(), sorted(Path(folder).iterdir()), int(count))
    sys.stdout.write(json.dumps(vars(result)))
