"""What an export holds: the certificates and CRLs of the paths found good, and every state that was taken on."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self, cast
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from edoc.archive.objects import ObjectStore
from edoc.audit.carried import CERTIFICATE_LIMITS, CRL_LIMITS
from edoc.audit.model import Outcome
from edoc.delivery.states import MAX_REPORTS
from edoc.documents import content
from edoc.documents.content import open_attachment
from edoc.envelope import codec
from edoc.envelope.limits import MOST_ATTACHMENTS, MOST_RECIPIENTS, MessageLimits
from edoc.errors import ObjectNotFoundError
from edoc.export import layout
from edoc.export.container import MAX_STATUS_BYTES
from edoc.export.paths import Paths
from keys.certificates import CertificateRole, check_readable
from keys.errors import CertificateFormatError
from keys.memory import MemoryKey
from keys.revocation import RevocationData
from keys.trust import PathValidator
from signing.xml import XmlLimits
from signing.zip import MAX_MEMBERS, ZipLimits
from tests.support.pki import DAY, NOW, YEAR, private_key, role_policy
from tests.support.services import OFFICE, OTHER_WARD, WARD, SmallExchange, attachment, letter, status

HEADER_END = b"</edXML:edXMLHeader>"
TRACES_END = b"</edXML:TraceHeaderList>"
KEY_INFO_END = b"</ds:X509Data>"


def odd_certificate() -> bytes:
    """A stranger's certificate that can be read, but whose signature has an unused bit."""
    key = private_key("P-256", 60)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Stranger")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - YEAR)
        .not_valid_after(NOW + YEAR)
    )
    made = builder.sign(key, hashes.SHA256())
    while made.signature[-1] & 1:  # the last bit must be one that can be said to be unused
        made = builder.sign(key, hashes.SHA256())
    der = bytearray(made.public_bytes(Encoding.DER))
    der[-len(made.signature) - 1] = 1  # the octet that counts the unused bits
    with pytest.raises(CertificateFormatError):
        check_readable(x509.load_der_x509_certificate(bytes(der)))
    return bytes(der)


def stray_signature(der: bytes) -> bytes:
    text = base64.b64encode(der)
    return (
        b'<x:Extra xmlns:x="urn:x"><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:KeyInfo><ds:X509Data>'
        b"<ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature></x:Extra>" % text
    )


def before(data: bytes, place: bytes, more: bytes) -> bytes:
    assert data.count(place) == 1
    return data.replace(place, more + place)


def names(export: bytes, folder: str) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        return [name for name in archive.namelist() if name.startswith(folder)]


def certificate_names(*certificates: x509.Certificate) -> set[str]:
    ders = [each.public_bytes(Encoding.DER) for each in certificates]
    return {f"{layout.CERTIFICATES}{hashlib.sha256(der).hexdigest()}.cer" for der in ders}


@pytest.mark.parametrize("place", [TRACES_END, HEADER_END])
def test_certificates_that_a_letter_carries_beside_its_seal_are_not_exported(
    small: SmallExchange, place: bytes
) -> None:
    data = before(small.sealed(letter()), place, stray_signature(odd_certificate()))
    export = small.export(small.submit(data, OFFICE).document_pk, OFFICE)
    pki = small.pki
    exchange, office = small.exchange.issuer.key.certificate, small.seals[OFFICE].certificate
    expected = certificate_names(exchange, office, pki.issuing.certificate, pki.root.certificate)
    assert set(names(export, layout.CERTIFICATES)) == expected
    assert small.audit(export).verdict is Outcome.GOOD


def test_certificates_that_a_status_carries_beside_its_seal_are_not_exported(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    data = before(small.sealed(status("03", letter())), HEADER_END, stray_signature(odd_certificate()))
    small.submit(data, WARD)
    export = small.export(pk, OFFICE)
    assert len(names(export, layout.CERTIFICATES)) == 5
    assert small.audit(export).verdict is Outcome.GOOD


def test_of_key_info_only_the_path_of_the_signer_is_exported(small: SmallExchange) -> None:
    stranger = small.pki.seal("H29.77", key=private_key("P-256", 61)).certificate.public_bytes(Encoding.DER)
    more = b"<ds:X509Certificate>%s</ds:X509Certificate>"
    key_info_start = b"<ds:X509Data>"
    data = small.sealed(letter())
    assert data.count(key_info_start) == 1
    data = data.replace(key_info_start, key_info_start + more % base64.b64encode(stranger))
    export = small.export(small.submit(data, OFFICE).document_pk, OFFICE)
    found = set(names(export, layout.CERTIFICATES))
    assert certificate_names(small.seals[OFFICE].certificate) <= found
    assert not certificate_names(x509.load_der_x509_certificate(stranger)) & found


def test_a_seal_whose_path_does_not_hold_now_adds_nothing(small: SmallExchange) -> None:
    paths, data = Paths(small.exchange.validator()), small.sealed(letter())
    paths.add_message(data, NOW - 10 * YEAR)
    paths.add_message(b"<x", NOW)
    paths.add_message(b"<x/>", NOW)
    paths.add_message(before(data, b"</ds:SignatureValue>", b"!"), NOW)
    paths.add_evidence(b"<x/>", NOW)
    assert (paths.certificates, paths.crls) == ([], [])
    paths.add_message(data, NOW)
    assert (len(paths.certificates), len(paths.crls)) == (3, 2)


def padded(small: SmallExchange, code: str, size: int, seconds: int = 0) -> bytes:
    """A sealed status, made larger by what its seal does not cover."""
    data = small.sealed(status(code, letter(), at=NOW - timedelta(seconds=seconds)))
    frame = b'<x:Extra xmlns:x="urn:x">%s</x:Extra>'
    return before(data, HEADER_END, frame % (b"ab cd" * ((size - len(data)) // 5)))


def test_a_large_status_of_the_archive_is_exported(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    policy = small.exchange.policy
    earlier = replace(policy.limits, max_status_bytes=MAX_STATUS_BYTES)
    small.exchange = replace(small.exchange, policy=replace(policy, limits=earlier))
    small.submit(padded(small, "03", 3 << 20), WARD)
    small.exchange = replace(small.exchange, policy=policy)
    assert small.audit(small.export(pk, OFFICE)).verdict is Outcome.GOOD


def test_what_is_taken_on_as_a_status_can_always_be_read_out_of_an_export() -> None:
    assert MessageLimits().max_status_bytes <= MAX_STATUS_BYTES


def without_chain(key: MemoryKey) -> MemoryKey:
    """The same key, which does not send the certificates above its own along."""
    return MemoryKey(key.private_key, key.certificate, ())


def seal_anew(small: SmallExchange, issuer: MemoryKey, **validity: datetime) -> MemoryKey:
    """Give the exchange another seal."""
    key = small.pki.certificate(
        "Document exchange",
        issuer=issuer,
        agency_code="H29",
        extensions=[(role_policy(CertificateRole.EXCHANGE_SEAL), False)],
        key=private_key("P-256", 62),
        **validity,  # type: ignore[arg-type]
    )
    issued_by = replace(small.exchange.issuer, key=without_chain(key))
    small.exchange = replace(small.exchange, issuer=issued_by)
    return key


def believe(small: SmallExchange, crls: Iterable[x509.CertificateRevocationList], *more: x509.Certificate) -> None:
    """Have the exchange judge by these CRLs, and know more authorities."""
    known = (small.pki.issuing.certificate, *more)
    validator = PathValidator(small.pki.anchors(), RevocationData(crls), intermediates=known)
    small.exchange = replace(small.exchange, validator=lambda: validator)


def test_the_path_of_the_seal_of_the_export_itself_is_in_it(small: SmallExchange) -> None:
    pk, pki = small.submit(letter()).document_pk, small.pki
    other = pki.authority("Other issuing CA", issuer=pki.root, key=private_key("P-256", 63), path_length=0)
    own = seal_anew(small, other)
    believe(small, [*pki.crls(), pki.crl(other)], other.certificate)
    export = small.export(pk, OFFICE)
    assert certificate_names(own.certificate, other.certificate) <= set(names(export, layout.CERTIFICATES))
    assert small.audit(export).verdict is Outcome.GOOD


def test_the_seal_of_an_export_is_judged_by_the_crls_of_its_own_time(small: SmallExchange) -> None:
    pk, pki, later = small.submit(letter()).document_pk, small.pki, NOW + 2 * YEAR
    seal_anew(small, pki.issuing, not_after=NOW + 4 * YEAR)
    believe(small, [*pki.crls(), *pki.crls(this_update=later, next_update=later + DAY)])
    small.clock.now = later
    assert small.audit(small.export(pk, OFFICE)).verdict is Outcome.GOOD


def test_certificates_are_exported_though_the_crls_of_their_time_are_gone(small: SmallExchange) -> None:
    pki, later, before_that = small.pki, NOW + 2 * YEAR, small.exchange.issuer.key.certificate
    small.seals[OFFICE] = without_chain(small.seals[OFFICE])
    pk = small.submit(letter()).document_pk
    own = seal_anew(small, pki.issuing, not_after=NOW + 4 * YEAR)
    believe(small, pki.crls(this_update=later, next_update=later + DAY))
    small.clock.now = later
    export = small.export(pk, OFFICE)
    office = small.seals[OFFICE].certificate
    expected = certificate_names(before_that, own.certificate, office, pki.issuing.certificate, pki.root.certificate)
    assert set(names(export, layout.CERTIFICATES)) == expected
    assert small.audit(export).verdict is Outcome.INDETERMINATE
    assert small.audit_with_crls(export).verdict is Outcome.GOOD


def gathered(small: SmallExchange, data: bytes, *crls: x509.CertificateRevocationList) -> Paths:
    """The paths of a message's seals at :data:`NOW` by these CRLs."""
    paths = Paths(PathValidator(small.pki.anchors(), RevocationData(crls)))
    paths.add_message(data, NOW)
    return paths


def test_crls_that_tell_of_a_part_of_a_path_are_exported(small: SmallExchange) -> None:
    paths = gathered(small, small.sealed(letter()), small.pki.crl(small.pki.root))
    assert (len(paths.certificates), len(paths.crls)) == (3, 1)


def test_a_seal_that_had_been_revoked_adds_nothing(small: SmallExchange) -> None:
    data = small.sealed(letter())
    small.pki.revoke(small.seals[OFFICE], NOW - 2 * DAY)
    assert gathered(small, data, *small.pki.crls()).certificates == []
    assert gathered(small, data, small.pki.crl()).certificates == []


@pytest.mark.parametrize("object_bytes", [0, 1 << 20])
def test_a_letter_is_read_and_exported_as_before_after_every_limit_was_lowered(
    small: SmallExchange, object_bytes: int
) -> None:
    policy = replace(small.exchange.policy, attachment_object_bytes=object_bytes)
    small.exchange = replace(small.exchange, policy=policy)
    files = tuple(replace(attachment(bytes(2000), f"{each}.bin"), content_id=each) for each in ("att-1", "att-2"))
    pk, at = small.submit(letter(to=(WARD, OTHER_WARD), attachments=files)).document_pk, small.clock()
    before_that = small.export(pk, OFFICE, at)
    lowered = MessageLimits(
        xml=XmlLimits(max_bytes=100),
        max_recipients=1,
        max_attachments=1,
        max_attachment_bytes=100,
        max_total_attachment_bytes=100,
    )
    small.exchange = replace(small.exchange, policy=replace(policy, limits=lowered))
    view = small.view(pk, WARD)
    for each in view.attachments:
        with open_attachment(small.exchange, view, each) as stream:
            assert stream.read() == bytes(2000)
    assert small.export(pk, OFFICE, at) == before_that


class _Read(bytes):
    """What was read out of the archive, counted while anybody holds it."""

    held = most = 0

    def __new__(cls, data: bytes) -> Self:
        cls.held += 1
        cls.most = max(cls.most, cls.held)
        return super().__new__(cls, data)

    def __del__(self) -> None:
        type(self).held -= 1


class _CountingStore:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def read(self, sha256: str, max_bytes: int) -> bytes:
        return _Read(self._store.read(sha256, max_bytes))


def test_evidence_and_states_are_read_one_at_a_time(small: SmallExchange) -> None:
    pk, number = small.submit(letter()).document_pk, 12
    for seconds in range(number):
        small.submit(status("05", letter(), at=NOW - timedelta(seconds=seconds)))
    small.work()
    small.exchange = replace(small.exchange, store=cast(ObjectStore, _CountingStore(small.exchange.store)))
    export = small.export(pk, OFFICE)
    assert len(names(export, layout.STATUS)) == number
    assert 0 < _Read.most <= 3


def evidence_of(export: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        return {name: archive.read(name) for name in names(export, layout.EVIDENCE)}


def test_evidence_is_exported_alike_before_and_after_it_is_archived(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    small.submit(status("03", letter()))
    at = small.clock()
    fresh = small.export(pk, OFFICE, at)
    assert small.work() > 0
    assert small.export(pk, OFFICE, at) == fresh
    assert len(evidence_of(fresh)) == 3


def test_evidence_that_the_archive_has_lost_ends_the_export(small: SmallExchange) -> None:
    pk: UUID = small.submit(letter()).document_pk
    small.work()
    body = next(iter(evidence_of(small.export(pk, OFFICE)).values()))
    small.exchange.store.delete(hashlib.sha256(body).hexdigest(), NOW + 40 * YEAR)
    with pytest.raises(ObjectNotFoundError):
        small.export(pk, OFFICE)


def test_the_largest_document_that_can_be_set_has_an_export_that_can_be_written_and_read() -> None:
    """For each recipient a handover, and for each report its message and the evidence of its acceptance."""
    for_recipients = MOST_RECIPIENTS * (1 + 2 * MAX_REPORTS)
    frame = len(["mimetype", "manifest", "signatures", "message", "README", "acceptance", "consignment"])
    paths = CERTIFICATE_LIMITS.most + CRL_LIMITS.most
    assert frame + MOST_ATTACHMENTS + for_recipients + paths <= ZipLimits().max_entries == MAX_MEMBERS


def test_a_name_does_not_depend_on_which_characters_are_assigned_yet() -> None:
    unassigned = chr(0x1FBFA)
    assert layout.attachment_name(0, f"a{unassigned}.pdf") == f"attachments/01-a{unassigned}.pdf"
    assert layout.attachment_name(0, "a\u200bb\u2028c\u00a0d e.pdf") == "attachments/01-a_b_c_d e.pdf"


@pytest.mark.parametrize("name", ["h\u1ecdp \U0001fadc.pdf", "a\u0378.pdf", "a\ufdd0.pdf"])
def test_a_file_whose_name_has_unassigned_characters_is_exported_and_proven(small: SmallExchange, name: str) -> None:
    file = replace(attachment(b"%PDF-1.7 new"), attachment_name=name)
    pk = small.submit(letter(attachments=(file,))).document_pk
    small.work()
    assert small.audit(small.export(pk, OFFICE)).verdict is Outcome.GOOD


def test_the_small_files_of_a_message_are_decoded_out_of_it_at_once(
    small: SmallExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files = (replace(attachment(b"%%PDF-1.7 %d" % number), content_id=f"a{number}") for number in range(9))
    pk = small.submit(letter(attachments=tuple(small_files))).document_pk
    decoded: list[object] = []
    true_decode = codec.decode

    def counted(*arguments: Any) -> codec.DecodedMessage:
        decoded.append(arguments)
        return true_decode(*arguments)

    monkeypatch.setattr(content, "decode", counted)
    export = small.export(pk, OFFICE)
    assert len(names(export, layout.ATTACHMENTS)) == 9
    assert len(decoded) == 1
