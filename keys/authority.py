"""A demonstration authority: a root, an issuing CA, certificates for agencies, officers and the exchange, and CRLs.

It lets the exchange run without a real authority. Whoever it names was never identified, so everything it writes says
so: the authorities' names contain DEMONSTRATION, and every certificate carries the demonstration policy with a notice
in words. Its key files lie beside each other and unattended, which no real authority may do.

The folder holds ``root.p12`` and ``issuing.p12`` (mode 0600, one password), ``root.pem`` and ``issuing.pem`` for those
who rely on it, and ``register.jsonl``, which says what was issued and revoked. Time and serial numbers are arguments.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from keys.certificates import (
    UNREADABLE,
    CertificateRole,
    agency_code,
    fingerprint,
    role_of,
    subject_text,
)
from keys.errors import AuthorityError
from keys.issuance import (
    KeyAlgorithm,
    certify,
    hash_for,
    key_identifier_of,
    new_authorities,
    seal_subject,
    subject_of,
    whole_second,
)
from keys.memory import MemoryKey
from keys.pkcs12 import KDF_ROUNDS, read_pkcs12, write_pkcs12
from keys.register import Event, FileRegister, MemoryRegister, Register
from keys.revocation import EXPIRED_CERTIFICATES_ON_CRL, generalized_time

__all__ = ["DemonstrationAuthority", "IssuedCertificate", "Issuer", "KeyAlgorithm"]

_LIFETIME = timedelta(days=3 * 365)
_TRUST_LIST = "trust_list"
_COMPROMISES = frozenset(
    {x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise, x509.ReasonFlags.aa_compromise}
)
"""The reasons after which nothing may be believed for its own time."""


class Issuer(Enum):
    """Which of its two authorities issued a certificate or a CRL; the value is the name of its file."""

    ROOT = "root"
    ISSUING = "issuing"


@dataclass(frozen=True)
class IssuedCertificate:
    """What the register says about one certificate."""

    certificate: x509.Certificate
    issuer: Issuer
    revoked_at: datetime | None
    """None while it is not revoked."""
    reason: x509.ReasonFlags | None
    """None while it is not revoked."""

    @property
    def serial(self) -> int:
        """The serial number, by which it is revoked."""
        return self.certificate.serial_number

    @property
    def subject(self) -> str:
        """The subject (RFC 4514)."""
        return subject_text(self.certificate)

    @property
    def role(self) -> CertificateRole | None:
        """What it is for; None for the issuing CA."""
        return role_of(self.certificate)

    @property
    def agency_code(self) -> str | None:
        """The agency it names."""
        return agency_code(self.certificate)

    @property
    def not_before(self) -> datetime:
        """The first moment of its validity."""
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """The last moment of its validity."""
        return self.certificate.not_valid_after_utc

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER."""
        return fingerprint(self.certificate)


class DemonstrationAuthority:
    """The authority, made by :meth:`create`, :meth:`open` or :meth:`in_memory`.

    Several processes may use one folder at a time. ``serial_number`` gives the serial numbers of new certificates.
    """

    def __init__(
        self,
        root: MemoryKey,
        issuing: MemoryKey,
        register: Register,
        serial_number: Callable[[], int] = x509.random_serial_number,
    ) -> None:
        self._keys = {Issuer.ROOT: root, Issuer.ISSUING: issuing}
        self._register = register
        self._serial_number = serial_number

    @classmethod
    def in_memory(
        cls,
        *,
        at: datetime,
        algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
        name: str = "edoc",
        serial_number: Callable[[], int] = x509.random_serial_number,
    ) -> DemonstrationAuthority:
        """A new authority that ends with the process, valid from ``at``."""
        root, issuing = new_authorities(at, algorithm, name, serial_number)
        register = MemoryRegister()
        register.decide(lambda _: [_issued_event(Issuer.ROOT, issuing.certificate)])
        return cls(root, issuing, register, serial_number)

    @classmethod
    def create(
        cls,
        folder: Path,
        password: bytes,
        *,
        at: datetime,
        algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
        name: str = "edoc",
        kdf_rounds: int = KDF_ROUNDS,
        serial_number: Callable[[], int] = x509.random_serial_number,
    ) -> DemonstrationAuthority:
        """A new authority in ``folder``, which is made with mode 0700 unless it is there; valid from ``at``.

        A crash leaves a folder that :meth:`open` refuses; remove it and start again.

        Raises:
            AuthorityError: there is an authority already.
            KeyStoreError: a file cannot be written.
        """
        if any((folder / _file(issuer)).exists() for issuer in Issuer):
            raise AuthorityError(f"there is an authority in {folder} already, and it is not overwritten")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise AuthorityError(f"the folder {folder} cannot be made: {error}") from error
        root, issuing = new_authorities(at, algorithm, name, serial_number)
        register = FileRegister.create(folder / "register.jsonl")
        register.decide(lambda _: [_issued_event(Issuer.ROOT, issuing.certificate)])
        keys = {Issuer.ROOT: root, Issuer.ISSUING: issuing}
        try:
            for issuer, key in keys.items():
                pem = key.certificate.public_bytes(serialization.Encoding.PEM)
                with (folder / f"{issuer.value}.pem").open("wb") as file:
                    file.write(pem)
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise AuthorityError(f"the folder {folder} cannot be written to: {error}") from error
        # The key files come last, so that an authority that can be opened is complete.
        for issuer, key in keys.items():
            write_pkcs12(folder / _file(issuer), key, password, kdf_rounds=kdf_rounds)
        return cls(root, issuing, register, serial_number)

    @classmethod
    def open(
        cls, folder: Path, password: bytes, *, serial_number: Callable[[], int] = x509.random_serial_number
    ) -> DemonstrationAuthority:
        """The authority that was created in ``folder``.

        Raises:
            KeyNotFoundError: there is none.
            KeyStoreError: the password is wrong, or others can read the files.
            AuthorityError: the register is missing or damaged.
        """
        root, issuing = (read_pkcs12(folder / _file(issuer), password) for issuer in (Issuer.ROOT, Issuer.ISSUING))
        authority = cls(root, issuing, FileRegister(folder / "register.jsonl"), serial_number)
        authority.issued()
        return authority

    @property
    def root(self) -> x509.Certificate:
        """The root certificate: the trust anchor of those who rely on this authority."""
        return self._keys[Issuer.ROOT].certificate

    @property
    def issuing(self) -> x509.Certificate:
        """The certificate of the CA that issues all others."""
        return self._keys[Issuer.ISSUING].certificate

    def issue_seal(
        self,
        code: str,
        name: str,
        *,
        at: datetime,
        lifetime: timedelta = _LIFETIME,
        algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    ) -> MemoryKey:
        """A seal for the agency of that code and name, valid from ``at``.

        Raises:
            AuthorityError: the code or name cannot stand in a certificate, or the lifetime exceeds the issuer's.
        """
        return self.issue_seals([(code, name)], at=at, lifetime=lifetime, algorithm=algorithm)[0]

    def issue_seals(
        self,
        agencies: Sequence[tuple[str, str]],
        *,
        at: datetime,
        lifetime: timedelta = _LIFETIME,
        algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    ) -> tuple[MemoryKey, ...]:
        """Seals for agencies given by code and name, in their order: all or none, with one write to the register.

        Raises:
            AuthorityError: as :meth:`issue_seal`.
        """
        keys = tuple(
            self._certify(seal_subject(code, name), CertificateRole.AGENCY_SEAL, at, lifetime, algorithm)
            for code, name in agencies
        )
        self._remember(keys)
        return keys

    def issue_officer(
        self,
        name: str,
        code: str,
        agency_name: str,
        *,
        at: datetime,
        officer_id: str | None = None,
        lifetime: timedelta = _LIFETIME,
        algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    ) -> MemoryKey:
        """A certificate for a person of the agency, valid from ``at``.

        Raises:
            AuthorityError: as :meth:`issue_seal`.
        """
        subject = subject_of(name, agency_name, code, officer_id)
        key = self._certify(subject, CertificateRole.OFFICER, at, lifetime, algorithm)
        self._remember([key])
        return key

    def issue_exchange_seal(
        self,
        name: str,
        *,
        at: datetime,
        code: str | None = None,
        lifetime: timedelta = _LIFETIME,
        algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    ) -> MemoryKey:
        """The seal with which an exchange seals its evidence, valid from ``at``; ``code`` is that of its operator.

        Raises:
            AuthorityError: as :meth:`issue_seal`.
        """
        subject = subject_of(name, name, code, None)
        key = self._certify(subject, CertificateRole.EXCHANGE_SEAL, at, lifetime, algorithm)
        self._remember([key])
        return key

    def issue_trust_list_signer(
        self,
        operator: str,
        *,
        at: datetime,
        lifetime: timedelta = _LIFETIME,
        algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    ) -> MemoryKey:
        """The key that signs the trust list which ``operator`` publishes, and nothing else (tslSigning).

        Raises:
            AuthorityError: as :meth:`issue_seal`.
        """
        subject = subject_of("DEMONSTRATION trust list", operator, None, None)
        key = self._certify(subject, CertificateRole.TRUST_LIST, at, lifetime, algorithm)
        self._remember([key])
        return key

    @property
    def newest_trust_list(self) -> int:
        """The number of the newest trust list; 0 while there is none.

        Raises:
            AuthorityError: the register is damaged.
        """
        return sum(event.get("event") == _TRUST_LIST for event in self._register.events())

    def number_trust_list(self, *, at: datetime) -> int:
        """The number of a new trust list, one more than that of the newest.

        Raises:
            AuthorityError: the register is damaged.
        """

        def decision(events: Sequence[Event]) -> Sequence[Event]:
            number = 1 + sum(event.get("event") == _TRUST_LIST for event in events)
            return [{"event": _TRUST_LIST, "number": number, "issued_at": whole_second(at).isoformat()}]

        return sum(event.get("event") == _TRUST_LIST for event in self._register.decide(decision))

    def issued(self) -> tuple[IssuedCertificate, ...]:
        """All certificates issued, the issuing CA first, in the order of issue.

        Raises:
            AuthorityError: the register is damaged.
        """
        return _certificates(self._register.events())

    def revoke(
        self, serial: int, *, at: datetime, reason: x509.ReasonFlags = x509.ReasonFlags.unspecified
    ) -> IssuedCertificate:
        """Revoke a certificate as of ``at``, for good; the next CRL from ``at`` on tells it.

        What is revoked already can be revoked as of an earlier time, and for the compromise of its key, where that was
        not known. Of both times the earlier one counts then; a compromise stays one, and else the later reason counts
        if it says anything.

        Raises:
            AuthorityError: there is none of that serial number, it is revoked already and this would change nothing,
                it was not yet valid at ``at``, or the reason is for delta CRLs or temporary.
        """
        if reason in (x509.ReasonFlags.remove_from_crl, x509.ReasonFlags.certificate_hold):
            raise AuthorityError(f"{reason.value} is no reason to revoke for good")
        at = whole_second(at)

        def decision(events: Sequence[Event]) -> Sequence[Event]:
            found = _find(_certificates(events), serial)
            if at < found.not_before:
                raise AuthorityError(f"certificate {serial:x} was not valid before {found.not_before.isoformat()}")
            since, why = _joined(found, at, reason)
            return [{"event": "revoked", "serial": f"{serial:x}", "revoked_at": since.isoformat(), "reason": why.value}]

        return _find(_certificates(self._register.decide(decision)), serial)

    def crl(
        self, *, at: datetime, next_update: datetime, issuer: Issuer = Issuer.ISSUING
    ) -> x509.CertificateRevocationList:
        """A CRL of what was revoked up to ``at``, with the next number.

        RFC 5280 counts times in seconds: of two CRLs made within one, only the number tells which is the newer.

        Certificates stay on it after they expire and it says so (expiredCertsOnCRL), so that one CRL serves for
        verdicts about all of the past.

        Raises:
            AuthorityError: ``next_update`` is not after ``at``, or the register is damaged.
        """
        at, next_update = whole_second(at), whole_second(next_update)
        if next_update <= at:
            raise AuthorityError("the next update of a CRL is after this one")

        def decision(events: Sequence[Event]) -> Sequence[Event]:
            number = 1 + sum(_is_crl_of(issuer, event) for event in events)
            return [{"event": "crl", "issuer": issuer.value, "number": number, "this_update": at.isoformat()}]

        events = self._register.decide(decision)
        number = sum(_is_crl_of(issuer, event) for event in events)
        key = self._keys[issuer]
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(key.certificate.subject)
            .last_update(at)
            .next_update(next_update)
            .add_extension(key_identifier_of(key.certificate), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(
                x509.UnrecognizedExtension(
                    EXPIRED_CERTIFICATES_ON_CRL, generalized_time(key.certificate.not_valid_before_utc)
                ),
                critical=False,
            )
        )
        for issued in _certificates(events):
            if issued.issuer is issuer and issued.revoked_at is not None and issued.revoked_at <= at:
                builder = builder.add_revoked_certificate(_entry(issued))
        return builder.sign(key.private_key, hash_for(key.private_key))

    def crls(self, *, at: datetime, next_update: datetime) -> tuple[x509.CertificateRevocationList, ...]:
        """The CRLs of root and issuing CA: all that is needed to judge what was issued here.

        Raises:
            AuthorityError: as :meth:`crl`.
        """
        return tuple(self.crl(at=at, next_update=next_update, issuer=issuer) for issuer in Issuer)

    def _certify(
        self,
        subject: x509.Name,
        role: CertificateRole,
        at: datetime,
        lifetime: timedelta,
        algorithm: KeyAlgorithm,
    ) -> MemoryKey:
        issuer = self._keys[Issuer.ISSUING]
        return certify(issuer, subject, role, (at, at + lifetime), algorithm, self._serial_number())

    def _remember(self, keys: Sequence[MemoryKey]) -> None:
        def decision(events: Sequence[Event]) -> Sequence[Event]:
            known = {event.get("serial") for event in events if event.get("event") == "issued"}
            added = [_issued_event(Issuer.ISSUING, key.certificate) for key in keys]
            serials = {event["serial"] for event in added}
            if len(serials) < len(added) or not known.isdisjoint(serials):
                raise AuthorityError("a serial number would be given twice")
            return added

        self._register.decide(decision)


def _file(issuer: Issuer) -> str:
    return f"{issuer.value}.p12"


def _joined(found: IssuedCertificate, at: datetime, reason: x509.ReasonFlags) -> tuple[datetime, x509.ReasonFlags]:
    """Since when and why a certificate is revoked, after one more revocation.

    Raises:
        AuthorityError: it tells nothing that is not known.
    """
    if found.revoked_at is None or found.reason is None:
        return at, reason
    is_graver = reason in _COMPROMISES and found.reason not in _COMPROMISES
    if at >= found.revoked_at and not is_graver:
        raise AuthorityError(
            f"certificate {found.serial:x} was revoked at {found.revoked_at.isoformat()} already"
            f" ({found.reason.value}); only an earlier time, or that its key is compromised, would change that"
        )
    says_less = reason is x509.ReasonFlags.unspecified or found.reason in _COMPROMISES
    return min(at, found.revoked_at), found.reason if says_less else reason


def _entry(issued: IssuedCertificate) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(issued.serial)
    if issued.revoked_at is not None:
        builder = builder.revocation_date(issued.revoked_at)
    # RFC 5280 section 5.3.1: an unspecified reason is left out.
    if issued.reason is not None and issued.reason is not x509.ReasonFlags.unspecified:
        builder = builder.add_extension(x509.CRLReason(issued.reason), critical=False)
    return builder.build()


def _issued_event(issuer: Issuer, certificate: x509.Certificate) -> Event:
    der = certificate.public_bytes(serialization.Encoding.DER)
    return {
        "event": "issued",
        "issuer": issuer.value,
        "serial": f"{certificate.serial_number:x}",
        "subject": subject_text(certificate),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "certificate": base64.b64encode(der).decode("ascii"),
    }


def _is_crl_of(issuer: Issuer, event: Event) -> bool:
    return (event.get("event"), event.get("issuer")) == ("crl", issuer.value)


def _certificates(events: Sequence[Event]) -> tuple[IssuedCertificate, ...]:
    """What the events add up to.

    Raises:
        AuthorityError: they do not make sense.
    """
    try:
        revoked = {event["serial"]: event for event in events if event["event"] == "revoked"}
        return tuple(_issued(event, revoked.get(event["serial"])) for event in events if event["event"] == "issued")
    except (KeyError, *UNREADABLE) as error:
        raise AuthorityError(f"the register is damaged: {error!r}") from error


def _issued(event: Event, revoked: Event | None) -> IssuedCertificate:
    return IssuedCertificate(
        certificate=x509.load_der_x509_certificate(base64.b64decode(event["certificate"], validate=True)),
        issuer=Issuer(event["issuer"]),
        revoked_at=datetime.fromisoformat(revoked["revoked_at"]) if revoked else None,
        reason=x509.ReasonFlags(revoked["reason"]) if revoked else None,
    )


def _find(certificates: Sequence[IssuedCertificate], serial: int) -> IssuedCertificate:
    for issued in certificates:
        if issued.serial == serial:
            return issued
    raise AuthorityError(f"no certificate of serial number {serial:x} was issued here")
