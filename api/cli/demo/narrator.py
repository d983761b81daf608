"""Telling the story: chapters with their times, and checks that are counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from api.cli.language import Text
from api.cli.output import Mark, Output, display_width, pad

_WIDTH: Final = 74
"""Columns up to the times."""


@dataclass(frozen=True)
class CheckedStep:
    """One thing that had to hold."""

    chapter: str
    title: Text
    held: bool
    seconds: float
    """Since the check before, or since the chapter began."""
    detail: str


@dataclass(frozen=True)
class Chapter:
    """A part of the story that has ended."""

    name: str
    seconds: float


class Narrator:
    """Tells chapters and checks as they happen, and remembers them."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.checks: list[CheckedStep] = []
        self.chapters: list[Chapter] = []
        self._chapter = ""
        self._began = self._last = time.monotonic()

    @property
    def all_held(self) -> bool:
        """Whether there were checks, and each held."""
        return bool(self.checks) and all(check.held for check in self.checks)

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return time.monotonic() - self._began

    @contextmanager
    def chapter(self, name: str, title: Text) -> Iterator[None]:
        """A part of the story, with its time at the end."""
        began = self._last = time.monotonic()
        self._chapter = name
        self.output.line()
        self.output.line(f"{len(self.chapters) + 1}. {self.output.say(title)}", strong=True)
        yield
        self.chapters.append(Chapter(name, time.monotonic() - began))

    def tell(self, text: Text, **facts: object) -> None:
        """A line that needs no check."""
        self.output.line(self.output.say(text, **facts), mark=Mark.NOTE, indent=3)

    def check(self, title: Text, detail: str = "", *, held: bool) -> None:
        """Something that had to hold; a story in which it did not goes on where it can, and ends badly."""
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        self.checks.append(CheckedStep(self._chapter, title, held, seconds, detail))
        mark = Mark.GOOD if held else Mark.BAD
        text = self.output.say(title)
        self.output.line(f"{pad(text, _WIDTH)}{seconds:7.2f} s", mark=mark, indent=3)
        if detail:
            self.output.line(detail, indent=7)

    def places(self, title: Text, rows: list[tuple[str, str]]) -> None:
        """Names and where they lie."""
        self.output.line()
        self.output.line(self.output.say(title), strong=True)
        width = max(display_width(name) for name, _ in rows)
        for name, where in rows:
            self.output.line(f"{pad(name, width)}  {where}", indent=3)
