"""What every object store must do, as one class of tests: each store's test module inherits it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from edoc.archive.objects import ObjectStore
from edoc.errors import ObjectCorruptError, ObjectNotFoundError, RetentionError

RETENTION = timedelta(days=30)
FAR_FUTURE = timedelta(days=31)
Corrupt = Callable[[str, bytes], None]
"""Replace the stored bytes of a digest, behind the store's back."""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class ObjectStoreConformance:
    """Needs the fixtures ``store``, with a retention of 30 days, and ``corrupt``."""

    @pytest.fixture
    def large_bytes(self) -> int:
        """More than the store keeps in memory or sends at once."""
        return 1 << 20

    def test_what_was_put_is_read_back(self, store: ObjectStore) -> None:
        stat = store.put_bytes(b"a letter")

        assert (stat.sha256, stat.size) == (digest(b"a letter"), 8)
        assert store.read(stat.sha256, 8) == b"a letter"
        assert store.verify(stat.sha256) == 8

    def test_an_object_may_be_empty(self, store: ObjectStore) -> None:
        stat = store.put_bytes(b"")

        assert store.read(stat.sha256, 0) == b""

    def test_facts_tell_size_and_time(self, store: ObjectStore) -> None:
        before = datetime.now(UTC) - timedelta(seconds=5)
        put = store.put_bytes(b"a letter")

        stat = store.stat(put.sha256)

        assert stat is not None
        assert (stat.sha256, stat.size) == (put.sha256, 8)
        assert before <= stat.stored_at <= datetime.now(UTC) + timedelta(seconds=5)
        assert abs(stat.stored_at - put.stored_at) <= timedelta(seconds=5)
        assert stat.stored_at.utcoffset() == timedelta()

    def test_what_was_staged_in_pieces_is_one_object(self, store: ObjectStore, large_bytes: int) -> None:
        piece = bytes(range(256)) * 257
        with store.stage() as staged:
            while staged.size < large_bytes:
                assert staged.write(piece) == len(piece)
            stat = store.put(staged)
            size, sha256 = staged.size, staged.sha256

        assert (stat.sha256, stat.size) == (sha256, size)
        assert store.verify(sha256) == size

    @pytest.mark.parametrize("size", [10, 1 << 20])
    def test_what_is_staged_can_be_read_before_and_after_the_put(self, store: ObjectStore, size: int) -> None:
        data = b"0123456789" * (size // 10)
        with store.stage() as staged:
            staged.write(data)
            before = staged.source().read(3, 8)
            store.put(staged)
            after = staged.source()

            assert before == after.read(3, 8) == b"34567"
            assert b"".join(after.chunks(0, after.size)) == data

    def test_what_was_staged_and_not_put_is_no_object(self, store: ObjectStore) -> None:
        with store.stage() as staged:
            staged.write(b"a letter")

        assert store.stat(digest(b"a letter")) is None
        assert list(store.list()) == []

    def test_nothing_can_be_added_after_the_put(self, store: ObjectStore) -> None:
        with store.stage() as staged:
            staged.write(b"a letter")
            store.put(staged)

            with pytest.raises(ValueError, match="nothing can be added"):
                staged.write(b"!")

    def test_putting_again_changes_nothing(self, store: ObjectStore) -> None:
        first = store.put_bytes(b"a letter")
        with store.stage() as staged:
            staged.write(b"a letter")
            again = store.put(staged)

        assert (again.sha256, again.size) == (first.sha256, first.size)
        assert [each.sha256 for each in store.list()] == [first.sha256]
        assert store.read(first.sha256, 100) == b"a letter"

    def test_putting_the_same_at_the_same_time_makes_one_object(self, store: ObjectStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            stats = list(pool.map(store.put_bytes, [b"a letter"] * 16))

        assert {each.sha256 for each in stats} == {digest(b"a letter")}
        assert len(list(store.list())) == 1
        assert store.verify(digest(b"a letter")) == 8

    def test_many_are_put_in_their_order(self, store: ObjectStore) -> None:
        contents = [b"evidence %d" % number for number in range(9)]
        store.put_bytes(contents[4])

        stats = store.put_many([*contents, contents[0]])

        assert [each.sha256 for each in stats] == [digest(each) for each in [*contents, contents[0]]]
        assert all(store.read(digest(each), 100) == each for each in contents)
        assert store.put_many([]) == ()

    def test_list_is_in_order_of_digests(self, store: ObjectStore) -> None:
        contents = [b"letter %d" % number for number in range(20)]
        store.put_many(contents)

        listed = [each.sha256 for each in store.list()]

        assert listed == sorted(digest(each) for each in contents)

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, None, b"0123456789"),
            (0, 4, b"0123"),
            (3, 4, b"3456"),
            (7, None, b"789"),
            (7, 100, b"789"),
            (9, 1, b"9"),
            (10, None, b""),
            (10, 5, b""),
            (99, 5, b""),
            (0, 0, b""),
        ],
    )
    def test_a_range_is_read(self, store: ObjectStore, start: int, length: int | None, expected: bytes) -> None:
        sha256 = store.put_bytes(b"0123456789").sha256

        with store.open(sha256, start, length) as stream:
            assert stream.read() == expected

    def test_a_stream_is_read_in_pieces(self, store: ObjectStore) -> None:
        sha256 = store.put_bytes(b"0123456789" * 30_000).sha256

        with store.open(sha256, 5) as stream:
            assert stream.read(3) == b"567"
            assert stream.read(3) == b"890"
            assert len(stream.read()) == 300_000 - 11

    @pytest.mark.parametrize(
        "address",
        [digest(b"never put"), "", "../../etc/passwd", digest(b"never put").upper(), "a" * 63, "ab\n", "a" * 64 + "\n"],
    )
    def test_what_is_not_there_is_named_so(self, store: ObjectStore, address: str) -> None:
        assert store.stat(address) is None
        with pytest.raises(ObjectNotFoundError):
            store.open(address)
        with pytest.raises(ObjectNotFoundError):
            store.open(address, 0, 0)
        with pytest.raises(ObjectNotFoundError):
            store.read(address, 10)
        with pytest.raises(ObjectNotFoundError):
            store.verify(address)
        with pytest.raises(ObjectNotFoundError):
            store.delete(address, datetime.now(UTC) + FAR_FUTURE)

    def test_a_changed_byte_is_caught(self, store: ObjectStore, corrupt: Corrupt) -> None:
        sha256 = store.put_bytes(b"a letter").sha256
        corrupt(sha256, b"a lettet")

        with pytest.raises(ObjectCorruptError):
            store.verify(sha256)
        with pytest.raises(ObjectCorruptError):
            store.read(sha256, 8)

    def test_an_object_longer_than_expected_is_refused(self, store: ObjectStore) -> None:
        sha256 = store.put_bytes(b"a letter").sha256

        with pytest.raises(ObjectCorruptError, match="7 bytes"):
            store.read(sha256, 7)

    def test_putting_over_an_object_of_another_size_is_never_silent(self, store: ObjectStore, corrupt: Corrupt) -> None:
        sha256 = store.put_bytes(b"a letter").sha256
        corrupt(sha256, b"a let")

        with pytest.raises(ObjectCorruptError, match="holds 5 bytes"):
            store.put_bytes(b"a letter")

    @pytest.mark.parametrize("is_large", [False, True])
    def test_putting_over_a_changed_object_of_the_same_size_is_never_silent(
        self, store: ObjectStore, corrupt: Corrupt, large_bytes: int, *, is_large: bool
    ) -> None:
        data = b"a" * (large_bytes if is_large else 8)
        sha256 = store.put_bytes(data).sha256
        corrupt(sha256, data[:-1] + b"b")

        with pytest.raises(ObjectCorruptError):
            store.put_bytes(data)
        with store.stage() as staged:
            staged.write(data)
            with pytest.raises(ObjectCorruptError):
                store.put(staged)

    def test_an_object_is_kept_for_its_retention(self, store: ObjectStore) -> None:
        sha256 = store.put_bytes(b"a letter").sha256

        with pytest.raises(RetentionError):
            store.delete(sha256, datetime.now(UTC) + RETENTION - timedelta(minutes=1))

        assert store.verify(sha256) == 8

    def test_an_object_is_removed_after_its_retention(self, store: ObjectStore) -> None:
        sha256 = store.put_bytes(b"a letter").sha256

        store.delete(sha256, datetime.now(UTC) + FAR_FUTURE)

        assert store.stat(sha256) is None
        assert list(store.list()) == []
        assert store.put_bytes(b"a letter").sha256 == sha256

    def test_an_object_is_kept_for_the_grace_period_if_that_is_longer(self, store: ObjectStore) -> None:
        sha256 = store.put_bytes(b"a letter").sha256

        with pytest.raises(RetentionError):
            store.delete(sha256, datetime.now(UTC) + FAR_FUTURE, grace=timedelta(days=40))

        assert store.verify(sha256) == 8

    def test_nothing_fresh_is_discarded_as_stale(self, store: ObjectStore) -> None:
        with store.stage() as staged:
            staged.write(b"x" * (1 << 20))

            assert store.discard_stale(datetime.now(UTC) - timedelta(hours=1)) == 0
            assert store.put(staged).size == 1 << 20
