"""The demonstration authority of a home folder, and what it puts where others look for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from api.bootstrap import read_secret
from api.cli.files import replace_file
from api.cli.options import new_password
from api.trust import ANCHORS, CRLS, INTERMEDIATES
from keys.authority import DemonstrationAuthority, Issuer, KeyAlgorithm
from keys.memory import MemoryKey
from keys.pkcs12 import MIN_KDF_ROUNDS, write_pkcs12, write_private_file

if TYPE_CHECKING:
    from api.config import Settings

FOLDER: Final = "authority"
PASSWORD_FILE: Final = "authority.password"  # noqa: S105 -- the name of a file
CRL_LIFETIME: Final = timedelta(days=30)
"""How long a CRL of the demonstration authority counts as fresh."""


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
        KeysError, SecretFileError: there is none, or it cannot be opened.
    """
    folder = settings.home / FOLDER
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
