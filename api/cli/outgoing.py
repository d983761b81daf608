"""A message on its way to the exchange: on the disk before anything is sent, and there until its receipt is safe.

An answer can be lost after the exchange has committed. Then only the very same bytes get the same receipt: a message
that is built and sealed anew is another one, and is refused as a conflict. So the sealed bytes outlive the command
wherever it is not known that they have done their duty, and the error says where they are and how they are sent again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from api.cli.errors import STOPPED, CliError, Problem, usage_error
from api.cli.files import check_new, new_file, safe_name
from api.cli.language import Text
from api.cli.problems import problem_of
from api.client import RefusedByExchangeError

_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_PUBLIC_FILE: Final = 0o644
_NOT_FINAL: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Refusals that say nothing about the message."""

_KEPT_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{6}-.+")
"""What :func:`keep_sealed` calls a file that nobody asked for."""

_KEPT: Final = Text(
    "thông điệp đã ký còn ở đó; gửi lại chính tệp ấy thì được đúng biên nhận ấy: {command}",
    "the sealed message is kept there; send that very file again, for the same receipt: {command}",
)
LOOK_FIRST: Final = Text(
    "xem edoc sent trước khi gửi lại: có thể trục đã tiếp nhận; edoc fetch VĂN-BẢN --evidence lấy được biên nhận",
    "look at edoc sent before sending again: it may be there already; edoc fetch DOCUMENT --evidence gets the receipt",
)
"""What helps where the exchange sealed the letter, so that its bytes are not here."""
LOOK_AT_STATES: Final = Text(
    "xem edoc show trước khi báo lại: có thể trục đã tiếp nhận",
    "look at edoc show before reporting again: it may have been taken on",
)
"""The same of a reported state."""


def check_new_files(*paths: Path | None) -> None:
    """Make sure, before anything is sent, that the files asked for can be written and are not one and the same.

    Raises:
        CliError: two of them are the same.
        OSError: something is there already, the folder is missing, or nothing can be written into it.
    """
    wanted = [path for path in paths if path is not None]
    if len({path.absolute() for path in wanted}) < len(wanted):
        what = Text("hai tệp mới có cùng tên", "two new files have the same name")
        remedy = Text("đặt tên khác nhau cho --receipt và --save", "give --receipt and --save different names")
        raise usage_error("contradiction", what, remedy, str(wanted[0]))
    for path in wanted:
        check_new(path)


def keep_sealed(pieces: Iterable[bytes], save: Path | None, name: str, now: datetime) -> Path:
    """Write a sealed message, on the disk when this returns: where it was asked for, else among what is under way.

    Raises:
        OSError: it cannot be written.
    """
    path = save or _under_way() / safe_name(f"{now:%Y%m%dT%H%M%S}-{os.urandom(3).hex()}-{name}.edxml", "message.edxml")
    with new_file(path, _PUBLIC_FILE if save else _PRIVATE_FILE) as file:
        for piece in pieces:
            file.write(piece)
    return path


@contextlib.contextmanager
def until_receipt(message: Path, command: str, *, ours: bool) -> Iterator[None]:
    """While a sealed message is sent, its receipt written and its user told.

    Args:
        message: the file with the sealed bytes.
        command: how they are sent again.
        ours: whether the file goes when all is done, or when the exchange has refused it for good.

    Raises:
        CliError: something failed after which the exchange may have the message; it names the file and the command.
    """
    try:
        with explained(Text(_KEPT.vi.format(command=command), _KEPT.en.format(command=command)), str(message)):
            yield
    except RefusedByExchangeError:
        _done_with(message, ours=ours)
        raise
    _done_with(message, ours=ours)


def forget_kept(message: Path) -> None:
    """Remove a message that was sent again and has its receipt now, if it is one that was kept after a lost answer.

    Those lie in the folder for what is under way, under names made here. Any other file is the user's own and stays,
    also where it is only a link.
    """
    try:
        there = message.parent.resolve() == _folder().resolve()
    except (OSError, RuntimeError):
        return  # without a state folder nothing is kept there
    _done_with(message, ours=there and _KEPT_NAME.fullmatch(message.name) is not None and not message.is_symlink())


@contextlib.contextmanager
def explained(remedy: Text, where: str | None = None) -> Iterator[None]:
    """While something is sent: what fails without the exchange having refused it is told with that remedy.

    Raises:
        RefusedByExchangeError: the exchange refused it for good.
        CliError: anything else of which the user can be told.
    """
    try:
        yield
    except RefusedByExchangeError as error:
        if error.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.status not in _NOT_FINAL:
            raise
        raise _explained(problem_of(error), remedy, where) from error
    except KeyboardInterrupt as error:
        raise _explained(STOPPED, remedy, where) from error
    except Exception as error:
        raise _explained(problem_of(error), remedy, where) from error


def send_command(message: Path, given: Mapping[str, Any]) -> str:
    """How a sealed message is sent again, as one types it."""
    options = {"--url": "url", "--token-file": "token_file", "--ca-file": "ca_file", "--receipt": "receipt"}
    named = [part for option, name in options.items() if given[name] for part in (option, str(given[name]))]
    return shlex.join(["edoc", "send", str(message), *named])


def _folder() -> Path:
    """The user's own folder for sealed messages that are under way, there or not."""
    from api.config import state_folder

    return state_folder() / "outgoing"


def _under_way() -> Path:
    """The folder for sealed messages that are under way: the user's own, else that for temporary files."""
    try:
        folder = _folder()
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        check_new(folder / "probe")
    except (OSError, RuntimeError):
        return Path(tempfile.gettempdir())
    return folder


def _done_with(message: Path, *, ours: bool) -> None:
    if ours:
        with contextlib.suppress(OSError):  # a leaf that stays behind does no harm: it is sealed, and sent
            message.unlink()


def _explained(problem: Problem, remedy: Text, where: str | None) -> CliError:
    return CliError(replace(problem, remedy=remedy, where=where or problem.where))
