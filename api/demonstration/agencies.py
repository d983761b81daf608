"""The data files of this folder: the agencies of 2018 and the text of the bulletin."""

from __future__ import annotations

from importlib import resources
from typing import Final

from edoc.directory.loader import AgencyEntry, read_agency_list

_DATELINE: Final = "(HCM CityWeb) – "
"""How the bulletin opens; a letter does not."""


def demonstration_agencies() -> tuple[AgencyEntry, ...]:
    """All 369 agencies, parents before children, checked as any list of agencies is.

    Raises:
        DirectoryFileError: the file was damaged.
    """
    return read_agency_list(_text("agencies-2018.csv").splitlines())


def bulletin_paragraphs() -> tuple[str, ...]:
    """The bulletin's paragraphs without its dateline; a heading is a paragraph that ends without punctuation."""
    text = _text("bulletin-2018-q2.txt").removeprefix(_DATELINE)
    return tuple(paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip())


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
