"""Dates, times and numbers in the forms that occur."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc.envelope.scalars import (
    format_date,
    format_timestamp,
    normalize_text,
    parse_date,
    parse_integer,
    parse_timestamp,
)
from edoc.vietnam import VIETNAM


@pytest.mark.parametrize(
    "text",
    [
        "2026/03/02",
        "2026-03-02",
        "02/03/2026",
        "2026/03/02 08:15:00",
        "2026-03-02T08:15:00",
        "02/03/2026 08:15:00",
        "2026-03-02T08:15:00.250+07:00",
        "2026-03-02T01:15:00Z",
    ],
)
def test_every_form_in_use_is_read(text: str) -> None:
    assert parse_date(text) == date(2026, 3, 2)


@pytest.mark.parametrize(
    "text",
    [
        "2026/02/30",
        "30/02/2026",
        "2026/13/01",
        "0000/01/01",
        "2026/3/2",
        "2026/03-02",
        "2026.03.02",
        "26/03/02",
        "2026/03/02 25:00:00",
        "2026/03/02 08:15:00 tối",
        "2026/03/02x08:15",
        "٢٠٢٦/٠٣/٠٢",
        "0001-01-01T00:00:00+23:59",
        "0001/01/01",
        "0001/01/01 06:59:59",
        "9999-12-31T23:59:59-01:00",
        "today",
        "",
    ],
)
def test_days_and_times_that_do_not_exist_are_none(text: str) -> None:
    assert parse_date(text) is None


def test_every_time_that_exists_is_one_in_utc_too() -> None:
    for text in ("0001/01/01 07:00:00", "9999/12/31 23:59:59"):
        moment = parse_timestamp(text)
        assert moment is not None
        assert moment[0].astimezone(UTC).year in (1, 9999)


def test_a_time_without_a_zone_is_vietnam_time() -> None:
    assert parse_timestamp("2026/03/02 08:15:00") == (datetime(2026, 3, 2, 8, 15, tzinfo=VIETNAM), True)


def test_a_zone_is_respected() -> None:
    moment = parse_timestamp("2026-03-02T20:15:00Z")
    assert moment is not None
    assert moment[0] == datetime(2026, 3, 2, 20, 15, tzinfo=UTC)
    assert moment[0].utcoffset() == timedelta(hours=7)


def test_a_day_without_a_time_is_told_apart() -> None:
    assert parse_timestamp("2026/03/02") == (datetime(2026, 3, 2, tzinfo=VIETNAM), False)


@given(st.dates())
def test_a_date_that_is_written_is_read_back(day: date) -> None:
    assert parse_date(format_date(day)) == day


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=st.timezones()).filter(  # noqa: DTZ001 - the zone is drawn beside it
        lambda moment: moment.utcoffset() is not None
    )
)
def test_a_time_that_is_written_is_read_back_to_the_second(moment: datetime) -> None:
    read = parse_timestamp(format_timestamp(moment))
    assert read is not None
    assert read[0] == moment.astimezone(UTC).replace(microsecond=0)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("71", 71), ("-1", -1), ("007", 7)])
def test_decimal_digits_are_a_number(text: str, number: int) -> None:
    assert parse_integer(text) == number


@pytest.mark.parametrize("text", ["", "1.0", "1e3", "٣", "1_000", "9" * 10, "+1", "x"])
def test_anything_else_is_no_number(text: str) -> None:
    assert parse_integer(text) is None


def test_texts_are_compared_trimmed_and_composed() -> None:
    assert normalize_text(" Gia\u0302\u0301y mo\u031b\u0300i\n") == "Giấy mời"
