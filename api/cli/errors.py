"""How a command ends: its exit code, and the one line that says what went wrong, where, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from api.cli.language import Text


class ExitCode(IntEnum):
    """What the exit code of every command says."""

    GOOD = 0
    """Done; of a check: all is well."""
    BAD = 1
    """The verdict is bad: a check failed, or the exchange refused what was asked."""
    USAGE = 2
    """The command cannot work as it was called: options, configuration, token, trust anchors."""
    INPUT_OUTPUT = 3
    """A file, the network, the service or the database failed; the same command may work later."""
    INDETERMINATE = 4
    """Nothing is known to be wrong, and not enough is known to say that all is well."""
    STOPPED = 130
    """Somebody pressed Ctrl-C: 128 and the number of the signal, as shells have it."""


@dataclass(frozen=True)
class Problem:
    """What the user is told about an error."""

    code: str
    """Stable name, for programs."""
    what: Text
    where: str | None
    remedy: Text
    exit_code: ExitCode


STOPPED: Final = Problem(
    "stopped", Text("đã bị dừng", "it was stopped"), None, Text("chạy lại", "run it again"), ExitCode.STOPPED
)
UNFORESEEN: Final = "unforeseen"
"""The code of an error that nobody foresaw: where in the program it came up is always shown."""


class CliError(Exception):
    """A command cannot go on; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what.en)
        self.problem = problem


class OutputFailedError(Exception):
    """Standard output cannot be written: a full disk, or a reader that went away.

    No ``OSError``, so that nobody takes it for trouble with a file of the command's own.
    """


def usage_error(code: str, what: Text, remedy: Text, where: str | None = None) -> CliError:
    """The command was called in a way in which it cannot work."""
    return CliError(Problem(code, what, where, remedy, ExitCode.USAGE))


def input_output_error(code: str, what: Text, remedy: Text, where: str | None = None) -> CliError:
    """A file or the network failed."""
    return CliError(Problem(code, what, where, remedy, ExitCode.INPUT_OUTPUT))
