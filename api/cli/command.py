"""What every command has: ``--json``, ``--lang`` and ``--debug``, and an end with one line and the right exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn, cast

import click

from api.cli.errors import ExitCode
from api.cli.language import Language, Text, language_of
from api.cli.output import Output


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
    except Exception as error:
        from api.cli.problems import describe

        problem = describe(error)
        if problem is None or output.debug:
            raise
        output.problem(problem)
        return int(problem.exit_code)
    return int(code) if isinstance(code, int) else int(ExitCode.GOOD)


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

    def main(self, args: Sequence[str] | None = None, *positional: Any, **keywords: Any) -> Any:  # noqa: ANN401 -- click's signature
        """Run the command line; a wrong call is one line as well."""
        keywords["standalone_mode"] = False
        try:
            code = super().main(args, *positional, **keywords)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(int(ExitCode.USAGE))
        except click.ClickException as error:
            sys.exit(_complain(error))
        except click.Abort:
            click.echo("edoc: stopped", err=True)
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else int(ExitCode.GOOD))


class EdocGroup(click.Group):
    """A group of commands: its subcommands are :class:`EdocCommand` unless they say otherwise."""

    command_class = EdocCommand


def _complain(error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f". → {context.command_path} --help" if context is not None else ""
    message = " ".join(error.format_message().rstrip(".").split())
    click.echo(f"edoc: error: {message}{hint}", err=True)
    return int(ExitCode.USAGE) if isinstance(error, click.UsageError) else int(ExitCode.INPUT_OUTPUT)


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
