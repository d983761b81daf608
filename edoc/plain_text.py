"""What a line of text from outside may not hold: one rule for all databases, applied where text comes in.

PostgreSQL keeps no NUL and no half of a surrogate pair, SQLite keeps the first: what one takes and the other refuses
would be good or bad by where it is sent. No name, code, label or type has a control character in it: all are refused.

A text for people has something to see: one of nothing but blanks and invisible characters says as much as none.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_UNFIT: Final = frozenset({"Cc", "Cs"})
"""Unicode's control characters, line ends among them, and surrogates."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Me"})
"""Beside these, what only directs how others are shown, blanks, and marks, which need a letter to be seen on."""
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Hangul's fillers, which count as letters, and the braille pattern without dots."""


def unfit_character(text: str) -> str | None:
    """The first character of ``text`` that a line of text may not hold, as in ``U+0000``; None where all are fit."""
    if text.isprintable():
        return None
    found = next((each for each in text if unicodedata.category(each) in _UNFIT), None)
    return None if found is None else f"U+{ord(found):04X}"


def has_visible_text(text: str) -> bool:
    """Whether a reader of ``text`` would see anything; an empty one shows nothing."""
    return any(each not in _BLANK and unicodedata.category(each) not in _UNSEEN for each in text)
