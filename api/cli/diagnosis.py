"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass

from api.cli.language import Text


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    name: str
    """Stable, for programs."""
    title: Text
    good: bool | None
    """None: it works, but not for long or not well."""
    detail: str
    remedy: Text | None = None
