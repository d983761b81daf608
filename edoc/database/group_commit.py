"""Many small units of work, one durable transaction: the flush that makes a commit durable is shared.

Threads that want to commit hand in a :class:`WorkItem` and wait. Whoever gets the lock first leads: it begins a
transaction, takes all that wait by then, commits once, and wakes the others. Under load the batches grow by
themselves, since more comes while another process has its turn; a lone caller commits at once.

Crash: before the commit nothing of the batch exists, and nobody has been answered; after it everything does. An
item that fails while it prepares fails alone. Should the transaction itself fail, each item is tried again in one
of its own, so that no item fails for another's fault.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Any, Final, Protocol, Self, TypeVar

from sqlalchemy import BigInteger, Connection, Engine, Integer, Update, bindparam, insert, select, update

from edoc.database.engine import write
from edoc.database.errors import DatabaseError, RetryableError
from edoc.database.prepared import AnySelect, Command, KeyedCommand, KeyedQuery
from edoc.database.tables import AgencySequenceRow, Base

MAX_BATCH: Final = 64
MAX_ATTEMPTS: Final = 5

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class RowBatch:
    """Rows to insert, gathered over the items of a batch and written with one statement a table."""

    def __init__(self) -> None:
        self._rows: dict[type[Base], list[dict[str, Any]]] = defaultdict(list)

    def add(self, table: type[Base], **values: object) -> None:
        """Add a row; every row of a table must name the same columns."""
        self._rows[table].append(values)

    def flush(self, connection: Connection) -> None:
        """Insert all rows, referred-to tables first."""
        for command, table in _inserts():
            if rows := self._rows.pop(table, None):
                command.run(connection, rows)


@functools.cache
def _inserts() -> tuple[tuple[Command, type[Base]], ...]:
    """An insert for each table, referred-to tables first."""
    order = {table: position for position, table in enumerate(Base.metadata.sorted_tables)}
    classes = [mapper.class_ for mapper in Base.registry.mappers]
    return tuple((Command(insert(each)), each) for each in sorted(classes, key=lambda each: order[each.__table__]))


class Sequences:
    """The next event numbers of the agencies of a batch, taken out of the database once."""

    def __init__(self, first: Mapping[int, int]) -> None:
        self._next: dict[int, Iterator[int]] = {agency_id: count(number) for agency_id, number in first.items()}

    def take(self, agency_id: int) -> int:
        """The next number of an agency that was among the actors of the item."""
        return next(self._next[agency_id])

    @classmethod
    def allocate(cls, connection: Connection, actors: Iterable[int]) -> Sequences:
        """Reserve as many numbers as each agency needs; the rows stay locked until the transaction ends.

        The rows are locked in one order, so that two batches cannot wait for each other.
        """
        needed = Counter(actors)
        if not needed:
            return cls({})
        agencies = sorted(needed)
        found = _LOCK_SEQUENCES.rows(connection, [{"agency": each} for each in agencies])
        values = {row.agency_id: row.value for row in found}
        for count_needed in sorted(set(needed.values())):
            raised = [{"agency": each} for each in agencies if needed[each] == count_needed]
            _RAISE_SEQUENCES.run(connection, raised, by=count_needed)
        return cls({agency_id: value + 1 for agency_id, value in values.items()})


def _lock_sequences(positions: Sequence[int]) -> AnySelect:
    agencies = [bindparam(f"agency{each}", type_=Integer) for each in positions]
    return (
        select(AgencySequenceRow.agency_id, AgencySequenceRow.value)
        .where(AgencySequenceRow.agency_id.in_(agencies))
        .order_by(AgencySequenceRow.agency_id)
        .with_for_update()
    )


def _raise_sequences(positions: Sequence[int]) -> Update:
    agencies = [bindparam(f"agency{each}", type_=Integer) for each in positions]
    return (
        update(AgencySequenceRow)
        .where(AgencySequenceRow.agency_id.in_(agencies))
        .values(value=AgencySequenceRow.value + bindparam("by", type_=BigInteger))
    )


_LOCK_SEQUENCES: Final = KeyedQuery(_lock_sequences)
_RAISE_SEQUENCES: Final = KeyedCommand(_raise_sequences)


@dataclass(frozen=True)
class Ready:
    """The item may be written."""


@dataclass(frozen=True)
class Settled:
    """The item has been done before: this is its result, nothing is to be written."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """The item cannot be done."""

    error: Exception


Preparation = Ready | Settled | Failed


class WorkItem(Protocol[T_co]):
    """One unit of work."""

    @property
    def keys(self) -> frozenset[str]:
        """Items that share a key never share a transaction, since one may decide what becomes of the other."""

    @property
    def actors(self) -> Sequence[int]:
        """The agencies that need an event number, each as often as it needs one."""

    @classmethod
    def prepare(cls, connection: Connection, items: Sequence[Self]) -> Sequence[Preparation]:
        """Look up, inside the transaction, what each item depends on; writes nothing."""

    def write(self, connection: Connection, rows: RowBatch, sequences: Sequences) -> T_co:
        """Add the rows of a ready item; must not fail for reasons of its own."""


class _Entry:
    """An item that waits, and what became of it."""

    def __init__(self, item: WorkItem[Any]) -> None:
        self.item = item
        self.outcome: Settled | Failed | None = None


class GroupCommit:
    """Runs items in shared transactions; one instance a process and database, shared by its threads."""

    def __init__(self, engine: Engine, max_batch: int = MAX_BATCH) -> None:
        self._engine, self._max_batch = engine, max_batch
        self._waiting: deque[_Entry] = deque()
        self._lead = Lock()

    @property
    def waiting(self) -> int:
        """How many items wait for a transaction now."""
        return len(self._waiting)

    def run(self, item: WorkItem[T]) -> T:
        """Do the item durably and return its result.

        Raises:
            EdocError: whatever the item's preparation found.
            DatabaseError: the database failed; nothing was written.
        """
        entry = _Entry(item)
        self._waiting.append(entry)
        while entry.outcome is None:
            with self._lead:
                if entry.outcome is None:
                    self._run_batch()
        if isinstance(entry.outcome, Failed):
            raise entry.outcome.error
        result: T = entry.outcome.result
        return result

    def _next_batch(self) -> list[_Entry]:
        """The entries that wait, in their order, as far as no two share a key."""
        batch: list[_Entry] = []
        later: list[_Entry] = []
        taken: set[str] = set()
        while self._waiting and len(batch) < self._max_batch:
            entry = self._waiting.popleft()
            if taken.isdisjoint(entry.item.keys):
                batch.append(entry)
            else:
                later.append(entry)
            taken |= entry.item.keys
        self._waiting.extendleft(reversed(later))
        return batch

    def _run_batch(self) -> None:
        """Run what waits once the database is ours: while we waited for that, more has come."""
        batch: list[_Entry] = []
        try:
            for entry, outcome in zip(batch, self._outcomes(batch), strict=True):
                entry.outcome = outcome
        except BaseException as error:  # the thread is being stopped: nobody may wait for it
            for entry in batch:
                entry.outcome = entry.outcome or Failed(DatabaseError(f"the commit was interrupted: {error!r}"))
            raise

    def _outcomes(self, batch: list[_Entry]) -> list[Settled | Failed]:
        """Fill the batch, run it, and say what became of each."""
        try:
            with write(self._engine) as connection:
                batch += self._next_batch()
                return _transact(connection, [entry.item for entry in batch])
        except Exception as error:  # noqa: BLE001 - told to whoever waits, here or by the single runs
            if not batch:  # the transaction could not begin: no item's fault, and all that wait would meet the same
                batch += self._next_batch()
                return [Failed(error)] * len(batch)
            if len(batch) == 1 and not isinstance(error, RetryableError):
                return [Failed(error)]
        return [self._run_alone(entry.item) for entry in batch]

    def _run_alone(self, item: WorkItem[Any]) -> Settled | Failed:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with write(self._engine) as connection:
                    [outcome] = _transact(connection, [item])
            except Exception as error:  # noqa: BLE001 - told to whoever waits
                if attempt == MAX_ATTEMPTS or not isinstance(error, RetryableError):
                    return Failed(error)
            else:
                return outcome
        raise AssertionError


def _transact(connection: Connection, items: Sequence[WorkItem[Any]]) -> list[Settled | Failed]:
    """Prepare all items, and write those that are ready; what it returns holds once the transaction is committed."""
    preparations = _prepare(connection, items)
    ready = [item for item, each in zip(items, preparations, strict=True) if isinstance(each, Ready)]
    sequences = Sequences.allocate(connection, (actor for item in ready for actor in item.actors))
    rows = RowBatch()
    outcomes: list[Settled | Failed] = [
        Settled(item.write(connection, rows, sequences)) if isinstance(each, Ready) else each
        for item, each in zip(items, preparations, strict=True)
    ]
    rows.flush(connection)
    return outcomes


def _prepare(connection: Connection, items: Sequence[WorkItem[Any]]) -> list[Preparation]:
    by_type: dict[type[WorkItem[Any]], list[int]] = defaultdict(list)
    for position, item in enumerate(items):
        by_type[type(item)].append(position)
    preparations: dict[int, Preparation] = {}
    for kind, positions in by_type.items():
        found = kind.prepare(connection, [items[position] for position in positions])
        preparations.update(zip(positions, found, strict=True))
    return [preparations[position] for position in range(len(items))]
