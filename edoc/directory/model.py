"""Agencies and what may be said about them at a given day; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from edoc.directory.errors import AgencyExpiredError, AgencyNotYetValidError, UnknownAgencyError


def normalized_code(code: str) -> str:
    """A code as codes are compared: trimmed and upper-cased (``reference`` section 8)."""
    return code.strip().upper()


@dataclass(frozen=True)
class Agency:
    """An agency of the directory."""

    id: int
    code: str
    kind: str
    """``city``, ``office``, ``department``, ``district`` or ``ward``."""
    name: str
    name_en: str | None
    parent_id: int | None
    valid_from: date
    valid_to: date | None
    """The first day on which it is no more."""
    aliases: tuple[str, ...] = ()
    successor_ids: tuple[int, ...] = ()

    def has_code(self, code: str) -> bool:
        """Whether the code is the agency's own or one of its others."""
        return normalized_code(code) in {normalized_code(each) for each in (self.code, *self.aliases)}


@dataclass(frozen=True)
class SealBinding:
    """A certificate with which an agency may seal."""

    sha256: str
    """Fingerprint: SHA-256 over the DER."""
    agency_id: int
    certificate: bytes
    """DER."""
    valid_from: datetime
    valid_to: datetime | None

    def holds_at(self, at: datetime) -> bool:
        """Whether the binding holds at ``at``."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True)
class Directory:
    """The whole directory at one version."""

    version: int
    agencies: Mapping[int, Agency]
    bindings: Mapping[str, SealBinding] = field(repr=False)
    """By fingerprint."""

    @cached_property
    def _by_code(self) -> Mapping[str, Agency]:
        known = {normalized_code(alias): agency for agency in self.agencies.values() for alias in agency.aliases}
        known.update((normalized_code(agency.code), agency) for agency in self.agencies.values())
        return known

    def find(self, code: str) -> Agency:
        """The agency of a code or alias, valid or not.

        Raises:
            UnknownAgencyError: nobody has this code.
        """
        agency = self._by_code.get(normalized_code(code))
        if agency is None:
            raise UnknownAgencyError(code)
        return agency

    def resolve(self, code: str, on: date) -> Agency:
        """The agency of a code or alias, valid on that day.

        Raises:
            UnknownAgencyError: nobody has this code.
            AgencyExpiredError: it is no more; names its successors.
            AgencyNotYetValidError: it is not there yet.
        """
        agency = self.find(code)
        if on < agency.valid_from:
            raise AgencyNotYetValidError(code, agency.valid_from)
        if agency.valid_to is not None and on >= agency.valid_to:
            raise AgencyExpiredError(code, agency.valid_to, self.successors(agency))
        return agency

    def successors(self, agency: Agency) -> tuple[str, ...]:
        """The codes of the agencies that took over."""
        return tuple(sorted(self.agencies[successor].code for successor in agency.successor_ids))

    def may_seal(self, agency: Agency, fingerprint: str, at: datetime) -> bool:
        """Whether the certificate is bound to the agency at ``at``."""
        bound = self.bound_to(fingerprint, at)
        return bound is not None and bound.id == agency.id

    def bound_to(self, fingerprint: str, at: datetime) -> Agency | None:
        """The agency that may seal with the certificate at ``at``."""
        binding = self.bindings.get(fingerprint)
        return self.agencies[binding.agency_id] if binding is not None and binding.holds_at(at) else None

    def search(self, kind: str | None = None) -> Iterable[Agency]:
        """All agencies, or those of one kind, in the order they were entered."""
        return (agency for _, agency in sorted(self.agencies.items()) if kind is None or agency.kind == kind)
