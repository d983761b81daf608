"""The scalar types of edXML: dates and times in the forms that occur, integers, texts, and the lengths of fields.

Vietnam keeps one time, so a time without a zone is Vietnam time (Decision 28/2018/QD-TTg Article 14(4)).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time
from typing import Final

from edoc.vietnam import VIETNAM

_DAY_FIRST: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})([/-])([0-9]{2})\2([0-9]{2})")
_DAY_LENGTH: Final = 10
_INTEGER: Final = re.compile(r"-?[0-9]{1,9}")

MAX_LENGTH: Final = {
    "OrganId": 35,
    "OrganName": 200,
    "CodeNumber": 11,
    "CodeNotation": 30,
    "Subject": 500,
    "TypeName": 100,
    "Position": 100,
    "FullName": 50,
    "Content": 500,
    "BussinessDocReason": 500,
    "Competence": 100,
    "SphereOfPromulgation": 100,
    "PromulgationInfo/Place": 50,
    "ToPlaces/Place": 150,
    "ToPlaces": 1000,
    "TyperNotation": 10,
    "OrganizationInCharge": 500,
    "OrganAdd": 500,
    "Email": 100,
    "Telephone": 20,
    "Fax": 20,
    "Website": 100,
    "AttachmentName": 500,
    "Department": 300,
    "DepartmentId": 100,
    "Staff": 300,
    "StaffId": 100,
    "Mobile": 30,
    "DocumentId": 200,
    "Appendix": 500,
    "Description": 500,
    "ContentId": 204,
    "ContentType": 150,
    "ResponseFor/Code": 50,
    "date": 40,
}
"""Lengths in characters: Decree 30/2020/ND-CP Appendix VI where it names the field, else what servers of provincial
axes check. ``ToPlaces`` is all its places together; ``ResponseFor/Code`` is number, slash and
notation, ``date`` any date or time."""

MAX_AMOUNT: Final = 999
"""Three digits (Decree 30/2020/ND-CP Appendix VI)."""
MAX_SCALAR_LENGTH: Final = 10
"""Of integers, booleans and codes, which are read leniently; times four, as for texts."""


def max_length(name: str) -> int:
    """The length of a field in characters, by its name or by parent and name."""
    return MAX_LENGTH.get(name, MAX_SCALAR_LENGTH)


def normalize_text(text: str) -> str:
    """The text as it is compared: trimmed, in Unicode normalization form C."""
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def parse_date(text: str) -> date | None:
    """The day of ``yyyy/MM/dd``, ``yyyy-MM-dd`` or ``dd/MM/yyyy``, with or without a time behind it.

    ``None`` for every other form and for a day or time that does not exist.
    """
    moment = parse_timestamp(text)
    return None if moment is None else moment[0].date()


def parse_timestamp(text: str) -> tuple[datetime, bool] | None:
    """The moment in Vietnam time, and whether the text gave a time at all (else it is midnight).

    The date has the forms of :func:`parse_date`; the time may follow ISO 8601 and name a zone. A moment that is none
    in UTC, the first hours of year 1, does not exist either.
    """
    day = _parse_day(text[:_DAY_LENGTH])
    if day is None:
        return None
    rest = text[_DAY_LENGTH:]
    if rest and rest[0] not in " T":
        return None
    try:
        clock = time.fromisoformat(rest[1:].strip()) if rest else time(0)
        moment = datetime.combine(day, clock if clock.tzinfo is not None else clock.replace(tzinfo=VIETNAM))
        return moment.astimezone(UTC).astimezone(VIETNAM), bool(rest)
    except (ValueError, OverflowError):
        return None


def _parse_day(text: str) -> date | None:
    try:
        if found := _YEAR_FIRST.fullmatch(text):
            return date(int(found[1]), int(found[3]), int(found[4]))
        if found := _DAY_FIRST.fullmatch(text):
            return date(int(found[3]), int(found[2]), int(found[1]))
    except ValueError:
        return None
    return None


def is_no_code(code: str) -> bool:
    """Whether nodes of the axis write this, normalized, where they have no code."""
    return code == "NULL"


def parse_integer(text: str) -> int | None:
    """The integer of up to nine decimal digits, else ``None``."""
    return int(text) if _INTEGER.fullmatch(text) else None


def format_date(day: date) -> str:
    """``yyyy/MM/dd``, the only form that the vendor's classes read."""
    return f"{day.year:04d}/{day.month:02d}/{day.day:02d}"


def format_timestamp(moment: datetime) -> str:
    """``yyyy/MM/dd HH:mm:ss`` in Vietnam time; fractions of a second are left out."""
    local = moment.astimezone(VIETNAM)
    return f"{format_date(local.date())} {local.hour:02d}:{local.minute:02d}:{local.second:02d}"
