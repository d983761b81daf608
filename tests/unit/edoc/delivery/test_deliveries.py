"""From consignment over handover to the last state: what each step leaves, and who may see it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edoc.acceptance.errors import RefusedError
from edoc.access.errors import MissingScopeError, NotYoursError
from edoc.access.tokens import Scope
from edoc.arrival import report_arrival
from edoc.audit.model import Outcome
from edoc.database.engine import read
from edoc.delivery.errors import TakenBackError
from edoc.delivery.handover import HandOver
from edoc.delivery.inbox import DeliveryFilter, list_inbox, list_sent
from edoc.delivery.reports import AcceptStatus, VerifiedStatus
from edoc.delivery.states import MAX_OTHER_REPORTS
from edoc.documents.content import hand_over, open_message
from edoc.documents.views import Perspective, list_evidence, list_statuses
from edoc.envelope.model import OtherInfo, Priority
from edoc.errors import ObjectCorruptError
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.model import EvidenceType
from edoc.evidence.rows import read_body
from tests.support.services import (
    HOME_AFFAIRS,
    OFFICE,
    OTHER_WARD,
    WARD,
    SmallExchange,
    attachment,
    letter,
    status,
)


def types(small: SmallExchange, pk: object, code: str) -> list[str]:
    view = small.view(pk, code)  # type: ignore[arg-type]
    with read(small.exchange.engine) as connection:
        return [each.type.value for each in list_evidence(connection, view)]


def state(small: SmallExchange, pk: object, code: str = WARD) -> str:
    return small.view(pk, code).deliveries[0].state  # type: ignore[arg-type]


def test_a_handover_is_recorded_once_before_the_content_goes_out(small: SmallExchange) -> None:
    message = small.sealed(letter())
    pk = small.submit(message).document_pk
    assert small.view(pk, WARD).deliveries[0].handed_over_at is None
    small.hand_over(pk, WARD)
    small.hand_over(pk, WARD)
    view = small.view(pk, WARD)
    assert view.deliveries[0].handed_over_at is not None
    assert types(small, pk, WARD) == ["SubmissionAcceptance", "ContentConsignment", "ContentHandover"]
    with open_message(small.exchange, view) as stream:
        assert stream.read() == message


def test_what_was_taken_back_before_its_handover_is_handed_over_no_more(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    small.hand_over(pk, OTHER_WARD)
    for ward in (WARD, OTHER_WARD):
        small.submit(status("13", letter(), reporter=OFFICE, to=ward, description="Gửi nhầm"))
        small.submit(status("15", letter(), reporter=ward))
    with pytest.raises(TakenBackError):
        small.hand_over(pk, WARD)
    assert "ContentHandover" not in types(small, pk, WARD)
    small.hand_over(pk, OTHER_WARD)  # what it was given before stays its own


def test_a_handover_and_a_report_never_share_a_transaction(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    view, ward = small.view(pk, WARD), small.exchange.directory.current().find(WARD)
    sent = letter()
    report = VerifiedStatus(
        message=status("03", sent),
        reporter=ward,
        addressee=small.exchange.directory.current().find(OFFICE),
        reports=(),
        validation="[]",
        sha256="0" * 64,
        size=1,
        received_at=small.clock(),
    )
    assert HandOver(small.exchange, view, ward).keys & AcceptStatus(small.exchange, report).keys


def test_a_clock_that_is_behind_changes_no_order(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    small.clock.now -= timedelta(hours=1)
    small.hand_over(pk, WARD)
    small.submit(status("13", letter(), reporter=OFFICE, to=WARD, description="Gửi nhầm"))
    small.clock.now -= timedelta(hours=1)
    small.submit(status("16", letter(), description="Đã vào sổ"))
    small.clock.now -= timedelta(hours=1)
    small.submit(status("03", letter()))
    small.clock.now += timedelta(hours=4)
    assert state(small, pk) == "03"
    assert small.audit(small.export(pk, OFFICE)).verdict is Outcome.GOOD


def test_each_piece_of_evidence_holds_the_digest_of_the_one_before(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    small.hand_over(pk, WARD)
    small.submit(status("03", letter()))
    small.work()
    view = small.view(pk, OFFICE)
    with read(small.exchange.engine) as connection:
        rows = list_evidence(connection, view)
    previous = None
    for row in rows:
        evidence, _, _ = read_evidence(parse_evidence(read_body(small.exchange.store, row.body, row.sha256)))
        assert evidence.previous_sha256 == previous
        previous = row.sha256
    assert [row.type for row in rows][:3] == [
        EvidenceType.SUBMISSION_ACCEPTANCE,
        EvidenceType.CONTENT_CONSIGNMENT,
        EvidenceType.CONTENT_HANDOVER,
    ]


def test_a_token_that_may_not_receive_gets_no_content(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    with pytest.raises(MissingScopeError):
        hand_over(small.exchange, small.view(pk, WARD), small.caller(WARD, Scope.SEND))
    assert small.view(pk, WARD).deliveries[0].handed_over_at is None


def test_the_sender_and_an_auditor_read_without_a_handover(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    hand_over(small.exchange, small.view(pk, OFFICE), small.caller(OFFICE))
    hand_over(small.exchange, small.view(pk, HOME_AFFAIRS, Scope.AUDIT), small.caller(HOME_AFFAIRS, Scope.AUDIT))
    assert types(small, pk, OFFICE) == ["SubmissionAcceptance", "ContentConsignment"]


def test_the_worker_reports_the_arrival_under_the_exchanges_seal(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    small.hand_over(pk, WARD)
    assert state(small, pk) == "consigned"
    small.work()
    assert state(small, pk) == "01"
    with read(small.exchange.engine) as connection:
        [report] = list_statuses(connection, small.view(pk, OFFICE))
    assert (report.code, report.reporter_code, report.by_exchange) == ("01", WARD, True)
    assert small.failures == []


def test_the_arrival_is_not_reported_after_the_recipient_reported_itself(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    small.hand_over(pk, WARD)
    small.submit(status("02", letter(), description="Gửi nhầm nơi nhận"))
    small.work()
    with read(small.exchange.engine) as connection:
        assert [each.code for each in list_statuses(connection, small.view(pk, OFFICE))] == ["02"]
    assert state(small, pk) == "02"


def test_reporting_the_arrival_twice_is_one_report(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    delivery = receipt.deliveries[0].id
    first = report_arrival(small.exchange, delivery)
    assert first is not None
    assert report_arrival(small.exchange, delivery) is None


def test_reports_move_the_state_and_are_seen_by_the_sender(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    for code in ("03", "05", "06"):
        small.submit(status(code, letter()))
    small.submit(status("02", letter(), reporter=OTHER_WARD, description="Không thuộc thẩm quyền"))
    view = small.view(pk, OFFICE)
    assert [delivery.state for delivery in view.deliveries] == ["06", "02"]
    with read(small.exchange.engine) as connection:
        reports = list_statuses(connection, view)
        own = list_statuses(connection, small.view(pk, OTHER_WARD))
    assert [report.code for report in reports] == ["03", "05", "06", "02"]
    assert [report.description for report in own] == ["Không thuộc thẩm quyền"]


def test_the_same_state_again_gives_the_first_receipt(small: SmallExchange) -> None:
    small.submit(letter())
    first = small.submit(status("03", letter()))
    again = small.submit(status("03", letter(), at=small.clock() + timedelta(hours=1)))
    assert again.replayed
    assert again.evidence == first.evidence


def test_reports_of_a_repeatable_state_are_bounded_for_each_delivery(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    messages = [
        small.sealed(status("05", letter(), at=small.clock() - timedelta(hours=hour)))
        for hour in range(MAX_OTHER_REPORTS + 1)
    ]
    for message in messages[:-1]:
        small.submit(message, WARD)
    with pytest.raises(RefusedError) as refused:
        small.submit(messages[-1], WARD)
    (violation,) = refused.value.violations
    assert (violation.code, violation.rule) == ("R.UpdateTraces", "range")
    assert (violation.field, str(MAX_OTHER_REPORTS) in violation.reason) == ("MessageHeader/StatusCode", True)
    assert "06" in violation.remedy
    assert small.submit(messages[0], WARD).replayed, "what was taken on keeps its receipt"
    small.submit(status("06", letter()))
    small.submit(status("05", letter(), reporter=OTHER_WARD))
    with read(small.exchange.engine) as connection:
        assert len(list_statuses(connection, small.view(pk, OFFICE))) == MAX_OTHER_REPORTS + 2


def test_being_handled_may_be_reported_again_and_again(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    for hour in range(3):
        small.submit(status("05", letter(), at=small.clock() + timedelta(hours=hour)))
    with read(small.exchange.engine) as connection:
        assert [each.code for each in list_statuses(connection, small.view(pk, OFFICE))] == ["05"] * 3


def test_a_state_that_cannot_follow_is_refused_with_evidence(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    small.submit(status("03", letter()))
    with pytest.raises(RefusedError, match="has accepted") as refused:
        small.submit(status("02", letter(), description="Muộn"))
    assert refused.value.evidence is not None
    assert state(small, pk) == "03"


def test_only_a_recipient_may_report_and_only_under_its_own_seal(small: SmallExchange) -> None:
    small.submit(letter(to=(WARD,)))
    with pytest.raises(RefusedError, match="no part"):
        small.submit(status("03", letter(), reporter=OTHER_WARD))
    with pytest.raises(RefusedError, match="not bound"):
        small.submit(small.sealed(status("03", letter()), sealer=OTHER_WARD), WARD)


def test_a_sender_asks_back_and_the_recipient_agrees(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    small.submit(status("03", letter()))
    small.submit(status("13", letter(), reporter=OFFICE, to=WARD, description="Gửi nhầm"))
    assert state(small, pk) == "13"
    small.submit(status("15", letter()))
    assert state(small, pk) == "15"


@pytest.mark.parametrize(("answer", "shown"), [("15", "15"), ("16", "03"), ("04", "13"), ("06", "13")])
def test_an_agency_among_its_own_recipients_goes_on_after_it_asked_back(
    small: SmallExchange, answer: str, shown: str
) -> None:
    own = letter(to=(OFFICE, WARD))
    pk = small.submit(own).document_pk
    small.hand_over(pk, OFFICE)
    assert small.work() > 0
    small.submit(status("03", own, reporter=OFFICE))
    small.submit(status("13", own, reporter=OFFICE, description="Gửi nhầm"))
    small.submit(status(answer, own, reporter=OFFICE, description="Lý do"))
    states = {each.recipient_code: each.state for each in small.view(pk, OFFICE).deliveries}
    assert states == {OFFICE: shown, WARD: "consigned"}


def test_nobody_else_sees_a_document(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD,))).document_pk
    for code in (OTHER_WARD, HOME_AFFAIRS):
        with pytest.raises(NotYoursError):
            small.view(pk, code)
    assert small.view(pk, OTHER_WARD, Scope.AUDIT).perspective is Perspective.AUDITOR


def test_a_recipient_sees_its_own_delivery_only(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    small.hand_over(pk, OTHER_WARD)
    view = small.view(pk, WARD)
    assert [delivery.recipient_code for delivery in view.deliveries] == [WARD]
    assert "ContentHandover" not in types(small, pk, WARD)


def codes(small: SmallExchange, wanted: DeliveryFilter) -> list[str]:
    recipient = small.exchange.directory.current().find(WARD).id
    with read(small.exchange.engine) as connection:
        return [each.code for each in list_inbox(connection, recipient, wanted, None, 50).items]


def test_the_inbox_is_newest_first_and_narrowed_by_each_filter(small: SmallExchange) -> None:
    directory = small.exchange.directory.current()
    small.submit(letter(1))
    middle = small.clock()
    small.submit(letter(2, sender=HOME_AFFAIRS, other_info=OtherInfo(priority=Priority.EXPRESS)))
    third = letter(3)
    small.submit(replace(third, document_type=replace(third.document_type, type_name="Giấy mời")))
    small.submit(letter(4, to=(OTHER_WARD,)))
    small.submit(status("03", letter(1)))
    assert codes(small, DeliveryFilter()) == ["03/UBND-VX", "02/UBND-VX", "01/UBND-VX"]
    assert codes(small, DeliveryFilter(state="03")) == ["01/UBND-VX"]
    assert codes(small, DeliveryFilter(state="consigned")) == ["03/UBND-VX", "02/UBND-VX"]
    assert codes(small, DeliveryFilter(since=middle)) == ["03/UBND-VX", "02/UBND-VX"]
    assert codes(small, DeliveryFilter(until=middle)) == ["01/UBND-VX"]
    assert codes(small, DeliveryFilter(type_name="Giấy mời")) == ["03/UBND-VX"]
    assert codes(small, DeliveryFilter(sender_id=directory.find(HOME_AFFAIRS).id)) == ["02/UBND-VX"]
    assert codes(small, DeliveryFilter(priority=3)) == ["02/UBND-VX"]


def test_pages_go_on_where_the_last_ended(small: SmallExchange) -> None:
    for number in range(1, 8):
        small.submit(letter(number))
    recipient = small.exchange.directory.current().find(WARD).id
    sender = small.exchange.directory.current().find(OFFICE).id
    received, sent, before, at = [], [], None, None
    with read(small.exchange.engine) as connection:
        while True:
            page = list_inbox(connection, recipient, DeliveryFilter(), before, 3)
            received += [each.code for each in page.items]
            before = page.next_before
            if before is None:
                break
        while True:
            outgoing = list_sent(connection, sender, at, 3)
            sent += [each.code for each in outgoing.items]
            at = outgoing.next_before
            if at is None:
                break
    assert received == sent == [f"{number:02d}/UBND-VX" for number in range(7, 0, -1)]


def test_archived_evidence_leaves_the_rows_and_is_still_read(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    assert small.work() == 2
    with read(small.exchange.engine) as connection:
        rows = list_evidence(connection, small.view(receipt.document_pk, OFFICE))
    assert [row.body for row in rows] == [None, None]
    assert read_body(small.exchange.store, None, rows[0].sha256) == receipt.evidence
    assert small.work() == 0


def damage(small: SmallExchange, sha256: str) -> None:
    [path] = Path(str(small.exchange.engine.url.database)).parent.rglob(sha256)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_nothing_is_stated_to_be_handed_over_that_the_archive_has_not_whole(small: SmallExchange) -> None:
    large = attachment(b"%PDF-1.7\n" + bytes(300_000))
    first, second = small.submit(letter(1)), small.submit(letter(2, attachments=(large,)))
    damage(small, first.message_sha256)
    damage(small, small.view(second.document_pk, OFFICE).attachments[0].sha256)
    for receipt in (first, second):
        with pytest.raises(ObjectCorruptError):
            small.hand_over(receipt.document_pk, WARD)
        assert small.view(receipt.document_pk, WARD).deliveries[0].handed_over_at is None
        assert "ContentHandover" not in types(small, receipt.document_pk, OFFICE)


def test_an_altered_archive_is_never_exported(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    damage(small, receipt.message_sha256)
    with pytest.raises(ObjectCorruptError):
        small.export(receipt.document_pk, OFFICE)


def test_a_recipient_is_handed_over_whatever_else_it_is(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OFFICE))).document_pk
    hand_over(small.exchange, small.view(pk, OFFICE), small.caller(OFFICE))
    scopes = (Scope.AUDIT, Scope.RECEIVE)
    hand_over(small.exchange, small.view(pk, WARD, *scopes), small.caller(WARD, *scopes))
    assert types(small, pk, OFFICE).count("ContentHandover") == 2


def test_a_time_before_all_times_is_a_bound_like_any_other(small: SmallExchange) -> None:
    small.submit(letter())
    ancient = datetime(1, 1, 1, tzinfo=UTC)
    assert codes(small, DeliveryFilter(since=ancient)) == ["01/UBND-VX"]
    assert codes(small, DeliveryFilter(until=ancient)) == []
