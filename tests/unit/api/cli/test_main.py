"""What all commands have in common."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from api.cli.command import EdocCommand
from api.cli.main import cli
from tests.unit.api.cli.conftest import Edoc

ROOT = Path(__file__).parents[4]
COMMON = {"as_json", "lang", "debug"}


def commands(group: click.Group = cli, path: str = "edoc") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_every_command_gives_json_and_explains_itself(name: str) -> None:
    command = ALL[name]
    assert isinstance(command, EdocCommand)
    assert {each.name for each in command.params} >= COMMON
    assert command.help
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, option.name


def test_no_password_and_no_token_is_an_argument() -> None:
    for command in ALL.values():
        names = {option for each in command.params for option in each.opts}
        assert not names & {"--password", "--token", "--pin", "--secret"}


def test_help_names_every_command_and_imports_none() -> None:
    program = (
        "import sys\nfrom api.cli.main import cli\ntry:\n    cli(['--help'], prog_name='edoc')\nexcept SystemExit:\n"
        "    pass\nloaded = {'sqlalchemy', 'lxml', 'flask', 'cryptography', 'httpx'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    for name in ALL:
        assert name.split()[1] in done.stdout


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["verify"], ["verify", "--nonsense", "x"], ["keys", "revoke"], ["init", "--lang", "fr"]]
)
def test_wrong_use_is_one_line_and_code_2(edoc: Edoc, arguments: list[str]) -> None:
    result = edoc(*arguments, code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("edoc: error: ")
    assert result.stderr.count("\n") == 1


def test_debug_shows_the_trace_of_a_known_error(edoc: Edoc, tmp_path: Path) -> None:
    result = edoc("verify", str(tmp_path / "none"), "--trust", str(tmp_path / "none"), "--debug", code=1)
    assert type(result.exception).__name__ == "NoTrustAnchorsError"


def test_every_command_and_option_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, command in ALL.items():
        head = " ".join(name.split()[:2])
        start = text.index(f"\n## {head}\n")
        end = text.find("\n## ", start + 1)
        section = text[start : end if end > 0 else None]
        assert name in section, name
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in COMMON:
                for spelled in (*option.opts, *option.secondary_opts):
                    assert f"`{spelled}" in section, f"{name} {spelled}"
    for common in ("--json", "--lang", "--debug", "--help"):
        assert f"`{common}" in text
