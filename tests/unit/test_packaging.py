"""What is installed is what lies in the folders."""

from __future__ import annotations

from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("api", "edoc", "keys", "schemas", "signing")


def _patterns(package: str) -> list[str]:
    setup = ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup.get("options.package_data", package, fallback="").split()


def _files(folder: str) -> Iterator[Path]:
    return (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix not in {".pyc", ".py"})


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_data_file_is_packed(folder: str) -> None:
    suffixes = {pattern.removeprefix("**/*") for pattern in _patterns("*")}
    assert [path for path in _files(folder) if path.suffix not in suffixes] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_lies_in_a_package_or_is_packed_as_data(folder: str) -> None:
    modules = (path for path in (ROOT / folder).rglob("*.py") if not (path.parent / "__init__.py").exists())
    database = ROOT / "edoc" / "database"
    packed = {path for pattern in _patterns("edoc.database") for path in database.glob(pattern)}
    assert set(modules) - packed == set()
