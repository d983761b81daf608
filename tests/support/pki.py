"""A certification authority for tests, which can make every bad certificate and CRL on purpose.

Private keys are made once a session, by kind and number; certificates are made anew, with given times and numbers. The
pair of a root and an issuing CA is what most tests want; ``certificate`` takes any issuer and any mistake.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from asn1crypto import algos
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from keys.certificates import CertificateRole, agency_identifier
from keys.memory import MemoryKey, PrivateKey
from keys.revocation import RevocationData
from keys.trust import PathValidator, TrustAnchors

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
"""The time of interest of most tests."""
DAY = timedelta(days=1)
YEAR = timedelta(days=365)

_CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}


@functools.cache
def private_key(kind: str = "P-256", number: int = 0) -> PrivateKey:
    """A key such as ``RSA-2048``, ``RSA-1024``, ``P-256``, ``secp256k1``; another one for another ``number``."""
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("RSA-")))
    return ec.generate_private_key(_CURVES[kind])


def key_usage(*names: str) -> x509.KeyUsage:
    """A key usage with exactly the bits of these names, such as ``digital_signature``."""
    bits = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    assert bits.keys() >= set(names)
    return x509.KeyUsage(**{**bits, **dict.fromkeys(names, True)})


SEALING = key_usage("digital_signature", "content_commitment")
ISSUING = key_usage("key_cert_sign", "crl_sign")


@dataclass
class Pki:
    """A root and an issuing CA; everything is valid around :data:`NOW` unless told otherwise."""

    algorithm: str = "P-256"
    name: str = "Test"
    serials: Iterable[int] = field(default_factory=lambda: itertools.count(1000))
    revoked: dict[str, list[x509.RevokedCertificate]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._serials = iter(self.serials)
        self._numbers = itertools.count(2)
        self.root = self.authority(f"{self.name} root", key=private_key(self.algorithm, 0), path_length=None)
        self.issuing = self.authority(
            f"{self.name} issuing CA", issuer=self.root, key=private_key(self.algorithm, 1), path_length=0
        )

    def certificate(
        self,
        common_name: str,
        *,
        issuer: MemoryKey | None,
        key: PrivateKey | None = None,
        not_before: datetime = NOW - YEAR,
        not_after: datetime = NOW + YEAR,
        usage: x509.KeyUsage | None = SEALING,
        constraints: x509.BasicConstraints | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        agency_code: str | None = None,
        signing_hash: hashes.HashAlgorithm | None = None,
        claimed_issuer: MemoryKey | None = None,
        serial: int | None = None,
    ) -> MemoryKey:
        """A key with a certificate; without ``issuer`` it signs itself; ``claimed_issuer`` is a lie about that."""
        own_key = key or private_key(self.algorithm, next(self._numbers))
        signer = issuer.private_key if issuer else own_key
        subject = self._subject(common_name, agency_code)
        named = claimed_issuer or issuer
        issuer_name = named.certificate.subject if named else subject
        issuer_key = named.private_key if named else own_key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer_name)
            .public_key(own_key.public_key())
            .serial_number(next(self._serials) if serial is None else serial)
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own_key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if constraints is not None:
            builder = builder.add_extension(constraints, critical=True)
        if usage is not None:
            builder = builder.add_extension(usage, critical=True)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        chain = (issuer.certificate, *issuer.chain) if issuer else ()
        return MemoryKey(own_key, _sign_certificate(builder, signer, signing_hash), chain)

    def authority(
        self,
        common_name: str,
        *,
        issuer: MemoryKey | None = None,
        key: PrivateKey | None = None,
        path_length: int | None = None,
        not_before: datetime = NOW - 5 * YEAR,
        not_after: datetime = NOW + 5 * YEAR,
    ) -> MemoryKey:
        """A CA; without ``issuer``, a root."""
        return self.certificate(
            common_name,
            issuer=issuer,
            key=key,
            usage=ISSUING,
            constraints=x509.BasicConstraints(ca=True, path_length=path_length),
            not_before=not_before,
            not_after=not_after,
        )

    def seal(self, agency_code: str = "H29.1", *, key: PrivateKey | None = None) -> MemoryKey:
        """A good seal of an agency."""
        return self.certificate(
            f"Agency {agency_code}",
            issuer=self.issuing,
            key=key,
            agency_code=agency_code,
            extensions=[(role_policy(CertificateRole.AGENCY_SEAL), False)],
        )

    def expired(self, at: datetime = NOW) -> MemoryKey:
        """A seal that expired the day before."""
        return self.certificate("Expired", issuer=self.issuing, not_before=at - YEAR, not_after=at - DAY)

    def not_yet_valid(self, at: datetime = NOW) -> MemoryKey:
        """A seal that becomes valid the day after."""
        return self.certificate("Not yet valid", issuer=self.issuing, not_before=at + DAY, not_after=at + YEAR)

    def revoked_seal(
        self, at: datetime, reason: x509.ReasonFlags | None = x509.ReasonFlags.key_compromise
    ) -> MemoryKey:
        """A seal that was revoked at ``at``, as every later :meth:`crl` says."""
        key = self.certificate("Revoked", issuer=self.issuing)
        self.revoke(key, at, reason)
        return key

    def weak_rsa(self) -> MemoryKey:
        """A seal with an RSA key of 1024 bits."""
        return self.certificate("Weak RSA", issuer=self.issuing, key=private_key("RSA-1024"))

    def weak_curve(self) -> MemoryKey:
        """A seal on a curve that is not accepted."""
        return self.certificate("Weak curve", issuer=self.issuing, key=private_key("secp256k1"))

    def sha1_signed(self) -> MemoryKey:
        """A seal whose certificate is signed with SHA-1."""
        return self.certificate("SHA-1", issuer=self.issuing, signing_hash=hashes.SHA1())  # noqa: S303

    def wrong_usage(self) -> MemoryKey:
        """A certificate for encryption only."""
        return self.certificate("Wrong usage", issuer=self.issuing, usage=key_usage("key_encipherment"))

    def without_usage(self) -> MemoryKey:
        """A certificate that does not say what it is for."""
        return self.certificate("No usage", issuer=self.issuing, usage=None)

    def wrong_issuer(self) -> MemoryKey:
        """A seal that claims to come from the issuing CA and was signed by a stranger's key of the same kind."""
        stranger = self.authority(f"{self.name} issuing CA", key=private_key(self.algorithm, 10_001))
        return self.certificate("Forged", issuer=stranger, claimed_issuer=self.issuing)

    def issued_by_seal(self) -> MemoryKey:
        """A seal that another seal issued, which is no CA."""
        return self.certificate("Below a seal", issuer=self.seal())

    def revoke(
        self, key: MemoryKey, at: datetime, reason: x509.ReasonFlags | None = x509.ReasonFlags.key_compromise
    ) -> None:
        """Have every later CRL of the issuer list the certificate."""
        self.revoked.setdefault(key.certificate.issuer.rfc4514_string(), []).append(
            revoked_entry(key.certificate.serial_number, at, reason)
        )

    def crl(
        self,
        issuer: MemoryKey | None = None,
        *,
        this_update: datetime = NOW - DAY,
        next_update: datetime = NOW + 7 * DAY,
        entries: Sequence[x509.RevokedCertificate] | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        signing_hash: hashes.HashAlgorithm | None = None,
        signer: PrivateKey | None = None,
        number: int | None = None,
    ) -> x509.CertificateRevocationList:
        """A CRL of an issuer (of the issuing CA, unless told otherwise) with what was revoked until it was made."""
        issuer = issuer or self.issuing
        known = self.revoked.get(issuer.certificate.subject.rfc4514_string(), [])
        listed = [each for each in known if each.revocation_date_utc <= this_update] if entries is None else entries
        key = signer or issuer.private_key
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(this_update)
            .next_update(next_update)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(int(this_update.timestamp()) if number is None else number), critical=False)
        )
        for entry in listed:
            builder = builder.add_revoked_certificate(entry)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return _sign_crl(builder, key, signing_hash)

    def crls(
        self, *, this_update: datetime = NOW - DAY, next_update: datetime = NOW + 7 * DAY
    ) -> tuple[x509.CertificateRevocationList, ...]:
        """The CRLs of root and issuing CA."""
        return tuple(
            self.crl(issuer, this_update=this_update, next_update=next_update) for issuer in (self.root, self.issuing)
        )

    def anchors(self) -> TrustAnchors:
        """The root."""
        return TrustAnchors([self.root.certificate])

    def validator(
        self, crls: Iterable[x509.CertificateRevocationList] | None = None, *, require_revocation: bool = True
    ) -> PathValidator:
        """A validator that knows root, issuing CA and the CRLs: fresh ones, unless told otherwise."""
        return PathValidator(
            self.anchors(),
            RevocationData(self.crls() if crls is None else crls),
            intermediates=[self.issuing.certificate],
            require_revocation=require_revocation,
        )

    def _subject(self, common_name: str, agency_code: str | None) -> x509.Name:
        attributes = [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.name),
        ]
        if agency_code is not None:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, agency_identifier(agency_code)))
        return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def role_policy(role: CertificateRole) -> x509.CertificatePolicies:
    """The policy that gives a certificate its role."""
    return x509.CertificatePolicies([x509.PolicyInformation(role.value, None)])


def revoked_entry(serial: int, at: datetime, reason: x509.ReasonFlags | None = None) -> x509.RevokedCertificate:
    """An entry of a CRL."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """A PEM bundle."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def of_unknown_version(certificate: x509.Certificate) -> bytes:
    """The DER of a certificate that says it is of version 8, which there is not."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert der.count(_VERSION_3) == 1
    return der.replace(_VERSION_3, _VERSION_3[:-1] + b"\x07")


_VERSION_3 = bytes.fromhex("a003020102")

X400_NAME = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes.fromhex("3004a3023000"))
"""A subjectAltName of the kind x400Address (RFC 5280 section 4.2.1.6), which cryptography does not know."""


def _sign_certificate(
    builder: x509.CertificateBuilder, key: PrivateKey, signing_hash: hashes.HashAlgorithm | None
) -> x509.Certificate:
    certificate = builder.sign(key, hashes.SHA256())
    if not isinstance(signing_hash, hashes.SHA1):
        return certificate
    # cryptography signs no certificate with SHA-1 any more, and rightly; so the signed part is made over by hand.
    forged = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
    forged["tbs_certificate"]["signature"] = forged["signature_algorithm"] = _sha1_algorithm(key)
    forged["signature_value"] = _sign_sha1(key, forged["tbs_certificate"].dump(force=True))
    return x509.load_der_x509_certificate(forged.dump(force=True))


def _sign_crl(
    builder: x509.CertificateRevocationListBuilder, key: PrivateKey, signing_hash: hashes.HashAlgorithm | None
) -> x509.CertificateRevocationList:
    if signing_hash is not None and not isinstance(signing_hash, hashes.SHA1):
        return builder.sign(key, signing_hash)  # type: ignore[arg-type]
    crl = builder.sign(key, hashes.SHA256())
    if signing_hash is None:
        return crl
    forged = asn1_crl.CertificateList.load(crl.public_bytes(serialization.Encoding.DER))
    forged["tbs_cert_list"]["signature"] = forged["signature_algorithm"] = _sha1_algorithm(key)
    forged["signature"] = _sign_sha1(key, forged["tbs_cert_list"].dump(force=True))
    return x509.load_der_x509_crl(forged.dump(force=True))


def _sha1_algorithm(key: PrivateKey) -> algos.SignedDigestAlgorithm:
    name = "sha1_rsa" if isinstance(key, rsa.RSAPrivateKey) else "sha1_ecdsa"
    return algos.SignedDigestAlgorithm({"algorithm": name})


def _sign_sha1(key: PrivateKey, data: bytes) -> bytes:
    digest = hashes.SHA1()  # noqa: S303
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), digest)
    return key.sign(data, ec.ECDSA(digest))
