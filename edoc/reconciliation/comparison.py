"""Every row against what is sealed in the archive, page by page.

Each page is read in one state of the database, in which what one transaction wrote is there as a whole, so that the
exchange may run meanwhile. Rows that were entered after the comparison began may be missed, never told falsely.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from edoc.database.engine import read
from edoc.database.tables import AgencySequenceRow, DeliveryRow, EventRow, EvidenceRow, MessageRow
from edoc.exchange import Exchange
from edoc.reconciliation.deliveries import compare_deliveries
from edoc.reconciliation.events import compare_events, compare_sequences
from edoc.reconciliation.evidence import compare_evidence
from edoc.reconciliation.messages import compare_messages
from edoc.reconciliation.model import Compared
from edoc.reconciliation.sealed import NOTHING_KEPT, ExchangeSeals, SealedArchive


def compare_rows(exchange: Exchange, seals: ExchangeSeals = NOTHING_KEPT) -> Iterator[Compared]:
    """Hold every message, delivery, evidence and event row, and every agency's numbers, against the archive.

    What the archive does not have whole is passed over: :func:`~edoc.reconciliation.objects.reconcile` tells of it.

    Raises:
        DatabaseError, ArchiveError: one of both cannot be read.
    """
    archive = SealedArchive(exchange, seals)
    yield from compare_messages(exchange, archive)
    yield from compare_deliveries(exchange, archive)
    yield from compare_evidence(exchange, archive)
    yield from compare_events(exchange, archive)
    yield from compare_sequences(exchange, archive)


def count_rows(exchange: Exchange) -> int:
    """How many things :func:`compare_rows` will look at, for a progress bar."""
    tables = (MessageRow, DeliveryRow, EvidenceRow, EventRow, AgencySequenceRow)
    with read(exchange.engine) as connection:
        return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)
