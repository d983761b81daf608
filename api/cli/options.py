"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from api.cli.errors import usage_error
from api.cli.language import Text

if TYPE_CHECKING:
    from api.client import Client
    from api.config import Settings
    from keys.memory import MemoryKey

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_NO_TOKEN: Final = Text("chưa có mã truy cập", "there is no token")
_NO_TOKEN_REMEDY: Final = Text(
    "chỉ tệp chứa mã bằng --token-file, hoặc đặt EDOC_TOKEN", "name a file with it by --token-file, or set EDOC_TOKEN"
)
_NO_TOKEN_FILE: Final = Text("không có tệp mã truy cập này", "the file with the token is not there")
_NO_TOKEN_FILE_REMEDY: Final = Text(
    "xem lại --token-file (EDOC_TOKEN_FILE); người vận hành tạo mã bằng edoc token create",
    "check --token-file (EDOC_TOKEN_FILE); the operator makes a token with edoc token create",
)
_NO_SUCH_TOKEN: Final = Text("đó không phải là mã truy cập", "this is no token")
_NO_URL: Final = Text("địa chỉ của trục không dùng được", "this is no address of an exchange")
_NO_URL_REMEDY: Final = Text(
    "viết như https://truc.example.vn (--url hoặc EDOC_URL)", "write it as https://edoc.example.vn (--url or EDOC_URL)"
)
_NO_PASSWORD: Final = Text("chưa có mật khẩu của khóa", "the key's password is not given")
_NO_PASSWORD_REMEDY: Final = Text(
    "chỉ tệp mật khẩu bằng --password-file", "name a file with it by --password-file, or answer at a terminal"
)


def home_option(function: FunctionT) -> FunctionT:
    """``--home``: the folder of an exchange on this machine."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        help="The exchange's home folder; else EDOC_HOME, else ./edoc-home.",
    )(function)


def server_options(function: FunctionT) -> FunctionT:
    """``--url``, ``--token-file``, ``--ca-file``: a running exchange, and who asks. A token is never an argument."""
    for option in (
        click.option("--ca-file", type=click.Path(path_type=Path), help="Whom to believe about the exchange's TLS."),
        click.option("--token-file", type=click.Path(path_type=Path), help="A file with the token; else EDOC_TOKEN."),
        click.option("--url", help="Where the exchange is; else EDOC_URL, else http://127.0.0.1:8080."),
    ):
        function = option(function)
    return function


def key_options(function: FunctionT) -> FunctionT:
    """``--key``, ``--password-file``: the agency's own seal in a PKCS#12 file."""
    for option in (
        click.option(
            "--password-file", type=click.Path(path_type=Path), help="A file with the key's password; else it is asked."
        ),
        click.option("--key", type=click.Path(path_type=Path), help="The agency's seal: a PKCS#12 file (.p12)."),
    ):
        function = option(function)
    return function


def settings_of(home: Path | None) -> Settings:
    """The settings of the exchange on this machine.

    Raises:
        SettingsError: with everything that is wrong.
    """
    from api.config import load_settings

    return load_settings(home)


def open_client(url: str | None, token_file: Path | None, ca_file: Path | None) -> Client:
    """A client of the exchange that the options name.

    Raises:
        CliError: there is no token, it cannot be one, or the address is none.
        SecretFileError: the token's file cannot be read, or others can read it.
        OSError: the CA file cannot be read.
    """
    from api.bootstrap import read_secret
    from api.cli.files import check_readable
    from api.client import Client
    from api.config import load_client_settings
    from api.errors import SecretFileMissingError

    settings = load_client_settings()
    file = token_file or settings.token_file
    if file is not None:
        try:
            token = read_secret(file).decode("ascii", "replace")
        except SecretFileMissingError as error:
            raise usage_error("no_token", _NO_TOKEN_FILE, _NO_TOKEN_FILE_REMEDY, str(file)) from error
    elif settings.token is not None:
        token = settings.token.get_secret_value()
    else:
        raise usage_error("no_token", _NO_TOKEN, _NO_TOKEN_REMEDY)
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise usage_error("no_token", _NO_SUCH_TOKEN, _NO_TOKEN_REMEDY, str(file) if file else "EDOC_TOKEN")
    address = settings.url if url is None else url
    if not address.startswith(("http://", "https://")):
        raise usage_error("url", _NO_URL, _NO_URL_REMEDY, address)
    authorities = ca_file or settings.ca_file
    if authorities is not None:
        check_readable(authorities)
    return Client(address, token, ca_file=authorities)


def open_key(key: Path, password_file: Path | None) -> MemoryKey:
    """The key of a PKCS#12 file; its password comes from a file or from the terminal.

    Raises:
        CliError: there is neither.
        KeysError, SecretFileError: the key or the password's file cannot be read.
    """
    from keys.pkcs12 import read_pkcs12

    # Nobody is asked for the password of a file that is not there: reading it says so.
    return read_pkcs12(key, password_of(password_file, str(key)) if key.is_file() else b"")


def password_of(password_file: Path | None, whose: str, *, confirm: bool = False) -> bytes:
    """A password from a file, or asked at the terminal without echo.

    Raises:
        CliError: no file is named and nobody can be asked.
        SecretFileError: the file cannot be read, is empty, or others can read it.
    """
    from api.bootstrap import read_secret

    if password_file is not None:
        return read_secret(password_file)
    if not sys.stdin.isatty():
        raise usage_error("no_password", _NO_PASSWORD, _NO_PASSWORD_REMEDY, whose)
    answer = click.prompt(f"Mật khẩu / Password ({whose})", hide_input=True, confirmation_prompt=confirm, err=True)
    return str(answer).encode()


def new_password() -> bytes:
    """A password that nobody has to remember: 256 random bits in hex."""
    return os.urandom(32).hex().encode()
