"""The demonstration authority of a home folder, and what it puts where others look for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.bootstrap import read_secret
from api.cli.errors import usage_error
from api.cli.files import replace_file
from api.cli.language import Text
from api.cli.options import new_password
from api.trust import ANCHORS, CRLS, INTERMEDIATES, TRUST_LIST, TRUST_LIST_AUTHORITY, read_trust
from keys.authority import DemonstrationAuthority, IssuedCertificate, Issuer, KeyAlgorithm
from keys.certificates import CertificateRole, fingerprint
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


def create_authority(settings: Settings, at: datetime, algorithm: KeyAlgorithm) -> DemonstrationAuthority:
    """A new demonstration authority in the home folder, under a random password, with its first CRLs.

    Raises:
        AuthorityError: there is one already.
        KeyStoreError, OSError: a file cannot be written.
    """
    folder = settings.home / FOLDER
    password = new_password()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = DemonstrationAuthority.create(folder, password, at=at, algorithm=algorithm, kdf_rounds=MIN_KDF_ROUNDS)
    write_private_file(folder / PASSWORD_FILE, password + b"\n")
    publish_authority(authority, settings.trust_folder)
    publish_crls(authority, settings.trust_folder, at)
    return authority


def open_authority(settings: Settings) -> DemonstrationAuthority:
    """The demonstration authority of the home folder.

    Raises:
        CliError: there is none.
        KeysError, SecretFileError: it cannot be opened.
    """
    folder = settings.home / FOLDER
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


def publish_trust_list(authority: DemonstrationAuthority, settings: Settings, at: datetime) -> TrustList:
    """Put a new trust list in place of the old one; a running exchange reads it within a second.

    It names the trust anchors and issuing authorities of the trust folder, and as the exchange's seals the seal that
    the exchange has now and all that the authority issued as such: each until it was revoked, so that what it sealed
    before can still be judged.

    Raises:
        AuthorityError: the register is damaged.
        KeysError, SecretFileError, OSError: a file cannot be read or written.
    """
    folder = settings.trust_folder
    with _alone(folder):
        signer, before = _trust_list_key(authority, settings, at)
        at = at.replace(microsecond=0)
        sequence = authority.number_trust_list(at=at)
        entries = tuple(_entries(authority, settings))
        trust_list = TrustList(settings.exchange_name, sequence, at, at + TRUST_LIST_LIFETIME, entries)
        data = write_trust_list(trust_list, signer)
        # First who may sign it, the key before too: whoever reads in between still finds a list that holds.
        known = b"".join(each.public_bytes(Encoding.PEM) for each in (signer.certificate, *before))
        replace_file(folder / TRUST_LIST_AUTHORITY, known)
        replace_file(folder / TRUST_LIST, data)
    return trust_list


def _entries(authority: DemonstrationAuthority, settings: Settings) -> Iterator[TrustListEntry]:
    issued = authority.issued()
    ends = {fingerprint(each.certificate): each.revoked_at for each in issued}
    material = read_trust(settings.trust_folder)
    seals = [each.certificate for each in issued if each.role is CertificateRole.EXCHANGE_SEAL]
    if settings.exchange_key_file.exists():
        own = read_pkcs12(settings.exchange_key_file, read_secret(settings.exchange_password_file))
        seals.append(own.certificate)
    named = (
        (TrustedAs.TRUST_ANCHOR, material.anchors.certificates),
        (TrustedAs.ISSUING_AUTHORITY, material.intermediates),
        (TrustedAs.EXCHANGE_SEAL, tuple(dict.fromkeys(seals))),
    )
    for trusted_as, certificates in named:
        for each in certificates:
            yield TrustListEntry(trusted_as, each, each.not_valid_before_utc, ends.get(fingerprint(each)))


def _trust_list_key(
    authority: DemonstrationAuthority, settings: Settings, at: datetime
) -> tuple[MemoryKey, tuple[x509.Certificate, ...]]:
    """The key that signs the list, made anew before it expires and when it is revoked, and the certificate before it.

    A revoked one is not told: nothing that it signed may be believed.
    """
    path = settings.home / FOLDER / TRUST_LIST_KEY
    password = read_secret(settings.home / FOLDER / PASSWORD_FILE)
    before: tuple[x509.Certificate, ...] = ()
    if path.exists():
        key = read_pkcs12(path, password)
        is_revoked = _is_revoked(authority.issued(), key.certificate)
        if not is_revoked and at + TRUST_LIST_LIFETIME < key.certificate.not_valid_after_utc:
            return key, ()
        before = () if is_revoked else (key.certificate,)
    key = authority.issue_trust_list_signer(settings.exchange_name, at=at)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    write_pkcs12(fresh, key, password, kdf_rounds=MIN_KDF_ROUNDS)
    fresh.replace(path)
    sync_folder(path.parent)
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
    write_private_file(path, password + b"\n")
    return password
