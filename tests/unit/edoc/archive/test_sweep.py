from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edoc.archive import sweep as sweep_module
from edoc.archive.local import LocalObjectStore
from edoc.archive.sweep import SweepReport, sweep
from tests.support.object_store_conformance import digest

GRACE = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> LocalObjectStore:
    return LocalObjectStore(tmp_path / "archive", retention=timedelta(0))


def later() -> datetime:
    return datetime.now(UTC) + timedelta(days=2)


def nothing(_digests: Sequence[str]) -> frozenset[str]:
    return frozenset()


def age(folder: Path, sha256: str, stored_at: datetime) -> None:
    moment = stored_at.timestamp()
    os.utime(folder / "archive" / "objects" / sha256[:2] / sha256, (moment, moment))


def test_what_nothing_refers_to_is_removed_and_the_rest_stays(store: LocalObjectStore) -> None:
    kept, left = store.put_many([b"kept", b"left"])

    report = sweep(store, lambda digests: frozenset({kept.sha256} & set(digests)), later(), GRACE)

    assert report == SweepReport(examined=2, deleted=1, retained=0, kept=0, staged=0)
    assert [each.sha256 for each in store.list()] == [kept.sha256]
    assert store.stat(left.sha256) is None


def test_what_is_young_stays_and_is_not_even_asked_about(store: LocalObjectStore) -> None:
    store.put_bytes(b"about to be referred to")
    asked: list[Sequence[str]] = []

    def record(digests: Sequence[str]) -> frozenset[str]:
        asked.append(digests)
        return frozenset()

    report = sweep(store, record, datetime.now(UTC) + GRACE - timedelta(minutes=1), GRACE)

    assert (report.examined, report.deleted, asked) == (1, 0, [])


def test_nothing_is_removed_when_the_check_fails(store: LocalObjectStore) -> None:
    store.put_many([b"one", b"two"])

    def fail(_digests: Sequence[str]) -> frozenset[str]:
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError):
        sweep(store, fail, later(), GRACE)

    assert len(list(store.list())) == 2


def test_an_object_put_again_during_the_check_stays(store: LocalObjectStore, tmp_path: Path) -> None:
    sha256 = store.put_bytes(b"a letter").sha256
    age(tmp_path, sha256, datetime.now(UTC) - timedelta(days=3))

    passes = itertools.count(1)

    def put_meanwhile(_digests: Sequence[str]) -> frozenset[str]:
        if next(passes) == 2:
            store.put_bytes(b"a letter")
        return frozenset()

    report = sweep(store, put_meanwhile, datetime.now(UTC), GRACE)

    assert (report.deleted, report.retained) == (0, 1)
    assert store.verify(sha256) == 8


def test_an_object_removed_meanwhile_counts_as_removed(store: LocalObjectStore) -> None:
    sha256 = store.put_bytes(b"a letter").sha256

    passes = itertools.count(1)

    def another_sweep(_digests: Sequence[str]) -> frozenset[str]:
        if next(passes) == 2:
            store.delete(sha256, later())
        return frozenset()

    assert sweep(store, another_sweep, later(), GRACE).deleted == 1


def test_what_is_under_retention_is_kept_and_counted(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path / "archive", retention=timedelta(days=3650))
    store.put_bytes(b"a letter")

    report = sweep(store, nothing, later(), GRACE)

    assert (report.deleted, report.retained) == (0, 1)
    assert store.verify(digest(b"a letter")) == 8


@pytest.mark.parametrize(
    "sealed",
    [
        b"<edXML/>",
        b"\xef\xbb\xbf<?xml version='1.0'?><edXML/>",
        b"\r\n\t <edXML/>",
        "<edXML/>".encode("utf-16"),
        "<edXML/>".encode("utf-16-be"),
        b" " * 5000 + b"<edXML/>",
    ],
)
def test_a_message_without_a_row_is_kept_with_the_file_that_may_have_come_with_it(
    store: LocalObjectStore, tmp_path: Path, sealed: bytes
) -> None:
    file, message, alone = store.put_many([b"a file", sealed, b"a file that came alone"])
    now = datetime.now(UTC)
    for stat, days in ((file, 10), (message, 10), (alone, 8)):
        age(tmp_path, stat.sha256, now - timedelta(days=days))

    report = sweep(store, nothing, now, GRACE)

    assert (report.deleted, report.kept) == (1, 2)
    assert {each.sha256 for each in store.list()} == {file.sha256, message.sha256}


@pytest.mark.parametrize("seconds", [-1, 1])
def test_a_file_stored_long_before_or_after_a_message_did_not_come_with_it(
    store: LocalObjectStore, tmp_path: Path, seconds: int
) -> None:
    near, far, message = store.put_many([b"a file", b"a file that did not", b"<edXML/>"])
    stored = datetime.now(UTC) - timedelta(days=10)
    age(tmp_path, message.sha256, stored)
    age(tmp_path, near.sha256, stored + seconds * GRACE)
    age(tmp_path, far.sha256, stored + seconds * (GRACE + timedelta(seconds=1)))

    assert sweep(store, nothing, datetime.now(UTC), GRACE).deleted == 1
    assert {each.sha256 for each in store.list()} == {near.sha256, message.sha256}


def test_stale_staged_files_are_removed(store: LocalObjectStore, tmp_path: Path) -> None:
    (tmp_path / "archive" / "staging" / "staged-1-1").write_bytes(b"half")

    assert sweep(store, nothing, later(), GRACE).staged == 1
    assert list((tmp_path / "archive" / "staging").iterdir()) == []


def test_references_are_asked_for_in_batches(store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "BATCH", 5)
    store.put_many([b"%d" % number for number in range(6)])
    sizes: list[int] = []

    def all_referenced(digests: Sequence[str]) -> frozenset[str]:
        sizes.append(len(digests))
        return frozenset(digests)

    report = sweep(store, all_referenced, later(), GRACE)

    assert sizes == [5, 1] * 2
    assert report == SweepReport(examined=6, deleted=0, retained=0, kept=0, staged=0)


def test_a_grace_period_that_live_work_could_outlast_is_refused(store: LocalObjectStore) -> None:
    with pytest.raises(ValueError, match="could remove what is being accepted"):
        sweep(store, nothing, later(), timedelta(minutes=5))
