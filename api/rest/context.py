"""What belongs to the running application and to the present request."""

from __future__ import annotations

from typing import Final, cast

from flask import current_app, g

from api.bootstrap import Program
from edoc.exchange import Exchange

EXTENSION: Final = "edoc"


def program() -> Program:
    """The program behind the application."""
    return cast(Program, current_app.extensions[EXTENSION])


def exchange() -> Exchange:
    """The exchange behind the application."""
    return program().exchange


def request_id() -> str:
    """The identifier of the present request."""
    return cast(str, g.request_id)
