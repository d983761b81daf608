"""An invitation's meeting, and its iCalendar request (RFC 5545; METHOD:REQUEST of RFC 5546)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, TimezoneStandard, vCalAddress, vText

VIETNAM_TIME: Final = "Asia/Ho_Chi_Minh"
_OFFSET: Final = timedelta(hours=7)


@dataclass(frozen=True)
class Participant:
    """Somebody who invites or is invited."""

    name: str
    mail: str
    """An address without ``mailto:``."""


@dataclass(frozen=True)
class Meeting:
    """What an invitation says (template 1.7 of Decree 30/2020/NĐ-CP, appendix III)."""

    subject: str
    invitees: tuple[str, ...]
    chair: str
    starts: datetime
    ends: datetime
    venue: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse times without a zone, and an end before the beginning.

        Raises:
            ValueError: says which.
        """
        if self.starts.tzinfo is None or self.ends.tzinfo is None:
            raise ValueError("a meeting's times need a zone")
        if self.ends <= self.starts:
            raise ValueError("a meeting ends after it begins")


def meeting_ics(
    meeting: Meeting, *, uid: str, stamped: datetime, organizer: Participant, attendees: Sequence[Participant]
) -> bytes:
    """The request for a new meeting: SEQUENCE 0, each attendee asked to answer, times in Vietnam's zone.

    Lines end in CRLF and are folded at 75 octets. The same arguments give the same bytes.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//edoc-exchange//demonstration//VI")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST")
    calendar.add_component(_vietnam())
    calendar.add_component(_event(meeting, uid, stamped, organizer, attendees))
    return bytes(calendar.to_ical())


def _vietnam() -> Timezone:
    """The zone in the calendar itself: Outlook knows it by another name, and old systems not at all."""
    standard = TimezoneStandard()
    standard.add("dtstart", datetime(1975, 6, 13))  # noqa: DTZ001 -- RFC 5545 3.6.5: local time, without a zone
    standard.add("tzoffsetfrom", _OFFSET)
    standard.add("tzoffsetto", _OFFSET)
    standard.add("tzname", "+07")
    zone = Timezone()
    zone.add("tzid", VIETNAM_TIME)
    zone.add_component(standard)
    return zone


def _event(
    meeting: Meeting, uid: str, stamped: datetime, organizer: Participant, attendees: Sequence[Participant]
) -> Event:
    zone = ZoneInfo(VIETNAM_TIME)
    event = Event()
    event.add("uid", uid)
    event.add("sequence", 0)
    event.add("dtstamp", stamped.astimezone(UTC))
    event.add("dtstart", meeting.starts.astimezone(zone))
    event.add("dtend", meeting.ends.astimezone(zone))
    event.add("summary", meeting.subject)
    event.add("location", meeting.venue)
    event.add("description", "\n".join((f"Chủ trì: {meeting.chair}", *meeting.notes)))
    event.add("status", "CONFIRMED")
    event.add("organizer", _address(organizer))
    for attendee in attendees:
        event.add("attendee", _invited(attendee))
    return event


def _address(participant: Participant) -> vCalAddress:
    address = vCalAddress(f"mailto:{participant.mail}")
    address.params["CN"] = vText(participant.name)
    return address


def _invited(participant: Participant) -> vCalAddress:
    address = _address(participant)
    address.params["CUTYPE"] = vText("GROUP")
    address.params["ROLE"] = vText("REQ-PARTICIPANT")
    address.params["PARTSTAT"] = vText("NEEDS-ACTION")
    address.params["RSVP"] = vText("TRUE")
    return address
