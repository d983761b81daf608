"""A small exchange for the tests of the services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.services import SmallExchange, small_exchange


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallExchange]:
    with small_exchange(tmp_path) as exchange:
        yield exchange
