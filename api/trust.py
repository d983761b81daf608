"""What is believed: trust anchors, CRLs and the exchange's signed trust list, renewed while the program runs.

The files of the trust folder are looked at, by their names, sizes and times, at most once a second; when any has
changed, all are read again. A reading that fails (a file half written, a damaged CRL) keeps what was read before and
is told in the log and by readiness: signatures are then still judged, by data that only grows stale, never by none.

``trust-list.xml`` names the exchange's seals; whose signature it needs is said by ``trust-list-authority.pem`` beside
it. It is judged when it is needed, with the time of that moment: one that does not hold stops the judging of files,
with the reason, and never the acceptance of letters, which does not use it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509

from edoc.audit.model import AuditTrust, has_exchange_role
from keys.certificates import fingerprint, read_certificates, read_crls
from keys.errors import CertificateFormatError, CertificateRevokedError, KeysError, PathError
from keys.pkcs12 import sync_folder
from keys.trust import KeyPurpose, PathValidator, RevocationData, TrustAnchors, read_regular_file
from signing.errors import TrustListError
from signing.trust_list import MAX_BYTES, TrustedAs, TrustList, read_trust_list, verify_trust_list

RECHECK_SECONDS: Final = 1.0
ANCHORS: Final = "anchors"
INTERMEDIATES: Final = "intermediates"
CRLS: Final = "crls"
TRUST_LIST: Final = "trust-list.xml"
TRUST_LIST_AUTHORITY: Final = "trust-list-authority.pem"
"""The certificates of who may sign the trust list; the reader vouches for them as for the anchors."""
_CERTIFICATE_SUFFIXES: Final = frozenset({".pem", ".crt", ".cer", ".der"})
_CRL_SUFFIXES: Final = frozenset({".crl", ".pem", ".der"})

T = TypeVar("T")

_Facts = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class SignedTrustList:
    """A trust list as it lies there, not yet judged, and who may have signed it."""

    data: bytes | None
    """None where there is an authority but no list: it was taken away, or its making was interrupted."""
    authorities: tuple[x509.Certificate, ...]
    """Two while the authority's key is renewed."""

    def read(self, validator: PathValidator, times: Sequence[datetime], *, min_sequence: int = 1) -> TrustList:
        """The list, if one of its authorities signed it and it is current at one of the times.

        The reader vouches for the authorities, so that no path to an anchor is needed. A CRL that lists one as revoked
        for good is heeded whatever the times are: nothing that it signed may be believed, since whoever holds a stolen
        key can date a list as they like.

        Raises:
            TrustListError: it does not hold, with the reason.
        """

        def read_at(data: bytes, authority: x509.Certificate, at: datetime) -> TrustList:
            _check_not_revoked(authority, validator, at)
            return read_trust_list(data, authority=authority, at=at, min_sequence=min_sequence)

        return self._first(read_at, times)

    def show(self, at: datetime) -> TrustList:
        """The list, if one of its authorities signed it, whether or not it is current.

        Raises:
            TrustListError: none did.
        """
        return self._first(lambda data, authority, at: verify_trust_list(data, authority=authority, at=at), [at])

    def _first(
        self, read: Callable[[bytes, x509.Certificate, datetime], TrustList], times: Sequence[datetime]
    ) -> TrustList:
        if self.data is None:
            raise TrustListError(
                f"there is a {TRUST_LIST_AUTHORITY}, but the {TRUST_LIST} that it vouches for is missing"
            )
        if not self.authorities:
            raise TrustListError(f"there is a {TRUST_LIST}, but no {TRUST_LIST_AUTHORITY} says who may sign it")
        failures = []
        for at in times:
            for authority in self.authorities:
                try:
                    return read(self.data, authority, at)
                except TrustListError as error:
                    failures.append(error)
        raise failures[0]


@dataclass(frozen=True)
class TrustMaterial:
    """What one reading of the trust folder gave."""

    anchors: TrustAnchors
    intermediates: tuple[x509.Certificate, ...]
    revocation: RevocationData
    trust_list: SignedTrustList | None = None
    """None where there is neither a list nor an authority for one."""

    def validator(self) -> PathValidator:
        """A new validator over all of it."""
        return PathValidator(self.anchors, self.revocation, intermediates=self.intermediates)

    def audit_trust(
        self,
        now: datetime,
        named: datetime | None = None,
        *,
        min_sequence: int = 1,
        is_exchange_role: Callable[[x509.Certificate], bool] = has_exchange_role,
    ) -> AuditTrust:
        """What is believed when a file is judged: the same for ``edoc verify`` and for the service.

        Where there is a trust list, it alone says which seals are the exchange's, and the issuing authorities that it
        names help to find paths; it adds no anchor.

        Args:
            now: the list must be current now,
            named: or at this time, where the reader asks for a verdict as of it.
            min_sequence: the number of the newest list seen so far.
            is_exchange_role: who is the exchange where there is no list.

        Raises:
            TrustListError: there is a list and it does not hold.
        """
        trust_list, intermediates = None, self.intermediates
        if self.trust_list is not None:
            times = [now] if named is None else [now, named]
            trust_list = self.trust_list.read(self.validator(), times, min_sequence=min_sequence)
            issuing = trust_list.certificates(TrustedAs.ISSUING_AUTHORITY, named or now)
            intermediates = tuple(dict.fromkeys((*intermediates, *issuing)))
        return AuditTrust(self.anchors, self.revocation.crls, intermediates, trust_list, is_exchange_role)


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
    return TrustMaterial(
        TrustAnchors.from_folder(folder / ANCHORS),
        tuple(intermediates),
        RevocationData(crls),
        read_signed_trust_list(folder),
    )


def read_signed_trust_list(folder: Path, file: Path | None = None) -> SignedTrustList | None:
    """The trust list of a folder (or in another ``file``) with who may sign it by that folder; None where neither is.

    Raises:
        CertificateFormatError: one of the two files cannot be read.
    """
    path, authority = file or folder / TRUST_LIST, folder / TRUST_LIST_AUTHORITY
    if not path.exists() and not authority.exists():
        return None
    authorities = _read(authority, read_certificates) if authority.exists() else ()
    return SignedTrustList(_read_limited(path) if path.exists() else None, authorities)


class NewestLists:
    """The highest number of a trust list that was seen of each authority, by any process that shares the folder.

    Each number is an empty file, ``<fingerprint>-<number>``, so that processes need no lock between them: what counts
    is the highest name, and a lower one is taken away only when a higher one lies there.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._here: dict[str, int] = {}

    def of(self, authorities: Sequence[x509.Certificate]) -> int:
        """The highest number of any of them; 1 where none was seen."""
        return max((self._of(fingerprint(each)) for each in authorities), default=1)

    def note(self, authorities: Sequence[x509.Certificate], number: int) -> None:
        """Remember a number, durably where there is a folder.

        Raises:
            OSError: the folder cannot be written; this process remembers it all the same.
        """
        for authority in map(fingerprint, authorities):
            self._here[authority] = max(number, self._here.get(authority, 1))
            if self._folder is not None and number > max(self._kept(authority), default=0):
                self._keep(self._folder, authority, number)

    def _of(self, authority: str) -> int:
        return max([self._here.get(authority, 1), *self._kept(authority)])

    def _kept(self, authority: str) -> list[int]:
        if self._folder is None:
            return []
        try:
            names = [path.name.removeprefix(f"{authority}-") for path in self._folder.glob(f"{authority}-*")]
        except OSError:
            return []
        return [int(name) for name in names if name.isascii() and name.isdigit()]

    def _keep(self, folder: Path, authority: str, number: int) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / f"{authority}-{number}").touch(mode=0o600)
        sync_folder(folder)
        for lower in self._kept(authority):
            if lower < number:
                (folder / f"{authority}-{lower}").unlink(missing_ok=True)


class ReloadingTrust:
    """Gives the present :class:`~keys.trust.PathValidator`; safe to share between threads.

    Args:
        folder: the trust folder.
        seconds: a clock that only goes forward, such as ``time.monotonic``.
        report: told of every reading that failed.
        clock: the time, for judging a trust list when it is read.
        seen: a folder that keeps the numbers of the trust lists seen, for all processes and beyond a restart; without
            one this object remembers them alone.

    Raises:
        KeysError: the first reading failed; without trust anchors nothing can be judged.
    """

    def __init__(
        self,
        folder: Path,
        seconds: Callable[[], float],
        report: Callable[[KeysError], None],
        *,
        clock: Callable[[], datetime],
        seen: Path | None = None,
    ) -> None:
        self._folder, self._seconds, self._report, self._clock = folder, seconds, report, clock
        self._newest = NewestLists(seen)
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

    def audit_trust(
        self, now: datetime, named: datetime | None, is_exchange_role: Callable[[x509.Certificate], bool]
    ) -> AuditTrust:
        """As :meth:`TrustMaterial.audit_trust`; a trust list older than one that was seen before is refused as well.

        Raises:
            TrustListError: there is a list and it does not hold.
        """
        try:
            return self._audit_trust(self.material, now, named, is_exchange_role)
        except TrustListError:
            self.refresh()  # another process may have noted a newer list already, within the second between two looks
            return self._audit_trust(self._material, now, named, is_exchange_role)

    def _audit_trust(
        self,
        material: TrustMaterial,
        now: datetime,
        named: datetime | None,
        is_exchange_role: Callable[[x509.Certificate], bool],
    ) -> AuditTrust:
        authorities = material.trust_list.authorities if material.trust_list else ()
        least = self._newest.of(authorities)
        trust = material.audit_trust(now, named, min_sequence=least, is_exchange_role=is_exchange_role)
        if trust.trust_list is not None:
            self._note(authorities, trust.trust_list)
        return trust

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
        validator = material.validator()
        if material.trust_list is not None:
            with contextlib.suppress(TrustListError):  # told to whoever needs the list
                self._note(material.trust_list.authorities, material.trust_list.read(validator, [self._clock()]))
        return material, validator

    def _note(self, authorities: Sequence[x509.Certificate], trust_list: TrustList) -> None:
        try:
            self._newest.note(authorities, trust_list.sequence)
        except OSError as error:
            self._report(KeysError(f"the number of the trust list cannot be kept: {error}"))


def _check_not_revoked(authority: x509.Certificate, validator: PathValidator, at: datetime) -> None:
    try:
        validator.check_never_revoked(authority)
        validator.validate(authority, at=at, usage=KeyPurpose.TRUST_LIST)
    except CertificateRevokedError as error:
        raise TrustListError(f"the key of the trust list's authority is revoked: {error}") from error
    except PathError:
        return  # no path is needed, and what else is wrong with it the reading of the list tells


def _read_limited(path: Path) -> bytes:
    """At most one byte more than a trust list may have, so that whoever parses it refuses a larger one."""
    try:
        return read_regular_file(path, MAX_BYTES + 1)
    except (OSError, CertificateFormatError) as error:
        raise CertificateFormatError(f"{path} cannot be read: {error}") from error


def _read(path: Path, read: Callable[[bytes], tuple[T, ...]]) -> tuple[T, ...]:
    try:
        return read(read_regular_file(path))
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
    paths = [folder / TRUST_LIST, folder / TRUST_LIST_AUTHORITY]
    for part in (ANCHORS, INTERMEDIATES, CRLS):
        try:
            paths.extend(sorted((folder / part).iterdir()))
        except OSError:
            continue
    for path in paths:
        try:
            facts = path.stat()
        except OSError:
            continue
        yield str(path.relative_to(folder)), facts.st_size, facts.st_mtime_ns, facts.st_ino
