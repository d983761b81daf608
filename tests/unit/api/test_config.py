"""Settings: where they come from, what is wrong with them, and that each is documented."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from api.config import ArchiveKind, ClientSettings, Settings, load_client_settings, load_settings, state_folder
from api.errors import SettingsError

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("EDOC_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def problems_of(home: Path, **given: object) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(home, **given)
    return {each.setting: each.reason for each in caught.value.problems}


def test_without_anything_the_home_is_a_folder_here(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path / "edoc-home"
    assert settings.sqlite_file == tmp_path / "edoc-home" / "edoc.sqlite3"
    assert settings.archive_folder == tmp_path / "edoc-home" / "archive"
    assert settings.seals_password_file == tmp_path / "edoc-home" / "seals" / "seals.password"


def test_an_argument_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edoc.toml").write_text("port = 1001\nworkers = 3\nthreads = 5\n", encoding="utf-8")
    monkeypatch.setenv("EDOC_PORT", "1002")
    monkeypatch.setenv("EDOC_WORKERS", "4")
    settings = load_settings(tmp_path, port=1003)
    assert (settings.port, settings.workers, settings.threads) == (1003, 4, 5)


def test_the_home_of_the_environment_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "somewhere"
    home.mkdir()
    (home / "edoc.toml").write_text('exchange_name = "Trục"\n', encoding="utf-8")
    monkeypatch.setenv("EDOC_HOME", str(home))
    settings = load_settings()
    assert (settings.home, settings.exchange_name) == (home, "Trục")


def test_relative_paths_lie_in_the_home(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, trust_folder="other/trust", archive_folder="/srv/archive")
    assert settings.trust_folder == tmp_path / "other" / "trust"
    assert settings.archive_folder == Path("/srv/archive")


@pytest.mark.parametrize("source", ["environment", "file", "argument"])
@pytest.mark.parametrize(
    ("written", "file"), [("my db?.sqlite3", "HOME/my db?.sqlite3"), ("a/b", "HOME/a/b"), ("/srv/b", "/srv/b")]
)
def test_a_relative_database_lies_in_the_home_wherever_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, written: str, file: str
) -> None:
    home, given = tmp_path / "home", {}
    home.mkdir()
    url = f"sqlite:///{written}"
    if source == "environment":
        monkeypatch.setenv("EDOC_DATABASE_URL", url)
    elif source == "file":
        (home / "edoc.toml").write_text(f'database_url = "{url}"\n', encoding="utf-8")
    else:
        given = {"database_url": url}
    settings = load_settings(home, **given)
    expected = file.replace("HOME", str(home))
    assert settings.sqlite_file == Path(expected)
    assert settings.database_url.get_secret_value() == f"sqlite:///{expected}"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?mode=memory"])
def test_what_names_no_file_is_left_for_the_engine_to_refuse(tmp_path: Path, url: str) -> None:
    assert load_settings(tmp_path, database_url=url).database_url.get_secret_value() == url


def test_everything_that_is_wrong_is_told_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDOC_PORT", "99999")
    monkeypatch.setenv("EDOC_DATABSE_URL", "sqlite:///x")
    (tmp_path / "edoc.toml").write_text("threads = 'many'\nno_such_thing = 1\n", encoding="utf-8")
    assert set(problems_of(tmp_path)) == {"EDOC_PORT", "EDOC_DATABSE_URL", "EDOC_THREADS", "EDOC_NO_SUCH_THING"}


def test_an_archive_in_s3_needs_its_address_and_keys(tmp_path: Path) -> None:
    assert set(problems_of(tmp_path, archive="s3")) == {
        "EDOC_S3_ENDPOINT",
        "EDOC_S3_BUCKET",
        "EDOC_S3_ACCESS_KEY",
        "EDOC_S3_SECRET_KEY",
    }


def test_a_complete_archive_in_s3_is_taken(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path,
        archive="s3",
        s3_endpoint="127.0.0.1:9000",
        s3_bucket="edoc",
        s3_access_key="key",
        s3_secret_key_file="keys/s3.secret",
        s3_lock="governance",
        retention_days=30,
    )
    assert settings.archive is ArchiveKind.S3
    assert settings.s3_secret_key_file == tmp_path / "keys" / "s3.secret"


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"s3_lock": "compliance", "retention_days": 3}, "EDOC_S3_LOCK"),
        ({"max_body_bytes": 1 << 20, "max_attachment_bytes": 1 << 20}, "EDOC_MAX_BODY_BYTES"),
        ({"public_url": "exchange.example"}, "EDOC_PUBLIC_URL"),
        ({"public_url": "https://exchange.example/?x"}, "EDOC_PUBLIC_URL"),
        ({"log_level": "loud"}, "EDOC_LOG_LEVEL"),
        ({"exchange_code": ""}, "EDOC_EXCHANGE_CODE"),
        ({"max_recipients": 1001}, "EDOC_MAX_RECIPIENTS"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, given: dict[str, object], setting: str) -> None:
    assert set(problems_of(tmp_path, **given)) == {setting}


def test_a_body_holds_the_largest_file_in_base64_and_what_stands_around_it(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings.max_body_bytes >= settings.max_attachment_bytes * 4 // 3 + (8 << 20)


def test_an_export_of_the_largest_message_that_can_be_set_fits_into_a_plain_zip(tmp_path: Path) -> None:
    largest = 2 << 30
    settings = load_settings(tmp_path, max_body_bytes=largest, max_verification_bytes=4 << 30)
    assert settings.max_body_bytes * 7 // 4 < (4 << 30) - (256 << 20)  # the message, and the files that its base64 held
    assert "EDOC_MAX_BODY_BYTES" in problems_of(tmp_path, max_body_bytes=largest + 1, max_verification_bytes=4 << 30)


@pytest.mark.parametrize("text", ["port = ", "\xff\xfe"])
def test_a_file_that_is_not_toml_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "edoc.toml").write_bytes(text.encode("latin-1"))
    assert set(problems_of(tmp_path)) == {"edoc.toml"}


def test_secrets_show_neither_in_the_settings_nor_in_what_is_wrong_with_them(tmp_path: Path) -> None:
    url = "postgresql+psycopg://edoc:hunter2@db/edoc"
    settings = load_settings(tmp_path, database_url=url)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert settings.database_url.get_secret_value() == url
    assert settings.sqlite_file is None
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, database_url=url, s3_secret_key=["hunter2"], port="hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("processors", "workers"), [(1, 2), (2, 2), (5, 5), (64, 8)])
def test_there_is_a_process_for_each_processor_within_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int, workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    assert load_settings(tmp_path).workers == workers


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_a_client_reads_where_the_exchange_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDOC_URL", "https://exchange.example")
    monkeypatch.setenv("EDOC_TOKEN", "edoc_secret")
    settings = load_client_settings()
    assert settings.url == "https://exchange.example"
    assert "edoc_secret" not in repr(settings)
    load_settings()  # and the server does not take the client's variables for mistakes


def test_a_misspelt_variable_is_told_to_clients_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDOC_TOKENFILE", "x")
    with pytest.raises(SettingsError, match="EDOC_TOKENFILE"):
        load_client_settings()


def test_what_outlives_a_command_lies_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/officer")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert state_folder() == Path("/home/officer/.local/state/edoc")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # to be ignored, says the XDG base directory specification
    assert state_folder() == Path("/home/officer/.local/state/edoc")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/officer")
    assert state_folder() == Path("/var/lib/officer/edoc")


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(EDOC_\w+)` \| (.+?) \|", DOCUMENTATION.read_text(encoding="utf-8"), re.MULTILINE))
    settings = {f"EDOC_{name}".upper() for model in (Settings, ClientSettings) for name in model.model_fields}
    assert set(rows) == settings
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, bool | int | str):
            shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
            assert rows[f"EDOC_{name}".upper()] == f"`{shown}`", name
