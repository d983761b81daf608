import base64
import json
import multiprocessing
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from keys.authority import DemonstrationAuthority, Issuer, KeyAlgorithm
from keys.certificates import CertificateRole, agency_code, is_demonstration, role_of
from keys.errors import AuthorityError, CertificateRevokedError, KeyNotFoundError, KeyStoreError, KeyUsageError
from keys.pkcs12 import MIN_KDF_ROUNDS
from keys.profile import check_strength
from keys.revocation import RevocationData
from keys.trust import CertificatePath, KeyPurpose, PathValidator, TrustAnchors
from tests.support.pki import Pki, of_unknown_version

AT = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PASSWORD = b"a password"


@pytest.fixture
def authority() -> DemonstrationAuthority:
    return DemonstrationAuthority.in_memory(at=AT)


def create(folder: Path) -> DemonstrationAuthority:
    return DemonstrationAuthority.create(folder, PASSWORD, at=AT, kdf_rounds=MIN_KDF_ROUNDS)


def validate(
    authority: DemonstrationAuthority,
    certificate: x509.Certificate,
    at: datetime,
    usage: KeyPurpose = KeyPurpose.SEAL,
) -> CertificatePath:
    validator = PathValidator(
        TrustAnchors([authority.root]),
        RevocationData(authority.crls(at=at, next_update=at + 30 * DAY)),
        intermediates=[authority.issuing],
    )
    return validator.validate(certificate, at=at, usage=usage)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_seal_of_every_algorithm_is_good(authority: DemonstrationAuthority, algorithm: KeyAlgorithm) -> None:
    seal = authority.issue_seal("H29.1", "Văn phòng", at=AT, algorithm=algorithm)
    check_strength(seal.certificate)
    path = validate(authority, seal.certificate, AT + DAY)
    assert path.certificates == (seal.certificate, authority.issuing, authority.root)
    assert seal.chain == (authority.issuing, authority.root)


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.EC_P384])
def test_authority_itself_may_be_of_another_algorithm(algorithm: KeyAlgorithm) -> None:
    authority = DemonstrationAuthority.in_memory(at=AT, algorithm=algorithm)
    seal = authority.issue_seal("H29", "City", at=AT).certificate
    assert validate(authority, seal, AT).certificates == (seal, authority.issuing, authority.root)


def test_certificates_tell_their_role_and_agency(authority: DemonstrationAuthority) -> None:
    seal = authority.issue_seal("H29.1", "Văn phòng", at=AT).certificate
    officer = authority.issue_officer("Nguyễn Văn A", "H29.1", "Văn phòng", at=AT, officer_id="0123").certificate
    exchange = authority.issue_exchange_seal("Trục liên thông", at=AT).certificate
    assert [role_of(each) for each in (seal, officer, exchange)] == [
        CertificateRole.AGENCY_SEAL,
        CertificateRole.OFFICER,
        CertificateRole.EXCHANGE_SEAL,
    ]
    assert [agency_code(each) for each in (seal, officer, exchange)] == ["H29.1", "H29.1", None]
    assert [each.value for each in seal.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)] == ["H29.1"]
    assert [each.value for each in officer.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)] == ["0123"]


def test_everything_issued_says_that_it_is_a_demonstration(authority: DemonstrationAuthority) -> None:
    seal = authority.issue_seal("H29.1", "Văn phòng", at=AT).certificate
    for certificate in (authority.root, authority.issuing, seal):
        assert is_demonstration(certificate)
        assert "DEMONSTRATION" in certificate.issuer.rfc4514_string()
        assert b"DEMONSTRATION ONLY" in certificate.public_bytes(serialization.Encoding.DER)


def test_key_of_the_trust_list_signs_lists_and_nothing_else(authority: DemonstrationAuthority) -> None:
    key = authority.issue_trust_list_signer("Trục liên thông", at=AT).certificate
    assert (role_of(key), is_demonstration(key), agency_code(key)) == (CertificateRole.TRUST_LIST, True, None)
    assert authority.issued()[-1].certificate == key
    validate(authority, key, AT + DAY, KeyPurpose.TRUST_LIST)
    with pytest.raises(KeyUsageError, match="other purposes than signing documents"):
        validate(authority, key, AT + DAY)


def test_trust_lists_are_numbered_across_openings(tmp_path: Path) -> None:
    authority = create(tmp_path / "ca")
    assert authority.newest_trust_list == 0
    assert [authority.number_trust_list(at=AT), authority.number_trust_list(at=AT)] == [1, 2]
    again = DemonstrationAuthority.open(tmp_path / "ca", PASSWORD)
    assert (again.newest_trust_list, again.number_trust_list(at=AT)) == (2, 3)


def test_long_name_stands_whole_in_the_organization(authority: DemonstrationAuthority) -> None:
    name = "Ủy ban nhân dân Phường Hiệp Bình Phước - Quận Thủ Đức, TP.HCM"
    subject = authority.issue_seal("H29.1", name, at=AT).certificate.subject
    (organization,) = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    (common_name,) = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert organization.value == name
    assert isinstance(common_name.value, str)
    assert name.startswith(common_name.value)
    assert 60 < len(common_name.value.encode()) <= 64


def test_root_lives_longer_than_ten_years(authority: DemonstrationAuthority) -> None:
    assert authority.root.not_valid_after_utc - authority.root.not_valid_before_utc > timedelta(days=3650)


def test_all_seals_or_none_are_issued(authority: DemonstrationAuthority) -> None:
    with pytest.raises(AuthorityError, match="not an agency code"):
        authority.issue_seals([("H29.1", "One"), ("H29/2", "Two")], at=AT)
    assert len(authority.issued()) == 1
    seals = authority.issue_seals([("H29.1", "One"), ("H29.2", "Two")], at=AT)
    assert [agency_code(seal.certificate) for seal in seals] == ["H29.1", "H29.2"]
    assert [each.agency_code for each in authority.issued()] == [None, "H29.1", "H29.2"]


@pytest.mark.parametrize(
    ("at", "lifetime"), [(AT - DAY, 10 * DAY), (AT, 20 * 365 * DAY), (AT, timedelta(0))], ids=["early", "late", "empty"]
)
def test_certificate_outside_its_issuers_life_is_refused(
    authority: DemonstrationAuthority, at: datetime, lifetime: timedelta
) -> None:
    with pytest.raises(AuthorityError, match="within the life"):
        authority.issue_seal("H29.1", "X", at=at, lifetime=lifetime)


@pytest.mark.parametrize(
    "name", ["", " ", "\ud800", "a\x01b", "a\nb", "a\u202eb", "a\u200bb", "a\u2028b", "\uffff", "x" * 65]
)
def test_name_that_cannot_stand_in_a_certificate_is_refused(authority: DemonstrationAuthority, name: str) -> None:
    with pytest.raises(AuthorityError, match="no certificate"):
        authority.issue_seal("H29.1", name, at=AT)


def test_names_of_people_keep_the_same_rules(authority: DemonstrationAuthority) -> None:
    authority.issue_officer("Nguyễn Văn A", "H29.1", "Ủ" * 64, at=AT, officer_id="1" * 64)
    for name, organization, number in (("A\tB", "X", None), ("A", "X" * 65, None), ("A", "X", "1" * 65)):
        with pytest.raises(AuthorityError, match="no certificate"):
            authority.issue_officer(name, "H29.1", organization, at=AT, officer_id=number)


def test_serial_number_is_never_given_twice() -> None:
    serials = iter([1, 2, 3, 3])
    authority = DemonstrationAuthority.in_memory(at=AT, serial_number=lambda: next(serials))
    authority.issue_seal("H29.1", "One", at=AT)
    with pytest.raises(AuthorityError, match="twice"):
        authority.issue_seal("H29.2", "Two", at=AT)


def test_revoked_seal_is_on_the_next_crl_with_date_and_reason(authority: DemonstrationAuthority) -> None:
    seal = authority.issue_seal("H29.1", "One", at=AT).certificate
    issued = authority.revoke(seal.serial_number, at=AT + DAY, reason=x509.ReasonFlags.key_compromise)
    assert (issued.revoked_at, issued.reason) == (AT + DAY, x509.ReasonFlags.key_compromise)
    with pytest.raises(CertificateRevokedError) as caught:
        validate(authority, seal, AT + 2 * DAY)
    assert (caught.value.revoked_at, caught.value.reason) == (AT + DAY, "keyCompromise")
    validate(authority, seal, AT + DAY / 2)


def test_revoked_issuing_ca_is_on_the_crl_of_the_root(authority: DemonstrationAuthority) -> None:
    seal = authority.issue_seal("H29.1", "One", at=AT).certificate
    authority.revoke(authority.issuing.serial_number, at=AT + DAY)
    with pytest.raises(CertificateRevokedError, match=r"issuing CA.*unspecified"):
        validate(authority, seal, AT + DAY)


def test_revocation_that_makes_no_sense_is_refused(authority: DemonstrationAuthority) -> None:
    serial = authority.issue_seal("H29.1", "One", at=AT).certificate.serial_number
    with pytest.raises(AuthorityError, match="no certificate"):
        authority.revoke(12345, at=AT)
    with pytest.raises(AuthorityError, match="not valid before"):
        authority.revoke(serial, at=AT - DAY)
    with pytest.raises(AuthorityError, match="for good"):
        authority.revoke(serial, at=AT, reason=x509.ReasonFlags.certificate_hold)
    authority.revoke(serial, at=AT)
    with pytest.raises(AuthorityError, match="already"):
        authority.revoke(serial, at=AT + DAY)


LOST, REPLACED, UNSPECIFIED = (
    x509.ReasonFlags.key_compromise,
    x509.ReasonFlags.superseded,
    x509.ReasonFlags.unspecified,
)


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ((5, REPLACED), (3, UNSPECIFIED), (3, REPLACED)),
        ((5, UNSPECIFIED), (3, REPLACED), (3, REPLACED)),
        ((5, LOST), (3, REPLACED), (3, LOST)),
        ((5, REPLACED), (7, LOST), (5, LOST)),
        ((5, REPLACED), (3, LOST), (3, LOST)),
    ],
)
def test_what_is_learnt_later_makes_a_revocation_earlier_or_graver(
    authority: DemonstrationAuthority,
    first: tuple[int, x509.ReasonFlags],
    second: tuple[int, x509.ReasonFlags],
    joined: tuple[int, x509.ReasonFlags],
) -> None:
    serial = authority.issue_seal("H29.1", "One", at=AT).certificate.serial_number
    authority.revoke(serial, at=AT + first[0] * DAY, reason=first[1])
    revoked = authority.revoke(serial, at=AT + second[0] * DAY, reason=second[1])
    assert (revoked.revoked_at, revoked.reason) == (AT + joined[0] * DAY, joined[1])
    entry = authority.crl(at=AT + 9 * DAY, next_update=AT + 10 * DAY).get_revoked_certificate_by_serial_number(serial)
    assert entry is not None
    assert entry.revocation_date_utc == AT + joined[0] * DAY
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is joined[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((5, REPLACED), (5, REPLACED)),
        ((5, LOST), (6, LOST)),
        ((5, LOST), (5, REPLACED)),
        ((5, REPLACED), (6, REPLACED)),
    ],
)
def test_a_revocation_that_tells_nothing_new_is_refused_and_says_what_would(
    authority: DemonstrationAuthority, first: tuple[int, x509.ReasonFlags], second: tuple[int, x509.ReasonFlags]
) -> None:
    serial = authority.issue_seal("H29.1", "One", at=AT).certificate.serial_number
    authority.revoke(serial, at=AT + first[0] * DAY, reason=first[1])
    with pytest.raises(AuthorityError, match=r"already .*only an earlier time"):
        authority.revoke(serial, at=AT + second[0] * DAY, reason=second[1])


def test_a_revocation_that_was_recorded_for_a_time_to_come_can_be_had_at_once(
    authority: DemonstrationAuthority,
) -> None:
    serial = authority.issue_seal("H29.1", "One", at=AT).certificate.serial_number
    authority.revoke(serial, at=AT + 30 * DAY)
    authority.revoke(serial, at=AT + DAY)
    crl = authority.crl(at=AT + 2 * DAY, next_update=AT + 3 * DAY)
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None


def test_crls_are_numbered_for_each_issuer(authority: DemonstrationAuthority) -> None:
    numbers = [
        authority.crl(at=AT, next_update=AT + DAY, issuer=issuer)
        .extensions.get_extension_for_class(x509.CRLNumber)
        .value.crl_number
        for issuer in (Issuer.ISSUING, Issuer.ISSUING, Issuer.ROOT)
    ]
    assert numbers == [1, 2, 1]


def test_crl_must_end_after_it_begins(authority: DemonstrationAuthority) -> None:
    with pytest.raises(AuthorityError, match="next update"):
        authority.crl(at=AT, next_update=AT)


def test_seal_that_expired_is_still_judged_by_todays_crl(authority: DemonstrationAuthority) -> None:
    seal = authority.issue_seal("H29.1", "One", at=AT, lifetime=30 * DAY).certificate
    today = AT + 400 * DAY
    validator = PathValidator(
        TrustAnchors([authority.root]),
        RevocationData(authority.crls(at=today, next_update=today + DAY)),
        intermediates=[authority.issuing],
    )
    assert len(validator.validate(seal, at=AT + DAY, usage=KeyPurpose.SEAL).certificates) == 3


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        DemonstrationAuthority.in_memory(at=datetime(2026, 1, 1))  # noqa: DTZ001


# In a folder.


def test_authority_is_found_again_in_its_folder(tmp_path: Path) -> None:
    first = create(tmp_path / "ca")
    seal = first.issue_seal("H29.1", "Văn phòng", at=AT).certificate
    first.revoke(seal.serial_number, at=AT + DAY)
    again = DemonstrationAuthority.open(tmp_path / "ca", PASSWORD)
    assert again.root == first.root
    assert again.issued() == first.issued()
    assert [each.subject for each in again.issued()][1] == seal.subject.rfc4514_string()
    with pytest.raises(CertificateRevokedError):
        validate(again, seal, AT + DAY)


def test_folder_and_secret_files_are_for_their_owner_only(tmp_path: Path) -> None:
    authority = create(tmp_path / "ca")
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    for name in ("root.p12", "issuing.p12", "register.jsonl"):
        assert stat.S_IMODE((tmp_path / "ca" / name).stat().st_mode) == 0o600
    anchors = TrustAnchors.from_bundle((tmp_path / "ca" / "root.pem").read_bytes())
    assert anchors.certificates == (authority.root,)


def test_authority_is_never_overwritten(tmp_path: Path) -> None:
    create(tmp_path)
    with pytest.raises(AuthorityError, match="not overwritten"):
        create(tmp_path)


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuthorityError, match="cannot be made"):
        create(tmp_path / "file" / "ca")


def test_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "issuing.pem").mkdir()
    with pytest.raises(AuthorityError, match="cannot be written to"):
        create(tmp_path)


def test_absent_authority_and_wrong_password_are_told(tmp_path: Path) -> None:
    with pytest.raises(KeyNotFoundError):
        DemonstrationAuthority.open(tmp_path, PASSWORD)
    create(tmp_path)
    with pytest.raises(KeyStoreError, match="password"):
        DemonstrationAuthority.open(tmp_path, b"another")


def test_half_a_line_left_by_a_crash_is_passed_over_and_cut_off(tmp_path: Path) -> None:
    authority = create(tmp_path)
    register = tmp_path / "register.jsonl"
    with register.open("ab") as file:
        file.write(b'{"event": "issued", "ser')
    assert len(DemonstrationAuthority.open(tmp_path, PASSWORD).issued()) == 1
    authority.issue_seal("H29.1", "One", at=AT)
    assert [json.loads(line)["event"] for line in register.read_bytes().splitlines()] == ["issued", "issued"]


def test_register_with_a_certificate_of_an_unknown_version_is_refused(tmp_path: Path) -> None:
    create(tmp_path)
    with (tmp_path / "register.jsonl").open("ab") as file:
        certificate = base64.b64encode(of_unknown_version(Pki().root.certificate)).decode()
        event = {"event": "issued", "serial": "1", "certificate": certificate, "issuer": "root"}
        file.write(json.dumps(event).encode() + b"\n")
    with pytest.raises(AuthorityError, match="damaged"):
        DemonstrationAuthority.open(tmp_path, PASSWORD)


@pytest.mark.parametrize(
    "line", [b"nonsense", b"[]", b"{}", b'{"event": "issued", "serial": "1", "certificate": "AAAA", "issuer": "root"}']
)
def test_damaged_register_is_refused(tmp_path: Path, line: bytes) -> None:
    create(tmp_path)
    with (tmp_path / "register.jsonl").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(AuthorityError, match="damaged"):
        DemonstrationAuthority.open(tmp_path, PASSWORD)


def test_absent_register_is_refused(tmp_path: Path) -> None:
    authority = create(tmp_path)
    (tmp_path / "register.jsonl").unlink()
    with pytest.raises(AuthorityError, match="cannot be read"):
        DemonstrationAuthority.open(tmp_path, PASSWORD)
    with pytest.raises(AuthorityError, match="cannot be written"):
        authority.issue_seal("H29.1", "One", at=AT)


def _issue_ten(folder: Path) -> None:
    authority = DemonstrationAuthority.open(folder, PASSWORD)
    for _ in range(10):
        authority.issue_seal("H29.1", "One", at=AT)


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    create(tmp_path)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_issue_ten, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(DemonstrationAuthority.open(tmp_path, PASSWORD).issued()) == 21
