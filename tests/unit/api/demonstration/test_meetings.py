"""The meeting request is the iCalendar that calendars read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from api.demonstration.meetings import Participant, meeting_ics
from tests.support.letters import CREATED, MEETING

ORGANIZER = Participant("Sở Nội vụ", "h29.2@vanthu.example")
WARDS = (
    Participant("Ủy ban nhân dân Phường Bến Nghé - Quận 1", "h29.31.1@vanthu.example"),
    Participant('Phường "Ví Dụ"; Quận 1', "h29.31.2@vanthu.example"),
)


def _request() -> bytes:
    return meeting_ics(MEETING, uid="hop-15@edoc.example", stamped=CREATED, organizer=ORGANIZER, attendees=WARDS)


def _components(name: str) -> list[Any]:
    return list(Calendar.from_ical(_request()).walk(name))


def test_request_holds_one_new_meeting_with_the_callers_identity_and_stamp() -> None:
    (calendar,), (event,) = _components("VCALENDAR"), _components("VEVENT")
    assert str(calendar["METHOD"]) == "REQUEST"
    assert (str(event["UID"]), int(event["SEQUENCE"])) == ("hop-15@edoc.example", 0)
    assert event["DTSTAMP"].dt == datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def test_times_are_in_a_zone_that_the_request_itself_defines_as_seven_hours_east() -> None:
    text = _request().decode()
    assert "DTSTART;TZID=Asia/Ho_Chi_Minh:20260305T080000\r\n" in text
    assert "DTEND;TZID=Asia/Ho_Chi_Minh:20260305T113000\r\n" in text
    (zone,) = _components("STANDARD")
    assert zone["TZOFFSETTO"].td == timedelta(hours=7)
    assert "TZID:Asia/Ho_Chi_Minh\r\nBEGIN:STANDARD\r\nDTSTART:19750613T000000\r\n" in text


def test_every_attendee_is_asked_to_answer() -> None:
    (event,) = _components("VEVENT")
    attendees = event["ATTENDEE"]
    assert [str(attendee) for attendee in attendees] == [f"mailto:{ward.mail}" for ward in WARDS]
    assert {attendee.params["PARTSTAT"] for attendee in attendees} == {"NEEDS-ACTION"}
    assert attendees[0].params["CN"] == WARDS[0].name
    assert str(event["ORGANIZER"]) == "mailto:h29.2@vanthu.example"


def test_lines_end_in_crlf_and_are_folded_at_75_octets_without_cutting_a_character() -> None:
    lines = _request().split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert lines[-1] == b""
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert all(line.decode() or line == b"" for line in lines)


def test_same_arguments_give_the_same_bytes() -> None:
    assert _request() == _request()


def test_meeting_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="ends after it begins"):
        replace(MEETING, ends=MEETING.starts)


def test_meeting_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="need a zone"):
        replace(MEETING, starts=MEETING.starts.replace(tzinfo=None))
