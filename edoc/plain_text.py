"""What a line of text from outside may not hold: one rule for all databases, applied where text comes in.

PostgreSQL keeps no NUL and no half of a surrogate pair, SQLite keeps the first: what one takes and the other refuses
would be good or bad by where it is sent. No name, code, label or type has a control character in it: all are refused.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_UNFIT: Final = frozenset({"Cc", "Cs"})
"""Unicode's control characters, line ends among them, and surrogates."""


def unfit_character(text: str) -> str | None:
    """The first character of ``text`` that a line of text may not hold, as in ``U+0000``; None where all are fit."""
    if text.isprintable():
        return None
    found = next((each for each in text if unicodedata.category(each) in _UNFIT), None)
    return None if found is None else f"U+{ord(found):04X}"
