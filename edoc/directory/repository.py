"""The directory in the database. Every change raises the directory's version in the same transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, insert, select, update

from edoc.database.prepared import Query
from edoc.database.tables import (
    AgencyAliasRow,
    AgencyRow,
    AgencySequenceRow,
    AgencySuccessionRow,
    DirectoryVersionRow,
    SealBindingRow,
)
from edoc.directory.errors import SealBindingError
from edoc.directory.loader import AgencyEntry
from edoc.directory.model import Agency, Directory, SealBinding, normalized_code


def read_version(connection: Connection) -> int:
    """The directory's present version; 0 before anything was entered."""
    rows = _VERSION.rows(connection)
    return rows[0].version if rows else 0


def read_directory(connection: Connection) -> Directory:
    """The whole directory."""
    aliases: dict[int, list[str]] = defaultdict(list)
    for alias, agency_id in connection.execute(select(AgencyAliasRow.alias, AgencyAliasRow.agency_id)):
        aliases[agency_id].append(alias)
    successors: dict[int, list[int]] = defaultdict(list)
    for old, new in connection.execute(select(AgencySuccessionRow.predecessor_id, AgencySuccessionRow.successor_id)):
        successors[old].append(new)
    agencies = {
        row.id: Agency(
            row.id,
            row.code,
            row.kind,
            row.name,
            row.name_en,
            row.parent_id,
            row.valid_from,
            row.valid_to,
            tuple(aliases[row.id]),
            tuple(successors[row.id]),
        )
        for row in connection.execute(select(AgencyRow.__table__))
    }
    bindings = {
        row.sha256: SealBinding(row.sha256, row.agency_id, row.certificate, row.valid_from, row.valid_to)
        for row in connection.execute(select(SealBindingRow.__table__))
    }
    return Directory(read_version(connection), agencies, bindings)


def add_agencies(connection: Connection, entries: Iterable[AgencyEntry], valid_from: date) -> int:
    """Enter the agencies of a list that are not there yet; returns how many were new."""
    known = {normalized_code(agency.code): agency.id for agency in read_directory(connection).agencies.values()}
    number = max(known.values(), default=0)
    agencies, aliases = [], []
    for entry in entries:
        if normalized_code(entry.code) in known:
            continue
        number += 1
        known[normalized_code(entry.code)] = number
        agencies.append(
            {
                "id": number,
                "code": entry.code,
                "kind": entry.kind,
                "name": entry.name,
                "name_en": entry.name_en,
                "parent_id": known[normalized_code(entry.parent_code)] if entry.parent_code else None,
                "valid_from": valid_from,
                "valid_to": None,
            }
        )
        if entry.old_code:
            aliases.append({"alias": normalized_code(entry.old_code), "agency_id": number})
    if agencies:
        connection.execute(insert(AgencyRow), agencies)
        connection.execute(insert(AgencySequenceRow), [{"agency_id": each["id"], "value": 0} for each in agencies])
        if aliases:
            connection.execute(insert(AgencyAliasRow), aliases)
        _raise_version(connection)
    return len(agencies)


def bind_seals(connection: Connection, bindings: Sequence[SealBinding]) -> None:
    """Bind certificates to agencies; binding one again to the same agency changes nothing.

    Raises:
        SealBindingError: a certificate is bound to another agency.
    """
    present = {
        row.sha256: row.agency_id
        for row in connection.execute(
            select(SealBindingRow.sha256, SealBindingRow.agency_id).where(
                SealBindingRow.sha256.in_([binding.sha256 for binding in bindings])
            )
        )
    }
    for binding in bindings:
        if present.get(binding.sha256, binding.agency_id) != binding.agency_id:
            raise SealBindingError(f"certificate {binding.sha256} is bound to another agency")
    new = [vars(binding) for binding in bindings if binding.sha256 not in present]
    if new:
        connection.execute(insert(SealBindingRow), new)
        _raise_version(connection)


def end_binding(connection: Connection, sha256: str, at: datetime) -> None:
    """End the binding of a certificate at ``at``; earlier signatures keep their force.

    Raises:
        SealBindingError: the certificate is not bound, or its binding has ended.
    """
    ended = connection.execute(
        update(SealBindingRow)
        .where(SealBindingRow.sha256 == sha256, SealBindingRow.valid_to.is_(None))
        .values(valid_to=at)
    )
    if ended.rowcount != 1:
        raise SealBindingError(f"no present binding of certificate {sha256}")
    _raise_version(connection)


def close_agency(connection: Connection, agency: Agency, valid_to: date, successors: Sequence[Agency]) -> None:
    """End an agency on ``valid_to`` and name those that take over."""
    connection.execute(update(AgencyRow).where(AgencyRow.id == agency.id).values(valid_to=valid_to))
    if successors:
        connection.execute(
            insert(AgencySuccessionRow),
            [{"predecessor_id": agency.id, "successor_id": successor.id} for successor in successors],
        )
    _raise_version(connection)


_VERSION: Final = Query(select(DirectoryVersionRow.version))


def _raise_version(connection: Connection) -> None:
    raised = connection.execute(update(DirectoryVersionRow).values(version=DirectoryVersionRow.version + 1))
    if raised.rowcount == 0:
        connection.execute(insert(DirectoryVersionRow).values(id=1, version=1))
