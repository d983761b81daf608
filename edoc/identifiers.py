"""Identifiers that sort by time: UUID version 7 (RFC 9562 section 5.7). Time and randomness are arguments."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Random(Protocol):
    """A source of unpredictable bytes, such as ``os.urandom``."""

    def __call__(self, count: int, /) -> bytes:
        """That many bytes."""


class Clock(Protocol):
    """A source of the present time."""

    def __call__(self) -> datetime:
        """Now, aware, UTC."""


def uuid7(at: datetime, random: Random) -> UUID:
    """A new identifier made at ``at`` (aware), with 74 random bits."""
    milliseconds = int(at.timestamp() * 1000)
    noise = int.from_bytes(random(10), "big")
    high = noise >> 68
    low = noise & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | (7 << 76) | (high << 64) | (2 << 62) | low)


def first_uuid7(at: datetime) -> UUID:
    """The smallest identifier that can be made at ``at``: a bound for ranges in time, to the millisecond."""
    return UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))
