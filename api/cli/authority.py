"""The demonstration authority of a home folder, and what it puts where others look for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.bootstrap import read_secret
from api.cli.errors import CliError, usage_error
from api.cli.files import replace_file
from api.cli.language import Text
from api.cli.options import new_password
from api.trust import ANCHORS, CRLS, INTERMEDIATES, TRUST_LIST, TRUST_LIST_AUTHORITY, read_trust
from keys.authority import DemonstrationAuthority, IssuedCertificate, Issuer, KeyAlgorithm
from keys.certificates import CertificateRole, fingerprint
from keys.errors import AuthorityError
from keys.memory import MemoryKey
from keys.pkcs12 import MIN_KDF_ROUNDS, read_pkcs12, sync_folder, write_pkcs12, write_private_file
from signing.trust_list import TrustedAs, TrustList, TrustListEntry, write_trust_list

if TYPE_CHECKING:
    from api.config import Settings

FOLDER: Final = "authority"
PASSWORD_FILE: Final = "authority.password"  # noqa: S105 -- the name of a file
CRL_LIFETIME: Final = timedelta(days=30)
"""How long a CRL of the demonstration authority counts as fresh."""
TRUST_LIST_LIFETIME: Final = CRL_LIFETIME
"""How long a trust list does: the two are renewed together."""
TRUST_LIST_KEY: Final = "trust-list.p12"
_UNFINISHED: Final = "authority.new"
_TURN: Final = "init-turn"


@contextlib.contextmanager
def making_keys(home: Path) -> Iterator[None]:
    """Nobody else makes keys in this home meanwhile: a second ``edoc init`` waits, and finds what the first made.

    A crash ends the lock with the process; the empty file ``init-turn`` stays and means nothing.

    Raises:
        OSError: the file of the lock cannot be made.
    """
    descriptor = os.open(home / _TURN, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def new_authority(
    settings: Settings, at: datetime, algorithm: KeyAlgorithm
) -> Iterator[tuple[DemonstrationAuthority, Path]]:
    """A new demonstration authority, under a random password, with its certificates and CRLs in the trust folder.

    It lies in ``authority.new``, the folder given with it, which takes the name ``authority`` when the block ends well:
    so one that has its name is whole, and all that it publishes within the block is published. Whatever it issues there
    may be used only afterwards. To be called while :func:`making_keys`.

    A crash before leaves ``authority.new``, and in the trust folder perhaps certificates and CRLs of an authority whose
    keys nobody uses. The next call removes the one and replaces the others.

    Raises:
        AuthorityError: there is one already.
        CliError: there is a folder of the name that holds no whole one.
        KeyStoreError, OSError: a file cannot be written.
    """
    folder, unfinished = settings.home / FOLDER, settings.home / _UNFINISHED
    if has_authority(settings):
        raise AuthorityError(f"there is an authority in {folder} already, and it is not overwritten")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise _not_whole(folder)
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    password = new_password()
    write_private_file(unfinished / PASSWORD_FILE, password + b"\n")
    authority = DemonstrationAuthority.create(
        unfinished, password, at=at, algorithm=algorithm, kdf_rounds=MIN_KDF_ROUNDS
    )
    publish_authority(authority, settings.trust_folder)
    publish_crls(authority, settings.trust_folder, at)
    yield authority, unfinished
    unfinished.rename(folder)
    sync_folder(settings.home)


def has_authority(settings: Settings) -> bool:
    """Whether a demonstration authority lies in the home folder; its password may be lost."""
    return (settings.home / FOLDER / "root.p12").exists()


def _not_whole(folder: Path) -> CliError:
    what = Text("cơ quan chứng thực dùng thử không nguyên vẹn", "the demonstration authority is not whole")
    remedy = Text(
        f"đặt lại {PASSWORD_FILE} từ bản sao; nếu chưa từng cấp gì, chuyển thư mục đi nơi khác rồi chạy lại",
        f"put {PASSWORD_FILE} back from the backup; where it never issued anything, move the folder away and try again",
    )
    return usage_error("authority_not_whole", what, remedy, str(folder))


def open_authority(settings: Settings) -> DemonstrationAuthority:
    """The demonstration authority of the home folder.

    Raises:
        CliError: there is none, or its password is missing.
        KeysError, SecretFileError: it cannot be opened.
    """
    folder = settings.home / FOLDER
    if has_authority(settings) and not (folder / PASSWORD_FILE).exists():
        raise _not_whole(folder)
    if not (folder / PASSWORD_FILE).exists():
        what = Text("chưa có cơ quan chứng thực dùng thử ở đây", "there is no demonstration authority here")
        remedy = Text("chạy edoc keys init, hoặc chỉ thư mục bằng --home", "run edoc keys init, or name its --home")
        raise usage_error("no_authority", what, remedy, str(folder))
    return DemonstrationAuthority.open(folder, read_secret(folder / PASSWORD_FILE))


def publish_authority(authority: DemonstrationAuthority, trust_folder: Path) -> None:
    """Put the root among the trust anchors and the issuing CA among the intermediates."""
    for name, certificate in ((ANCHORS, authority.root), (INTERMEDIATES, authority.issuing)):
        folder = trust_folder / name
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_file(folder / "demonstration.pem", certificate.public_bytes(Encoding.PEM))


def publish_crls(authority: DemonstrationAuthority, trust_folder: Path, at: datetime) -> tuple[Path, ...]:
    """Put new CRLs of root and issuing CA in place of the old ones; a running exchange reads them within a second."""
    folder = trust_folder / CRLS
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    paths = []
    for issuer in Issuer:
        crl = authority.crl(at=at, next_update=at + CRL_LIFETIME, issuer=issuer)
        paths.append(folder / f"demonstration-{issuer.value}.crl")
        replace_file(paths[-1], crl.public_bytes(Encoding.DER))
    return tuple(paths)


def publish_trust_list(
    authority: DemonstrationAuthority,
    settings: Settings,
    at: datetime,
    *,
    folder: Path | None = None,
    seal: x509.Certificate | None = None,
) -> TrustList:
    """Put a new trust list in place of the old one; a running exchange reads it within a second.

    It names the trust anchors and issuing authorities of the trust folder, and as the exchange's seals the seal that
    the exchange has now and all that the authority issued as such: each until it was revoked, so that what it sealed
    before can still be judged.

    A crash leaves the old list in place, and a number that no list has. Whoever published it does so again.

    Args:
        authority: who signs it.
        settings: of the exchange.
        at: the time of issue.
        folder: where the authority lies now; None for its usual place.
        seal: a seal that the exchange is about to have, named as well.

    Raises:
        AuthorityError: the register is damaged.
        KeysError, SecretFileError, OSError: a file cannot be read or written.
    """
    place = folder or settings.home / FOLDER
    folder = settings.trust_folder
    with _alone(folder):
        signer, before = _trust_list_key(authority, place, settings.exchange_name, at)
        at = at.replace(microsecond=0)
        sequence = authority.number_trust_list(at=at)
        entries = tuple(_entries(authority, settings, seal))
        trust_list = TrustList(settings.exchange_name, sequence, at, at + TRUST_LIST_LIFETIME, entries)
        data = write_trust_list(trust_list, signer)
        # First who may sign it, the key before too: whoever reads in between still finds a list that holds.
        known = b"".join(each.public_bytes(Encoding.PEM) for each in (signer.certificate, *before))
        replace_file(folder / TRUST_LIST_AUTHORITY, known)
        replace_file(folder / TRUST_LIST, data)
    return trust_list


def _entries(
    authority: DemonstrationAuthority, settings: Settings, seal: x509.Certificate | None
) -> Iterator[TrustListEntry]:
    issued = authority.issued()
    ends = {fingerprint(each.certificate): each.revoked_at for each in issued}
    material = read_trust(settings.trust_folder)
    seals = [each.certificate for each in issued if each.role is CertificateRole.EXCHANGE_SEAL]
    if settings.exchange_key_file.exists():
        own = read_pkcs12(settings.exchange_key_file, read_secret(settings.exchange_password_file))
        seals.append(own.certificate)
    if seal is not None:
        seals.append(seal)
    named = (
        (TrustedAs.TRUST_ANCHOR, material.anchors.certificates),
        (TrustedAs.ISSUING_AUTHORITY, material.intermediates),
        (TrustedAs.EXCHANGE_SEAL, tuple(dict.fromkeys(seals))),
    )
    for trusted_as, certificates in named:
        for each in certificates:
            yield TrustListEntry(trusted_as, each, each.not_valid_before_utc, ends.get(fingerprint(each)))


def _trust_list_key(
    authority: DemonstrationAuthority, folder: Path, operator: str, at: datetime
) -> tuple[MemoryKey, tuple[x509.Certificate, ...]]:
    """The key that signs the list, made anew before it expires and when it is revoked, and the certificate before it.

    A revoked one is not told: nothing that it signed may be believed.
    """
    path = folder / TRUST_LIST_KEY
    password = read_secret(folder / PASSWORD_FILE)
    before: tuple[x509.Certificate, ...] = ()
    if path.exists():
        key = read_pkcs12(path, password)
        is_revoked = _is_revoked(authority.issued(), key.certificate)
        if not is_revoked and at + TRUST_LIST_LIFETIME < key.certificate.not_valid_after_utc:
            return key, ()
        before = () if is_revoked else (key.certificate,)
    key = authority.issue_trust_list_signer(operator, at=at)
    write_key(path, key, password)
    return key, before


def _is_revoked(issued: Sequence[IssuedCertificate], certificate: x509.Certificate) -> bool:
    return any(each.certificate == certificate and each.revoked_at is not None for each in issued)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else publishes a trust list there meanwhile, or an older one could take the place of a newer."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_keys(folder: Path, keys: Iterable[tuple[str, MemoryKey]], password: bytes) -> None:
    """Write keys as ``<label>.p12`` under one long random password.

    Raises:
        KeyStoreError: a file exists already, or cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for label, key in keys:
        write_pkcs12(folder / f"{label}.p12", key, password, kdf_rounds=MIN_KDF_ROUNDS)


def ensure_password(path: Path) -> bytes:
    """The password in a file, made at random where there is none.

    Raises:
        KeyStoreError, SecretFileError: the file cannot be written or read.
    """
    if path.exists():
        return read_secret(path)
    password = new_password()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_whole(path, lambda fresh: write_private_file(fresh, password + b"\n"))
    return password


def write_key(path: Path, key: MemoryKey, password: bytes) -> None:
    """Put a key under one long random password at ``path``, in place of what is there.

    Raises:
        KeyStoreError, OSError: it cannot be written; what was there stays.
    """
    _write_whole(
        path, lambda fresh: write_pkcs12(fresh, key, password, friendly_name=path.stem, kdf_rounds=MIN_KDF_ROUNDS)
    )


def _write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let a private file be written beside its place and give it its name when it is on the disk: whole or not at all.

    A crash before leaves ``<name>.new``, perhaps half of it, which nobody reads and the next call writes anew.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    write(fresh)
    fresh.replace(path)
    sync_folder(path.parent)
