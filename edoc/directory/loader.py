"""Reading a published list of agencies (UTF-8 CSV: ``code,old_code,parent_code,kind,name,name_en``)."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from edoc.directory.errors import DirectoryFileError
from edoc.directory.model import normalized_code
from edoc.plain_text import unfit_character

COLUMNS: Final = ("code", "old_code", "parent_code", "kind", "name", "name_en")
KINDS: Final = frozenset({"city", "office", "department", "district", "ward"})


@dataclass(frozen=True)
class AgencyEntry:
    """One line of the list."""

    code: str
    old_code: str | None
    parent_code: str | None
    kind: str
    name: str
    name_en: str | None


def read_agency_list(lines: Iterable[str]) -> tuple[AgencyEntry, ...]:
    """The entries of a list, parents before children as the list has them.

    Raises:
        DirectoryFileError: a column is missing, a code doubled, a parent unknown, or a kind not among the known, or
            a value has a control character in it; or it is no CSV.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DirectoryFileError(f"line 1: the columns must be {','.join(COLUMNS)}")
        return tuple(_entries(reader))
    except csv.Error as error:
        raise DirectoryFileError(f"line {reader.line_num + 1}: it is no CSV: {error}") from error


def _entries(reader: csv.DictReader[str]) -> Iterator[AgencyEntry]:
    seen: set[str] = set()
    for row in reader:
        where = f"line {reader.line_num}"
        values = {name: unicodedata.normalize("NFC", (row[name] or "").strip()) or None for name in COLUMNS}
        for column, value in values.items():
            if value is not None and (unfit := unfit_character(value)):
                raise DirectoryFileError(f"{where}: {column} has the control character {unfit} in it; leave it out")
        code, kind, name = values["code"], values["kind"], values["name"]
        if not code or not kind or not name:
            raise DirectoryFileError(f"{where}: code, kind and name must not be empty")
        if kind not in KINDS:
            raise DirectoryFileError(f"{where}: kind {kind} is not one of {', '.join(sorted(KINDS))}")
        parent = values["parent_code"]
        if parent is not None and normalized_code(parent) not in seen:
            raise DirectoryFileError(f"{where}: parent {parent} does not stand above {code}")
        codes = {normalized_code(each) for each in (code, values["old_code"]) if each}
        if doubled := codes & seen:
            raise DirectoryFileError(f"{where}: code {min(doubled)} is there already")
        seen |= codes
        yield AgencyEntry(normalized_code(code), values["old_code"], parent, kind, name, values["name_en"])
