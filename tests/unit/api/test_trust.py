"""Trust anchors and CRLs are renewed while the program runs, and a bad file never takes away what was good."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from api.trust import RECHECK_SECONDS, ReloadingTrust
from keys.authority import DemonstrationAuthority
from keys.errors import (
    CertificateFormatError,
    CertificateRevokedError,
    KeysError,
    NoTrustAnchorsError,
    RevocationUnknownError,
)
from keys.trust import KeyPurpose
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
        return ReloadingTrust(self.folder, lambda: self.seconds, self.reported.append)


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
