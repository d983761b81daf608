"""What every use case of the exchange works with; built once, in ``api/bootstrap.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import Engine

from edoc.acceptance.steps import NoObserver, StepObserver
from edoc.archive.objects import ObjectStore
from edoc.database.group_commit import GroupCommit
from edoc.directory.cache import DirectoryCache
from edoc.envelope.limits import MessageLimits
from edoc.evidence.issuer import EvidenceIssuer
from edoc.identifiers import Clock, Random
from keys.trust import PathValidator


@dataclass(frozen=True)
class Policy:
    """What the operator decides."""

    limits: MessageLimits = field(default_factory=MessageLimits)
    report_arrival: bool = True
    """Whether the exchange reports status 01 for a recipient that has taken a document over."""
    attachment_object_bytes: int = 256 << 10
    """Attachments of at least this size become objects of their own."""


@dataclass(frozen=True)
class Exchange:
    """The exchange's parts. Safe to share between threads."""

    engine: Engine
    store: ObjectStore
    issuer: EvidenceIssuer
    validator: Callable[[], PathValidator]
    """Gives the present validator: trust anchors and CRLs are renewed while the exchange runs."""
    clock: Clock
    random: Random
    directory: DirectoryCache
    commits: GroupCommit
    policy: Policy = field(default_factory=Policy)
    judging: Lock = field(default_factory=Lock)
    """Held by the one thread that judges a small message. The interpreter runs one thread at a time: were all to judge
    at once, they would only take it from each other, and from the one that writes for all, on which all wait."""
    observer: StepObserver = field(default_factory=NoObserver)
