"""What every command has: ``--json``, ``--lang`` and ``--debug``, and an end with one line and the right exit code."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NoReturn, cast

import click

from api.cli.errors import STOPPED, UNFORESEEN, ExitCode, OutputFailedError, Problem
from api.cli.language import Language, Text, language_of
from api.cli.output import Output, finish_standard_output, give_up_standard_streams

_WRONG_USE: Final[tuple[tuple[type[click.ClickException], str], ...]] = (
    (click.MissingParameter, "còn thiếu"),
    (click.NoSuchOption, "không có tùy chọn này"),
    (click.BadParameter, "giá trị không dùng được"),
    (click.ClickException, "gọi sai"),
)
"""Click's own words are English only; these say in Vietnamese of what kind they are."""


class EdocCommand(click.Command):
    """A command whose function gets the :class:`Output` first and returns its exit code."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.params = [*self.params, *_shared_options()]

    def invoke(self, ctx: click.Context) -> NoReturn:
        """Run the function; known errors become one line. Ends with the exit code."""
        output = Output(
            as_json=bool(ctx.params.pop("as_json")),
            language=_language(ctx.params.pop("lang")),
            debug=bool(ctx.params.pop("debug")),
        )
        ctx.params = {"output": output, **ctx.params}
        ctx.exit(_run(output, lambda: super(EdocCommand, self).invoke(ctx)))


def _run(output: Output, function: Callable[[], object]) -> int:
    try:
        code = function()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:  # noqa: BLE001 -- whatever it is, the user is told in one line and with the right code
        return _tell(output, error)
    return int(code) if isinstance(code, int) else int(ExitCode.GOOD)


def _tell(output: Output, error: Exception) -> int:
    """Say what went wrong; where in the program, if it was asked for or if nobody foresaw it. Returns the exit code."""
    from api.cli.problems import problem_of

    problem = problem_of(error)
    if output.debug or problem.code == UNFORESEEN:
        output.trace("".join(traceback.format_exception(error)))
    return _say(output, problem)


def _say(output: Output, problem: Problem) -> int:
    """Print a problem. Returns the exit code, which is that of a failed output where not even that can be told."""
    try:
        output.problem(problem)
    except OutputFailedError:
        return int(ExitCode.INPUT_OUTPUT)
    return int(problem.exit_code)


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called, so that ``--help`` answers at once."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, Text]] | None = None, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.lazy = dict(lazy or {})
        """Name to ``module:attribute`` and the line shown in the help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which they are used rather than the alphabet's."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        return cast("click.Command", getattr(import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        del ctx
        language = language_of(os.environ)
        with formatter.section("Commands"):
            formatter.write_dl([(name, text.say(language)) for name, (_, text) in self.lazy.items()])

    def make_context(self, *args: Any, **keywords: Any) -> click.Context:
        """Read the arguments; what cannot be written (the help) is told apart from all else."""
        with _writing():
            return super().make_context(*args, **keywords)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 -- click's signature
        """Call the command; its own errors never come so far, so that what fails here is the help."""
        with _writing():
            return super().invoke(ctx)

    def main(self, args: Sequence[str] | None = None, *positional: Any, **keywords: Any) -> Any:  # noqa: ANN401 -- click's signature
        """Run the command line. However it ends, that is one line and one exit code, and with ``--json`` a document."""
        arguments = list(sys.argv[1:] if args is None else args)
        keywords["standalone_mode"] = False
        output = _output_for(arguments)
        try:
            code = super().main(arguments, *positional, **keywords)
            finish_standard_output()
        except click.exceptions.NoArgsIsHelpError as error:
            with contextlib.suppress(OSError):
                error.show()
            code = int(ExitCode.USAGE)
        except click.ClickException as error:
            code = _say(output, _wrong_use(error))
        except click.Abort:
            code = _say(output, STOPPED)
        except Exception as error:  # noqa: BLE001 -- also what comes up before there is a command: no code of a verdict
            code = _tell(output, error)
        give_up_standard_streams()
        sys.exit(code if isinstance(code, int) else int(ExitCode.GOOD))


class EdocGroup(click.Group):
    """A group of commands: its subcommands are :class:`EdocCommand` unless they say otherwise."""

    command_class = EdocCommand


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailedError(error.strerror or type(error).__name__) from error


def _output_for(arguments: Sequence[str]) -> Output:
    """How the user wants to be told of a call that is so wrong that its options cannot be read."""
    options = list(itertools.takewhile(lambda each: each != "--", arguments))
    known = {each.value for each in Language}
    spelled = [each.removeprefix("--lang=") for each in options if each.startswith("--lang=")]
    spelled += [after for each, after in itertools.pairwise(options) if each == "--lang"]
    return Output(
        as_json="--json" in options,
        language=_language(next((each for each in spelled if each in known), None)),
        debug="--debug" in options,
    )


def _wrong_use(error: click.ClickException) -> Problem:
    message = " ".join(error.format_message().rstrip(".").split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "edoc"
    title = next(text for kind, text in _WRONG_USE if isinstance(error, kind))
    exit_code = ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.INPUT_OUTPUT
    return Problem(
        "usage", Text(f"{title}: {message}", message), None, Text(f"{path} --help", f"{path} --help"), exit_code
    )


def _shared_options() -> list[click.Parameter]:
    return [
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document instead of text."),
        click.Option(
            ["--lang"], type=click.Choice([each.value for each in Language]), help="Language of the text; else LANG's."
        ),
        click.Option(["--debug"], is_flag=True, help="Show where in the program an error came up."),
    ]


def _language(chosen: str | None) -> Language:
    return Language(chosen) if chosen else language_of(os.environ)
