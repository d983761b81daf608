"""The business states of a delivery: what may follow on what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc.delivery.errors import ReportLimitError, TransitionError
from edoc.delivery.states import (
    MAX_OTHER_REPORTS,
    MAX_REPORTS,
    DeliveryState,
    ReporterRole,
    advance,
    check_room,
    replay,
)

R, S = ReporterRole.RECIPIENT, ReporterRole.SENDER
CODES = ["01", "02", "03", "04", "05", "06", "07", "13", "14", "15", "16"]
REPORTS = st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(list(ReporterRole))), max_size=12)


@pytest.mark.parametrize(
    ("codes", "shown"),
    [
        ("", "consigned"),
        ("01", "01"),
        ("01 03 04 05 05 06", "06"),
        ("03", "03"),
        ("06", "06"),
        ("05 03", "05"),
        ("01 02", "02"),
        ("02", "02"),
        ("03 S13", "13"),
        ("03 S13 15", "15"),
        ("03 S13 16", "03"),
        ("03 S13 05", "13"),
        ("03 S13 16 S13 15", "15"),
        ("03 09", "03"),
    ],
)
def test_reports_lead_to_the_state_shown(codes: str, shown: str) -> None:
    reports = [(code.lstrip("S"), S if code.startswith("S") else R) for code in codes.split()]
    assert replay(reports).shown == shown


@pytest.mark.parametrize(
    ("codes", "code", "role", "why"),
    [
        ("03", "02", R, "has accepted"),
        ("02", "03", R, "has refused"),
        ("02", "13", S, "does not have the document"),
        ("03 S13 15", "06", R, "was taken back"),
        ("03 S13 15", "13", S, "does not have the document"),
        ("03", "15", R, "has not asked"),
        ("03", "16", R, "has not asked"),
        ("", "13", R, "only the sender"),
        ("", "03", S, "only the recipient"),
        ("S13", "15", S, "only the recipient"),
    ],
)
def test_what_cannot_follow_is_refused_with_the_reason(codes: str, code: str, role: ReporterRole, why: str) -> None:
    reports = [(each.lstrip("S"), S if each.startswith("S") else R) for each in codes.split()]
    with pytest.raises(TransitionError, match=why):
        advance(replay(reports), code, role)


@given(st.lists(st.sampled_from(CODES), max_size=4 * MAX_REPORTS))
def test_a_delivery_takes_a_bounded_number_of_reports_and_each_state_finds_room(codes: list[str]) -> None:
    taken: list[str] = []
    for code in (*codes, "01", "02", "03", "04", "06", "13", "15", "16"):
        if code not in ("05", "07", "14") and code in taken:
            continue  # the same report, which is not taken on again
        try:
            check_room(taken, code)
        except ReportLimitError:
            assert code in ("05", "07", "14")
        else:
            taken.append(code)
    assert len(taken) <= MAX_REPORTS
    assert {"01", "02", "03", "04", "06", "13", "15", "16"} <= set(taken)


def test_one_more_of_a_repeatable_state_than_a_delivery_takes_is_refused() -> None:
    check_room(["05"] * (MAX_OTHER_REPORTS - 1), "05")
    with pytest.raises(ReportLimitError, match=f"has {MAX_OTHER_REPORTS} reports"):
        check_room(["05"] * MAX_OTHER_REPORTS, "05")


def accepted(reports: list[tuple[str, ReporterRole]]) -> DeliveryState:
    state = DeliveryState()
    for code, role in reports:
        try:
            state = advance(state, code, role)
        except TransitionError:
            continue
    return state


@given(REPORTS)
def test_a_refused_or_withdrawn_document_stays_so(reports: list[tuple[str, ReporterRole]]) -> None:
    state = accepted(reports)
    if state.progress == "02":
        assert accepted([*reports, ("03", R), ("06", R)]).progress == "02"
    if state.taken_back:
        assert accepted([*reports, *[(code, role) for code in CODES for role in (R, S)]]).taken_back


@given(REPORTS, st.sampled_from(["01", "03", "04", "05", "06"]))
def test_progress_never_goes_back(reports: list[tuple[str, ReporterRole]], code: str) -> None:
    stages = ["consigned", "01", "03", "04", "05", "06", "02"]
    before, after = accepted(reports), accepted([*reports, (code, R)])
    assert stages.index(after.progress) >= stages.index(before.progress)


@given(REPORTS, st.sampled_from(["01", "03", "04", "05", "06"]))
def test_a_repeat_changes_nothing(reports: list[tuple[str, ReporterRole]], code: str) -> None:
    once = accepted([*reports, (code, R)])
    assert accepted([*reports, (code, R), (code, R)]) == once
