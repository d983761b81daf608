"""The real service, with one difference: a process that reaches the step named in a file dies there by SIGKILL.

The file is ``$EDOC_HOME/die-at``; it is removed right before, so that the service dies once.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from unittest.mock import patch

from api import server
from api.bootstrap import Program, build_program
from api.config import Settings, load_settings
from edoc.acceptance.steps import AcceptanceStep

MARK = "die-at"


class Assassin:
    """Watches the steps."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def reached(self, step: AcceptanceStep) -> None:
        """Die at the step that was marked, with every process of the service."""
        try:
            marked = self._mark.read_text()
        except FileNotFoundError:
            return
        if marked == step.value:
            self._mark.unlink()
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


def _build(settings: Settings) -> Program:
    return build_program(settings, observer=Assassin(settings.home / MARK))


if __name__ == "__main__":
    with patch.object(server, "build_program", _build):
        server.serve(load_settings())
