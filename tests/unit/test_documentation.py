"""The pages about the project say what is so."""

from __future__ import annotations

import ast
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions
from pathlib import Path
from typing import Final

import pytest
from packaging.specifiers import SpecifierSet

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("api", "edoc", "keys", "schemas", "signing")
PAGES: Final = (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
LINK: Final = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")
REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z]+\])?\s*[<>=]", re.MULTILINE)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _setup() -> ConfigParser:
    setup = ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup


def _runtime() -> set[str]:
    return {_canonical(name) for name in REQUIREMENT.findall(_setup()["options"]["install_requires"])}


def _development() -> set[str]:
    extras = _setup()["options.extras_require"].values()
    return {_canonical(name) for extra in extras for name in REQUIREMENT.findall(extra)}


def _locked(file: str) -> set[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return {_canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield node.module.partition(".")[0]


def test_what_is_locked_installs_on_the_oldest_python_that_is_promised() -> None:
    promised = _setup()["options"]["python_requires"]
    assert promised.startswith(">=3.11,")
    refused = {}
    for file in ("requirements.txt", "requirements-dev.txt"):
        for name in _locked(file):
            with suppress(PackageNotFoundError):  # locked for another platform
                wanted = ",".join(metadata(name).get_all("Requires-Python") or ())
                if wanted and not SpecifierSet(wanted).contains("3.11.0"):
                    refused[name] = wanted
    assert refused == {}


def test_page_of_dependencies_has_one_line_for_each_and_no_other() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| ([a-z0-9-]+) \|", page, re.MULTILINE)
    documented = [name for name in documented if name not in {"package", "---"}]
    assert sorted(documented) == sorted(_runtime() | _development())


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_the_code_imports_is_declared(folder: str) -> None:
    distributions = packages_distributions()
    imported = {name for path in (ROOT / folder).rglob("*.py") for name in _imported(path)}
    foreign = imported - set(sys.stdlib_module_names) - set(FOLDERS) - {"_typeshed"}
    providers = {_canonical(provider) for name in foreign for provider in distributions.get(name, (name,))}
    assert providers - _runtime() == set()


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_lock_file_pins_every_dependency_and_names_no_registry(file: str) -> None:
    expected = _runtime() | {"setuptools"} | (_development() if file == "requirements-dev.txt" else set())
    assert expected - _locked(file) == set()
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"://|--index-url|--find-links|--trusted-host", text)


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_has_hashes(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    pins = re.findall(
        r"^[A-Za-z0-9._-]+(?:\[[a-z]+\])?==.*\n(?:    --hash=sha256:[0-9a-f]{64}.*\n)?", text, re.MULTILINE
    )
    assert pins
    assert [pin for pin in pins if "--hash=" not in pin] == []


def test_every_upper_bound_is_there_but_for_calendar_versions() -> None:
    lines = _setup()["options"]["install_requires"].splitlines()
    unbounded = {line.split()[0] for line in lines if line and not line.startswith("#") and "<" not in line}
    assert unbounded == {"certifi", "tzdata"}


def test_decisions_are_numbered_without_a_gap_and_say_what_they_must() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert {"Context", "Options", "Outcome", "Cost"} <= set(headings), page.name


def test_every_command_of_the_makefile_is_explained_by_its_help() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony is not None
    assert set(re.findall(r"^([a-z]+):.*## ", text, re.MULTILINE)) == set(phony.group(1).split())


def test_readme_opens_with_what_it_is_in_ten_lines_and_then_gives_exactly_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    opening, heading, rest = text.partition("\n## Two commands\n")
    assert heading
    title, *lines = [line for line in opening.splitlines() if line]
    assert title == f"# {_setup()['metadata']['name']}"
    assert len(lines) <= 10
    for reader in ("Departments", "Wards", "Auditors"):
        assert f"**{reader}**" in opening
    assert rest.split("```")[1].split("\n") == ["", "make demo", "make test", ""]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_of_the_project_finds_it(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_documented_backup_is_a_whole_copy_that_nobody_else_may_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^```\n(.*\.backup\(.*)\n```$", page, re.MULTILINE)
    database = sqlite3.connect(tmp_path / "edoc.sqlite3")
    with database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE letters (id)")
        database.execute("INSERT INTO letters VALUES (1)")
    command = command.replace(".venv/bin/python", sys.executable).replace("HOME", str(tmp_path))
    subprocess.run(["sh", "-c", f"umask 022; {command}"], cwd=tmp_path, check=True)
    database.close()
    copy = tmp_path / "copy.sqlite3"
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as copied:
        assert copied.execute("SELECT id FROM letters").fetchall() == [(1,)]
