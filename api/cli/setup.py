"""Making the home folder of an exchange: database, archive, keys, trust."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from api.bootstrap import open_archive, open_database
from api.cli.authority import FOLDER, create_authority, ensure_password, open_authority, publish_trust_list
from api.cli.errors import usage_error
from api.cli.language import Text
from api.trust import TRUST_LIST
from edoc.database import migrate
from keys.authority import DemonstrationAuthority, KeyAlgorithm
from keys.memory import MemoryKey
from keys.pkcs12 import MIN_KDF_ROUNDS, write_pkcs12

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
    A crash leaves what was made so far; running it again goes on.

    Raises:
        KeysError, SecretFileError: a key cannot be written or read.
        DatabaseError, ArchiveError, OSError: the database, the archive or a folder cannot be made.
    """
    made: list[str] = []
    for folder in (settings.home, settings.exchange_key_file.parent, settings.seals_folder):
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    for part in ("anchors", "intermediates", "crls"):
        (settings.trust_folder / part).mkdir(parents=True, exist_ok=True)
    _check_whole(settings)
    ensure_password(settings.seals_password_file)
    if not settings.exchange_key_file.exists():
        key = own_key
        if key is None:
            key = _demonstration_seal(settings, at, made)
        password = ensure_password(settings.exchange_password_file)
        write_pkcs12(settings.exchange_key_file, key, password, kdf_rounds=MIN_KDF_ROUNDS)
        made.append("exchange_key")
    if _has_authority(settings) and ("exchange_key" in made or not (settings.trust_folder / TRUST_LIST).exists()):
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
        CliError: the archive holds objects, and the database has no tables, or is not there.
        DatabaseError, ArchiveError: one of them cannot be opened.
    """
    if _has_tables(settings) or next(iter(open_archive(settings).list()), None) is None:
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


def _has_authority(settings: Settings) -> bool:
    return (settings.home / FOLDER / "root.p12").exists()


def _demonstration_seal(settings: Settings, at: datetime, made: list[str]) -> MemoryKey:
    return _authority(settings, at, made).issue_exchange_seal(settings.exchange_name, at=at)


def _authority(settings: Settings, at: datetime, made: list[str]) -> DemonstrationAuthority:
    if _has_authority(settings):
        return open_authority(settings)
    made.append("authority")
    return create_authority(settings, at, KeyAlgorithm.EC_P256)
