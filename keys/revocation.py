"""What CRLs say about a certificate at a given time (RFC 5280 sections 5 and 6.3).

The question is always "was it revoked at this time", and the answer depends on the time and on the CRLs at hand, never
on the clock. So a CRL issued after the time of interest may answer: it lists what was revoked, with the dates, and a
later revocation does not change an earlier verdict. Five rules keep that sound:

1. That a certificate was not revoked, a CRL tells only until its nextUpdate, and only when signed by the very key that
   issued the certificate, with an accepted algorithm, whole (no delta, no selection of reasons, not indirect) and in
   scope for the certificate.
2. Of the CRLs issued up to the time of interest only the newest counts, so that a hold that was lifted is lifted; those
   issued afterwards count as well. Of two of the same second that with the higher CRL number is newer.
3. A CRL issued after the certificate expired does not count, since entries may be dropped then, unless it says how far
   back it keeps them (expiredCertsOnCRL, X.509 section 9.5.2.8; ETSI EN 319 102-1 asks for the same).
4. A certificate is revoked from the second of its revocation date on.
5. What was once revoked for good stays so: a CRL that lists it counts however old it is, and under whichever key of the
   authority. A hold counts beyond nextUpdate too, until a newer CRL under the same key, one that would still list the
   certificate (rule 3), ends it.

Apart from that, a revocation for some reasons casts doubt on what was signed before it, for whoever had the key then
could write any time; and so does a hold while it lasts (:meth:`RevocationData.check_undoubted`). The invalidityDate of
an entry (RFC 5280 section 5.3.2) is not looked at: it is a guess of the authority's, and EN 319 102-1 goes by the
revocation date.

Not seen is a hold that came and went between two CRLs at hand. The check is ours and not that of certvalidator, which
accepts CRLs signed with SHA-1, knows neither rule 2 nor rule 3, and reads a CRL entry by entry in Python.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keys.certificates import UNREADABLE, subject_text
from keys.errors import CertificateRevokedError, KeyUsageError, PathNotFoundError, RevocationUnknownError
from keys.profile import KeyPurpose, check_purpose, is_authority, is_strong_signature

EXPIRED_CERTIFICATES_ON_CRL = x509.ObjectIdentifier("2.5.29.60")
"""Says since when expired certificates stay on the CRL (X.509 section 9.5.2.8): a GeneralizedTime."""

MOMENT = timedelta(microseconds=1)
"""The resolution of time here: what lies just before or after a boundary."""

MAX_REMEMBERED = 1 << 16
"""How many findings about a certificate in a CRL are remembered."""

_NOT_FOR_GOOD = frozenset({x509.ReasonFlags.certificate_hold.value, x509.ReasonFlags.remove_from_crl.value})
_CASTS_NO_DOUBT = _NOT_FOR_GOOD | {
    x509.ReasonFlags.superseded.value,
    x509.ReasonFlags.cessation_of_operation.value,
    x509.ReasonFlags.affiliation_changed.value,
}
"""Reasons that say nothing against the key before; every other, and none, may mean that somebody else had it."""
_GENERALIZED_TIME_HEADER = b"\x18\x0f"
_KNOWN_CRITICAL = frozenset({x509.IssuingDistributionPoint.oid, x509.AuthorityKeyIdentifier.oid, x509.CRLNumber.oid})


@dataclass(frozen=True)
class NotRevoked:
    """That a certificate was not revoked, who says so, and for which times the same answer holds."""

    crls: tuple[x509.CertificateRevocationList, ...]
    """Enough of them for the same answer: the newest up to the time of interest, and the newest of all."""
    valid_from: datetime
    valid_until: datetime
    """Both included."""


@dataclass(frozen=True)
class _Crl:
    """A CRL with the facts read once."""

    crl: x509.CertificateRevocationList
    this_update: datetime
    next_update: datetime
    point: x509.IssuingDistributionPoint | None
    expired_kept_since: datetime | None
    number: int
    """The CRL number (RFC 5280 section 5.2.3); -1 where it has none."""

    @property
    def age(self) -> tuple[datetime, int]:
        """What grows from one CRL of an authority to its next."""
        return self.this_update, self.number


class RevocationData:
    """A set of CRLs, of any issuers and ages, in any order. Does not change; safe to share between threads."""

    def __init__(self, crls: Iterable[x509.CertificateRevocationList] = ()) -> None:
        unique = {crl.fingerprint(hashes.SHA256()): crl for crl in crls}
        self.crls: tuple[x509.CertificateRevocationList, ...] = tuple(unique[key] for key in sorted(unique))
        """The CRLs, each once."""
        self.identity: str = hashlib.sha256(b"".join(sorted(unique))).hexdigest()
        """The same for the same set of CRLs, whatever their order."""
        self._by_issuer: dict[x509.Name, list[_Crl]] = {}
        for crl in self.crls:
            facts = _read(crl)
            if facts is not None:
                self._by_issuer.setdefault(crl.issuer, []).append(facts)
        self._genuine: dict[tuple[x509.Name, bytes], tuple[_Crl, ...]] = {}
        self._entries: dict[tuple[int, int], x509.RevokedCertificate | None] = {}

    def check(
        self,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        at: datetime,
        *,
        namesakes: Sequence[x509.Certificate] = (),
    ) -> NotRevoked:
        """Find out that ``certificate`` was not revoked at ``at``. That ``issuer`` issued it is known already.

        Args:
            certificate: which is asked about.
            issuer: whose key signed it.
            at: the time of interest.
            namesakes: the same authority under other keys, as far as they are trusted.

        Raises:
            CertificateRevokedError: it had been revoked by then.
            RevocationUnknownError: no CRL at hand can tell.
        """
        keys = tuple(dict.fromkeys((issuer, *namesakes)))
        trusted, *of_others = (self._trusted(certificate, key) for key in keys)
        final = self._final_entries(certificate, keys)
        telling = [
            entry
            for crls in (trusted, *of_others)
            for facts in _telling(crls, at)
            if (entry := self._entry(facts, certificate)) is not None
        ]
        for entries in (final, telling):  # a hold that another CRL has made final is final
            by_then = [entry for entry in entries if entry.revocation_date_utc <= at]
            if by_then:
                is_held = any(self._hold(crls, certificate) for crls in (trusted, *of_others))
                raise _revoked(certificate, min(by_then, key=_revocation_date), has_ended=not is_held)
        deciding = _deciding(trusted, at)
        if not deciding:
            raise RevocationUnknownError(_why_unknown(certificate, trusted, at))
        until = min(
            [
                *_ends([*trusted, *itertools.chain(*of_others)], at),
                *(entry.revocation_date_utc - MOMENT for entry in (*final, *telling)),
            ]
        )
        since = max(_starts([*trusted, *itertools.chain(*of_others)], at))
        return NotRevoked(_enough(deciding), valid_from=since, valid_until=until)

    def is_silent_about(
        self, certificate: x509.Certificate, issuer: x509.Certificate, *, namesakes: Sequence[x509.Certificate] = ()
    ) -> bool:
        """Whether no CRL at hand can tell anything about the certificate, at whatever time."""
        return not self._trusted(certificate, issuer) and not self._final_entries(certificate, (issuer, *namesakes))

    def check_never(self, certificate: x509.Certificate, issuers: Sequence[x509.Certificate]) -> None:
        """Refuse a certificate that any CRL at hand lists as revoked for good, of whatever time the CRL and the entry.

        For a key that must not be believed at all once it is revoked. So neither freshness nor scope counts, and a CRL
        is set aside only where it is known to be forged.

        Args:
            certificate: which is asked about.
            issuers: the certificates at hand; where some have the issuer's name, one of them must have signed the CRL.

        Raises:
            CertificateRevokedError: it is listed.
        """
        named = [each for each in issuers if each.subject == certificate.issuer]
        for crl in self.crls:
            if crl.issuer != certificate.issuer:
                continue
            entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is None or _reason(entry) in _NOT_FOR_GOOD:
                continue
            if not named or any(_is_signed_by(crl, each) for each in named):
                raise _revoked(certificate, entry)

    def check_undoubted(
        self, certificate: x509.Certificate, issuers: Sequence[x509.Certificate], as_of: datetime
    ) -> None:
        """Refuse a certificate of which ``as_of`` leaves open who had the key before.

        It is revoked for any reason but the harmless ones, or the newest CRL has it on hold. What is listed stays so:
        a CRL that is no longer fresh counts.

        Args:
            certificate: which is asked about.
            issuers: the authority under each key of it that is trusted.
            as_of: CRLs of later times, and later revocations, do not count.

        Raises:
            CertificateRevokedError: a CRL of one of the issuers lists it so.
        """
        for entry in self._final_entries(certificate, issuers):
            if entry.revocation_date_utc <= as_of and _reason(entry) not in _CASTS_NO_DOUBT:
                raise _revoked(certificate, entry)
        for issuer in issuers:
            known = [facts for facts in self._trusted(certificate, issuer) if facts.this_update <= as_of]
            if held := self._hold(known, certificate):
                raise _revoked(certificate, held)

    def _hold(self, crls: list[_Crl], certificate: x509.Certificate) -> x509.RevokedCertificate | None:
        """The hold of which the newest of the CRLs, all under one key, tells."""
        entries = (self._entry(facts, certificate) for facts in _newest(crls))
        return next((entry for entry in entries if _is_hold(entry)), None)

    def _entry(self, facts: _Crl, certificate: x509.Certificate) -> x509.RevokedCertificate | None:
        """What a CRL lists of the certificate; remembered, since it is looked for from the first entry on."""
        key = (id(facts), certificate.serial_number)
        try:
            return self._entries[key]
        except KeyError:
            found = facts.crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if len(self._entries) >= MAX_REMEMBERED:
            self._entries.clear()
        self._entries[key] = found
        return found

    def _final_entries(
        self, certificate: x509.Certificate, issuers: Sequence[x509.Certificate]
    ) -> list[x509.RevokedCertificate]:
        """Where the CRLs of the issuers list the certificate as revoked for good: rule 5."""
        return [
            entry
            for issuer in dict.fromkeys(issuers)
            for facts in self._genuine_of(certificate.issuer, issuer)  # before the search: forged ones may be large
            if (entry := self._entry(facts, certificate)) is not None and _reason(entry) not in _NOT_FOR_GOOD
        ]

    def _trusted(self, certificate: x509.Certificate, issuer: x509.Certificate) -> list[_Crl]:
        """The CRLs that may say that it was not revoked, the newest last: rules 1 and 3 but for the time."""
        return sorted(
            (
                facts
                for facts in self._genuine_of(certificate.issuer, issuer)
                if _in_scope(facts, certificate) and _keeps(facts, certificate)
            ),
            key=lambda facts: facts.age,
        )

    def _genuine_of(self, name: x509.Name, issuer: x509.Certificate) -> tuple[_Crl, ...]:
        """The CRLs in that name that the issuer signed and may; remembered: they can be large, and many forged."""
        key = (name, issuer.fingerprint(hashes.SHA256()))
        found = self._genuine.get(key)
        if found is None:
            named = self._by_issuer.get(name, []) if _may_sign_crls(issuer) else []
            found = tuple(facts for facts in named if _is_signed_by(facts.crl, issuer))
            if len(self._genuine) >= MAX_REMEMBERED:
                self._genuine.clear()
            self._genuine[key] = found
        return found


def _read(crl: x509.CertificateRevocationList) -> _Crl | None:
    """The facts of a CRL; None where it can never count: weak, a delta, partial, indirect, or not understood."""
    if not is_strong_signature(crl.signature_algorithm_oid) or crl.next_update_utc is None:
        return None
    point: x509.IssuingDistributionPoint | None = None
    expired_kept_since: datetime | None = None
    number = -1
    for extension in crl.extensions:
        value = extension.value
        # A delta is critical (RFC 5280 section 5.2.4), so not understood; one that is not is no whole CRL either.
        if isinstance(value, x509.DeltaCRLIndicator) or (extension.critical and extension.oid not in _KNOWN_CRITICAL):
            return None
        if isinstance(value, x509.IssuingDistributionPoint):
            point = value
        elif isinstance(value, x509.CRLNumber):
            number = value.crl_number
        elif extension.oid == EXPIRED_CERTIFICATES_ON_CRL and isinstance(value, x509.UnrecognizedExtension):
            expired_kept_since = _generalized_time(value.value)
    if point is not None and _is_partial(point):
        return None
    return _Crl(crl, crl.last_update_utc, crl.next_update_utc, point, expired_kept_since, number)


def _is_partial(point: x509.IssuingDistributionPoint) -> bool:
    return (
        point.indirect_crl
        or point.only_contains_attribute_certs
        or point.only_some_reasons is not None
        or point.relative_name is not None
    )


def _generalized_time(der: bytes) -> datetime | None:
    """A DER GeneralizedTime (RFC 5280 section 4.1.2.5.2); None where it is anything else."""
    if not der.startswith(_GENERALIZED_TIME_HEADER):
        return None
    try:
        return datetime.strptime(der[2:].decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def generalized_time(moment: datetime) -> bytes:
    """A moment as a DER GeneralizedTime (RFC 5280 section 4.1.2.5.2), to the second."""
    return _GENERALIZED_TIME_HEADER + moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode("ascii")


def _in_scope(facts: _Crl, certificate: x509.Certificate) -> bool:
    """Whether the CRL is about certificates such as this one (RFC 5280 section 6.3.3 step b)."""
    point = facts.point
    if point is None:
        return True
    is_ca = is_authority(certificate)
    if (point.only_contains_ca_certs and not is_ca) or (point.only_contains_user_certs and is_ca):
        return False
    return point.full_name is None or not _distribution_names(certificate).isdisjoint(point.full_name)


def _distribution_names(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return set()
    return {name for point in points for name in point.full_name or ()}


def _keeps(facts: _Crl, certificate: x509.Certificate) -> bool:
    """Whether the CRL would still list the certificate: rule 3."""
    expired_at = certificate.not_valid_after_utc
    if facts.this_update <= expired_at:
        return True
    return facts.expired_kept_since is not None and facts.expired_kept_since <= expired_at


def _may_sign_crls(issuer: x509.Certificate) -> bool:
    """Whether key usage allows it; an anchor without key usage may, as RFC 5280 section 6.3.3 step f has it."""
    try:
        issuer.extensions.get_extension_for_class(x509.KeyUsage)
        check_purpose(issuer, KeyPurpose.CRL)
    except x509.ExtensionNotFound:
        return True
    except (KeyUsageError, PathNotFoundError):
        return False
    return True


def _is_signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        public_key = issuer.public_key()
        # Keys of other kinds sign with algorithms of their own, none of which is_strong_signature accepts.
        return isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and crl.is_signature_valid(
            public_key
        )
    except UNREADABLE:
        return False


def _telling(trusted: list[_Crl], at: datetime) -> list[_Crl]:
    """The CRLs whose entries count at ``at``, fresh or not: the newest until then, and those issued afterwards."""
    return _newest([facts for facts in trusted if facts.this_update <= at]) + _after(trusted, at)


def _deciding(trusted: list[_Crl], at: datetime) -> list[_Crl]:
    """The CRLs that answer for ``at``, the newest last: rule 2."""
    before = [facts for facts in trusted if facts.this_update <= at <= facts.next_update]
    return before[-1:] + [facts for facts in _after(trusted, at) if facts.next_update >= at]


def _newest(crls: list[_Crl]) -> list[_Crl]:
    """The newest; several where nothing tells which of them is."""
    newest = max((facts.age for facts in crls), default=None)
    return [facts for facts in crls if facts.age == newest]


def _after(trusted: list[_Crl], at: datetime) -> list[_Crl]:
    return [facts for facts in trusted if facts.this_update > at]


def _enough(deciding: list[_Crl]) -> tuple[x509.CertificateRevocationList, ...]:
    """Those that prove it to others: what lies between the first and the last lists no more than they do."""
    return tuple(facts.crl for facts in (deciding[:1] + deciding[1:][-1:]))


def _starts(trusted: list[_Crl], at: datetime) -> list[datetime]:
    """The earliest times from which the same CRLs decide as at ``at``."""
    return [
        datetime.min.replace(tzinfo=UTC),
        *(facts.this_update for facts in trusted if facts.this_update <= at),
        *(facts.next_update + MOMENT for facts in trusted if facts.next_update < at),
    ]


def _ends(trusted: list[_Crl], at: datetime) -> list[datetime]:
    """The latest times until which the same CRLs decide as at ``at``."""
    return [
        *(facts.this_update - MOMENT for facts in trusted if facts.this_update > at),
        *(facts.next_update for facts in trusted if facts.next_update >= at),
    ]


def _why_unknown(certificate: x509.Certificate, trusted: list[_Crl], at: datetime) -> str:
    subject = subject_text(certificate)
    if not trusted:
        return f"no CRL that can be relied on says whether the certificate of {subject} was revoked"
    newest = max(facts.next_update for facts in trusted)
    return f"the newest CRL about {subject} was good until {newest.isoformat()}, which is before {at.isoformat()}"


def _revoked(
    certificate: x509.Certificate, entry: x509.RevokedCertificate, *, has_ended: bool = False
) -> CertificateRevokedError:
    reason = _reason(entry)
    on_hold = _is_hold(entry)
    return CertificateRevokedError(
        subject_text(certificate),
        entry.revocation_date_utc,
        reason,
        on_hold=on_hold and not has_ended,
        was_on_hold=on_hold and has_ended,
        of_authority=is_authority(certificate),
    )


def _revocation_date(entry: x509.RevokedCertificate) -> datetime:
    return entry.revocation_date_utc


def _is_hold(entry: x509.RevokedCertificate | None) -> bool:
    return entry is not None and _reason(entry) == x509.ReasonFlags.certificate_hold.value


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return x509.ReasonFlags.unspecified.value
