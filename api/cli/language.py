"""The two languages of the command line, and how one is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

_LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")


class Language(Enum):
    """A language of what the commands print; JSON is the same in both."""

    VIETNAMESE = "vi"
    ENGLISH = "en"


@dataclass(frozen=True)
class Text:
    """One sentence in both languages; ``{names}`` in it are filled in by :meth:`say`."""

    vi: str
    en: str

    def say(self, language: Language, **facts: object) -> str:
        """The sentence in that language with its facts."""
        sentence = self.vi if language is Language.VIETNAMESE else self.en
        return sentence.format(**facts) if facts else sentence


def language_of(environment: Mapping[str, str]) -> Language:
    """Vietnamese where the locale is Vietnamese (POSIX: the first variable set decides), English elsewhere."""
    locale = next((value for name in _LOCALE_VARIABLES if (value := environment.get(name))), "")
    return Language.VIETNAMESE if locale.lower().startswith("vi") else Language.ENGLISH
