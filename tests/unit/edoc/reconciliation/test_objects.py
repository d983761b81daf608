"""The archive against the rows: what is missing or altered is named, and what nothing refers to is swept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete

from edoc.database.engine import write
from edoc.database.tables import Base
from edoc.reconciliation import ObjectState, count_objects, reconcile, referenced_in
from edoc.worker import GRACE, Worker
from tests.support.services import SmallExchange, attachment, letter


def object_of(small: SmallExchange, sha256: str) -> Path:
    [path] = Path(str(small.exchange.engine.url.database)).parent.rglob(sha256)
    return path


def states(small: SmallExchange) -> dict[str, ObjectState]:
    return {each.sha256: each.state for each in reconcile(small.exchange)}


def test_an_untouched_archive_is_intact(small: SmallExchange) -> None:
    small.submit(letter(1, attachments=(attachment(b"%PDF-1.7\n" + bytes(300_000)),)))
    small.submit(letter(2))
    small.work()
    found = list(reconcile(small.exchange))
    assert [each.owner for each in found] == ["message"] * 2 + ["attachment"] + ["evidence"] * 4
    assert {each.state for each in found} == {ObjectState.INTACT}
    assert count_objects(small.exchange) == len(found)


def test_one_byte_changed_in_the_archive_is_found(small: SmallExchange) -> None:
    first, second = small.submit(letter(1)).message_sha256, small.submit(letter(2)).message_sha256
    path = object_of(small, first)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    assert states(small) == {first: ObjectState.ALTERED, second: ObjectState.INTACT}


def test_a_missing_object_is_found(small: SmallExchange) -> None:
    sha256 = small.submit(letter()).message_sha256
    object_of(small, sha256).unlink()
    assert states(small) == {sha256: ObjectState.MISSING}


def test_only_what_rows_refer_to_counts_as_referenced(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    stray = small.exchange.store.put_bytes(b"left by a crash").sha256
    assert referenced_in(small.exchange)([receipt.message_sha256, stray]) == {receipt.message_sha256}


def test_the_sweep_removes_what_a_crash_left_and_nothing_else(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    small.work()
    stray = small.exchange.store.put_bytes(b"left by a crash").sha256
    small.clock.now = datetime.now(UTC) + GRACE + timedelta(minutes=1)
    report = Worker(small.exchange, lambda task, error: None).sweep()
    assert report.deleted == 1
    assert small.exchange.store.stat(stray) is None
    assert small.exchange.store.stat(receipt.message_sha256) is not None
    assert set(states(small).values()) == {ObjectState.INTACT}


def test_letters_whose_rows_are_gone_outlive_the_sweep(small: SmallExchange) -> None:
    """Such as after an older copy of the database was restored beside a newer archive."""
    small.submit(letter(1, attachments=(attachment(b"%PDF-1.7\n" + bytes(300_000)),)))
    small.submit(letter(2))
    small.work()
    objects = [each.sha256 for each in small.exchange.store.list()]
    with write(small.exchange.engine) as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name in {"message", "document", "attachment", "delivery", "evidence", "event", "outbox"}:
                connection.execute(delete(table))
    small.clock.now = datetime.now(UTC) + GRACE + timedelta(minutes=1)
    report = Worker(small.exchange, lambda task, error: None).sweep()
    assert (report.deleted, report.kept) == (0, len(objects))
    assert [each.sha256 for each in small.exchange.store.list()] == objects
