"""The service judges files by the trust list that lies in its trust folder, as ``edoc verify`` does."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.rest import verifications
from api.trust import TRUST_LIST, TRUST_LIST_AUTHORITY
from keys.memory import MemoryKey
from signing.trust_list import TrustedAs, TrustList, TrustListEntry, write_trust_list
from tests.support.exchange import NOW, SENDER, SmallExchange
from tests.support.http import Desk, problem_of
from tests.support.messages import document

DAY = timedelta(days=1)


@pytest.fixture
def signer(office: SmallExchange) -> MemoryKey:
    return office.authority.issue_trust_list_signer("Trục", at=NOW - DAY)


def publish(office: SmallExchange, signer: MemoryKey, seal: x509.Certificate, number: int = 1, days: int = 30) -> None:
    folder: Path = office.program.settings.trust_folder
    entry = TrustListEntry(TrustedAs.EXCHANGE_SEAL, seal, seal.not_valid_before_utc, None)
    made = TrustList("Trục", number, NOW - DAY, NOW - DAY + timedelta(days=days), (entry,))
    (folder / TRUST_LIST_AUTHORITY).write_bytes(signer.certificate.public_bytes(Encoding.PEM))
    (folder / TRUST_LIST).write_bytes(write_trust_list(made, signer))
    office.program.trust.refresh()


@pytest.fixture
def receipt(office: SmallExchange) -> bytes:
    return office.submit(office.letter()).evidence


def test_the_exchanges_seal_is_believed_where_the_list_names_it(
    office: SmallExchange, sender: Desk, signer: MemoryKey, receipt: bytes
) -> None:
    publish(office, signer, office.exchange.issuer.key.certificate)
    found = sender.post("/verifications", receipt, "application/octet-stream").json
    assert found["verdict"] == "good"
    assert "trust list 1 names it" in found["checks"][0]["reason"]


def test_not_even_its_own_seal_is_believed_where_the_list_does_not_name_it(
    office: SmallExchange, sender: Desk, signer: MemoryKey, receipt: bytes
) -> None:
    publish(office, signer, office.keys[SENDER].certificate)
    assert sender.post("/verifications", receipt, "application/octet-stream").json["verdict"] == "bad"


def test_a_list_that_does_not_hold_is_the_services_fault_and_stops_no_letter(
    office: SmallExchange, sender: Desk, signer: MemoryKey, receipt: bytes
) -> None:
    publish(office, signer, office.exchange.issuer.key.certificate, number=2)
    assert sender.post("/verifications", receipt, "application/octet-stream").json["verdict"] == "good"
    publish(office, signer, office.exchange.issuer.key.certificate, number=1)
    answer = sender.post("/verifications", receipt, "application/octet-stream")
    assert "2 was seen before" in problem_of(answer, 503, "trust-list")["detail"]
    publish(office, signer, office.exchange.issuer.key.certificate, number=3, days=1)
    answer = sender.post("/verifications", receipt, "application/octet-stream")
    assert "get the current one" in problem_of(answer, 503, "trust-list")["detail"]
    sender.submit(office.letter())


def test_the_service_knows_the_codes_of_its_own_directory(office: SmallExchange, sender: Desk) -> None:
    letter, old = document(), "000.09.00.H29"
    renamed = replace(
        letter,
        sender=replace(letter.sender, organ_id=old),
        document_id=letter.document_id.replace(f"{SENDER},", f"{old},"),
    )
    found = sender.post("/verifications", office.seal(renamed, SENDER), "application/octet-stream").json
    senders = [each["outcome"] for each in found["checks"] if each["name"] == "message_sender"]
    assert (found["verdict"], senders) == ("good", ["good"])


def test_a_container_of_more_files_than_are_judged_here_is_told_where_it_is(
    ward: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifications, "MOST_FILES", 20)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/vnd.etsi.asic-e+zip")
        for number in range(20):
            archive.writestr(f"evidence/{number}.xml", "<a/>")
    body = ward.post("/verifications", out.getvalue(), "application/octet-stream").get_json()
    assert (body["kind"], body["verdict"]) == ("export", "indeterminate")
    [check] = body["checks"]
    assert "21 members, more than 20" in check["reason"]
    assert "edoc verify" in check["remedy"]


@pytest.mark.parametrize(
    "at", ["9999-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
)
def test_a_time_at_the_end_of_the_calendar_is_refused(ward: Desk, receipt: bytes, at: str) -> None:
    answer = ward.post(f"/verifications?at={at}", receipt, "application/octet-stream")
    assert problem_of(answer, 422, "invalid-request")["errors"][0]["field"] == "at"


@pytest.mark.parametrize("at", ["1900-01-01T00:00:00Z", "2999-12-31T23:59:59Z"])
def test_any_usual_time_is_judged(ward: Desk, receipt: bytes, at: str) -> None:
    answer = ward.post(f"/verifications?at={at}", receipt, "application/octet-stream").json
    assert answer["verdict"] in ("bad", "indeterminate")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+07:00", "9999-12-31T23:59:59-07:00", "0001-01-01T00:00:00Z"])
def test_evidence_of_an_impossible_time_is_bad_and_no_failure(ward: Desk, receipt: bytes, time: str) -> None:
    forged = re.sub(rb"<EventTime>[^<]*</EventTime>", f"<EventTime>{time}</EventTime>".encode(), receipt)
    assert forged != receipt
    answer = ward.post("/verifications", forged, "application/octet-stream").json
    assert answer["verdict"] == "bad"
