"""The power is cut at every step of acceptance: nothing acknowledged is lost, and a retry doubles nothing."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from edoc.acceptance.steps import AcceptanceStep
from edoc.archive.local import LocalObjectStore
from edoc.database.engine import open_engine, read
from edoc.database.tables import (
    AgencyRow,
    AgencySequenceRow,
    DeliveryRow,
    DocumentRow,
    EventRow,
    EvidenceRow,
    MessageRow,
    OutboxRow,
)
from tests.support.failing_service import MARK
from tests.support.homes import SENDER, Home, Service, make_home, service, ward

pytestmark = pytest.mark.integration

FAILING = ("-m", "tests.support.failing_service")
RECIPIENTS = 3
STEPS = [step for step in AcceptanceStep if step is not AcceptanceStep.RECEIPT_READ]
COMMITTED = {AcceptanceStep.COMMITTED, AcceptanceStep.ANSWERING}


@dataclass
class Scene:
    """A home, and the letters that were acknowledged so far."""

    home: Home
    acknowledged: dict[bytes, dict[str, Any]]
    number: int = 0

    def letter(self) -> bytes:
        """A new letter, whose file is large enough to become an object of its own."""
        self.number += 1
        parsed = self.home.letter(self.number, RECIPIENTS, b"%PDF-1.7\n" + bytes([self.number]) * 300_000)
        return b"".join(parsed.encoded_chunks())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    environment = {"EDOC_WORKERS": "1", "EDOC_THREADS": "4"}
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        environment["EDOC_DATABASE_URL"] = server.url(server.create_database())
    return Scene(make_home(tmp_path_factory.mktemp("home"), environment=environment), {})


def submit(running: Service, home: Home, message: bytes) -> httpx.Response:
    headers = {"Authorization": f"Bearer {home.tokens[SENDER]}", "Content-Type": "application/xml"}
    return httpx.post(f"{running.url}/api/v1/messages", content=message, headers=headers, timeout=20)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.value)
def test_a_power_cut_at_each_step_loses_and_doubles_nothing(scene: Scene, step: AcceptanceStep) -> None:
    before, message = scene.letter(), scene.letter()
    with service(scene.home, FAILING) as running:
        scene.acknowledged[before] = submit(running, scene.home, before).raise_for_status().json()
        (scene.home.folder / MARK).write_text(step.value)
        with pytest.raises(httpx.TransportError):
            submit(running, scene.home, message)
        running.process.wait(10)
    assert not (scene.home.folder / MARK).exists(), "the step was not reached"
    check_consistency(scene)
    with service(scene.home, FAILING) as running:
        answer = submit(running, scene.home, message)
        assert answer.status_code == (200 if step in COMMITTED else 201)
        scene.acknowledged[message] = answer.json()
        for data, receipt in scene.acknowledged.items():
            again = submit(running, scene.home, data)
            assert (again.status_code, again.json()["receipt"]) == (200, receipt["receipt"])
    check_consistency(scene)
    assert documents(scene) == len(scene.acknowledged)


def test_there_are_twelve_steps_and_more() -> None:
    assert len(STEPS) >= 12


def documents(scene: Scene) -> int:
    engine = open_engine(scene.home.database_url)
    with read(engine) as connection:
        number = connection.execute(select(func.count()).select_from(DocumentRow)).scalar_one()
    engine.dispose()
    return number


def check_consistency(scene: Scene) -> None:
    """Whatever happened, the rows agree with each other and with the archive."""
    store = LocalObjectStore(scene.home.folder / "archive", retention=timedelta(0))
    engine = open_engine(scene.home.database_url)
    with read(engine) as connection:
        documents = connection.execute(select(func.count()).select_from(DocumentRow)).scalar_one()
        assert documents >= len(scene.acknowledged)
        for sha256 in connection.execute(select(MessageRow.sha256)).scalars():
            store.verify(sha256)
        tables = (DeliveryRow, EvidenceRow, EventRow, OutboxRow)
        found = {
            table.__tablename__: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        }
        assert found == {
            "delivery": RECIPIENTS * documents,
            "evidence": 2 * documents,
            "event": (1 + RECIPIENTS) * documents,
            "outbox": 2 * documents,
        }
        for code in (SENDER, ward(1)):
            numbers = connection.execute(
                select(EventRow.agency_sequence)
                .join(AgencyRow, AgencyRow.id == EventRow.agency_id)
                .where(AgencyRow.code == code)
                .order_by(EventRow.agency_sequence)
            ).scalars()
            assert list(numbers) == list(range(1, documents + 1))
        last = connection.execute(select(func.max(AgencySequenceRow.value))).scalar_one()
        assert last == documents
    engine.dispose()
    for receipt in scene.acknowledged.values():
        assert base64.b64decode(receipt["receipt"]).startswith(b"<?xml")
