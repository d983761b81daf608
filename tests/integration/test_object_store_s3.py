"""The S3 object store on a real service, over TLS."""

from __future__ import annotations

import io
import os
import resource
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from minio import Minio

from edoc.archive import s3_lock
from edoc.archive.objects import ObjectStore
from edoc.archive.s3 import S3ObjectStore
from edoc.archive.s3_lock import LockState, check_lock
from edoc.archive.s3_requests import PART_BYTES, AlreadyThereError, Bucket, Lock, LockMode, open_client
from edoc.archive.sweep import sweep
from edoc.errors import ArchiveError, ObjectCorruptError, RetentionError
from signing.xml import MemorySource
from tests.support.object_store_conformance import RETENTION, Corrupt, ObjectStoreConformance, digest
from tests.support.server_fixtures import S3Settings

pytestmark = pytest.mark.integration

Open = Callable[..., S3ObjectStore]


def utc_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def open_store(minio_client: Minio, s3_settings: S3Settings, tmp_path: Path) -> Open:
    def open_it(**changed: object) -> S3ObjectStore:
        arguments = {"staging_folder": tmp_path / "staging", "retention": RETENTION, "clock": utc_now, **changed}
        return S3ObjectStore(minio_client, s3_settings.bucket, **arguments)  # type: ignore[arg-type]

    return open_it


@pytest.fixture
def store(open_store: Open) -> S3ObjectStore:
    return open_store()


@pytest.fixture
def bucket(minio_client: Minio, s3_settings: S3Settings) -> Bucket:
    return Bucket(minio_client, s3_settings.bucket)


def key_of(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256}"


class TestConformance(ObjectStoreConformance):
    @pytest.fixture
    def large_bytes(self) -> int:
        return 2 * PART_BYTES + 1

    @pytest.fixture
    def corrupt(self, minio_client: Minio, s3_settings: S3Settings) -> Corrupt:
        def overwrite(sha256: str, data: bytes) -> None:
            minio_client.put_object(s3_settings.bucket, key_of(sha256), io.BytesIO(data), len(data))

        return overwrite


class TestCreateOnly:
    def test_a_second_write_is_refused(self, bucket: Bucket) -> None:
        bucket.put("objects/one", b"first", None, create_only=True)

        with pytest.raises(AlreadyThereError):
            bucket.put("objects/one", b"second", None, create_only=True)

        assert bucket.open("objects/one", 0, None).read() == b"first"

    def test_a_second_upload_in_parts_is_refused(self, bucket: Bucket) -> None:
        data = os.urandom(PART_BYTES + 1)
        bucket.upload("objects/one", MemorySource(data), digest(data), None, create_only=True)

        with pytest.raises(AlreadyThereError):
            bucket.upload("objects/one", MemorySource(data), digest(data), None, create_only=True)

        assert len(list(bucket.list("objects/one", versions=True))) == 1

    def test_an_upload_of_bytes_that_changed_never_appears(self, bucket: Bucket) -> None:
        data = bytes(PART_BYTES + 1)

        with pytest.raises(ObjectCorruptError, match="has changed since"):
            bucket.upload("objects/one", MemorySource(data), digest(b"other"), None, create_only=True)

        assert bucket.stat("objects/one") is None


class TestPuttingAgain:
    def test_a_young_object_is_left_alone(self, store: S3ObjectStore, bucket: Bucket) -> None:
        sha256 = store.put_bytes(b"a letter").sha256

        store.put_bytes(b"a letter")

        assert len(list(bucket.list(key_of(sha256), versions=True))) == 1

    @pytest.mark.parametrize("size", [8, PART_BYTES + 1])
    def test_an_old_object_gets_a_new_version(self, open_store: Open, bucket: Bucket, size: int) -> None:
        store = open_store(renew_after=timedelta(0))
        with store.stage() as staged:
            staged.write(bytes(size))
            sha256 = store.put(staged).sha256
            store.put(staged)

        assert len(list(bucket.list(key_of(sha256), versions=True))) == 2
        assert store.verify(sha256) == size

    def test_a_version_put_while_the_object_is_removed_survives(
        self, open_store: Open, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = open_store(renew_after=timedelta(0))
        sha256 = store.put_bytes(b"a letter").sha256
        remove, contents = Bucket.delete, iter([b"a letter"])

        def put_then_remove(self: Bucket, key: str, version_id: str | None, *, bypass: bool = False) -> None:
            for data in contents:
                store.put_bytes(data)
            remove(self, key, version_id, bypass=bypass)

        monkeypatch.setattr(Bucket, "delete", put_then_remove)
        store.delete(sha256, utc_now() + 2 * RETENTION)

        assert store.read(sha256, 8) == b"a letter"


class TestLock:
    def test_the_service_keeps_a_compliance_lock(self, open_store: Open) -> None:
        status = open_store(lock=LockMode.COMPLIANCE).check_lock()

        assert status.state is LockState.ENFORCED, status.detail
        assert status.create_only

    def test_a_governance_lock_can_be_lifted_by_these_credentials(self, open_store: Open) -> None:
        status = open_store(lock=LockMode.GOVERNANCE).check_lock()

        assert status.state is LockState.LIFTABLE, status.detail

    def test_no_lock_asked_for_is_said(self, store: S3ObjectStore, bucket: Bucket) -> None:
        status = store.check_lock()

        assert (status.state, status.create_only, status.detail) == (LockState.ABSENT, True, "no lock is asked for")
        assert list(bucket.list("self-test/")) == []

    def test_a_bucket_that_offers_no_lock_is_said(self, minio_client: Minio, s3_settings: S3Settings) -> None:
        minio_client.make_bucket(f"{s3_settings.bucket}-plain")

        status = check_lock(Bucket(minio_client, f"{s3_settings.bucket}-plain"), LockMode.COMPLIANCE, utc_now())

        assert (status.state, status.detail) == (LockState.ABSENT, "the bucket offers no lock")

    def test_a_lock_that_is_not_kept_is_called_broken(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Lock, "headers", lambda _self: {})

        status = check_lock(bucket, LockMode.COMPLIANCE, utc_now())

        assert (status.state, status.detail) == (LockState.BROKEN, "removing it was possible")

    def test_what_earlier_self_tests_left_is_removed(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket.put("self-test/old", b"kept", None, create_only=True)
        monkeypatch.setattr(s3_lock, "_KEPT_FOR", timedelta(minutes=-1))

        check_lock(bucket, None, utc_now())

        assert list(bucket.list("self-test/", versions=True)) == []

    def test_a_locked_object_outlives_our_own_reckoning(self, open_store: Open) -> None:
        store = open_store(lock=LockMode.COMPLIANCE)
        sha256 = store.put_bytes(b"a letter").sha256

        with pytest.raises(RetentionError):
            store.delete(sha256, utc_now() + 2 * RETENTION)

        assert store.verify(sha256) == 8

    def test_a_large_object_is_locked_too(self, open_store: Open) -> None:
        store = open_store(lock=LockMode.COMPLIANCE)
        with store.stage() as staged:
            staged.write(bytes(PART_BYTES + 1))
            sha256 = store.put(staged).sha256

        with pytest.raises(RetentionError):
            store.delete(sha256, utc_now() + 2 * RETENTION)


def test_the_sweep_removes_what_nothing_refers_to(store: S3ObjectStore) -> None:
    kept, _left = store.put_many([b"kept", b"left"])

    report = sweep(store, lambda _digests: frozenset({kept.sha256}), utc_now() + 2 * RETENTION, timedelta(days=1))

    assert (report.examined, report.deleted, report.retained) == (2, 1, 0)
    assert [each.sha256 for each in store.list()] == [kept.sha256]


def test_an_object_removed_by_somebody_else_can_be_put_again(
    store: S3ObjectStore, minio_client: Minio, s3_settings: S3Settings
) -> None:
    sha256 = store.put_bytes(b"a letter").sha256
    minio_client.remove_object(s3_settings.bucket, key_of(sha256))
    assert store.stat(sha256) is None

    store.put_bytes(b"a letter")

    assert store.verify(sha256) == 8


def test_200_megabytes_pass_with_memory_flat(store: S3ObjectStore) -> None:
    piece = os.urandom(1 << 20)
    store.put_bytes(b"warm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with store.stage() as staged:
        for _ in range(200):
            staged.write(piece)
        sha256 = store.put(staged).sha256
    size = store.verify(sha256)

    assert size == 200 << 20
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 64 << 10  # KiB


def test_a_bucket_that_is_not_there_is_an_error_and_not_an_empty_archive(
    open_store: Open, minio_client: Minio, s3_settings: S3Settings, tmp_path: Path
) -> None:
    store: ObjectStore = open_store()
    minio_client.remove_bucket(s3_settings.bucket)

    with pytest.raises(ArchiveError, match="no bucket"):
        store.stat(digest(b"a letter"))
    with pytest.raises(ArchiveError):
        list(store.list())
    with pytest.raises(ArchiveError):
        store.put_bytes(b"a letter")
    with pytest.raises(ArchiveError, match="no bucket"):
        open_store()


def test_a_service_that_is_gone_is_an_error_within_the_time_limit(s3_settings: S3Settings, tmp_path: Path) -> None:
    client = open_client(
        "127.0.0.1:1", "key", "secret", ca_file=s3_settings.ca_file, timeout=timedelta(seconds=1), attempts=2
    )

    with pytest.raises(ArchiveError, match="the object store failed"):
        S3ObjectStore(client, "bucket", staging_folder=tmp_path, retention=RETENTION, clock=utc_now)


def test_a_service_whose_certificate_nobody_vouches_for_is_refused(s3_settings: S3Settings, tmp_path: Path) -> None:
    client = open_client(s3_settings.endpoint, s3_settings.access_key, s3_settings.secret_key, attempts=1)

    with pytest.raises(ArchiveError, match="certificate verify failed"):
        S3ObjectStore(client, s3_settings.bucket, staging_folder=tmp_path, retention=RETENTION, clock=utc_now)
