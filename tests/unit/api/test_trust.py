"""Trust anchors and CRLs are renewed while the program runs, and a bad file never takes away what was good."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from api.cli.trusted import read_audit_trust
from api.trust import RECHECK_SECONDS, TRUST_LIST, TRUST_LIST_AUTHORITY, ReloadingTrust, read_trust
from edoc.audit.model import AuditTrust, has_exchange_role
from keys.authority import DemonstrationAuthority
from keys.errors import (
    CertificateFormatError,
    CertificateRevokedError,
    KeysError,
    NoTrustAnchorsError,
    RevocationUnknownError,
)
from keys.memory import MemoryKey
from keys.trust import KeyPurpose
from signing.errors import TrustListError
from signing.trust_list import Listed, TrustedAs, TrustList, TrustListEntry, write_trust_list
from tests.support.exchange import NOW

DAY = timedelta(days=1)


@dataclass
class Files:
    """A trust folder, what was reported about it, and the seconds that have passed."""

    folder: Path
    authority: DemonstrationAuthority = field(
        default_factory=lambda: DemonstrationAuthority.in_memory(at=NOW - 60 * DAY)
    )
    seconds: float = 0.0
    reported: list[KeysError] = field(default_factory=list)

    def publish(self) -> None:
        for number, crl in enumerate(self.authority.crls(at=NOW, next_update=NOW + DAY)):
            (self.folder / "crls" / f"{number}.crl").write_bytes(crl.public_bytes(Encoding.DER))

    def open(self) -> ReloadingTrust:
        seen = self.folder / "seen"
        return ReloadingTrust(self.folder, lambda: self.seconds, self.reported.append, clock=lambda: NOW, seen=seen)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    for name in ("anchors", "crls"):
        (tmp_path / name).mkdir()
    (tmp_path / "anchors" / "root.pem").write_bytes(made.authority.root.public_bytes(Encoding.PEM))
    made.publish()
    return made


def test_files_are_looked_at_once_a_second(files: Files) -> None:
    trust = files.open()
    first = trust()
    (files.folder / "crls" / "1.crl").unlink()
    assert trust() is first
    files.seconds += RECHECK_SECONDS
    assert trust() is not first


def test_files_that_did_not_change_are_not_read_again(files: Files) -> None:
    trust = files.open()
    first = trust()
    files.seconds += 100
    assert trust() is first


def test_a_new_crl_counts_at_once(files: Files) -> None:
    key = files.authority.issue_seal("H29.1", "Sở Ví dụ", at=NOW - DAY)
    trust = files.open()
    trust().validate(key.certificate, intermediates=key.chain, at=NOW, usage=KeyPurpose.SEAL)
    files.authority.revoke(key.certificate.serial_number, at=NOW)
    files.publish()
    with pytest.raises(CertificateRevokedError):
        trust.refresh().validate(key.certificate, intermediates=key.chain, at=NOW, usage=KeyPurpose.SEAL)


def test_a_damaged_file_leaves_what_was_read_in_force_and_is_reported(files: Files) -> None:
    trust = files.open()
    first = trust()
    path = files.folder / "crls" / "0.crl"
    good = path.read_bytes()
    path.write_bytes(good[:100])
    assert trust.refresh() is first
    assert isinstance(trust.failure, CertificateFormatError)
    assert str(path) in str(trust.failure)
    assert trust.refresh() is first
    assert len(files.reported) == 1, "told once, not with every look"
    path.write_bytes(good)
    assert trust.refresh() is not first
    assert trust.failure is None


def test_anchors_that_are_gone_take_nothing_away(files: Files) -> None:
    trust = files.open()
    first = trust()
    (files.folder / "anchors" / "root.pem").unlink()
    assert trust.refresh() is first
    assert isinstance(trust.failure, NoTrustAnchorsError)


def test_nothing_starts_without_anchors(tmp_path: Path) -> None:
    with pytest.raises(NoTrustAnchorsError):
        Files(tmp_path).open()


def test_intermediates_help_to_find_a_path(files: Files) -> None:
    key = files.authority.issue_seal("H29.1", "Sở Ví dụ", at=NOW - DAY)
    trust = files.open()
    with pytest.raises(KeysError):
        trust().validate(key.certificate, at=NOW, usage=KeyPurpose.SEAL)
    (files.folder / "intermediates").mkdir()
    (files.folder / "intermediates" / "issuing.pem").write_bytes(files.authority.issuing.public_bytes(Encoding.PEM))
    path = trust.refresh().validate(key.certificate, at=NOW, usage=KeyPurpose.SEAL)
    assert len(path.certificates) == 3


def test_without_crls_nothing_is_called_valid(files: Files) -> None:
    for path in (files.folder / "crls").iterdir():
        path.unlink()
    key = files.authority.issue_seal("H29.1", "Sở Ví dụ", at=NOW - DAY)
    with pytest.raises(RevocationUnknownError):
        files.open()().validate(key.certificate, intermediates=key.chain, at=NOW, usage=KeyPurpose.SEAL)


@pytest.mark.parametrize(
    "name", ["anchors/pipe.pem", "intermediates/pipe.crt", "crls/pipe.crl", TRUST_LIST, TRUST_LIST_AUTHORITY]
)
def test_a_pipe_in_the_folder_is_refused_by_name_and_not_waited_for(files: Files, name: str) -> None:
    (files.folder / "intermediates").mkdir()
    os.mkfifo(files.folder / name)
    with pytest.raises(CertificateFormatError, match=f"{name} cannot be read: it is no regular file"):
        read_trust(files.folder)


def test_a_device_in_the_folder_is_refused_by_name(files: Files) -> None:
    (files.folder / "crls" / "zero.crl").symlink_to("/dev/zero")
    with pytest.raises(CertificateFormatError, match=r"zero\.crl cannot be read: it is no regular file"):
        read_trust(files.folder)


def test_a_pipe_in_a_plain_folder_of_certificates_is_refused_by_name(files: Files) -> None:
    plain = files.folder / "plain"
    plain.mkdir()
    (plain / "root.pem").write_bytes(files.authority.root.public_bytes(Encoding.PEM))
    os.mkfifo(plain / "pipe.crl")
    with pytest.raises(CertificateFormatError, match=r"pipe\.crl cannot be read: it is no regular file"):
        read_audit_trust(plain, NOW)


@dataclass
class Listing:
    """A trust list in the folder, and the keys that it stands on."""

    files: Files
    seal: x509.Certificate
    signer: MemoryKey

    def write(self, number: int = 1, issued: datetime = NOW, *, signer: MemoryKey | None = None) -> None:
        """Put a list that names the seal, the root and the issuing CA in place."""
        entries = (
            (TrustedAs.EXCHANGE_SEAL, self.seal),
            (TrustedAs.ISSUING_AUTHORITY, self.files.authority.issuing),
        )
        named = tuple(TrustListEntry(kind, each, each.not_valid_before_utc, None) for kind, each in entries)
        made = TrustList("Trục", number, issued, issued + 30 * DAY, named)
        (self.files.folder / TRUST_LIST).write_bytes(write_trust_list(made, signer or self.signer))

    def vouch(self, *certificates: x509.Certificate) -> None:
        """Say who may sign the list."""
        data = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
        (self.files.folder / TRUST_LIST_AUTHORITY).write_bytes(data)

    def believed(self, now: datetime = NOW, named: datetime | None = None) -> AuditTrust:
        """What a command believes that reads the folder once."""
        return read_trust(self.files.folder).audit_trust(now, named)


@pytest.fixture
def listing(files: Files) -> Listing:
    at = NOW - DAY
    seal = files.authority.issue_exchange_seal("Trục", at=at).certificate
    made = Listing(files, seal, files.authority.issue_trust_list_signer("Trục", at=at))
    made.vouch(made.signer.certificate)
    made.write()
    return made


def test_the_trust_list_names_the_exchanges_seals_and_helps_to_find_paths(listing: Listing) -> None:
    trust = listing.believed()
    stranger = listing.files.authority.issue_exchange_seal("Kẻ khác", at=NOW - DAY).certificate
    assert has_exchange_role(stranger)
    assert trust.exchange_seal(listing.seal, NOW) is Listed.HOLDS
    assert trust.exchange_seal(stranger, NOW) is Listed.NEVER
    assert trust.intermediates == (listing.files.authority.issuing,)
    assert trust.anchors.certificates == (listing.files.authority.root,)


def test_a_folder_without_trust_list_believes_what_certificates_say_of_themselves(files: Files) -> None:
    trust = read_trust(files.folder).audit_trust(NOW)
    assert trust.trust_list is None
    seal = files.authority.issue_exchange_seal("Trục", at=NOW - DAY).certificate
    assert trust.exchange_seal(seal, NOW) is Listed.HOLDS


@pytest.mark.parametrize(("gone", "reason"), [(TRUST_LIST, "is missing"), (TRUST_LIST_AUTHORITY, "says who may sign")])
def test_half_a_trust_list_is_none_and_is_not_passed_over(listing: Listing, gone: str, reason: str) -> None:
    (listing.files.folder / gone).unlink()
    with pytest.raises(TrustListError, match=reason):
        listing.believed()


def test_a_stale_list_is_refused_unless_the_reader_asks_about_its_own_time(listing: Listing) -> None:
    late = NOW + 31 * DAY
    with pytest.raises(TrustListError, match="get the current one"):
        listing.believed(late)
    with pytest.raises(TrustListError, match="get the current one"):
        listing.believed(late, named=NOW - DAY)
    trust = listing.believed(late, named=NOW + DAY)
    assert trust.exchange_seal(listing.seal, NOW + DAY) is Listed.HOLDS


def test_a_verdict_about_the_past_uses_the_list_of_now(listing: Listing) -> None:
    assert listing.believed(NOW, named=NOW - 200 * DAY).trust_list is not None


def test_a_list_by_another_key_of_the_same_authority_is_refused(listing: Listing) -> None:
    other = listing.files.authority.issue_trust_list_signer("Trục", at=NOW - DAY)
    listing.write(signer=other)
    with pytest.raises(TrustListError, match="not signed by its authority"):
        listing.believed()


def test_a_list_by_a_revoked_key_is_refused(listing: Listing) -> None:
    listing.files.authority.revoke(listing.signer.certificate.serial_number, at=NOW - timedelta(hours=1))
    listing.files.publish()
    (listing.files.folder / "intermediates").mkdir()
    issuing = listing.files.authority.issuing.public_bytes(Encoding.PEM)
    (listing.files.folder / "intermediates" / "issuing.pem").write_bytes(issuing)
    with pytest.raises(TrustListError, match="is revoked"):
        listing.believed(NOW + timedelta(hours=1))


@pytest.mark.parametrize("with_issuer", [True, False])
def test_a_list_by_a_key_that_was_revoked_later_is_refused_whatever_time_is_named(
    listing: Listing, *, with_issuer: bool
) -> None:
    listing.files.authority.revoke(listing.signer.certificate.serial_number, at=NOW - timedelta(hours=1))
    listing.files.publish()
    if with_issuer:
        (listing.files.folder / "intermediates").mkdir()
        issuing = listing.files.authority.issuing.public_bytes(Encoding.PEM)
        (listing.files.folder / "intermediates" / "issuing.pem").write_bytes(issuing)
    listing.write(issued=NOW - timedelta(hours=3))
    with pytest.raises(TrustListError, match="is revoked"):
        listing.believed(NOW + timedelta(hours=1), named=NOW - timedelta(hours=2))
    with pytest.raises(TrustListError, match="is revoked"):
        listing.believed(NOW + 40 * DAY, named=NOW - timedelta(hours=2))


def test_a_crl_that_the_issuer_did_not_sign_revokes_no_key_of_a_list(listing: Listing) -> None:
    (listing.files.folder / "intermediates").mkdir()
    issuing = listing.files.authority.issuing.public_bytes(Encoding.PEM)
    (listing.files.folder / "intermediates" / "issuing.pem").write_bytes(issuing)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(listing.files.authority.issuing.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(listing.signer.certificate.serial_number)
            .revocation_date(NOW)
            .build()
        )
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    (listing.files.folder / "crls" / "forged.crl").write_bytes(crl.public_bytes(Encoding.DER))
    assert listing.believed().trust_list is not None


@pytest.mark.parametrize("by_new", [True, False])
def test_while_the_lists_key_is_renewed_lists_by_both_keys_hold(listing: Listing, *, by_new: bool) -> None:
    new = listing.files.authority.issue_trust_list_signer("Trục", at=NOW - DAY)
    listing.vouch(new.certificate, listing.signer.certificate)
    listing.write(2, signer=new if by_new else listing.signer)
    trust_list = listing.believed().trust_list
    assert trust_list is not None
    assert trust_list.sequence == 2


def test_a_running_exchange_reads_a_new_list_and_refuses_an_older_one(listing: Listing) -> None:
    trust, folder = listing.files.open(), listing.files.folder
    listing.write(3)
    listing.files.seconds += RECHECK_SECONDS
    assert trust.audit_trust(NOW, None, has_exchange_role).trust_list.sequence == 3  # type: ignore[union-attr]
    listing.write(2)
    listing.files.seconds += RECHECK_SECONDS
    with pytest.raises(TrustListError, match="has number 2, but 3 was seen before"):
        trust.audit_trust(NOW, None, has_exchange_role)
    (folder / TRUST_LIST).write_bytes(b"<x/>")
    listing.files.seconds += RECHECK_SECONDS
    with pytest.raises(TrustListError):
        trust.audit_trust(NOW, None, has_exchange_role)
    assert trust.failure is None, "letters are accepted still"


def test_an_older_list_is_refused_by_a_process_that_never_saw_the_newer_one(listing: Listing) -> None:
    listing.write(3)
    listing.files.open()  # judges no file
    listing.write(2)
    restarted = listing.files.open()
    with pytest.raises(TrustListError, match="has number 2, but 3 was seen before"):
        restarted.audit_trust(NOW, None, has_exchange_role)


def test_a_list_is_noted_when_the_folder_is_read_and_counts_in_all_processes(listing: Listing) -> None:
    one, two = listing.files.open(), listing.files.open()
    listing.write(12)
    one.refresh()
    assert two.audit_trust(NOW, None, has_exchange_role).trust_list.sequence == 12, "not refused as too old"  # type: ignore[union-attr]
    listing.write(9)
    two.refresh()
    with pytest.raises(TrustListError, match="has number 9, but 12 was seen before"):
        two.audit_trust(NOW, None, has_exchange_role)
    assert [path.name.rpartition("-")[2] for path in (listing.files.folder / "seen").iterdir()] == ["12"]


def test_a_list_that_its_authority_did_not_sign_is_not_noted(listing: Listing) -> None:
    other = listing.files.authority.issue_trust_list_signer("Trục", at=NOW - DAY)
    listing.write(99, signer=other)
    trust = listing.files.open()
    listing.write(2)
    trust.refresh()
    assert trust.audit_trust(NOW, None, has_exchange_role).trust_list.sequence == 2  # type: ignore[union-attr]


def test_numbers_that_cannot_be_kept_are_reported_and_count_in_this_process(listing: Listing) -> None:
    (listing.files.folder / "seen").write_bytes(b"no folder")
    listing.write(3)
    trust = listing.files.open()
    assert any("cannot be kept" in str(each) for each in listing.files.reported)
    listing.write(2)
    listing.files.seconds += RECHECK_SECONDS
    with pytest.raises(TrustListError, match="3 was seen before"):
        trust.audit_trust(NOW, None, has_exchange_role)
