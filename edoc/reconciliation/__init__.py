"""The database and the archive, held against each other.

``objects``: what rows refer to must be in the archive, byte for byte. ``comparison``: what rows say must be what is
sealed there. ``unclaimed``: what is sealed there must have its row.
"""

from __future__ import annotations

from edoc.reconciliation.comparison import compare_rows, count_rows
from edoc.reconciliation.model import Compared, Difference, Theme
from edoc.reconciliation.objects import (
    ObjectState,
    ReconciledObject,
    count_objects,
    reconcile,
    referenced,
    referenced_in,
)
from edoc.reconciliation.sealed import ExchangeSeals
from edoc.reconciliation.unclaimed import find_unclaimed

__all__ = [
    "Compared",
    "Difference",
    "ExchangeSeals",
    "ObjectState",
    "ReconciledObject",
    "Theme",
    "compare_rows",
    "count_objects",
    "count_rows",
    "find_unclaimed",
    "reconcile",
    "referenced",
    "referenced_in",
]
