"""The offline audit: a good export is good, and every single fault in it is found under its own name."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edoc.access.tokens import Scope
from edoc.audit.files import EVIDENCE_BYTES, container_limits, limits_for, verify_file
from edoc.audit.model import AuditReport, AuditTime, AuditTrust, CheckName, FileKind, Outcome
from edoc.audit.remedies import OF_SEALS
from edoc.audit.singles import check_of
from edoc.envelope.limits import MessageLimits
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.issuer import EvidenceIssuer
from edoc.evidence.model import Party
from edoc.export import layout
from edoc.export.container import export_document
from edoc.sealing import seal_message
from keys.certificates import CertificateRole
from keys.memory import MemoryKey
from keys.store import SigningKey
from signing.asice import ContainerFile, write_container
from signing.report import Finding, Indication, SubIndication, ValidationReport
from signing.trust_list import TrustedAs, TrustList, TrustListEntry, write_trust_list
from signing.xml import MemorySource, XmlLimits
from signing.zip import ZipLimits
from tests.support.pki import DAY, NOW, YEAR, Pki, role_policy
from tests.support.services import (
    HOME_AFFAIRS,
    OFFICE,
    OTHER_WARD,
    WARD,
    SmallExchange,
    attachment,
    letter,
    status,
)

Files = dict[str, bytes]
Change = Callable[[Files, SmallExchange], None]


@pytest.fixture
def export(small: SmallExchange) -> bytes:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    small.hand_over(pk, WARD)
    small.work()
    small.submit(status("03", letter()))
    small.submit(status("02", letter(), reporter=OTHER_WARD, description="Gửi nhầm nơi nhận"))
    return small.export(pk, OFFICE)


def unpacked(export: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if name != "mimetype" and not name.startswith("META-INF")
        }


class _File:
    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def chunks(self) -> Iterator[bytes]:
        yield self.data


def packed(files: Files, small: SmallExchange, key: SigningKey | None = None, at: datetime | None = None) -> bytes:
    """A container under the exchange's own seal, whatever is in it: only the checks inside can find the fault."""
    out = io.BytesIO()
    members = [ContainerFile(name, "application/octet-stream", _File(data)) for name, data in files.items()]
    write_container(out, members, key=key or small.exchange.issuer.key, signing_time=at or small.clock())
    return out.getvalue()


def bad(report: AuditReport) -> set[CheckName]:
    return {check.name for check in report.checks if check.outcome is Outcome.BAD}


def name_of(files: Files, part: str) -> str:
    return next(name for name in files if part in name)


def test_a_good_export_is_good_in_every_check(small: SmallExchange, export: bytes) -> None:
    report = small.audit(export)
    assert (report.kind, report.verdict, bad(report)) == (FileKind.EXPORT, Outcome.GOOD, set())
    seen = {check.name for check in report.checks}
    assert seen == set(CheckName) - {CheckName.FORMAT, CheckName.PRESENCE, CheckName.FILE_NAME}
    facts = [(fact.name, fact.value[:5]) for fact in report.facts if fact.name == "status"]
    assert facts == [("status", "01 H2"), ("status", "03 H2"), ("status", "02 H2")]


def fresh(small: SmallExchange, at: datetime) -> AuditTrust:
    """The reader's trust with the CRLs of that time, as the authorities go on to make them."""
    return AuditTrust(small.pki.anchors(), small.pki.crls(this_update=at - DAY, next_update=at + 7 * DAY))


def test_a_good_export_stays_good_with_the_crls_of_the_day_as_long_as_the_exchanges_seal_is_valid(
    small: SmallExchange, export: bytes
) -> None:
    for days in (2, 10, 300):
        at = NOW + days * DAY
        report = verify_file(MemorySource(export), "x", fresh(small, at), AuditTime(at, given=False))
        assert (report.verdict, days) == (Outcome.GOOD, days)


def test_years_later_all_but_the_old_seal_over_the_export_is_still_good_and_a_fresh_export_mends_that(
    small: SmallExchange, export: bytes
) -> None:
    at = NOW + 4 * YEAR
    report = verify_file(MemorySource(export), "x", fresh(small, at), AuditTime(at, given=False))
    (wrong,) = (each for each in report.checks if each.outcome not in (Outcome.GOOD, Outcome.NOTE))
    assert (wrong.name, wrong.outcome) == (CheckName.CONTAINER_SEAL, Outcome.INDETERMINATE)
    assert "get a fresh export" in str(wrong.remedy)
    key = small.pki.certificate(
        "Document exchange",
        issuer=small.pki.issuing,
        agency_code="H29",
        extensions=[(role_policy(CertificateRole.EXCHANGE_SEAL), False)],
        not_before=at - YEAR,
        not_after=at + YEAR,
    )
    sealed_anew = packed(unpacked(export), small, key, at)
    again = verify_file(MemorySource(sealed_anew), "x", fresh(small, at), AuditTime(at, given=False))
    assert again.verdict is Outcome.GOOD


def test_what_was_repacked_as_it_was_is_good(small: SmallExchange, export: bytes) -> None:
    assert small.audit(packed(unpacked(export), small)).verdict is Outcome.GOOD


def drop(part: str) -> Change:
    def change(files: Files, _: SmallExchange) -> None:
        del files[name_of(files, part)]

    return change


def swap(part: str, old: bytes, new: bytes) -> Change:
    def change(files: Files, _: SmallExchange) -> None:
        name = name_of(files, part)
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


def reseal(part: str, **changes: object) -> Change:
    """The exchange itself states something else: the seal is good, the chain is not."""

    def change(files: Files, small: SmallExchange) -> None:
        name = name_of(files, part)
        evidence, _, _ = read_evidence(parse_evidence(files[name]))
        files[name] = small.exchange.issuer.seal(replace(evidence, **changes)).body  # type: ignore[arg-type]

    return change


def sealed_by_an_agency(part: str) -> Change:
    def change(files: Files, small: SmallExchange) -> None:
        name = name_of(files, part)
        evidence, _, _ = read_evidence(parse_evidence(files[name]))
        files[name] = EvidenceIssuer(Party("H29", "x"), small.seals[OFFICE]).seal(evidence).body

    return change


def another_message(files: Files, small: SmallExchange) -> None:
    files[layout.MESSAGE] = small.sealed(letter(subject="Một trích yếu khác", to=(WARD, OTHER_WARD)))


def another_status(files: Files, small: SmallExchange) -> None:
    files[name_of(files, "status/002")] = small.sealed(status("06", letter(2)))


def a_stranger(files: Files, _: SmallExchange) -> None:
    files["notes.txt"] = b"hello"


def another_attachment(files: Files, _: SmallExchange) -> None:
    files["attachments/02-extra.pdf"] = b"%PDF-1.7 extra"


def broken_certificate(files: Files, _: SmallExchange) -> None:
    data = b"not a certificate"
    files[f"{layout.CERTIFICATES}{hashlib.sha256(data).hexdigest()}.cer"] = data


def altered(folder: str) -> Change:
    """One bit of each certificate or CRL, which stays readable."""

    def change(files: Files, _: SmallExchange) -> None:
        for name in [each for each in files if each.startswith(folder)]:
            files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])

    return change


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (swap("message.edxml", b"UBND-VX", b"UBND-XV"), CheckName.MESSAGE_SEAL),
        (another_message, CheckName.EVIDENCE_LINK),
        (swap("attachments/01", b"%PDF", b"%pdf"), CheckName.ATTACHMENT),
        (drop("attachments/01"), CheckName.ATTACHMENT),
        (another_attachment, CheckName.ATTACHMENT),
        (swap("evidence/001", b"H29.1", b"H29.2"), CheckName.EVIDENCE_SEAL),
        (sealed_by_an_agency("evidence/003-ContentHandover"), CheckName.EVIDENCE_SEAL),
        (swap("evidence/002", b"<Evidence", b"<Evidenze"), CheckName.FORMAT),
        (reseal("evidence/003-ContentHandover", message_sha256="ab" * 32), CheckName.EVIDENCE_LINK),
        (reseal("evidence/003-ContentHandover", previous_sha256="ab" * 32), CheckName.EVIDENCE_LINK),
        (reseal("evidence/003-ContentHandover", previous_sha256=None), CheckName.EVIDENCE_LINK),
        (reseal("evidence/003-ContentHandover", document_id="another"), CheckName.EVIDENCE_LINK),
        (reseal("evidence/002-ContentConsignment", recipients=(Party(WARD, "x", 1),)), CheckName.COMPLETENESS),
        (drop("evidence/001"), CheckName.COMPLETENESS),
        (drop("evidence/002"), CheckName.COMPLETENESS),
        (drop("status/002"), CheckName.EVIDENCE_LINK),
        (swap("status/002", b"StatusCode>03", b"StatusCode>06"), CheckName.STATUS_SEAL),
        (another_status, CheckName.STATUS_LINK),
        (a_stranger, CheckName.COMPLETENESS),
        (drop("message.edxml"), CheckName.FORMAT),
        (broken_certificate, CheckName.FORMAT),
        (altered(layout.CERTIFICATES), CheckName.FORMAT),
        (altered(layout.CRLS), CheckName.FORMAT),
    ],
)
def test_each_fault_is_found_even_under_the_exchanges_own_seal(
    small: SmallExchange, export: bytes, change: Change, found: CheckName
) -> None:
    files = unpacked(export)
    change(files, small)
    report = small.audit(packed(files, small))
    assert report.verdict is Outcome.BAD
    assert found in bad(report)


@pytest.mark.parametrize("comes_first", [True, False])
@pytest.mark.parametrize("name", ["1-cong-van.pdf", "001-x.pdf", "01-x.pdf", "01-x/evil.pdf", "01-cong-van.pdf ", "x"])
def test_no_other_file_stands_in_the_place_of_an_attachment(
    small: SmallExchange, export: bytes, name: str, *, comes_first: bool
) -> None:
    files = unpacked(export)
    added = {f"{layout.ATTACHMENTS}{name}": b"%PDF-1.7 another decision"}
    report = small.audit(packed({**added, **files} if comes_first else {**files, **added}, small))
    (wrong,) = (each for each in report.checks if each.outcome is Outcome.BAD)
    assert (wrong.name, wrong.subject) == (CheckName.ATTACHMENT, f"{layout.ATTACHMENTS}{name}")


def test_an_attachment_under_another_name_than_the_message_gives_is_bad(small: SmallExchange, export: bytes) -> None:
    files = unpacked(export)
    files["attachments/01-quyet-dinh.pdf"] = files.pop("attachments/01-cong-van.pdf")
    assert bad(small.audit(packed(files, small))) == {CheckName.ATTACHMENT}


def test_a_status_is_there_once(small: SmallExchange, export: bytes) -> None:
    files = unpacked(export)
    name = name_of(files, "status/002")
    files[name.replace("002", "004")] = files[name]
    report = small.audit(packed(files, small))
    (wrong,) = (each for each in report.checks if each.outcome is Outcome.BAD)
    assert (wrong.name, wrong.reason) == (CheckName.STATUS_LINK, f"it is {name} once more")
    assert len([fact for fact in report.facts if fact.name == "status"]) == 3


@pytest.mark.parametrize("name", ["META-INF/Quyet-dinh-manifest.xml", "META-INF/timestamp.tst"])
def test_what_nobody_signs_in_meta_inf_has_no_place_in_an_export(
    small: SmallExchange, export: bytes, name: str
) -> None:
    out = io.BytesIO(export)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"<a/>")
    report = small.audit(out.getvalue())
    (wrong,) = (each for each in report.checks if each.outcome is Outcome.BAD)
    assert (wrong.name, name in wrong.reason) == (CheckName.COMPLETENESS, True)


def test_after_many_bad_statuses_no_more_are_looked_at(small: SmallExchange, export: bytes) -> None:
    files = unpacked(export)
    data = files[name_of(files, "status/003")]
    for number in range(30):
        files[f"status/{number + 10:03d}-02-{OTHER_WARD}.edxml"] = data + b" " * number
    seen: list[str] = []
    source, time = MemorySource(packed(files, small)), AuditTime(small.clock(), given=False)
    verify_file(source, "x", small.trust, time, progress=seen.append)
    report = small.audit(packed(files, small))
    passed_over = [each for each in report.checks if "it was not looked at" in each.reason]
    assert (report.verdict, len(passed_over), {each.outcome for each in passed_over}) == (Outcome.BAD, 9, {Outcome.BAD})
    assert len([name for name in seen if name.startswith("status/")]) == 24


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("status/002", "-03-", "-02-"),
        ("status/002", WARD, OTHER_WARD),
        ("status/001", f"-{WARD}", ""),
        ("evidence/003", "ContentHandover", "ContentConsignment"),
        ("evidence/003", WARD, OTHER_WARD),
        ("evidence/002", "ContentConsignment", f"ContentConsignment-{WARD}"),
        ("evidence/005", WARD, OFFICE),
        ("evidence/005", "005-", "005-1-"),
        ("evidence/005", "005-", ""),
        ("evidence/005", "005-", "0005-"),
        ("evidence/005", ".xml", "/x.xml"),
    ],
)
def test_the_name_of_a_file_tells_what_is_in_it(
    small: SmallExchange, export: bytes, part: str, old: str, new: str
) -> None:
    files = unpacked(export)
    name = name_of(files, part)
    false = name.replace(old, new)
    report = small.audit(packed({false if each == name else each: data for each, data in files.items()}, small))
    (wrong,) = (each for each in report.checks if each.outcome is Outcome.BAD)
    assert (wrong.name, wrong.subject) == (CheckName.FILE_NAME, false)


@pytest.mark.parametrize("code", [OFFICE, WARD, OTHER_WARD])
def test_names_of_codes_and_files_that_are_no_file_names_hold(small: SmallExchange, code: str) -> None:
    old = {OFFICE: "000.00.01.H29", WARD: "000.01.31.H29"}
    names = ("a?b*.pdf", "x" * 170 + ".pdf", "tờ  tri\u0300nh .pdf", "a?b*.pdf")
    attached = tuple(
        replace(attachment(b"%PDF-1.7 " + name.encode(), name), content_id=f"att-{number}")
        for number, name in enumerate(names)
    )
    about = letter(to=(old[WARD], OTHER_WARD), sender=old[OFFICE], attachments=attached)
    pk = small.submit(about).document_pk
    small.hand_over(pk, WARD)
    small.submit(status("03", about, reporter=old[WARD], to=old[OFFICE]))
    small.submit(status("13", about, reporter=OFFICE, to=OTHER_WARD, description="Gửi nhầm"))
    small.work()
    for export in (small.export(pk, code), exported_for_an_auditor(small, pk)):
        assert bad(small.audit(export)) == set()


def exported_for_an_auditor(small: SmallExchange, pk: UUID) -> bytes:
    out = io.BytesIO()
    export_document(small.exchange, small.view(pk, HOME_AFFAIRS, Scope.AUDIT), out, small.clock())
    return out.getvalue()


def test_evidence_of_another_document_may_not_follow_even_where_nothing_else_is_wrong(
    small: SmallExchange, export: bytes
) -> None:
    files = unpacked(export)
    last = max(name for name in files if name.startswith(layout.EVIDENCE))
    reseal(last, document_id="another")(files, small)
    report = small.audit(packed(files, small))
    (wrong,) = (each for each in report.checks if each.outcome not in (Outcome.GOOD, Outcome.NOTE))
    assert (wrong.name, wrong.subject) == (CheckName.EVIDENCE_LINK, last)
    assert "cannot stand before it" in wrong.reason


def test_altered_certificates_do_not_stand_in_the_way_of_the_true_ones_in_the_seals(
    small: SmallExchange, export: bytes
) -> None:
    files = unpacked(export)
    altered(layout.CERTIFICATES)(files, small)
    report = small.audit(packed(files, small))
    assert bad(report) == {CheckName.FORMAT}
    assert not [check for check in report.checks if check.outcome is Outcome.INDETERMINATE]


def test_an_altered_authority_under_the_name_of_its_own_digest_does_not_soften_the_verdict(
    small: SmallExchange, export: bytes
) -> None:
    files = unpacked(export)
    swap(layout.MESSAGE, b"UBND-VX", b"UBND-XV")(files, small)
    plain = small.audit(packed(files, small))
    assert CheckName.MESSAGE_SEAL in bad(plain)
    issuing = small.pki.issuing.certificate.public_bytes(Encoding.DER)
    del files[f"{layout.CERTIFICATES}{hashlib.sha256(issuing).hexdigest()}.cer"]
    for position in range(1, 21):
        copy = bytearray(issuing)
        copy[-position] ^= 1
        der = bytes(copy)
        files[f"{layout.CERTIFICATES}{hashlib.sha256(der).hexdigest()}.cer"] = der
    report = small.audit(packed(files, small))
    assert (report.verdict, bad(report)) == (Outcome.BAD, bad(plain))


def test_a_container_that_another_sealed_is_bad(small: SmallExchange, export: bytes) -> None:
    out = io.BytesIO()
    members = [ContainerFile(name, "text/plain", _File(data)) for name, data in unpacked(export).items()]
    write_container(out, members, key=small.seals[OFFICE], signing_time=small.clock())
    assert bad(small.audit(out.getvalue())) == {CheckName.CONTAINER_SEAL}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_one_byte_changed_is_found_wherever_it_changes_what_is_read(small: SmallExchange, data: st.DataObject) -> None:
    if not hasattr(small, "_one_export"):
        pk = small.submit(letter()).document_pk
        small.__dict__["_one_export"] = small.export(pk, OFFICE)
    export = bytearray(small.__dict__["_one_export"])
    at = data.draw(st.integers(0, len(export) - 1))
    export[at] ^= 1 << data.draw(st.integers(0, 7))
    if small.audit(bytes(export)).verdict is Outcome.GOOD:
        assert unpacked(bytes(export)) == unpacked(small.__dict__["_one_export"])


def test_the_same_document_at_the_same_time_is_exported_to_the_same_bytes(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    at = small.clock()
    assert small.export(pk, OFFICE, at) == small.export(pk, OFFICE, at)


def test_a_recipients_export_tells_nothing_of_the_other_recipient(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    for ward in (WARD, OTHER_WARD):
        small.hand_over(pk, ward)
        small.submit(status("03", letter(), reporter=ward))
    export = small.export(pk, WARD)
    assert small.audit(export).verdict is Outcome.GOOD
    assert not [name for name in unpacked(export) if OTHER_WARD in name]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\\b:c*.pdf", "x" * 300 + ".pdf", "...", "\u202efdp.exe"])
def test_odd_names_become_harmless(name: str) -> None:
    made = layout.attachment_name(0, name)
    assert made.startswith("attachments/01-")
    assert made.count("/") == 1
    assert len(made.encode()) < 200


def test_a_sealed_letter_alone_is_good(small: SmallExchange) -> None:
    report = small.audit_with_crls(small.sealed(letter()))
    assert (report.kind, report.verdict) == (FileKind.DOCUMENT, Outcome.GOOD)


def test_a_letter_under_no_seal_of_an_agency_is_bad(small: SmallExchange) -> None:
    message = b"".join(seal_message(letter(), small.exchange.issuer.key, small.clock()).encoded_chunks())
    assert bad(small.audit_with_crls(message)) == {CheckName.MESSAGE_SENDER}


def test_an_unsealed_letter_is_bad(small: SmallExchange) -> None:
    message = small.sealed(letter())
    start, stop = message.index(b"<ds:Signature"), message.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    assert bad(small.audit(message[:start] + message[stop:])) == {CheckName.MESSAGE_SEAL}


def test_evidence_alone_is_good_only_under_the_exchanges_seal(small: SmallExchange) -> None:
    receipt = small.submit(letter()).evidence
    assert small.audit_with_crls(receipt).verdict is Outcome.GOOD
    evidence, _, _ = read_evidence(parse_evidence(receipt))
    forged = EvidenceIssuer(Party("H29", "x"), small.seals[OFFICE]).seal(evidence).body
    assert bad(small.audit_with_crls(forged)) == {CheckName.EVIDENCE_SEAL}


def test_evidence_alone_is_noted_to_state_its_time_itself(small: SmallExchange) -> None:
    receipt = small.submit(letter()).evidence
    evidence, _, _ = read_evidence(parse_evidence(receipt))
    trust = AuditTrust(small.pki.anchors(), tuple(small.pki.crls()))
    for named in (False, True):
        report = verify_file(MemorySource(receipt), "x", trust, AuditTime(small.clock(), named))
        (note,) = (check for check in report.checks if check.name is CheckName.TIME)
        assert (report.verdict, note.outcome) == (Outcome.GOOD, Outcome.NOTE)
        assert f"states the time {evidence.event_time.isoformat()}" in note.reason
        assert "no independent time-stamp" in note.reason
        assert report.facts[0].value == "SubmissionAcceptance"


REVOKED_AT = NOW + 2 * DAY
JUDGED_AT = NOW + 5 * DAY


def after_revocation(small: SmallExchange, reason: x509.ReasonFlags | None) -> AuditTrust:
    """What a reader believes when the exchange's seal has been revoked, after what it sealed."""
    key = small.exchange.issuer.key
    assert isinstance(key, MemoryKey)
    small.pki.revoke(key, REVOKED_AT, reason)
    crls = small.pki.crls(this_update=JUDGED_AT - DAY, next_update=JUDGED_AT + DAY)
    return AuditTrust(small.pki.anchors(), crls, (small.pki.issuing.certificate,))


@pytest.mark.parametrize("reason", [None, x509.ReasonFlags.key_compromise])
def test_evidence_under_a_key_that_may_have_been_stolen_proves_nothing_by_its_own_time(
    small: SmallExchange, reason: x509.ReasonFlags | None
) -> None:
    receipt = small.submit(letter()).evidence
    trust = after_revocation(small, reason)
    report = verify_file(MemorySource(receipt), "x", trust, AuditTime(JUDGED_AT, given=False))
    (check,) = (each for each in report.checks if each.name is CheckName.EVIDENCE_SEAL)
    assert (report.verdict, check.outcome, report.facts) == (Outcome.INDETERMINATE, Outcome.INDETERMINATE, ())
    assert check.report is not None
    assert check.report.sub_indication is SubIndication.REVOKED_NO_POE
    assert (check.report.findings[0].rule, check.report.covered) == ("path.revoked_since", ())
    assert "whoever has the key can write any time" in str(check.remedy)
    before = verify_file(MemorySource(receipt), "x", trust, AuditTime(REVOKED_AT - DAY, given=True))
    assert before.verdict is Outcome.GOOD
    assert before.facts


def test_evidence_under_an_authority_that_lost_its_key_proves_nothing_by_its_own_time(small: SmallExchange) -> None:
    receipt = small.submit(letter()).evidence
    small.pki.revoke(small.pki.issuing, REVOKED_AT)
    crls = small.pki.crls(this_update=JUDGED_AT - DAY, next_update=JUDGED_AT + DAY)
    trust = AuditTrust(small.pki.anchors(), crls, (small.pki.issuing.certificate,))
    report = verify_file(MemorySource(receipt), "x", trust, AuditTime(JUDGED_AT, given=False))
    (check,) = (each for each in report.checks if each.name is CheckName.EVIDENCE_SEAL)
    assert check.report is not None
    assert check.report.sub_indication is SubIndication.REVOKED_CA_NO_POE
    assert (report.verdict, report.facts) == (Outcome.INDETERMINATE, ())


def test_evidence_under_a_seal_that_was_only_replaced_stays_good(small: SmallExchange) -> None:
    receipt = small.submit(letter()).evidence
    trust = after_revocation(small, x509.ReasonFlags.superseded)
    assert verify_file(MemorySource(receipt), "x", trust, AuditTime(JUDGED_AT, given=False)).verdict is Outcome.GOOD


def test_an_export_under_a_key_that_may_have_been_stolen_proves_no_time(small: SmallExchange, export: bytes) -> None:
    trust = after_revocation(small, x509.ReasonFlags.key_compromise)
    report = verify_file(MemorySource(export), "x", trust, AuditTime(JUDGED_AT, given=False))
    assert {each.outcome for each in report.checks if each.name is CheckName.EVIDENCE_SEAL} == {Outcome.INDETERMINATE}
    assert "accepted_at" not in {fact.name for fact in report.facts}
    assert report.verdict is Outcome.INDETERMINATE
    before = verify_file(MemorySource(export), "x", trust, AuditTime(REVOKED_AT - DAY, given=True))
    assert (before.verdict, "accepted_at" in {fact.name for fact in before.facts}) == (Outcome.GOOD, True)


def test_what_no_seal_that_held_covers_is_listed_as_no_fact(small: SmallExchange) -> None:
    receipt, message = small.submit(letter()).evidence, small.sealed(letter())
    report = small.sealed(status("03", letter()))
    evidence, _, _ = read_evidence(parse_evidence(receipt))
    unproven = {
        "evidence with another sender": receipt.replace(b"H29.1", b"H29.2", 1),
        "evidence that an agency sealed": EvidenceIssuer(Party("H29", "x"), small.seals[OFFICE]).seal(evidence).body,
        "a letter that was changed": message.replace(b"UBND-VX", b"UBND-XV", 1),
        "a letter under the exchange's seal": b"".join(
            seal_message(letter(), small.exchange.issuer.key, small.clock()).encoded_chunks()
        ),
        "a report that was changed": report.replace(b"StatusCode>03", b"StatusCode>06", 1),
    }
    for what, data in unproven.items():
        assert data not in (receipt, message, report), what
        found = small.audit_with_crls(data)
        assert (found.verdict, found.facts) == (Outcome.BAD, ()), what
    for data in (receipt, message, report):
        assert small.audit_with_crls(data).facts


def test_the_facts_of_an_export_come_from_its_proven_files_alone(small: SmallExchange, export: bytes) -> None:
    def facts(*changes: Change) -> set[tuple[str, str]]:
        files = unpacked(export)
        for change in changes:
            change(files, small)
        return {(fact.name, fact.value.split(" ")[0]) for fact in small.audit(packed(files, small)).facts}

    whole = facts()
    letter_facts = {each for each in whole if each[0] not in ("accepted_at", "status")}
    accepted = {each for each in whole if each[0] == "accepted_at"}
    assert len(accepted) == 1
    assert facts(swap("message.edxml", b"<edXML:Subject>V", b"<edXML:Subject>W")) == whole - letter_facts - accepted
    assert facts(swap("message.edxml", b"UBND-VX", b"UBND-XV")) == set(), "no status is about that DocumentId"
    assert facts(swap("status/002", b"StatusCode>03", b"StatusCode>06")) == whole - {("status", "03")}
    assert facts(swap("evidence/001", b"H29.1", b"H29.2")) == whole - accepted


def without(export: bytes, name: str) -> bytes:
    """The container as the exchange sealed it, but for one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(export)) as archive, zipfile.ZipFile(out, "w") as other:
        for each in archive.infolist():
            if each.filename != name:
                other.writestr(each, archive.read(each))
    return out.getvalue()


def test_each_file_taken_out_of_an_export_is_first_told_to_be_missing(small: SmallExchange, export: bytes) -> None:
    names = list(unpacked(export))
    assert {name.partition("/")[0] for name in names} >= {"message.edxml", "README.txt", "crls", "certificates"}
    for name in names:
        report = small.audit(without(export, name))
        first = report.checks[0]
        assert (report.verdict, first.name, first.subject) == (Outcome.BAD, CheckName.PRESENCE, name)
        assert "missing from the container" in first.reason
        assert "get the export again from the exchange" in str(first.remedy)
        seal = next(each for each in report.checks if each.name is CheckName.CONTAINER_SEAL)
        assert seal.reason == f"the seal is over files that are missing from the container: {name}"
        assert seal.remedy == first.remedy


def test_a_file_with_a_name_in_vietnamese_is_missing_under_that_name(small: SmallExchange, export: bytes) -> None:
    files = {**unpacked(export), "attachments/09-Tờ trình 100%.pdf": b"x"}
    report = small.audit(without(packed(files, small), "attachments/09-Tờ trình 100%.pdf"))
    assert report.checks[0].subject == "attachments/09-Tờ trình 100%.pdf"


def test_of_many_missing_files_each_has_its_own_finding(small: SmallExchange, export: bytes) -> None:
    names = list(unpacked(export))[:5]
    for name in names:
        export = without(export, name)
    report = small.audit(export)
    assert [each.subject for each in report.checks if each.name is CheckName.PRESENCE] == names
    seal = next(each for each in report.checks if each.name is CheckName.CONTAINER_SEAL)
    assert seal.reason.endswith(f"{', '.join(names[:3])} and 2 more")


def test_an_attachment_that_even_the_exchange_left_out_is_told_to_be_missing(
    small: SmallExchange, export: bytes
) -> None:
    files = unpacked(export)
    drop("attachments/01")(files, small)
    report = small.audit(packed(files, small))
    assert "missing from the container" in next(
        each.reason for each in report.checks if each.name is CheckName.ATTACHMENT
    )


def test_without_a_trust_list_it_is_noted_that_certificates_alone_name_the_exchange(
    small: SmallExchange, export: bytes
) -> None:
    def notes(report: AuditReport) -> list[Outcome]:
        return [each.outcome for each in report.checks if each.name is CheckName.EXCHANGE_IDENTITY]

    report = small.audit(export)
    assert (report.verdict, notes(report)) == (Outcome.GOOD, [Outcome.NOTE])
    assert "no trust list" in report.checks[-1].reason
    assert notes(small.audit_with_crls(small.submit(letter(2)).evidence)) == [Outcome.NOTE]
    assert notes(small.audit_with_crls(small.sealed(letter()))) == [], "no seal of the exchange is in a letter"
    listed = judged(small, export, listing(small, small.exchange.issuer.key.certificate))
    assert (listed.verdict, notes(listed)) == (Outcome.GOOD, [])


def listing(small: SmallExchange, seal: x509.Certificate, until: datetime | None = None) -> AuditTrust:
    """The reader's trust with a trust list that names one seal of the exchange."""
    now = small.clock()
    entry = TrustListEntry(TrustedAs.EXCHANGE_SEAL, seal, seal.not_valid_before_utc, until)
    trust_list = TrustList("Trục", 7, now - timedelta(days=1), now + timedelta(days=1), (entry,))
    return AuditTrust(small.pki.anchors(), tuple(small.pki.crls()), (), trust_list)


def judged(small: SmallExchange, data: bytes, trust: AuditTrust) -> AuditReport:
    return verify_file(MemorySource(data), "x", trust, AuditTime(small.clock(), given=False))


def test_a_trust_list_says_who_the_exchange_is(small: SmallExchange, export: bytes) -> None:
    trust = listing(small, small.exchange.issuer.key.certificate)
    report = judged(small, export, trust)
    assert report.verdict is Outcome.GOOD
    seals = [check for check in report.checks if check.name in (CheckName.CONTAINER_SEAL, CheckName.EVIDENCE_SEAL)]
    assert all("trust list 7 names it" in check.reason for check in seals)


def test_a_seal_that_the_trust_list_does_not_name_is_not_the_exchanges(small: SmallExchange, export: bytes) -> None:
    trust = listing(small, small.seals[OFFICE].certificate)
    report = judged(small, export, trust)
    assert bad(report) == {CheckName.CONTAINER_SEAL, CheckName.EVIDENCE_SEAL, CheckName.MESSAGE_SENDER}
    reason = next(check.reason for check in report.checks if check.name is CheckName.CONTAINER_SEAL)
    assert "trust list 7 does not name this seal" in reason


def test_the_exchange_reports_for_agencies_only_under_a_seal_of_the_trust_list(small: SmallExchange) -> None:
    small.submit(letter())
    key = small.exchange.issuer.key
    report, own = b"".join(seal_message(status("01", letter()), key, small.clock()).encoded_chunks()), key.certificate
    assert judged(small, report, listing(small, own)).verdict is Outcome.GOOD
    assert bad(judged(small, report, listing(small, small.seals[OFFICE].certificate))) == {CheckName.MESSAGE_SENDER}


def test_a_seal_that_the_trust_list_names_for_other_times_decides_nothing(small: SmallExchange) -> None:
    receipt = small.submit(letter()).evidence
    own = small.exchange.issuer.key.certificate
    report = judged(small, receipt, listing(small, own, until=small.clock() - timedelta(days=1)))
    assert report.verdict is Outcome.INDETERMINATE
    assert "names CN=" in report.checks[0].reason
    assert judged(small, receipt, listing(small, own, until=small.clock() + timedelta(days=1))).verdict is Outcome.GOOD


def test_a_stranger_with_other_anchors_believes_nothing(small: SmallExchange, export: bytes) -> None:
    other = AuditTrust(Pki(algorithm="P-384", name="Other").anchors())
    report = verify_file(MemorySource(export), "x", other, AuditTime(small.clock(), given=False))
    assert report.verdict in (Outcome.BAD, Outcome.INDETERMINATE)
    seals = [check.outcome for check in report.checks if check.name is CheckName.MESSAGE_SEAL]
    assert Outcome.GOOD not in seals


def test_a_file_with_more_signatures_than_anybody_needs_is_not_worked_through(small: SmallExchange) -> None:
    message = small.sealed(letter())
    start, stop = message.index(b"<ds:Signature"), message.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    report = small.audit(b"<many>" + message[start:stop].replace(b' Id="', b' Ref="') * 17 + b"</many>")
    assert (report.kind, bad(report)) == (FileKind.SIGNED_XML, {CheckName.FORMAT})


def test_a_container_with_more_signatures_than_anybody_needs_is_not_worked_through(
    small: SmallExchange, export: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(export)) as archive, zipfile.ZipFile(out, "w") as changed:
        for member in archive.infolist():
            data = archive.read(member)
            start, stop = data.find(b"<ds:Signature"), data.rfind(b"</asic:XAdESSignatures>")
            many = member.filename == "META-INF/signatures.xml"
            changed.writestr(member, data[:start] + data[start:stop] * 17 + data[stop:] if many else data)
    judged_ones: list[object] = []
    monkeypatch.setattr("edoc.audit.bundle.verify", lambda *args, **_: judged_ones.append(args))
    report = small.audit(out.getvalue())
    reasons = [each.reason for each in report.checks if each.outcome is Outcome.BAD]
    assert (reasons, judged_ones) == (["the container has more than 16 signatures"], [])


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04junk", b"hello", b"<a/>", b"<!DOCTYPE a><a/>", b"\x00" * 100])
def test_anything_else_is_not_good(small: SmallExchange, data: bytes) -> None:
    report = small.audit(data)
    assert report.verdict is not Outcome.GOOD
    assert report.checks[0].remedy


def test_reports_are_complete_values(small: SmallExchange, export: bytes) -> None:
    report = small.audit(export)
    assert all(check.remedy is None for check in report.checks if check.outcome is Outcome.GOOD)
    assert json.dumps([check.reason for check in report.checks])


def test_an_export_is_judged_by_the_limits_of_the_messages_that_are_accepted(
    small: SmallExchange, export: bytes
) -> None:
    trust, time = small.trust, AuditTime(small.clock(), given=False)
    small_messages = replace(MessageLimits(), xml=XmlLimits(max_bytes=2000), max_attachment_bytes=10)
    report = verify_file(MemorySource(export), "x", trust, time, limits=small_messages)
    assert (report.kind, bad(report)) == (FileKind.EXPORT, {CheckName.FORMAT})
    assert "more than 2000" in report.checks[0].reason
    assert verify_file(MemorySource(export), "x", trust, time, limits=MessageLimits()).verdict is Outcome.GOOD


def test_limits_of_an_export_follow_the_messages_and_their_files() -> None:
    limits = replace(
        MessageLimits(),
        xml=XmlLimits(max_bytes=3 << 30),
        max_attachment_bytes=1 << 30,
        max_total_attachment_bytes=2 << 30,
    )
    found = container_limits(limits).zip
    assert (found.max_entry_bytes, found.max_total_bytes) == (3 << 30, (5 << 30) + EVIDENCE_BYTES)
    assert container_limits(MessageLimits()).zip == ZipLimits(), "the usual limits are those of the container's reader"


def test_offline_no_part_of_a_file_is_too_large_for_a_reader_who_has_the_file() -> None:
    size = 6 << 30
    limits = limits_for(size)
    assert {limits.xml.max_bytes, limits.max_attachment_bytes, limits.max_total_attachment_bytes} == {size}
    assert container_limits(limits).zip.max_entry_bytes == size
    assert (limits.max_attachments, limits.max_recipients) == (1000, 1000)
    assert limits_for(100).max_attachment_bytes == MessageLimits().max_attachment_bytes
    assert limits.xml.max_skeleton_bytes == XmlLimits().max_skeleton_bytes, "the tree stays small"


@pytest.mark.parametrize(
    ("sub_indication", "remedy"),
    [
        (SubIndication.REVOKED_NO_POE, "judge the file as of a time before the revocation"),
        (SubIndication.REVOKED_CA_NO_POE, "before the revocation of the authority"),
        (SubIndication.OUT_OF_BOUNDS_NO_POE, "judge the file as of a time before the certificate's end"),
        (SubIndication.REVOKED, "sealed after the revocation"),
        (SubIndication.EXPIRED, "sealed after its certificate's end"),
        (SubIndication.NO_CERTIFICATE_CHAIN_FOUND, "to your anchors"),
        (SubIndication.TRY_LATER, "add a CRL"),
        (None, "read the reason"),
    ],
)
def test_an_auditor_is_told_what_an_auditor_can_do(sub_indication: SubIndication | None, remedy: str) -> None:
    assert remedy in remedy_for("path.some", sub_indication)


def test_every_sub_indication_has_a_remedy_for_whoever_reads() -> None:
    assert set(OF_SEALS) == set(SubIndication)
    for each in SubIndication:
        for name in (CheckName.MESSAGE_SEAL, CheckName.EVIDENCE_SEAL, CheckName.CONTAINER_SEAL):
            assert "what the signer can do" not in remedy_for("path.some", each, name)


@pytest.mark.parametrize("name", [CheckName.EVIDENCE_SEAL, CheckName.CONTAINER_SEAL])
def test_of_the_exchanges_own_seals_nobody_is_sent_to_the_exchanges_receipt(name: CheckName) -> None:
    for each in SubIndication:
        assert "receipt" not in remedy_for("path.some", each, name)
    assert "receipt" in remedy_for("path.some", SubIndication.REVOKED_NO_POE)


@pytest.mark.parametrize(
    ("rule", "sub_indication", "remedy"),
    [
        ("path.on_hold", SubIndication.TRY_LATER, "until the hold is lifted"),
        ("path.before_validity", SubIndication.OUT_OF_BOUNDS_NO_POE, "a time at which the certificate is valid"),
        ("path.revoked_since", SubIndication.REVOKED_CA_NO_POE, "whoever has the key can write any time"),
        ("path.authority_validity", SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE, "the authority was valid"),
        ("acceptance.signing_time", SubIndication.SIG_CONSTRAINTS_FAILURE, "if your clock"),
    ],
)
def test_a_rule_that_says_more_than_its_sub_indication_has_its_own_remedy(
    rule: str, sub_indication: SubIndication, remedy: str
) -> None:
    assert remedy in remedy_for(rule, sub_indication)


def remedy_for(rule: str, sub_indication: SubIndication | None, name: CheckName = CheckName.MESSAGE_SEAL) -> str:
    finding = Finding(rule, "a reason", "what the signer can do")
    report = ValidationReport(
        Indication.INDETERMINATE, sub_indication, (finding,), NOW, None, None, None, (), None, (), ()
    )
    return str(check_of(name, "x", report).remedy)


def test_a_trust_list_is_told_as_such_and_gets_no_verdict(small: SmallExchange) -> None:
    trust = listing(small, small.exchange.issuer.key.certificate)
    assert trust.trust_list is not None
    report = judged(small, write_trust_list(trust.trust_list, small.exchange.issuer.key), trust)
    assert (report.kind, report.verdict) == (FileKind.SIGNED_XML, Outcome.INDETERMINATE)
    assert "keys show" in str(report.checks[0].remedy)
