"""Trust lists: read only as the given authority signed them, and only while they are current."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.signer import XMLSigner

from keys.profile import TRUST_LIST_SIGNING
from keys.store import DigestAlgorithm, SigningKey
from signing import trust_list as module
from signing.errors import TrustListError
from signing.namespaces import DS
from signing.trust_list import (
    Listed,
    TrustedAs,
    TrustList,
    TrustListEntry,
    read_trust_list,
    verify_trust_list,
    write_trust_list,
)
from signing.xml import XmlLimits, parse
from tests.support.pki import ISSUING, SEALING, Pki, of_unknown_version
from tests.support.signing_keys import PlainKey, root_certificate, signing_key

ISSUED = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
AUTHORITY = "RSA-2048"
SEALING_ONLY = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")


def entries() -> tuple[TrustListEntry, ...]:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    return (
        TrustListEntry(TrustedAs.TRUST_ANCHOR, root_certificate(), start, None),
        TrustListEntry(TrustedAs.EXCHANGE_SEAL, signing_key("P-384").certificate, start, NOW),
        TrustListEntry(TrustedAs.EXCHANGE_SEAL, signing_key("P-256").certificate, NOW, NOW + timedelta(days=365)),
        TrustListEntry(TrustedAs.ISSUING_AUTHORITY, root_certificate(), start, None),
    )


def trust_list() -> TrustList:
    return TrustList("Văn phòng <Ủy ban> & Sở", 7, ISSUED, ISSUED + timedelta(days=30), entries())


def read(data: bytes, *, authority: SigningKey | None = None, at: datetime = NOW, min_sequence: int = 1) -> TrustList:
    certificate = (authority or signing_key(AUTHORITY)).certificate
    return read_trust_list(data, authority=certificate, at=at, min_sequence=min_sequence)


@pytest.mark.parametrize("kind", ["RSA-2048", "P-256", "P-384"])
@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_list_is_read_back_equal(kind: str, digest: DigestAlgorithm) -> None:
    data = write_trust_list(trust_list(), signing_key(kind), digest)
    assert read(data, authority=signing_key(kind)) == trust_list()


def test_certificates_are_those_relied_upon_at_the_time() -> None:
    found = trust_list()
    before = NOW - timedelta(seconds=1)
    assert found.certificates(TrustedAs.EXCHANGE_SEAL, before) == (signing_key("P-384").certificate,)
    assert found.certificates(TrustedAs.EXCHANGE_SEAL, NOW) == (signing_key("P-256").certificate,)
    assert found.certificates(TrustedAs.EXCHANGE_SEAL, NOW + timedelta(days=365)) == ()
    assert found.certificates(TrustedAs.TRUST_ANCHOR, NOW) == (root_certificate(),)


def test_times_are_written_in_utc() -> None:
    hanoi = timezone(timedelta(hours=7))
    data = write_trust_list(replace(trust_list(), issued_at=ISSUED.astimezone(hanoi)), signing_key(AUTHORITY))
    assert b'IssuedAt="2026-03-01T00:00:00Z"' in data


def test_list_by_another_key_is_refused_even_with_the_authority_in_its_chain() -> None:
    authority = signing_key(AUTHORITY)
    other = signing_key(AUTHORITY, 1)
    forged = PlainKey(other.private_key, other.certificate, (authority.certificate, root_certificate()))
    with pytest.raises(TrustListError, match="not signed by its authority"):
        read(write_trust_list(trust_list(), forged))


def test_certificate_in_the_file_is_never_trusted() -> None:
    authority = signing_key(AUTHORITY)
    other = signing_key(AUTHORITY, 1)
    mislabelled = PlainKey(other.private_key, authority.certificate, ())
    with pytest.raises(TrustListError, match="not signed by its authority"):
        read(write_trust_list(trust_list(), mislabelled))


CHANGES: dict[str, tuple[bytes, bytes]] = {
    "sequence": (b'Sequence="7"', b'Sequence="8"'),
    "meaning": (b"ExchangeSeal", b"TrustAnchor"),
    "end": (b"2027-03-02", b"2037-03-02"),
    "next update": (b'NextUpdate="2026', b'NextUpdate="2036'),
    "operator": ("Văn phòng".encode(), "Văn phònG".encode()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_list_is_refused(change: str) -> None:
    old, new = CHANGES[change]
    data = write_trust_list(trust_list(), signing_key(AUTHORITY))
    assert old in data
    with pytest.raises(TrustListError, match="not signed by its authority"):
        read(data.replace(old, new))


def test_entry_moved_in_from_outside_is_refused() -> None:
    root = etree.fromstring(write_trust_list(trust_list(), signing_key(AUTHORITY)))
    root.insert(0, etree.fromstring(etree.tostring(root[0])))
    with pytest.raises(TrustListError, match="not signed by its authority"):
        read(etree.tostring(root))


def test_signed_list_inside_another_element_is_refused() -> None:
    data = write_trust_list(trust_list(), signing_key(AUTHORITY))
    wrapped = b"<x>" + data[data.index(b"<TrustList") :] + b"</x>"
    with pytest.raises(TrustListError, match="not signed by its authority"):
        read(wrapped)


def test_comment_in_a_signed_text_does_not_change_what_is_read() -> None:
    data = write_trust_list(trust_list(), signing_key(AUTHORITY))
    encoded = base64.b64encode(root_certificate().public_bytes(Encoding.DER))[:40]
    commented = data.replace(encoded, encoded[:20] + b"<!-- x -->" + encoded[20:])
    assert commented != data
    assert read(commented) == trust_list()


def test_stale_early_or_superseded_list_is_refused() -> None:
    data = write_trust_list(trust_list(), signing_key(AUTHORITY))
    assert read(data, min_sequence=7) == trust_list()
    for moment in (ISSUED - timedelta(seconds=1), ISSUED + timedelta(days=30)):
        with pytest.raises(TrustListError, match="get the current one"):
            read(data, at=moment)
    with pytest.raises(TrustListError, match="8 was seen before"):
        read(data, min_sequence=8)


def test_expired_authority_is_refused() -> None:
    late = datetime(2050, 1, 1, tzinfo=UTC)
    data = write_trust_list(replace(trust_list(), next_update=late + timedelta(days=1)), signing_key(AUTHORITY))
    with pytest.raises(TrustListError, match="expired"):
        read(data, at=late)


def signed_with(xml: str, **settings: object) -> bytes:
    """Any XML, really signed by the authority."""
    authority = signing_key(AUTHORITY)
    chosen = {"c14n_algorithm": "http://www.w3.org/2001/10/xml-exc-c14n#", **settings}
    signer = XMLSigner(**chosen)  # type: ignore[arg-type]
    signed = signer.sign(etree.fromstring(xml), key=authority.private_key, cert=[authority.certificate])
    return etree.tostring(signed)


def with_entry(
    certificate: str = "", *, attributes: str = 'TrustedAs="TrustAnchor" ValidFrom="2025-01-01T00:00:00Z"'
) -> str:
    encoded = certificate or base64.b64encode(root_certificate().public_bytes(Encoding.DER)).decode()
    return f"<Certificate {attributes}>{encoded}</Certificate>"


def unsigned(inner: str, *, attributes: str | None = None) -> str:
    chosen = attributes or 'Operator="x" Sequence="1" IssuedAt="2026-03-01T00:00:00Z" NextUpdate="2026-04-01T00:00:00Z"'
    return f'<TrustList xmlns="{module.NAMESPACE}" {chosen}>{inner}</TrustList>'


ILL_FORMED: dict[str, tuple[Callable[[], str], str]] = {
    "another document": (lambda: "<x/>", "no trust list of this version"),
    "foreign element": (lambda: unsigned("<Other/>"), "no trust list of this version"),
    "empty": (lambda: unsigned(""), "empty"),
    "no sequence": (lambda: unsigned(with_entry(), attributes='Operator="x"'), "lacks the attribute Sequence"),
    "bad sequence": (lambda: unsigned(with_entry(), attributes='Operator="x" Sequence="-1"'), "no positive number"),
    "no operator": (lambda: unsigned(with_entry(), attributes='Sequence="1"'), "lacks the attribute Operator"),
    "bad time": (
        lambda: unsigned(with_entry(), attributes='Operator="x" Sequence="1" IssuedAt="2026-03-01" NextUpdate=""'),
        "no time in UTC",
    ),
    "impossible time": (
        lambda: unsigned(with_entry(attributes='TrustedAs="TrustAnchor" ValidFrom="2025-02-30T00:00:00Z"')),
        "is no time",
    ),
    "unknown meaning": (
        lambda: unsigned(with_entry(attributes='TrustedAs="Friend" ValidFrom="2025-01-01T00:00:00Z"')),
        "cannot be read",
    ),
    "no certificate": (lambda: unsigned(with_entry("QUJD")), "cannot be read"),
    "bad base64": (lambda: unsigned(with_entry("!")), "cannot be read"),
    "certificate of an unknown version": (
        lambda: unsigned(with_entry(base64.b64encode(of_unknown_version(root_certificate())).decode())),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("case", ILL_FORMED)
def test_ill_formed_list_is_refused_though_rightly_signed(case: str) -> None:
    make, reason = ILL_FORMED[case]
    with pytest.raises(TrustListError, match=reason):
        read(signed_with(make()))


def test_rightly_signed_list_of_another_writer_is_read() -> None:
    assert read(signed_with(unsigned(with_entry()))).operator == "x"


def test_refused_algorithms_are_refused_though_rightly_signed() -> None:
    for settings in ({"digest_algorithm": "sha224"}, {"signature_algorithm": "rsa-sha224"}):
        with pytest.raises(TrustListError, match="forbidden by configuration"):
            read(signed_with(unsigned(with_entry()), **settings))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<x",
        b"\xff\xfe<x/>",
        b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>',
        b"<x/>",
        b"<a>" * 20 + b"</a>" * 20,
        b"<x>" + b"y" * (3 << 20) + b"</x>",
        f'<x><s:Signature xmlns:s="{DS}"/></x>'.encode(),
        f'<s:Signature xmlns:s="{DS}"><s:SignedInfo/></s:Signature>'.encode(),
    ],
    ids=["empty", "cut", "utf16", "doctype", "unsigned", "deep", "large", "empty signature", "only signature"],
)
def test_hostile_file_is_refused_by_our_own_error(data: bytes) -> None:
    with pytest.raises(TrustListError):
        read(data)


@pytest.mark.parametrize(
    "bad",
    [
        replace(trust_list(), sequence=0),
        replace(trust_list(), entries=()),
        replace(trust_list(), issued_at=datetime(2026, 3, 1)),  # noqa: DTZ001 - the point
        replace(trust_list(), operator="a\x00"),
        replace(trust_list(), operator="a\x1f"),
    ],
    ids=["sequence", "entries", "zone", "NUL", "control"],
)
def test_list_that_nobody_could_read_is_not_written(bad: TrustList) -> None:
    with pytest.raises(TrustListError):
        write_trust_list(bad, signing_key(AUTHORITY))


def test_signature_has_no_external_parts_and_one_reference() -> None:
    root = parse(write_trust_list(trust_list(), signing_key(AUTHORITY)), XmlLimits()).root
    assert [reference.get("URI") for reference in root.iter(f"{{{DS}}}Reference")] == [""]


def test_borrowed_key_signs_with_no_other_digest_than_its_own() -> None:
    borrowed = module._BorrowedKey(signing_key(AUTHORITY), DigestAlgorithm.SHA512)
    with pytest.raises(TrustListError, match="in place of sha512"):
        borrowed.sign(b"x", algorithm=hashes.SHA256())


def test_list_says_what_a_certificate_vouches_for_and_when() -> None:
    found, ended = trust_list(), signing_key("P-384").certificate
    before = NOW - timedelta(seconds=1)
    assert found.listed(ended, TrustedAs.EXCHANGE_SEAL, before) is Listed.HOLDS
    assert found.listed(ended, TrustedAs.EXCHANGE_SEAL, NOW) is Listed.NOT_THEN
    assert found.listed(ended, TrustedAs.TRUST_ANCHOR, before) is Listed.NEVER
    assert found.listed(signing_key("RSA-2048").certificate, TrustedAs.EXCHANGE_SEAL, NOW) is Listed.NEVER


def test_stale_list_is_verified_but_not_read() -> None:
    data = write_trust_list(trust_list(), signing_key(AUTHORITY))
    late = ISSUED + timedelta(days=40)
    assert verify_trust_list(data, authority=signing_key(AUTHORITY).certificate, at=late) == trust_list()
    with pytest.raises(TrustListError, match="get the current one"):
        read(data, at=late)


@pytest.mark.parametrize("purpose", [SEALING_ONLY, None])
def test_authority_whose_key_is_for_other_things_is_refused(purpose: x509.ObjectIdentifier | None) -> None:
    pki = Pki()
    limits = [(x509.ExtendedKeyUsage([purpose]), False)] if purpose else []
    usage = SEALING if purpose else ISSUING
    key = pki.certificate("x", issuer=pki.root, usage=usage, extensions=limits)
    data = write_trust_list(trust_list(), key)
    with pytest.raises(TrustListError, match="may not sign it"):
        read(data, authority=key)


def test_authority_with_the_purpose_of_trust_lists_is_accepted() -> None:
    pki = Pki()
    key = pki.certificate("x", issuer=pki.root, extensions=[(x509.ExtendedKeyUsage([TRUST_LIST_SIGNING]), False)])
    assert read(write_trust_list(trust_list(), key), authority=key) == trust_list()
