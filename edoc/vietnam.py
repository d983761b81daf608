"""Vietnam time: all systems of the exchange keep it (Decision 28/2018 Art. 14(4)); no daylight saving since 1975."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Final

VIETNAM: Final = timezone(timedelta(hours=7), "+07")


def vietnam_time(at: datetime) -> datetime:
    """The moment in Vietnam time."""
    return at.astimezone(VIETNAM)


def vietnam_date(at: datetime) -> date:
    """The day in Vietnam at that moment."""
    return vietnam_time(at).date()
