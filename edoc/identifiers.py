"""Identifiers that sort by time: UUID version 7 (RFC 9562 section 5.7). Time and randomness are arguments.

The twelve bits after the milliseconds hold the fraction of the millisecond (section 6.2, method 3), so that what is
made one microsecond later sorts later.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final, Protocol
from uuid import UUID

TICK: Final = timedelta(microseconds=1)
"""What happens in one transaction, or on what happened before, is told one tick apart at least, so that identifiers
sort in the order of cause."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Random(Protocol):
    """A source of unpredictable bytes, such as ``os.urandom``."""

    def __call__(self, count: int, /) -> bytes:
        """That many bytes."""


def drawn_together(random: Random, count: int) -> Random:
    """A source that has drawn ``count`` bytes at once, and gives them out piece by piece; after that it draws anew.

    A call into the system for each identifier would let go of the interpreter's lock each time.
    """
    take = BytesIO(random(count)).read

    def next_bytes(count: int) -> bytes:
        drawn = take(count)
        return drawn if len(drawn) == count else random(count)

    return next_bytes


class Clock(Protocol):
    """A source of the present time."""

    def __call__(self) -> datetime:
        """Now, aware, UTC."""


def after(now: datetime, before: datetime) -> datetime:
    """Now, but a tick after what it follows on: the clock of another machine may be ahead, or this one was set back."""
    return max(now, before + TICK)


def uuid7(at: datetime, random: Random) -> UUID:
    """A new identifier made at ``at`` (aware), with 62 random bits."""
    noise = int.from_bytes(random(8), "big") & ((1 << 62) - 1)
    return UUID(int=_time_bits(at) | (2 << 62) | noise)


def first_uuid7(at: datetime) -> UUID:
    """The smallest identifier that can be made at ``at``: a bound for ranges in time, to the microsecond.

    Before 1970 nothing can have been made, so the bound is that of 1970.
    """
    return UUID(int=_time_bits(at) | (2 << 62))


def _time_bits(at: datetime) -> int:
    microseconds = max(0, (at - _EPOCH) // timedelta(microseconds=1))
    milliseconds, fraction = divmod(microseconds, 1000)
    return (milliseconds << 80) | (7 << 76) | ((fraction * 4096 // 1000) << 64)
