"""Statements compiled once and run on the driver itself: for those that every accepted document needs.

SQLAlchemy's Core looks a statement up, makes a context and a result object and processes values by name at each
execution, which costs twenty times what SQLite takes to answer. What is compiled here is the very same Core statement,
with the same processing of values in and out; only the machinery between is left out.

Errors of the driver come as they are: run these inside :func:`~edoc.database.engine.read` or
:func:`~edoc.database.engine.write`, which translate them, as :meth:`Query.fetch` does itself.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Engine, Insert, Select, Update
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from edoc.database.errors import wrap_errors

AnySelect = Select[*tuple[Any, ...]]
"""A statement that asks for whatever columns."""
Process = Callable[[Any], Any] | None
"""What turns a value into the driver's form or back; None where it is the same."""


_ROWS_TOGETHER: Final = 256
"""So that the parameters stay far below SQLite's limit of 32,766."""


class _Compiled:
    """A statement in the words of one driver."""

    def __init__(self, compiled: SQLCompiler, dialect: Dialect) -> None:
        types = {name: bound.type for bound, name in compiled.bind_names.items()}
        self.text = compiled.string
        self.is_positional = compiled.positional
        self._names = tuple(compiled.positiontup or () if compiled.positional else types)
        processes = [(at, _bind_process(types[name], dialect)) for at, name in enumerate(self._names)]
        self._processes = [(at, process) for at, process in processes if process is not None]
        self._fixed = {name: bound.value for bound, name in compiled.bind_names.items() if not bound.required}
        """Values that are part of the statement."""

    def bind(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- what the driver takes: a sequence or a dict
        """The values in the form and order of the driver."""
        given = {**self._fixed, **values} if self._fixed else values
        bound = [given[name] for name in self._names]
        for at, process in self._processes:
            bound[at] = process(bound[at])
        return bound if self.is_positional else dict(zip(self._names, bound, strict=True))


class Query:
    """A ``SELECT``, whose rows come as named tuples."""

    def __init__(self, statement: AnySelect) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[_Compiled, tuple[Process, ...] | None]] = {}
        row: Any = namedtuple("Row", [str(each.key) for each in statement.selected_columns])  # type: ignore[misc]  # noqa: PYI024
        self._row: Callable[[Iterable[Any]], Any] = row._make  # its fields are known only here

    def rows(self, connection: Connection, **values: object) -> list[Any]:
        """The rows, inside the transaction of ``connection``."""
        return self._run(connection.connection.dbapi_connection, connection.dialect, values)

    def fetch(self, engine: Engine, **values: object) -> list[Any]:
        """The rows, in a transaction that consists of this statement alone.

        Raises:
            DatabaseError: see :func:`~edoc.database.errors.wrap_errors`.
        """
        with wrap_errors():
            pooled = engine.raw_connection()
            try:
                driver: Any = pooled.dbapi_connection
                if engine.dialect.name == "sqlite":  # commits each statement by itself, unless a transaction is begun
                    return self._run(driver, engine.dialect, values)
                driver.autocommit = True
                try:
                    return self._run(driver, engine.dialect, values)
                finally:
                    if not driver.closed:
                        driver.autocommit = False
            finally:
                pooled.close()

    def _run(self, driver: Any, dialect: Dialect, values: Mapping[str, object]) -> list[Any]:  # noqa: ANN401
        compiled, processes = self._compiled.get(dialect.name) or self._compile(dialect)
        cursor = driver.cursor()
        try:
            cursor.execute(compiled.text, compiled.bind(values))
            found = cursor.fetchall()
        finally:
            cursor.close()
        if processes is None:
            return [self._row(each) for each in found]
        return [
            self._row([value if to is None else to(value) for to, value in zip(processes, each, strict=True)])
            for each in found
        ]

    def _compile(self, dialect: Dialect) -> tuple[_Compiled, tuple[Process, ...] | None]:
        processes = tuple(_result_process(column.type, dialect) for column in self._statement.selected_columns)
        made = _compile(self._statement, dialect), processes if any(processes) else None
        self._compiled[dialect.name] = made
        return made


class Command:
    """An ``INSERT`` or ``UPDATE`` of many rows."""

    def __init__(self, statement: Insert | Update) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Run it for each row, inside the transaction of ``connection``; all rows name the same parameters."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._statement, dialect)
        cursor: Any = connection.connection.cursor()
        bound = [compiled.bind(row) for row in rows]
        try:
            if compiled.is_positional and isinstance(self._statement, Insert):
                _insert_together(cursor, compiled.text, bound)
            elif len(bound) == 1:
                cursor.execute(compiled.text, bound[0])
            else:
                cursor.executemany(compiled.text, bound)
        finally:
            cursor.close()


class KeyedQuery:
    """A ``SELECT`` for any number of keys at once: compiled for a few numbers, the last key filling up to the next."""

    def __init__(self, build: Callable[[Sequence[int]], AnySelect]) -> None:
        """``build`` gives the statement for keys of these positions, whose parameters end with the position."""
        self._query = functools.lru_cache(maxsize=None)(lambda size: Query(build(range(size))))

    def rows(self, connection: Connection, keys: Sequence[Mapping[str, object]]) -> list[Any]:
        """The rows of all keys, each a mapping of parameters without their positions; in no order of theirs."""
        if not keys:
            return []
        size = _size_for(keys)
        return self._query(size).rows(connection, **_filled(keys, size))


class KeyedCommand:
    """An ``UPDATE`` for any number of keys at once, as :class:`KeyedQuery`."""

    def __init__(self, build: Callable[[Sequence[int]], Update]) -> None:
        """``build``: see :class:`KeyedQuery`."""
        self._command = functools.lru_cache(maxsize=None)(lambda size: Command(build(range(size))))

    def run(self, connection: Connection, keys: Sequence[Mapping[str, object]], **values: object) -> None:
        """Run it for all keys; ``values`` are the parameters that do not belong to a key."""
        if keys:
            size = _size_for(keys)
            self._command(size).run(connection, [{**values, **_filled(keys, size)}])


def _size_for(keys: Sequence[object]) -> int:
    return 1 << (len(keys) - 1).bit_length()


def _filled(keys: Sequence[Mapping[str, object]], size: int) -> dict[str, object]:
    """The parameters of the keys, the last one repeated up to ``size``."""
    filled = [*keys, *[keys[-1]] * (size - len(keys))]
    return {f"{name}{at}": value for at, each in enumerate(filled) for name, value in each.items()}


def _insert_together(cursor: Any, text: str, rows: Sequence[Sequence[Any]]) -> None:  # noqa: ANN401
    """Insert with as few statements as there are powers of two in the number of rows.

    SQLite lets go of the interpreter's lock at each statement, and under load another thread takes it, while this one
    holds the turn of all writers: the number of statements is what a batch costs in time.
    """
    head, values, row = text.partition(" VALUES ")
    at = 0
    while at < len(rows):
        size = min(1 << (len(rows) - at).bit_length() - 1, _ROWS_TOGETHER)
        cursor.execute(head + values + ", ".join([row] * size), list(chain.from_iterable(rows[at : at + size])))
        at += size


def _compile(statement: AnySelect | Insert | Update, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"{statement} is no statement with parameters")
    return _Compiled(compiled, dialect)


def _bind_process(kind: TypeEngine[Any], dialect: Dialect) -> Process:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _result_process(kind: TypeEngine[Any], dialect: Dialect) -> Process:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
