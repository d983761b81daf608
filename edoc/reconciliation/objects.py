"""Every object that the rows refer to must be in the archive, byte for byte.

``referenced`` answers the sweep; ``reconcile`` reads everything through and says what is missing or altered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sqlalchemy import Connection, Select, bindparam, func, select, true, union_all

from edoc.database.engine import read
from edoc.database.tables import AttachmentRow, EvidenceRow, MessageRow
from edoc.errors import ObjectCorruptError, ObjectNotFoundError
from edoc.exchange import Exchange

PAGE: Final = 500


class ObjectState(Enum):
    """What was found of an object that a row refers to."""

    INTACT = "intact"
    MISSING = "missing"
    ALTERED = "altered"


@dataclass(frozen=True)
class ReconciledObject:
    """One object and how it was found."""

    sha256: str
    owner: str
    """``message``, ``attachment`` or ``evidence``."""
    state: ObjectState
    detail: str = ""


def referenced(connection: Connection, digests: Sequence[str]) -> frozenset[str]:
    """Those of the digests that a row refers to."""
    return frozenset(connection.execute(_REFERENCED, {"digests": list(digests)}).scalars())


def referenced_in(exchange: Exchange) -> Callable[[Sequence[str]], frozenset[str]]:
    """The same question, each asked in a transaction of its own."""

    def check(digests: Sequence[str]) -> frozenset[str]:
        with read(exchange.engine) as connection:
            return referenced(connection, digests)

    return check


def reconcile(exchange: Exchange) -> Iterator[ReconciledObject]:
    """Read through every object that the rows refer to, in the order of their digests, and yield how it was found."""
    for owner, query in _OWNERS.items():
        after = ""
        while digests := _page(exchange, query, after):
            for sha256 in digests:
                yield _examine(exchange, owner, sha256)
            after = digests[-1]


def count_objects(exchange: Exchange) -> int:
    """How many references :func:`reconcile` will follow, for a progress bar."""
    with read(exchange.engine) as connection:
        return sum(connection.execute(query).scalar_one() for query in _COUNTS)


def _examine(exchange: Exchange, owner: str, sha256: str) -> ReconciledObject:
    try:
        exchange.store.verify(sha256)
    except ObjectNotFoundError as error:
        return ReconciledObject(sha256, owner, ObjectState.MISSING, str(error))
    except ObjectCorruptError as error:
        return ReconciledObject(sha256, owner, ObjectState.ALTERED, str(error))
    return ReconciledObject(sha256, owner, ObjectState.INTACT)


def _page(exchange: Exchange, query: Select[str], after: str) -> list[str]:
    with read(exchange.engine) as connection:
        return list(connection.execute(query, {"after": after}).scalars())


_ARCHIVED_EVIDENCE: Final = EvidenceRow.archived_at.is_not(None)
_REFERENCED: Final = union_all(
    *(
        select(column).where(column.in_(bindparam("digests", expanding=True)), condition)
        for column, condition in (
            (MessageRow.sha256, true()),
            (AttachmentRow.sha256, AttachmentRow.is_object),
            (EvidenceRow.sha256, true()),
        )
    )
)
_OWNERS: Final[dict[str, Select[str]]] = {
    "message": select(MessageRow.sha256)
    .where(MessageRow.sha256 > bindparam("after"))
    .order_by(MessageRow.sha256)
    .limit(PAGE),
    "attachment": select(AttachmentRow.sha256)
    .where(AttachmentRow.sha256 > bindparam("after"), AttachmentRow.is_object)
    .distinct()
    .order_by(AttachmentRow.sha256)
    .limit(PAGE),
    "evidence": select(EvidenceRow.sha256)
    .where(EvidenceRow.sha256 > bindparam("after"), _ARCHIVED_EVIDENCE)
    .order_by(EvidenceRow.sha256)
    .limit(PAGE),
}
_COUNTS: Final = (
    select(func.count()).select_from(MessageRow),
    select(func.count(AttachmentRow.sha256.distinct())).where(AttachmentRow.is_object),
    select(func.count()).select_from(EvidenceRow).where(_ARCHIVED_EVIDENCE),
)
