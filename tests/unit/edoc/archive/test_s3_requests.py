"""What is sent to an S3 service and what is made of its answers, against a service that answers what it is told."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from edoc.archive.s3_requests import PART_BYTES, AlreadyThereError, Bucket, Lock, LockMode, open_client, refused
from edoc.errors import ArchiveError, ObjectCorruptError, ObjectNotFoundError, RetentionError
from signing.xml import MemorySource

ATTEMPTS = 3
BEGUN = b"<InitiateMultipartUploadResult><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>"


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    claimed_length: int | None = None


def failed(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


@dataclass
class ScriptedService:
    """Gives its answers in turn, the last one for ever, and remembers what it was asked."""

    port: int = 0
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    service = ScriptedService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            service.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            answer = service.next_answer()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("ETag", '"tag"')
            self.send_header("Content-Length", str(answer.claimed_length or len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = answer.claimed_length is not None

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - named by http.server

        def log_message(self, *_: object) -> None:
            """Nothing: the requests are remembered."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.port = server.server_port
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        server.shutdown()
        thread.join()


@pytest.fixture
def bucket(service: ScriptedService) -> Iterator[Bucket]:
    client = open_client(
        f"127.0.0.1:{service.port}", "key", "secret", secure=False, attempts=ATTEMPTS, timeout=timedelta(seconds=5)
    )
    yield Bucket(client, "letters")
    client._http.clear()


def test_a_put_says_create_only_its_checksums_and_its_lock(service: ScriptedService, bucket: Bucket) -> None:
    until = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

    bucket.put("objects/one", b"a letter", Lock(LockMode.COMPLIANCE, until), create_only=True)

    method, path, headers = service.requests[0]
    assert (method, path) == ("PUT", "/letters/objects/one")
    assert headers["if-none-match"] == "*"
    assert base64.b64decode(headers["content-md5"]) == hashlib.md5(b"a letter", usedforsecurity=False).digest()
    assert base64.b64decode(headers["x-amz-checksum-sha256"]) == hashlib.sha256(b"a letter").digest()
    assert headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert headers["x-amz-object-lock-retain-until-date"] == "2030-01-02T03:04:05Z"


def test_a_put_over_an_old_object_sets_no_condition(service: ScriptedService, bucket: Bucket) -> None:
    bucket.put("objects/one", b"a letter", None, create_only=False)

    assert "if-none-match" not in service.requests[0][2]


def test_a_service_that_is_busy_is_asked_again(service: ScriptedService, bucket: Bucket) -> None:
    service.answers = [failed(503, "SlowDown"), failed(500, "InternalError"), Answer()]

    bucket.put("objects/one", b"a letter", None, create_only=True)

    assert len(service.requests) == ATTEMPTS


def test_a_service_that_stays_busy_is_given_up(service: ScriptedService, bucket: Bucket) -> None:
    service.answers = [failed(503, "SlowDown")]

    with pytest.raises(ArchiveError, match="SlowDown"):
        bucket.put("objects/one", b"a letter", None, create_only=True)

    assert len(service.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failed(412, "PreconditionFailed"), AlreadyThereError),
        (failed(409, "ConditionalRequestConflict"), AlreadyThereError),
        (failed(403, "AccessDenied"), ArchiveError),
        (failed(400, "BadDigest"), ArchiveError),
        (failed(404, "NoSuchBucket"), ArchiveError),
        (Answer(200, b"<Error><Code>InternalError</Code></Error>"), ArchiveError),
        (Answer(400, b"not what S3 says"), ArchiveError),
    ],
)
def test_a_put_that_is_refused_is_named(
    service: ScriptedService, bucket: Bucket, answer: Answer, error: type[ArchiveError]
) -> None:
    service.answers = [answer]

    with pytest.raises(ArchiveError) as caught:
        bucket.put("objects/one", b"a letter", None, create_only=True)

    assert type(caught.value) is error


def test_an_upload_sets_its_condition_where_it_is_completed(service: ScriptedService, bucket: Bucket) -> None:
    data = bytes(PART_BYTES + 1)
    service.answers = [Answer(200, BEGUN), Answer()]

    bucket.upload("objects/one", MemorySource(data), hashlib.sha256(data).hexdigest(), None, create_only=True)

    assert [(method, "if-none-match" in headers) for method, _path, headers in service.requests] == [
        ("POST", False),
        ("PUT", False),
        ("PUT", False),
        ("POST", True),
    ]
    assert [path.partition("?")[2] for _method, path, _headers in service.requests] == [
        "uploads=",
        "partNumber=1&uploadId=upload-1",
        "partNumber=2&uploadId=upload-1",
        "uploadId=upload-1",
    ]


@pytest.mark.parametrize(
    ("completion", "error"),
    [
        (failed(412, "PreconditionFailed"), AlreadyThereError),
        (failed(404, "NoSuchUpload"), AlreadyThereError),
        (Answer(200, b'<?xml version="1.0"?><Error><Code>InternalError</Code></Error>'), ArchiveError),
    ],
)
def test_an_upload_that_is_not_completed_is_aborted(
    service: ScriptedService, bucket: Bucket, completion: Answer, error: type[ArchiveError]
) -> None:
    data = b"in one part"
    service.answers = [Answer(200, BEGUN), Answer(), completion, Answer(204)]

    with pytest.raises(ArchiveError) as caught:
        bucket.upload("objects/one", MemorySource(data), hashlib.sha256(data).hexdigest(), None, create_only=True)

    assert type(caught.value) is error
    assert service.requests[-1][:2] == ("DELETE", "/letters/objects/one?uploadId=upload-1")


def test_an_upload_of_other_bytes_than_were_staged_is_aborted(service: ScriptedService, bucket: Bucket) -> None:
    service.answers = [Answer(200, BEGUN), Answer(), Answer(204)]

    with pytest.raises(ObjectCorruptError):
        bucket.upload("objects/one", MemorySource(b"changed"), "0" * 64, None, create_only=True)

    assert [method for method, _path, _headers in service.requests] == ["POST", "PUT", "DELETE"]


def test_a_service_that_names_no_upload_is_an_error(bucket: Bucket) -> None:
    with pytest.raises(ArchiveError, match="without naming it"):
        bucket.upload("objects/one", MemorySource(b"data"), "0" * 64, None, create_only=True)


def test_an_answer_that_breaks_off_is_an_error_and_not_a_short_object(service: ScriptedService, bucket: Bucket) -> None:
    service.answers = [Answer(200, b"half", claimed_length=8)]

    with bucket.open("objects/one", 0, None) as stream, pytest.raises(ArchiveError, match="while an object was read"):
        stream.read()


@pytest.mark.parametrize(
    ("answer", "error"),
    [(failed(404, "NoSuchKey"), ObjectNotFoundError), (failed(404, "NoSuchBucket"), ArchiveError)],
)
def test_only_a_missing_object_is_called_missing(
    service: ScriptedService, bucket: Bucket, answer: Answer, error: type[ArchiveError]
) -> None:
    service.answers = [answer]

    with pytest.raises(ArchiveError) as caught:
        bucket.open("objects/one", 0, None)

    assert type(caught.value) is error


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidRequest", "ObjectLocked", "MethodNotAllowed"])
def test_a_removal_that_the_lock_forbids_is_a_matter_of_retention(
    service: ScriptedService, bucket: Bucket, code: str
) -> None:
    service.answers = [failed(403, code)]

    with pytest.raises(RetentionError):
        bucket.delete("objects/one", "version-1")
    assert refused(lambda: bucket.delete("objects/one", "version-1"))
    assert refused(lambda: bucket.set_lock("objects/one", "version-1", Lock(LockMode.COMPLIANCE, datetime.now(UTC))))


def test_a_failure_is_no_proof_of_a_lock(service: ScriptedService, bucket: Bucket) -> None:
    service.answers = [failed(503, "SlowDown")]

    with pytest.raises(ArchiveError, match="SlowDown"):
        refused(lambda: bucket.delete("objects/one", "version-1"))


@pytest.mark.parametrize(
    ("answer", "offered"),
    [
        (
            Answer(
                200,
                b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
            ),
            True,
        ),
        (Answer(200, b"<ObjectLockConfiguration/>"), False),
        (failed(404, "ObjectLockConfigurationNotFoundError"), False),
    ],
)
def test_whether_a_lock_is_offered_is_read(
    service: ScriptedService, bucket: Bucket, answer: Answer, *, offered: bool
) -> None:
    service.answers = [answer]

    assert bucket.offers_lock() is offered


def test_uploads_begun_long_ago_are_aborted(service: ScriptedService, bucket: Bucket) -> None:
    service.answers = [
        Answer(
            200,
            b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
            b"<Upload><Key>objects/old</Key><UploadId>u1</UploadId><Initiated>2020-01-01T00:00:00.000Z</Initiated></Upload>"
            b"<Upload><Key>objects/new</Key><UploadId>u2</UploadId><Initiated>2030-01-01T00:00:00.000Z</Initiated></Upload>"
            b"</ListMultipartUploadsResult>",
        ),
        Answer(204),
    ]

    assert bucket.abort_uploads("objects/", datetime(2025, 1, 1, tzinfo=UTC)) == 1
    assert [path for method, path, _headers in service.requests if method == "DELETE"] == [
        "/letters/objects/old?uploadId=u1"
    ]
