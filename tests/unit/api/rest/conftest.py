"""The small exchange and its agencies' desks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exchange import SENDER, STRANGER, WARD, SmallExchange, small_exchange
from tests.support.http import Desk, desk


@pytest.fixture
def office(tmp_path: Path) -> Iterator[SmallExchange]:
    with small_exchange(tmp_path / "home") as made:
        yield made


@pytest.fixture
def sender(office: SmallExchange) -> Desk:
    return desk(office, SENDER)


@pytest.fixture
def ward(office: SmallExchange) -> Desk:
    return desk(office, WARD)


@pytest.fixture
def stranger(office: SmallExchange) -> Desk:
    return desk(office, STRANGER)
