"""A request as the service takes it: held to HTTP/1.1 (RFC 9112), its body asked for and finished as the program wants.

gunicorn announces whether a connection is kept before it knows whether the rest of a body comes, and asks for every
body whose sender waits to be asked. Here the program decides by reading it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from gunicorn.http.errors import InvalidHeader, ParseException, UnsupportedTransferCoding
from gunicorn.http.message import Request
from gunicorn.http.parser import Parser

_DRAIN_SECONDS: Final = 0.25
_DRAIN_BYTES: Final = 64 << 10
"""How long, and for how much, the rest of a body that the program left is read, so that another request can follow."""
_NAMED_HOST: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?:[a-z0-9._~!$&'()*+,;=-]|%[0-9a-f]{2})+)(?::(?P<port>[0-9]{0,5}))?", re.IGNORECASE
)
"""uri-host [ ":" port ] of RFC 9110 section 7.2; an empty host is none of http (section 4.2.1)."""
_MOST_PORT: Final = (1 << 16) - 1


class HostError(InvalidHeader):  # type: ignore[misc]
    """The header ``Host`` is missing, is there more than once, or names no host (RFC 9112 section 3.2)."""


class StrictRequest(Request):  # type: ignore[misc]
    """A request as gunicorn reads it, held to what RFC 9112 demands and gunicorn lets pass."""

    _expected_100_continue: bool
    _finish: Callable[[], bool] | None = None

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:  # noqa: FBT001, FBT002 -- gunicorn's own
        """The fields of a head, or of what follows a body in chunks.

        Raises:
            HostError: ``Host`` is there more than once.
            ParseException: whatever gunicorn finds.
        """
        try:
            headers: list[tuple[str, str]] = super().parse_headers(data, from_trailer)
        except InvalidHeader as error:
            if error.hdr == "HOST":
                raise HostError(error.hdr, req=self) from error
            raise
        return headers

    def set_body_reader(self) -> None:
        """Find where the body ends, in a request that may be served.

        Raises:
            HostError: ``Host`` is missing, or names no host (RFC 9112 section 3.2).
            UnsupportedTransferCoding: the body is also compressed, which nobody here undoes (section 6.1).
            ParseException: whatever gunicorn finds.
        """
        super().set_body_reader()
        hosts = [value for name, value in self.headers if name == "HOST"]
        if not (all(map(is_host, hosts)) if hosts else self.version < (1, 1)):
            raise HostError("HOST", req=self)
        for name, value in self.headers:
            if name == "TRANSFER-ENCODING" and value.lower() != "chunked":
                raise UnsupportedTransferCoding(value)

    def attend(self, sock: socket.socket, parser: Parser) -> None:
        """Before the request is served: leave it to the program whether a large body is to be sent, and to be read."""
        self._finish = partial(_finish_body, parser)
        length = getattr(self.body.reader, "length", None)
        is_small = length is not None and length <= _DRAIN_BYTES  # and would be read in any case
        if self._expected_100_continue and not is_small:
            self._expected_100_continue = False  # else gunicorn tells the sender to go on at once
            self.body.reader = InvitingReader(self.body.reader, sock)

    def should_close(self) -> bool:
        """Whether no other request can follow on the connection: asked when the head of the answer is written.

        Then what is left of a small body is read, since the answer announces what this finds.
        """
        if not self.must_close and self._finish is not None and not self._finish():
            self.force_close()
        return bool(super().should_close())


class InvitingReader:
    """The body of a request whose sender waits to be told that it is wanted (RFC 9110 section 10.1.1)."""

    def __init__(self, reader: Any, sock: socket.socket) -> None:  # noqa: ANN401 -- one of gunicorn's
        self._reader, self._sock = reader, sock
        self.is_wanted = False

    def read(self, size: int) -> bytes:
        """What comes, once the sender has been told to go on.

        Raises:
            OSError: the connection has ended, or is too slow.
        """
        if not self.is_wanted:
            self.is_wanted = True
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        data: bytes = self._reader.read(size)
        return data


def is_host(value: str) -> bool:
    """Whether the value of a header ``Host`` is a host, with or without a port (RFC 9110 section 7.2)."""
    found = _NAMED_HOST.fullmatch(value)
    if found is None or int(found["port"] or 0) > _MOST_PORT:
        return False
    try:
        return found["six"] is None or bool(ipaddress.IPv6Address(found["six"]))
    except ValueError:
        return False


def _finish_body(parser: Parser) -> bool:
    """Whether all of the body has come, or what was left of it does at once.

    Not where its sender still waits to be told that it is wanted: nobody knows whether it comes.
    """
    reader = parser.mesg.body.reader
    if isinstance(reader, InvitingReader) and not reader.is_wanted:
        return False
    if getattr(reader, "length", 0) > _DRAIN_BYTES:
        return False
    try:
        return bool(parser.finish_body(deadline=time.monotonic() + _DRAIN_SECONDS, max_bytes=_DRAIN_BYTES))
    except (ParseException, OSError):  # the request gets its answer, and no second one
        return False
