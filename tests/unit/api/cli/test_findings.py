"""What an audit found, in Vietnamese: a meaning for every check and a remedy for every way in which one fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api.cli.findings import (
    MEANINGS,
    MEANINGS_BY_RULE,
    REMEDIES,
    REMEDIES_BY_RULE,
    REMEDIES_OF_CHECKS,
    REMEDIES_OF_CONTAINERS,
    REMEDIES_OF_EVIDENCE,
    REMEDIES_OF_SEALS,
    meaning,
    remedy,
)
from edoc.audit.model import Check, CheckName, Outcome
from edoc.audit.remedies import BY_RULE, OF_CONTAINERS, OF_EVIDENCE, OF_SEALS
from edoc.audit.singles import AFTER_AUDIT, REPORTED_BY_EXCHANGE, UNCONFIRMED_AGENCY, UNLISTED_AGENCY, UNNAMED_AGENCY
from signing.report import Finding, Indication, SubIndication, ValidationReport
from signing.xades.verifier import ON_HOLD

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOTED = {CheckName.EXCHANGE_IDENTITY, CheckName.OMISSION, CheckName.TIME}
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


def test_both_languages_have_a_remedy_of_their_own_in_the_same_cases() -> None:
    for english, vietnamese in (
        (OF_SEALS, REMEDIES_OF_SEALS),
        (OF_EVIDENCE, REMEDIES_OF_EVIDENCE),
        (OF_CONTAINERS, REMEDIES_OF_CONTAINERS),
    ):
        assert {each.value for each in english} == set(vietnamese)
        assert {each.value: list(english.values()).count(text) for each, text in english.items()} == {
            each: list(vietnamese.values()).count(text) for each, text in vietnamese.items()
        }, "what has one text in one language has one in the other"
    assert set(BY_RULE) == set(REMEDIES_BY_RULE)
    assert set(REMEDIES_OF_CHECKS) == {UNCONFIRMED_AGENCY, UNLISTED_AGENCY, UNNAMED_AGENCY, AFTER_AUDIT}
    assert set(MEANINGS_BY_RULE) == {REPORTED_BY_EXCHANGE, UNNAMED_AGENCY}


@pytest.mark.parametrize(
    ("sub_indication", "meant"),
    [
        (SubIndication.REVOKED, "đã ký sau khi chứng thư số bị thu hồi"),
        (SubIndication.EXPIRED, "đã ký sau khi chứng thư số hết hạn"),
        (SubIndication.NOT_YET_VALID, "đã ký trước khi chứng thư số có hiệu lực"),
    ],
)
@pytest.mark.parametrize(
    "name", [CheckName.MESSAGE_SEAL, CheckName.STATUS_SEAL, CheckName.EVIDENCE_SEAL, CheckName.CONTAINER_SEAL]
)
def test_what_a_certificate_is_to_blame_for_is_not_said_of_the_content(
    name: CheckName, sub_indication: SubIndication, meant: str
) -> None:
    told = str(meaning(failed_seal(name, sub_indication)))
    assert meant in told
    assert "sửa" not in told
    assert meaning(failed_seal(name, SubIndication.HASH_FAILURE)) == MEANINGS["bad"][name.value]


def test_a_check_of_no_seal_is_remedied_by_its_rule() -> None:
    for name in (CheckName.MESSAGE_SENDER, CheckName.EVIDENCE_SENDER, CheckName.EVIDENCE_RECIPIENTS):
        check = Check(name, "x", Outcome.INDETERMINATE, "why", "what helps", rule=UNCONFIRMED_AGENCY)
        assert "--directory" in str(remedy(check))
        assert "của một cơ quan" in str(meaning(check))
        unlisted = replace(check, rule=UNLISTED_AGENCY)
        assert "danh sách cơ quan của bạn không có mã đó" in str(remedy(unlisted))
        assert meaning(unlisted) == meaning(check)
    unnamed = Check(CheckName.MESSAGE_SENDER, "x", Outcome.INDETERMINATE, "why", "what helps", rule=UNNAMED_AGENCY)
    assert "không ghi mã cơ quan" in str(meaning(unnamed))
    assert "SHA-256" in str(remedy(unnamed))


@pytest.mark.parametrize("name", [CheckName.MESSAGE_SEAL, CheckName.STATUS_SEAL])
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


@pytest.mark.parametrize("outcome", [Outcome.BAD, Outcome.INDETERMINATE])
def test_an_export_whose_own_seal_failed_is_got_anew_from_the_exchange(outcome: Outcome) -> None:
    helps = remedy(failed_seal(CheckName.CONTAINER_SEAL, SubIndication.FORMAT_FAILURE, outcome))
    assert str(helps).startswith("lấy gói mới từ trục")


def test_evidence_is_not_to_be_proven_by_the_receipt_that_it_is() -> None:
    check = failed_seal(CheckName.EVIDENCE_SEAL, SubIndication.OUT_OF_BOUNDS_NO_POE, Outcome.INDETERMINATE)
    assert str(remedy(check)).startswith("chứng cứ không tự chứng minh")


def test_what_holds_needs_no_remedy() -> None:
    check = Check(CheckName.ATTACHMENT, "x", Outcome.GOOD, "it is the file inside the sealed message")
    assert remedy(check) is None
    assert meaning(check) == "đúng là tệp trong thông điệp đã ký"
