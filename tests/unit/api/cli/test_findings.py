"""What an audit found, in Vietnamese: a meaning for every check and a remedy for every way in which one fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api.cli.findings import MEANINGS, REMEDIES, REMEDIES_OF_SEALS, meaning, remedy
from edoc.audit.model import Check, CheckName, Outcome
from signing.report import Finding, Indication, SubIndication, ValidationReport
from signing.xades.verifier import ON_HOLD

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOTED = {CheckName.EXCHANGE_IDENTITY, CheckName.TIME}
"""Checks that are never more than a note."""


def failed_seal(name: CheckName, sub_indication: SubIndication, outcome: Outcome = Outcome.BAD) -> Check:
    indication = Indication.TOTAL_FAILED if outcome is Outcome.BAD else Indication.INDETERMINATE
    findings = (Finding("some.rule", "why", "what helps"),)
    report = ValidationReport(indication, sub_indication, findings, NOON, None, None, None, (), None, (), ())
    return Check(name, "x", outcome, "why", "what helps", report)


def test_every_sub_indication_has_a_remedy() -> None:
    assert set(REMEDIES_OF_SEALS) == {each.value for each in SubIndication}


def test_every_check_that_can_fail_has_a_meaning_and_a_remedy() -> None:
    names = {each.value for each in CheckName if each not in NOTED}
    assert set(MEANINGS["bad"]) == set(REMEDIES["bad"]) == names
    assert set(MEANINGS["note"]) == {each.value for each in NOTED}
    assert set(REMEDIES["indeterminate"]) <= set(MEANINGS["indeterminate"])


def test_every_outcome_has_its_words() -> None:
    assert set(MEANINGS) == {each.value for each in Outcome}


@pytest.mark.parametrize("name", [CheckName.MESSAGE_SEAL, CheckName.EVIDENCE_SEAL, CheckName.STATUS_SEAL])
def test_a_seal_that_failed_is_remedied_by_its_sub_indication(name: CheckName) -> None:
    check = failed_seal(name, SubIndication.REVOKED_NO_POE, Outcome.INDETERMINATE)
    assert remedy(check) == REMEDIES_OF_SEALS["REVOKED_NO_POE"]
    assert meaning(check) == "chưa đủ căn cứ để kết luận về chữ ký"


@pytest.mark.parametrize(
    ("rule", "sub_indication", "helps"),
    [
        ("path.revoked_since", SubIndication.REVOKED_NO_POE, "ghi thời điểm tùy ý"),
        ("path.before_validity", SubIndication.OUT_OF_BOUNDS_NO_POE, "hoặc không dùng --at"),
        (ON_HOLD, SubIndication.TRY_LATER, "đang tạm dừng chứng thư số"),
    ],
)
def test_a_rule_that_says_more_than_its_sub_indication_has_its_own_remedy(
    rule: str, sub_indication: SubIndication, helps: str
) -> None:
    check = failed_seal(CheckName.EVIDENCE_SEAL, sub_indication, Outcome.INDETERMINATE)
    assert check.report is not None
    found = replace(check.report, findings=(Finding(rule, "why", "what helps"),))
    assert helps in str(remedy(replace(check, report=found)))


def test_an_export_whose_own_seal_failed_is_got_again_from_the_exchange() -> None:
    assert remedy(failed_seal(CheckName.CONTAINER_SEAL, SubIndication.FORMAT_FAILURE)) == (
        "lấy lại gói từ trục, và chỉ tin gói nguyên vẹn mà chính trục đã ký"
    )


def test_what_holds_needs_no_remedy() -> None:
    check = Check(CheckName.ATTACHMENT, "x", Outcome.GOOD, "it is the file inside the sealed message")
    assert remedy(check) is None
    assert meaning(check) == "đúng là tệp trong thông điệp đã ký"
