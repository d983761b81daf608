"""What is signed by somebody below an anchor is told from what only says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509

from keys.vouched import by_name, vouched_for
from tests.support.pki import ISSUING, Pki, private_key


@pytest.mark.parametrize("algorithm", ["P-256", "P-384", "RSA-2048"])
def test_a_chain_is_vouched_for_in_any_order_and_told_in_the_given_one(algorithm: str) -> None:
    pki = Pki(algorithm)
    seal = pki.seal().certificate
    assert vouched_for([seal, pki.issuing.certificate], by_name([pki.root.certificate])) == (
        seal,
        pki.issuing.certificate,
    )


def test_a_chain_with_a_gap_is_not_vouched_for() -> None:
    pki = Pki()
    assert vouched_for([pki.seal().certificate], by_name([pki.root.certificate])) == ()


def test_whoever_only_says_who_issued_it_is_not_vouched_for() -> None:
    pki = Pki()
    known = [pki.issuing.certificate]
    assert vouched_for([pki.wrong_issuer().certificate, *known], by_name([pki.root.certificate])) == tuple(known)
    assert vouched_for([Pki(name="Other").root.certificate], by_name([pki.root.certificate])) == ()


def test_whoever_is_no_authority_vouches_for_nobody() -> None:
    pki = Pki()
    seal = pki.seal()
    made_up = pki.authority(f"{pki.name} issuing CA", issuer=seal, key=private_key("P-256", 802)).certificate
    given = [pki.issuing.certificate, seal.certificate]
    assert vouched_for([made_up, *given], by_name([pki.root.certificate])) == tuple(given)


def test_a_weak_signature_vouches_for_nothing() -> None:
    pki = Pki()
    weak = pki.sha1_signed().certificate
    assert vouched_for([pki.issuing.certificate, weak], by_name([pki.root.certificate])) == (pki.issuing.certificate,)


def test_authorities_that_certify_each_other_vouch_for_nothing() -> None:
    pki = Pki()
    one, two = private_key("P-256", 800), private_key("P-256", 801)
    a, b = pki.authority("A", key=one), pki.authority("B", key=two)
    crossed = [pki.authority("A", issuer=b, key=one).certificate, pki.authority("B", issuer=a, key=two).certificate]
    assert vouched_for(crossed, by_name([pki.root.certificate])) == ()


def test_one_certificate_given_twice_is_told_once() -> None:
    pki = Pki()
    twice: list[x509.Certificate] = [pki.issuing.certificate] * 2
    assert vouched_for(twice, by_name([pki.root.certificate])) == (pki.issuing.certificate,)


def test_a_key_that_issues_nothing_here_vouches_for_nothing() -> None:
    pki = Pki()
    curve = pki.certificate("Odd root", issuer=None, key=private_key("secp256k1"), usage=ISSUING)
    assert vouched_for([pki.issuing.certificate], by_name([curve.certificate])) == ()


def test_anchors_of_other_names_are_not_looked_at_however_many_there_are() -> None:
    class OnlyByName(dict[str, list[x509.Certificate]]):
        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all of them were looked at")

    pki = Pki()
    assert vouched_for([pki.issuing.certificate], OnlyByName(by_name([pki.root.certificate]))) == (
        pki.issuing.certificate,
    )


def test_a_name_is_prepared_once_for_all_certificates_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[bytes] = []
    load = asn1_x509.Name.load

    def counted(name: bytes) -> asn1_x509.Name:
        prepared.append(name)
        return load(name)

    pki = Pki(name="Prepared once")
    seals = [pki.seal(f"H29.{number}").certificate for number in range(1, 20)]
    monkeypatch.setattr(asn1_x509.Name, "load", counted)
    assert len(vouched_for([*seals, pki.issuing.certificate], by_name([pki.root.certificate]))) == len(seals) + 1
    assert prepared
    assert len(prepared) == len(set(prepared))


def test_a_name_that_cannot_be_read_issues_nothing_and_is_issued_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: bytes) -> str:
        raise ValueError("broken")

    pki = Pki()
    monkeypatch.setattr("keys.vouched._remembered_name", refuse)
    assert vouched_for([pki.issuing.certificate], by_name([pki.root.certificate])) == ()
