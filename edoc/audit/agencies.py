"""Whether two codes are those of one agency, as far as the reader knows.

An agency has an old and a new code, both in use at once, and neither can be computed from the other. So only a list
that the reader believes tells of two codes that they are one agency's; a file's own word for it counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from edoc.directory.loader import AgencyEntry
from edoc.directory.model import Agency, normalized_code
from edoc.envelope.codes import CodeForm, code_form

NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})


class Likeness(Enum):
    """How two codes stand to each other."""

    ONE = "one"
    """They are one agency's."""
    UNKNOWN = "unknown"
    """They differ, and may be two codes of one agency."""
    TWO = "two"
    """The reader's list has both, as those of two agencies."""


@dataclass(frozen=True)
class Matching:
    """What two lists of codes, each of which names some agencies, have in common."""

    likeness: Likeness
    """ONE: they name the same agencies; TWO: they cannot; UNKNOWN: only a list of agencies tells."""
    only_named: tuple[str, ...] = ()
    only_stated: tuple[str, ...] = ()


@dataclass(frozen=True)
class AgencyCodes:
    """The codes of which the reader knows whose they are."""

    aliases: Mapping[str, str] = field(default_factory=lambda: NO_ALIASES)
    """Any code, normalized, to the agency's own code, normalized; of each agency its own code as well."""

    def own_code(self, code: str) -> str:
        """The agency's own code; the code itself, normalized, where the reader does not know it."""
        normalized = normalized_code(code)
        return self.aliases.get(normalized, normalized)

    def count(self, codes: Iterable[str]) -> int:
        """How many agencies have these codes, as far as the reader knows."""
        return len({self.own_code(each) for each in codes})

    def unknown(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Those of the codes that the reader's list does not have, normalized, each once; none without a list."""
        normalized = dict.fromkeys(normalized_code(each) for each in codes)
        return tuple(each for each in normalized if self.aliases and each not in self.aliases)

    def compare(self, first: str, second: str) -> Likeness:
        """How two codes stand to each other."""
        if self.own_code(first) == self.own_code(second):
            return Likeness.ONE
        known = normalized_code(first) in self.aliases and normalized_code(second) in self.aliases
        return Likeness.TWO if known else Likeness.UNKNOWN

    def match(self, named: Sequence[str], stated: Sequence[str]) -> Matching:
        """Compare the agencies that a message names, one maybe by several codes, with those stated, each by one."""
        said = {self.own_code(each): normalized_code(each) for each in named}
        told = {self.own_code(each): normalized_code(each) for each in stated}
        only_named = tuple(code for own, code in said.items() if own not in told)
        only_stated = tuple(code for own, code in told.items() if own not in said)
        if not only_named and not only_stated:
            return Matching(Likeness.ONE)
        found = [self._best(code, only_stated, told.values()) for code in only_named]
        found += [self._best(code, only_named, ()) for code in only_stated]
        hopeless = Likeness.TWO in found or len(only_stated) > len(only_named)
        return Matching(Likeness.TWO if hopeless else Likeness.UNKNOWN, only_named, only_stated)

    def _best(self, code: str, unmatched: Iterable[str], others: Iterable[str]) -> Likeness:
        """Whether a code without its like may mean one of the unmatched, or be a second code of one of the others."""
        may_be = any(self.compare(code, each) is Likeness.UNKNOWN for each in unmatched) or any(
            self.compare(code, each) is Likeness.UNKNOWN and _may_stand_beside(code, each) for each in others
        )
        return Likeness.UNKNOWN if may_be else Likeness.TWO


def aliases_of_list(entries: Iterable[AgencyEntry]) -> Mapping[str, str]:
    """The codes of a published list of agencies, for :attr:`AgencyCodes.aliases`."""
    return _aliases((entry.code, [entry.old_code] if entry.old_code else []) for entry in entries)


def aliases_of_agencies(agencies: Iterable[Agency]) -> Mapping[str, str]:
    """The codes of a directory's agencies, for :attr:`AgencyCodes.aliases`."""
    return _aliases((agency.code, agency.aliases) for agency in agencies)


def _aliases(agencies: Iterable[tuple[str, Iterable[str]]]) -> Mapping[str, str]:
    own: dict[str, str] = {}
    others: dict[str, str] = {}
    for code, aliases in agencies:
        own[normalized_code(code)] = normalized_code(code)
        others.update((normalized_code(alias), normalized_code(code)) for alias in aliases)
    return MappingProxyType({**others, **own})


def _may_stand_beside(first: str, second: str) -> bool:
    """Whether one letter may name one agency by both: nobody has two codes of one form at once."""
    forms = {code_form(first), code_form(second)}
    return len(forms) > 1 or forms == {CodeForm.OTHER}
