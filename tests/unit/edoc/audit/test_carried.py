"""Certificates and CRLs of an export: read within limits, each once, and bad ones told by their file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edoc.audit.carried import CERTIFICATE_LIMITS, CRL_LIMITS, Carried, carried_certificates, carried_crls
from edoc.audit.files import verify_file
from edoc.audit.model import AuditTime, AuditTrust, CheckName, Outcome
from edoc.envelope.limits import MOST_RECIPIENTS
from edoc.export import layout
from signing.asice import ContainerFile, Member, SourceStream, open_container, write_container
from signing.xml import MemorySource
from tests.support.pki import NOW, Pki, pem
from tests.support.signing_keys import SIGNING_TIME, signing_key


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def container(folder: str, files: Sequence[bytes]) -> bytes:
    members = [
        ContainerFile(f"{folder}{hashlib.sha256(data).hexdigest()}.bin", "text/plain", SourceStream(MemorySource(data)))
        for data in files
    ]
    out = io.BytesIO()
    write_container(out, members, key=signing_key(), signing_time=SIGNING_TIME)
    return out.getvalue()


def members(folder: str, files: Sequence[bytes]) -> tuple[Member, ...]:
    return open_container(container(folder, files)).members


def certificates(pki: Pki, number: int) -> list[x509.Certificate]:
    key = pki.root.private_key
    return [pki.certificate(f"No {at}", issuer=pki.root, key=key).certificate for at in range(number)]


def ders(found: Sequence[x509.Certificate]) -> list[bytes]:
    return [each.public_bytes(Encoding.DER) for each in found]


def told(carried: Carried[x509.Certificate] | Carried[x509.CertificateRevocationList]) -> list[tuple[str, str]]:
    assert {(each.name, each.outcome) for each in carried.checks} <= {(CheckName.FORMAT, Outcome.BAD)}
    return [(each.subject, each.reason) for each in carried.checks]


def test_the_limits_leave_room_for_the_largest_true_export() -> None:
    assert CERTIFICATE_LIMITS.most >= 4 * MOST_RECIPIENTS
    assert CERTIFICATE_LIMITS.bytes_together >= CERTIFICATE_LIMITS.most * (12 << 10)


def test_as_many_as_the_limit_are_read_and_of_more_the_limit_is_told(pki: Pki) -> None:
    limits = replace(CERTIFICATE_LIMITS, most=3)
    files = ders(certificates(pki, 4))
    enough = carried_certificates(members(layout.CERTIFICATES, files[:3]), limits)
    assert (ders(enough.found), told(enough)) == (files[:3], [])
    beyond = carried_certificates(members(layout.CERTIFICATES, files), limits)
    reason = "the export carries more than 3 certificates; those beyond were not read"
    assert (ders(beyond.found), told(beyond)) == (files[:3], [(layout.CERTIFICATES, reason)])


def test_certificates_in_bundles_are_counted_one_by_one(pki: Pki) -> None:
    limits = replace(CERTIFICATE_LIMITS, most=2)
    found = certificates(pki, 3)
    carried = carried_certificates(members(layout.CERTIFICATES, [pem(found[:2]), pem(found[2:])]), limits)
    assert (len(carried.found), len(carried.checks)) == (2, 1)


def test_files_that_cannot_be_read_count_as_well() -> None:
    limits = replace(CERTIFICATE_LIMITS, most=2)
    carried = carried_certificates(members(layout.CERTIFICATES, [b"0", b"1", b"2", b"3"]), limits)
    assert [subject for subject, _ in told(carried)][2:] == [layout.CERTIFICATES]


def test_a_certificate_that_is_of_no_use_to_anybody_is_set_aside_with_a_note(pki: Pki) -> None:
    (good,) = certificates(pki, 1)
    der = bytearray(good.public_bytes(Encoding.DER))
    while der[-1] & 1:  # one whose last bit can be said to be unused
        (good,) = certificates(pki, 1)
        der = bytearray(good.public_bytes(Encoding.DER))
    der[-len(good.signature) - 1] = 1
    files = [bytes(der), good.public_bytes(Encoding.DER)]
    carried = carried_certificates(members(layout.CERTIFICATES, files))
    assert carried.found == (good,)
    (note,) = carried.checks
    assert (note.name, note.outcome) == (CheckName.FORMAT, Outcome.NOTE)
    assert hashlib.sha256(der).hexdigest() in note.subject
    assert "set aside" in note.reason


def test_the_same_certificate_under_another_digest_was_altered(pki: Pki) -> None:
    (good,) = certificates(pki, 1)
    der = good.public_bytes(Encoding.DER)
    out = io.BytesIO()
    file = ContainerFile(f"{layout.CERTIFICATES}{'0' * 64}.cer", "text/plain", SourceStream(MemorySource(der)))
    write_container(out, [file], key=signing_key(), signing_time=SIGNING_TIME)
    carried = carried_certificates(open_container(out.getvalue()).members)
    assert (carried.found, [outcome.outcome for outcome in carried.checks]) == ((), [Outcome.BAD])


def test_a_file_holds_no_more_than_a_chain(pki: Pki) -> None:
    found = certificates(pki, CERTIFICATE_LIMITS.most_in_file + 1)
    carried = carried_certificates(members(layout.CERTIFICATES, [pem(found[:-1])]))
    assert (carried.found, told(carried)) == (tuple(found[:-1]), [])
    carried = carried_certificates(members(layout.CERTIFICATES, [pem(found)]))
    assert carried.found == ()
    assert told(carried)[0][1] == "it cannot be used: it has more than 8 PEM blocks"
    crls = pem_of(pki.crl()) * (CRL_LIMITS.most_in_file + 1)
    assert "more than 8 PEM blocks" in told(carried_crls(members(layout.CRLS, [crls])))[0][1]


def pem_of(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(Encoding.PEM)


def test_what_was_read_is_not_parsed_again(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = certificates(pki, 1)
    parsed: list[bytes] = []
    load, load_crl = x509.load_pem_x509_certificate, x509.load_pem_x509_crl

    def counted(data: bytes) -> x509.Certificate:
        parsed.append(data)
        return load(data)

    def counted_crl(data: bytes) -> x509.CertificateRevocationList:
        parsed.append(data)
        return load_crl(data)

    monkeypatch.setattr(x509, "load_pem_x509_certificate", counted)
    monkeypatch.setattr(x509, "load_pem_x509_crl", counted_crl)
    files = [pem([one, one]) + b"#%d" % at for at in range(3)]
    carried = carried_certificates(members(layout.CERTIFICATES, files))
    assert (carried.found, told(carried), len(parsed)) == ((one,), [], 1)
    crl = pem_of(pki.crl())
    files = [crl * 2 + b"#%d" % at for at in range(3)]
    carried_twice = carried_crls(members(layout.CRLS, files))
    assert (len(carried_twice.found), told(carried_twice), len(parsed)) == (1, [], 2)


def test_a_large_file_is_refused_before_it_is_read(pki: Pki) -> None:
    der = ders(certificates(pki, 1))[0]
    just_enough = replace(CERTIFICATE_LIMITS, file_bytes=len(der), bytes_together=len(der))
    assert ders(carried_certificates(members(layout.CERTIFICATES, [der]), just_enough).found) == [der]
    large = carried_certificates(members(layout.CERTIFICATES, [der]), replace(CERTIFICATE_LIMITS, file_bytes=100))
    assert told(large)[0][1] == f"it cannot be used: it has {len(der)} bytes, more than 100"


def test_of_crls_number_and_bytes_together_are_limited(pki: Pki) -> None:
    files = [pki.crl(this_update=NOW - timedelta(hours=at + 1)).public_bytes(Encoding.DER) for at in range(3)]
    carried = carried_crls(members(layout.CRLS, files), replace(CRL_LIMITS, most=2))
    reason = "the export carries more than 2 CRLs; those beyond were not read"
    assert (len(carried.found), told(carried)) == (2, [(layout.CRLS, reason)])
    most = sum(len(each) for each in files) - 1
    carried = carried_crls(members(layout.CRLS, files), replace(CRL_LIMITS, bytes_together=most))
    reason = f"the export carries CRLs of more than {most} bytes; those beyond were not read"
    assert (len(carried.found), told(carried)) == (2, [(layout.CRLS, reason)])


@pytest.mark.parametrize("folder", [layout.CERTIFICATES, layout.CRLS])
def test_the_audit_of_an_export_tells_the_limit_once(pki: Pki, folder: str) -> None:
    limit = 4096
    export = container(folder, [b"%d" % at for at in range(limit + 2)])
    trust = AuditTrust(pki.anchors())
    report = verify_file(MemorySource(export), "x", trust, AuditTime(NOW, given=False))
    assert [each.subject for each in report.checks if "those beyond were not read" in each.reason] == [folder]
