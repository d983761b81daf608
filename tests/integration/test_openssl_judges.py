"""``openssl verify -crl_check_all`` comes to our verdict, wherever its rules are ours.

It knows no verdict about the past: it refuses a CRL issued after the time of interest, and takes what a CRL lists for
revoked whatever the date. There it is given the CRL of the time.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from keys.authority import DemonstrationAuthority, KeyAlgorithm
from keys.errors import PathError
from keys.memory import MemoryKey
from keys.pkcs12 import write_pkcs12
from keys.revocation import RevocationData
from keys.trust import KeyPurpose, PathValidator, TrustAnchors
from tests.support.pki import DAY, NOW, Pki, pem, private_key

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


def openssl_accepts(
    folder: Path,
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    root: x509.Certificate,
    crls: Sequence[x509.CertificateRevocationList],
    at: datetime,
) -> bool:
    (folder / "root.pem").write_bytes(pem([root]))
    (folder / "chain.pem").write_bytes(pem(intermediates))
    (folder / "signer.pem").write_bytes(pem([certificate]))
    (folder / "crls.pem").write_bytes(b"".join(crl.public_bytes(serialization.Encoding.PEM) for crl in crls))
    command = ["openssl", "verify", "-x509_strict", "-auth_level", "2", "-crl_check_all"]
    command += ["-attime", str(int(at.timestamp())), "-no-CAfile", "-no-CApath", "-CAfile", "root.pem"]
    command += ["-untrusted", "chain.pem", "-CRLfile", "crls.pem", "signer.pem"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)
    assert answer.returncode in (0, 1, 2), answer.stderr
    return answer.returncode == 0


def we_accept(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    root: x509.Certificate,
    crls: Sequence[x509.CertificateRevocationList],
    at: datetime,
) -> bool:
    validator = PathValidator(TrustAnchors([root]), RevocationData(crls))
    try:
        validator.validate(certificate, intermediates=intermediates, at=at, usage=KeyPurpose.SEAL)
    except PathError:
        return False
    return True


def below_long_path(pki: Pki) -> MemoryKey:
    return pki.certificate("Too deep", issuer=pki.authority("Lower CA", issuer=pki.issuing))


_KEYS: list[tuple[str, Callable[[Pki], MemoryKey], bool]] = [
    ("good", Pki.seal, True),
    ("good RSA", lambda pki: pki.seal(key=private_key("RSA-2048")), True),
    ("expired", Pki.expired, False),
    ("not yet valid", Pki.not_yet_valid, False),
    ("revoked", lambda pki: pki.revoked_seal(NOW - 2 * DAY), False),
    ("RSA of 1024 bits", Pki.weak_rsa, False),
    ("SHA-1", Pki.sha1_signed, False),
    ("forged", Pki.wrong_issuer, False),
    ("issued by a seal", Pki.issued_by_seal, False),
    ("too deep", below_long_path, False),
]


@pytest.mark.parametrize("algorithm", ["P-256", "P-384", "RSA-2048"])
@pytest.mark.parametrize(("make", "good"), [each[1:] for each in _KEYS], ids=[each[0] for each in _KEYS])
def test_openssl_agrees_about_certificates(
    tmp_path: Path, algorithm: str, make: Callable[[Pki], MemoryKey], *, good: bool
) -> None:
    pki = Pki(algorithm)
    key = make(pki)
    chain = key.chain or (pki.issuing.certificate,)
    intermediates = [each for each in chain if each != pki.root.certificate] or [pki.issuing.certificate]
    crls = pki.crls()
    facts = (key.certificate, intermediates, pki.root.certificate, crls, NOW)
    assert we_accept(*facts) is good
    assert openssl_accepts(tmp_path, *facts) is good


@pytest.mark.parametrize(
    ("which", "good"),
    [
        ("fresh", True),
        ("none", False),
        ("root only", False),
        ("issuing only", False),
        ("stale", False),
        ("forged", False),
    ],
)
def test_openssl_agrees_about_crls(tmp_path: Path, which: str, *, good: bool) -> None:
    pki = Pki()
    root, issuing = pki.crls()
    crls = {
        "fresh": [root, issuing],
        "none": [],
        "root only": [root],
        "issuing only": [issuing],
        "stale": list(pki.crls(this_update=NOW - 9 * DAY, next_update=NOW - DAY)),
        "forged": [root, pki.crl(signer=private_key("P-256", 99))],
    }[which]
    facts = (pki.seal().certificate, [pki.issuing.certificate], pki.root.certificate, crls, NOW)
    assert we_accept(*facts) is good
    assert openssl_accepts(tmp_path, *facts) is good


@pytest.mark.parametrize("offset", [-2 * DAY, -timedelta(seconds=1), timedelta(0), timedelta(seconds=1), 2 * DAY])
def test_openssl_agrees_around_the_moment_of_revocation(tmp_path: Path, offset: timedelta) -> None:
    """Each time with the CRLs of that moment; afterwards our verdict stays the same with the newest CRL alone."""
    pki = Pki()
    seal = pki.revoked_seal(NOW)
    at = NOW + offset
    facts = (seal.certificate, [pki.issuing.certificate], pki.root.certificate)
    then = pki.crls(this_update=at, next_update=at + DAY)
    newest = pki.crls(this_update=NOW + 30 * DAY, next_update=NOW + 60 * DAY)
    expected = offset < timedelta(0)
    assert we_accept(*facts, then, at) is expected
    assert openssl_accepts(tmp_path, *facts, then, at) is expected
    assert we_accept(*facts, newest, at) is expected


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_openssl_accepts_what_the_demonstration_authority_issues(tmp_path: Path, algorithm: KeyAlgorithm) -> None:
    authority = DemonstrationAuthority.in_memory(at=NOW - DAY, algorithm=algorithm)
    seal = authority.issue_seal("H29.1", "Văn phòng Ủy ban nhân dân", at=NOW - DAY, algorithm=algorithm)
    crls = authority.crls(at=NOW - DAY, next_update=NOW + DAY)
    facts = (seal.certificate, [authority.issuing], authority.root)
    assert openssl_accepts(tmp_path, *facts, crls, NOW)
    authority.revoke(seal.certificate.serial_number, at=NOW)
    assert not openssl_accepts(tmp_path, *facts, authority.crls(at=NOW, next_update=NOW + DAY), NOW)


def test_openssl_reads_the_key_files_we_write(tmp_path: Path) -> None:
    seal = Pki().seal()
    write_pkcs12(tmp_path / "seal.p12", seal, b"a password")
    command = ["openssl", "pkcs12", "-in", "seal.p12", "-passin", "pass:a password", "-noenc", "-info"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)
    assert "BEGIN PRIVATE KEY" in answer.stdout
    assert answer.stdout.count("BEGIN CERTIFICATE") == 3
    assert "PBES2, PBKDF2, AES-256-CBC, Iteration 600000, PRF hmacWithSHA256" in answer.stderr
