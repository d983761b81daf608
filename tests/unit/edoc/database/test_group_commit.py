"""Many units of work in one transaction: who shares, who fails, and that numbers have no gaps."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import ClassVar, Self

import pytest
from sqlalchemy import Connection, Engine, event, insert, select

from edoc.database.engine import open_engine, read, write
from edoc.database.errors import DatabaseError, DatabaseUnavailableError, RetryableError, RowConflictError
from edoc.database.group_commit import Failed, GroupCommit, Preparation, Ready, RowBatch, Sequences, Settled
from edoc.database.tables import AgencyRow, AgencySequenceRow, Base, DirectoryVersionRow

AGENCIES = (1, 2, 3)
PATIENCE = 20


@dataclass
class Item:
    """Enters one row, whose key is its number."""

    number: int
    key: str = ""
    """Several are parted by spaces."""
    actors: Sequence[int] = ()
    found: Preparation | Callable[[], Preparation] = field(default_factory=Ready)
    at_write: Callable[[], object] = lambda: None
    batches: ClassVar[list[list[int]]] = []

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self.key.split() or [str(self.number)])

    @classmethod
    def prepare(cls, connection: Connection, items: Sequence[Self]) -> Sequence[Preparation]:
        del connection
        cls.batches.append([item.number for item in items])
        return [item.found() if callable(item.found) else item.found for item in items]

    def write(self, connection: Connection, rows: RowBatch, sequences: Sequences) -> list[int]:
        del connection
        self.at_write()
        rows.add(DirectoryVersionRow, id=self.number, version=0)
        return [sequences.take(each) for each in self.actors]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    Item.batches.clear()
    engine = open_engine(f"sqlite:///{tmp_path / 'exchange.sqlite3'}", busy_timeout=PATIENCE)
    with write(engine) as connection:
        Base.metadata.create_all(connection)
        connection.execute(
            insert(AgencyRow),
            [
                {"id": each, "code": f"H29.{each}", "kind": "ward", "name": "", "valid_from": date(2018, 1, 1)}
                for each in AGENCIES
            ],
        )
        connection.execute(insert(AgencySequenceRow), [{"agency_id": each, "value": 0} for each in AGENCIES])
    yield engine
    engine.dispose()


def rows_of(engine: Engine) -> list[int]:
    with read(engine) as connection:
        return list(connection.scalars(select(DirectoryVersionRow.id).order_by(DirectoryVersionRow.id)))


class Running:
    """An item that a thread runs, which the end of the tests does not wait for: what hangs must fail."""

    def __init__(self, commits: GroupCommit, item: Item) -> None:
        self._commits, self._item = commits, item
        self._outcomes: list[list[int] | BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def outcome(self) -> list[int] | BaseException:
        """What it returned or raised, within the patience that there is."""
        self._thread.join(PATIENCE)
        assert self._outcomes, f"item {self._item.number} is still waiting"
        return self._outcomes[0]

    def _run(self) -> None:
        try:
            self._outcomes.append(self._commits.run(self._item))
        except (DatabaseError, SystemExit) as error:
            self._outcomes.append(error)


def run_while_one_leads(commits: GroupCommit, items: Sequence[Item]) -> list[list[int] | BaseException]:
    """Run ``items``, one thread each, which all come in their order while another item holds the transaction."""
    may_go = threading.Event()
    leads = threading.Event()

    def wait() -> None:
        leads.set()
        assert may_go.wait(PATIENCE)

    first = Running(commits, Item(0, at_write=wait))
    assert leads.wait(PATIENCE)
    others = []
    for count, item in enumerate(items, 1):
        others.append(Running(commits, item))
        while commits.waiting < count:
            threading.Event().wait(0.001)
    may_go.set()
    assert first.outcome() == []
    return [other.outcome() for other in others]


def test_an_item_alone_is_committed_at_once(engine: Engine) -> None:
    assert GroupCommit(engine).run(Item(7, actors=[1, 1])) == [1, 2]

    assert rows_of(engine) == [7]


def test_items_that_come_while_another_commits_share_the_next_transaction(engine: Engine) -> None:
    commits: list[Connection] = []
    event.listen(engine, "commit", commits.append)

    run_while_one_leads(GroupCommit(engine), [Item(1), Item(2), Item(3)])

    assert len(commits) == 2
    assert [sorted(batch) for batch in Item.batches] == [[0], [1, 2, 3]]
    assert rows_of(engine) == [0, 1, 2, 3]


def test_a_batch_has_no_more_items_than_it_may(engine: Engine) -> None:
    run_while_one_leads(GroupCommit(engine, max_batch=2), [Item(each) for each in range(1, 6)])

    assert sorted(len(batch) for batch in Item.batches) == [1, 1, 2, 2]


def test_items_with_a_key_in_common_never_share_a_transaction(engine: Engine) -> None:
    run_while_one_leads(GroupCommit(engine), [Item(1, "same"), Item(2, "same"), Item(3)])

    assert rows_of(engine) == [0, 1, 2, 3]
    assert not any({1, 2} <= set(batch) for batch in Item.batches)


def test_what_shares_a_key_with_an_item_set_aside_does_not_overtake_it(engine: Engine) -> None:
    run_while_one_leads(GroupCommit(engine), [Item(1, "a"), Item(2, "a b"), Item(3, "b c"), Item(4, "c"), Item(5)])

    assert Item.batches == [[0], [1, 5], [2], [3], [4]]


def test_an_item_that_fails_in_its_preparation_fails_alone(engine: Engine) -> None:
    failed = DatabaseError("no")

    outcomes = run_while_one_leads(GroupCommit(engine), [Item(1), Item(2, found=Failed(failed)), Item(3)])

    assert outcomes == [[], failed, []]
    assert rows_of(engine) == [0, 1, 3]


def test_an_item_that_was_done_before_is_not_written_again(engine: Engine) -> None:
    outcomes = run_while_one_leads(GroupCommit(engine), [Item(1, found=Settled([42])), Item(2)])

    assert outcomes == [[42], []]
    assert rows_of(engine) == [0, 2]


def test_a_row_of_one_that_breaks_the_transaction_costs_no_other_its_own(engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(insert(DirectoryVersionRow), {"id": 2, "version": 9})

    outcomes = run_while_one_leads(GroupCommit(engine), [Item(1, actors=[1]), Item(2, actors=[1]), Item(3, actors=[1])])

    assert isinstance(outcomes[1], RowConflictError)
    assert sorted(number for outcome in (outcomes[0], outcomes[2]) for number in outcome) == [1, 2]  # type: ignore[union-attr]
    assert rows_of(engine) == [0, 1, 2, 3]


def test_what_meets_another_transaction_is_tried_again_and_given_up_in_the_end(engine: Engine) -> None:
    attempts = iter([RetryableError("busy"), RetryableError("busy")])

    def busy_twice() -> None:
        for error in attempts:
            raise error

    def always_busy() -> None:
        raise RetryableError("busy")

    assert GroupCommit(engine).run(Item(1, at_write=busy_twice)) == []
    with pytest.raises(RetryableError):
        GroupCommit(engine).run(Item(2, at_write=always_busy))
    assert rows_of(engine) == [1]


def test_where_no_transaction_can_begin_all_that_wait_are_told_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = GroupCommit(engine)
    begun: list[None] = []

    @contextlib.contextmanager
    def write_once(engine: Engine) -> Iterator[Connection]:
        begun.append(None)
        if len(begun) > 1:
            raise DatabaseUnavailableError("the server is gone")
        with write(engine) as connection:
            yield connection

    monkeypatch.setattr("edoc.database.group_commit.write", write_once)
    outcomes = run_while_one_leads(commits, [Item(1), Item(2), Item(3)])

    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailableError] * 3
    assert len(begun) == 2
    assert rows_of(engine) == [0]


def test_the_numbers_of_an_agency_have_no_gaps_and_none_comes_twice(engine: Engine) -> None:
    commits = GroupCommit(engine)
    items = [
        Item(each, actors=AGENCIES[: each % 4], found=Failed(DatabaseError("no")) if each % 5 == 0 else Ready())
        for each in range(60)
    ]

    def run(item: Item) -> list[tuple[int, int]]:
        with contextlib.suppress(DatabaseError):
            return list(zip(item.actors, commits.run(item), strict=True))
        return []

    with ThreadPoolExecutor(8) as pool:
        taken = [pair for pairs in pool.map(run, items) for pair in pairs]

    for agency in AGENCIES:
        numbers = sorted(number for actor, number in taken if actor == agency)
        assert numbers == list(range(1, len(numbers) + 1))
        with read(engine) as connection:
            last = connection.scalar(select(AgencySequenceRow.value).where(AgencySequenceRow.agency_id == agency))
        assert last == len(numbers)


def test_nobody_waits_for_a_thread_that_is_stopped_in_its_second_try(engine: Engine) -> None:
    tries: list[None] = []

    def fail_then_stop() -> None:
        tries.append(None)
        if len(tries) == 1:
            raise RetryableError("busy")
        raise SystemExit

    outcomes = run_while_one_leads(GroupCommit(engine), [Item(1, at_write=fail_then_stop), Item(2), Item(3)])

    assert {type(outcome) for outcome in outcomes} <= {DatabaseError, SystemExit, list}
