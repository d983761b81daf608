"""Rows against the archive on real databases, also while the exchange writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from edoc.database.engine import write
from edoc.database.tables import OutboxRow
from edoc.reconciliation import Compared, Theme, compare_rows, count_rows
from tests.support.busy_days import busy_days
from tests.support.services import OTHER_WARD, WARD, SmallExchange, letter, small_exchange, status

pytestmark = pytest.mark.integration
LETTERS = 25


@pytest.fixture(params=["sqlite", "postgresql"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallExchange]:
    url = request.getfixturevalue("empty_postgresql_url") if request.param == "postgresql" else None
    with small_exchange(tmp_path, url=url) as exchange:
        yield exchange


def test_a_healthy_exchange_has_no_difference(small: SmallExchange) -> None:
    busy_days(small)
    assert list(compare_rows(small.exchange)) == [Compared()] * count_rows(small.exchange)


def test_an_exchange_at_work_has_no_difference(small: SmallExchange) -> None:
    def work() -> None:
        for number in range(1, LETTERS + 1):
            message = letter(number, to=(WARD, OTHER_WARD))
            pk = small.submit(message).document_pk
            small.hand_over(pk, WARD)
            small.submit(status("03", message, reporter=OTHER_WARD))
            small.work()

    rounds = []
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(work)
        while not writer.done():
            rounds.append([each for each in compare_rows(small.exchange) if each != Compared()])
        writer.result()
    assert len(rounds) > 1
    assert rounds == [[]] * len(rounds)
    assert count_rows(small.exchange) > LETTERS * 10


def test_lost_tasks_are_put_back_as_the_handbook_says(small: SmallExchange) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    with write(small.exchange.engine) as connection:
        connection.execute(delete(OutboxRow))
    themes = [each.theme for compared in compare_rows(small.exchange) for each in compared.differences]
    assert Counter(themes) == {Theme.TASKS: 3, Theme.UNREPORTED_ARRIVALS: 1}
    handbook = (Path(__file__).parents[2] / "docs" / "operation.md").read_text(encoding="utf-8")
    with write(small.exchange.engine) as connection:
        for statement in handbook.partition("```sql")[2].partition("```")[0].split(";")[:2]:
            connection.execute(text(statement))
    assert small.work() == 5  # the report of the arrival has evidence of its own
    assert list(compare_rows(small.exchange)) == [Compared()] * count_rows(small.exchange)
