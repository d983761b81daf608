"""The demonstration, as a user runs it: the real command, the real service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.client import Client

ROOT = Path(__file__).parents[2]
CHAPTERS = [
    "stage", "service", "letter", "invitation", "letter_answers", "invitation_answers", "audit", "forged_copy",
    "damaged_archive",
]  # fmt: skip

pytestmark = pytest.mark.end_to_end


def run_demo(home: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.cli", "demo", "--small", "--home", str(home), *options]
    return subprocess.run(
        command,
        cwd=home.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_every_step_of_the_demonstration_holds(tmp_path: Path) -> None:
    done = run_demo(tmp_path / "demo", "--json", EDOC_DATABASE_URL="sqlite:////nowhere/an-operators-own.sqlite3")
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["ok"] is True
    assert [chapter["name"] for chapter in report["chapters"]] == [*CHAPTERS, "stop"]
    assert all(check["held"] for check in report["checks"])
    assert len(report["checks"]) >= 25
    assert (report["url"], report["pid"]) == (None, None)
    log = (tmp_path / "demo" / "service.log").read_text(encoding="utf-8")
    assert "edoc_" not in log
    command = [
        sys.executable,
        "-m",
        "api.cli",
        "doctor",
        "--deep",
        "--json",
        "--home",
        str(tmp_path / "demo" / "exchange"),
    ]
    examined = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    outcomes = {each["name"]: each["outcome"] for each in examined["checks"]}
    compared = {name for name in outcomes if name.startswith(("rows_", "lost_", "unclaimed_"))}
    rows = {"documents", "deliveries", "statuses", "evidence", "events", "tasks"}
    assert compared == {"lost_evidence", "unclaimed_messages", *(f"rows_{each}" for each in rows)}
    assert {outcomes[name] for name in compared | {"archive_objects"}} == {"good"}


def test_with_keep_the_service_runs_on_and_is_said_where(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    done = run_demo(home, "--keep", "--lang", "en")
    kept = json.loads((home / "demonstration.json").read_text(encoding="utf-8"))
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        for told in (kept["url"], f"kill {kept['pid']}", "edoc inbox", "edoc verify"):
            assert told in done.stdout
        token = (home / "agencies" / "H29.2" / "token").read_text(encoding="utf-8").strip()
        with Client(kept["url"], token) as client:
            assert client.is_ready()
            assert client.sent().items
        again = run_demo(home)
        assert again.returncode == 2
        assert "still runs" in again.stderr
    finally:
        os.kill(kept["pid"], signal.SIGTERM)
