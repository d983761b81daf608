"""Kinds of values of options: codes of a list of the format, which is read when a value is given; identifiers; text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import click

from schemas.codelists import CodeListName, code_list

CONSIGNED: Final = "consigned"
"""A delivery's state before there is any code."""
_CODE_DIGITS: Final = 2


class StatusCode(click.ParamType[str]):
    """A business state by its code, with or without the leading zero."""

    name = "state"

    def __init__(self, *others: str) -> None:
        self._others = others
        """What may be said instead of a code."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The code, in two digits."""
        allowed = (*self._others, *code_list(CodeListName.STATUS_CODES).by_code)
        given = str(value).strip().lower()
        code = given.zfill(_CODE_DIGITS) if given.isdecimal() else given
        if code not in allowed:
            self.fail(f"{value!r} is not one of {', '.join(allowed)}", param, ctx)
        return code


class DocumentTypeName(click.ParamType[str]):
    """The name of a document type that the exchange may be sent (Decree 30/2020 Article 7), however it is typed."""

    name = "type"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as the list spells it, unless ``(cá biệt)`` was left out."""
        found = listed_type(str(value))
        if found is None:
            self.fail(f"{value!r} is not one of {', '.join(type_names())}", param, ctx)
        return found


class TextLine(click.ParamType[str]):
    """Text that is kept or sent as it is given, and hence may hold no control characters."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text."""
        from edoc.plain_text import unfit_character

        text = str(value)
        if found := unfit_character(text):
            self.fail(f"{text!r} has {found} in it, which is no character of a text; leave it out", param, ctx)
        return text


class DocumentIdentifier(click.ParamType[str]):
    """The identifier that a document has in the exchange, as the lists show it."""

    name = "document"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The identifier."""
        try:
            return str(UUID(str(value).strip()))
        except ValueError:
            shown = "edoc inbox and edoc sent show it in their first column"
            self.fail(f"{value!r} is not the identifier of a document; {shown}", param, ctx)


def listed_type(name: str) -> str | None:
    """How the list of document types spells that name; None where it has none such."""
    return next((each for each in _spellings() if _comparable(each) == _comparable(name)), None)


def type_names() -> Sequence[str]:
    """The names of the document types."""
    return [entry.name_vi for entry in code_list(CodeListName.DOCUMENT_TYPES).entries]


def _spellings() -> Sequence[str]:
    from edoc.envelope.rules import is_type_name

    short = (name.partition(" (")[0] for name in type_names())
    return [*type_names(), *(name for name in short if is_type_name(name))]


def _comparable(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())
