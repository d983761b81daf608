"""A small city with its exchange, and ``edoc`` run against it without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from click.testing import CliRunner, Result

from api import client
from api.app import create_app
from api.bootstrap import Program, build_program
from api.cli.demo import stage as staging
from api.cli.main import cli
from api.config import load_settings


@dataclass(frozen=True)
class City:
    """The exchange and its agencies, each with key and token in its folder."""

    stage: staging.Stage
    program: Program

    @property
    def home(self) -> str:
        """The exchange's home folder, as an argument."""
        return str(self.stage.settings.home)

    @property
    def trust(self) -> str:
        """Its trust folder, as an argument."""
        return str(self.stage.settings.trust_folder)

    def as_agency(self, code: str, *, with_key: bool = False) -> list[str]:
        """The options with which an agency calls."""
        folder = self.stage.actors[code].folder
        options = ["--token-file", str(folder / "token"), "--url", "http://exchange.test"]
        if with_key:
            options += ["--key", str(folder / "seal.p12"), "--password-file", str(folder.parent / "seals.password")]
        return options

    def as_auditor(self) -> list[str]:
        """The options with which the auditor calls."""
        return ["--token-file", str(self.stage.auditor / "token"), "--url", "http://exchange.test"]


@dataclass(frozen=True)
class Edoc:
    """The command, run in this process."""

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        """Run it; it must end with that exit code."""
        result = CliRunner(env={"LC_ALL": "C", "EDOC_HOME": None}).invoke(cli, list(arguments))
        assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 -- JSON
        """Run it with ``--json``; what it prints on standard output, which must be one document."""
        return json.loads(self(*arguments, "--json", code=code).stdout)


@pytest.fixture
def edoc(monkeypatch: pytest.MonkeyPatch) -> Edoc:
    """``edoc``, without settings from the environment."""
    for name in ("EDOC_HOME", "EDOC_TOKEN", "EDOC_TOKEN_FILE", "EDOC_URL", "EDOC_TRUST_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    return Edoc()


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands keep nothing in the home folder of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A small city; its exchange answers in this process."""
    root = tmp_path_factory.mktemp("city")
    stage = staging.build(root, load_settings(root / "exchange"), datetime.now(UTC), small=True)
    program = build_program(stage.settings)
    transport = httpx.WSGITransport(app=create_app(program).wsgi_app)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # the service's log is not the command's output
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "Client", partial(client.Client, transport=transport))
        yield City(stage, program)
    structlog.reset_defaults()
    program.close()


@pytest.fixture
def home(tmp_path: Path, edoc: Edoc) -> str:
    """A new, empty exchange, as an argument."""
    folder = tmp_path / "home"
    edoc("init", "--home", str(folder))
    return str(folder)
