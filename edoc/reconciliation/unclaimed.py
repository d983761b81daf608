"""What is sealed in the archive and no row refers to: rows were deleted, or the database is older than the archive.

Only objects that nothing refers to are opened, and of them only those that are older than any acceptance takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from edoc.archive.objects import ObjectStat
from edoc.errors import ObjectCorruptError, ObjectNotFoundError
from edoc.evidence.rows import MAX_EVIDENCE_BYTES
from edoc.exchange import Exchange
from edoc.reconciliation.model import Compared, Difference, Theme
from edoc.reconciliation.objects import PAGE, referenced_in
from edoc.reconciliation.sealed import NOTHING_KEPT, ExchangeSeals, ForeignError, SealedArchive, UnreadError

GRACE: Final = timedelta(days=1)
"""What is younger may be about to be referred to."""
_HEAD_BYTES: Final = 64
_NOTHING: Final = Compared()


def find_unclaimed(exchange: Exchange, seals: ExchangeSeals = NOTHING_KEPT) -> Iterator[Compared]:
    """Look at every object of the archive.

    Raises:
        DatabaseError, ArchiveError: one of both cannot be read.
    """
    archive, is_referenced, now = SealedArchive(exchange, seals), referenced_in(exchange), exchange.clock()
    objects = exchange.store.list()
    while stats := list(itertools.islice(objects, PAGE)):
        known = is_referenced([each.sha256 for each in stats])
        for each in stats:
            if each.sha256 in known or now < each.stored_at + GRACE:
                yield _NOTHING
            else:
                yield _classify(exchange, archive, each)


def _classify(exchange: Exchange, archive: SealedArchive, stat: ObjectStat) -> Compared:
    try:
        if not _looks_like_xml(exchange, stat.sha256):
            return _NOTHING
        if stat.size <= MAX_EVIDENCE_BYTES and archive.is_own_evidence(
            exchange.store.read(stat.sha256, MAX_EVIDENCE_BYTES)
        ):
            return _found(Theme.LOST_EVIDENCE, stat, "sealed evidence without a row")
        archive.message(stat.sha256)
    except (ObjectNotFoundError, ObjectCorruptError, UnreadError, ForeignError):  # swept meanwhile, or nothing of ours
        return _NOTHING
    return _found(Theme.UNCLAIMED_MESSAGES, stat, "a message without a row")


def _looks_like_xml(exchange: Exchange, sha256: str) -> bool:
    with exchange.store.open(sha256, 0, _HEAD_BYTES) as stream:
        return stream.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def _found(theme: Theme, stat: ObjectStat, what: str) -> Compared:
    return Compared((Difference(theme, f"object {stat.sha256}", f"{what}, stored {stat.stored_at.isoformat()}"),))
