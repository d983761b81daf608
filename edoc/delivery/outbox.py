"""The outbox: work promised in the transaction that makes it necessary, done after it by the worker.

At least once: a task is leased, done, and removed in the transaction that records it done. A crash before that
leaves the task, which becomes available again when its lease ends; each task is harmless to do twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, func, select, update

from edoc.database.group_commit import RowBatch
from edoc.database.tables import OutboxRow
from edoc.identifiers import Random, uuid7

LEASE: Final = timedelta(minutes=1)
FIRST_RETRY: Final = timedelta(seconds=5)
LONGEST_RETRY: Final = timedelta(hours=1)


class Topic(Enum):
    """What there is to do."""

    ARCHIVE_EVIDENCE = "archive_evidence"
    """Make the body of a piece of evidence an object of the archive."""
    REPORT_ARRIVAL = "report_arrival"
    """Tell the sender that the document arrived (status 01) in the recipient's name."""


@dataclass(frozen=True)
class Task:
    """One promise."""

    id: UUID
    topic: Topic
    subject: UUID
    attempts: int


def add_task(rows: RowBatch, topic: Topic, subject: UUID, now: datetime, random: Random) -> None:
    """Promise work, in the transaction of ``rows``."""
    rows.add(
        OutboxRow,
        id=uuid7(now, random),
        topic=topic.value,
        subject=subject,
        created_at=now,
        available_at=now,
        attempts=0,
    )


def lease(connection: Connection, now: datetime, limit: int) -> list[Task]:
    """Take tasks that are due; nobody else gets them until the lease ends."""
    rows = connection.execute(
        select(OutboxRow.id, OutboxRow.topic, OutboxRow.subject, OutboxRow.attempts)
        .where(OutboxRow.available_at <= now)
        .order_by(OutboxRow.available_at, OutboxRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        connection.execute(
            update(OutboxRow)
            .where(OutboxRow.id.in_([row.id for row in rows]))
            .values(available_at=now + LEASE, attempts=OutboxRow.attempts + 1)
        )
    return [Task(row.id, Topic(row.topic), row.subject, row.attempts + 1) for row in rows]


def finish(connection: Connection, tasks: Sequence[Task]) -> None:
    """Remove tasks that are done, in the transaction that records their result."""
    connection.execute(delete(OutboxRow).where(OutboxRow.id.in_([task.id for task in tasks])))


def postpone(connection: Connection, tasks: Sequence[Task], now: datetime) -> None:
    """Try failed tasks again later, each time later."""
    connection.execute(
        update(OutboxRow).where(OutboxRow.id == bindparam("task")).values(available_at=bindparam("later")),
        [{"task": task.id, "later": now + _delay(task.attempts)} for task in tasks],
    )


def backlog(connection: Connection) -> tuple[int, datetime | None]:
    """How many tasks wait, and since when the oldest does."""
    row = connection.execute(select(func.count(), func.min(OutboxRow.created_at))).one()
    return row[0], row[1]


def _delay(attempts: int) -> timedelta:
    return min(FIRST_RETRY * (1 << min(attempts, 20)), LONGEST_RETRY)
