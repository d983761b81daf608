"""The start-up self-test of a bucket: does it keep what it was told to keep? It tries to break its own lock.

A service may accept the headers of a lock and ignore them, or be set up so that the exchange's own credentials can
lift it. What came of the attempt is shown on the health page.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from edoc.archive.s3_requests import AlreadyThereError, Bucket, Lock, LockMode, refused
from edoc.errors import ArchiveError

_FOLDER: Final = "self-test/"
_KEPT_FOR: Final = timedelta(minutes=2)


class LockState(Enum):
    """What the attempt to break the lock has shown."""

    ENFORCED = "enforced"
    """The service refused to remove the object, to shorten its retention and to bypass the lock."""
    LIFTABLE = "liftable"
    """It refused, until asked to bypass the lock, which these credentials may do (GOVERNANCE)."""
    BROKEN = "broken"
    """A lock was accepted and then not kept."""
    ABSENT = "absent"
    """No lock is asked for, or the bucket offers none: nothing but permissions protects the objects."""


@dataclass(frozen=True)
class LockStatus:
    """How well the bucket protects what is put into it."""

    state: LockState
    create_only: bool
    """Whether a second write under the same key was refused."""
    detail: str
    """What was tried and what came of it, for the health page."""


def check_lock(bucket: Bucket, mode: LockMode | None, now: datetime) -> LockStatus:
    """Try to break the protection of a small object made for it, and say what came of it.

    It leaves a few bytes in the folder ``self-test/`` that nobody can remove for two minutes; the next check removes
    what the ones before left.

    Raises:
        ArchiveError: the service fails.
    """
    _clean_up(bucket, now)
    offered = mode is not None and bucket.offers_lock()
    lock = Lock(mode, now + _KEPT_FOR) if mode is not None and offered else None
    key = f"{_FOLDER}{now:%Y%m%dT%H%M%S.%f}"
    version_id = bucket.put(key, b"kept", lock, create_only=True).version_id
    create_only = _refuses_second_write(bucket, key, lock)
    if lock is None:
        bucket.delete(key, version_id)
        detail = "no lock is asked for" if mode is None else "the bucket offers no lock"
        return LockStatus(LockState.ABSENT, create_only, detail)
    state, detail = _attack(bucket, key, version_id, lock, now)
    return LockStatus(state, create_only, detail)


def _attack(bucket: Bucket, key: str, version_id: str | None, lock: Lock, now: datetime) -> tuple[LockState, str]:
    shorter = Lock(lock.mode, now + timedelta(seconds=5))
    attacks: tuple[tuple[str, Callable[[], None]], ...] = (
        ("removing it", lambda: bucket.delete(key, version_id)),
        ("shortening its retention", lambda: bucket.set_lock(key, version_id, shorter)),
    )
    for name, attack in attacks:
        if not refused(attack):
            return LockState.BROKEN, f"{name} was possible"
    if not refused(lambda: bucket.delete(key, version_id, bypass=True)):
        state = LockState.LIFTABLE if lock.mode is LockMode.GOVERNANCE else LockState.BROKEN
        return state, "removing it was possible by bypassing the lock"
    if bucket.stat(key) is None:
        return LockState.BROKEN, "the service refused to remove it, and it is gone"
    return LockState.ENFORCED, "removing it, shortening its retention and bypassing the lock were refused"


def _refuses_second_write(bucket: Bucket, key: str, lock: Lock | None) -> bool:
    try:
        written = bucket.put(key, b"lost", lock, create_only=True)
    except AlreadyThereError:
        return True
    if lock is None:
        bucket.delete(key, written.version_id)
    return False


def _clean_up(bucket: Bucket, now: datetime) -> None:
    for old in tuple(bucket.list(_FOLDER, versions=True)):
        if old.stored_at < now - 2 * _KEPT_FOR:
            with contextlib.suppress(ArchiveError):  # still locked, by a clock that differs: the next check comes by
                bucket.delete(old.key, old.version_id)
