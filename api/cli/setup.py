"""Making the home folder of an exchange: database, archive, keys, trust."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from api.bootstrap import open_archive, open_database, read_secret
from api.cli.authority import (
    ensure_password,
    has_authority,
    making_keys,
    new_authority,
    open_authority,
    publish_authority,
    publish_crls,
    publish_trust_list,
    write_key,
)
from api.cli.errors import usage_error
from api.cli.language import Text
from api.trust import TRUST_LIST
from edoc.archive.sweep import may_be_sealed
from edoc.database import migrate
from keys.authority import KeyAlgorithm
from keys.memory import MemoryKey
from keys.pkcs12 import read_pkcs12, sync_folder

if TYPE_CHECKING:
    from api.config import Settings

PRIVATE: Final = 0o700


@dataclass(frozen=True)
class SetUp:
    """What :func:`set_up` did."""

    home: Path
    made: tuple[str, ...]
    """``authority``, ``exchange_key``, ``trust_list``: what was not there before."""


def set_up(settings: Settings, at: datetime, own_key: MemoryKey | None = None) -> SetUp:
    """Make what is missing in the home folder, migrate the database, and leave alone what is there.

    Without an own key the exchange gets a seal of the demonstration authority, which is made with it and trusted.
    A crash leaves what was made so far, each thing whole or not there; running it again goes on. What a crash leaves
    beside them is said where they are written.

    Raises:
        CliError: the exchange has another key than the one given, or an archive whose database is away.
        KeysError, SecretFileError: a key cannot be written or read.
        DatabaseError, ArchiveError, OSError: the database, the archive or a folder cannot be made.
    """
    made: list[str] = []
    _check_key(settings, own_key)
    for folder in (settings.home, settings.exchange_key_file.parent, settings.seals_folder):
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    for part in ("anchors", "intermediates", "crls"):
        (settings.trust_folder / part).mkdir(parents=True, exist_ok=True)
    _check_whole(settings)
    sync_folder(settings.home)
    with making_keys(settings.home):
        ensure_password(settings.seals_password_file)
        if not settings.exchange_key_file.exists():
            made.extend(_make_key(settings, at, own_key))
        elif has_authority(settings) and not (settings.trust_folder / TRUST_LIST).exists():
            publish_trust_list(open_authority(settings), settings, at)
            made.append("trust_list")
    engine = open_database(settings, create=True)
    try:
        migrate.upgrade(engine)
    finally:
        engine.dispose()
    open_archive(settings)
    return SetUp(settings.home, tuple(made))


def _check_whole(settings: Settings) -> None:
    """An archive whose database is away must not get an empty one beside it.

    Raises:
        CliError: the archive holds sealed objects, and the database has no tables, or is not there.
        DatabaseError, ArchiveError: one of them cannot be opened.
    """
    if _has_tables(settings):
        return
    store = open_archive(settings)
    if not any(may_be_sealed(store, each) for each in store.list()):  # a probe of the doctor's may lie there
        return
    what = Text(
        "kho lưu trữ đã có dữ liệu nhưng thiếu cơ sở dữ liệu, hoặc cơ sở dữ liệu trống",
        "the archive holds objects, but its database is away or empty",
    )
    remedy = Text(
        "đưa cơ sở dữ liệu của kho này về chỗ cũ, hoặc chỉ kho lưu trữ khác (docs/operation.md, Backup)",
        "put its database back, or name another archive (docs/operation.md, Backup)",
    )
    raise usage_error("database_away", what, remedy, str(settings.sqlite_file or "EDOC_DATABASE_URL"))


def _has_tables(settings: Settings) -> bool:
    if settings.sqlite_file is not None and not settings.sqlite_file.exists():
        return False
    engine = open_database(settings)
    try:
        return migrate.has_tables(engine)
    finally:
        engine.dispose()


def _make_key(settings: Settings, at: datetime, own_key: MemoryKey | None) -> tuple[str, ...]:
    """Give the exchange its key; what was made.

    The key's file comes last, after the trust list that names it, so that where it is nothing is left to be done. A
    crash before leaves at most a list that also names a seal whose key is nowhere; the next run issues another.
    """
    made: tuple[str, ...] = ()
    key = own_key
    if has_authority(settings):
        authority = open_authority(settings)
        if key is None:
            publish_authority(authority, settings.trust_folder)  # a run that was broken off may not have come to it
            publish_crls(authority, settings.trust_folder, at)
            key = authority.issue_exchange_seal(settings.exchange_name, at=at)
        publish_trust_list(authority, settings, at, seal=key.certificate)
    elif key is None:
        with new_authority(settings, at, KeyAlgorithm.EC_P256) as (authority, folder):
            key = authority.issue_exchange_seal(settings.exchange_name, at=at)
            publish_trust_list(authority, settings, at, folder=folder)
        made = ("authority",)
    write_key(settings.exchange_key_file, key, ensure_password(settings.exchange_password_file))
    return (*made, "exchange_key", "trust_list") if has_authority(settings) else (*made, "exchange_key")


def _check_key(settings: Settings, own_key: MemoryKey | None) -> None:
    """A key that is given must not be passed over in silence.

    Raises:
        CliError: the exchange has another one already.
        KeysError, SecretFileError: which it has cannot be read.
    """
    file = settings.exchange_key_file
    if own_key is None or not file.exists():
        return
    if read_pkcs12(file, read_secret(settings.exchange_password_file)).certificate != own_key.certificate:
        what = Text(
            "trục đã có con dấu khác; --key không thay nó",
            "the exchange has another seal; --key does not replace it",
        )
        remedy = Text(
            "bỏ --key, hoặc dừng trục, chuyển tệp này đi nơi khác rồi chạy lại",
            "leave --key out, or stop the exchange, move this file away and run it again",
        )
        raise usage_error("other_key", what, remedy, str(file))
