import asyncio
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko_certvalidator.errors import ValidationError

from keys import trust, vouched
from keys.errors import (
    CertificateExpiredError,
    CertificateFormatError,
    CertificateNotYetValidError,
    CertificateRevokedError,
    KeyUsageError,
    NoTrustAnchorsError,
    PathError,
    PathNotFoundError,
    RevocationUnknownError,
    WeakKeyError,
)
from keys.memory import MemoryKey
from keys.revocation import MOMENT, RevocationData
from keys.trust import MAX_INTERMEDIATES, CertificatePath, KeyPurpose, PathValidator, TrustAnchors, read_regular_file
from tests.support.pki import DAY, ISSUING, NOW, SEALING, YEAR, Pki, key_usage, pem, private_key, revoked_entry


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def validate(pki: Pki, key: MemoryKey, at: datetime = NOW, validator: PathValidator | None = None) -> CertificatePath:
    return (validator or pki.validator()).validate(
        key.certificate, intermediates=key.chain, at=at, usage=KeyPurpose.SEAL
    )


@pytest.mark.parametrize("algorithm", ["P-256", "P-384", "P-521", "RSA-2048"])
def test_good_seal_is_accepted_with_its_path_and_crls(algorithm: str) -> None:
    pki = Pki(algorithm)
    seal = pki.seal()
    crls = pki.crls()
    path = validate(pki, seal, validator=pki.validator(crls))
    assert path.certificates == (seal.certificate, pki.issuing.certificate, pki.root.certificate)
    assert list(path.crls) == [crls[1], crls[0]]
    assert (path.valid_from, path.valid_until) == (NOW - DAY, NOW + 7 * DAY)


def test_intermediate_that_came_with_the_signature_is_enough(pki: Pki) -> None:
    validator = PathValidator(pki.anchors(), RevocationData(pki.crls()))
    assert len(validate(pki, pki.seal(), validator=validator).certificates) == 3
    with pytest.raises(PathNotFoundError):
        validator.validate(pki.seal().certificate, at=NOW, usage=KeyPurpose.SEAL)


_BAD: list[tuple[Callable[[Pki], MemoryKey], type[PathError]]] = [
    (Pki.expired, CertificateExpiredError),
    (Pki.not_yet_valid, CertificateNotYetValidError),
    (lambda pki: pki.revoked_seal(NOW - 2 * DAY), CertificateRevokedError),
    (Pki.weak_rsa, WeakKeyError),
    (Pki.weak_curve, WeakKeyError),
    (Pki.sha1_signed, WeakKeyError),
    (Pki.wrong_usage, KeyUsageError),
    (Pki.without_usage, KeyUsageError),
    (Pki.wrong_issuer, PathNotFoundError),
    (Pki.issued_by_seal, KeyUsageError),
]


@pytest.mark.parametrize(("make", "error"), _BAD)
def test_bad_certificate_is_refused_with_its_one_name(
    pki: Pki, make: Callable[[Pki], MemoryKey], error: type[PathError]
) -> None:
    key = make(pki)
    with pytest.raises(PathError) as caught:
        validate(pki, key)
    assert type(caught.value) is error


def test_errors_carry_their_facts(pki: Pki) -> None:
    with pytest.raises(CertificateExpiredError) as expired:
        validate(pki, pki.expired())
    assert (expired.value.subject, expired.value.not_after) == ("CN=Expired,O=Test,C=VN", NOW - DAY)
    with pytest.raises(CertificateNotYetValidError) as early:
        validate(pki, pki.not_yet_valid())
    assert (early.value.subject, early.value.not_before) == ("CN=Not yet valid,O=Test,C=VN", NOW + DAY)


def test_validity_includes_its_first_and_last_second(pki: Pki) -> None:
    key = pki.certificate("Short", issuer=pki.issuing, not_before=NOW, not_after=NOW + DAY)
    validate(pki, key, NOW)
    validate(pki, key, NOW + DAY)
    with pytest.raises(CertificateNotYetValidError):
        validate(pki, key, NOW - MOMENT)
    with pytest.raises(CertificateExpiredError):
        validate(pki, key, NOW + DAY + MOMENT)


def test_expired_authority_is_named(pki: Pki) -> None:
    old = pki.authority("Old CA", issuer=pki.root, not_after=NOW - DAY)
    seal = pki.certificate("Below old", issuer=old)
    with pytest.raises(CertificateExpiredError, match="Old CA"):
        validate(pki, seal)


def test_expired_anchor_is_refused() -> None:
    pki = Pki()
    root = pki.authority("Old root", not_after=NOW - DAY)
    seal = pki.certificate("Below old root", issuer=root)
    validator = PathValidator(TrustAnchors([root.certificate]), RevocationData([pki.crl(root)]))
    with pytest.raises(CertificateExpiredError, match="Old root"):
        validate(pki, seal, validator=validator)


def test_renewed_anchor_serves_for_its_own_time() -> None:
    pki = Pki()
    key = private_key("P-256", 500)
    old = pki.authority("Renewed root", key=key, not_after=NOW - DAY)
    new = pki.authority("Renewed root", key=key, not_before=NOW - 2 * DAY)
    seal = pki.certificate("Below both", issuer=new)
    for anchors in ([old, new], [new, old]):
        validator = PathValidator(TrustAnchors(each.certificate for each in anchors), RevocationData([pki.crl(new)]))
        assert validate(pki, seal, validator=validator).certificates[-1] == new.certificate


def test_weak_authority_is_refused(pki: Pki) -> None:
    weak = pki.authority("Weak CA", issuer=pki.root, key=private_key("RSA-1024", 1))
    with pytest.raises(WeakKeyError, match="Weak CA"):
        validate(pki, pki.certificate("Below weak", issuer=weak))


def test_weak_anchor_is_refused() -> None:
    pki = Pki("RSA-1024")
    with pytest.raises(WeakKeyError, match="Test root"):
        validate(pki, pki.certificate("Strong", issuer=pki.root, key=private_key("P-256")))


def test_how_an_anchor_signed_itself_is_of_no_interest(pki: Pki) -> None:
    old = pki.certificate(
        "Old anchor",
        issuer=None,
        usage=ISSUING,
        constraints=x509.BasicConstraints(ca=True, path_length=None),
        signing_hash=SHA1(),  # noqa: S303
    )
    validator = PathValidator(TrustAnchors([old.certificate]), RevocationData([pki.crl(old)]))
    assert len(validate(pki, pki.certificate("Below it", issuer=old), validator=validator).certificates) == 2


def test_anchor_that_seals_itself_with_a_weak_key_is_refused(pki: Pki) -> None:
    lone = pki.certificate("Lone and weak", issuer=None, key=private_key("RSA-1024"))
    with pytest.raises(WeakKeyError):
        validate(pki, lone, validator=PathValidator(TrustAnchors([lone.certificate]), RevocationData()))


def test_authority_whose_certificate_is_signed_with_a_weak_algorithm_is_told_as_such(pki: Pki) -> None:
    weak = pki.certificate(
        "Weakly signed CA",
        issuer=pki.root,
        usage=ISSUING,
        constraints=x509.BasicConstraints(ca=True, path_length=None),
        signing_hash=SHA1(),  # noqa: S303
    )
    with pytest.raises(WeakKeyError, match="Weakly signed CA"):
        validate(pki, pki.certificate("Below a weakly signed CA", issuer=weak))


def test_path_longer_than_an_authority_allows_is_refused(pki: Pki) -> None:
    lower = pki.authority("Lower CA", issuer=pki.issuing)
    with pytest.raises(KeyUsageError, match="so many authorities"):
        validate(pki, pki.certificate("Too deep", issuer=lower))


def test_authority_that_may_not_sign_certificates_is_refused(pki: Pki) -> None:
    ca = pki.certificate(
        "CRL signer",
        issuer=pki.root,
        usage=key_usage("crl_sign"),
        constraints=x509.BasicConstraints(ca=True, path_length=None),
    )
    with pytest.raises(KeyUsageError, match="signing certificates"):
        validate(pki, pki.certificate("Below CRL signer", issuer=ca))


def test_certificate_with_basic_constraints_of_no_ca_issues_nothing(pki: Pki) -> None:
    middle = pki.certificate(
        "No CA", issuer=pki.root, usage=ISSUING, constraints=x509.BasicConstraints(ca=False, path_length=None)
    )
    with pytest.raises(KeyUsageError, match="no authority"):
        validate(pki, pki.certificate("Below no CA", issuer=middle))


@pytest.mark.parametrize("usage", [key_usage("digital_signature"), key_usage("content_commitment"), SEALING])
def test_either_of_the_two_usages_is_enough_for_a_seal(pki: Pki, usage: x509.KeyUsage) -> None:
    seal = pki.certificate("Usage", issuer=pki.issuing, usage=usage)
    assert validate(pki, seal).certificates[0] == seal.certificate


def test_authority_itself_seals_nothing(pki: Pki) -> None:
    both = key_usage("digital_signature", "key_cert_sign", "crl_sign")
    ca = pki.certificate(
        "Sealing CA", issuer=pki.root, usage=both, constraints=x509.BasicConstraints(ca=True, path_length=None)
    )
    with pytest.raises(KeyUsageError, match="certification authority"):
        validate(pki, ca)


def sealing_with(pki: Pki, purpose: x509.ObjectIdentifier) -> MemoryKey:
    return pki.certificate("EKU", issuer=pki.issuing, extensions=[(x509.ExtendedKeyUsage([purpose]), False)])


@pytest.mark.parametrize("purpose", [ExtendedKeyUsageOID.EMAIL_PROTECTION, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")])
def test_extended_key_usage_for_documents_is_accepted(pki: Pki, purpose: x509.ObjectIdentifier) -> None:
    seal = sealing_with(pki, purpose)
    assert validate(pki, seal).certificates[0] == seal.certificate


@pytest.mark.parametrize(
    "purpose", [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING]
)
def test_extended_key_usage_for_something_else_only_is_refused(pki: Pki, purpose: x509.ObjectIdentifier) -> None:
    with pytest.raises(KeyUsageError, match="other purposes"):
        validate(pki, sealing_with(pki, purpose))


def test_crl_purpose_asks_for_crl_signing(pki: Pki) -> None:
    validator = pki.validator()
    path = validator.validate(pki.issuing.certificate, at=NOW, usage=KeyPurpose.CRL)
    assert path.certificates == (pki.issuing.certificate, pki.root.certificate)
    with pytest.raises(KeyUsageError):
        validator.validate(pki.seal().certificate, at=NOW, usage=KeyPurpose.CRL)


def test_unknown_critical_extension_is_refused(pki: Pki) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    validate(pki, pki.certificate("Unknown", issuer=pki.issuing, extensions=[(unknown, False)]))
    with pytest.raises(PathNotFoundError, match="critical extension"):
        validate(pki, pki.certificate("Unknown critical", issuer=pki.issuing, extensions=[(unknown, True)]))


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
MAIL = x509.SubjectAlternativeName([x509.RFC822Name("seal@example.vn")])


def below_an_anchor_with(
    *of_anchor: tuple[x509.ExtensionType, bool],
    of_seal: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    of_authority: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> CertificatePath:
    """The path from a seal over an issuing authority to an anchor with these extensions."""
    pki, a_ca = Pki(), x509.BasicConstraints(ca=True, path_length=None)
    anchor = pki.certificate("Anchor", issuer=None, usage=ISSUING, constraints=a_ca, extensions=of_anchor)
    issuing = pki.certificate("Issuing", issuer=anchor, usage=ISSUING, constraints=a_ca, extensions=of_authority)
    seal = pki.certificate("Seal", issuer=issuing, extensions=of_seal)
    crls = RevocationData([pki.crl(anchor), pki.crl(issuing)])
    return validate(pki, seal, validator=PathValidator(TrustAnchors([anchor.certificate]), crls))


def directory(organization: str) -> x509.DirectoryName:
    names = ((NameOID.COUNTRY_NAME, "VN"), (NameOID.ORGANIZATION_NAME, organization))
    return x509.DirectoryName(x509.Name([x509.NameAttribute(*each) for each in names]))


def policies(*oids: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(each), None) for each in oids])


def test_anchor_with_an_unknown_critical_extension_is_refused() -> None:
    below_an_anchor_with((UNKNOWN, False))
    with pytest.raises(PathNotFoundError, match=r"anchor CN=Anchor.* critical extension .* not understood: 1\.2\.3\.4"):
        below_an_anchor_with((UNKNOWN, True))


def test_anchor_that_seals_itself_is_refused_with_an_unknown_critical_extension(pki: Pki) -> None:
    lone = pki.certificate("Lone", issuer=None, extensions=[(UNKNOWN, True)])
    with pytest.raises(PathNotFoundError, match="not understood"):
        validate(pki, lone, validator=PathValidator(TrustAnchors([lone.certificate]), RevocationData()))


@pytest.mark.parametrize("critical", [True, False])
def test_names_that_an_anchor_permits_or_excludes_count_below_it(*, critical: bool) -> None:
    with pytest.raises(PathNotFoundError, match="not all names"):
        below_an_anchor_with((x509.NameConstraints([directory("Other")], None), critical))
    with pytest.raises(PathNotFoundError, match="excluded"):
        below_an_anchor_with((x509.NameConstraints(None, [directory("Test")]), critical))


@pytest.mark.parametrize(
    "constraints",
    [x509.NameConstraints([directory("Test")], None), x509.NameConstraints(None, [directory("Other")])],
)
def test_names_of_which_an_anchor_says_nothing_are_free(constraints: x509.NameConstraints) -> None:
    below_an_anchor_with((constraints, True), of_seal=((MAIL, False),))


@pytest.mark.parametrize("skipped", [0, 5])
def test_policy_that_an_anchor_requires_must_be_there(skipped: int) -> None:
    required = (x509.PolicyConstraints(skipped, None), True)
    with pytest.raises(PathNotFoundError, match="no valid set of policies"):
        below_an_anchor_with(required)
    one = ((policies("1.2.3"), False),)
    below_an_anchor_with(required, of_authority=one, of_seal=one)
    below_an_anchor_with(required, *one, of_authority=one, of_seal=one)
    with pytest.raises(PathNotFoundError, match="no valid set of policies"):
        below_an_anchor_with(required, (policies("1.2.4"), False), of_authority=one, of_seal=one)


def test_policies_of_an_anchor_require_none_below_it() -> None:
    below_an_anchor_with((policies("1.2.3"), False))


def test_any_policy_satisfies_an_anchor_unless_it_says_otherwise() -> None:
    required = (x509.PolicyConstraints(0, None), True)
    of = {"of_authority": ((policies("2.5.29.32.0"), False),), "of_seal": ((policies("1.2.3"), False),)}
    below_an_anchor_with(required, **of)
    with pytest.raises(PathNotFoundError, match="no valid set of policies"):
        below_an_anchor_with(required, (x509.InhibitAnyPolicy(0), True), **of)


def test_mapped_policy_satisfies_an_anchor_unless_it_forbids_mappings() -> None:
    # PolicyMappings: 1.2.3 of the authority above is 1.2.4 of the one below.
    mapping = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), bytes.fromhex("300a300806022a0306022a04"))
    of = {
        "of_authority": ((policies("1.2.3"), False), (mapping, True)),
        "of_seal": ((policies("1.2.4"), False),),
    }
    below_an_anchor_with((x509.PolicyConstraints(0, None), True), **of)
    with pytest.raises(PathNotFoundError, match="no valid set of policies"):
        below_an_anchor_with((x509.PolicyConstraints(0, 0), True), **of)


def test_stranger_is_refused_whatever_it_brings_along(pki: Pki) -> None:
    stranger = Pki(name="Stranger")
    seal = stranger.certificate("S", issuer=stranger.issuing, key=private_key("P-256", 700))
    with pytest.raises(PathNotFoundError):
        validate(pki, seal)


def test_anchor_is_its_own_path_and_its_validity_counts(pki: Pki) -> None:
    lone = pki.certificate("Lone", issuer=None, not_after=NOW + DAY)
    validator = PathValidator(TrustAnchors([lone.certificate]), RevocationData())
    path = validate(pki, lone, validator=validator)
    assert (path.certificates, path.crls) == ((lone.certificate,), ())
    with pytest.raises(CertificateExpiredError):
        validate(pki, lone, NOW + 2 * DAY, validator)


def test_copy_of_an_anchors_name_and_key_is_not_the_anchor(pki: Pki) -> None:
    key = private_key("P-256", 701)
    anchor = pki.certificate("Pinned", issuer=None, key=key, not_after=NOW - DAY)
    copy = pki.certificate("Pinned", issuer=None, key=key)
    validator = PathValidator(TrustAnchors([anchor.certificate]), RevocationData(), require_revocation=False)
    with pytest.raises(PathError):
        validate(pki, copy, validator=validator)


# Revocation at a time in the past: (a) to (d).


def test_seal_revoked_later_was_good_before_as_the_later_crl_says() -> None:
    pki = Pki()
    seal = pki.revoked_seal(NOW + DAY)
    crls = pki.crls(this_update=NOW + 2 * DAY)
    path = validate(pki, seal, NOW, pki.validator(crls))
    assert path.valid_until < NOW + DAY
    assert list(path.crls) == [crls[1], crls[0]]


def test_seal_is_revoked_afterwards_with_date_and_reason() -> None:
    pki = Pki()
    seal = pki.revoked_seal(NOW - 2 * DAY, x509.ReasonFlags.superseded)
    with pytest.raises(CertificateRevokedError) as caught:
        validate(pki, seal)
    assert (caught.value.revoked_at, caught.value.reason) == (NOW - 2 * DAY, "superseded")


def test_stale_crl_tells_nothing(pki: Pki) -> None:
    stale = pki.crls(this_update=NOW - 10 * DAY, next_update=NOW - 3 * DAY)
    with pytest.raises(RevocationUnknownError, match="good until"):
        validate(pki, pki.seal(), validator=pki.validator(stale))


@pytest.mark.parametrize("which", ["none", "root only", "issuing only"])
def test_every_certificate_below_the_anchor_needs_a_crl(pki: Pki, which: str) -> None:
    root, issuing = pki.crls()
    crls = {"none": [], "root only": [root], "issuing only": [issuing]}[which]
    with pytest.raises(RevocationUnknownError, match="Agency" if which == "root only" else "issuing CA"):
        validate(pki, pki.seal(), validator=pki.validator(crls))


def test_seal_below_a_revoked_authority_is_refused() -> None:
    pki = Pki()
    pki.revoke(pki.issuing, NOW - 2 * DAY)
    with pytest.raises(CertificateRevokedError, match="issuing CA") as caught:
        validate(pki, pki.seal())
    assert (caught.value.of_authority, caught.value.on_hold) == (True, False)


@pytest.mark.parametrize(
    ("reason", "on_hold"), [(x509.ReasonFlags.certificate_hold, True), (x509.ReasonFlags.key_compromise, False)]
)
def test_a_hold_of_the_signers_certificate_is_told_as_such(reason: x509.ReasonFlags, *, on_hold: bool) -> None:
    pki = Pki()
    with pytest.raises(CertificateRevokedError) as caught:
        validate(pki, pki.revoked_seal(NOW - 2 * DAY, reason))
    assert (caught.value.of_authority, caught.value.on_hold) == (False, on_hold)


@pytest.mark.parametrize(("end_of_seal", "of_authority"), [(NOW + YEAR, True), (NOW - DAY, False)])
def test_the_end_of_an_authority_is_told_only_where_the_seal_itself_has_not_ended(
    end_of_seal: datetime, *, of_authority: bool
) -> None:
    pki = Pki()
    old = pki.authority("Old CA", issuer=pki.root, path_length=0, not_after=NOW - 3 * DAY)
    with pytest.raises(CertificateExpiredError) as caught:
        validate(pki, pki.certificate("Seal", issuer=old, not_after=end_of_seal))
    assert caught.value.of_authority is of_authority


@pytest.mark.parametrize(("start_of_seal", "of_authority"), [(NOW - YEAR, True), (NOW + DAY, False)])
def test_the_start_of_an_authority_is_told_only_where_the_seal_itself_has_started(
    start_of_seal: datetime, *, of_authority: bool
) -> None:
    pki = Pki()
    new = pki.authority("New CA", issuer=pki.root, path_length=0, not_before=NOW + 3 * DAY)
    with pytest.raises(CertificateNotYetValidError) as caught:
        validate(pki, pki.certificate("Seal", issuer=new, not_before=start_of_seal))
    assert caught.value.of_authority is of_authority


def test_the_end_of_a_root_is_that_of_an_authority() -> None:
    pki = Pki()
    root = pki.authority("Old root", not_after=NOW - DAY)
    seal = pki.certificate("Seal", issuer=root)
    validator = PathValidator(TrustAnchors([root.certificate]), RevocationData(), require_revocation=False)
    with pytest.raises(CertificateExpiredError) as caught:
        validate(pki, seal, validator=validator)
    assert caught.value.of_authority


def test_verdict_about_the_past_stays_when_time_has_passed_and_new_crls_came() -> None:
    pki = Pki()
    seal = pki.seal()
    old = pki.crls()
    first = validate(pki, seal, NOW, pki.validator(old))
    pki.revoke(seal, NOW + 30 * DAY)
    new = pki.crls(this_update=NOW + 40 * DAY, next_update=NOW + 50 * DAY)
    for crls in ((*old, *new), new):
        assert validate(pki, seal, NOW, pki.validator(crls)).certificates == first.certificates
    with pytest.raises(CertificateRevokedError):
        validate(pki, seal, NOW + 45 * DAY, pki.validator((*old, *new)))


def test_without_required_revocation_silence_is_accepted_and_a_revocation_is_not() -> None:
    pki = Pki()
    good, bad = pki.seal(), pki.revoked_seal(NOW - 2 * DAY)
    silent = pki.validator([], require_revocation=False)
    path = validate(pki, good, validator=silent)
    assert (path.valid_from, path.valid_until) == (NOW - YEAR, NOW + YEAR)
    heard = pki.validator([pki.crl()], require_revocation=False)
    with pytest.raises(CertificateRevokedError):
        validate(pki, bad, validator=heard)


def test_without_required_revocation_a_stale_crl_decides_for_no_other_time(pki: Pki) -> None:
    stale = pki.crls(this_update=NOW - 10 * DAY, next_update=NOW - 3 * DAY)
    path = validate(pki, pki.seal(), validator=pki.validator(stale, require_revocation=False))
    assert (path.valid_from, path.valid_until) == (NOW, NOW)


# What is remembered.


def test_good_path_is_remembered_for_the_times_to_which_it_applies(pki: Pki) -> None:
    validator = pki.validator()
    seal = pki.seal()
    first = validate(pki, seal, NOW, validator)
    same = x509.load_der_x509_certificate(seal.certificate.public_bytes(serialization.Encoding.DER))
    assert validator.validate(same, at=first.valid_until, usage=KeyPurpose.SEAL) is first
    with pytest.raises(RevocationUnknownError):
        validate(pki, seal, first.valid_until + MOMENT, validator)


def test_remembered_path_ends_with_a_later_revocation() -> None:
    pki = Pki()
    seal = pki.revoked_seal(NOW + DAY)
    validator = pki.validator(pki.crls(this_update=NOW + 2 * DAY))
    validate(pki, seal, NOW, validator)
    with pytest.raises(CertificateRevokedError):
        validate(pki, seal, NOW + DAY, validator)


def test_path_remembered_for_one_purpose_is_none_for_another(pki: Pki) -> None:
    validator = pki.validator()
    validator.validate(pki.issuing.certificate, at=NOW, usage=KeyPurpose.CRL)
    with pytest.raises(KeyUsageError):
        validator.validate(pki.issuing.certificate, at=NOW, usage=KeyPurpose.SEAL)


def test_memory_of_paths_is_bounded(pki: Pki) -> None:
    validator = PathValidator(
        pki.anchors(), RevocationData(pki.crls()), intermediates=[pki.issuing.certificate], cache_size=2
    )
    seals = [pki.seal(key=private_key("P-256", 1)) for _ in range(4)]
    paths = [validate(pki, seal, validator=validator) for seal in seals]
    assert list(validator._cache[KeyPurpose.SEAL]) == [seal.certificate for seal in seals[2:]]
    assert validate(pki, seals[3], validator=validator) is paths[3]
    assert validate(pki, seals[0], validator=validator) is not paths[0]


def test_path_found_anew_takes_no_others_place_in_the_memory(pki: Pki) -> None:
    validator = PathValidator(
        pki.anchors(), RevocationData(pki.crls()), intermediates=[pki.issuing.certificate], cache_size=2
    )
    first, second = pki.seal(), pki.seal()
    known = validate(pki, first, validator=validator)
    validate(pki, second, validator=validator)
    validator._cache[KeyPurpose.SEAL][second.certificate] = replace(known, valid_until=NOW - DAY)
    validate(pki, second, validator=validator)
    assert validate(pki, first, validator=validator) is known


def test_remembered_path_costs_microseconds(pki: Pki) -> None:
    validator = pki.validator()
    certificate = pki.seal().certificate
    validator.validate(certificate, at=NOW, usage=KeyPurpose.SEAL)
    started = time.perf_counter()
    for _ in range(1000):
        validator.validate(certificate, at=NOW, usage=KeyPurpose.SEAL)
    # It takes 5 microseconds; building the path takes 3,000. The bound tells one from the other on a busy machine.
    assert time.perf_counter() - started < 0.5


def test_validator_is_shared_between_threads(pki: Pki) -> None:
    validator = pki.validator()
    seals = [pki.seal(key=private_key("P-256", 1)) for _ in range(10)]
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for seal in seals:
                assert validate(pki, seal, validator=validator).certificates[0] == seal.certificate
        except BaseException as error:  # noqa: BLE001 (whatever it is, the test shall see it)
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_validator_works_inside_a_running_event_loop(pki: Pki) -> None:
    async def work() -> CertificatePath:
        return validate(pki, pki.seal())

    assert len(asyncio.run(work()).certificates) == 3


# Hostile input.


def crossed(pki: Pki, count: int, *, top: MemoryKey | None = None) -> tuple[MemoryKey, list[x509.Certificate]]:
    """A seal, and authorities of two names that certify each other, as many of each; the first ones below ``top``."""
    one, two = private_key("P-256", 800), private_key("P-256", 801)
    a, b = pki.authority("A", issuer=top, key=one), pki.authority("B", issuer=top, key=two)
    made = [pki.authority("A", issuer=b, key=one).certificate for _ in range(count)]
    made += [pki.authority("B", issuer=a, key=two).certificate for _ in range(count)]
    return pki.certificate("Lost", issuer=a), [a.certificate, b.certificate, *made] if top else made


def counted_checks(monkeypatch: pytest.MonkeyPatch) -> list[x509.Certificate]:
    """Grows with every check of a certificate's signature during a search."""
    checked: list[x509.Certificate] = []
    really = vouched._is_signed_by

    def counting(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        checked.append(certificate)
        return really(certificate, issuer)

    monkeypatch.setattr(vouched, "_is_signed_by", counting)
    return checked


@pytest.mark.parametrize("count", [4, 8, 100])
def test_authorities_that_certify_each_other_cost_nothing_whoever_gave_them(
    pki: Pki, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal, given = crossed(pki, count)
    checked = counted_checks(monkeypatch)
    validator = PathValidator(pki.anchors(), RevocationData(pki.crls()), intermediates=given)
    with pytest.raises(PathNotFoundError):
        validator.validate(seal.certificate, intermediates=given[:MAX_INTERMEDIATES], at=NOW, usage=KeyPurpose.SEAL)
    assert len(checked) <= vouched.MAX_STEPS


@pytest.mark.parametrize("count", [8, 40])
def test_the_search_below_a_seal_that_plays_the_authority_is_given_up_after_some_steps(
    pki: Pki, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal, given = crossed(pki, count, top=pki.seal())
    checked = counted_checks(monkeypatch)
    intermediates = [pki.issuing.certificate, pki.seal().certificate, *given]
    validator = PathValidator(pki.anchors(), RevocationData(pki.crls()), intermediates=intermediates)
    assert len(checked) <= vouched.MAX_NAMESAKES * len(intermediates)
    checked.clear()
    with pytest.raises(PathError):
        validator.validate(seal.certificate, at=NOW, usage=KeyPurpose.SEAL)
    assert len(checked) <= 2 * vouched.MAX_STEPS


def test_a_search_that_is_given_up_finds_no_path_and_says_so(pki: Pki) -> None:
    key = private_key("P-256", 802)
    same = [pki.authority("Same", issuer=pki.root, key=private_key("P-256", 803)) for _ in range(vouched.MAX_STEPS)]
    right = pki.authority("Same", issuer=pki.root, key=key)
    seal = pki.certificate("Beyond", issuer=right)
    validator = PathValidator(
        pki.anchors(), RevocationData(pki.crls()), intermediates=[each.certificate for each in (*same, right)]
    )
    with pytest.raises(PathNotFoundError, match=f"given up after {vouched.MAX_STEPS} steps"):
        validator.validate(seal.certificate, at=NOW, usage=KeyPurpose.SEAL)


def test_a_path_longer_than_the_longest_is_none(pki: Pki) -> None:
    top, between = pki.root, []
    for number in range(vouched.MAX_PATH_LENGTH):
        top = pki.authority(f"Level {number}", issuer=top, key=private_key("P-256", 810 + number))
        between.append(top.certificate)
    seal = pki.certificate("Deep", issuer=top)
    validator = PathValidator(pki.anchors(), RevocationData(pki.crls()), intermediates=between)
    with pytest.raises(PathNotFoundError, match=f"at most {vouched.MAX_PATH_LENGTH} certificates"):
        validator.validate(seal.certificate, at=NOW, usage=KeyPurpose.SEAL)


def test_the_whole_algorithm_runs_on_three_paths_at_most(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    key = private_key("P-256", 804)
    twins = [pki.authority("Twin", issuer=pki.root, key=key) for _ in range(8)]
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    seal = pki.certificate("Critical", issuer=twins[0], extensions=[(unknown, True)])
    runs: list[object] = []

    async def counting(*arguments: object, **_: object) -> None:
        runs.append(arguments)
        raise ValidationError("no")

    monkeypatch.setattr(trust, "async_validate_path", counting)
    validator = PathValidator(
        pki.anchors(), RevocationData(pki.crls()), intermediates=[each.certificate for each in twins]
    )
    with pytest.raises(PathNotFoundError):
        validator.validate(seal.certificate, at=NOW, usage=KeyPurpose.SEAL)
    assert len(runs) == 3


def altered_copies(certificate: x509.Certificate, count: int) -> list[x509.Certificate]:
    """Copies with other signatures: of the same names and number, and readable."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    copies = []
    for position in range(count):
        changed = bytearray(der)
        changed[-1 - position] ^= 1
        copies.append(x509.load_der_x509_certificate(bytes(changed)))
    return copies


def test_altered_copies_of_an_authority_do_not_hide_the_true_one(pki: Pki) -> None:
    seal, crls = pki.seal(), RevocationData(pki.crls())
    # More than the builder tries paths; one whose signature has a weak algorithm; one of another key.
    copies = altered_copies(pki.issuing.certificate, 24)
    weak = pki.certificate(
        "Test issuing CA",
        issuer=pki.root,
        usage=ISSUING,
        serial=pki.issuing.certificate.serial_number,
        key=private_key("P-256", 1),
        constraints=x509.BasicConstraints(ca=True, path_length=0),
        signing_hash=SHA1(),  # noqa: S303 - the point
    ).certificate
    validator = PathValidator(pki.anchors(), crls, intermediates=[*copies, weak])
    assert len(validate(pki, seal, validator=validator).certificates) == 3
    both = PathValidator(pki.anchors(), crls, intermediates=[*copies, pki.issuing.certificate])
    path = both.validate(seal.certificate, intermediates=copies[:MAX_INTERMEDIATES], at=NOW, usage=KeyPurpose.SEAL)
    assert path.certificates[1] == pki.issuing.certificate


def test_an_altered_authority_alone_is_still_no_way_to_an_anchor(pki: Pki) -> None:
    copies = altered_copies(pki.issuing.certificate, 2)
    validator = PathValidator(pki.anchors(), RevocationData(pki.crls()), intermediates=copies)
    with pytest.raises(PathNotFoundError):
        validator.validate(pki.seal().certificate, at=NOW, usage=KeyPurpose.SEAL)


def test_too_many_certificates_along_are_refused(pki: Pki) -> None:
    many = [pki.issuing.certificate] * (MAX_INTERMEDIATES + 1)
    with pytest.raises(PathNotFoundError, match="came along"):
        pki.validator().validate(pki.seal().certificate, intermediates=many, at=NOW, usage=KeyPurpose.SEAL)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("bit", range(8))
def test_any_changed_bit_of_a_certificate_is_refused(pki: Pki, bit: int) -> None:
    der = pki.seal().certificate.public_bytes(serialization.Encoding.DER)
    validator = pki.validator()
    accepted = []
    for position in range(len(der)):
        changed = bytearray(der)
        changed[position] ^= 1 << bit
        try:
            certificate = x509.load_der_x509_certificate(bytes(changed))
        except (ValueError, x509.InvalidVersion):
            continue
        try:
            validator.validate(certificate, at=NOW, usage=KeyPurpose.SEAL)
        except PathError:
            continue
        accepted.append(position)
    assert accepted == []


def test_intermediate_that_cannot_be_read_is_refused(pki: Pki) -> None:
    der = bytearray(pki.issuing.certificate.public_bytes(serialization.Encoding.DER))
    position = der.rindex(b"Test issuing CA")
    der[position] |= 0x80
    damaged = x509.load_der_x509_certificate(bytes(der))
    with pytest.raises(PathNotFoundError, match="not a well-formed"):
        pki.validator().validate(pki.seal().certificate, intermediates=[damaged], at=NOW, usage=KeyPurpose.SEAL)


def test_signature_with_unused_bits_is_refused(pki: Pki) -> None:
    while True:  # every second signature ends in a zero bit
        certificate = pki.seal(key=private_key("P-256", 1)).certificate
        if certificate.signature[-1] & 1 == 0:
            break
    der = bytearray(certificate.public_bytes(serialization.Encoding.DER))
    der[-len(certificate.signature) - 1] = 1
    with pytest.raises(PathNotFoundError, match="whole number of octets"):
        pki.validator().validate(x509.load_der_x509_certificate(bytes(der)), at=NOW, usage=KeyPurpose.SEAL)


def test_time_without_a_zone_is_refused(pki: Pki) -> None:
    with pytest.raises(ValueError, match="time zone"):
        pki.validator().validate(
            pki.seal().certificate,
            at=datetime(2026, 11, 24),  # noqa: DTZ001
            usage=KeyPurpose.SEAL,
        )


def test_time_in_another_zone_is_the_same_moment(pki: Pki) -> None:
    path = validate(pki, pki.seal(), NOW.astimezone(ZoneInfo("Asia/Ho_Chi_Minh")))
    assert path.valid_from <= NOW <= path.valid_until


# Anchors.


def test_anchors_are_read_from_a_folder_and_other_files_passed_over(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "root.pem").write_bytes(pem([pki.root.certificate, pki.issuing.certificate]))
    (tmp_path / "root.DER").write_bytes(pki.root.certificate.public_bytes(serialization.Encoding.DER))
    (tmp_path / "README").write_text("not a certificate")
    anchors = TrustAnchors.from_folder(tmp_path)
    assert set(anchors.certificates) == {pki.root.certificate, pki.issuing.certificate}
    assert anchors.identity == TrustAnchors([pki.issuing.certificate, pki.root.certificate]).identity
    assert anchors.identity != pki.anchors().identity


@pytest.mark.parametrize("folder", ["", "absent"])
def test_folder_without_anchors_is_loud(tmp_path: Path, folder: str) -> None:
    with pytest.raises(NoTrustAnchorsError, match=str(tmp_path / folder)):
        TrustAnchors.from_folder(tmp_path / folder)


def test_empty_set_and_bundle_of_anchors_are_loud() -> None:
    with pytest.raises(NoTrustAnchorsError):
        TrustAnchors([])
    with pytest.raises(NoTrustAnchorsError):
        TrustAnchors.from_bundle(b" \n")


def test_damaged_anchor_is_named_and_not_passed_over(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "a.pem").write_bytes(pem([pki.root.certificate]))
    (tmp_path / "b.crt").write_bytes(b"damaged")
    with pytest.raises(CertificateFormatError, match=r"b\.crt"):
        TrustAnchors.from_folder(tmp_path)


def test_file_that_is_excepted_is_no_anchor(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "a.pem").write_bytes(pem([pki.root.certificate]))
    (tmp_path / "b.pem").write_bytes(pem([pki.issuing.certificate]))
    assert TrustAnchors.from_folder(tmp_path, but="b.pem").certificates == (pki.root.certificate,)


def test_only_a_regular_file_is_read_as_an_anchor(tmp_path: Path, pki: Pki) -> None:
    os.mkfifo(tmp_path / "a.pem")
    (tmp_path / "b").mkdir()
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path / "a.pem", tmp_path / "b", Path("/dev/null")):
        with pytest.raises(CertificateFormatError, match="no regular file"):
            read_regular_file(path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_files
    (tmp_path / "root").write_bytes(pem([pki.root.certificate]))
    (tmp_path / "link").symlink_to("root")
    assert read_regular_file(tmp_path / "link", 5) == b"-----"


def test_bundle_is_read(pki: Pki) -> None:
    assert TrustAnchors.from_bundle(pem([pki.root.certificate])).certificates == (pki.root.certificate,)


def test_a_revocation_for_good_is_told_without_a_time_and_a_hold_is_not() -> None:
    pki = Pki()
    revoked = pki.revoked_seal(NOW - 2 * DAY, x509.ReasonFlags.key_compromise)
    with pytest.raises(CertificateRevokedError, match="keyCompromise"):
        pki.validator().check_never_revoked(revoked.certificate)
    pki = Pki()
    held = pki.revoked_seal(NOW - 2 * DAY, x509.ReasonFlags.certificate_hold)
    with pytest.raises(CertificateRevokedError):
        validate(pki, held)
    pki.validator().check_never_revoked(held.certificate)


def test_a_good_path_is_doubted_once_an_authority_on_it_lost_its_key() -> None:
    pki = Pki()
    pki.revoke(pki.issuing, NOW - 2 * DAY)
    validator = pki.validator()
    path = validator.validate(pki.seal().certificate, at=NOW - 3 * DAY, usage=KeyPurpose.SEAL).certificates
    validator.check_undoubted(path, NOW - 3 * DAY)
    with pytest.raises(CertificateRevokedError, match="issuing CA"):
        validator.check_undoubted(path, NOW)


def test_a_good_path_is_doubted_also_by_a_crl_under_the_authoritys_new_key() -> None:
    pki = Pki()
    seal = pki.seal().certificate
    renewed = pki.authority(f"{pki.name} issuing CA", issuer=pki.root, key=private_key("P-256", 77), path_length=0)
    entry = revoked_entry(seal.serial_number, NOW - DAY, x509.ReasonFlags.key_compromise)
    crl = pki.crl(renewed, entries=[entry])
    validator = PathValidator(
        pki.anchors(),
        RevocationData((*pki.crls(), crl)),
        intermediates=[pki.issuing.certificate, renewed.certificate],
    )
    path = validator.validate(seal, at=NOW - DAY - MOMENT, usage=KeyPurpose.SEAL).certificates
    with pytest.raises(CertificateRevokedError, match="keyCompromise"):
        validator.check_undoubted(path, NOW)
    with pytest.raises(CertificateRevokedError, match="keyCompromise"):
        validator.validate(seal, at=NOW, usage=KeyPurpose.SEAL)


@pytest.mark.parametrize("say_they_are_authorities", [True, False])
def test_namesakes_that_an_agency_makes_of_its_issuer_do_not_stand_in_the_way(
    *, say_they_are_authorities: bool
) -> None:
    pki = Pki()
    seal = pki.seal()
    name = f"{pki.name} issuing CA"
    keys = [private_key("P-256", 900 + number) for number in range(vouched.MAX_STEPS + 1)]
    if say_they_are_authorities:
        made_up = [pki.authority(name, issuer=seal, key=key).certificate for key in keys]
    else:
        made_up = [pki.certificate(name, issuer=seal, key=key).certificate for key in keys]
    crls = RevocationData(pki.crls())
    for known in ([*made_up, pki.issuing.certificate], [pki.issuing.certificate, *made_up]):
        validator = PathValidator(pki.anchors(), crls, intermediates=known)
        path = validator.validate(seal.certificate, at=NOW, usage=KeyPurpose.SEAL)
        assert path.certificates == (seal.certificate, pki.issuing.certificate, pki.root.certificate)
