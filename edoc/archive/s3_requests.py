"""The requests to an S3 bucket that the object store is made of, and the only place that knows ``minio``.

minio-py's ``put_object`` can send neither ``If-None-Match`` nor ``Content-MD5`` over plain HTTP, so the writing
requests (PutObject and the three of a multipart upload) are spoken here through the client's signed ``_execute``:
the one use of a private name of that package, held in place by the tests against real servers.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final, cast
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

import certifi
import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from minio.helpers import DictType
from minio.retention import Retention
from urllib3.exceptions import HTTPError

from edoc.archive.streams import Window
from edoc.errors import ArchiveError, ObjectCorruptError, ObjectNotFoundError, RetentionError
from signing.xml import ByteSource

PART_BYTES: Final = 8 << 20
"""The parts of a multipart upload: so much of an object is in memory at a time."""
_FAILURES: Final = (MinioException, HTTPError, OSError, ValueError, ParseError)
"""What minio-py and urllib3 raise; the last two for an answer that cannot be read."""
_ALREADY_THERE: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"})
"""NoSuchUpload answers a completion that is sent a second time, because the first answer was lost."""
_ABSENT: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
_LOCKED: Final = frozenset({"AccessDenied", "InvalidRequest", "ObjectLocked", "MethodNotAllowed"})
_NO_LOCK_OFFERED: Final = frozenset(
    {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "InvalidBucketObjectLockConfiguration"}
)
_UPLOAD_ID: Final = re.compile(rb"<UploadId>([^<]+)</UploadId>")


class AlreadyThereError(ArchiveError):
    """A create-only write found an object under its key."""


class LockMode(Enum):
    """Who can lift a retention lock before its time."""

    COMPLIANCE = "COMPLIANCE"
    """Nobody."""
    GOVERNANCE = "GOVERNANCE"
    """Whoever has a special permission."""


@dataclass(frozen=True)
class Lock:
    """A retention lock on one object."""

    mode: LockMode
    until: datetime

    def headers(self) -> dict[str, str]:
        """The headers that put an object under it."""
        return {
            "x-amz-object-lock-mode": self.mode.value,
            "x-amz-object-lock-retain-until-date": self.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


@dataclass(frozen=True)
class Version:
    """One version of an object."""

    key: str
    version_id: str | None
    size: int
    stored_at: datetime
    is_delete_marker: bool


@dataclass(frozen=True)
class Written:
    """What the service said to a write."""

    version_id: str | None
    stored_at: datetime
    """By the clock of the service."""


def open_client(
    endpoint: str,
    access_key: str,
    secret_key: str,
    *,
    secure: bool = True,
    region: str = "us-east-1",
    ca_file: Path | None = None,
    timeout: timedelta = timedelta(seconds=30),
    attempts: int = 4,
    connections: int = 16,
) -> Minio:
    """A client whose requests each have a time limit and are tried ``attempts`` times at most.

    All requests of this module are safe to repeat. To be opened after a fork, one for each process.
    """
    retries = urllib3.Retry(
        total=attempts - 1,
        backoff_factor=0.2,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
    )
    seconds = timeout.total_seconds()
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=seconds, read=seconds),
        maxsize=connections,
        retries=retries,
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(ca_file) if ca_file else certifi.where(),
    )
    return Minio(endpoint, access_key, secret_key, secure=secure, region=region, http_client=pool)


class Bucket:
    """One bucket; every method raises :class:`~edoc.errors.ArchiveError` where the service fails."""

    def __init__(self, client: Minio, name: str) -> None:
        self._client = client
        self._name = name

    def require(self) -> None:
        """Make sure that the bucket is there.

        Raises:
            ArchiveError: it is not, or cannot be reached.
        """
        with _wrapped():
            exists = self._client.bucket_exists(self._name)
        if not exists:
            raise ArchiveError(f"there is no bucket {self._name}")

    def offers_lock(self) -> bool:
        """Whether the bucket was made for object locks."""
        with _wrapped():
            try:
                # minio-py reads the answer only where it names a default retention, which some services leave out.
                answer = self._client._execute("GET", self._name, query_params={"object-lock": ""})  # noqa: SLF001
            except S3Error as error:
                if error.code in _NO_LOCK_OFFERED:
                    return False
                raise
        return b"<ObjectLockEnabled>Enabled<" in answer.data

    def stat(self, key: str) -> Version | None:
        """The latest version of an object, or None where there is none."""
        with _wrapped():
            try:
                found = self._client.stat_object(self._name, key)
            except S3Error as error:
                if error.code in _ABSENT:
                    return None
                raise
            return Version(key, found.version_id, found.size or 0, _utc(found.last_modified), is_delete_marker=False)

    def list(self, prefix: str, *, versions: bool = False) -> Iterator[Version]:
        """The objects whose keys begin with ``prefix``, in order of the keys; with ``versions``, all of each."""
        with _wrapped():
            listing = self._client.list_objects(self._name, prefix, recursive=True, include_version=versions)
            for each in listing:
                modified = _utc(each.last_modified)
                key = each.object_name or ""
                yield Version(key, each.version_id, each.size or 0, modified, bool(each.is_delete_marker))

    def open(self, key: str, start: int, length: int | None) -> BinaryIO:
        """A stream over part of an object; past its end it is empty. Holds a connection until it is closed.

        Raises:
            ObjectNotFoundError: there is no such object.
        """
        if length == 0:
            if self.stat(key) is None:
                raise ObjectNotFoundError(f"the archive holds no object {key}")
            return io.BytesIO()
        with _wrapped():
            try:
                response = self._client.get_object(self._name, key, start, length or 0)
            except S3Error as error:
                if error.code == "InvalidRange":
                    return io.BytesIO()
                raise
        window = Window(response.read, response.close, length, _FAILURES)
        return cast(BinaryIO, io.BufferedReader(window, 64 << 10))

    def put(self, key: str, data: bytes, lock: Lock | None, *, create_only: bool) -> Written:
        """Store a small object; the service checks that it got these bytes.

        Raises:
            AlreadyThereError: there is an object of this key, and ``create_only``.
        """
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        headers = {"x-amz-checksum-sha256": checksum, **_write_headers(lock, create_only=create_only)}
        return _written(self._send("PUT", key, data, headers, {}))

    def upload(self, key: str, source: ByteSource, sha256: str, lock: Lock | None, *, create_only: bool) -> Written:
        """Store a large object in parts, each checked by the service; memory holds one at a time.

        It appears when all parts are there, and only if they had the digest ``sha256``.

        Raises:
            AlreadyThereError: there is an object of this key, and ``create_only``.
            ObjectCorruptError: the source no longer has this digest.
        """
        # Create-only is said at the completion, where it counts: many uploads of one key may run at once.
        begun = self._send("POST", key, b"", _write_headers(lock, create_only=False), {"uploads": ""})
        found = _UPLOAD_ID.search(begun.data)
        if found is None:
            raise ArchiveError("the object store began an upload without naming it")
        upload_id = found.group(1).decode()
        try:
            listing = self._send_parts(key, source, sha256, upload_id)
            headers = {"Content-Type": "application/xml", **({"If-None-Match": "*"} if create_only else {})}
            return _written(self._send("POST", key, listing, headers, {"uploadId": upload_id}))
        except BaseException:
            with contextlib.suppress(ArchiveError):  # the sweep comes by
                self.abort_upload(key, upload_id)
            raise

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget the parts of an upload that was not completed."""
        self._send("DELETE", key, None, {}, {"uploadId": upload_id})

    def abort_uploads(self, prefix: str, before: datetime) -> int:
        """Abort the uploads that began before ``before``; returns how many.

        MinIO does not list uploads by a prefix; it removes those older than a day by itself.
        """
        with _wrapped():
            uploads = self._client._list_multipart_uploads(self._name, prefix=prefix).uploads  # noqa: SLF001
        stale = [each for each in uploads if _utc(each.initiated_time) < before]
        for each in stale:
            self.abort_upload(each.object_name, each.upload_id or "")
        return len(stale)

    def delete(self, key: str, version_id: str | None, *, bypass: bool = False) -> None:
        """Remove one version of an object; ``bypass`` asks to lift a GOVERNANCE lock.

        Raises:
            RetentionError: the service refuses.
        """
        headers = {"x-amz-bypass-governance-retention": "true"} if bypass else {}
        self._send("DELETE", key, None, headers, {"versionId": version_id} if version_id else {}, locked=True)

    def set_lock(self, key: str, version_id: str | None, lock: Lock) -> None:
        """Change the lock of one version of an object.

        Raises:
            RetentionError: the service refuses.
        """
        with _wrapped(locked=True):
            retention = Retention(lock.mode.value, lock.until)
            self._client.set_object_retention(self._name, key, retention, version_id)

    def _send_parts(self, key: str, source: ByteSource, sha256: str, upload_id: str) -> bytes:
        digest, listing = hashlib.sha256(), io.StringIO()
        for number, start in enumerate(range(0, source.size, PART_BYTES), 1):
            data = source.read(start, min(start + PART_BYTES, source.size))
            digest.update(data)
            answer = self._send("PUT", key, data, {}, {"partNumber": str(number), "uploadId": upload_id})
            tag = escape(answer.headers.get("etag", ""))
            listing.write(f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
        if digest.hexdigest() != sha256:
            raise ObjectCorruptError(f"what was staged as {sha256} has changed since")
        return f"<CompleteMultipartUpload>{listing.getvalue()}</CompleteMultipartUpload>".encode()

    def _send(
        self,
        method: str,
        key: str,
        body: bytes | None,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        *,
        locked: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        sent = dict(headers)
        if body is not None:
            # Strict services refuse to lock an object that came without it; minio-py sends it over TLS only.
            sent["Content-MD5"] = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        with _wrapped(locked=locked):
            answer: urllib3.BaseHTTPResponse = self._client._execute(  # noqa: SLF001
                method, self._name, key, body, cast(DictType, sent), cast(DictType, dict(query)), no_body_trace=True
            )
        # S3 may answer the completion of an upload with 200 and then fail in the body.
        if b"<Error>" in answer.data[:1024]:
            raise ArchiveError(f"the object store failed: {answer.data[:1024]!r}")
        return answer


def refused(action: Callable[[], object]) -> bool:
    """Whether the service refuses, for a lock or a missing permission, what ``action`` asks."""
    try:
        action()
    except RetentionError:
        return True
    return False


def _write_headers(lock: Lock | None, *, create_only: bool) -> dict[str, str]:
    condition = {"If-None-Match": "*"} if create_only else {}
    return {"Content-Type": "application/octet-stream", **condition, **(lock.headers() if lock else {})}


def _written(answer: urllib3.BaseHTTPResponse) -> Written:
    with _wrapped():
        stored_at = parsedate_to_datetime(answer.headers.get("date", ""))
    return Written(answer.headers.get("x-amz-version-id"), _utc(stored_at))


def _utc(moment: datetime | None) -> datetime:
    if moment is None:
        raise ArchiveError("the object store does not say when an object was stored")
    return moment.astimezone(UTC)


@contextlib.contextmanager
def _wrapped(*, locked: bool = False) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        text = f"the object store answered {error.code}: {error.message}"
        if error.code in _ALREADY_THERE:
            raise AlreadyThereError(text) from error
        if error.code in _ABSENT:
            raise ObjectNotFoundError(text) from error
        if locked and error.code in _LOCKED:
            raise RetentionError(text) from error
        raise ArchiveError(text) from error
    except _FAILURES as error:
        raise ArchiveError(f"the object store failed: {error}") from error
