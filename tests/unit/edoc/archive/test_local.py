from __future__ import annotations

import os
import stat as stat_module
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edoc.archive.local import LocalObjectStore
from edoc.errors import ArchiveError, ObjectCorruptError, ObjectNotFoundError, RetentionError
from tests.support.object_store_conformance import FAR_FUTURE, RETENTION, Corrupt, ObjectStoreConformance, digest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def store(root: Path) -> LocalObjectStore:
    return LocalObjectStore(root, retention=RETENTION)


def path_of(root: Path, sha256: str) -> Path:
    return root / "objects" / sha256[:2] / sha256


class TestConformance(ObjectStoreConformance):
    @pytest.fixture
    def corrupt(self, root: Path) -> Corrupt:
        def overwrite(sha256: str, data: bytes) -> None:
            path = path_of(root, sha256)
            path.chmod(0o600)
            path.write_bytes(data)

        return overwrite


def test_an_object_is_a_read_only_file_named_by_its_digest(root: Path, store: LocalObjectStore) -> None:
    small = store.put_bytes(b"a letter").sha256
    with store.stage() as staged:
        staged.write(b"x" * (1 << 20))
        large = store.put(staged).sha256

    for sha256 in (small, large):
        assert stat_module.S_IMODE(path_of(root, sha256).stat().st_mode) == 0o444


def test_nothing_staged_is_left_behind(root: Path, store: LocalObjectStore) -> None:
    store.put_many([b"one", b"two", b"one"])
    with store.stage() as staged:
        staged.write(b"x" * (1 << 20))
        store.put(staged)
    with store.stage() as staged:
        staged.write(b"y" * (1 << 20))

    assert list((root / "staging").iterdir()) == []


def test_what_is_small_touches_no_disk_before_the_put(root: Path, store: LocalObjectStore) -> None:
    with store.stage() as staged:
        staged.write(b"x" * 1000)

        assert list((root / "staging").iterdir()) == []


def test_objects_are_there_when_the_folder_is_opened_again(root: Path, store: LocalObjectStore) -> None:
    sha256 = store.put_bytes(b"a letter").sha256

    assert LocalObjectStore(root, retention=RETENTION).read(sha256, 8) == b"a letter"


def test_stale_staged_files_are_discarded_and_nothing_else(root: Path, store: LocalObjectStore) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for name in ("staged-old", "staged-new", "somebody-else"):
        (root / "staging" / name).write_bytes(b"half")
    for name in ("staged-old", "somebody-else"):
        os.utime(root / "staging" / name, (long_ago, long_ago))

    discarded = store.discard_stale(datetime.now(UTC) - timedelta(days=1))

    assert discarded == 1
    assert sorted(path.name for path in (root / "staging").iterdir()) == ["somebody-else", "staged-new"]


def test_a_staged_name_left_by_a_dead_process_of_the_same_number_is_passed_over(
    root: Path, store: LocalObjectStore
) -> None:
    (root / "staging" / f"staged-{os.getpid()}-0").write_bytes(b"half")

    assert store.verify(store.put_bytes(b"a letter").sha256) == 8


def test_putting_again_starts_the_retention_anew(root: Path, store: LocalObjectStore) -> None:
    sha256 = store.put_bytes(b"a letter").sha256
    long_ago = (datetime.now(UTC) - timedelta(days=60)).timestamp()
    os.utime(path_of(root, sha256), (long_ago, long_ago))

    store.put_bytes(b"a letter")

    with pytest.raises(RetentionError):
        store.delete(sha256, datetime.now(UTC))


def test_files_of_others_are_not_listed(root: Path, store: LocalObjectStore) -> None:
    (root / "objects" / "ab" / "readme.txt").write_bytes(b"not an object")

    assert list(store.list()) == []


@pytest.fixture
def log_of_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the disk, in its order: ``fsync file``, ``fsync folder``, ``rename``, ``link``."""
    calls: list[str] = []
    fsync, rename, link = os.fsync, os.rename, os.link

    def logged_fsync(descriptor: int) -> None:
        kind = "folder" if stat_module.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append(f"fsync {kind}")
        fsync(descriptor)

    def logged_link(source: Path, target: Path) -> None:
        calls.append("link")
        link(source, target)

    def logged_rename(source: str, target: str) -> None:
        calls.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "link", logged_link)
    monkeypatch.setattr(os, "rename", logged_rename)
    return calls


def test_bytes_are_on_the_disk_before_they_get_their_name_and_the_name_before_the_put_returns(
    store: LocalObjectStore, log_of_calls: list[str]
) -> None:
    store.put_bytes(b"a letter")

    assert log_of_calls == ["fsync file", "rename", "fsync folder"]


def test_a_large_object_is_flushed_in_the_same_order(store: LocalObjectStore, log_of_calls: list[str]) -> None:
    with store.stage() as staged:
        staged.write(b"x" * (1 << 20))
        store.put(staged)

        assert log_of_calls == ["fsync file", "link", "fsync folder"]


def test_an_object_that_is_there_is_made_durable_again(store: LocalObjectStore, log_of_calls: list[str]) -> None:
    store.put_bytes(b"a letter")
    log_of_calls.clear()

    store.put_bytes(b"a letter")

    assert log_of_calls == ["fsync folder"]


def test_many_flush_each_file_and_each_folder_once(store: LocalObjectStore, log_of_calls: list[str]) -> None:
    contents = [b"evidence %d" % number for number in range(100)]

    store.put_many(contents)

    assert log_of_calls.count("fsync file") == 100
    assert log_of_calls.count("fsync folder") == len({digest(each)[:2] for each in contents})


def test_a_put_that_fails_before_its_rename_leaves_nothing(
    root: Path, store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ArchiveError, match="Input/output error"):
        store.put_bytes(b"a letter")
    monkeypatch.undo()

    assert store.stat(digest(b"a letter")) is None
    assert list((root / "staging").iterdir()) == []


def test_a_sweep_that_was_faster_than_a_put_again_makes_it_a_new_put(
    root: Path, store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = store.put_bytes(b"a letter").sha256
    exists = os.path.exists

    def exists_and_vanishes(path: str) -> bool:
        there = exists(path)
        path_of(root, sha256).unlink(missing_ok=True)
        return there

    monkeypatch.setattr(os.path, "exists", exists_and_vanishes)
    store.put_bytes(b"a letter")
    monkeypatch.undo()

    assert store.read(sha256, 8) == b"a letter"


def test_folders_above_the_archive_are_made_durable_too(tmp_path: Path, log_of_calls: list[str]) -> None:
    LocalObjectStore(tmp_path / "srv" / "edoc" / "archive", retention=RETENTION)

    assert log_of_calls.count("fsync folder") == len(("objects", "archive", "edoc", "srv", "tmp_path"))


def test_a_folder_that_cannot_be_made_is_an_error_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ArchiveError, match="cannot be opened"):
        LocalObjectStore(tmp_path / "file" / "archive", retention=RETENTION)


def test_a_read_that_fails_is_an_error_of_the_archive(root: Path, store: LocalObjectStore) -> None:
    path_of(root, digest(b"a folder")).mkdir()

    with pytest.raises(ArchiveError):
        store.read(digest(b"a folder"), 10)


def test_deleting_twice_says_that_it_is_gone(store: LocalObjectStore) -> None:
    sha256 = store.put_bytes(b"a letter").sha256
    store.delete(sha256, datetime.now(UTC) + FAR_FUTURE)

    with pytest.raises(ObjectNotFoundError):
        store.delete(sha256, datetime.now(UTC) + FAR_FUTURE)


def test_putting_over_an_object_that_was_damaged_since_is_never_silent(root: Path, store: LocalObjectStore) -> None:
    sha256 = store.put_bytes(b"a letter").sha256
    path = path_of(root, sha256)
    path.chmod(0o600)
    path.write_bytes(b"a lettel")

    with pytest.raises(ObjectCorruptError):
        store.put_bytes(b"a letter")
    with store.stage() as staged:
        staged.write(b"a letter")
        with pytest.raises(ObjectCorruptError):
            store.put(staged)


def test_a_large_put_that_another_one_outran_believes_its_bytes_and_not_their_number(
    root: Path, store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"x" * (1 << 20)
    exists = os.path.exists

    def exists_and_appears_damaged(path: str) -> bool:
        there = exists(path)
        if not there:
            Path(path).write_bytes(b"y" * len(content))
        return there

    with store.stage() as staged:
        staged.write(content)
        monkeypatch.setattr(os.path, "exists", exists_and_appears_damaged)
        with pytest.raises(ObjectCorruptError):
            store.put(staged)
