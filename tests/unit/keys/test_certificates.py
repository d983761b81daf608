import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from keys.certificates import (
    MAX_BLOCKS,
    CertificateRole,
    agency_code,
    agency_identifier,
    fingerprint,
    is_demonstration,
    organization_identifier,
    read_certificates,
    read_crls,
    role_of,
    subject_text,
)
from keys.errors import CertificateFormatError
from tests.support.pki import Pki, pem, role_policy


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def test_bundle_is_read_in_its_order_and_other_blocks_are_passed_over(pki: Pki) -> None:
    certificates = (pki.issuing.certificate, pki.root.certificate)
    crl = pki.crl().public_bytes(serialization.Encoding.PEM)
    assert read_certificates(crl + pem(certificates)) == certificates
    assert read_crls(crl + pem(certificates)) == read_crls(crl)


def test_der_is_read(pki: Pki) -> None:
    root = pki.root.certificate
    assert read_certificates(root.public_bytes(serialization.Encoding.DER)) == (root,)
    crl = pki.crl()
    assert read_crls(crl.public_bytes(serialization.Encoding.DER)) == (crl,)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x30\x80", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateFormatError):
        read_certificates(data)
    with pytest.raises(CertificateFormatError):
        read_crls(data)


def test_bundle_cut_short_is_refused_whole(pki: Pki) -> None:
    bundle = pem([pki.root.certificate, pki.issuing.certificate])
    with pytest.raises(CertificateFormatError, match="no end"):
        read_certificates(bundle[:-40])


def test_beginnings_without_end_cost_no_more_than_their_length() -> None:
    data = b"-----BEGIN A-----\n" * 10_000
    begun = time.process_time()
    for read in (read_certificates, read_crls):
        with pytest.raises(CertificateFormatError, match="no end"):
            read(data)
        with pytest.raises(CertificateFormatError, match=r"no X\.509|no CRL"):
            read(b"x" + data.replace(b"\n", b"x"))
    assert time.process_time() - begun < 1


def test_block_that_ends_under_another_label_has_no_end(pki: Pki) -> None:
    bundle = pem([pki.root.certificate])
    other = bundle.replace(b"END CERTIFICATE", b"END X509 CRL")
    with pytest.raises(CertificateFormatError, match="no end"):
        read_certificates(other + bundle)


def test_block_within_a_block_is_refused(pki: Pki) -> None:
    with pytest.raises(CertificateFormatError, match="no end"):
        read_certificates(b"-----BEGIN NOTE-----\n" + pem([pki.root.certificate]) + b"-----END NOTE-----\n")


def test_block_that_does_not_begin_its_line_is_refused_and_a_mere_mention_is_not(pki: Pki) -> None:
    bundle = pem([pki.root.certificate])
    with pytest.raises(CertificateFormatError, match="begin its line"):
        read_certificates(b"the root: " + bundle)
    assert read_certificates(b"text before a block: -----BEGIN CERTIFICATE-----\n" + bundle) == (pki.root.certificate,)


def test_bundle_of_more_blocks_than_anybody_needs_is_refused(pki: Pki) -> None:
    bundle, note = pem([pki.root.certificate]), b"-----BEGIN NOTE-----\n-----END NOTE-----\n"
    assert read_certificates(note * (MAX_BLOCKS - 1) + bundle) == (pki.root.certificate,)
    for read in (read_certificates, read_crls):
        with pytest.raises(CertificateFormatError, match=f"more than {MAX_BLOCKS} PEM blocks"):
            read(note * MAX_BLOCKS + bundle)
    with pytest.raises(CertificateFormatError, match="more than 1 PEM blocks"):
        read_certificates(bundle * 2, at_most=1)


def test_block_longer_than_anybody_needs_is_refused(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = pem([pki.root.certificate])
    monkeypatch.setattr("keys.certificates.MAX_BLOCK_BYTES", len(bundle))
    assert read_certificates(bundle) == (pki.root.certificate,)
    monkeypatch.setattr("keys.certificates.MAX_BLOCK_BYTES", 100)
    with pytest.raises(CertificateFormatError, match="more than 100 bytes"):
        read_certificates(bundle)


def test_trailing_bytes_after_der_are_refused(pki: Pki) -> None:
    with pytest.raises(CertificateFormatError):
        read_certificates(pki.root.certificate.public_bytes(serialization.Encoding.DER) + b"\x00")


def test_fingerprint_and_subject_are_told(pki: Pki) -> None:
    assert len(fingerprint(pki.root.certificate)) == 64
    assert subject_text(pki.root.certificate) == "CN=Test root,O=Test,C=VN"


def test_agency_code_is_read_back(pki: Pki) -> None:
    seal = pki.seal("H29.12").certificate
    assert organization_identifier(seal) == "GOVVN-H29.12"
    assert agency_code(seal) == "H29.12"


@pytest.mark.parametrize(
    "identifiers",
    [[], ["VATVN-H29"], ["GOVVN-"], ["GOVVN-H29."], ["GOVVN-H 29"], ["GOVVN-H29", "GOVVN-H30"], ["GOVVN-Đ1"]],
)
def test_malformed_agency_code_is_none(pki: Pki, identifiers: list[str]) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, value) for value in identifiers])
    key = pki.root.private_key
    template = pki.root.certificate
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=template.not_valid_before_utc,
        not_valid_after=template.not_valid_after_utc,
    )
    assert agency_code(builder.sign(key, template.signature_hash_algorithm)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["", "H29..1", "a" * 59, "H29/1"])
def test_code_that_cannot_stand_in_a_certificate_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="not an agency code"):
        agency_identifier(code)


def test_role_is_told_by_policy_and_by_one_only(pki: Pki) -> None:
    assert role_of(pki.seal().certificate) is CertificateRole.AGENCY_SEAL
    assert role_of(pki.root.certificate) is None
    two = (CertificateRole.AGENCY_SEAL, CertificateRole.EXCHANGE_SEAL)
    both = x509.CertificatePolicies([x509.PolicyInformation(role.value, None) for role in two])
    assert role_of(pki.certificate("Both", issuer=pki.issuing, extensions=[(both, False)]).certificate) is None


def test_certificate_of_another_authority_is_no_demonstration(pki: Pki) -> None:
    key = pki.certificate("X", issuer=pki.issuing, extensions=[(role_policy(CertificateRole.OFFICER), False)])
    assert not is_demonstration(key.certificate)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_damage_is_told_by_its_one_name_wherever_it_is(pki: Pki) -> None:
    der = pki.seal().certificate.public_bytes(serialization.Encoding.DER)
    refused = 0
    for position in range(len(der)):
        for changed in (0x00, 0x7F, 0xFF):
            try:
                read_certificates(der[:position] + bytes([changed]) + der[position + 1 :])
            except CertificateFormatError:
                refused += 1
    assert refused > len(der)
