"""Reading rows that belong together: in one state of the database, whatever is committed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from edoc.database.engine import read
from edoc.database.prepared import AnySelect

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


def by(rows: Iterable[Row], key: str) -> dict[Any, Row]:
    """The rows by a column that is unique among them."""
    return {row[key]: row for row in rows}


def grouped(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    """The rows by a column that is not, each group in their order."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups
