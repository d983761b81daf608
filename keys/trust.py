"""Trust anchors, and the validation of a certificate's path to one of them at a given time (RFC 5280 section 6).

The algorithm of section 6.1 (signatures, validity, names, policies, extensions) is that of pyhanko-certvalidator, which
never fetches anything here; the paths are found by ``vouched``, since certvalidator's search for them has no bound;
strength, purpose and revocation are judged by ``profile`` and ``revocation``. Everything is decided by the arguments:
the certificates, the CRLs and the time of interest, so that the verdict about a past time stays what it was.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import stat
import threading
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustQualifiers, derive_quals_from_cert
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy, PKIXValidationParams
from pyhanko_certvalidator.validate import async_validate_path

from keys.certificates import UNREADABLE, check_readable, read_certificates, subject_text
from keys.errors import (
    CertificateExpiredError,
    CertificateFormatError,
    CertificateNotYetValidError,
    CertificateRevokedError,
    KeyUsageError,
    NoTrustAnchorsError,
    PathError,
    PathNotFoundError,
    RevocationUnknownError,
    WeakKeyError,
)
from keys.profile import KeyPurpose, check_anchor, check_issuers, check_purpose, check_strength
from keys.revocation import NotRevoked, RevocationData
from keys.vouched import MAX_PATH_LENGTH, ByName, by_name, issuers_by_name, paths_up, vouched_for

__all__ = ["CertificatePath", "KeyPurpose", "PathValidator", "RevocationData", "TrustAnchors", "read_regular_file"]

ResultT = TypeVar("ResultT")

_ANCHOR_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})

MAX_INTERMEDIATES = 8
"""How many certificates may come with a signature."""

_MAX_CANDIDATES = 16
"""How many paths are looked at before giving up."""

_MAX_JUDGED = 3
"""How many of them go through the whole algorithm of RFC 5280, which takes milliseconds."""

_MOST_TELLING_LAST = (
    PathNotFoundError,
    KeyUsageError,
    WeakKeyError,
    CertificateNotYetValidError,
    CertificateExpiredError,
    RevocationUnknownError,
    CertificateRevokedError,
)
"""Where several paths fail for different reasons, the one that came furthest is told."""

_HOSTILE_ASN1_ERRORS = (
    *UNREADABLE,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    RecursionError,
    InvalidSignature,
)
"""What asn1crypto and certvalidator raise, beside their own errors, on certificates made to break them."""


def read_regular_file(path: Path, at_most: int = -1) -> bytes:
    """The bytes of a file of a trust folder, the first ``at_most`` of them.

    A FIFO or a device would be waited for, or read without end: only a regular file, or a link to one, is read.

    Raises:
        CertificateFormatError: it is none.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CertificateFormatError("it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(at_most)


class TrustAnchors:
    """The certificates believed without further proof. Never empty; does not change."""

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        unique = {certificate.fingerprint(hashes.SHA256()): certificate for certificate in certificates}
        if not unique:
            raise NoTrustAnchorsError("there are no trust anchors, so that no certificate can be judged")
        self.certificates: tuple[x509.Certificate, ...] = tuple(unique[key] for key in sorted(unique))
        """The anchors, each once."""
        self.identity: str = hashlib.sha256(b"".join(sorted(unique))).hexdigest()
        """The same for the same set of anchors, whatever their order."""

    @classmethod
    def from_bundle(cls, data: bytes) -> TrustAnchors:
        """The anchors of a PEM bundle, or one in DER.

        Raises:
            NoTrustAnchorsError: there is nothing in it.
            CertificateFormatError: what is in it cannot be read.
        """
        if not data.strip():
            raise NoTrustAnchorsError("the bundle of trust anchors is empty")
        return cls(read_certificates(data))

    @classmethod
    def from_folder(cls, folder: Path, *, but: str | None = None) -> TrustAnchors:
        """The anchors in the files ``*.pem``, ``*.crt``, ``*.cer`` and ``*.der`` of a folder; others are passed over,
        and the one of the name ``but``.

        Raises:
            NoTrustAnchorsError: there is no such folder or file.
            CertificateFormatError: a file cannot be read; one bad file is never passed over.
        """
        certificates: list[x509.Certificate] = []
        try:
            found = [path for path in folder.iterdir() if path.suffix.lower() in _ANCHOR_SUFFIXES and path.name != but]
        except OSError as error:
            raise NoTrustAnchorsError(f"the folder of trust anchors {folder} cannot be read: {error}") from error
        for path in sorted(found):
            try:
                certificates.extend(read_certificates(read_regular_file(path)))
            except (OSError, CertificateFormatError) as error:
                raise CertificateFormatError(f"the trust anchor {path} cannot be read: {error}") from error
        if not certificates:
            raise NoTrustAnchorsError(f"the folder {folder} holds no trust anchor (*.pem, *.crt, *.cer, *.der)")
        return cls(certificates)


@dataclass(frozen=True)
class CertificatePath:
    """A path that was found good, and for which times the same finding holds."""

    certificates: tuple[x509.Certificate, ...]
    """From the signer to the trust anchor; one only where the signer is an anchor."""
    crls: tuple[x509.CertificateRevocationList, ...]
    """The CRLs that said that nothing in it was revoked."""
    valid_from: datetime
    valid_until: datetime
    """Both included."""


class PathValidator:
    """Judges certificates by one set of anchors and CRLs. Safe to share between threads.

    Good paths are remembered, at most ``cache_size`` of them for each purpose, and told again for every time to which
    they apply; what was refused is judged anew. Anchors and CRLs do not change, so a new CRL takes a new validator,
    which remembers nothing of the old one.

    ``require_revocation=False`` accepts a certificate about which no CRL can tell; a CRL that tells is always heeded.
    """

    def __init__(
        self,
        anchors: TrustAnchors,
        revocation: RevocationData,
        *,
        intermediates: Sequence[x509.Certificate] = (),
        require_revocation: bool = True,
        cache_size: int = 4096,
    ) -> None:
        self.anchors = anchors
        self.revocation = revocation
        self.require_revocation = require_revocation
        self._intermediates = tuple(intermediates)
        self._anchors_asn1 = [_to_asn1(certificate) for certificate in anchors.certificates]
        vouched = vouched_for(self._intermediates, by_name(anchors.certificates))
        self._sure = (*anchors.certificates, *vouched)
        """Whose path to an anchor has signatures that hold; on a good path there is nobody else."""
        self._sure_by_name, self._sure_at_once = by_name(self._sure), frozenset(self._sure)
        self._cache: dict[KeyPurpose, dict[x509.Certificate, CertificatePath]] = {purpose: {} for purpose in KeyPurpose}
        self._cache_size = cache_size
        self._cache_lock = threading.Lock()
        # asn1crypto decodes on first access and is not made for several threads doing so with one object.
        self._build_lock = threading.Lock()

    def without_revocation(self) -> PathValidator:
        """The same, to which a certificate is good of which no CRL at hand tells: those of past times may be gone."""
        return PathValidator(self.anchors, self.revocation, intermediates=self._intermediates, require_revocation=False)

    def validate(
        self,
        certificate: x509.Certificate,
        *,
        intermediates: Sequence[x509.Certificate] = (),
        at: datetime,
        usage: KeyPurpose,
    ) -> CertificatePath:
        """Find a path from ``certificate`` to an anchor that was good at ``at``.

        ``intermediates`` are certificates that came with the signature: they help to find a path and prove nothing.

        Raises:
            PathError: exactly one of its subclasses, saying why there is no such path.
            ValueError: ``at`` has no time zone.
        """
        if at.tzinfo is None:
            raise ValueError("the time of interest needs a time zone")
        cache = self._cache[usage]
        # One look-up, without a lock: an entry is put in whole and never changed. This runs for every message.
        known = cache.get(certificate)
        if known is not None and known.valid_from <= at <= known.valid_until:
            return known
        path = self._validate(certificate, intermediates, at, usage)
        with self._cache_lock:
            cache.pop(certificate, None)
            while len(cache) >= self._cache_size:
                del cache[next(iter(cache))]
            cache[certificate] = path
        return path

    def check_never_revoked(self, certificate: x509.Certificate) -> None:
        """Refuse a certificate that a CRL at hand lists as revoked for good, whatever the time of interest.

        Raises:
            CertificateRevokedError: it is listed.
        """
        self.revocation.check_never(certificate, (*self.anchors.certificates, *self._intermediates))

    def check_undoubted(self, path: Sequence[x509.Certificate], as_of: datetime) -> None:
        """Refuse a path, good at an earlier time that nobody proves, in which a key may have been in other hands then.

        Args:
            path: as :meth:`validate` found it.
            as_of: the time until which revocations count.

        Raises:
            CertificateRevokedError: the CRLs at hand list a certificate of it as revoked by ``as_of``, and for a reason
                other than that it was superseded, no longer needed, or its holder's name changed; or it is on hold.
        """
        for certificate, issuer in reversed(list(itertools.pairwise(path))):
            issuers = tuple(dict.fromkeys((issuer, *issuers_by_name(certificate, self._sure_by_name))))
            self.revocation.check_undoubted(certificate, issuers, as_of)

    def _validate(
        self, certificate: x509.Certificate, intermediates: Sequence[x509.Certificate], at: datetime, usage: KeyPurpose
    ) -> CertificatePath:
        for each in (certificate, *intermediates[:MAX_INTERMEDIATES]):
            try:
                check_readable(each)
            except CertificateFormatError as error:
                raise PathNotFoundError(str(error)) from error
        is_anchor = certificate in self.anchors.certificates
        check_strength(certificate, is_anchor=is_anchor)
        check_purpose(certificate, usage)
        if is_anchor:
            check_anchor(certificate)
            return self._judge_times((certificate,), at)
        try:
            with self._build_lock:
                return _run(self._first_good_path(certificate, _usable(intermediates, certificate), at))
        except _HOSTILE_ASN1_ERRORS as error:
            subject = subject_text(certificate)
            raise PathNotFoundError(f"certificate of {subject} or one above it cannot be read: {error}") from error

    async def _first_good_path(
        self, certificate: x509.Certificate, intermediates: Sequence[x509.Certificate], at: datetime
    ) -> CertificatePath:
        context = ValidationContext(
            trust_roots=self._anchors_asn1,
            moment=at,
            allow_fetching=False,
            revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
            time_tolerance=timedelta(0),
        )
        failures: list[PathError] = []
        judged = 0
        try:
            for path in self._paths(certificate, intermediates):
                try:
                    _check_cheaply(path, at)
                    judged += 1
                    return await self._judge(context, path, at)
                except PathError as error:
                    failures.append(error)
                if len(failures) == _MAX_CANDIDATES or judged == _MAX_JUDGED:
                    break
        except PathNotFoundError as error:
            failures.append(error)
        if not failures:
            raise PathNotFoundError(
                f"no path of at most {MAX_PATH_LENGTH} certificates leads from {subject_text(certificate)} to a trust "
                "anchor"
            )
        raise max(failures, key=lambda failure: _MOST_TELLING_LAST.index(type(failure)))

    def _paths(
        self, certificate: x509.Certificate, came_along: Sequence[x509.Certificate]
    ) -> Iterator[tuple[x509.Certificate, ...]]:
        """The paths that may be good; where there are none, those with a weak signature, so that this can be told."""
        known = self._sure_by_name
        true = [each for each in vouched_for(came_along, known) if each not in self._sure_at_once]
        ends, found = self.anchors.certificates, False
        for path in paths_up(certificate, ends, known, by_name(true)):
            found = True
            yield path
        if not found:
            others = [each for each in came_along if each not in self._all_at_once]
            yield from paths_up(certificate, ends, self._all_by_name, by_name(others))

    @functools.cached_property
    def _all_at_once(self) -> frozenset[x509.Certificate]:
        return frozenset((*self._sure, *self._intermediates))

    @functools.cached_property
    def _all_by_name(self) -> ByName:
        """What is known beforehand, sorted once: an export may carry thousands, and as many seals without a path."""
        return by_name((*self._sure, *self._intermediates))

    async def _judge(
        self, context: ValidationContext, path: tuple[x509.Certificate, ...], at: datetime
    ) -> CertificatePath:
        leaf, *between, top = (_to_asn1(each) for each in path)
        anchor = CertTrustAnchor(top, TrustQualifiers(standard_parameters=_constraints_of(top)))
        candidate = ValidationPath(anchor, reversed(between), leaf)
        try:
            # With parameters of our own those of the anchor are added to them; without, an anchor that permits names of
            # one type would forbid those of all others.
            await async_validate_path(context, candidate, parameters=PKIXValidationParams())
        except ValidationError as error:  # neither of time nor of strength: these were looked at before
            raise PathNotFoundError(error.failure_msg) from error
        return self._judge_times(path, at)

    def _judge_times(self, path: tuple[x509.Certificate, ...], at: datetime) -> CertificatePath:
        """Validity of the anchor, which RFC 5280 leaves to us, and revocation of all below it, from the top."""
        _check_validity(path[-1], at, of_authority=len(path) > 1, of_anchor=True)
        findings: list[NotRevoked] = []
        starts = [certificate.not_valid_before_utc for certificate in path]
        ends = [certificate.not_valid_after_utc for certificate in path]
        for certificate, issuer in reversed(list(itertools.pairwise(path))):
            namesakes = issuers_by_name(certificate, self._sure_by_name)
            try:
                findings.append(self.revocation.check(certificate, issuer, at, namesakes=namesakes))
            except RevocationUnknownError:
                if self.require_revocation:
                    raise
                if not self.revocation.is_silent_about(certificate, issuer, namesakes=namesakes):
                    # A CRL does tell about other times: the finding is good for this one alone.
                    starts.append(at)
                    ends.append(at)
        return CertificatePath(
            certificates=path,
            crls=tuple(crl for finding in reversed(findings) for crl in finding.crls),
            valid_from=max(starts + [finding.valid_from for finding in findings]),
            valid_until=min(ends + [finding.valid_until for finding in findings]),
        )


def _usable(intermediates: Sequence[x509.Certificate], certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
    """Those that can lie between a signer and an anchor.

    One that names itself as issuer leads nowhere new.
    """
    if len(intermediates) > MAX_INTERMEDIATES:
        raise PathNotFoundError(f"{len(intermediates)} certificates came along; {MAX_INTERMEDIATES} are accepted")
    return tuple(each for each in intermediates if each != certificate and each.subject != each.issuer)


def _run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of a coroutine that never waits, as certvalidator's do not without a network.

    Driven by hand, it needs no event loop and works inside a running one.
    """
    try:
        work.send(None)
    except StopIteration as done:
        result: ResultT = done.value
        return result
    work.close()
    raise PathNotFoundError("validation wanted to wait for something outside, and nothing is fetched here")


def _check_cheaply(path: tuple[x509.Certificate, ...], at: datetime) -> None:
    """What needs no more than a look at the certificates."""
    for certificate in path[:-1]:
        check_strength(certificate)
    check_strength(path[-1], is_anchor=True)
    check_anchor(path[-1])
    check_issuers(path)
    for certificate in path:  # the signer's own first: its end tells more than that of an authority above
        is_anchor = certificate is path[-1]
        _check_validity(certificate, at, of_authority=certificate is not path[0], of_anchor=is_anchor)


def _constraints_of(anchor: asn1_x509.Certificate) -> PKIXValidationParams:
    """What an anchor's own certificate says of names and policies below it, as RFC 5937 takes it over.

    RFC 5280 begins below the anchor and would pass over all that. Where it lets some certificates go by first
    (requireExplicitPolicy, inhibitPolicyMapping and inhibitAnyPolicy have a number), here none goes by: stricter, as
    certvalidator knows no number there.
    """
    constraints = anchor.policy_constraints_value

    def has(name: str) -> bool:
        return constraints is not None and constraints[name].native is not None

    # Of what this derives only the names and the set of policies are meant: policies of an anchor require none below.
    derived = derive_quals_from_cert(anchor).standard_parameters or PKIXValidationParams()
    return replace(
        derived,
        initial_explicit_policy=has("require_explicit_policy"),
        initial_policy_mapping_inhibit=has("inhibit_policy_mapping"),
        initial_any_policy_inhibit=anchor.inhibit_any_policy_value is not None,
    )


def _check_validity(certificate: x509.Certificate, at: datetime, *, of_authority: bool, of_anchor: bool) -> None:
    subject, start, end = subject_text(certificate), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if at < start:
        raise CertificateNotYetValidError(subject, start, of_authority=of_authority)
    if at > end:
        raise CertificateExpiredError(subject, end, of_authority=of_authority, of_anchor=of_anchor)


def _to_asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(_der(certificate), strict=True)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
