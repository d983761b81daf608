"""The stage: a home for the exchange with its authority and directory, and a folder for each agency with its seal.

Everything lies in one folder that says that it is a demonstration; only such a folder is ever made anew.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from api.bootstrap import open_database
from api.cli.authority import ensure_password, open_authority, write_keys
from api.cli.drafts import Contact
from api.cli.errors import usage_error
from api.cli.files import replace_file
from api.cli.language import Text
from api.cli.setup import set_up
from api.client import Client
from api.demonstration.agencies import demonstration_agencies
from edoc.access.tokens import NewToken, Scope, issue_tokens
from edoc.database.engine import write
from edoc.directory.loader import AgencyEntry
from edoc.directory.model import Directory, SealBinding
from edoc.directory.repository import add_agencies, bind_seals, read_directory
from edoc.vietnam import vietnam_date
from keys.certificates import fingerprint
from keys.memory import MemoryKey
from keys.pkcs12 import MIN_KDF_ROUNDS, write_pkcs12, write_private_file

if TYPE_CHECKING:
    from api.config import Settings

MARKER: Final = "demonstration.json"
CITY: Final = "H29"
OFFICE: Final = "H29.1"
HOME_AFFAIRS: Final = "H29.2"
AUDITOR: Final = "auditor"
SMALL: Final = {"department": 3, "district": 3, "ward": 8}
_TOKEN_LIFETIME: Final = timedelta(days=30)


@dataclass(frozen=True)
class Actor:
    """An agency that takes part: its key never leaves its own folder."""

    entry: AgencyEntry
    key: MemoryKey
    token: str
    folder: Path

    @property
    def code(self) -> str:
        """The agency's code."""
        return self.entry.code

    @property
    def name(self) -> str:
        """The agency's name."""
        return self.entry.name


@dataclass(frozen=True)
class Stage:
    """Everything before the service starts."""

    root: Path
    settings: Settings
    entries: tuple[AgencyEntry, ...]
    actors: Mapping[str, Actor]
    auditor_token: str

    @property
    def auditor(self) -> Path:
        """The auditor's folder."""
        return self.root / AUDITOR

    @cached_property
    def contacts(self) -> Mapping[str, Contact]:
        """The agencies by their codes."""
        return {entry.code.upper(): Contact(entry.code, entry.name, entry.parent_code) for entry in self.entries}

    def of_kind(self, *kinds: str) -> tuple[Actor, ...]:
        """The agencies of these kinds that take part, but for the senders."""
        return tuple(
            actor for actor in self.actors.values() if actor.entry.kind in kinds and actor.code not in (CITY, OFFICE)
        )


def clear(root: Path) -> None:
    """Make room for a demonstration: an older one is removed, anything else is left alone.

    Raises:
        CliError: the folder holds something else, or an older demonstration that still runs.
        OSError: it cannot be removed or made.
    """
    marker = root / MARKER
    if root.exists() and any(root.iterdir()):
        if root.is_symlink() or not marker.is_file():
            raise usage_error(
                "not_a_demonstration",
                Text("thư mục này chứa thứ khác", "this folder holds something else"),
                Text("chọn thư mục khác bằng --home", "choose another one with --home"),
                str(root),
            )
        url = json.loads(marker.read_text(encoding="utf-8")).get("url")
        if url is not None and _answers(url):
            raise usage_error(
                "demonstration_runs",
                Text("bản dùng thử trước vẫn đang chạy", "the demonstration before still runs"),
                Text("dừng nó trước (lệnh kill đã in), hoặc chọn --home khác", "stop it (the kill it printed) first"),
                str(url),
            )
        shutil.rmtree(root)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark(root, {})


def mark(root: Path, facts: Mapping[str, Any]) -> None:
    """Say in the folder that it is a demonstration, and what is known of the service."""
    note = {"note": "made by edoc demo, which removes this folder when it is run again"}
    replace_file(root / MARKER, json.dumps({**note, **facts}, indent=2).encode() + b"\n", mode=0o600)


def taking_part(entries: Sequence[AgencyEntry], *, small: bool) -> tuple[AgencyEntry, ...]:
    """The agencies that get a seal: all, or of each kind a few."""
    if not small:
        return tuple(entries)
    left = dict(SMALL)
    chosen = []
    for entry in entries:
        if entry.kind in left:
            if not left[entry.kind]:
                continue
            left[entry.kind] -= 1
        chosen.append(entry)
    return tuple(chosen)


def build(root: Path, settings: Settings, now: datetime, *, small: bool) -> Stage:
    """Make authority, exchange, directory, seals and tokens.

    Raises:
        KeysError, EdocError, OSError: something cannot be made.
    """
    set_up(settings, now)
    entries = demonstration_agencies()
    chosen = taking_part(entries, small=small)
    authority = open_authority(settings)
    keys = authority.issue_seals([(entry.code, entry.name) for entry in chosen], at=now)
    seals = dict(zip((entry.code for entry in chosen), keys, strict=True))
    tokens, auditor_token = _enter(settings, entries, seals, now)
    _write_held_seal(settings, seals[HOME_AFFAIRS])
    actors = _write_agencies(root / "agencies", chosen, seals, tokens)
    auditor = root / AUDITOR
    auditor.mkdir(mode=0o700)
    write_private_file(auditor / "token", auditor_token.encode() + b"\n")
    return Stage(root, settings, entries, actors, auditor_token)


def _enter(
    settings: Settings, entries: Sequence[AgencyEntry], seals: Mapping[str, MemoryKey], now: datetime
) -> tuple[Mapping[str, str], str]:
    """Enter agencies, bindings and tokens in one transaction."""
    engine = open_database(settings)
    try:
        with write(engine) as connection:
            add_agencies(connection, entries, vietnam_date(now))
            directory = read_directory(connection)
            bind_seals(connection, [_binding(directory, code, key) for code, key in seals.items()])
            wanted = [_token(directory, code, now) for code in seals]
            audit = NewToken(directory.find(CITY).id, frozenset({Scope.AUDIT}), AUDITOR, now + _TOKEN_LIFETIME)
            *tokens, auditor = (each.token for each in issue_tokens(connection, [*wanted, audit], now, os.urandom))
    finally:
        engine.dispose()
    return dict(zip(seals, tokens, strict=True)), auditor


def _binding(directory: Directory, code: str, key: MemoryKey) -> SealBinding:
    certificate = key.certificate
    der = certificate.public_bytes(Encoding.DER)
    since = certificate.not_valid_before_utc
    return SealBinding(fingerprint(certificate), directory.find(code).id, der, since, None)


def _token(directory: Directory, code: str, now: datetime) -> NewToken:
    scopes = {Scope.SEND, Scope.RECEIVE}
    if code == HOME_AFFAIRS:
        scopes.add(Scope.SEAL)
    return NewToken(directory.find(code).id, frozenset(scopes), "demonstration", now + _TOKEN_LIFETIME)


def _write_held_seal(settings: Settings, key: MemoryKey) -> None:
    """The one seal that the exchange holds: that of the department that sends without a key of its own."""
    password = ensure_password(settings.seals_password_file)
    write_keys(settings.seals_folder, [(HOME_AFFAIRS, key)], password)


def _write_agencies(
    folder: Path, entries: Iterable[AgencyEntry], seals: Mapping[str, MemoryKey], tokens: Mapping[str, str]
) -> Mapping[str, Actor]:
    folder.mkdir(mode=0o700)
    password = ensure_password(folder / "seals.password")
    actors = {}
    for entry in entries:
        own = folder / entry.code
        own.mkdir(mode=0o700)
        write_pkcs12(own / "seal.p12", seals[entry.code], password, kdf_rounds=MIN_KDF_ROUNDS)
        write_private_file(own / "token", tokens[entry.code].encode() + b"\n")
        actors[entry.code] = Actor(entry, seals[entry.code], tokens[entry.code], own)
    return actors


def _answers(url: str) -> bool:
    with Client(url) as client:
        return client.is_ready()
