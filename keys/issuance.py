"""What the certificates of the demonstration authority look like (RFC 5280, and ETSI EN 319 412-1 for the subjects)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from keys.certificates import DEMONSTRATION_NOTICE, DEMONSTRATION_POLICY, CertificateRole, agency_identifier
from keys.errors import AuthorityError
from keys.memory import MemoryKey, PrivateKey
from keys.profile import TRUST_LIST_SIGNING

_ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")
_COUNTRY = "VN"
_ROOT_LIFETIME = timedelta(days=20 * 365)
_ISSUING_LIFETIME = timedelta(days=10 * 365)
_MAX_COMMON_NAME_BYTES = 64
"""Upper bound of RFC 5280 (ub-common-name), counted in bytes, since some readers do."""
_MAX_CHARACTERS = 64
"""Upper bound of RFC 5280 appendix A.1 for an organization (ub-organization-name) and a serialNumber."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of characters that nobody sees, or that break a line."""


class KeyAlgorithm(Enum):
    """The kinds of key the authority makes; the value is the name to write."""

    RSA_2048 = "RSA-2048"
    RSA_3072 = "RSA-3072"
    RSA_4096 = "RSA-4096"
    EC_P256 = "P-256"
    EC_P384 = "P-384"

    def generate(self) -> PrivateKey:
        """A new private key, from the system's randomness."""
        if self is KeyAlgorithm.EC_P256:
            return ec.generate_private_key(ec.SECP256R1())
        if self is KeyAlgorithm.EC_P384:
            return ec.generate_private_key(ec.SECP384R1())
        return rsa.generate_private_key(public_exponent=65537, key_size=int(self.value.removeprefix("RSA-")))


def new_authorities(
    at: datetime, algorithm: KeyAlgorithm, name: str, serial_number: Callable[[], int]
) -> tuple[MemoryKey, MemoryKey]:
    """Root and issuing CA, both new, valid from ``at``."""
    at = whole_second(at)
    root_key, issuing_key = algorithm.generate(), algorithm.generate()
    root_name, issuing_name = _authority_name(f"{name} root"), _authority_name(f"{name} issuing CA")
    root = (
        _authority_builder(root_name, root_name, root_key, serial_number(), (at, at + _ROOT_LIFETIME), path_length=1)
        .add_extension(_key_identifier_from(root_key), critical=False)
        .sign(root_key, hash_for(root_key))
    )
    issuing = (
        _authority_builder(
            issuing_name, root_name, issuing_key, serial_number(), (at, at + _ISSUING_LIFETIME), path_length=0
        )
        .add_extension(key_identifier_of(root), critical=False)
        .sign(root_key, hash_for(root_key))
    )
    return MemoryKey(root_key, root), MemoryKey(issuing_key, issuing, (root,))


def _authority_builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    serial: int,
    validity: tuple[datetime, datetime],
    *,
    path_length: int,
) -> x509.CertificateBuilder:
    return (
        _builder(subject, issuer, key, serial, validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(for_authority=True), critical=True)
        .add_extension(_policies(_ANY_POLICY), critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, serial: int, validity: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _policies(policy: x509.ObjectIdentifier) -> x509.CertificatePolicies:
    notice = x509.UserNotice(notice_reference=None, explicit_text=DEMONSTRATION_NOTICE)
    return x509.CertificatePolicies(
        [x509.PolicyInformation(policy, None), x509.PolicyInformation(DEMONSTRATION_POLICY, [notice])]
    )


def _key_usage(*, for_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not for_authority,
        content_commitment=not for_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=for_authority,
        crl_sign=for_authority,
        encipher_only=False,
        decipher_only=False,
    )


def key_identifier_of(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The extension by which a certificate or CRL names the key of ``issuer``."""
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_identifier_from(key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """The digest that is as strong as the key."""
    is_p384 = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1)
    return hashes.SHA384() if is_p384 else hashes.SHA256()


def _authority_name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, _COUNTRY),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "DEMONSTRATION authority, no legal effect"),
            x509.NameAttribute(NameOID.COMMON_NAME, _common_name(f"DEMONSTRATION {common_name}")),
        ]
    )


def seal_subject(code: str, name: str) -> x509.Name:
    """The subject of an agency's seal, with the code in organizationIdentifier and in serialNumber.

    Raises:
        AuthorityError: something in it cannot stand in a certificate.
    """
    return subject_of(name, name, code, code)


def subject_of(common_name: str, organization: str, code: str | None, serial_number: str | None) -> x509.Name:
    """A subject; the full name of the organization stands in O, of which CN is as much as fits.

    Raises:
        AuthorityError: something in it cannot stand in a certificate: it is empty, has a character that nobody sees, or
            is longer than RFC 5280 allows.
    """
    for what, text in (("the name", common_name), ("the organization's name", organization)):
        _check_text(what, text)
    for what, limited in (("the organization's name", organization), ("the number", serial_number or "")):
        if len(limited) > _MAX_CHARACTERS:
            raise AuthorityError(
                f"no certificate can be issued: {what} has {len(limited)} characters, and RFC 5280 allows"
                f" {_MAX_CHARACTERS}: give a short form of {limited!r}"
            )
    try:
        attributes = [
            x509.NameAttribute(NameOID.COUNTRY_NAME, _COUNTRY),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        ]
        if code is not None:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, agency_identifier(code)))
        if serial_number is not None:
            attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number))
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, _common_name(common_name)))
    except ValueError as error:
        raise AuthorityError(f"no certificate can be issued for {common_name!r}: {error}") from error
    return x509.Name(attributes)


def _check_text(what: str, text: str) -> None:
    if not text.strip():
        raise AuthorityError(f"no certificate can be issued: {what} is empty")
    hidden = next((each for each in text if unicodedata.category(each) in _INVISIBLE), None)
    if hidden is not None:
        raise AuthorityError(
            f"no certificate can be issued: {what} {text!r} has the invisible character U+{ord(hidden):04X}"
        )


def _common_name(name: str) -> str:
    """As much of a name as fits into a common name, whole characters only."""
    return name.encode()[:_MAX_COMMON_NAME_BYTES].decode(errors="ignore")


def whole_second(moment: datetime) -> datetime:
    """The moment in UTC, cut to the second, as certificates and CRLs have it (RFC 5280 section 4.1.2.5).

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return moment.astimezone(UTC).replace(microsecond=0)


def certify(
    issuer: MemoryKey,
    subject: x509.Name,
    role: CertificateRole,
    validity: tuple[datetime, datetime],
    algorithm: KeyAlgorithm,
    serial: int,
) -> MemoryKey:
    """A new key with its certificate.

    Raises:
        AuthorityError: the validity is empty or exceeds that of the issuer.
    """
    not_before, not_after = whole_second(validity[0]), whole_second(validity[1])
    issuer_until = issuer.certificate.not_valid_after_utc
    if not issuer.certificate.not_valid_before_utc <= not_before < not_after <= issuer_until:
        raise AuthorityError(f"a certificate must lie within the life of its issuer, until {issuer_until.date()}")
    private_key = algorithm.generate()
    builder = (
        _builder(subject, issuer.certificate.subject, private_key, serial, (not_before, not_after))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(for_authority=False), critical=True)
        .add_extension(_policies(role.value), critical=False)
        .add_extension(key_identifier_of(issuer.certificate), critical=False)
    )
    if role is CertificateRole.TRUST_LIST:
        # So limited, the key can sign no letter and no evidence.
        builder = builder.add_extension(x509.ExtendedKeyUsage([TRUST_LIST_SIGNING]), critical=False)
    certificate = builder.sign(issuer.private_key, hash_for(issuer.private_key))
    return MemoryKey(private_key, certificate, (issuer.certificate, *issuer.chain))
