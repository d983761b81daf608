"""Sending content: entity tags, one range (RFC 9110 sections 13 and 14), names in any script, flat memory.

What is sent whole, be it as a range that covers everything, is hashed on the way. Small content that is not what was
archived is refused, and so is any part of it; of large content the last piece is held back until the digest is known,
so that nobody receives an altered file as a complete one. A part of large content goes out unchecked: reading all of it
for each part would cost the square of its size. ``docs/rest.md`` tells clients what to compare.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final
from urllib.parse import quote

from flask import Response, request

from api.rest.errors import ContentChangedError, UnsatisfiableRangeError
from edoc.errors import ObjectCorruptError

CHUNK_BYTES: Final = 256 << 10
_SMALL_BYTES: Final = 1 << 20
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_ACTIVE: Final = re.compile(r".*(html|xml|script|svg|xslt|x-shockwave-flash|wasm|multipart/).*")
"""What a browser might run, were it shown instead of stored."""
_RANGE: Final = re.compile(r"bytes=(?=[0-9-]{2,40}$)([0-9]*)-([0-9]*)")
OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True)
class Content:
    """Something to send."""

    size: int
    sha256: str
    media_type: str
    file_name: str
    open: Callable[[int, int | None], BinaryIO]
    """A stream from a position, of at most so many bytes."""


def send(content: Content, before: Callable[[], None] = lambda: None) -> Response:
    """The answer to a request for content; ``before`` is called when, and only when, bytes will go out.

    Raises:
        ContentChangedError: ``If-Match`` names other content.
        UnsatisfiableRangeError: the range asked for lies outside.
        ObjectCorruptError: the archive does not hold what it should.
    """
    _check_if_match(content)
    if request.if_none_match.contains_weak(content.sha256):  # RFC 9110 section 13.1.2: weak tags count here
        return _with_headers(Response(status=304), content)
    if request.method == "HEAD":
        response = Response(content_type=content.media_type)
        response.content_length = content.size
        return _with_headers(response, content)
    wanted = _wanted_range(content)
    before()
    start, stop = wanted or (0, content.size)
    body = _body(content, start, stop)
    status = 200 if wanted is None else 206
    response = Response(body, status=status, content_type=content.media_type, direct_passthrough=True)
    response.content_length = stop - start
    if wanted is not None:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    return _with_headers(response, content)


def safe_media_type(declared: str) -> str:
    """The media type that a sender declared, if a browser can do nothing with it but store or show it."""
    media_type = declared.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type) or _ACTIVE.fullmatch(media_type):
        return OCTETS
    return media_type


def disposition(file_name: str) -> str:
    """A Content-Disposition that keeps a file name in any script (RFC 6266, RFC 8187)."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


def _check_if_match(content: Content) -> None:
    """RFC 9110 section 13.1.1: a weak tag never matches, and this condition comes before all others (13.2.2).

    Raises:
        ContentChangedError: the caller wants this content only if it is other than it is.
    """
    if "If-Match" in request.headers and content.sha256 not in request.if_match:
        raise ContentChangedError(content.sha256)


def _wanted_range(content: Content) -> tuple[int, int] | None:
    """Start and end of the one range asked for; None where there is none, or several, or it is not understood."""
    if "Range" not in request.headers or not _if_range_holds(content):
        return None
    wanted = _RANGE.fullmatch(request.headers["Range"])
    if wanted is None:
        return None
    first, last = wanted.groups()
    if not first:
        start, stop = max(0, content.size - int(last or 0)), content.size
    else:
        start, stop = int(first), min(int(last) + 1, content.size) if last else content.size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise UnsatisfiableRangeError(content.size)
    return start, stop


def _if_range_holds(content: Content) -> bool:
    """A range of another version must not be glued to what the caller has (RFC 9110 section 13.1.5)."""
    condition = request.headers.get("If-Range")
    return condition is None or condition.strip() == f'"{content.sha256}"'


def _with_headers(response: Response, content: Content) -> Response:
    response.set_etag(content.sha256)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Disposition"] = disposition(content.file_name)
    return response


def _body(content: Content, start: int, stop: int) -> Iterator[bytes]:
    """The bytes from ``start`` up to ``stop``, checked as far as the head of this module says."""
    if content.size <= _SMALL_BYTES:
        return iter((_checked_bytes(content)[start:stop],))
    if stop - start == content.size:
        return _checked_chunks(content.open(0, None), content.sha256)
    return _chunks(content.open(start, stop - start))


def _checked_bytes(content: Content) -> bytes:
    with content.open(0, None) as stream:
        data = stream.read()
    if hashlib.sha256(data).hexdigest() != content.sha256:
        raise _corrupt(content.sha256)
    return data


def _checked_chunks(stream: BinaryIO, sha256: str) -> Iterator[bytes]:
    digest = hashlib.sha256()
    with stream:
        held = b""
        while chunk := stream.read(CHUNK_BYTES):
            if held:
                yield held
            digest.update(chunk)
            held = chunk
        if digest.hexdigest() != sha256:
            raise _corrupt(sha256)
        yield held


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _corrupt(sha256: str) -> ObjectCorruptError:
    return ObjectCorruptError(f"the bytes archived under {sha256} are not those")
