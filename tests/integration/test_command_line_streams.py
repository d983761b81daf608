"""``edoc`` as a program of its own, whose standard streams cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.unit.api.cli.conftest import Edoc

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "api.cli"]


@pytest.fixture
def edoc() -> Edoc:
    return Edoc()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty exchange that no test changes."""
    folder = tmp_path_factory.mktemp("shared") / "home"
    Edoc()("init", "--home", str(folder))
    return str(folder)


@pytest.mark.parametrize("common", [[], ["--json"], ["--debug"]])
@pytest.mark.parametrize("arguments", [["directory", "list"], ["doctor"]])
def test_a_full_disk_behind_standard_output_is_one_line_and_code_3(
    home: str, arguments: list[str], common: list[str]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        code, complaint = in_a_process([*arguments, "--home", home, *common], full)
    assert code == 3, complaint
    assert complaint.splitlines()[-1].startswith("edoc: error: standard output cannot be written: No space left")
    assert "--debug" in common or complaint.count("\n") == 1


def test_a_token_that_cannot_be_shown_is_not_made(edoc: Edoc, home: str, tmp_path: Path) -> None:
    agencies = tmp_path / "agencies.csv"
    agencies.write_text("code,old_code,parent_code,kind,name,name_en\nH1,,,city,City,City\n", encoding="utf-8")
    edoc("directory", "load", "--home", home, str(agencies))
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert in_a_process(["token", "create", "H1", "--home", home], full)[0] == 3
    edoc("token", "create", "H1", "--home", home, "--out", str(agencies), code=3)
    assert edoc.json("token", "list", "--home", home) == {"tokens": []}
    edoc("token", "create", "H1", "--home", home, "--out", str(tmp_path / "token"))
    assert len(edoc.json("token", "list", "--home", home)["tokens"]) == 1


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["keys"], ["keys", "list", "--help"]])
def test_a_full_disk_behind_the_help_is_not_passed_over(arguments: list[str]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        code, complaint = in_a_process(arguments, full)
    assert code == (2 if arguments == ["keys"] else 3), complaint  # without a subcommand the help is a complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize("arguments", [["--help"], ["directory", "list"], ["directory", "list", "--json"]])
def test_a_reader_that_goes_away_is_one_line_and_code_3(home: str, arguments: list[str]) -> None:
    where = [] if arguments == ["--help"] else ["--home", home]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        code, complaint = in_a_process([*arguments, *where], pipe)
    assert code == 3, complaint
    expected = "edoc: error: standard output cannot be written: Broken pipe. "
    assert complaint.startswith(expected)
    assert complaint.count("\n") == 1


def test_an_error_that_cannot_be_written_as_json_either_is_one_line_and_code_3() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        code, complaint = in_a_process(["verify", "--json"], full)
    assert code == 3
    assert complaint == "edoc: error: Missing argument 'FILE'. → edoc verify --help\n"


def test_a_standard_error_that_cannot_be_written_changes_no_exit_code() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run([*PROGRAM, "verify"], stdout=subprocess.PIPE, stderr=full, cwd=ROOT, check=False)
    assert done.returncode == 2


def in_a_process(arguments: list[str], stdout: IO[str]) -> tuple[int, str]:
    """Run ``edoc`` as a program of its own; its exit code and standard error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDOC_")}
    done = subprocess.run(
        [*PROGRAM, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**environment, "LC_ALL": "C.UTF-8"},
        check=False,
    )
    return done.returncode, done.stderr
