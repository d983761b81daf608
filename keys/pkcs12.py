"""Keys in PKCS#12 files (RFC 7292): one file ``<label>.p12`` a key, which only its owner can read.

Written with PBES2, AES-256 and PBKDF2 with SHA-256, so that openssl and Java read it. A file that others can read is
refused rather than used: what lay open may have been copied.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from keys.certificates import UNREADABLE
from keys.errors import KeyNotFoundError, KeyStoreError, WeakKeyError
from keys.memory import MemoryKey
from keys.profile import check_key_strength

KDF_ROUNDS = 600_000
"""Rounds of PBKDF2 for a password that a person chose; opening a file takes about half a second."""

MIN_KDF_ROUNDS = 10_000

_SUFFIX = ".p12"
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_MAX_FILE_BYTES = 1 << 20
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Pkcs12KeyStore:
    """The keys of a folder. Each file is opened once and its key kept; ``password`` is asked for then, with the label.

    Safe between threads.
    """

    def __init__(self, folder: Path, password: Callable[[str], bytes]) -> None:
        self._folder = folder
        self._password = password
        self._loaded: dict[str, MemoryKey] = {}
        self._lock = threading.Lock()

    def labels(self) -> tuple[str, ...]:
        """The labels of all keys held, sorted.

        Raises:
            KeyStoreError: the folder cannot be read.
        """
        try:
            names = [path.name for path in self._folder.iterdir() if path.name.endswith(_SUFFIX)]
        except OSError as error:
            raise KeyStoreError(f"the key folder {self._folder} cannot be read: {error}") from error
        return tuple(sorted(label for name in names if _LABEL.fullmatch(label := name.removesuffix(_SUFFIX))))

    def find(self, label: str) -> MemoryKey:
        """The key of that label.

        Raises:
            KeyNotFoundError: there is none.
            KeyStoreError: the file can be read by others, is damaged, or the password is wrong.
        """
        if not _LABEL.fullmatch(label):
            raise KeyNotFoundError(f"{label!r} is not a label: letters, digits, dots, hyphens and underscores")
        with self._lock:
            if label not in self._loaded:
                path = self._folder / f"{label}{_SUFFIX}"
                data = _read_private_file(path)
                self._loaded[label] = _open(path, data, self._password(label))
            return self._loaded[label]


def read_pkcs12(path: Path, password: bytes) -> MemoryKey:
    """The key of one file.

    Raises:
        KeyNotFoundError: there is no such file.
        KeyStoreError: the file can be read by others, is damaged, or the password is wrong.
    """
    return _open(path, _read_private_file(path), password)


def write_pkcs12(
    path: Path, key: MemoryKey, password: bytes, *, friendly_name: str | None = None, kdf_rounds: int = KDF_ROUNDS
) -> None:
    """Write a key with its certificates to a new file of mode 0600; once this returns, it survives a crash.

    A crash before that leaves at most a file that :func:`read_pkcs12` calls damaged; remove it and write again. Fewer
    ``kdf_rounds`` do no harm where the password is long and random.

    Raises:
        KeyStoreError: the file exists already, or cannot be written.
        ValueError: the password is empty, or the rounds are too few.
    """
    if not password:
        raise ValueError("a key file needs a password")
    if kdf_rounds < MIN_KDF_ROUNDS:
        raise ValueError(f"at least {MIN_KDF_ROUNDS} rounds are needed")
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(kdf_rounds)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(password)
    )
    name = (friendly_name or path.stem).encode()
    write_private_file(
        path,
        pkcs12.serialize_key_and_certificates(name, key.private_key, key.certificate, list(key.chain), encryption),
    )


def write_private_file(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600, flushed to the disk together with its directory entry.

    Raises:
        KeyStoreError: the file exists already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise KeyStoreError(f"{path} exists already and is not overwritten") from error
    except OSError as error:
        raise KeyStoreError(f"{path} cannot be written: {error}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyStoreError(f"{path} cannot be written: {error}") from error


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk.

    Raises:
        OSError: as the system has it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_private_file(path: Path) -> bytes:
    """The bytes of a file that only its owner can read; checked on the open file, so that it cannot be exchanged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise KeyNotFoundError(f"there is no key file {path}") from error
    except OSError as error:
        raise KeyStoreError(f"the key file {path} cannot be opened: {error}") from error
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise KeyStoreError(f"{path} is not a file")
        if facts.st_mode & _OTHERS:
            mode = stat.S_IMODE(facts.st_mode)
            raise KeyStoreError(f"the key file {path} has mode {mode:04o} and others can get at it: chmod 600 {path}")
        if facts.st_uid not in (os.geteuid(), 0):
            raise KeyStoreError(f"the key file {path} belongs to another user")
        data = file.read(_MAX_FILE_BYTES + 1)
    if len(data) > _MAX_FILE_BYTES:
        raise KeyStoreError(f"the key file {path} is larger than {_MAX_FILE_BYTES} bytes")
    return data


def _open(path: Path, data: bytes, password: bytes) -> MemoryKey:
    try:
        content = pkcs12.load_pkcs12(data, password)
    except UNREADABLE as error:
        raise KeyStoreError(f"the key file {path} cannot be opened: the password is wrong or it is damaged") from error
    if content.cert is None or not isinstance(content.key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyStoreError(f"the key file {path} does not hold an RSA or EC key with its certificate")
    certificate = content.cert.certificate
    try:
        check_key_strength(content.key.public_key(), str(path))
    except WeakKeyError as error:
        raise KeyStoreError(str(error)) from error
    return MemoryKey(
        content.key, certificate, _ordered(certificate, [each.certificate for each in content.additional_certs])
    )


def _ordered(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The chain from the issuer upwards: a PKCS#12 file holds its certificates in no order."""
    chain: list[x509.Certificate] = []
    current = certificate
    while current.issuer != current.subject:
        issuers = [each for each in others if each.subject == current.issuer and each not in chain]
        if not issuers:
            break
        current = issuers[0]
        chain.append(current)
    return tuple(chain)
