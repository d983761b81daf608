"""Some days of an exchange, with all that usually happens: for tests of what must hold afterwards."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from edoc.acceptance.errors import RefusedError
from edoc.envelope.model import OtherInfo, Priority, ResponseFor
from tests.support.services import (
    HOME_AFFAIRS,
    OFFICE,
    OTHER_WARD,
    WARD,
    SmallExchange,
    attachment,
    letter,
    status,
)


def busy_days(small: SmallExchange) -> None:
    """Some days of an exchange: letters, handovers, arrivals, states, refusals, retries; all evidence archived."""
    first = letter(1, to=(WARD, OTHER_WARD))
    receipt = small.submit(first)
    assert small.submit(small.exchange.store.read(receipt.message_sha256, 1 << 20), OFFICE).replayed
    small.submit(letter(2, sender=HOME_AFFAIRS, attachments=(attachment(b"%PDF-1.7\n" + bytes(300_000)),)))
    second = letter(
        3,
        to=("000.01.31.H29", OFFICE, WARD),
        due_date=date(2027, 1, 2),
        other_info=OtherInfo(priority=Priority.URGENT),
        response_for=(ResponseFor(HOME_AFFAIRS, "02/UBND-VX", "x", date(2026, 1, 2)),),
    )
    small.submit(second)
    small.hand_over(receipt.document_pk, WARD)
    small.hand_over(receipt.document_pk, WARD)
    small.work()
    small.submit(status("03", first))
    small.submit(status("03", first, at=small.clock() + timedelta(hours=1)))
    for hour in range(2):
        small.submit(status("05", first, at=small.clock() + timedelta(hours=hour)))
    small.submit(status("02", first, reporter=OTHER_WARD, description="Không thuộc thẩm quyền"))
    small.submit(status("13", second, reporter=OFFICE, to=WARD, description="Gửi nhầm"))
    small.submit(status("15", second))
    for _ in range(2):
        with pytest.raises(RefusedError):
            small.submit(small.sealed(letter(4), sealer=WARD), OFFICE)
    small.work()
