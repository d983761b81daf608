"""Vietnam time: all systems of the exchange keep it (Decision 28/2018 Art. 14(4)); no daylight saving since 1975."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Final

VIETNAM: Final = timezone(timedelta(hours=7), "+07")


FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2999
"""Between these, both included, times are taken; what is reckoned from them stays within the calendar."""


def is_usual(at: datetime) -> bool:
    """Whether a time lies within the years that are taken."""
    return FIRST_YEAR <= at.year <= LAST_YEAR


def vietnam_time(at: datetime) -> datetime:
    """The moment in Vietnam time."""
    return at.astimezone(VIETNAM)


def vietnam_date(at: datetime) -> date:
    """The day in Vietnam at that moment."""
    return vietnam_time(at).date()
