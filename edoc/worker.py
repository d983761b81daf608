"""The worker: does what transactions promised (the outbox) and what time demands (the sweep).

Any number of workers may run: tasks are leased. Each task is safe to do twice, so that a crash anywhere costs time,
never a promise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select, update

from edoc.archive.sweep import SweepReport, sweep
from edoc.arrival import report_arrival
from edoc.database.engine import read, write
from edoc.database.tables import EvidenceRow
from edoc.delivery.outbox import Task, Topic, finish, lease, postpone
from edoc.errors import EdocError
from edoc.exchange import Exchange
from edoc.reconciliation import referenced_in

BATCH: Final = 200
GRACE: Final = timedelta(days=1)
"""Far longer than any acceptance takes."""

Failure = Callable[[Task, Exception], None]
"""Told of each task that failed and will be tried again."""


class Worker:
    """Works on the outbox."""

    def __init__(self, exchange: Exchange, failed: Failure) -> None:
        self._exchange, self._failed = exchange, failed

    def run_once(self) -> int:
        """Do the tasks that are due, at most :data:`BATCH`; returns how many were taken."""
        with write(self._exchange.engine) as connection:
            tasks = lease(connection, self._exchange.clock(), BATCH)
        evidence = [task for task in tasks if task.topic is Topic.ARCHIVE_EVIDENCE]
        if evidence:
            self._attempt(evidence, self._archive_evidence)
        for task in tasks:
            if task.topic is Topic.REPORT_ARRIVAL:
                self._attempt([task], self._report_arrival)
        return len(tasks)

    def sweep(self) -> SweepReport:
        """Remove what crashes and refused messages left in the archive."""
        exchange = self._exchange
        return sweep(exchange.store, referenced_in(exchange), exchange.clock(), GRACE)

    def _attempt(self, tasks: Sequence[Task], action: Callable[[Sequence[Task]], None]) -> None:
        try:
            action(tasks)
        except EdocError as error:
            for task in tasks:
                self._failed(task, error)
            with write(self._exchange.engine) as connection:
                postpone(connection, tasks, self._exchange.clock())

    def _archive_evidence(self, tasks: Sequence[Task]) -> None:
        """Crash before the commit: the objects are there, the rows still hold the bodies; done again, to no harm."""
        with read(self._exchange.engine) as connection:
            bodies = _bodies(connection, [task.subject for task in tasks])
        self._exchange.store.put_many(bodies)
        with write(self._exchange.engine) as connection:
            connection.execute(
                update(EvidenceRow)
                .where(EvidenceRow.id.in_([task.subject for task in tasks]))
                .values(body=None, archived_at=self._exchange.clock())
            )
            finish(connection, tasks)

    def _report_arrival(self, tasks: Sequence[Task]) -> None:
        """Crash before the task is finished: the report is there; reporting again finds it and changes nothing."""
        for task in tasks:
            report_arrival(self._exchange, task.subject)
        with write(self._exchange.engine) as connection:
            finish(connection, tasks)


def _bodies(connection: Connection, evidence: Sequence[UUID]) -> list[bytes]:
    rows = connection.execute(
        select(EvidenceRow.body).where(EvidenceRow.id.in_(evidence), EvidenceRow.body.is_not(None))
    )
    return [body for body in rows.scalars() if body is not None]
