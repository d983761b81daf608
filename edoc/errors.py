"""The error tree of ``edoc``: every exception this folder raises descends from :class:`EdocError`.

``api`` renders these in any language, so each carries its facts in fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_RULES: Final[Mapping[str, str]] = {"N": "required", "R": "range", "M": "allowed", "T": "type"}
"""What each class of codes asks for."""


@dataclass(frozen=True)
class Violation:
    """One broken rule of a message.

    ``code`` follows the grammar ``<class>.<path>`` of the axis (``reference`` section 12): ``N`` missing, ``R`` too
    long or out of range, ``M`` not allowed or inconsistent, ``T`` wrong type.
    """

    code: str
    field: str
    """Where: the path of the element, such as ``MessageHeader/To[2]/OrganId``."""
    reason: str
    remedy: str
    own_rule: str = ""
    """The name of the rule where it has one; its class names it otherwise."""

    @property
    def rule(self) -> str:
        """The name of the rule that was broken: ``required``, ``range``, ``allowed``, ``type``, or one of its own."""
        return self.own_rule or _RULES[self.code[0]]


class EdocError(Exception):
    """Base of all errors raised by ``edoc``."""


class MessageError(EdocError):
    """A message cannot be read or breaks rules of the format; says every rule that was broken."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("; ".join(f"{v.code} at {v.field}: {v.reason}" for v in violations))
        self.violations = violations


class ArchiveError(EdocError):
    """The object store cannot do what was asked."""


class ObjectNotFoundError(ArchiveError):
    """The archive holds no object of that digest."""


class ObjectCorruptError(ArchiveError):
    """An object's bytes do not have the digest that is its address."""


class RetentionError(ArchiveError):
    """An object may not be deleted yet."""
