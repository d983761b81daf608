"""Reading rows that belong together: in one state of the database, whatever is committed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, bindparam, select, text

from edoc.database.engine import read
from edoc.database.prepared import AnySelect
from edoc.database.tables import OutboxRow
from edoc.delivery.outbox import Topic

FIRST = UUID(int=0)
"""Before the identifier of every row."""

Row = Mapping[str, Any]


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction whose statements all see one state.

    Raises:
        DatabaseError: see :func:`~edoc.database.errors.wrap_errors`.
    """
    with read(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        yield connection


def fetch(connection: Connection, query: AnySelect, **values: object) -> Sequence[Row]:
    """The rows as mappings by the names of their columns."""
    return [dict(row) for row in connection.execute(query, values).mappings()]


def promised(connection: Connection, topic: Topic, subjects: Iterable[UUID]) -> frozenset[UUID]:
    """Those of the subjects of which a task of the outbox is still to be done."""
    asked = list(subjects)
    if not asked:
        return frozenset()
    return frozenset(connection.execute(_PROMISED, {"topic": topic.value, "subjects": asked}).scalars())


def by(rows: Iterable[Row], key: str) -> dict[Any, Row]:
    """The rows by a column that is unique among them."""
    return {row[key]: row for row in rows}


def grouped(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    """The rows by a column that is not, each group in their order."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


_PROMISED: Final = select(OutboxRow.subject).where(
    OutboxRow.topic == bindparam("topic"), OutboxRow.subject.in_(bindparam("subjects", expanding=True))
)
