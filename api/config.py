"""The settings of the exchange: the only module that reads the environment.

A setting comes from, in this order: an argument, the environment (``EDOC_PORT``), the file ``edoc.toml`` in the home
folder (``port = 8080``), its default. All are checked at once, and everything that is wrong is told together. Paths
that are not absolute are taken from the home folder. ``docs/configuration.md`` describes each; a test compares.

The home folder, as ``edoc init`` lays it out::

    edoc.toml                settings (optional)
    edoc.sqlite3             the database, unless another is set
    archive/                 the objects, unless they are in S3
    keys/exchange.p12        the exchange's seal, and beside it exchange.password (both 0600)
    exchange-seals/*.cer     the certificates of all seals that the exchange has had
    seals/<CODE>.p12         the seals of agencies that the exchange holds, and seals.password (all 0600)
    trust/anchors/*.pem      whom to believe
    trust/intermediates/*.pem  certificates that help to find a path (optional)
    trust/crls/*.crl         what was revoked
    trust/trust-list.xml     the signed list of trust anchors (optional)
    authority/               the demonstration authority, where ``edoc keys init`` made one
"""

from __future__ import annotations

import os
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from api.errors import SettingProblem, SettingsError

PREFIX: Final = "EDOC_"
SETTINGS_FILE: Final = "edoc.toml"
DEFAULT_HOME: Final = Path("edoc-home")
_RESERVED: Final = "EDOC_TEST_"
"""Variables that begin so belong to the tests."""

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20


class ArchiveKind(Enum):
    """Where the objects lie."""

    LOCAL = "local"
    S3 = "s3"


class LogFormat(Enum):
    """How the log is written."""

    JSON = "json"
    TEXT = "text"


class S3Lock(Enum):
    """Which retention lock is asked for each object."""

    NONE = "none"
    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class CpuAffinity(Enum):
    """Whether the processes of the service stay on one processor each."""

    AUTO = "auto"
    OFF = "off"


def _absolute_home(home: Path) -> Path:
    return home.expanduser().absolute()


def _in_home(path: Path, info: ValidationInfo) -> Path:
    home = info.data.get("home")
    return home / path.expanduser() if isinstance(home, Path) else path


def _url_in_home(url: SecretStr, info: ValidationInfo) -> SecretStr:
    """The path of an SQLite file is taken from the home folder like every other; what is none is left to the engine."""
    scheme, separator, path = url.get_secret_value().partition(":///")
    if scheme != "sqlite" or not separator or not path or path == ":memory:" or path.startswith("file:"):
        return url
    return SecretStr(f"{scheme}{separator}{_in_home(Path(path), info)}")


def _within(*names: str) -> Any:  # noqa: ANN401 - a field's default is typed as the field
    """The default of a path in the home folder."""
    return Field(default_factory=lambda data: Path(data["home"]).joinpath(*names))


def _one_each() -> int:
    """A process for each processor that this one may use, within reason."""
    return min(max(len(usable_processors()), 2), 8)


def usable_processors() -> tuple[int, ...]:
    """The numbers of the processors that this process may run on; those of the machine where the system cannot say."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


HomePath = Annotated[Path, AfterValidator(_in_home)]


class Settings(BaseSettings):
    """What the operator sets. Does not change; secrets do not show in its ``repr``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    home: Annotated[Path, AfterValidator(_absolute_home)] = DEFAULT_HOME
    """The home folder."""

    exchange_code: str = Field("EDOC", min_length=1, max_length=58)
    """The exchange's code in its evidence."""
    exchange_name: str = Field("Trục liên thông văn bản", min_length=1, max_length=200)
    """The exchange's name in its evidence."""
    exchange_key_file: HomePath = _within("keys", "exchange.p12")
    """The exchange's seal, PKCS#12."""
    exchange_password_file: HomePath = _within("keys", "exchange.password")
    """A file with the password of the seal."""
    seals_folder: HomePath = _within("seals")
    """The seals of agencies that the exchange holds, ``<CODE>.p12``."""
    seals_password_file: HomePath = _within("seals", "seals.password")
    """A file with the password of these seals."""
    trust_folder: HomePath = _within("trust")
    """Trust anchors, intermediates and CRLs."""

    database_url: Annotated[SecretStr, AfterValidator(_url_in_home)] = Field(
        default_factory=lambda data: SecretStr(f"sqlite:///{data['home'] / 'edoc.sqlite3'}")
    )
    """``sqlite:///<path>`` or ``postgresql+psycopg://...``; may hold a password."""

    archive: ArchiveKind = ArchiveKind.LOCAL
    """Where the objects lie."""
    archive_folder: HomePath = _within("archive")
    """The folder of a local archive; for S3 where large messages wait while they are received."""
    retention_days: int = Field(0, ge=0, le=36_500)
    """Days for which the archive refuses to delete an object; 0 for none."""
    s3_endpoint: str | None = None
    """``host:port`` of the object store."""
    s3_bucket: str | None = None
    """The bucket, which must exist."""
    s3_region: str = "us-east-1"
    """Its region."""
    s3_tls: bool = True
    """Whether to speak TLS with it."""
    s3_ca_file: HomePath | None = None
    """Whom to believe about its certificate; None for the public authorities."""
    s3_access_key: SecretStr | None = None
    """The access key, unless it lies in a file."""
    s3_access_key_file: HomePath | None = None
    """A file with the access key."""
    s3_secret_key: SecretStr | None = None
    """The secret key, unless it lies in a file."""
    s3_secret_key_file: HomePath | None = None
    """A file with the secret key."""
    s3_lock: S3Lock = S3Lock.NONE
    """The retention lock on each object."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(8080, ge=0, le=65_535)
    """The port to listen on; 0 for a free one."""
    public_url: str | None = Field(None, pattern=r"^https?://[^/?#\s]+[^?#\s]*$")
    """How clients reach the service, for links; None for the address of each request."""
    workers: int = Field(default_factory=_one_each, ge=1, le=64)
    """Processes that serve requests."""
    threads: int = Field(8, ge=1, le=256)
    """Threads in each of them."""
    cpu_affinity: CpuAffinity = CpuAffinity.AUTO
    """Whether each of these processes is bound to one processor where they can be spread evenly."""
    idle_timeout_seconds: int = Field(60, ge=5, le=3600)
    """Seconds for which a connection may be silent while a request is read or an answer is written."""
    stop_timeout_seconds: int = Field(30, ge=1, le=3600)
    """Seconds that requests get to end when the service is stopped."""
    trusted_proxies: int = Field(0, ge=0, le=8)
    """How many reverse proxies stand before the service, whose ``X-Forwarded-*`` are believed."""

    max_body_bytes: int = Field(416 * _MIB, ge=64 * _KIB, le=2048 * _MIB)
    """Largest body of a request, in bytes; a message carries its files in base64, a third more."""
    max_attachment_bytes: int = Field(300 * _MIB, ge=64 * _KIB, le=2048 * _MIB)
    """Largest file of a message, and all its files together, in bytes."""
    max_verification_bytes: int = Field(1024 * _MIB, ge=64 * _KIB, le=8192 * _MIB)
    """Largest file that is judged, in bytes; an export holds the message, its files once more, and the evidence."""
    max_attachments: int = Field(100, ge=1, le=1000)
    """Most files of a message."""
    max_recipients: int = Field(1000, ge=1, le=1000)
    """Most recipients of a message."""
    attachment_object_bytes: int = Field(256 * _KIB, ge=0)
    """Files of at least this many bytes become objects of their own in the archive."""
    report_arrival: bool = True
    """Whether the exchange reports status 01 for a recipient that has taken a document over."""

    log_format: LogFormat = LogFormat.JSON
    """How the log is written."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is written into the log."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file in the home folder."""
        del dotenv_settings, file_secret_settings
        given = init_settings.init_kwargs.get("home") if isinstance(init_settings, InitSettingsSource) else None
        file = TomlConfigSettingsSource(settings_cls, toml_file=_find_home(given) / SETTINGS_FILE)
        return init_settings, env_settings, file

    @property
    def retention(self) -> timedelta:
        """For how long the archive refuses to delete an object."""
        return timedelta(days=self.retention_days)

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an SQLite database; None for another database."""
        scheme, separator, path = self.database_url.get_secret_value().partition(":///")
        return Path(path) if scheme == "sqlite" and separator else None


class ClientSettings(BaseSettings):
    """What commands that talk to a running exchange read from the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = "http://127.0.0.1:8080"
    """Where the exchange is."""
    token: SecretStr | None = None
    """The bearer token of the agency."""
    token_file: Path | None = None
    """A file with it."""
    ca_file: Path | None = None
    """Whom to believe about the exchange's TLS certificate; None for the public authorities."""


def load_settings(home: Path | None = None, **given: object) -> Settings:
    """The settings, checked; what is given here goes before the environment.

    Raises:
        SettingsError: with everything that is wrong.
    """
    if home is not None:
        given["home"] = home
    problems = list(_unknown_variables())
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        problems.extend(_problems(error))
        raise SettingsError(tuple(problems)) from None  # its text could hold a secret
    except ValueError as error:  # the file is not TOML, or not in UTF-8
        problems.append(SettingProblem(SETTINGS_FILE, f"the file cannot be read: {error}"))
        raise SettingsError(tuple(problems)) from error
    problems.extend(_contradictions(settings))
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def load_client_settings() -> ClientSettings:
    """What commands that talk to a running exchange use.

    Raises:
        SettingsError: with everything that is wrong.
    """
    problems = list(_unknown_variables())
    try:
        settings = ClientSettings()
    except ValidationError as error:
        problems.extend(_problems(error))
        raise SettingsError(tuple(problems)) from None
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def state_folder() -> Path:
    """Where the commands of this user keep what must outlive them (``XDG_STATE_HOME``).

    Raises:
        RuntimeError: the user has no home folder.
    """
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".local" / "state") / "edoc"


def _find_home(given: object) -> Path:
    """The home folder before anything is validated: it says where the file with the other settings lies."""
    return _absolute_home(Path(str(given or os.environ.get(f"{PREFIX}HOME") or DEFAULT_HOME)))


def _unknown_variables() -> list[SettingProblem]:
    """A misspelt variable must not leave a setting at its default in silence."""
    known = {f"{PREFIX}{name}".upper() for model in (Settings, ClientSettings) for name in model.model_fields}
    return [
        SettingProblem(name, "there is no such setting")
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX) and not name.startswith(_RESERVED) and name.upper() not in known
    ]


def _problems(error: ValidationError) -> list[SettingProblem]:
    return [
        SettingProblem(f"{PREFIX}{'.'.join(str(part) for part in each['loc'])}".upper(), each["msg"])
        for each in error.errors(include_url=False, include_context=False, include_input=False)
        if each["type"] != "default_factory_not_called"
    ]


def _contradictions(settings: Settings) -> list[SettingProblem]:
    """What is wrong only together."""
    found: list[SettingProblem] = []

    def require(name: str, reason: str, *, holds: bool) -> None:
        if not holds:
            found.append(SettingProblem(f"{PREFIX}{name}".upper(), reason))

    if settings.archive is ArchiveKind.S3:
        require("s3_endpoint", "an archive in S3 needs it", holds=bool(settings.s3_endpoint))
        require("s3_bucket", "an archive in S3 needs it", holds=bool(settings.s3_bucket))
        for name in ("s3_access_key", "s3_secret_key"):
            given = [getattr(settings, name), getattr(settings, f"{name}_file")]
            require(name, f"an archive in S3 needs it, or {name}_file, but not both", holds=given.count(None) == 1)
        require(
            "retention_days",
            "a lock needs at least one day",
            holds=settings.s3_lock is S3Lock.NONE or settings.retention_days > 0,
        )
    else:
        require("s3_lock", "only an archive in S3 has a lock", holds=settings.s3_lock is S3Lock.NONE)
    require(
        "max_body_bytes",
        "a file of max_attachment_bytes in base64 (4 bytes for 3) does not fit",
        holds=settings.max_body_bytes >= settings.max_attachment_bytes // 3 * 4,
    )
    require(
        "max_verification_bytes",
        "an export of the largest message (max_body_bytes and max_attachment_bytes together) does not fit",
        holds=settings.max_verification_bytes >= settings.max_body_bytes + settings.max_attachment_bytes,
    )
    return found
