"""Codes of the format in words."""

from __future__ import annotations

from typing import Final

from api.cli.language import Language, Text
from schemas.codelists import CodeListName, code_list

_CONSIGNED: Final = Text("chờ nhận", "waiting")


def state_name(state: str, language: Language) -> str:
    """A delivery's state: its code and what it means."""
    if state == "consigned":
        return _CONSIGNED.say(language)
    return _name(CodeListName.STATUS_CODES, state, language)


def priority_name(priority: object, language: Language) -> str:
    """An urgency in words."""
    return _name(CodeListName.PRIORITIES, str(priority), language, with_code=False)


def _name(codes: CodeListName, code: str, language: Language, *, with_code: bool = True) -> str:
    entry = code_list(codes).by_code.get(code)
    if entry is None:
        return code
    name = entry.name_vi if language is Language.VIETNAMESE else entry.name_en
    return f"{code} {name}" if with_code else name
