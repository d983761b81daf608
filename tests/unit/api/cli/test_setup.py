"""Making a home: broken off at any write it is finished by running the same command again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from cryptography import x509

from api.bootstrap import open_issuer, read_secret
from api.cli import setup
from api.cli.authority import FOLDER, making_keys, new_authority, open_authority, publish_trust_list
from api.cli.errors import CliError
from api.cli.setup import set_up
from api.config import Settings, load_settings
from api.trust import read_trust
from edoc.database import migrate
from keys.authority import DemonstrationAuthority, Issuer, KeyAlgorithm
from keys.errors import AuthorityError
from keys.memory import MemoryKey
from keys.trust import KeyPurpose
from signing.trust_list import Listed, TrustedAs
from tests.unit.api.cli.conftest import Edoc

AT: Final = datetime.now(UTC)
KILLED: Final = 9
MOST_WRITES: Final = 1000
_WRITES: Final = frozenset({"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod", "shutil.rmtree"})

Make = Callable[[Settings], object]


def keys_init(settings: Settings) -> None:
    """As ``edoc keys init``."""
    settings.home.mkdir(mode=0o700, exist_ok=True)
    with making_keys(settings.home), new_authority(settings, AT, KeyAlgorithm.EC_P256) as (authority, folder):
        publish_trust_list(authority, settings, AT, folder=folder)


def cut(make: Make, settings: Settings, writes: int) -> bool:
    """Run it in a process that is killed before its write of that number; whether it came so far.

    Nothing is tidied up behind it. A file that was just made counts too: it is empty then.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
    try:
        left = writes

        def count() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(KILLED)

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            made = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            if event in _WRITES or made:
                count()

        plain = os.fdopen

        def fdopen(*rest: Any, **named: Any) -> Any:  # noqa: ANN401 -- as the one it stands for
            count()
            return plain(*rest, **named)

        os.fdopen = fdopen
        sys.addaudithook(hook)
        make(settings)
    except BaseException:  # noqa: BLE001 -- whatever it is, this process must not go on as the test
        os._exit(1)
    os._exit(0)


def check(settings: Settings, *, has_seal: bool) -> None:
    """Everything is there, fits together, is believed, and nobody else can read it."""
    authority = open_authority(settings)
    material = read_trust(settings.trust_folder)
    assert material.anchors.certificates == (authority.root,)
    assert material.intermediates == (authority.issuing,)
    assert {each.issuer for each in material.revocation.crls} == {authority.root.subject, authority.issuing.subject}
    assert material.trust_list is not None
    validator, now = material.validator(), datetime.now(UTC)
    trust_list = material.trust_list.read(validator, [now])
    if has_seal:
        seal = open_issuer(settings).key.certificate
        validator.validate(seal, at=now, usage=KeyPurpose.SEAL)
        assert trust_list.listed(seal, TrustedAs.EXCHANGE_SEAL, now) is Listed.HOLDS
        assert read_secret(settings.seals_password_file)
    found = [path for path in settings.home.rglob("*") if ".new" in path.name]
    assert found == []
    secrets = [path for path in settings.home.rglob("*") if path.suffix in {".p12", ".password"}]
    assert all(path.stat().st_mode & 0o077 == 0 for path in secrets)


def root_of(settings: Settings) -> bytes | None:
    file = settings.home / FOLDER / "root.p12"
    return file.read_bytes() if file.exists() else None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without database and archive, which come last and are tested elsewhere; here they would cost time only."""
    monkeypatch.setattr(setup, "_check_whole", lambda _: None)
    monkeypatch.setattr(setup, "open_database", lambda *_, **__: SimpleNamespace(dispose=lambda: None))
    monkeypatch.setattr(migrate, "upgrade", lambda _: None)
    monkeypatch.setattr(setup, "open_archive", lambda _: None)


def finish(settings: Settings, make: Make) -> None:
    """Run it again after a crash, as its user would: an authority that is whole by then is not made once more."""
    before = root_of(settings)
    if before is not None and make is keys_init:
        with pytest.raises(AuthorityError, match="already"):
            make(settings)
    else:
        make(settings)
    assert before in {None, root_of(settings)}


def own_key() -> MemoryKey:
    return DemonstrationAuthority.in_memory(at=AT).issue_exchange_seal("Trục", at=AT)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("make", [partial(set_up, at=AT), keys_init], ids=["init", "keys-init"])
def test_a_kill_at_any_write_is_made_good_by_running_the_command_again(tmp_path: Path, make: Make) -> None:
    for writes in range(MOST_WRITES):
        settings = load_settings(tmp_path / str(writes))
        if not cut(make, settings, writes):
            assert writes > 40
            break
        finish(settings, make)
        check(settings, has_seal=make is not keys_init)
    else:
        pytest.fail("it never ended")


@pytest.mark.usefixtures("quick")
def test_a_kill_while_a_trusted_home_gets_its_own_key_leaves_no_list_without_it(tmp_path: Path) -> None:
    """The list is there before; only its content tells that the command was broken off."""
    for writes in range(MOST_WRITES):
        settings = load_settings(tmp_path / str(writes))
        keys_init(settings)
        if not cut(partial(set_up, at=AT), settings, writes):
            assert writes > 20
            break
        finish(settings, partial(set_up, at=AT))
        check(settings, has_seal=True)


def test_an_authority_without_its_password_is_told_and_left_alone(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "home")
    keys_init(settings)
    (settings.home / FOLDER / "authority.password").rename(tmp_path / "password")
    before = root_of(settings)
    with pytest.raises(CliError, match="not whole") as caught:
        set_up(settings, AT)
    assert "authority.password" in caught.value.problem.remedy.en
    assert root_of(settings) == before
    (settings.home / FOLDER / "root.p12").unlink()
    with pytest.raises(CliError, match="not whole"):
        keys_init(settings)
    assert (settings.home / FOLDER / "issuing.p12").exists()


def test_two_that_make_a_home_at_once_make_it_once(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "home")
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            try:
                set_up(settings, AT)
            except BaseException:  # noqa: BLE001 -- this process must not go on as the test
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    check(settings, has_seal=True)
    assert len([each for each in open_authority(settings).issued() if each.issuer is Issuer.ISSUING]) == 2


def test_a_key_that_is_not_the_exchanges_is_not_passed_over(edoc: Edoc, home: str, tmp_path: Path) -> None:
    key, password = f"{home}/keys/exchange.p12", f"{home}/keys/exchange.password"
    same = edoc("init", "--home", home, "--key", key, "--password-file", password)
    assert "this very seal already" in same.stderr
    before = Path(key).read_bytes()
    other = str(tmp_path / "other.p12")
    edoc("keys", "issue", "H9", "x", "--exchange", "--home", home, "--out", other, "--password-file", password)
    error = edoc.json("init", "--home", home, "--key", other, "--password-file", password, code=2)["error"]
    assert (error["code"], error["where"]) == ("other_key", key)
    assert "move this file away" in error["remedy"]
    assert Path(key).read_bytes() == before
    Path(key).rename(tmp_path / "old.p12")
    assert "exchange_key" in edoc.json("init", "--home", home, "--key", other, "--password-file", password)["made"]


def test_an_own_key_is_named_by_the_list_of_a_home_with_an_authority(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "home")
    keys_init(settings)
    key = own_key()
    assert set_up(settings, AT, key).made == ("exchange_key", "trust_list")
    trust_list = read_trust(settings.trust_folder).trust_list
    assert trust_list is not None
    assert trust_list.show(AT).listed(key.certificate, TrustedAs.EXCHANGE_SEAL, AT) is Listed.HOLDS
    assert (
        x509.load_pem_x509_certificate((settings.trust_folder / "anchors" / "demonstration.pem").read_bytes())
        != key.certificate
    )
