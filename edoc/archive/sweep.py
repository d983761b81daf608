"""Removing what crashes left in the archive: files that no row refers to, and staged files nobody will finish.

An object is written before the transaction that refers to it, so a crash can leave one without a reference. The grace
period must be much longer than the longest acceptance takes, and longer than the age after which a store renews an
object that is put again (``renew_after`` of the S3 store): what is younger may be about to be referred to. An object
under retention is kept until that is over, even if nothing refers to it.

**What is or may be sealed (a message, evidence) is never removed.** That no row refers to a message does not prove that
it was not accepted: so it is too where the database lost the row, such as one that was restored from an older copy or
put in the place of another. The same holds for a file that was stored within a grace period of such a message, and may
have come with it. All of that is counted, for the operator to look into (docs/operation.md); crashes seldom leave any,
since the sender's retry uses it. A file that came alone is missed by nobody: the message would carry it again.

A sweep goes over the archive twice: first to learn when the sealed objects without a row were stored, of which it
remembers eight bytes each, then to remove.

The sweep may run at any time, in several processes, and be stopped anywhere: the next one goes on.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from edoc.archive.objects import ObjectStat, ObjectStore
from edoc.errors import ObjectNotFoundError, RetentionError

BATCH: Final = 500
"""Objects asked about at once."""
HEAD_BYTES: Final = 4096
"""What is read of an object to see whether it may be XML."""
SHORTEST_GRACE: Final = timedelta(hours=2)

_BEFORE_XML: Final = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"
"""The bytes of byte order marks, and white space in any encoding."""

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
    """Unreferenced objects that could go, and are still under retention."""
    kept: int
    """Unreferenced messages and evidence, and files that may have come with them."""
    staged: int
    """Staged files and uploads removed."""


def sweep(store: ObjectStore, references: ReferenceCheck, now: datetime, grace: timedelta) -> SweepReport:
    """Remove the files that nothing refers to and that are older than ``grace``.

    Never removes an object that the check did not see: should the check fail, its error passes and everything stays.

    Raises:
        ValueError: the grace period is shorter than :data:`SHORTEST_GRACE`, so that live work could be removed.
        ArchiveError: the object store fails.
    """
    if grace < SHORTEST_GRACE:
        raise ValueError(f"a grace period of {grace} could remove what is being accepted; at least {SHORTEST_GRACE}")
    sealed = array("d")
    for each in _unreferenced(store, references, now - grace, _Count()):
        if may_be_sealed(store, each):
            sealed.append(each.stored_at.timestamp())
    times, count = sorted(sealed), _Count()
    deleted = retained = kept = 0
    for each in _unreferenced(store, references, now - grace, count):
        if _came_with_one_of(times, each, grace) or may_be_sealed(store, each):
            kept += 1
        elif _remove(store, each.sha256, now, grace):
            deleted += 1
        else:
            retained += 1
    return SweepReport(count.examined, deleted, retained, kept, store.discard_stale(now - grace))


@dataclass
class _Count:
    """How many objects were seen."""

    examined: int = 0


def _unreferenced(
    store: ObjectStore, references: ReferenceCheck, before: datetime, count: _Count
) -> Iterator[ObjectStat]:
    """The objects that no row refers to and that were stored before then, in the order of their digests."""
    for batch in _batches(store.list()):
        count.examined += len(batch)
        old = [each for each in batch if each.stored_at <= before]
        referenced = references([each.sha256 for each in old]) if old else frozenset()
        yield from (each for each in old if each.sha256 not in referenced)


def may_be_sealed(store: ObjectStore, stat: ObjectStat) -> bool:
    """Whether an object can be a message or evidence: whether it begins as XML does, in any encoding.

    Raises:
        ArchiveError: the object store fails.
    """
    try:
        with store.open(stat.sha256, length=HEAD_BYTES) as stream:
            head = stream.read(HEAD_BYTES)
    except ObjectNotFoundError:  # another sweep was faster: it was none
        return False
    began = head.lstrip(_BEFORE_XML)
    return began.startswith(b"<") or (not began and stat.size > HEAD_BYTES)


def _came_with_one_of(sealed: Sequence[float], stat: ObjectStat, grace: timedelta) -> bool:
    """Whether one of the messages (or what may be one) was stored about when an object was, or is that object itself.

    Before or after: of a large message the time is that of its arrival, before its files were taken out of it.
    """
    first = bisect_left(sealed, (stat.stored_at - grace).timestamp())
    return first < len(sealed) and sealed[first] <= (stat.stored_at + grace).timestamp()


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
