"""The commands of README.md do what it says, as they stand there, one after the other in one terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.homes import Service, free_port, wait_until_live

pytestmark = pytest.mark.end_to_end

ROOT: Final = Path(__file__).parents[2]
BLOCKS: Final = re.findall(
    r"^```\w*\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
SET_UP, RUN, *COMMANDS = BLOCKS
"""The two make targets, the exchange in its own terminal, and what is typed into the other one."""
END_OF_BLOCK: Final = "-- the next block --"
TRUST: Final = "edoc-demo/exchange/trust"


@dataclass(frozen=True)
class Terminal:
    """The folder in which the commands were run, and what each block printed."""

    folder: Path
    environment: dict[str, str]
    outputs: dict[str, str]

    def output(self, command: str) -> str:
        """What the one block with this command printed."""
        (found,) = [output for block, output in self.outputs.items() if command in block]
        return found


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("readme")
    install(folder / ".venv" / "bin")
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("EDOC_", "LC_", "LANG"))},
        "LANG": "C.UTF-8",
        "EDOC_URL": url,
    }
    script(".venv/bin/edoc demo --small", folder, environment)
    with subprocess.Popen(["bash", "-c", f"exec {RUN}"], cwd=folder, env=environment | {"EDOC_PORT": port}) as exchange:
        try:
            wait_until_live(Service(url, exchange))
            possible = [block for block in COMMANDS if missing_program(block) is None]
            printed = script(f"echo '{END_OF_BLOCK}'\n".join(possible), folder, environment)
            outputs = printed.split(f"{END_OF_BLOCK}\n")
            yield Terminal(folder, environment, dict(zip(possible, outputs, strict=True)))
        finally:
            exchange.terminate()
    assert exchange.returncode == 0, "an orderly end"


def install(programs: Path) -> None:
    """What `make` would install, for the interpreter that runs the tests."""
    programs.mkdir(parents=True)
    for name, module in (("edoc", "-m api.cli "), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" {module}"$@"\n', encoding="utf-8")
        program.chmod(0o755)


def script(commands: str, folder: Path, environment: dict[str, str]) -> str:
    """Run commands in one session that ends at the first that fails, which none may; returns what they printed."""
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{commands}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def missing_program(block: str) -> str | None:
    """The program that a block begins with, where it is not installed."""
    program = block.split(maxsplit=1)[0]
    return None if program.startswith(".venv/") or "=" in program or shutil.which(program) else program


def test_the_set_up_is_two_targets_that_the_makefile_has() -> None:
    assert SET_UP == "make demo\nmake test\n"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"demo", "test"} <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert re.search(r"^demo:.*\n\t\$\(BIN\)/edoc demo$", makefile, re.MULTILINE)


def test_no_other_block_needs_make() -> None:
    assert [block for block in BLOCKS[1:] if re.search(r"\bmake\b", block)] == []
    assert RUN == ".venv/bin/edoc run --home edoc-demo/exchange\n"


def test_a_department_sends_and_its_receipt_is_good(terminal: Terminal) -> None:
    assert "GOOD" in terminal.output("edoc send")
    for name in ("receipt.xml", "letter.edxml"):
        assert b"Signature>" in (terminal.folder / name).read_bytes()


def test_a_ward_receives_the_very_letter(terminal: Terminal) -> None:
    received = {path.suffix: path for path in (terminal.folder / "received").rglob("*") if path.is_file()}
    assert received[".edxml"].read_bytes() == (terminal.folder / "letter.edxml").read_bytes()
    sent = terminal.folder / "edoc-demo" / "agencies" / "H29.1" / "outbox" / "thong-bao-123.pdf"
    assert received[".pdf"].read_bytes() == sent.read_bytes()


def test_an_auditor_finds_the_export_good_and_the_answer_in_it(terminal: Terminal) -> None:
    assert "GOOD" in terminal.output("edoc export")
    command = f".venv/bin/edoc verify letter.asice --trust {TRUST} --json"
    judged = json.loads(script(command, terminal.folder, terminal.environment))
    assert judged["verdict"] == "good"
    states = [fact["value"] for fact in judged["facts"] if fact["name"] == "status"]
    assert any(state.startswith("03") for state in states), judged["facts"]


def test_xmlsec1_agrees(terminal: Terminal) -> None:
    if shutil.which("xmlsec1") is None:
        pytest.skip("xmlsec1 is not installed")
    assert "OK" in terminal.output("xmlsec1 --verify")
