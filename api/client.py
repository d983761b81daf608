"""A client of the exchange's REST API (``/api/v1``), for the command line, the demonstration and other programs.

Content is streamed to files and never held whole. Only what cannot change anything is tried again, and submissions,
which the exchange answers with the same receipt however often the same bytes come: so a lost answer loses nothing.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self
from urllib.parse import quote

import httpx

from api.errors import ApiError

API: Final = "/api/v1"
EDXML: Final = "application/xml"
CHUNK_BYTES: Final = 256 << 10
_RETRIES: Final = 3
_RETRIED: Final = frozenset({502, 503, 504})
_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)

Progress = Callable[[int], None]
"""Told of each number of bytes that has arrived."""


class ClientError(ApiError):
    """Base: the exchange could not be asked, or said no."""


class ExchangeUnreachableError(ClientError):
    """The exchange does not answer at all; what was asked may or may not have been done."""


class UnexpectedAnswerError(ClientError):
    """Whoever answers is not an exchange of this version."""


@dataclass(frozen=True)
class FieldProblem:
    """One rule that what was sent breaks."""

    code: str
    field: str
    reason: str
    remedy: str


class RefusedByExchangeError(ClientError):
    """The exchange said no, as a problem document (RFC 9457)."""

    def __init__(self, status: int, kind: str, title: str, detail: str, problem: Mapping[str, Any]) -> None:
        super().__init__(detail or title)
        self.status = status
        self.kind = kind
        """The problem's type: its last part, such as ``refused``."""
        self.title, self.detail = title, detail
        self.problem = problem
        """The whole document."""

    @property
    def fields(self) -> tuple[FieldProblem, ...]:
        """The rules broken, where the exchange named them."""
        listed = self.problem.get("errors") or []
        return tuple(
            FieldProblem(*(str(each.get(name, "")) for name in ("code", "field", "reason", "remedy")))
            for each in listed
            if isinstance(each, Mapping)
        )

    @property
    def rejection(self) -> bytes | None:
        """The sealed SubmissionRejection, where the exchange issued one."""
        rejection = self.problem.get("rejection")
        return base64.b64decode(rejection) if isinstance(rejection, str) else None


@dataclass(frozen=True)
class FileUpload:
    """A file to be sent in a document that the exchange seals for the caller."""

    name: str
    media_type: str
    path: Path


@dataclass(frozen=True)
class SubmissionReceipt:
    """The exchange's answer to a message that it took on."""

    kind: str
    """``document`` or ``status``."""
    document: str
    """The document's identifier in the exchange; of a status that of the document it is about."""
    document_id: str
    message_sha256: str
    accepted_at: str
    recipients: tuple[str, ...]
    """Codes of the agencies to which deliveries were made."""
    evidence: bytes
    """The sealed SubmissionAcceptance: keep it."""
    replayed: bool
    """Whether the exchange had taken the message on before."""


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    items: tuple[Mapping[str, Any], ...]
    next: str | None
    """The cursor of the next page; None on the last."""


class Client:
    """A connection to one exchange with one token. Safe to share between threads.

    Args:
        url: where the exchange is, such as ``https://edoc.example.vn``.
        token: the bearer token; None for what needs none.
        ca_file: whom to believe about its TLS certificate; None for the public authorities.
        transport: for tests: what stands in for the network.

    Every method raises :class:`ClientError`: unreachable, refused, or not an exchange.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        ca_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": "edoc"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self.url = url.rstrip("/")
        try:
            self._http = httpx.Client(
                base_url=self.url,
                headers=headers,
                verify=_tls(ca_file),
                timeout=_TIMEOUT,
                transport=transport,
                follow_redirects=False,
                trust_env=False,
            )
        except (OSError, ValueError, httpx.InvalidURL) as error:
            raise ExchangeUnreachableError(f"{self.url} cannot be used: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, message: bytes | Path) -> SubmissionReceipt:
        """Send a sealed message, a document or a status; the same bytes again give the same receipt."""
        return self._submit("/messages", message)

    def submit_status(self, message: bytes | Path) -> SubmissionReceipt:
        """Send a sealed status message."""
        return self._submit("/status-messages", message)

    def submit_files(self, metadata: Mapping[str, object], files: Sequence[FileUpload]) -> SubmissionReceipt:
        """Have the exchange seal and take on a document, with the caller's seal that it holds.

        Not tried again on its own: the exchange seals anew each time.
        """
        body = json.dumps(metadata, ensure_ascii=False).encode()
        with contextlib.ExitStack() as stack:
            parts: list[tuple[str, tuple[str | None, bytes | BinaryIO, str]]] = [
                ("metadata", (None, body, "application/json"))
            ]
            parts.extend(
                ("file", (each.name, stack.enter_context(each.path.open("rb")), each.media_type)) for each in files
            )
            return _receipt(self._request("POST", "/documents", files=parts))

    def report_status(
        self, document: str, code: str, description: str | None = None, recipient: str | None = None
    ) -> SubmissionReceipt:
        """Have the exchange seal and take on a status report, with the caller's seal that it holds."""
        body = {"document": document, "code": code, "description": description, "recipient": recipient}
        return _receipt(self._request("POST", "/status-messages", json=body))

    def inbox(self, **filters: str | int | None) -> Page:
        """A page of the deliveries to the caller's agency, newest first."""
        return self._page("/inbox", filters)

    def sent(self, **filters: str | int | None) -> Page:
        """A page of the documents that the caller's agency sent, newest first."""
        return self._page("/sent", filters)

    def agencies(self, **filters: str | int | None) -> Page:
        """A page of the directory."""
        return self._page("/agencies", filters)

    def document(self, document: str) -> Mapping[str, Any]:
        """A document as the caller may see it."""
        return self._read(_path(document))

    def evidence(self, document: str) -> tuple[Mapping[str, Any], ...]:
        """What the exchange stated about a document, each with the digest of its sealed XML."""
        return _items(self._read(_path(document, "evidence")))

    def statuses(self, document: str) -> tuple[Mapping[str, Any], ...]:
        """What was reported about a document."""
        return _items(self._read(_path(document, "status-messages")))

    def fetch_message(self, document: str, out: BinaryIO, progress: Progress | None = None) -> None:
        """The message as received, byte for byte; to a recipient this hands the document over."""
        self._download(_path(document, "message"), out, progress)

    def fetch_attachment(self, document: str, position: int, out: BinaryIO, progress: Progress | None = None) -> None:
        """A file of the document; to a recipient this hands the document over."""
        self._download(_path(document, "attachments", str(position)), out, progress)

    def fetch_evidence(self, document: str, sha256: str, out: BinaryIO, progress: Progress | None = None) -> None:
        """A piece of evidence as it was sealed."""
        self._download(_path(document, "evidence", sha256), out, progress)

    def export(self, document: str, out: BinaryIO, progress: Progress | None = None) -> None:
        """The document's export, an ASiC-E container."""
        self._download(_path(document, "export"), out, progress)

    def verify(self, data: bytes) -> Mapping[str, Any]:
        """The exchange's own verdict on a file."""
        headers = {"Content-Type": "application/octet-stream"}
        return _object(self._request("POST", "/verifications", content=data, headers=headers))

    def is_ready(self) -> bool:
        """Whether the exchange answers and says that it can work."""
        try:
            return self._http.get("/health/ready").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _submit(self, path: str, message: bytes | Path) -> SubmissionReceipt:
        return _receipt(self._retrying(lambda: self._post(path, message)))

    def _post(self, path: str, message: bytes | Path) -> httpx.Response:
        headers = {"Content-Type": EDXML}
        if isinstance(message, bytes):
            return self._request("POST", path, content=message, headers=headers)
        with message.open("rb") as file:
            headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
            return self._request("POST", path, content=iter(lambda: file.read(CHUNK_BYTES), b""), headers=headers)

    def _page(self, path: str, filters: Mapping[str, str | int | None]) -> Page:
        answer = self._read(path, {name: str(value) for name, value in filters.items() if value is not None})
        following = answer.get("next")
        return Page(_items(answer), str(following) if following else None)

    def _read(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        return _object(self._retrying(lambda: self._request("GET", path, params=query)))

    def _download(self, path: str, out: BinaryIO, progress: Progress | None) -> None:
        with _network(self.url), self._http.stream("GET", API + path, headers={"Accept": "*/*"}) as response:
            if response.is_error:
                response.read()
            _check(response)
            for chunk in response.iter_bytes(CHUNK_BYTES):
                out.write(chunk)
                if progress is not None:
                    progress(len(chunk))

    def _retrying(self, action: Callable[[], httpx.Response]) -> httpx.Response:
        for attempt in range(1, _RETRIES):
            try:
                return action()
            except ExchangeUnreachableError:
                pass
            except RefusedByExchangeError as error:
                if error.status not in _RETRIED:
                    raise
            time.sleep(0.25 * 2**attempt)
        return action()

    def _request(self, method: str, path: str, **keywords: Any) -> httpx.Response:
        with _network(self.url):
            response = self._http.request(method, API + path, **keywords)
        _check(response)
        return response


@functools.cache
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to believe about certificates; read once, since that takes longer than many requests."""
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ValueError) as error:
        raise ExchangeUnreachableError(f"the CA certificates in {ca_file} cannot be used: {error}") from error


@contextlib.contextmanager
def _network(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise ExchangeUnreachableError(f"the exchange at {url} does not answer: {reason}") from error


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "title" not in problem:
        raise UnexpectedAnswerError(
            f"{response.url} answered {response.status_code} and is no exchange of this version"
        )
    kind = str(problem.get("type", "about:blank")).rstrip("/").rpartition("/")[2].rpartition(":")[2]
    raise RefusedByExchangeError(
        response.status_code, kind, str(problem["title"]), str(problem.get("detail", "")), problem
    )


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise UnexpectedAnswerError(f"{response.url} did not answer in JSON") from error
    if not isinstance(answer, dict):
        raise UnexpectedAnswerError(f"{response.url} did not answer with an object")
    return answer


def _items(answer: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    items = answer.get("items")
    if not isinstance(items, list):
        raise UnexpectedAnswerError("the exchange's list has no items")
    return tuple(items)


def _receipt(response: httpx.Response) -> SubmissionReceipt:
    answer = _object(response)
    try:
        return SubmissionReceipt(
            kind=str(answer["kind"]),
            document=str(answer["document"]),
            document_id=str(answer["documentId"]),
            message_sha256=str(answer["messageSha256"]),
            accepted_at=str(answer["acceptedAt"]),
            recipients=tuple(str(each["recipientCode"]) for each in answer["deliveries"]),
            evidence=base64.b64decode(answer["receipt"], validate=True),
            replayed=bool(answer["replayed"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError(f"{response.url} answered with no receipt: {error!r}") from error


def _path(document: str, *parts: str) -> str:
    return "/".join(("/documents", *(quote(part, safe="") for part in (document, *parts))))
