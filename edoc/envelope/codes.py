"""Agency codes (``OrganId``): how they are compared, and which of their forms one has.

Whether a code is known is for the directory to say; nothing here is computed from one form to the other, as no rule
guarantees it.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

MAX_CODE_LENGTH: Final = 35
"""Of the new form (Decision 20/2020/QD-TTg Article 4); the old one has 13 (Decision 28/2018/QD-TTg Article 10)."""

_ACCEPTED: Final = re.compile(r"[A-Za-z0-9.\-]{1,35}")
_OLD: Final = re.compile(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}")
_NEW: Final = re.compile(r"[A-Z][0-9]{2}(\.[A-Z0-9]+)*")
_ENTERPRISE: Final = re.compile(r"[0-9]{10,14}")


class CodeForm(Enum):
    """The forms of agency codes in use at once."""

    OLD = "old"
    """``000.00.15.H29``: four groups, the highest level last (Decision 28/2018/QD-TTg Article 10)."""
    NEW = "new"
    """``H29.15``: the highest level first (Decision 20/2020/QD-TTg Article 4)."""
    ENTERPRISE = "enterprise"
    """The number of an enterprise (Decision 20/2020/QD-TTg Article 5)."""
    OTHER = "other"
    """Accepted as an identifier, in none of the forms; such codes occur in real traffic."""


def normalize_code(text: str) -> str:
    """The code as it is compared: trimmed and in upper case."""
    return text.strip().upper()


def is_code(text: str) -> bool:
    """Whether the text can be an agency code at all: letters, digits, dots and hyphens, at most 35."""
    return _ACCEPTED.fullmatch(text) is not None


def code_form(code: str) -> CodeForm:
    """The form of a normalized code."""
    if len(code) <= MAX_CODE_LENGTH:
        for form, pattern in ((CodeForm.OLD, _OLD), (CodeForm.NEW, _NEW), (CodeForm.ENTERPRISE, _ENTERPRISE)):
            if pattern.fullmatch(code):
                return form
    return CodeForm.OTHER
