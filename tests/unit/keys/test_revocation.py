from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from keys import revocation
from keys.errors import CertificateRevokedError, RevocationUnknownError
from keys.revocation import EXPIRED_CERTIFICATES_ON_CRL, MOMENT, NotRevoked, RevocationData, generalized_time
from tests.support.pki import DAY, NOW, YEAR, Pki, key_usage, private_key, revoked_entry

HOLD = x509.ReasonFlags.certificate_hold


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def check(pki: Pki, certificate: x509.Certificate, at: datetime, *crls: x509.CertificateRevocationList) -> None:
    RevocationData(crls).check(certificate, pki.issuing.certificate, at)


def distribution_point(**facts: object) -> x509.IssuingDistributionPoint:
    defaults: dict[str, object] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**defaults, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reason", [None, *(flag for flag in x509.ReasonFlags if flag is not x509.ReasonFlags.remove_from_crl)]
)
def test_revoked_certificate_is_told_with_date_and_reason(pki: Pki, reason: x509.ReasonFlags | None) -> None:
    seal = pki.seal().certificate
    crl = pki.crl(entries=[revoked_entry(seal.serial_number, NOW - 3 * DAY, reason)])
    with pytest.raises(CertificateRevokedError) as caught:
        check(pki, seal, NOW, crl)
    assert caught.value.revoked_at == NOW - 3 * DAY
    assert (caught.value.on_hold, caught.value.was_on_hold) == (reason is HOLD, False)
    assert caught.value.reason == (reason.value if reason else "unspecified")


HARMLESS = {
    x509.ReasonFlags.superseded,
    x509.ReasonFlags.cessation_of_operation,
    x509.ReasonFlags.affiliation_changed,
    x509.ReasonFlags.remove_from_crl,
}


@pytest.mark.parametrize("reason", [None, *x509.ReasonFlags])
def test_revocation_casts_doubt_on_earlier_times_unless_its_reason_is_harmless(
    pki: Pki, reason: x509.ReasonFlags | None
) -> None:
    seal = pki.seal().certificate
    stale = pki.crl(
        this_update=NOW - 3 * DAY,
        next_update=NOW - 2 * DAY,
        entries=[revoked_entry(seal.serial_number, NOW - 4 * DAY, reason)],
    )
    data = RevocationData([stale])
    data.check_undoubted(seal, [pki.issuing.certificate], NOW - 4 * DAY - MOMENT)
    if reason in HARMLESS:
        data.check_undoubted(seal, [pki.issuing.certificate], NOW)
        return
    with pytest.raises(CertificateRevokedError) as caught:
        data.check_undoubted(seal, [pki.issuing.certificate], NOW if reason is HOLD else NOW - 4 * DAY)
    assert (caught.value.on_hold, caught.value.was_on_hold) == (reason is HOLD, False)
    assert caught.value.reason == (reason.value if reason else "unspecified")


def test_a_hold_casts_doubt_until_a_newer_crl_ends_it(pki: Pki) -> None:
    seal, issuers = pki.seal().certificate, [pki.issuing.certificate]
    held = pki.crl(this_update=NOW - 5 * DAY, entries=[revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)])
    lifted = pki.crl(this_update=NOW - 2 * DAY, entries=[])
    with pytest.raises(CertificateRevokedError) as caught:
        RevocationData([held]).check_undoubted(seal, issuers, NOW)
    assert caught.value.on_hold
    RevocationData([held, lifted]).check_undoubted(seal, issuers, NOW)
    with pytest.raises(CertificateRevokedError):
        RevocationData([held, lifted]).check_undoubted(seal, issuers, NOW - 3 * DAY)


def test_a_hold_is_ended_only_by_a_crl_that_could_tell(pki: Pki) -> None:
    seal = pki.seal().certificate
    entries = [revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)]
    held = pki.crl(this_update=NOW - 5 * DAY, entries=entries)
    renewed = pki.authority(f"{pki.name} issuing CA", issuer=pki.root, key=private_key("P-256", 77), path_length=0)
    issuers = [pki.issuing.certificate, renewed.certificate]
    under_another_key = pki.crl(renewed, this_update=NOW - DAY, entries=[])
    after_expiry = pki.crl(this_update=seal.not_valid_after_utc + DAY, next_update=NOW + 9 * YEAR, entries=[])
    for other, as_of in ((under_another_key, NOW), (after_expiry, seal.not_valid_after_utc + 2 * DAY)):
        with pytest.raises(CertificateRevokedError) as caught:
            RevocationData([held, other]).check_undoubted(seal, issuers, as_of)
        assert caught.value.on_hold


def test_a_hold_under_another_key_of_the_authority_is_heeded_too(pki: Pki) -> None:
    seal = pki.seal().certificate
    renewed = pki.authority(f"{pki.name} issuing CA", issuer=pki.root, key=private_key("P-256", 77), path_length=0)
    held = pki.crl(renewed, entries=[revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)])
    data, issuer = RevocationData([pki.crl(), held]), pki.issuing.certificate
    with pytest.raises(CertificateRevokedError) as caught:
        data.check(seal, issuer, NOW, namesakes=[renewed.certificate])
    assert caught.value.on_hold
    with pytest.raises(CertificateRevokedError):
        data.check_undoubted(seal, [issuer, renewed.certificate], NOW)


def test_of_many_crls_each_is_checked_once_for_each_authority(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    seal, issuer = pki.seal().certificate, pki.issuing.certificate
    data = RevocationData([pki.crl(), *(pki.crl(signer=private_key("P-256", 90 + each)) for each in range(5))])
    checked: list[int] = []
    true_check = revocation._is_signed_by

    def counted(crl: x509.CertificateRevocationList, by: x509.Certificate) -> bool:
        checked.append(id(crl))
        return true_check(crl, by)

    monkeypatch.setattr(revocation, "_is_signed_by", counted)
    for _ in range(3):
        data.check(seal, issuer, NOW)
        data.check_undoubted(seal, [issuer], NOW)
    assert len(checked) == len(set(checked)) == 6


def test_a_forged_crl_is_not_searched_and_a_true_one_once(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    seal, issuer = pki.seal().certificate, pki.issuing.certificate
    data = RevocationData([pki.crl(), pki.crl(signer=private_key("P-256", 99))])
    searched: list[int] = []

    class Counted:
        def __init__(self, crl: x509.CertificateRevocationList) -> None:
            self.crl = crl

        def __getattr__(self, name: str) -> object:
            if name == "get_revoked_certificate_by_serial_number":
                searched.append(id(self.crl))
            return getattr(self.crl, name)

    for facts in data._by_issuer[issuer.subject]:
        object.__setattr__(facts, "crl", Counted(facts.crl))
    for _ in range(3):
        data.check(seal, issuer, NOW)
        data.check_undoubted(seal, [issuer], NOW)
    assert len(searched) == 1


def test_what_was_revoked_for_good_stays_so_when_its_crl_is_no_longer_fresh(pki: Pki) -> None:
    seal, lost = pki.seal().certificate, x509.ReasonFlags.key_compromise
    entry = revoked_entry(seal.serial_number, NOW - 6 * DAY, lost)
    long_lived = pki.crl(this_update=NOW - 20 * DAY, next_update=NOW + 300 * DAY, entries=[])
    stale = pki.crl(this_update=NOW - 5 * DAY, next_update=NOW - 3 * DAY, entries=[entry])
    for crls in ([stale], [long_lived, stale]):
        with pytest.raises(CertificateRevokedError, match="keyCompromise"):
            check(pki, seal, NOW, *crls)
    check(pki, seal, NOW - 6 * DAY - MOMENT, long_lived, stale)


def test_a_hold_is_not_forgotten_when_its_crl_is_no_longer_fresh(pki: Pki) -> None:
    seal = pki.seal().certificate
    long_lived = pki.crl(this_update=NOW - 20 * DAY, next_update=NOW + 300 * DAY, entries=[])
    entries = [revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)]
    stale = pki.crl(this_update=NOW - 5 * DAY, next_update=NOW - 3 * DAY, entries=entries)
    with pytest.raises(CertificateRevokedError) as caught:
        check(pki, seal, NOW, long_lived, stale)
    assert caught.value.on_hold


def test_of_two_crls_of_one_second_that_with_the_higher_number_is_newer(pki: Pki) -> None:
    seal = pki.seal().certificate
    entries = [revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)]
    for number in range(8):  # whichever of the two has the smaller fingerprint
        until = NOW + (7 + number) * DAY
        first = _numbered(pki, 1, entries, until)
        second = _numbered(pki, 2, [], until)
        check(pki, seal, NOW, first, second)
        with pytest.raises(CertificateRevokedError):
            check(pki, seal, NOW, _numbered(pki, 1, [], until), _numbered(pki, 2, entries, until))


def _numbered(
    pki: Pki, number: int, entries: list[x509.RevokedCertificate], next_update: datetime
) -> x509.CertificateRevocationList:
    return pki.crl(this_update=NOW - DAY, next_update=next_update, entries=entries, number=number)


def test_a_crl_under_another_key_of_the_authority_tells_of_revocations_only(pki: Pki) -> None:
    seal = pki.seal().certificate
    renewed = pki.authority(f"{pki.name} issuing CA", issuer=pki.root, key=private_key("P-256", 77), path_length=0)
    entry = revoked_entry(seal.serial_number, NOW - DAY, x509.ReasonFlags.key_compromise)
    old, new, clean = pki.crl(), pki.crl(renewed, entries=[entry]), pki.crl(renewed, entries=[])

    def told(crls: list[x509.CertificateRevocationList], at: datetime) -> NotRevoked:
        return RevocationData(crls).check(seal, pki.issuing.certificate, at, namesakes=[renewed.certificate])

    with pytest.raises(CertificateRevokedError, match="keyCompromise"):
        told([old, new], NOW)
    assert told([old, new], NOW - DAY - MOMENT).valid_until == NOW - DAY - MOMENT
    with pytest.raises(RevocationUnknownError):
        told([clean], NOW)


def test_a_forged_crl_casts_no_doubt(pki: Pki) -> None:
    seal = pki.seal().certificate
    forged = pki.crl(entries=[revoked_entry(seal.serial_number, NOW - 4 * DAY)], signer=private_key("P-256", 99))
    RevocationData([forged]).check_undoubted(seal, [pki.issuing.certificate], NOW)


def test_certificate_is_revoked_from_the_very_second_on(pki: Pki) -> None:
    seal = pki.seal().certificate
    crl = pki.crl(entries=[revoked_entry(seal.serial_number, NOW)], this_update=NOW)
    with pytest.raises(CertificateRevokedError):
        check(pki, seal, NOW, crl)
    check(pki, seal, NOW - MOMENT, crl)


def test_crl_counts_until_the_very_second_of_its_next_update(pki: Pki) -> None:
    seal = pki.seal().certificate
    crl = pki.crl(next_update=NOW)
    check(pki, seal, NOW, crl)
    with pytest.raises(RevocationUnknownError, match="good until 2026-11-24T08:00:00"):
        check(pki, seal, NOW + MOMENT, crl)


def test_hold_that_was_lifted_is_lifted(pki: Pki) -> None:
    seal = pki.seal().certificate
    held = pki.crl(this_update=NOW - 5 * DAY, entries=[revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)])
    lifted = pki.crl(this_update=NOW - 2 * DAY, entries=[])
    check(pki, seal, NOW, held, lifted)
    with pytest.raises(CertificateRevokedError, match="has ended since") as caught:
        check(pki, seal, NOW - 3 * DAY, held, lifted)
    assert (caught.value.on_hold, caught.value.was_on_hold) == (False, True)


def test_hold_is_one_as_long_as_no_later_crl_ends_it(pki: Pki) -> None:
    seal = pki.seal().certificate
    entries = [revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)]
    held = [pki.crl(this_update=NOW - days * DAY, entries=entries) for days in (5, 2)]
    with pytest.raises(CertificateRevokedError) as caught:
        check(pki, seal, NOW - 3 * DAY, *held)
    assert (caught.value.on_hold, caught.value.was_on_hold) == (True, False)


def test_hold_that_became_a_later_revocation_has_ended(pki: Pki) -> None:
    seal = pki.seal().certificate
    held = pki.crl(this_update=NOW - 5 * DAY, entries=[revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)])
    lost = revoked_entry(seal.serial_number, NOW - 2 * DAY, x509.ReasonFlags.key_compromise)
    final = pki.crl(this_update=NOW - DAY, entries=[lost])
    with pytest.raises(CertificateRevokedError, match="certificateHold") as caught:
        check(pki, seal, NOW - 3 * DAY, held, final)
    assert (caught.value.on_hold, caught.value.was_on_hold) == (False, True)


def test_two_crls_are_enough_to_prove_it_to_others(pki: Pki) -> None:
    seal = pki.seal().certificate
    crls = [pki.crl(this_update=NOW + days * DAY, next_update=NOW + 30 * DAY) for days in (-9, -5, -1, 1, 4, 7)]
    told = RevocationData(crls).check(seal, pki.issuing.certificate, NOW)
    assert told.crls == (crls[2], crls[-1])
    again = RevocationData(told.crls).check(seal, pki.issuing.certificate, NOW)
    assert again.crls == told.crls


def test_hold_that_another_crl_made_final_is_final(pki: Pki) -> None:
    seal, lost = pki.seal().certificate, x509.ReasonFlags.key_compromise
    held = pki.crl(this_update=NOW - 5 * DAY, entries=[revoked_entry(seal.serial_number, NOW - 6 * DAY, HOLD)])
    final = pki.crl(this_update=NOW - 2 * DAY, entries=[revoked_entry(seal.serial_number, NOW - 6 * DAY, lost)])
    for crls in ((held, final), (final, held)):
        with pytest.raises(CertificateRevokedError, match="keyCompromise"):
            check(pki, seal, NOW - 3 * DAY, *crls)


def test_later_crl_tells_of_an_earlier_revocation_the_covering_one_did_not_know(pki: Pki) -> None:
    seal = pki.seal().certificate
    covering = pki.crl(this_update=NOW - DAY)
    later = pki.crl(this_update=NOW + DAY, entries=[revoked_entry(seal.serial_number, NOW - DAY / 2)])
    check(pki, seal, NOW, covering)
    with pytest.raises(CertificateRevokedError):
        check(pki, seal, NOW, covering, later)


def test_crl_made_after_the_certificate_expired_does_not_count(pki: Pki) -> None:
    seal = pki.expired().certificate
    at = NOW - 10 * DAY
    check(pki, seal, at, pki.crl(this_update=NOW - DAY))
    with pytest.raises(RevocationUnknownError):
        check(pki, seal, at, pki.crl(this_update=NOW - DAY + timedelta(seconds=1)))


def keeping_expired(pki: Pki, value: bytes) -> x509.CertificateRevocationList:
    return pki.crl(
        this_update=NOW, extensions=[(x509.UnrecognizedExtension(EXPIRED_CERTIFICATES_ON_CRL, value), False)]
    )


def test_crl_that_keeps_expired_certificates_counts(pki: Pki) -> None:
    check(pki, pki.expired().certificate, NOW - 10 * DAY, keeping_expired(pki, generalized_time(NOW - YEAR)))


def test_crl_that_keeps_them_from_their_very_last_second_on_counts(pki: Pki) -> None:
    expired = pki.expired().certificate
    last = expired.not_valid_after_utc
    check(pki, expired, NOW - 10 * DAY, keeping_expired(pki, generalized_time(last)))
    with pytest.raises(RevocationUnknownError):
        check(pki, expired, NOW - 10 * DAY, keeping_expired(pki, generalized_time(last + timedelta(seconds=1))))


def test_a_time_of_another_type_says_nothing_of_expired_certificates(pki: Pki) -> None:
    visible_string = b"\x1a" + generalized_time(NOW - YEAR)[1:]
    with pytest.raises(RevocationUnknownError):
        check(pki, pki.expired().certificate, NOW - 10 * DAY, keeping_expired(pki, visible_string))


@pytest.mark.parametrize(
    "value", [generalized_time(NOW), b"\x18\x0f20261399000000Z", b"\x17\x0d261124080000Z", b"", b"\x18\x0f\xff"]
)
def test_crl_that_keeps_them_not_far_enough_or_says_nonsense_does_not_count(pki: Pki, value: bytes) -> None:
    with pytest.raises(RevocationUnknownError):
        check(pki, pki.expired().certificate, NOW - 10 * DAY, keeping_expired(pki, value))


@pytest.mark.parametrize("algorithm", ["P-256", "RSA-2048"])
@pytest.mark.parametrize("weak", [hashes.SHA1(), hashes.SHA224()], ids=["SHA-1", "SHA-224"])  # noqa: S303
def test_crl_signed_with_a_weak_algorithm_does_not_count(
    algorithm: str, weak: hashes.HashAlgorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    pki = Pki(algorithm)
    crl, key = pki.crl(signing_hash=weak), pki.issuing.certificate.public_key()
    more = (padding.PKCS1v15(), weak) if isinstance(key, rsa.RSAPublicKey) else (ec.ECDSA(weak),)
    key.verify(crl.signature, crl.tbs_certlist_bytes, *more)  # type: ignore[union-attr]
    # cryptography checks no CRL under SHA-1 any more, and does under SHA-224: whatever it does, the rule is ours.
    monkeypatch.setattr(revocation, "_is_signed_by", lambda *_: True)
    seal = pki.seal().certificate
    check(pki, seal, NOW, pki.crl(signing_hash=hashes.SHA256()))
    with pytest.raises(RevocationUnknownError, match="no CRL that can be relied on"):
        check(pki, seal, NOW, crl)


def test_crl_that_does_not_say_until_when_it_is_good_does_not_count(pki: Pki) -> None:
    endless = asn1_crl.CertificateList.load(pki.crl().public_bytes(Encoding.DER))
    del endless["tbs_cert_list"]["next_update"]
    key = pki.issuing.private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    endless["signature"] = key.sign(endless["tbs_cert_list"].dump(force=True), ec.ECDSA(hashes.SHA256()))
    crl = x509.load_der_x509_crl(endless.dump(force=True))
    assert crl.is_signature_valid(key.public_key())
    assert crl.next_update_utc is None
    with pytest.raises(RevocationUnknownError, match="no CRL that can be relied on"):
        check(pki, pki.seal().certificate, NOW, crl)


def test_crl_signed_by_another_key_does_not_count(pki: Pki) -> None:
    with pytest.raises(RevocationUnknownError):
        check(pki, pki.seal().certificate, NOW, pki.crl(signer=private_key("P-256", 99)))


def test_crl_signed_by_a_key_of_another_kind_does_not_count(pki: Pki) -> None:
    with pytest.raises(RevocationUnknownError):
        check(pki, pki.seal().certificate, NOW, pki.crl(signer=private_key("RSA-2048")))


def test_crl_of_another_issuer_does_not_count(pki: Pki) -> None:
    with pytest.raises(RevocationUnknownError, match="no CRL"):
        check(pki, pki.seal().certificate, NOW, pki.crl(pki.root))


def test_issuer_that_may_not_sign_crls_is_not_heard(pki: Pki) -> None:
    mute = pki.certificate(
        "Mute CA",
        issuer=pki.root,
        usage=key_usage("key_cert_sign"),
        constraints=x509.BasicConstraints(ca=True, path_length=None),
    )
    seal = pki.certificate("Below", issuer=mute)
    with pytest.raises(RevocationUnknownError):
        RevocationData([pki.crl(mute)]).check(seal.certificate, mute.certificate, NOW)


def test_issuer_that_does_not_say_what_it_may_sign_is_heard(pki: Pki) -> None:
    silent = pki.certificate(
        "Silent CA", issuer=None, usage=None, constraints=x509.BasicConstraints(ca=True, path_length=None)
    )
    seal = pki.certificate("Below the silent", issuer=silent)
    RevocationData([pki.crl(silent)]).check(seal.certificate, silent.certificate, NOW)


def test_a_crl_under_another_key_breaks_the_silence_only_by_a_revocation(pki: Pki) -> None:
    seal, issuer = pki.seal().certificate, pki.issuing.certificate
    renewed = pki.authority(f"{pki.name} issuing CA", issuer=pki.root, key=private_key("P-256", 77), path_length=0)
    namesakes = [renewed.certificate]
    clean, listing = (pki.crl(renewed, entries=each) for each in ([], [revoked_entry(seal.serial_number, NOW)]))
    assert RevocationData([clean]).is_silent_about(seal, issuer, namesakes=namesakes)
    assert not RevocationData([listing]).is_silent_about(seal, issuer, namesakes=namesakes)
    assert not RevocationData([pki.crl()]).is_silent_about(seal, issuer)


def test_a_serial_on_the_crl_of_another_authority_is_another_certificate(pki: Pki) -> None:
    seal = pki.seal().certificate
    listing = [revoked_entry(seal.serial_number, NOW - DAY)]
    RevocationData([pki.crl(pki.root, entries=listing)]).check_never(seal, [])
    with pytest.raises(CertificateRevokedError):
        RevocationData([pki.crl(entries=listing)]).check_never(seal, [])


def test_what_is_remembered_of_crls_is_bounded(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "MAX_REMEMBERED", 3)
    data, issuer = RevocationData([pki.crl()]), pki.issuing.certificate
    entries, genuine = [], []
    for _ in range(5):
        data.check(pki.seal().certificate, issuer, NOW)
        entries.append(len(data._entries))
    assert entries == [1, 2, 3, 1, 2]
    data = RevocationData([pki.crl()])
    for number in range(5):
        data.is_silent_about(pki.seal().certificate, pki.authority(f"Another {number}").certificate)
        genuine.append(len(data._genuine))
    assert genuine == [1, 2, 3, 1, 2]


@pytest.mark.parametrize(
    "point",
    [
        distribution_point(only_contains_ca_certs=True),
        distribution_point(only_contains_attribute_certs=True),
        distribution_point(indirect_crl=True),
        distribution_point(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})),
        distribution_point(full_name=[x509.UniformResourceIdentifier("http://crl.example/1.crl")]),
        distribution_point(
            relative_name=x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "Shard 1")])
        ),
    ],
    ids=[
        "authorities only",
        "attribute certificates",
        "indirect",
        "some reasons",
        "another distribution point",
        "a relative name",
    ],
)
def test_crl_that_is_about_something_else_does_not_count(pki: Pki, point: x509.IssuingDistributionPoint) -> None:
    with pytest.raises(RevocationUnknownError):
        check(pki, pki.seal().certificate, NOW, pki.crl(extensions=[(point, True)]))


def test_crl_for_authorities_only_counts_for_an_authority(pki: Pki) -> None:
    crl = pki.crl(pki.root, extensions=[(distribution_point(only_contains_ca_certs=True), True)])
    RevocationData([crl]).check(pki.issuing.certificate, pki.root.certificate, NOW)


def test_crl_for_users_only_counts_for_a_seal_and_not_for_an_authority(pki: Pki) -> None:
    point = distribution_point(only_contains_user_certs=True)
    check(pki, pki.seal().certificate, NOW, pki.crl(extensions=[(point, True)]))
    with pytest.raises(RevocationUnknownError):
        RevocationData([pki.crl(pki.root, extensions=[(point, True)])]).check(
            pki.issuing.certificate, pki.root.certificate, NOW
        )


def test_crl_of_a_distribution_point_counts_for_the_certificates_that_name_it(pki: Pki) -> None:
    names = [x509.UniformResourceIdentifier("http://crl.example/1.crl")]
    points = x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])
    seal = pki.certificate("Pointed", issuer=pki.issuing, extensions=[(points, False)]).certificate
    check(pki, seal, NOW, pki.crl(extensions=[(distribution_point(full_name=names), True)]))


@pytest.mark.parametrize(
    "extension",
    [x509.DeltaCRLIndicator(1), x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")],
    ids=["delta", "unknown critical"],
)
def test_crl_that_is_not_whole_or_not_understood_does_not_count(pki: Pki, extension: x509.ExtensionType) -> None:
    with pytest.raises(RevocationUnknownError):
        check(pki, pki.seal().certificate, NOW, pki.crl(extensions=[(extension, True)]))


def test_delta_that_is_not_marked_as_critical_does_not_count_either(pki: Pki) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    check(pki, pki.seal().certificate, NOW, pki.crl(extensions=[(unknown, False)]))
    with pytest.raises(RevocationUnknownError):
        check(pki, pki.seal().certificate, NOW, pki.crl(extensions=[(x509.DeltaCRLIndicator(1), False)]))


def test_identity_depends_on_the_set_and_not_on_its_order(pki: Pki) -> None:
    one, two = pki.crls()
    assert RevocationData([one, two]).identity == RevocationData([two, one, two]).identity
    assert RevocationData([one]).identity != RevocationData([two]).identity
    assert len(RevocationData([one, one]).crls) == 1


_hours = st.integers(min_value=-48, max_value=48).map(lambda hours: NOW + timedelta(hours=hours))
_PKI = Pki()
_SEAL = _PKI.seal().certificate
_CRLS = st.lists(
    st.builds(
        lambda start, length, revoked: _PKI.crl(
            this_update=start,
            next_update=start + timedelta(hours=length),
            entries=[revoked_entry(_SEAL.serial_number, revoked)] if revoked else [],
        ),
        _hours,
        st.integers(min_value=1, max_value=60),
        st.none() | _hours,
    ),
    max_size=4,
)


def _verdict(data: RevocationData, at: datetime) -> object:
    try:
        return data.check(_SEAL, _PKI.issuing.certificate, at)
    except (CertificateRevokedError, RevocationUnknownError) as error:
        return type(error)


@given(crls=_CRLS, at=_hours, other=_hours, shift=st.sampled_from([-MOMENT, MOMENT, 0 * MOMENT]))
def test_finding_holds_at_every_time_for_which_it_says_so(
    crls: list[x509.CertificateRevocationList], at: datetime, other: datetime, shift: timedelta
) -> None:
    data = RevocationData(crls)
    finding = _verdict(data, at)
    if isinstance(finding, type):
        return
    assert finding.valid_from <= at <= finding.valid_until  # type: ignore[attr-defined]
    if finding.valid_from <= other + shift <= finding.valid_until:  # type: ignore[attr-defined]
        assert _verdict(data, other + shift) == finding


def test_generalized_time_is_utc_to_the_second() -> None:
    assert generalized_time(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)) == b"\x18\x0f20260102030405Z"
