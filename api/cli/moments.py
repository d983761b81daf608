"""Times as people type and read them: Vietnam time, unless a zone is named (Decision 28/2018 Art. 14(4))."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Final

import click

_AS_SHOWN: Final = ("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S")


class Moment(click.ParamType[datetime]):
    """``2026-11-24``, ``2026-11-24T08:30`` or with a zone, ``2026-11-24T01:30:00Z``; or as :func:`shown` has it."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, aware."""
        from edoc.vietnam import FIRST_YEAR, LAST_YEAR, VIETNAM, is_usual

        if isinstance(value, datetime):
            return value
        moment = _read(str(value).strip())
        if moment is None:
            self.fail(f"{value} is no time; write 2026-11-24T08:30 (Vietnam time) or with a zone", param, ctx)
        if not is_usual(moment):
            self.fail(f"{value} is not in the years {FIRST_YEAR} to {LAST_YEAR}; look at the year", param, ctx)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=VIETNAM)


def _read(text: str) -> datetime | None:
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(text)
    for form in _AS_SHOWN:
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form)  # noqa: DTZ007 -- the caller adds the zone
    return None


def shown(moment: str | datetime | None) -> str:
    """A moment as people here read it: Vietnam time, to the second; empty for none."""
    from edoc.vietnam import vietnam_time

    if moment is None or moment == "":
        return ""
    try:
        known = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return str(moment)
    return f"{vietnam_time(known):%d/%m/%Y %H:%M:%S}" if known.tzinfo is not None else str(moment)
