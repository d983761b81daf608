"""Identifiers sort by the time they were made."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from edoc.identifiers import drawn_together, first_uuid7, uuid7

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


@given(TIMES, st.binary(min_size=8, max_size=8))
def test_an_identifier_is_a_uuid_of_version_7_with_its_time(at: datetime, noise: bytes) -> None:
    made = uuid7(at, lambda _: noise)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@given(TIMES, st.binary(min_size=8, max_size=8))
def test_the_first_identifier_of_a_time_bounds_all_made_then(at: datetime, noise: bytes) -> None:
    made = uuid7(at, lambda _: noise)
    assert first_uuid7(at) <= made < first_uuid7(at + timedelta(microseconds=1))


def test_two_identifiers_of_one_time_differ() -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    assert uuid7(at, os.urandom) != uuid7(at, os.urandom)


def test_bytes_drawn_together_are_given_out_once_each_and_more_are_drawn_when_they_are_gone() -> None:
    calls: list[int] = []

    def random(count: int) -> bytes:
        calls.append(count)
        return bytes(range(sum(calls) - count, sum(calls)))

    take = drawn_together(random, 20)

    assert [take(8), take(8)] == [bytes(range(8)), bytes(range(8, 16))]
    assert calls == [20]
    assert len(take(8)) == 8
    assert calls == [20, 8]
