"""Rows against what is sealed: nothing is said of a healthy exchange, and each alteration is found for what it is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509 import ReasonFlags
from sqlalchemy import delete, func, select, text, update

from edoc.acceptance.columns import document_columns
from edoc.acceptance.incoming import archive_message, incoming_bytes
from edoc.database.engine import read, write
from edoc.database.tables import (
    AgencySequenceRow,
    AttachmentRow,
    Base,
    DeliveryRow,
    DocumentRow,
    EventRow,
    EvidenceRow,
    MessageRow,
    OutboxRow,
    StatusReportRow,
)
from edoc.delivery.outbox import Topic
from edoc.directory.repository import end_binding
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.issuer import EvidenceIssuer
from edoc.evidence.model import Evidence
from edoc.reconciliation import Compared, Difference, ExchangeSeals, Theme, compare_rows, count_rows, find_unclaimed
from edoc.sealing import seal_message
from keys.certificates import CertificateRole, fingerprint
from keys.memory import MemoryKey
from keys.trust import PathValidator, RevocationData, TrustAnchors
from tests.support.busy_days import busy_days
from tests.support.pki import NOW, private_key, role_policy
from tests.support.services import (
    OFFICE,
    OTHER_WARD,
    WARD,
    SmallExchange,
    attachment,
    letter,
    status,
)

LATER = datetime(2026, 12, 24, tzinfo=UTC)


def found(small: SmallExchange) -> list[Difference]:
    return [difference for each in compare_rows(small.exchange) for difference in each.differences]


def themes(small: SmallExchange) -> set[Theme]:
    return {each.theme for each in found(small)}


def read_statement(body: bytes) -> Evidence:
    evidence, _, _ = read_evidence(parse_evidence(body))
    return evidence


def alter(small: SmallExchange, statement: object) -> None:
    """Change rows as an operator with the database's password does."""
    with write(small.exchange.engine) as connection:
        assert connection.execute(statement).rowcount > 0  # type: ignore[call-overload]


def alter_freely(small: SmallExchange, *statements: object) -> None:
    """The same, of rows that others refer to, which no foreign key stops."""
    with small.exchange.engine.connect() as connection:
        connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        with connection.begin():
            for statement in statements:
                assert connection.execute(statement).rowcount > 0  # type: ignore[call-overload]
        connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]


def test_a_healthy_exchange_has_no_difference(small: SmallExchange) -> None:
    busy_days(small)
    compared = list(compare_rows(small.exchange))
    assert [each for each in compared if each != Compared()] == []
    assert len(compared) == count_rows(small.exchange)
    with read(small.exchange.engine) as connection:
        kinds = Counter(connection.execute(select(EvidenceRow.type)).scalars())
    assert kinds == {
        "SubmissionAcceptance": 10,
        "ContentConsignment": 3,
        "ContentHandover": 1,
        "SubmissionRejection": 1,
    }
    small.clock.now = datetime.now(UTC) + timedelta(days=2)
    assert set(find_unclaimed(small.exchange)) == {Compared()}


def test_evidence_that_is_not_archived_yet_is_compared_as_well(small: SmallExchange) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    assert list(compare_rows(small.exchange)) == [Compared()] * count_rows(small.exchange)


def ordinary(small: SmallExchange, number: int) -> MemoryKey:
    """A seal as authorities issue it to anybody: it does not say that it is an exchange's."""
    return small.pki.certificate("Exchange", issuer=small.pki.issuing, key=private_key("P-256", number))


def unknown_authoritys(small: SmallExchange) -> MemoryKey:
    """A seal of an authority that is no anchor, which claims to be an exchange's."""
    root = small.pki.authority("Nobody's root", key=private_key("P-256", 50))
    extensions = [(role_policy(CertificateRole.EXCHANGE_SEAL), False)]
    return small.pki.certificate("Nobody", issuer=root, extensions=extensions, key=private_key("P-256", 41))


def put_under(small: SmallExchange, key: MemoryKey) -> None:
    """Give the exchange another key."""
    small.exchange = replace(small.exchange, issuer=EvidenceIssuer(small.exchange.issuer.party, key))


def judge_by(small: SmallExchange, validator: PathValidator) -> None:
    """Give the exchange other anchors and CRLs."""
    small.exchange = replace(small.exchange, validator=lambda: validator)


def without_anchor(small: SmallExchange) -> PathValidator:
    """What judges after the authority's certificate was replaced by another's."""
    other = small.pki.authority("Another root", key=private_key("P-256", 51))
    return PathValidator(TrustAnchors([other.certificate]), RevocationData(()))


def test_of_a_former_seal_of_the_exchange_that_nobody_names_it_is_told_that_nothing_tells(
    small: SmallExchange,
) -> None:
    former = ordinary(small, 42)
    put_under(small, former)
    busy_days(small)
    assert found(small) == []
    put_under(small, ordinary(small, 43))
    assert themes(small) == {Theme.UNKNOWN_SEALS}
    small.submit(letter(9))
    kept = ExchangeSeals(frozenset({former.certificate}))
    assert set(compare_rows(small.exchange, kept)) == {Compared()}


def test_a_former_seal_that_the_certificate_itself_calls_the_exchanges_is_known(small: SmallExchange) -> None:
    busy_days(small)
    put_under(small, ordinary(small, 43))
    assert found(small) == []


def test_lost_evidence_under_a_seal_that_was_kept_is_found(small: SmallExchange) -> None:
    former = ordinary(small, 42)
    put_under(small, former)
    small.submit(letter())
    small.work()
    alter(small, delete(EvidenceRow).where(EvidenceRow.type == "ContentConsignment"))
    put_under(small, ordinary(small, 43))
    small.clock.now = datetime.now(UTC) + timedelta(days=2)
    kept = ExchangeSeals(frozenset({former.certificate}))
    assert [each for compared in find_unclaimed(small.exchange) for each in compared.differences] == []
    lost = [each.theme for compared in find_unclaimed(small.exchange, kept) for each in compared.differences]
    assert lost == [Theme.LOST_EVIDENCE]


def test_a_binding_that_was_ended_for_a_time_before_a_letter_is_no_difference(small: SmallExchange) -> None:
    busy_days(small)
    with write(small.exchange.engine) as connection:
        for key in small.seals.values():
            end_binding(connection, fingerprint(key.certificate), NOW - timedelta(days=1))
    small.exchange.directory.refresh()
    assert found(small) == []


def test_an_authority_that_is_not_trusted_any_more_is_told_as_such(small: SmallExchange) -> None:
    busy_days(small)
    judge_by(small, without_anchor(small))
    assert themes(small) == {Theme.UNJUDGED_SEALS}
    assert {each.what for each in found(small)} == {
        "the seal's value is right, its certificate cannot be judged (path.not_found)"
    }


@pytest.mark.parametrize(
    ("first", "last", "rule"),
    [
        (NOW + timedelta(days=1), NOW + timedelta(days=900), "path.authority_validity"),
        (NOW - timedelta(days=900), NOW - timedelta(days=1), "path.anchor_expired"),
    ],
)
def test_an_anchor_of_another_time_under_the_same_name_and_key_is_told_as_such(
    small: SmallExchange, first: datetime, last: datetime, rule: str
) -> None:
    busy_days(small)
    key = private_key("P-256", 0)
    renewed = small.pki.authority("Test root", key=key, path_length=None, not_before=first, not_after=last)
    issuing = [small.pki.issuing.certificate]
    judge_by(small, PathValidator(TrustAnchors([renewed.certificate]), RevocationData(()), intermediates=issuing))
    assert {(each.theme, each.what.rpartition(" ")[2]) for each in found(small)} == {
        (Theme.UNJUDGED_SEALS, f"({rule})")
    }


def test_seals_that_were_revoked_since_for_a_time_before_are_told_as_not_to_be_judged(small: SmallExchange) -> None:
    busy_days(small)
    small.pki.revoke(small.seals[OFFICE], NOW - timedelta(days=1), ReasonFlags.key_compromise)
    judge_by(small, small.pki.validator())
    assert {(each.theme, each.what[-14:]) for each in found(small)} == {(Theme.UNJUDGED_SEALS, "(path.revoked)")}


def test_what_was_altered_is_found_though_its_authority_is_not_trusted_any_more(small: SmallExchange) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    handover = EvidenceRow.type == "ContentHandover"
    with read(small.exchange.engine) as connection:
        body = connection.execute(select(EvidenceRow.body).where(handover)).scalar_one()
        told = json.loads(connection.execute(select(MessageRow.validation)).scalar_one())
    assert body is not None
    forged = body.replace("Bến Nghé".encode(), "Bến Thành".encode())
    sha256 = hashlib.sha256(forged).hexdigest()
    alter(small, update(EvidenceRow).where(handover).values(body=forged, sha256=sha256))
    alter(small, update(EventRow).where(EventRow.type == "ContentHandover").values(evidence_sha256=sha256))
    told[0]["signing_time"] = LATER.isoformat()
    alter(small, update(MessageRow).values(validation=json.dumps(told)))
    judge_by(small, without_anchor(small))
    assert {(each.theme, each.what) for each in found(small) if each.theme is not Theme.UNJUDGED_SEALS} == {
        (Theme.EVIDENCE, "the seal does not hold (reference.digest)"),
        (Theme.DOCUMENTS, "validation: not as the seals are"),
    }


def test_a_letter_under_no_agencys_seal_is_found_though_no_authority_is_trusted(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    forged = incoming_bytes(b"".join(seal_message(letter(), unknown_authoritys(small), NOW).encoded_chunks()))
    archive_message(forged, small.exchange.store)
    alter_freely(
        small, update(MessageRow).where(MessageRow.sha256 == receipt.message_sha256).values(sha256=forged.sha256)
    )
    assert "the seal does not hold (M.Signature.signer)" in {each.what for each in found(small)}
    assert Theme.DOCUMENTS in themes(small)


def test_an_arrival_under_a_seal_of_the_exchange_that_nobody_can_judge_now_is_no_agencys(small: SmallExchange) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    small.work()
    judge_by(small, without_anchor(small))
    assert themes(small) == {Theme.UNJUDGED_SEALS}
    alter(small, update(StatusReportRow).values(by_exchange=False))
    assert Theme.STATUSES in themes(small)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("indication", "INDETERMINATE"),
        ("sub_indication", "TRY_LATER"),
        ("findings", [{"rule": "x", "reason": "x", "remedy": "x"}]),
        ("signing_time", "2026-11-24T00:00:00+00:00"),
        ("claimed_roles", ["x"]),
        ("signer", {"subject": "CN=X", "sha256": "0" * 64}),
        ("path", []),
        ("path", [{"subject": "CN=X", "sha256": "0" * 64}]),
        ("covered", []),
    ],
)
def test_an_altered_entry_of_a_validation_report_is_found(small: SmallExchange, name: str, value: object) -> None:
    small.submit(letter())
    with read(small.exchange.engine) as connection:
        told = json.loads(connection.execute(select(MessageRow.validation)).scalar_one())
    alter(small, update(MessageRow).values(validation=json.dumps([{**told[0], name: value}])))
    [difference] = found(small)
    assert (difference.theme, difference.what) == (Theme.DOCUMENTS, "validation: not as the seals are")


def test_a_closed_seal_and_crls_that_are_gone_are_no_difference(small: SmallExchange) -> None:
    busy_days(small)
    small.clock.now = small.clock.now + timedelta(days=3000)
    assert found(small) == []


def test_what_the_archive_has_not_whole_is_passed_over(small: SmallExchange) -> None:
    sha256 = small.submit(letter()).message_sha256
    [path] = Path(str(small.exchange.engine.url.database)).parent.rglob(sha256)
    path.unlink()
    compared = list(compare_rows(small.exchange))
    assert [each.is_unread for each in compared].count(True) == 1
    assert [difference for each in compared for difference in each.differences] == []


DOCUMENT_CHANGES: dict[str, object] = {
    "document_id": "H29.1,2026/11/24,99/UBND-VX",
    "number": "99",
    "notation": "XX",
    "year": 2025,
    "promulgation_date": datetime(2026, 1, 1, tzinfo=UTC).date(),
    "place": "x",
    "type_name": "x",
    "subject": "x",
    "content": "x",
    "priority": 3,
    "due_date": datetime(2026, 1, 1, tzinfo=UTC).date(),
    "signer_name": "x",
    "signer_competence": None,
    "signer_position": None,
    "response_for": '[{"organ_id": "x"}]',
    "sender_id": 3,
    "accepted_at": LATER,
}


def test_every_column_that_acceptance_writes_is_altered_below() -> None:
    assert set(document_columns(letter())) <= set(DOCUMENT_CHANGES)


@pytest.mark.parametrize("column", DOCUMENT_CHANGES)
def test_an_altered_column_of_a_document_is_found(small: SmallExchange, column: str) -> None:
    small.submit(letter())
    alter(small, update(DocumentRow).values({column: DOCUMENT_CHANGES[column]}))
    [difference] = found(small)
    assert (difference.theme, difference.what) == (Theme.DOCUMENTS, f"{column}: not as in the sealed message")


@pytest.mark.parametrize(
    ("column", "value"), [("size", 1), ("sender_id", 3), ("kind", "status"), ("validation", "[]"), ("validation", "x")]
)
def test_an_altered_column_of_a_letters_message_is_found(small: SmallExchange, column: str, value: object) -> None:
    small.submit(letter())
    alter(small, update(MessageRow).values({column: value}))
    [difference] = found(small)
    assert difference.theme is Theme.DOCUMENTS
    assert column in difference.what


def test_another_time_of_receipt_than_that_of_the_seals_reports_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter(small, update(MessageRow).values(received_at=small.clock()))
    [difference] = found(small)
    assert (difference.theme, difference.what) == (Theme.DOCUMENTS, "validation: not as the seals are")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("content_id", "x"),
        ("name", "x.pdf"),
        ("media_type", "text/plain"),
        ("description", "x"),
        ("size", 1),
        ("sha256", "0" * 64),
        ("position", 1),
    ],
)
def test_an_altered_attachment_is_found(small: SmallExchange, column: str, value: object) -> None:
    small.submit(letter())
    alter(small, update(AttachmentRow).values({column: value}))
    [difference] = found(small)
    assert difference.theme is Theme.DOCUMENTS
    assert "attachment" in difference.what


def test_a_deleted_attachment_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter(small, delete(AttachmentRow))
    assert themes(small) == {Theme.DOCUMENTS}


def test_a_deleted_letter_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter_freely(small, delete(DocumentRow))
    assert "the letter that it is has no row" in {each.what for each in found(small)}


def test_a_deleted_message_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter_freely(small, delete(MessageRow))
    assert "the message that it is about has no row" in {each.what for each in found(small)}


def test_two_messages_in_each_others_place_are_found(small: SmallExchange) -> None:
    first, second = small.submit(letter(1)).message_sha256, small.submit(letter(2)).message_sha256
    swap = [(first, "0" * 64), (second, first), ("0" * 64, second)]
    alter_freely(small, *(update(MessageRow).where(MessageRow.sha256 == a).values(sha256=b) for a, b in swap))
    assert Theme.DOCUMENTS in themes(small)


def test_a_letter_put_in_by_hand_under_no_agencys_seal_is_found(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    forged = incoming_bytes(small.sealed(letter(), sealer=WARD))
    archive_message(forged, small.exchange.store)
    alter_freely(
        small,
        update(MessageRow).where(MessageRow.sha256 == receipt.message_sha256).values(sha256=forged.sha256),
    )
    assert "the seal does not hold (M.Signature.signer)" in {each.what for each in found(small)}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("addressed_as", "000.01.31.H29"),
        ("sender_id", 3),
        ("type_name", "x"),
        ("priority", 3),
        ("recipient_sequence", 2),
        ("consigned_at", LATER),
        ("state", "03"),
        ("state_at", LATER),
    ],
)
def test_an_altered_column_of_a_delivery_is_found(small: SmallExchange, column: str, value: object) -> None:
    small.submit(letter())
    alter(small, update(DeliveryRow).values({column: value}))
    assert themes(small) == {Theme.DELIVERIES}
    assert any(column in each.what for each in found(small))


def test_an_altered_recipient_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter(small, update(DeliveryRow).values(recipient_id=small.exchange.directory.current().find(OTHER_WARD).id))
    assert {each.what for each in found(small) if each.theme is Theme.DELIVERIES} == {
        "1 of 1 recipients have no delivery, the first H29.31.1",
        "the letter is not addressed to its recipient",
    }


def test_a_deleted_delivery_is_found(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    lost = small.view(pk, OTHER_WARD).deliveries[0].id
    with write(small.exchange.engine) as connection:
        connection.execute(update(EventRow).where(EventRow.delivery_id == lost).values(delivery_id=None))
        connection.execute(delete(DeliveryRow).where(DeliveryRow.id == lost))
    whats = {each.what for each in found(small) if each.theme is Theme.DELIVERIES}
    assert whats == {"1 of 2 recipients have no delivery, the first H29.31.2"}


def test_evidence_that_nobody_will_archive_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    assert found(small) == []
    alter(small, delete(OutboxRow))
    assert Counter((each.theme, each.what) for each in found(small)) == {
        (Theme.TASKS, "it is not archived, and no task of the outbox promises it"): 2
    }


def test_an_arrival_that_nobody_will_report_is_found(small: SmallExchange) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    alter(small, delete(OutboxRow).where(OutboxRow.topic == Topic.REPORT_ARRIVAL.value))
    assert themes(small) == {Theme.UNREPORTED_ARRIVALS}
    small.exchange = replace(small.exchange, policy=replace(small.exchange.policy, report_arrival=False))
    assert found(small) == []


def test_an_arrival_that_needs_no_report_any_more_is_no_difference(small: SmallExchange) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    small.submit(status("13", letter(), reporter=OFFICE, to=WARD, description="Gửi nhầm"))
    small.work()
    small.submit(status("16", letter(), description="Đã dùng"))
    small.work()
    assert found(small) == []


def test_lost_tasks_are_put_back_as_the_handbook_says(small: SmallExchange) -> None:
    busy_days(small)
    receipt = small.submit(letter(9, to=(WARD, OTHER_WARD)))
    small.hand_over(receipt.document_pk, WARD)
    small.work()
    small.hand_over(receipt.document_pk, OTHER_WARD)
    small.submit(letter(10))
    alter(small, delete(OutboxRow).where(OutboxRow.topic == Topic.REPORT_ARRIVAL.value))
    alter(small, delete(OutboxRow).where(OutboxRow.id == select(func.min(OutboxRow.id)).scalar_subquery()))
    assert themes(small) == {Theme.TASKS, Theme.UNREPORTED_ARRIVALS}
    handbook = (Path(__file__).parents[4] / "docs" / "operation.md").read_text(encoding="utf-8")
    for statement in handbook.partition("```sql")[2].partition("```")[0].split(";")[:2]:
        alter(small, text(statement))
    assert found(small) == []
    small.work()
    assert small.failures == []
    assert found(small) == []
    with read(small.exchange.engine) as connection:
        assert connection.execute(select(func.count()).select_from(OutboxRow)).scalar_one() == 0
    assert small.view(receipt.document_pk, OFFICE).deliveries[1].state == "01"


def test_an_altered_time_of_a_handover_is_found(small: SmallExchange) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    for value in (None, LATER):
        alter(small, update(DeliveryRow).values(handed_over_at=value))
        [difference] = found(small)
        assert (difference.theme, "handed_over_at" in difference.what) == (Theme.DELIVERIES, True)


def test_a_handover_without_evidence_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter(small, update(DeliveryRow).values(handed_over_at=LATER))
    [difference] = found(small)
    assert difference.theme is Theme.EVIDENCE
    assert "ContentHandover" in difference.what


@pytest.mark.parametrize("value", ["consigned", "01", "04", "13"])
def test_an_altered_state_after_a_report_is_found(small: SmallExchange, value: str) -> None:
    small.submit(letter())
    small.submit(status("03", letter()))
    alter(small, update(DeliveryRow).values(state=value))
    [difference] = found(small)
    assert (difference.theme, difference.what) == (Theme.DELIVERIES, "state: not as in the sealed status messages")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("code", "04"),
        ("description", "x"),
        ("reported_at", LATER),
        ("received_at", LATER),
        ("reporter_id", 3),
        ("occasion", "x"),
        ("by_exchange", True),
    ],
)
def test_an_altered_column_of_a_report_is_found(small: SmallExchange, column: str, value: object) -> None:
    small.submit(letter())
    small.submit(status("03", letter()))
    alter(small, update(StatusReportRow).values({column: value}))
    [difference] = found(small)
    assert difference.theme is Theme.STATUSES
    assert difference.what.startswith(f"{column}: not as in")


def test_an_arrival_that_is_said_to_be_the_agencys_own_report_is_found(small: SmallExchange) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    small.work()
    alter(small, update(StatusReportRow).values(by_exchange=False))
    [difference] = found(small)
    assert (difference.theme, "by_exchange" in difference.what) == (Theme.STATUSES, True)


@pytest.mark.parametrize(
    ("column", "value"), [("size", 1), ("sender_id", 3), ("kind", "document"), ("validation", "[]")]
)
def test_an_altered_column_of_a_reports_message_is_found(small: SmallExchange, column: str, value: object) -> None:
    small.submit(letter())
    sha256 = small.submit(status("03", letter())).message_sha256
    alter(small, update(MessageRow).where(MessageRow.sha256 == sha256).values({column: value}))
    [difference] = found(small)
    assert (difference.theme, column in difference.what) == (Theme.STATUSES, True)


def test_a_report_moved_to_another_delivery_is_found(small: SmallExchange) -> None:
    receipt = small.submit(letter(to=(WARD, OTHER_WARD)))
    small.submit(status("03", letter()))
    alter(small, update(StatusReportRow).values(delivery_id=receipt.deliveries[1].id))
    assert any(each.theme is Theme.STATUSES and "delivery_id" in each.what for each in found(small))


def test_a_deleted_report_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    small.submit(status("03", letter()))
    alter(small, delete(StatusReportRow))
    differences = found(small)
    assert Counter(each.theme for each in differences) == {Theme.STATUSES: 1, Theme.DELIVERIES: 1}
    assert "its report has no row" in {each.what for each in differences}


def test_reports_that_cannot_follow_are_found(small: SmallExchange) -> None:
    small.submit(letter())
    small.submit(status("13", letter(), reporter=OFFICE, to=WARD, description="Gửi nhầm"))
    small.submit(status("15", letter()))
    alter(small, delete(StatusReportRow).where(StatusReportRow.code == "13"))
    assert "the sealed reports that have rows do not follow" in {each.what for each in found(small)}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("type", "SubmissionRejection"),
        ("message_sha256", "0" * 64),
        ("previous_sha256", "0" * 64),
        ("issued_at", LATER),
        ("document_pk", None),
        ("occasion", "x"),
    ],
)
def test_an_altered_column_of_evidence_is_found(small: SmallExchange, column: str, value: object) -> None:
    receipt = small.submit(letter())
    small.work()
    evidence = hashlib.sha256(receipt.evidence).hexdigest()
    alter(small, update(EvidenceRow).where(EvidenceRow.sha256 == evidence).values({column: value}))
    assert Theme.EVIDENCE in themes(small)
    assert any(column in each.what for each in found(small) if each.theme is Theme.EVIDENCE)
    assert themes(small) <= {Theme.EVIDENCE, Theme.EVENTS}
    assert themes(small) == {Theme.EVIDENCE} or column == "document_pk"


def test_evidence_of_another_delivery_is_found(small: SmallExchange) -> None:
    receipt = small.submit(letter(to=(WARD, OTHER_WARD)))
    small.hand_over(receipt.document_pk, WARD)
    alter(
        small,
        update(EvidenceRow).where(EvidenceRow.delivery_id.is_not(None)).values(delivery_id=receipt.deliveries[1].id),
    )
    assert any(each.theme is Theme.EVIDENCE and "delivery_id" in each.what for each in found(small))


@pytest.mark.parametrize("kind", ["SubmissionAcceptance", "ContentConsignment", "ContentHandover"])
def test_deleted_evidence_is_found(small: SmallExchange, kind: str) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    alter(small, delete(EvidenceRow).where(EvidenceRow.type == kind))
    assert any(each.theme is Theme.EVIDENCE and f"its {kind} has no row" in each.what for each in found(small))


def test_the_deleted_acceptance_of_a_report_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    sha256 = small.submit(status("03", letter())).message_sha256
    alter(small, delete(EvidenceRow).where(EvidenceRow.message_sha256 == sha256))
    assert any(each.theme is Theme.EVIDENCE for each in found(small))


@pytest.mark.parametrize("forger", ["agency", "nobody", "text", "stranger"])
def test_a_statement_that_the_exchange_did_not_seal_is_found(small: SmallExchange, forger: str) -> None:
    small.hand_over(small.submit(letter()).document_pk, WARD)
    handover = EvidenceRow.type == "ContentHandover"
    with read(small.exchange.engine) as connection:
        body = connection.execute(select(EvidenceRow.body).where(handover)).scalar_one()
    assert body is not None
    if forger == "text":
        forged, why = body.replace("Bến Nghé".encode(), "Bến Thành".encode()), "the seal does not hold"
        assert forged != body
    else:
        forgers = {
            "agency": (small.seals[WARD], "the seal is not the exchange's"),
            "nobody": (unknown_authoritys(small), "the seal does not hold (path.not_found)"),
            "stranger": (ordinary(small, 41), "nothing tells whose the seal is"),
        }
        key, why = forgers[forger]
        statement = read_statement(body)
        forged = EvidenceIssuer(statement.issuer, key).seal(statement).body
    sha256 = hashlib.sha256(forged).hexdigest()
    alter(small, update(EvidenceRow).where(handover).values(body=forged, sha256=sha256))
    alter(small, update(EventRow).where(EventRow.type == "ContentHandover").values(evidence_sha256=sha256))
    [difference] = found(small)
    assert difference.theme is (Theme.UNKNOWN_SEALS if forger == "stranger" else Theme.EVIDENCE)
    assert difference.what.startswith(why)


def test_a_body_that_is_not_that_of_its_row_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter(small, update(EvidenceRow).where(EvidenceRow.type == "ContentConsignment").values(body=b"<x/>"))
    assert Counter(each.theme for each in found(small)) == {Theme.EVIDENCE: 1}


def test_evidence_whose_body_is_nowhere_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter(small, update(EvidenceRow).where(EvidenceRow.type == "ContentConsignment").values(body=None))
    [difference] = found(small)
    assert difference.what == "its body is neither in the row nor in the archive"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("type", "ContentHandover"),
        ("message_sha256", "0" * 64),
        ("occurred_at", LATER),
        ("document_pk", None),
        ("delivery_id", None),
    ],
)
def test_an_altered_event_is_found(small: SmallExchange, column: str, value: object) -> None:
    small.submit(letter())
    alter(small, update(EventRow).where(EventRow.type == "ContentConsignment").values({column: value}))
    [difference] = found(small)
    assert difference.theme is Theme.EVENTS
    assert column in difference.what


def test_an_event_of_another_delivery_is_found(small: SmallExchange) -> None:
    receipt = small.submit(letter(to=(WARD, OTHER_WARD)))
    first, second = (each.id for each in receipt.deliveries)
    alter(small, update(EventRow).where(EventRow.delivery_id == first).values(delivery_id=second))
    [difference] = found(small)
    assert (difference.theme, "delivery_id" in difference.what) == (Theme.EVENTS, True)


def test_events_with_each_others_number_are_found(small: SmallExchange) -> None:
    small.submit(letter(1))
    small.submit(letter(2))
    ward = small.exchange.directory.current().find(WARD).id
    for old, new in ((1, 9), (2, 1), (9, 2)):
        alter(
            small,
            update(EventRow)
            .where(EventRow.agency_id == ward, EventRow.agency_sequence == old)
            .values(agency_sequence=new),
        )
    assert [each.theme for each in found(small)] == [Theme.EVENTS] * 2


def test_an_event_without_evidence_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    alter(small, update(EventRow).where(EventRow.type == "ContentConsignment").values(evidence_sha256=None))
    [difference] = found(small)
    assert (difference.theme, difference.what) == (Theme.EVENTS, "its evidence has no row")


def test_a_deleted_event_leaves_a_gap(small: SmallExchange) -> None:
    small.submit(letter(1))
    small.submit(letter(2))
    ward = small.exchange.directory.current().find(WARD).id
    alter(small, delete(EventRow).where(EventRow.agency_id == ward, EventRow.agency_sequence == 1))
    [difference] = found(small)
    assert (difference.theme, difference.subject) == (Theme.EVENTS, WARD)
    assert difference.what == "1 events, numbered 2 to 2; the last number that it was given is 2"


def test_the_last_event_deleted_with_its_number_is_found(small: SmallExchange) -> None:
    small.submit(letter(1))
    small.submit(letter(2))
    ward = small.exchange.directory.current().find(WARD).id
    alter(small, delete(EventRow).where(EventRow.agency_id == ward, EventRow.agency_sequence == 2))
    alter(small, update(AgencySequenceRow).where(AgencySequenceRow.agency_id == ward).values(value=1))
    [difference] = found(small)
    assert difference.theme is Theme.EVENTS
    assert "it states number 2 of H29.31.1" in difference.what


def test_a_lost_count_of_an_agencys_events_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    ward = small.exchange.directory.current().find(WARD).id
    alter(small, delete(AgencySequenceRow).where(AgencySequenceRow.agency_id == ward))
    assert "the count of its events has no row" in {each.what for each in found(small)}


def unclaimed(small: SmallExchange) -> Counter[Theme]:
    return Counter(each.theme for found in find_unclaimed(small.exchange) for each in found.differences)


def test_evidence_in_the_archive_without_a_row_is_found_after_a_day(small: SmallExchange) -> None:
    small.submit(letter())
    small.work()
    alter(small, delete(EvidenceRow).where(EvidenceRow.type == "ContentConsignment"))
    assert unclaimed(small) == {}
    small.clock.now = datetime.now(UTC) + timedelta(days=2)
    assert unclaimed(small) == {Theme.LOST_EVIDENCE: 1}


def test_a_database_older_than_the_archive_is_found(small: SmallExchange) -> None:
    small.submit(letter())
    small.work()
    alter_freely(small, *(delete(table) for table in _children_first() if table is not AgencySequenceRow))
    assert themes(small) == {Theme.EVENTS}
    small.clock.now = datetime.now(UTC) + timedelta(days=2)
    assert unclaimed(small) == {Theme.LOST_EVIDENCE: 2, Theme.UNCLAIMED_MESSAGES: 1}


def _children_first() -> list[type[Base]]:
    return [EventRow, EvidenceRow, DeliveryRow, AttachmentRow, DocumentRow, MessageRow]


def test_a_message_that_a_crash_left_is_told_apart_from_lost_evidence(small: SmallExchange) -> None:
    archive_message(incoming_bytes(small.sealed(letter())), small.exchange.store)
    large = attachment(b"%PDF-1.7\n" + bytes(3_000_000))
    archive_message(incoming_bytes(small.sealed(letter(2, attachments=(large,)))), small.exchange.store)
    small.clock.now = datetime.now(UTC) + timedelta(days=2)
    assert unclaimed(small) == {Theme.UNCLAIMED_MESSAGES: 2}


def test_evidence_of_another_exchange_and_other_files_are_no_loss(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    other = EvidenceIssuer(small.exchange.issuer.party, small.seals[WARD]).seal(read_statement(receipt.evidence))
    for data in (other.body, b"<x/>", b"<broken", b"edoc doctor was here\n", b""):
        small.exchange.store.put_bytes(data)
    small.clock.now = datetime.now(UTC) + timedelta(days=2)
    assert unclaimed(small) == {}
