"""How many rows a statement writes; what it does on a database is tested with the databases."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from edoc.database.prepared import Command
from edoc.database.tables import Base

SQLITE_PARAMETERS = 32_766
"""The most that a statement may have, unless SQLite was built to take more, as the one that is installed may be."""


class Recorder:
    """A driver's cursor that writes down how many parameters each statement had."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def execute(self, text: str, parameters: Sequence[Any]) -> None:
        assert text.count("?") == len(parameters)
        self.counts.append(len(parameters))

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_no_insert_has_more_parameters_than_any_sqlite_takes(table: Any) -> None:  # noqa: ANN401 - a Table
    recorder = Recorder()
    connection = SimpleNamespace(dialect=SQLiteDialect_pysqlite(), connection=SimpleNamespace(cursor=lambda: recorder))
    rows = [dict.fromkeys(table.columns.keys())] * (2 * SQLITE_PARAMETERS // len(table.columns))
    Command(insert(table)).run(cast(Connection, connection), rows)
    assert sum(recorder.counts) == len(rows) * len(table.columns)
    assert max(recorder.counts) <= SQLITE_PARAMETERS
