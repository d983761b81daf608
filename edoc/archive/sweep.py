"""Removing what crashes left in the archive: objects that no row refers to, and staged files nobody will finish.

An object is written before the transaction that refers to it, so a crash, or a refused message, can leave one
without a reference. The grace period must be much longer than the longest acceptance takes, and longer than the age
after which a store renews an object that is put again (``renew_after`` of the S3 store): what is younger may be about
to be referred to. An object under retention is kept until that is over, even if nothing refers to it.

The sweep may run at any time, in several processes, and be stopped anywhere: the next one goes on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from edoc.archive.objects import ObjectStat, ObjectStore
from edoc.errors import ObjectNotFoundError, RetentionError

BATCH: Final = 500
"""Objects asked about at once."""
SHORTEST_GRACE: Final = timedelta(hours=2)

ReferenceCheck = Callable[[Sequence[str]], frozenset[str]]
"""Given digests, answers those that something refers to. Anything it raises ends the sweep."""


@dataclass(frozen=True)
class SweepReport:
    """What one sweep did."""

    examined: int
    """Objects in the archive."""
    deleted: int
    """Unreferenced objects removed."""
    retained: int
    """Unreferenced objects that are old enough, and still under retention."""
    staged: int
    """Staged files and uploads removed."""


def sweep(store: ObjectStore, references: ReferenceCheck, now: datetime, grace: timedelta) -> SweepReport:
    """Remove what nothing refers to and is older than ``grace``.

    Never removes an object that the check did not see: should the check fail, its error passes and the objects it was
    asked about stay.

    Raises:
        ValueError: the grace period is shorter than :data:`SHORTEST_GRACE`, so that live work could be removed.
        ArchiveError: the object store fails.
    """
    if grace < SHORTEST_GRACE:
        raise ValueError(f"a grace period of {grace} could remove what is being accepted; at least {SHORTEST_GRACE}")
    examined = deleted = retained = 0
    for batch in _batches(store.list()):
        examined += len(batch)
        old = [each.sha256 for each in batch if each.stored_at + grace <= now]
        referenced = references(old) if old else frozenset()
        for sha256 in old:
            if sha256 not in referenced:
                removed = _remove(store, sha256, now, grace)
                deleted += removed
                retained += not removed
    return SweepReport(examined, deleted, retained, store.discard_stale(now - grace))


def _remove(store: ObjectStore, sha256: str, now: datetime, grace: timedelta) -> bool:
    """Whether it is gone. The store looks at its age again: it may have been put again since it was listed."""
    try:
        store.delete(sha256, now, grace=grace)
    except RetentionError:
        return False
    except ObjectNotFoundError:  # another sweep was faster
        return True
    return True


def _batches(stats: Iterable[ObjectStat]) -> Iterator[tuple[ObjectStat, ...]]:
    iterator = iter(stats)
    while batch := tuple(itertools.islice(iterator, BATCH)):
        yield batch
