"""Taking messages on: what is accepted, what is refused, and what each leaves behind."""

from __future__ import annotations

import io
import itertools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from cryptography import x509
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureMethod
from signxml.signer import XMLSigner
from sqlalchemy import Table, func, select

from edoc.acceptance.documents import AcceptDocument
from edoc.acceptance.errors import (
    ConflictError,
    RefusedError,
    SenderMismatchError,
    VerificationUnavailableError,
)
from edoc.acceptance.incoming import IN_MEMORY_BYTES, incoming_bytes, receive
from edoc.acceptance.service import JUDGED_ALONE_BYTES, Acceptance
from edoc.acceptance.steps import AcceptanceStep
from edoc.access.errors import MissingScopeError
from edoc.access.tokens import Scope
from edoc.audit.model import Outcome
from edoc.database.engine import read, write
from edoc.database.tables import (
    AttachmentRow,
    Base,
    DeliveryRow,
    DocumentRow,
    EventRow,
    EvidenceRow,
    MessageRow,
    OutboxRow,
)
from edoc.directory.repository import close_agency, end_binding
from edoc.documents.content import open_attachment
from edoc.envelope.codec import encode, seal_place
from edoc.envelope.contents import MemoryContent
from edoc.envelope.model import Bussiness, BussinessDocType, DocumentMessage, OtherInfo
from edoc.errors import MessageError
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.model import EvidenceType
from edoc.exchange import Exchange
from edoc.sealing import seal_message
from keys.certificates import fingerprint
from keys.revocation import RevocationData
from keys.trust import CertificatePath, PathValidator, TrustAnchors
from signing.errors import XmlError, XmlLimitError
from signing.namespaces import DS
from signing.xades.signer import sign
from signing.xml import CHUNK_BYTES
from tests.support.pki import Pki
from tests.support.services import (
    HOME_AFFAIRS,
    OFFICE,
    OTHER_WARD,
    WARD,
    SmallExchange,
    attachment,
    letter,
    small_exchange,
    status,
)

TABLES = (MessageRow, DocumentRow, AttachmentRow, DeliveryRow, EvidenceRow, EventRow, OutboxRow)


def count(exchange: Exchange, table: type[Base]) -> int:
    with read(exchange.engine) as connection:
        return connection.execute(select(func.count()).select_from(table.__table__)).scalar_one()


def counts(small: SmallExchange) -> dict[str, int]:
    return {table.__tablename__: count(small.exchange, table) for table in TABLES}


def objects(small: SmallExchange) -> int:
    return sum(1 for _ in small.exchange.store.list())


class Watcher:
    def __init__(self) -> None:
        self.steps: list[AcceptanceStep] = []

    def reached(self, step: AcceptanceStep) -> None:
        self.steps.append(step)


def test_an_accepted_letter_leaves_its_rows_evidence_and_object(small: SmallExchange) -> None:
    message = small.sealed(letter(to=(WARD, OTHER_WARD)))
    receipt = small.submit(message)
    assert counts(small) == {
        "message": 1,
        "document": 1,
        "attachment": 1,
        "delivery": 2,
        "evidence": 2,
        "event": 3,
        "outbox": 2,
    }
    assert small.exchange.store.read(receipt.message_sha256, 1 << 20) == message
    assert [each.recipient_code for each in receipt.deliveries] == [WARD, OTHER_WARD]


def test_the_receipt_is_evidence_with_the_digest_and_the_senders_number(small: SmallExchange) -> None:
    first, second = small.submit(letter(1)), small.submit(letter(2))
    numbers = []
    for receipt in (first, second):
        evidence, _, _ = read_evidence(parse_evidence(receipt.evidence))
        assert evidence.type is EvidenceType.SUBMISSION_ACCEPTANCE
        assert evidence.message_sha256 == receipt.message_sha256
        numbers.append(evidence.sender.sequence)
    assert numbers == [1, 2]


def test_each_recipient_counts_its_consignments_without_a_gap(small: SmallExchange) -> None:
    small.submit(letter(1, to=(WARD,)))
    small.submit(letter(2, to=(OTHER_WARD, WARD)))
    small.submit(letter(3, to=(WARD,)))
    with read(small.exchange.engine) as connection:
        ward = small.exchange.directory.current().find(WARD).id
        numbers = connection.execute(
            select(DeliveryRow.recipient_sequence).where(DeliveryRow.recipient_id == ward).order_by(DeliveryRow.id)
        ).scalars()
        assert list(numbers) == [1, 2, 3]


def test_the_same_bytes_again_give_the_same_receipt_and_change_nothing(small: SmallExchange) -> None:
    message = small.sealed(letter())
    first = small.submit(message)
    before = counts(small)
    again = small.submit(message)
    assert again.evidence == first.evidence
    assert (again.replayed, first.replayed) == (True, False)
    assert again.deliveries == first.deliveries
    assert counts(small) == before


def test_the_receipt_stays_the_same_after_the_worker_archived_it_and_the_seal_expired(small: SmallExchange) -> None:
    message = small.sealed(letter())
    first = small.submit(message)
    small.work()
    small.clock.now += timedelta(days=3650)
    assert small.submit(message).evidence == first.evidence


def test_the_same_document_id_with_other_bytes_is_a_conflict(small: SmallExchange) -> None:
    first = small.submit(letter())
    before = counts(small)
    with pytest.raises(ConflictError, match="other bytes"):
        small.submit(letter(subject="Một trích yếu khác"))
    assert counts(small) == before
    assert small.view(first.document_pk, OFFICE).subject == letter().subject


def test_a_number_used_twice_is_a_warning(small: SmallExchange) -> None:
    small.submit(letter())
    second = small.submit(small.sealed_with(letter(), ("24,01/UBND-VX<", "24,01/UBND-VX-2<")))
    assert [warning.code for warning in second.warnings] == ["M.Exist"]
    assert [warning.code for warning in small.view(second.document_pk, OFFICE).warnings] == ["M.Exist"]


def test_a_number_used_twice_is_a_warning_too_where_both_documents_come_at_once(small: SmallExchange) -> None:
    messages = [small.sealed_with(letter(), ("24,01/UBND-VX<", f"24,01/UBND-VX-{each}<")) for each in range(3)]
    with ThreadPoolExecutor(3) as pool:
        with write(small.exchange.engine):  # all three wait for their transaction
            sent = [pool.submit(small.submit, message) for message in messages]
            while small.exchange.commits.waiting < len(messages) - 1:
                time.sleep(0.001)
        receipts = [each.result(20) for each in sent]
    assert sorted(len(receipt.warnings) for receipt in receipts) == [0, 1, 1]


def test_an_agency_named_by_both_its_codes_gets_one_delivery(small: SmallExchange) -> None:
    receipt = small.submit(letter(to=(WARD, "000.01.31.H29")))
    assert [each.recipient_code for each in receipt.deliveries] == [WARD]


def refusal(small: SmallExchange, message: DocumentMessage | bytes, code: str = OFFICE) -> RefusedError:
    """What a message is refused with; it must leave a rejection and nothing else."""
    before, stored = counts(small), objects(small)
    with pytest.raises(RefusedError) as refused:
        small.submit(message, code)
    after = counts(small)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"evidence", "event", "outbox"}
    assert objects(small) == stored
    sealed = refused.value.evidence
    assert sealed is not None
    evidence, _, _ = read_evidence(parse_evidence(sealed.body))
    assert evidence.type is EvidenceType.SUBMISSION_REJECTION
    assert [reason.rule for reason in evidence.reasons] == [each.code for each in refused.value.violations]
    return refused.value


def codes(error: RefusedError) -> list[str]:
    return [violation.code for violation in error.violations]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("H29.31.1<", "H29.99<"), "M.MessageHeader.To.OrganId", "no agency has the code H29.99"),
        (("2026/11/24<", "2026/11/25<"), "R.MessageHeader.PromulgationInfo.PromulgationDate", "future"),
        (("H29.1,2026", "H29.2,2026"), "M.MessageHeader.DocumentId", "code of H29.2"),
        (("LƯU HÀNH NỘI BỘ", "TUYỆT MẬT"), "M.MessageHeader.Secrecy", "marked"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_evidence(
    small: SmallExchange, change: tuple[str, str], code: str, words: str
) -> None:
    message = letter(other_info=OtherInfo(sphere_of_promulgation="LƯU HÀNH NỘI BỘ"))
    error = refusal(small, small.sealed_with(message, change))
    assert codes(error) == [code]
    assert words in str(error)


def test_every_unknown_recipient_is_named(small: SmallExchange) -> None:
    error = refusal(small, letter(to=("H29.98", WARD, "H29.99")))
    assert [each.field for each in error.violations] == ["MessageHeader/To[1]/OrganId", "MessageHeader/To[3]/OrganId"]


def test_a_recipient_that_is_no_more_is_refused_with_its_successors(small: SmallExchange) -> None:
    directory = small.exchange.directory.current()
    with write(small.exchange.engine) as connection:
        close_agency(connection, directory.find(WARD), date(2026, 7, 1), [directory.find(OTHER_WARD)])
    small.exchange.directory.refresh()
    assert f"successors: {OTHER_WARD}" in str(refusal(small, letter()))


def test_a_directory_that_changed_unseen_is_seen_in_the_transaction(small: SmallExchange) -> None:
    directory = small.exchange.directory.current()
    small.clock.step = timedelta(0)
    small.exchange.directory.refresh()
    message = small.sealed(letter())
    with write(small.exchange.engine) as connection:
        close_agency(connection, directory.find(WARD), date(2026, 7, 1), [])
    with pytest.raises(RefusedError, match="ended on 2026-07-01"):
        small.submit(message)
    assert count(small.exchange, DocumentRow) == 0


def test_an_unsealed_letter_is_refused(small: SmallExchange) -> None:
    message = small.sealed(letter())
    start, stop = message.index(b"<ds:Signature"), message.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    assert codes(refusal(small, message[:start] + message[stop:])) == ["N.Signature"]


def test_the_seal_of_another_agency_is_refused(small: SmallExchange) -> None:
    error = refusal(small, small.sealed(letter(), sealer=HOME_AFFAIRS))
    assert codes(error) == ["M.Signature.signer"]


def test_a_seal_whose_binding_ended_is_refused(small: SmallExchange) -> None:
    with write(small.exchange.engine) as connection:
        end_binding(connection, fingerprint(small.seals[OFFICE].certificate), small.clock())
    small.exchange.directory.refresh()
    assert codes(refusal(small, letter())) == ["M.Signature.signer"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trích yếu".encode(), b""),
        (b"<edXML:Priority>0", b"<edXML:Priority>3"),
        (b"cong-van.pdf", b"cong-vam.pdf"),
        (b"H29.31.1<", b"H29.31.2<"),
    ],
)
def test_what_was_altered_under_the_seal_is_refused(small: SmallExchange, old: bytes, new: bytes) -> None:
    message = small.sealed(letter(other_info=OtherInfo(), content="Nội dung trích yếu"))
    assert old in message
    error = refusal(small, message.replace(old, new))
    assert error.violations[0].code.startswith("M.Signature.")
    assert "HASH_FAILURE" in error.violations[0].reason


def test_a_seal_that_expired_is_refused(small: SmallExchange) -> None:
    message = letter(promulgation_date=date(2026, 11, 24))
    small.clock.now += timedelta(days=400)
    with pytest.raises((RefusedError, VerificationUnavailableError)):
        small.submit(message)
    assert count(small.exchange, DocumentRow) == 0


def test_a_seal_that_cannot_be_judged_is_held_not_refused(tmp_path: Path) -> None:
    with small_exchange(tmp_path) as small:
        blind = PathValidator(small.pki.anchors(), RevocationData())
        exchange = replace(small.exchange, validator=lambda: blind)
        with pytest.raises(VerificationUnavailableError):
            Acceptance(exchange).submit(incoming_bytes(small.sealed(letter())), small.caller(OFFICE))
        assert set(counts(small).values()) == {0}


def test_a_seal_under_an_authority_of_the_exchange_that_has_expired_is_held_not_refused(tmp_path: Path) -> None:
    with small_exchange(tmp_path) as small:
        root = small.pki.root
        name = root.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        old = small.pki.authority(str(name), key=root.private_key, not_after=small.clock() - timedelta(days=1))
        stale = PathValidator(
            TrustAnchors([old.certificate]),
            RevocationData(small.pki.crls()),
            intermediates=[small.pki.issuing.certificate],
        )
        exchange = replace(small.exchange, validator=lambda: stale)
        with pytest.raises(VerificationUnavailableError, match="expired"):
            Acceptance(exchange).submit(incoming_bytes(small.sealed(letter())), small.caller(OFFICE))
        assert set(counts(small).values()) == {0}


def test_what_was_altered_is_refused_although_revocation_cannot_be_judged(tmp_path: Path) -> None:
    with small_exchange(tmp_path) as small:
        blind = PathValidator(small.pki.anchors(), RevocationData(), intermediates=[small.pki.issuing.certificate])
        exchange = replace(small.exchange, validator=lambda: blind)
        altered = small.sealed(letter()).replace(b"cong-van.pdf", b"cong-vam.pdf")
        with pytest.raises(RefusedError) as refused:
            Acceptance(exchange).submit(incoming_bytes(altered), small.caller(OFFICE))
        assert "HASH_FAILURE" in refused.value.violations[0].reason


def test_a_seal_that_fails_beside_one_that_cannot_be_judged_is_refused(small: SmallExchange) -> None:
    blind = PathValidator(small.pki.anchors(), RevocationData(), intermediates=[small.pki.issuing.certificate])
    document = seal_message(letter(), small.seals[OFFICE], small.clock())
    place = seal_place(document)
    stranger = Pki(name="Stranger").seal(OFFICE)
    sign(
        document,
        place.parts,
        parent=place.header,
        key=stranger,
        signing_time=small.clock(),
        signature_id="second",
    )
    data = b"".join(document.encoded_chunks())
    exchange = replace(small.exchange, validator=lambda: blind)
    with pytest.raises(RefusedError) as refused:
        Acceptance(exchange).submit(incoming_bytes(data), small.caller(OFFICE))
    assert [each.code for each in refused.value.violations] == [
        "M.Signature.path.revocation_unknown",
        "M.Signature.path.not_found",
    ]


def test_a_seal_on_hold_is_refused_and_not_put_off(small: SmallExchange) -> None:
    seal = small.seals[OFFICE]
    small.pki.revoke(seal, small.clock() - timedelta(days=2), x509.ReasonFlags.certificate_hold)
    held = small.pki.validator()
    exchange = replace(small.exchange, validator=lambda: held)
    with pytest.raises(RefusedError) as refused:
        Acceptance(exchange).submit(incoming_bytes(small.sealed(letter())), small.caller(OFFICE))
    assert [each.code for each in refused.value.violations] == ["M.Signature.path.on_hold"]
    assert "TRY_LATER" in refused.value.violations[0].reason


def test_the_same_refusal_twice_is_recorded_once(small: SmallExchange) -> None:
    message = small.sealed(letter(to=("H29.99",)))
    first = refusal(small, message)
    before = counts(small)
    with pytest.raises(RefusedError) as again:
        small.submit(message)
    assert first.evidence is not None
    assert again.value.evidence is not None
    assert again.value.evidence.body == first.evidence.body
    assert counts(small) == before


def test_one_agency_cannot_send_for_another(small: SmallExchange) -> None:
    message = small.sealed(letter())
    with pytest.raises(SenderMismatchError):
        small.submit(message, HOME_AFFAIRS)
    assert set(counts(small).values()) == {0}


def test_one_agency_cannot_have_the_receipt_of_another(small: SmallExchange) -> None:
    message = small.sealed(letter())
    small.submit(message)
    with pytest.raises(SenderMismatchError):
        small.submit(message, HOME_AFFAIRS)


def test_a_caller_without_the_scope_is_turned_away(small: SmallExchange) -> None:
    with pytest.raises(MissingScopeError):
        Acceptance(small.exchange).submit(incoming_bytes(b"<x/>"), small.caller(OFFICE, Scope.RECEIVE))


@pytest.mark.parametrize("data", [b"<", b"<a/>", b"<!DOCTYPE a><edXML/>", b"\x00\x01\x02", b"{}"])
def test_what_cannot_be_read_leaves_nothing(small: SmallExchange, data: bytes) -> None:
    with pytest.raises((XmlError, MessageError)):
        small.submit(data)
    assert set(counts(small).values()) == {0}
    assert objects(small) == 0


@pytest.mark.parametrize("kind", [BussinessDocType.RECALL, BussinessDocType.UPDATE, BussinessDocType.REPLACE])
def test_recall_update_and_replace_are_refused_by_name(small: SmallExchange, kind: BussinessDocType) -> None:
    new = "<edXML:BussinessDocType>0</edXML:BussinessDocType><edXML:BussinessDocReason>Lý do</"
    other = f"<edXML:DocumentId>H29.1,2026/11/23,02/UBND-VX</edXML:DocumentId>{new.replace('0', str(kind.value), 1)}"
    error = refusal(small, small.sealed_with(letter(bussiness=Bussiness(reason="Lý do")), (new, other)))
    assert codes(error) == ["M.Bussiness.BussinessDocType"]


def test_the_steps_are_reached_in_their_order(tmp_path: Path) -> None:
    watcher = Watcher()
    with small_exchange(tmp_path, observer=watcher) as small:
        small.submit(letter())
    order = [step for step in AcceptanceStep if step not in (AcceptanceStep.RECEIPT_READ, AcceptanceStep.ANSWERING)]
    assert watcher.steps == order


def test_a_large_letter_is_staged_and_its_file_becomes_an_object(small: SmallExchange) -> None:
    data = b"%PDF-1.7\n" + os.urandom(3 << 20)
    message = small.sealed(letter(attachments=(attachment(data),)))
    assert len(message) > IN_MEMORY_BYTES
    store = small.exchange.store
    with receive(io.BytesIO(message), store, 100 << 20) as incoming:
        assert incoming.staged is not None
        receipt = Acceptance(small.exchange).submit(incoming, small.caller(OFFICE))
    view = small.view(receipt.document_pk, OFFICE)
    assert view.attachments[0].is_object
    with open_attachment(small.exchange, view, view.attachments[0], 5, 7) as stream:
        assert stream.read() == data[5:12]
    assert store.verify(view.attachments[0].sha256) == len(data)
    assert store.verify(view.message_sha256) == len(message)


def test_a_large_letter_that_is_refused_leaves_no_object(small: SmallExchange) -> None:
    data = b"%PDF-1.7\n" + os.urandom(3 << 20)
    message = small.sealed(letter(attachments=(attachment(data),)), sealer=HOME_AFFAIRS)
    with (
        receive(io.BytesIO(message), small.exchange.store, 100 << 20) as incoming,
        pytest.raises(RefusedError, match="not bound"),
    ):
        Acceptance(small.exchange).submit(incoming, small.caller(OFFICE))
    assert objects(small) == 0


def large_status(small: SmallExchange, size: int, code: str = "03") -> bytes:
    """A sealed status of that size, most of which its seal does not cover."""
    end, start, stop = b"</edXML:edXMLHeader>", b'<x:Extra xmlns:x="urn:x">', b"</x:Extra>"
    data = small.sealed(status(code, letter()))
    data = data.replace(end, start + b" " * (size - len(data) - len(start + stop)) + stop + end)
    assert len(data) == size
    return data


def test_a_status_larger_than_states_may_be_is_refused_and_leaves_nothing(small: SmallExchange) -> None:
    pk, limit = small.submit(letter()).document_pk, small.exchange.policy.limits.max_status_bytes
    before = counts(small), objects(small)
    with pytest.raises(XmlLimitError) as refused:
        small.submit(large_status(small, limit + 1), WARD)
    assert (refused.value.rule, f"more than {limit}" in refused.value.reason) == ("status.max_bytes", True)
    assert refused.value.remedy
    assert (counts(small), objects(small)) == before
    small.submit(large_status(small, limit), WARD)
    assert small.audit(small.export(pk, OFFICE)).verdict is Outcome.GOOD


def test_a_large_status_that_was_taken_on_earlier_keeps_its_receipt(small: SmallExchange) -> None:
    small.submit(letter())
    exchange, policy = small.exchange, small.exchange.policy
    data = large_status(small, policy.limits.max_status_bytes + 1)
    earlier = replace(policy.limits, max_status_bytes=len(data))
    small.exchange = replace(exchange, policy=replace(policy, limits=earlier))
    first = small.submit(data, WARD)
    small.exchange = exchange
    assert small.submit(data, WARD).evidence == first.evidence


@pytest.mark.parametrize(("size", "limit"), [(11, 10), (IN_MEMORY_BYTES + CHUNK_BYTES, IN_MEMORY_BYTES + 1)])
def test_more_bytes_than_allowed_are_refused_while_they_come(small: SmallExchange, size: int, limit: int) -> None:
    stream = io.BytesIO(b"x" * size * 4)
    with pytest.raises(XmlLimitError), receive(stream, small.exchange.store, limit):
        pass
    assert stream.tell() <= limit + 1 + 2 * CHUNK_BYTES


def test_many_senders_at_once_get_distinct_documents_and_numbers(small: SmallExchange) -> None:
    messages = [small.sealed(letter(number, to=(WARD, OTHER_WARD))) for number in range(1, 41)]
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(small.submit, messages * 2))
    assert len({receipt.document_pk for receipt in receipts}) == 40
    assert len({receipt.evidence for receipt in receipts}) == 40
    assert count(small.exchange, DocumentRow) == 40
    for agency in (OFFICE, WARD, OTHER_WARD):
        assert sequence_of(small, agency) == list(range(1, 41))


def sequence_of(small: SmallExchange, code: str) -> list[int]:
    agency = small.exchange.directory.current().find(code)
    with read(small.exchange.engine) as connection:
        rows = connection.execute(
            select(EventRow.agency_sequence).where(EventRow.agency_id == agency.id).order_by(EventRow.agency_sequence)
        )
        return list(rows.scalars())


class HeldUp:
    """An observer that lets nobody past the parsing of a message until it may."""

    def __init__(self) -> None:
        self.parsed: SimpleQueue[AcceptanceStep] = SimpleQueue()
        self.may_go = threading.Event()

    def reached(self, step: AcceptanceStep) -> None:
        if step is AcceptanceStep.PARSED:
            self.parsed.put(step)
            assert self.may_go.wait(20)


def test_small_messages_are_judged_one_at_a_time_and_a_large_one_waits_for_none(small: SmallExchange) -> None:
    held = HeldUp()
    acceptance = Acceptance(replace(small.exchange, observer=held))
    large = attachment(b"%PDF-1.7\n" + bytes(JUDGED_ALONE_BYTES))
    letters = (letter(1), letter(2), letter(3, attachments=(large,)))
    messages = [small.sealed(each) for each in letters]
    caller = small.caller(OFFICE, Scope.SEND)
    with ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(acceptance.submit, incoming_bytes(message), caller) for message in messages]
        try:
            for _ in ("one of the small ones", "the large one"):
                held.parsed.get(timeout=5)
            with pytest.raises(Empty):
                held.parsed.get(timeout=0.2)
        finally:
            held.may_go.set()
        assert len({each.result(20).document_pk for each in sent}) == 3


def test_conflicting_senders_at_once_end_with_one_document(small: SmallExchange) -> None:
    messages = [small.sealed(letter(content=f"Nội dung {number}")) for number in range(12)]

    def attempt(message: bytes) -> str:
        try:
            return small.submit(message).document_id
        except ConflictError:
            return "conflict"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(attempt, messages))
    assert outcomes.count("conflict") == 11
    assert count(small.exchange, DocumentRow) == 1


def test_one_bad_item_of_a_batch_does_not_spoil_the_others(
    small: SmallExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[..., object] = AcceptDocument.write

    def breaking(self: AcceptDocument, *args: object) -> object:
        if self.document.message.code.number == "07":
            raise RuntimeError("broken")
        return original(self, *args)

    monkeypatch.setattr(AcceptDocument, "write", breaking)
    messages = [small.sealed(letter(number)) for number in range(1, 13)]

    def attempt(message: bytes) -> bool:
        try:
            small.submit(message)
        except RuntimeError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(attempt, messages)).count(False) == 1
    assert count(small.exchange, DocumentRow) == 11
    assert sequence_of(small, OFFICE) == list(range(1, 12))


def test_status_about_nothing_is_refused(small: SmallExchange) -> None:
    error = refusal(small, small.sealed(status("03", letter())), WARD)
    assert codes(error) == ["M.UpdateTraces"]


def test_tables_named_here_are_all_that_acceptance_fills(small: SmallExchange) -> None:
    small.submit(letter(attachments=()))
    filled = {
        table.name
        for table in Base.metadata.sorted_tables
        if _rows(small, table) and not table.name.startswith(("agency", "directory", "seal"))
    }
    assert filled == {table.__tablename__ for table in TABLES} - {"attachment"}


def _rows(small: SmallExchange, table: Table) -> int:
    with read(small.exchange.engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_memory_contents_are_what_was_sent(small: SmallExchange) -> None:
    receipt = small.submit(letter())
    view = small.view(receipt.document_pk, OFFICE)
    with open_attachment(small.exchange, view, view.attachments[0]) as stream:
        sent = letter().attachments[0].content
        assert isinstance(sent, MemoryContent)
        assert stream.read() == sent.data


def test_a_file_that_the_sealed_manifest_does_not_name_is_refused(small: SmallExchange) -> None:
    text = b"".join(encode(letter()).encoded_chunks()).decode()
    start, stop = text.index("<edXML:Reference>"), text.index("</edXML:Reference>") + len("</edXML:Reference>")
    error = refusal(small, small.sealed_with(letter(), (text[start:stop], "")))
    assert codes(error) == ["N.edXMLManifest.Reference"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<AttachmentName>cong-van.pdf<", "<AttachmentName>bao-cao-gia.pdf<"),
        ("<ContentType>application/pdf<", "<ContentType>application/zip<"),
        ("</ContentType><edXML:Content", "</ContentType><Description>Kẻ gian</Description><edXML:Content"),
    ],
)
def test_nothing_outside_the_seal_changes_what_is_read(small: SmallExchange, old: str, new: str) -> None:
    message = small.sealed(letter())
    start = message.index(b"<AttachmentEncoded")
    changed = message[:start] + message[start:].replace(old.encode(), new.encode())
    assert changed != message
    view = small.view(small.submit(changed).document_pk, OFFICE)
    [file] = view.attachments
    assert (file.name, file.media_type, file.description) == ("cong-van.pdf", "application/pdf", None)


def test_a_seal_revoked_before_the_evidence_is_made_is_judged_again(small: SmallExchange) -> None:
    message = small.sealed(letter())
    received = small.clock()
    revoked = received + timedelta(seconds=5)
    times = iter([received, revoked + timedelta(seconds=1)])
    small.pki.revoke(small.seals[OFFICE], revoked)
    aware = small.pki.validator(small.pki.crls(this_update=revoked))
    clock = lambda: next(times, revoked + timedelta(seconds=2))  # noqa: E731 - three lines would hide it
    exchange = replace(small.exchange, validator=lambda: aware, clock=clock)
    with pytest.raises(RefusedError) as refused:
        Acceptance(exchange).submit(incoming_bytes(message), small.caller(OFFICE))
    assert "revoked" in refused.value.violations[0].reason
    assert count(small.exchange, DocumentRow) == 0


def test_the_evidence_states_a_time_at_which_the_seal_was_found_good(small: SmallExchange) -> None:
    asked: list[datetime] = []

    class Noting(PathValidator):
        def validate(self, certificate: x509.Certificate, **given: Any) -> CertificatePath:
            asked.append(given["at"])
            return super().validate(certificate, **given)

    noting = Noting(small.pki.anchors(), RevocationData(small.pki.crls()))
    ticking = itertools.count()
    exchange = replace(
        small.exchange,
        validator=lambda: noting,
        clock=lambda: small.clock() + timedelta(seconds=next(ticking)),
    )
    receipt = Acceptance(exchange).submit(incoming_bytes(small.sealed(letter())), small.caller(OFFICE))
    assert receipt.accepted_at == asked[-1]


def test_a_letter_that_another_program_has_signed_as_a_whole_is_taken_on_and_proven(small: SmallExchange) -> None:
    seal = small.seals[OFFICE]
    document = encode(letter())
    header = seal_place(document).header
    etree.SubElement(header, f"{{{DS}}}Signature", {"Id": "placeholder"}, nsmap={"ds": DS})
    signed = XMLSigner(
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    ).sign(document.root, key=seal.private_key, cert=[seal.certificate, *seal.chain])
    data = etree.tostring(signed, encoding="UTF-8", xml_declaration=True)
    receipt = Acceptance(small.exchange).submit(incoming_bytes(data), small.caller(OFFICE))
    assert small.audit(small.export(receipt.document_pk, OFFICE)).verdict is Outcome.GOOD
