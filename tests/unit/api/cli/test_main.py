"""What all commands have in common."""

from __future__ import annotations

import json
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
PROGRAM = [sys.executable, "-m", "api.cli"]
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


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["verify"], ["verify", "--nonsense", "x"], ["keys", "revoke"], ["init", "--lang", "fr"]]
)
def test_wrong_use_is_with_json_the_same_document_as_any_error(edoc: Edoc, arguments: list[str]) -> None:
    result = edoc(*arguments, "--json", code=2)
    error = json.loads(result.stdout)["error"]
    assert set(error) == {"code", "what", "where", "remedy", "exit_code"}
    assert (error["code"], error["exit_code"]) == ("usage", 2)
    assert result.stderr.count("\n") == 1


def test_wrong_use_is_told_in_the_language_that_was_asked_for(edoc: Edoc) -> None:
    assert edoc("verify", "--lang", "vi", code=2).stderr.startswith("edoc: lỗi: còn thiếu: ")
    assert edoc("verify", "--nonsense", "--lang=vi", code=2).stderr.startswith("edoc: lỗi: không có tùy chọn này: ")


def test_what_stands_after_two_hyphens_is_no_option(edoc: Edoc) -> None:
    assert edoc("verify", "--", "a", "--json", code=2).stdout == ""


def test_debug_shows_the_trace_of_a_known_error_and_changes_no_exit_code(edoc: Edoc, tmp_path: Path) -> None:
    result = edoc("verify", str(tmp_path / "none"), "--trust", str(tmp_path / "none"), "--debug", code=2)
    assert "Traceback" in result.stderr
    assert "NoTrustAnchorsError" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("edoc: error: NO TRUST ANCHORS")


def test_an_error_that_nobody_foresaw_is_no_bad_verdict(edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("api.cli.service.settings_of", fail)
    result = edoc("init", "--json", code=3)
    assert json.loads(result.stdout)["error"]["code"] == "unforeseen"
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: by nothing" in result.stderr.splitlines()[-1]


def test_a_command_that_cannot_even_be_loaded_is_no_bad_verdict(edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ImportError("half an installation")

    monkeypatch.setattr("api.cli.command.import_module", broken)
    assert edoc.json("verify", "x", code=3)["error"]["code"] == "unforeseen"


def test_ctrl_c_is_exit_code_130_and_with_json_a_document(edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("api.cli.service.settings_of", interrupt)
    assert edoc("init", code=130).stderr.strip() == "edoc: error: it was stopped. → run it again"
    assert edoc.json("init", code=130)["error"]["exit_code"] == 130


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
