"""A complete small exchange on SQLite and local files: a demonstration authority, five agencies, tokens, letters.

What is the same for all tests is made once a session and copied: keys, certificates, migrated tables, the directory.
Nothing here waits or reaches beyond the folder it is given. Every agency and person is invented.
"""

from __future__ import annotations

import atexit
import copy
import functools
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding
from flask.testing import FlaskClient

from api.app import Application, create_app
from api.bootstrap import Program, build_program, open_database
from api.config import Settings, load_settings
from edoc.acceptance.incoming import incoming_bytes
from edoc.acceptance.receipts import Receipt
from edoc.acceptance.service import Acceptance
from edoc.acceptance.steps import StepObserver
from edoc.access.tokens import NewToken, Principal, Scope, authenticate, issue_tokens
from edoc.database.engine import write
from edoc.database.migrate import upgrade
from edoc.directory.loader import AgencyEntry
from edoc.directory.model import Agency, SealBinding
from edoc.directory.repository import add_agencies, bind_seals, read_directory
from edoc.envelope.model import Attachment, Message
from edoc.exchange import Exchange
from edoc.sealing import seal_message
from keys.authority import DemonstrationAuthority
from keys.certificates import fingerprint
from keys.memory import MemoryKey
from keys.pkcs12 import MIN_KDF_ROUNDS, write_pkcs12, write_private_file
from tests.support.messages import document

NOW: Final = datetime(2026, 3, 2, 1, 20, tzinfo=UTC)
"""When the small exchange begins its day: five minutes after :data:`tests.support.messages.SENT_AT`."""
CITY, SENDER, WARD, DISTRICT, STRANGER = "H29", "H29.900", "H29.901", "H29.902", "H29.903"
AGENCIES: Final = (
    AgencyEntry(CITY, "000.00.00.H29", None, "city", "Ủy ban nhân dân Thành phố Ví dụ", "People's Committee"),
    AgencyEntry(SENDER, "000.09.00.H29", CITY, "department", "Sở Ví dụ", "Department of Examples"),
    AgencyEntry(WARD, "000.09.01.H29", CITY, "ward", "Ủy ban nhân dân phường Ví dụ", None),
    AgencyEntry(DISTRICT, None, CITY, "district", "Ủy ban nhân dân Quận Ví dụ", None),
    AgencyEntry(STRANGER, None, CITY, "department", "Sở Không liên quan", None),
)
HELD_SEALS: Final = (SENDER, WARD)
"""The agencies whose seals the exchange holds."""
ALL_SCOPES: Final = frozenset({Scope.SEND, Scope.RECEIVE, Scope.SEAL})
_PASSWORD: Final = b"a password of the tests"
_AUTHORITY_SINCE: Final = NOW - timedelta(days=60)
_LIFETIME: Final = timedelta(days=9 * 365)
_CRL_LIFETIME: Final = timedelta(days=30)


@dataclass
class SettableClock:
    """A clock that stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """The time it shows."""
        return self.now

    def advance(self, by: timedelta) -> datetime:
        """Move it on; returns the new time."""
        self.now += by
        return self.now


@dataclass(frozen=True)
class SmallExchange:
    """An open exchange and everything that its agencies hold."""

    program: Program
    clock: SettableClock
    authority: DemonstrationAuthority
    keys: dict[str, MemoryKey]
    """The agencies' seals by their codes."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def exchange(self) -> Exchange:
        """The exchange itself."""
        return self.program.exchange

    def agency(self, code: str) -> Agency:
        """An agency as the directory has it."""
        return self.exchange.directory.current().find(code)

    def token(self, code: str, scopes: frozenset[Scope] = ALL_SCOPES, lifetime: timedelta = timedelta(days=1)) -> str:
        """A new bearer token of an agency."""
        wanted = NewToken(self.agency(code).id, scopes, "test", self.clock() + lifetime)
        with write(self.exchange.engine) as connection:
            return issue_tokens(connection, [wanted], self.clock(), os.urandom)[0].token

    def principal(self, code: str, scopes: frozenset[Scope] = ALL_SCOPES) -> Principal:
        """Who calls with a new token of an agency."""
        return authenticate(self.exchange.engine, self.token(code, scopes), self.clock())

    def seal(self, message: Message, code: str | None = None) -> bytes:
        """The message sealed by its sender, or by another agency, as it is sent."""
        key = self.keys[code or message.sender.organ_id]
        return b"".join(seal_message(message, key, self.clock()).encoded_chunks())

    def letter(self, *attachments: Attachment, **changes: Any) -> bytes:
        """A sealed letter from SENDER to WARD with a number of its own."""
        return self.seal(document(*attachments, **({"number": f"{next(self._numbers):02}"} | changes)))

    def submit(self, data: bytes, code: str = SENDER) -> Receipt:
        """Have the exchange take a sealed message on."""
        return Acceptance(self.exchange).submit(incoming_bytes(data), self.principal(code))

    @cached_property
    def application(self) -> Application:
        """The web application over this exchange."""
        return create_app(self.program)

    def client(self) -> FlaskClient:
        """A client of the web application, with cookies of its own."""
        return self.application.test_client()

    def renew_crls(self) -> None:
        """Publish new CRLs, as the authority does from time to time."""
        _write_crls(self.program.settings.trust_folder / "crls", self.authority, self.clock())


@contextmanager
def small_exchange(home: Path, *, observer: StepObserver | None = None, **settings: object) -> Iterator[SmallExchange]:
    """A small exchange in ``home``, which must not exist yet; closed at the end."""
    template = _template()
    shutil.copytree(template.home, home)
    clock = SettableClock()
    program = build_program(settings_of(home, **settings), clock=clock, observer=observer)
    try:
        yield SmallExchange(program, clock, _with_own_register(template.authority), dict(template.keys))
    finally:
        program.close()


def _with_own_register(authority: DemonstrationAuthority) -> DemonstrationAuthority:
    """The same authority, whose revocations from here on concern nobody else."""
    own = copy.copy(authority)
    own._register = copy.deepcopy(authority._register)
    return own


def settings_of(home: Path, **changes: object) -> Settings:
    """The settings of a small exchange."""
    return load_settings(home, **({"exchange_name": "Trục liên thông ví dụ", "exchange_code": "H29.EX"} | changes))


@dataclass(frozen=True)
class _Template:
    home: Path
    authority: DemonstrationAuthority
    keys: dict[str, MemoryKey]


@functools.cache
def _template() -> _Template:
    folder = Path(tempfile.mkdtemp(prefix="small-exchange-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = folder / "home"
    authority = DemonstrationAuthority.in_memory(at=_AUTHORITY_SINCE, name="edoc tests")
    named = [(each.code, each.name) for each in AGENCIES]
    seals = authority.issue_seals(named, at=_AUTHORITY_SINCE, lifetime=_LIFETIME)
    keys = dict(zip((code for code, _ in named), seals, strict=True))
    _write_keys(home, authority, keys)
    _write_trust(home / "trust", authority)
    _fill_database(settings_of(home), keys)
    return _Template(home, authority, keys)


def _write_keys(home: Path, authority: DemonstrationAuthority, keys: dict[str, MemoryKey]) -> None:
    for name in ("keys", "seals"):
        (home / name).mkdir(parents=True)
    own = authority.issue_exchange_seal("Trục liên thông ví dụ", at=_AUTHORITY_SINCE, lifetime=_LIFETIME)
    write_pkcs12(home / "keys" / "exchange.p12", own, _PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)
    write_private_file(home / "keys" / "exchange.password", _PASSWORD)
    write_private_file(home / "seals" / "seals.password", _PASSWORD)
    for code in HELD_SEALS:
        write_pkcs12(home / "seals" / f"{code}.p12", keys[code], _PASSWORD, kdf_rounds=MIN_KDF_ROUNDS)


def _write_trust(trust: Path, authority: DemonstrationAuthority) -> None:
    (trust / "anchors").mkdir(parents=True)
    (trust / "anchors" / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    (trust / "crls").mkdir()
    _write_crls(trust / "crls", authority, NOW - timedelta(days=1))


def _write_crls(folder: Path, authority: DemonstrationAuthority, at: datetime) -> None:
    for number, crl in enumerate(authority.crls(at=at, next_update=at + _CRL_LIFETIME)):
        (folder / f"{number}.crl").write_bytes(crl.public_bytes(Encoding.DER))


def _fill_database(settings: Settings, keys: dict[str, MemoryKey]) -> None:
    engine = open_database(settings, create=True)
    try:
        upgrade(engine)
        with write(engine) as connection:
            add_agencies(connection, AGENCIES, date(2018, 1, 1))
            directory = read_directory(connection)
            bindings = [
                SealBinding(
                    fingerprint(key.certificate),
                    directory.find(code).id,
                    key.certificate.public_bytes(Encoding.DER),
                    _AUTHORITY_SINCE,
                    None,
                )
                for code, key in keys.items()
            ]
            bind_seals(connection, bindings)
    finally:
        engine.dispose()
