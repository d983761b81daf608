"""The service knows to whom it has bound a certificate that names no agency; nobody else can."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edoc.database.engine import write
from edoc.directory.model import SealBinding
from edoc.directory.repository import bind_seals, end_binding
from keys.certificates import fingerprint
from keys.memory import MemoryKey
from tests.support.exchange import NOW, SENDER, WARD, SmallExchange
from tests.support.http import Desk
from tests.support.messages import document

DAY = timedelta(days=1)


@pytest.fixture
def unnamed(office: SmallExchange, monkeypatch: pytest.MonkeyPatch) -> MemoryKey:
    """A seal whose certificate names no agency, from the authority that the exchange trusts."""
    monkeypatch.setattr("keys.issuance.agency_identifier", "VATVN-{}".format)
    return office.authority.issue_seal("0101234567", "Văn phòng", at=NOW - DAY)


def bind(office: SmallExchange, key: MemoryKey, code: str, since: datetime = NOW - DAY) -> None:
    der = key.certificate.public_bytes(Encoding.DER)
    with write(office.exchange.engine) as connection:
        bind_seals(connection, [SealBinding(fingerprint(key.certificate), office.agency(code).id, der, since, None)])
    office.exchange.directory.refresh()


def judged(office: SmallExchange, sender: Desk, key: MemoryKey) -> tuple[str, str]:
    office.keys[SENDER] = key
    found = sender.post("/verifications", office.seal(document()), "application/octet-stream").json
    (outcome,) = (each["outcome"] for each in found["checks"] if each["name"] == "message_sender")
    return found["verdict"], outcome


def test_a_letter_under_a_certificate_bound_to_its_sender_is_good(
    office: SmallExchange, sender: Desk, unnamed: MemoryKey
) -> None:
    bind(office, unnamed, SENDER)
    assert judged(office, sender, unnamed) == ("good", "good")


def test_a_letter_under_a_certificate_bound_to_nobody_or_no_more_is_undecided(
    office: SmallExchange, sender: Desk, unnamed: MemoryKey
) -> None:
    assert judged(office, sender, unnamed) == ("indeterminate", "indeterminate")
    bind(office, unnamed, SENDER)
    with write(office.exchange.engine) as connection:
        end_binding(connection, fingerprint(unnamed.certificate), NOW)
    office.exchange.directory.refresh()
    assert judged(office, sender, unnamed) == ("indeterminate", "indeterminate")


def test_a_letter_under_a_certificate_bound_to_another_is_bad(
    office: SmallExchange, sender: Desk, unnamed: MemoryKey
) -> None:
    bind(office, unnamed, WARD)
    assert judged(office, sender, unnamed) == ("bad", "bad")
