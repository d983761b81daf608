"""Trust anchors and CRLs that are renewed while the program runs.

The files of the trust folder are looked at, by their names, sizes and times, at most once a second; when any has
changed, all are read again. A reading that fails (a file half written, a damaged CRL) keeps what was read before and
is told in the log and by readiness: signatures are then still judged, by data that only grows stale, never by none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509

from keys.certificates import read_certificates, read_crls
from keys.errors import CertificateFormatError, KeysError
from keys.trust import PathValidator, RevocationData, TrustAnchors

RECHECK_SECONDS: Final = 1.0
ANCHORS: Final = "anchors"
INTERMEDIATES: Final = "intermediates"
CRLS: Final = "crls"
_CERTIFICATE_SUFFIXES: Final = frozenset({".pem", ".crt", ".cer", ".der"})
_CRL_SUFFIXES: Final = frozenset({".crl", ".pem", ".der"})

T = TypeVar("T")

_Facts = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class TrustMaterial:
    """What one reading of the trust folder gave."""

    anchors: TrustAnchors
    intermediates: tuple[x509.Certificate, ...]
    revocation: RevocationData


def read_trust(folder: Path) -> TrustMaterial:
    """Everything in a trust folder.

    Raises:
        NoTrustAnchorsError: there are no anchors.
        CertificateFormatError: a file cannot be read; one bad file is never passed over.
    """
    intermediates: list[x509.Certificate] = []
    for path in _files(folder / INTERMEDIATES, _CERTIFICATE_SUFFIXES):
        intermediates.extend(_read(path, read_certificates))
    crls: list[x509.CertificateRevocationList] = []
    for path in _files(folder / CRLS, _CRL_SUFFIXES):
        crls.extend(_read(path, read_crls))
    return TrustMaterial(TrustAnchors.from_folder(folder / ANCHORS), tuple(intermediates), RevocationData(crls))


class ReloadingTrust:
    """Gives the present :class:`~keys.trust.PathValidator`; safe to share between threads.

    Args:
        folder: the trust folder.
        seconds: a clock that only goes forward, such as ``time.monotonic``.
        report: told of every reading that failed.

    Raises:
        KeysError: the first reading failed; without trust anchors nothing can be judged.
    """

    def __init__(self, folder: Path, seconds: Callable[[], float], report: Callable[[KeysError], None]) -> None:
        self._folder, self._seconds, self._report = folder, seconds, report
        self._lock = threading.Lock()
        self._failure: KeysError | None = None
        self._facts = _facts(folder)
        self._checked_at = seconds()
        self._material, self._validator = self._read()

    def __call__(self) -> PathValidator:
        """The validator over the files as they were at most :data:`RECHECK_SECONDS` ago."""
        if self._seconds() - self._checked_at >= RECHECK_SECONDS:
            with self._lock:
                if self._seconds() - self._checked_at >= RECHECK_SECONDS:
                    self._check()
        return self._validator

    def refresh(self) -> PathValidator:
        """The validator over the files as they are now."""
        with self._lock:
            self._check()
        return self._validator

    @property
    def material(self) -> TrustMaterial:
        """The certificates and CRLs behind the validator."""
        self()
        return self._material

    @property
    def failure(self) -> KeysError | None:
        """Why the last reading failed; None where it did not."""
        return self._failure

    def _check(self) -> None:
        self._checked_at = self._seconds()
        facts = _facts(self._folder)
        if facts == self._facts:
            return
        try:
            self._material, self._validator = self._read()
            self._failure = None
        except KeysError as error:
            self._failure = error
            self._report(error)
        self._facts = facts

    def _read(self) -> tuple[TrustMaterial, PathValidator]:
        material = read_trust(self._folder)
        return material, PathValidator(material.anchors, material.revocation, intermediates=material.intermediates)


def _read(path: Path, read: Callable[[bytes], tuple[T, ...]]) -> tuple[T, ...]:
    try:
        return read(path.read_bytes())
    except (OSError, CertificateFormatError) as error:
        raise CertificateFormatError(f"{path} cannot be read: {error}") from error


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    except OSError as error:
        raise CertificateFormatError(f"the folder {folder} cannot be read: {error}") from error


def _facts(folder: Path) -> _Facts:
    return tuple(_facts_of(folder))


def _facts_of(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """Name, size, time and inode of each file; whatever cannot be looked at counts as not there."""
    for part in (ANCHORS, INTERMEDIATES, CRLS):
        try:
            paths = sorted((folder / part).iterdir())
        except OSError:
            continue
        for path in paths:
            try:
                facts = path.stat()
            except OSError:
                continue
            yield f"{part}/{path.name}", facts.st_size, facts.st_mtime_ns, facts.st_ino
