"""What a comparison of rows and archive finds, as frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class Theme(Enum):
    """What a difference is about."""

    DOCUMENTS = "documents"
    """Letters, their messages and files, against the messages that agencies sealed."""
    DELIVERIES = "deliveries"
    """To whom a letter goes, and how far it has come."""
    STATUSES = "statuses"
    """Reported states, against the status messages."""
    EVIDENCE = "evidence"
    """Evidence, against the statements that the exchange sealed; and that there is all of it."""
    EVENTS = "events"
    """The numbered events of each agency, against the numbers in the evidence."""
    TASKS = "tasks"
    """Evidence that is not archived, and that no task of the outbox promises to archive."""
    UNREPORTED_ARRIVALS = "unreported_arrivals"
    """Handovers of which no arrival was reported or is going to be: the policy was another then, or a task was lost."""
    LOST_EVIDENCE = "lost_evidence"
    """Evidence in the archive without a row. The row is committed before the archive has it, so that it was lost."""
    UNCLAIMED_MESSAGES = "unclaimed_messages"
    """A message in the archive without a row: what a crash before the commit leaves, or a row was lost."""
    UNJUDGED_SEALS = "unjudged_seals"
    """Seals whose values are right, of holders that are known, under certificates that the present anchors and CRLs do
    not show to be good: what was trusted then was replaced or taken back since."""
    UNKNOWN_SEALS = "unknown_seals"
    """Seals in the exchange's name that are good, and of which nothing tells whose they are."""


@dataclass(frozen=True)
class Difference:
    """One thing of which rows and archive tell different stories."""

    theme: Theme
    subject: str
    """What it is about, such as the letter's DocumentId."""
    what: str
    """Names columns, never what letters say."""


@dataclass(frozen=True)
class SealProblem:
    """Why a seal does not show what its row says."""

    what: str
    doubt: Theme | None = None
    """What it is told under where it accuses nobody; None where the seal is simply not the right one."""

    def as_difference(self, theme: Theme, subject: str) -> Difference:
        """The difference of something that is otherwise told under ``theme``."""
        return Difference(self.doubt or theme, subject, self.what)


@dataclass(frozen=True)
class Compared:
    """One row, or one object, that was looked at."""

    differences: tuple[Difference, ...] = ()
    is_unread: bool = False
    """Whether the archive does not have it whole, so that there was nothing to compare with."""


def differing(row: Mapping[str, object], sealed: Mapping[str, object], owner: str = "") -> list[str]:
    """The names of the columns that do not hold what is sealed."""
    return [f"{owner}{name}" for name, value in sealed.items() if row[name] != value]


def as_difference(theme: Theme, subject: str, columns: Iterable[str], where: str) -> list[Difference]:
    """The difference of a row in these columns; none where there are none."""
    named = ", ".join(columns)
    return [Difference(theme, subject, f"{named}: not as in {where}")] if named else []
