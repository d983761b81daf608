"""The business states of a delivery as a state machine (``reference`` section 6); pure.

The receiver reports 01 to 06 (gaps allowed, late lower codes recorded without going back), the sender may ask to
take the document back (13), and the receiver agrees (15) or refuses (16). Codes that no source uses are recorded
and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from edoc.delivery.errors import ReportLimitError, TransitionError

CONSIGNED: Final = "consigned"
ARRIVED: Final = "01"
REFUSED: Final = "02"
ACCEPTED: Final = "03"
FINISHED: Final = "06"
TAKE_BACK: Final = "13"
TAKE_BACK_AGREED: Final = "15"
TAKE_BACK_REFUSED: Final = "16"
REPEATABLE: Final = frozenset({"05"})
"""May be reported again and again; of all others a repeat is the same report."""
MAX_REPORTS: Final = 24
"""On one delivery. Each costs an export of the document two files, and its reader two seals to judge."""
NEEDS_DESCRIPTION: Final = frozenset({REFUSED, TAKE_BACK, TAKE_BACK_REFUSED})

_RECEIVER_CODES: Final = frozenset({"01", "02", "03", "04", "05", "06", TAKE_BACK_AGREED, TAKE_BACK_REFUSED})
_ONCE: Final = (_RECEIVER_CODES | {TAKE_BACK}) - REPEATABLE
"""What may be reported once; there is always room left for each of these."""
MAX_OTHER_REPORTS: Final = MAX_REPORTS - len(_ONCE)
"""Of all other codes together: the repeatable one, and those that no source uses."""
_STAGES: Final = ("01", "03", "04", "05", "06")


class ReporterRole(Enum):
    """On which side of the delivery a reporter stands."""

    SENDER = "sender"
    RECIPIENT = "recipient"


def role_of(code: str) -> ReporterRole:
    """The side that a report of the code comes from: the sender asks to take back, all else is the recipient's.

    So it holds as well where one agency is both, whose letter has itself among the recipients.
    """
    return ReporterRole.SENDER if code == TAKE_BACK else ReporterRole.RECIPIENT


@dataclass(frozen=True)
class DeliveryState:
    """Where a delivery stands."""

    progress: str = CONSIGNED
    """``consigned``, or the furthest code of 01 to 06."""
    take_back_asked: bool = False
    taken_back: bool = False

    @property
    def shown(self) -> str:
        """The one state that lists show."""
        if self.taken_back:
            return TAKE_BACK_AGREED
        return TAKE_BACK if self.take_back_asked else self.progress


def replay(reports: Iterable[tuple[str, ReporterRole]]) -> DeliveryState:
    """The state after all reports of a history, in order."""
    state = DeliveryState()
    for code, role in reports:
        state = advance(state, code, role)
    return state


def advance(state: DeliveryState, code: str, role: ReporterRole) -> DeliveryState:
    """The state after one more report.

    Raises:
        TransitionError: this side may not report the code, or it cannot follow on the present state.
    """
    _check_role(state, code, role)
    if code == TAKE_BACK:
        return _ask_back(state)
    if code in (TAKE_BACK_AGREED, TAKE_BACK_REFUSED):
        return _answer(state, code)
    if code in _RECEIVER_CODES:
        return _progress(state, code)
    return state


def check_room(codes: Iterable[str], code: str) -> None:
    """Make sure that one more report on a delivery can be taken on, after those of ``codes``.

    Raises:
        ReportLimitError: there are too many, and the code is not one of those for which room is kept.
    """
    if code not in _ONCE and sum(each not in _ONCE for each in codes) >= MAX_OTHER_REPORTS:
        raise ReportLimitError(code, MAX_OTHER_REPORTS)


def _check_role(state: DeliveryState, code: str, role: ReporterRole) -> None:
    if code == TAKE_BACK and role is not ReporterRole.SENDER:
        raise TransitionError(state.shown, code, "only the sender asks to take a document back")
    if code in _RECEIVER_CODES and role is not ReporterRole.RECIPIENT:
        raise TransitionError(state.shown, code, "only the recipient reports this state")


def _ask_back(state: DeliveryState) -> DeliveryState:
    if state.progress == REFUSED or state.taken_back:
        raise TransitionError(state.shown, TAKE_BACK, "the recipient does not have the document any more")
    return replace(state, take_back_asked=True)


def _answer(state: DeliveryState, code: str) -> DeliveryState:
    if not state.take_back_asked:
        raise TransitionError(state.shown, code, "the sender has not asked to take the document back")
    return replace(state, take_back_asked=False, taken_back=code == TAKE_BACK_AGREED)


def _progress(state: DeliveryState, code: str) -> DeliveryState:
    if state.taken_back:
        raise TransitionError(state.shown, code, "the document was taken back")
    if state.progress == REFUSED:
        raise TransitionError(state.shown, code, "the recipient has refused the document")
    if code == REFUSED:
        if state.progress not in (CONSIGNED, ARRIVED):
            raise TransitionError(state.shown, code, "the recipient has accepted the document")
        return replace(state, progress=REFUSED)
    return replace(state, progress=max(state.progress, code, key=_stage))


def _stage(code: str) -> int:
    return _STAGES.index(code) if code in _STAGES else -1
