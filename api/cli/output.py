"""Every word to the terminal goes through here.

The rules: results go to standard output, all else to standard error. With ``--json`` standard output holds exactly one
JSON document, also of an error. What cannot be written to standard output ends the command; what cannot be written to
standard error is lost, and changes nothing. Tables and trees are drawn for a terminal only; elsewhere the same facts
stand one a line, whole, so that other programs can read them. What came from outside is shown with its control
characters made visible: a subject or a file name must not steer the terminal.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text as StyledText
from rich.tree import Tree

from api.cli.errors import OutputFailedError, Problem
from api.cli.language import Language, Text

Advance = Callable[[int], None]
"""Moves a progress bar on by so many steps."""

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7e]")
_BLANKS: Final = re.compile(r"\s{2,}")
_ERROR: Final = Text("lỗi", "error")


class Mark(Enum):
    """The sign in front of a line that is good, bad, unknown or just so; its value is the style on a terminal."""

    GOOD = "green"
    BAD = "bold red"
    UNKNOWN = "yellow"
    NOTE = "cyan"

    @property
    def sign(self) -> str:
        """The sign itself; different for each, so that nothing is said by colour alone."""
        return {Mark.GOOD: "✓", Mark.BAD: "✗", Mark.UNKNOWN: "?", Mark.NOTE: "·"}[self]


@dataclass(frozen=True)
class Branch:
    """A line of a tree with the lines below it."""

    text: str
    mark: Mark | None = None
    below: tuple[Branch, ...] = ()


class _Console(Console):
    """A console that tells of a reader who went away, where rich ends the program with the code of a bad verdict."""

    def on_broken_pipe(self) -> None:
        """Called by rich in the place of the error.

        Raises:
            BrokenPipeError: always.
        """
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Output:
    """Where a command says what it has to say.

    Whatever writes to standard output raises :class:`~api.cli.errors.OutputFailedError` where that fails.
    """

    def __init__(self, *, as_json: bool, language: Language, debug: bool = False) -> None:
        self.as_json, self.language, self.debug = as_json, language, debug
        self._out = _Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._err = _Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    @property
    def is_terminal(self) -> bool:
        """Whether results are read by a person at a terminal."""
        return not self.as_json and self._out.is_terminal

    def say(self, text: Text, **facts: object) -> str:
        """The sentence in the language of this output, its facts made printable, each on one line."""
        return text.say(self.language, **{name: _one_line(printable(str(fact))) for name, fact in facts.items()})

    def document(self, value: Mapping[str, object]) -> None:
        """The one JSON document of a command run with ``--json``; nothing without."""
        if self.as_json:
            _write(f"{_json(value)}\n")

    def line(self, text: str = "", *, mark: Mark | None = None, indent: int = 0, strong: bool = False) -> None:
        """One line for people, whatever is in the text; nothing with ``--json``."""
        if self.as_json:
            return
        style = "bold" if strong else ""
        with _standard_output():
            self._out.print(StyledText.assemble(" " * indent, *_marked(mark), (_one_line(printable(text)), style)))

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Names and values below each other, values aligned, also the further lines of one; nothing with ``--json``.

        So no value can look like another name, nor by blanks begin a line of its own where the terminal breaks it.
        """
        width = max((display_width(name) for name, _ in facts), default=0)
        for name, value in facts:
            first, *further = (_BLANKS.sub(" ", line) for line in printable(value).split("\n"))
            self.line(f"{pad(printable(name), width)}  {first}")
            for each in further:
                self.line(each, indent=width + 2)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table for a terminal; elsewhere one row a line, cells parted by tabs. Nothing with ``--json``."""
        if self.as_json:
            return
        if not self._out.is_terminal:
            lines = ("\t".join(_one_line(printable(cell)) for cell in row) for row in (columns, *rows))
            _write("".join(f"{line}\n" for line in lines))
            return
        drawn = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        for column in columns:
            drawn.add_column(column, overflow="fold")
        for row in rows:
            drawn.add_row(*(StyledText(_one_line(printable(cell))) for cell in row))
        with _standard_output():
            self._out.print(drawn, soft_wrap=False)

    def tree(self, root: Branch) -> None:
        """A tree for a terminal; elsewhere the same lines, indented. Nothing with ``--json``."""
        if self.as_json:
            return
        if self._out.is_terminal:
            with _standard_output():
                self._out.print(Group(_drawn(root)), soft_wrap=False)
        else:
            self._plain(root, 0)

    def _plain(self, branch: Branch, indent: int) -> None:
        self.line(branch.text, mark=branch.mark, indent=indent)
        for each in branch.below:
            self._plain(each, indent + 2)

    def note(self, text: str) -> None:
        """Something said beside the result, on standard error; nothing with ``--json``."""
        if not self.as_json:
            self._beside(StyledText(printable(text)))

    def problem(self, problem: Problem) -> None:
        """An error as one line: what, where, remedy. With ``--json`` also as the document on standard output."""
        what, remedy = problem.what.say(self.language), problem.remedy.say(self.language)
        where = f" ({problem.where})" if problem.where else ""
        label = f"edoc: {_ERROR.say(self.language)}: "
        text = " ".join(printable(f"{what}{where}. → {remedy}").split())
        self._beside(StyledText.assemble((label, "bold red"), text))
        if self.as_json:
            self.document(
                {
                    "error": {
                        "code": problem.code,
                        "what": problem.what.en,
                        "where": problem.where,
                        "remedy": problem.remedy.en,
                        "exit_code": int(problem.exit_code),
                    }
                }
            )

    def trace(self, lines: str) -> None:
        """Where in the program an error came up, on standard error."""
        self._beside(StyledText(printable(lines.rstrip())))

    def _beside(self, text: StyledText) -> None:
        with contextlib.suppress(OSError):
            self._err.print(text)

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Advance]:
        """A progress bar on standard error while the block runs, at a terminal only; a total of 0 is not known."""
        if self.as_json or not self._err.is_terminal:
            yield lambda _: None
            return
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._err, transient=True, redirect_stdout=False) as bar:
            task = bar.add_task(printable(text), total=total or None)
            yield lambda steps: bar.advance(task, steps)

    def raw(self, renderable: RenderableType) -> None:
        """Something drawn elsewhere; nothing with ``--json``."""
        if not self.as_json:
            with _standard_output():
                self._out.print(renderable)


def finish_standard_output() -> None:
    """Write out what is still held back for standard output.

    Raises:
        OutputFailedError: it cannot be written.
    """
    if sys.stdout is not None:
        with _standard_output():
            sys.stdout.flush()


def give_up_standard_streams() -> None:
    """Let what cannot be written any more go nowhere: Python would complain at its very end, with another code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):  # a stream that is no file of the system has nothing to point elsewhere
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (AttributeError, ValueError):  # closed before the program began, or since
            continue


def printable(text: str) -> str:
    """The text, each character that could steer a terminal or hide replaced by its number; line ends stay."""
    return "".join(
        character if character in "\n\t" or unicodedata.category(character) not in _INVISIBLE else _escaped(character)
        for character in text
    )


def display_width(text: str) -> int:
    """How many columns the text takes on a terminal."""
    return StyledText(text).cell_len


def pad(text: str, width: int) -> str:
    """The text filled with blanks up to so many columns."""
    return text + " " * max(0, width - display_width(text))


@contextmanager
def _standard_output() -> Iterator[None]:
    if sys.stdout is None:
        raise OutputFailedError("it is closed")
    try:
        yield
    except OSError as error:
        raise OutputFailedError(error.strerror or type(error).__name__) from error


def _write(text: str) -> None:
    with _standard_output():
        sys.stdout.write(text)
        sys.stdout.flush()


def _json(value: Mapping[str, object]) -> str:
    """The document; what is not ASCII stays readable, but for what could steer a terminal or is no character at all."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8", "surrogatepass")
    except (AttributeError, UnicodeEncodeError):
        return json.dumps(value, indent=2)
    return _NOT_ASCII.sub(_json_character, text)


def _json_character(found: re.Match[str]) -> str:
    character = found.group()
    return json.dumps(character)[1:-1] if unicodedata.category(character) in _INVISIBLE else character


def _one_line(cell: str) -> str:
    return cell.replace("\t", " ").replace("\n", " ")


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}"


def _marked(mark: Mark | None) -> tuple[tuple[str, str], ...]:
    return () if mark is None else ((f"{mark.sign} ", mark.value),)


def _drawn(branch: Branch) -> Tree:
    tree = Tree(StyledText.assemble(*_marked(branch.mark), _one_line(printable(branch.text))), guide_style="dim")
    _grow(tree, branch.below)
    return tree


def _grow(tree: Tree, branches: Sequence[Branch]) -> None:
    for branch in branches:
        label = StyledText.assemble(*_marked(branch.mark), _one_line(printable(branch.text)))
        _grow(tree.add(label), branch.below)
