"""Evidence that a lying exchange sealed anew: every seal and every link holds, and only what it says can tell."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from edoc.audit.agencies import AgencyCodes, Likeness, aliases_of_agencies, aliases_of_list
from edoc.audit.bundle import MAX_SMALL_BYTES
from edoc.audit.files import verify_file
from edoc.audit.model import AuditReport, AuditTime, AuditTrust, CheckName, Outcome
from edoc.audit.singles import UNCONFIRMED_AGENCY, UNLISTED_AGENCY, UNNAMED_AGENCY
from edoc.audit.statements import Parties, ReadEvidence, check_status
from edoc.directory.loader import read_agency_list
from edoc.evidence.codec import parse_evidence, read_evidence
from edoc.evidence.issuer import EvidenceIssuer
from edoc.evidence.model import Evidence, EvidenceType, MessageKind, Party
from edoc.export import layout
from edoc.sealing import seal_message
from keys.certificates import CertificateRole
from signing.asice import open_container
from signing.xml import MemorySource
from tests.support.pki import DAY, NOW, role_policy
from tests.support.services import (
    AGENCIES,
    HOME_AFFAIRS,
    OFFICE,
    OTHER_WARD,
    WARD,
    SmallExchange,
    letter,
    status,
)
from tests.unit.edoc.audit.test_audit import Files, name_of, packed, unpacked

Retell = Callable[[str, Evidence], Evidence]

LISTED = aliases_of_list(read_agency_list(AGENCIES))
LONG_AGO = NOW - timedelta(hours=20)
"""The day before the one that the letter bears."""
OLD_OFFICE, OLD_WARD = "000.00.01.H29", "000.01.31.H29"
DOCUMENT, CONSIGNMENT, HANDOVER = "001-", "ContentConsignment", "ContentHandover"


@pytest.fixture
def files(small: SmallExchange) -> Files:
    """An export with two recipients, a handover and a status of each of two kinds."""
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    small.hand_over(pk, WARD)
    small.work()
    small.submit(status("03", letter()))
    return unpacked(small.export(pk, OFFICE))


def evidence_of(files: Files) -> Iterator[tuple[str, Evidence]]:
    for name in sorted(each for each in files if each.startswith(layout.EVIDENCE)):
        yield name, read_evidence(parse_evidence(files[name]))[0]


def retold(files: Files, small: SmallExchange, retell: Retell, message: bytes | None = None) -> bytes:
    """The export as a lying exchange makes it: each piece told anew, sealed and linked; the letter another one."""
    files, digests = dict(files), {}
    if message is not None:
        digests[hashlib.sha256(files[layout.MESSAGE]).hexdigest()] = hashlib.sha256(message).hexdigest()
        files[layout.MESSAGE] = message
    for name, evidence in list(evidence_of(files)):
        told = retell(name, evidence)
        told = replace(told, previous_sha256=digests.get(told.previous_sha256 or "", told.previous_sha256))
        if message is not None and told.message_sha256 in digests:
            told = replace(told, message_sha256=digests[told.message_sha256], message_size=len(message))
        body = small.exchange.issuer.seal(told).body
        digests[hashlib.sha256(files.pop(name)).hexdigest()] = hashlib.sha256(body).hexdigest()
        files[name_as_told(name, told)] = body
    return packed(files, small)


def name_as_told(name: str, told: Evidence) -> str:
    """The file's name as the exchange would give it, with the same number."""
    agency = None
    if told.type is EvidenceType.CONTENT_HANDOVER:
        agency = told.recipients[0].code
    elif told.message_kind is MessageKind.STATUS:
        agency = told.sender.code
    return layout.evidence_name(int(name.removeprefix(layout.EVIDENCE)[:3]), told.type.value, agency)


def telling(part: str, **changes: object) -> Retell:
    return lambda name, evidence: replace(evidence, **changes) if part in name else evidence  # type: ignore[arg-type]


def wrong(report: AuditReport) -> set[tuple[CheckName, Outcome]]:
    return {(each.name, each.outcome) for each in report.checks if each.outcome not in (Outcome.GOOD, Outcome.NOTE)}


def believing_the_list(small: SmallExchange, data: bytes) -> AuditReport:
    trust = AuditTrust(small.pki.anchors(), tuple(small.pki.crls()), aliases=LISTED)
    return verify_file(MemorySource(data), "x", trust, AuditTime(small.clock(), given=False))


def facts(report: AuditReport) -> set[str]:
    return {fact.name for fact in report.facts}


def fewer_recipients(_: str, evidence: Evidence) -> Evidence:
    return replace(evidence, recipients=tuple(each for each in evidence.recipients if each.code != OTHER_WARD))


def a_recipient_more(name: str, evidence: Evidence) -> Evidence:
    more = DOCUMENT in name or CONSIGNMENT in name
    return replace(evidence, recipients=(*evidence.recipients, Party(HOME_AFFAIRS, "x"))) if more else evidence


def dated_before_the_handover(name: str, evidence: Evidence) -> Evidence:
    """A handover that is dated before the consignment on which it follows; no status hangs on it in time."""
    return replace(evidence, event_time=evidence.event_time - 30 * DAY) if HANDOVER in name else evidence


def another_sender_afterwards(name: str, evidence: Evidence) -> Evidence:
    later = CONSIGNMENT in name or HANDOVER in name
    return replace(evidence, sender=Party(HOME_AFFAIRS, "Sở Nội vụ")) if later else evidence


BAD, UNDECIDED = Outcome.BAD, Outcome.INDETERMINATE
LINK, TIME, MESSAGE = CheckName.EVIDENCE_LINK, CheckName.EVIDENCE_TIME, CheckName.EVIDENCE_MESSAGE
SENDER, RECIPIENTS = CheckName.EVIDENCE_SENDER, CheckName.EVIDENCE_RECIPIENTS


def test_what_is_told_anew_as_it_was_is_good(small: SmallExchange, files: Files) -> None:
    assert small.audit(retold(files, small, lambda _, evidence: evidence)).verdict is Outcome.GOOD


@pytest.mark.parametrize(
    ("retell", "found"),
    [
        (fewer_recipients, {(RECIPIENTS, BAD)}),
        (a_recipient_more, {(RECIPIENTS, BAD)}),
        (telling(DOCUMENT, message_size=7), {(MESSAGE, BAD)}),
        (telling("005-", message_size=7), {(MESSAGE, BAD)}),
        (telling("00", document_id="H29.2,2026/11/24,99/QD-UBND"), {(MESSAGE, BAD)}),
        (telling("00", document_id=None), {(MESSAGE, BAD)}),
        (another_sender_afterwards, {(SENDER, BAD)}),
        (dated_before_the_handover, {(TIME, BAD)}),
        (telling("00", event_time=LONG_AGO), {(TIME, BAD)}),
        (telling(HANDOVER, recipients=(Party(HOME_AFFAIRS, "x"),)), {(RECIPIENTS, BAD), (LINK, BAD)}),
        (telling(HANDOVER, recipients=(Party(WARD, "x"), Party(OTHER_WARD, "x"))), {(RECIPIENTS, BAD), (LINK, BAD)}),
        (telling(HANDOVER, recipients=(Party(OTHER_WARD, "x"),)), {(LINK, BAD)}),
        (telling(HANDOVER, message_kind=MessageKind.STATUS), {(LINK, BAD)}),
        (telling(HANDOVER, previous_sha256=None), {(LINK, BAD)}),
        (telling("005-", type=EvidenceType.SUBMISSION_REJECTION), {(LINK, BAD), (CheckName.STATUS_LINK, BAD)}),
        (telling("005-", recipients=(Party(HOME_AFFAIRS, "x"),)), {(RECIPIENTS, BAD), (RECIPIENTS, UNDECIDED)}),
    ],
)
def test_what_a_lying_exchange_states_is_found_by_the_check_for_it_alone(
    small: SmallExchange, files: Files, retell: Retell, found: set[tuple[CheckName, Outcome]]
) -> None:
    # A time before all seals also leaves the letter's and the statuses' own seals without a certificate that was valid.
    seals = {CheckName.MESSAGE_SEAL, CheckName.STATUS_SEAL, CheckName.MESSAGE_SENDER, CheckName.EVIDENCE_SEAL}
    assert {each for each in wrong(small.audit(retold(files, small, retell))) if each[0] not in seals} == found


def test_no_time_of_acceptance_is_told_where_times_contradict_each_other(small: SmallExchange, files: Files) -> None:
    assert "accepted_at" in facts(small.audit(retold(files, small, lambda _, evidence: evidence)))
    assert "accepted_at" not in facts(small.audit(retold(files, small, dated_before_the_handover)))


def test_clocks_of_the_exchange_may_differ_by_minutes(small: SmallExchange, files: Files) -> None:
    def retell(name: str, evidence: Evidence) -> Evidence:
        return (
            replace(evidence, event_time=evidence.event_time - timedelta(minutes=4)) if HANDOVER in name else evidence
        )

    assert small.audit(retold(files, small, retell)).verdict is Outcome.GOOD


def test_events_after_the_audit_prove_nothing_yet(small: SmallExchange, files: Files) -> None:
    export = retold(files, small, lambda _, evidence: replace(evidence, event_time=evidence.event_time + 5 * DAY))
    report = small.audit(export)
    assert wrong(report) == {(TIME, UNDECIDED)}
    assert not facts(report) & {"accepted_at"}
    (remedy,) = {each.remedy for each in report.checks if each.name is TIME and each.outcome is UNDECIDED}
    assert "your clock, or the time that you named with --at" in str(remedy)
    assert small.audit(export, small.clock() + 6 * DAY).verdict is Outcome.GOOD


def test_a_lone_receipt_from_after_the_audit_states_nothing_yet(small: SmallExchange) -> None:
    evidence, _, _ = read_evidence(parse_evidence(small.submit(letter()).evidence))
    receipt = small.exchange.issuer.seal(replace(evidence, event_time=evidence.event_time + DAY)).body
    report = small.audit_with_crls(receipt)
    assert (wrong(report), report.facts) == ({(TIME, UNDECIDED)}, ())


@pytest.mark.parametrize(
    ("retell", "reason"),
    [
        (fewer_recipients, f"it leaves out {OTHER_WARD}, to whom the sealed message is addressed"),
        (a_recipient_more, f"it names {HOME_AFFAIRS}, to whom the sealed message is not addressed"),
    ],
)
def test_of_the_recipients_those_left_out_or_added_are_told(
    small: SmallExchange, files: Files, retell: Retell, reason: str
) -> None:
    report = small.audit(retold(files, small, retell))
    assert reason in {each.reason for each in report.checks if each.name is RECIPIENTS and each.outcome is BAD}


def test_an_acceptance_that_nobody_proves_says_nothing_against_the_sender_of_the_rest(
    small: SmallExchange, files: Files
) -> None:
    name = name_of(files, f"{layout.EVIDENCE}{DOCUMENT}")
    evidence, _, _ = read_evidence(parse_evidence(files[name]))
    files[name] = EvidenceIssuer(Party("H29", "x"), small.seals[OFFICE]).seal(evidence).body
    report = small.audit(packed(files, small))
    assert (CheckName.EVIDENCE_SEAL, BAD) in wrong(report)
    assert (SENDER, BAD) not in wrong(report)


def test_a_status_that_names_no_addressee_contradicts_nobody(small: SmallExchange, files: Files) -> None:
    about = status("03", letter())
    silent = replace(about, response_for=replace(about.response_for, organ_id=None))
    name = name_of(files, "005-")
    evidence, _, _ = read_evidence(parse_evidence(files[name]))
    with open_container(packed(files, small)) as container:
        each = ReadEvidence(container.member(name), evidence, "", proven=True)
        checks = list(check_status(each, silent, Parties(None, None, AgencyCodes())))
    assert [(check.name, check.outcome) for check in checks] == [(SENDER, Outcome.GOOD)]


def told_again(files: Files, small: SmallExchange, part: str, **changes: object) -> bytes:
    """The export with one more piece, like another but for its identifier."""
    name = name_of(files, part)
    evidence, _, _ = read_evidence(parse_evidence(files[name]))
    again = replace(evidence, identifier=UUID(int=7), **changes)  # type: ignore[arg-type]
    more = {name.replace("00", "01", 1): small.exchange.issuer.seal(again).body}
    return packed(files | more, small)


def test_of_two_consignments_to_all_recipients_each_would_do_and_both_are_bad(
    small: SmallExchange, files: Files
) -> None:
    report = small.audit(told_again(files, small, CONSIGNMENT))
    assert wrong(report) == {(CheckName.COMPLETENESS, BAD)}


def test_of_two_acceptances_of_the_document_the_number_is_told(small: SmallExchange, files: Files) -> None:
    report = small.audit(told_again(files, small, DOCUMENT))
    (check,) = (each for each in report.checks if each.name is CheckName.COMPLETENESS and each.outcome is BAD)
    assert check.reason == "there are 2 SubmissionAcceptances of the document where there must be one"


def test_a_handover_of_the_document_is_not_about_a_status(small: SmallExchange, files: Files) -> None:
    told = files[name_of(files, f"{layout.STATUS}002")]
    about = telling(HANDOVER, message_sha256=hashlib.sha256(told).hexdigest(), message_size=len(told))
    report = small.audit(retold(files, small, about))
    assert wrong(report) == {(LINK, BAD)}
    (check,) = (each for each in report.checks if each.outcome is BAD)
    assert HANDOVER in check.subject
    assert check.reason.startswith("it is about a message with the digest")


def test_on_a_consignment_nothing_of_the_document_follows_but_handovers(small: SmallExchange, files: Files) -> None:
    report = small.audit(retold(files, small, telling(HANDOVER, type=EvidenceType.SUBMISSION_REJECTION)))
    told = {each.subject: each.reason for each in report.checks if each.name is LINK and each.outcome is BAD}
    (rejection,) = (each for each in told if "SubmissionRejection" in each)
    assert told[rejection].endswith("cannot stand before it")


@pytest.mark.parametrize("part", [f"{layout.STATUS}002", HANDOVER])
def test_evidence_and_statuses_that_are_large_are_refused_before_they_are_unpacked(
    small: SmallExchange, files: Files, part: str
) -> None:
    name = name_of(files, part)
    size = (MAX_SMALL_BYTES << 2) + 1
    report = small.audit(packed({**files, name: bytes(size)}, small))
    (reason,) = (each.reason for each in report.checks if each.subject == name and each.name is CheckName.FORMAT)
    assert reason == f"{name} has {size} bytes, too many for what it is"


@pytest.mark.parametrize("part", [HANDOVER, "005-"])
def test_nothing_is_stated_twice(small: SmallExchange, files: Files, part: str) -> None:
    evidence, _, _ = read_evidence(parse_evidence(files[name_of(files, part)]))
    later = evidence.event_time + timedelta(seconds=1)
    report = small.audit(told_again(files, small, part, event_time=later))
    assert wrong(report) == {(LINK, BAD)}
    assert "states already" in next(each.reason for each in report.checks if each.outcome is BAD)


def test_a_status_may_not_follow_on_the_delivery_to_another(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    small.submit(status("03", letter()))
    small.submit(status("03", letter(), reporter=OTHER_WARD))
    files = unpacked(small.export(pk, OFFICE))
    first = hashlib.sha256(files[name_of(files, "003-")]).hexdigest()
    report = small.audit(retold(files, small, telling("004-", previous_sha256=first)))
    assert wrong(report) == {(LINK, BAD)}


def test_of_the_exchange_an_agencys_status_is_believed_for_the_arrival_alone(small: SmallExchange) -> None:
    def reported(code: str) -> bytes:
        return b"".join(seal_message(status(code, letter()), small.exchange.issuer.key, small.clock()).encoded_chunks())

    small.submit(letter())
    report = small.audit_with_crls(reported("01"))
    assert report.verdict is Outcome.GOOD
    assert [fact.value for fact in report.facts if fact.name == "reported_by"] == ["the exchange, in the sender's name"]
    assert wrong(small.audit_with_crls(reported("03"))) == {(CheckName.MESSAGE_SENDER, BAD)}


def test_what_the_exchange_reported_for_an_agency_is_told_as_such(small: SmallExchange, files: Files) -> None:
    states = [fact.value for fact in small.audit(packed(files, small)).facts if fact.name == "status"]
    assert [each.endswith("(reported by the exchange)") for each in states] == [True, False]


def test_a_status_of_an_agency_to_which_nothing_was_consigned_is_bad_and_no_fact(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD,))).document_pk
    small.submit(status("03", letter()))
    files = unpacked(small.export(pk, OFFICE))
    old = name_of(files, layout.STATUS)
    strange = small.sealed(status("03", letter(), reporter=OTHER_WARD))
    del files[old]
    files[old.replace(WARD, OTHER_WARD)] = strange
    digest = hashlib.sha256(strange).hexdigest()
    party = Party(OTHER_WARD, "x")
    told = telling("003-", message_sha256=digest, message_size=len(strange), sender=party)
    report = small.audit(retold(files, small, told))
    assert wrong(report) == {(RECIPIENTS, BAD)}
    assert "status" not in facts(report)


def test_a_take_back_is_asked_by_the_sender(small: SmallExchange) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    small.submit(status("03", letter(), reporter=OTHER_WARD))
    small.submit(status("13", letter(), reporter=OFFICE, to=OTHER_WARD, description="Gửi nhầm"))
    small.submit(status("16", letter(), reporter=OTHER_WARD, description="Đã xử lý"))
    for code in (OFFICE, OTHER_WARD):
        assert small.audit(small.export(pk, code)).verdict is Outcome.GOOD


def test_a_letter_from_another_than_its_seal_and_the_evidence_name_is_undecided_and_states_nothing(
    small: SmallExchange,
) -> None:
    pk = small.submit(letter()).document_pk
    other = letter(sender=HOME_AFFAIRS)
    same_id = telling("00", document_id=other.document_id)
    export = retold(unpacked(small.export(pk, OFFICE)), small, same_id, small.sealed(other, sealer=OFFICE))
    report = small.audit(export)
    assert wrong(report) == {(CheckName.MESSAGE_SENDER, UNDECIDED), (SENDER, UNDECIDED)}
    assert facts(report) == set()
    listed = believing_the_list(small, export)
    assert wrong(listed) == {(CheckName.MESSAGE_SENDER, BAD), (SENDER, BAD)}


def test_an_acceptance_from_another_agency_is_undecided_without_a_list_and_bad_with_one(small: SmallExchange) -> None:
    pk = small.submit(letter()).document_pk
    export = retold(unpacked(small.export(pk, OFFICE)), small, telling("00", sender=Party(HOME_AFFAIRS, "x")))
    report = small.audit(export)
    assert (wrong(report), facts(report)) == ({(SENDER, UNDECIDED)}, set())
    (check,) = (each for each in report.checks if each.outcome is UNDECIDED)
    assert check.reason == "the letter says it is from H29.1; only the exchange says that H29.1 is H29.2"
    assert check.remedy == "verify with --directory and a list of agencies that you trust"
    assert wrong(believing_the_list(small, export)) == {(SENDER, BAD)}


def test_the_old_code_of_an_agency_is_good_only_by_the_readers_own_list(small: SmallExchange) -> None:
    about = letter(to=(OLD_WARD, OTHER_WARD), sender=OLD_OFFICE)
    pk = small.submit(about).document_pk
    small.hand_over(pk, WARD)
    small.work()
    small.submit(status("03", about, reporter=OLD_WARD))
    export = small.export(pk, OFFICE)
    report = small.audit(export)
    assert wrong(report) == {(CheckName.MESSAGE_SENDER, UNDECIDED), (SENDER, UNDECIDED), (RECIPIENTS, UNDECIDED)}
    assert facts(report) <= {"accepted_at", "status"}
    listed = believing_the_list(small, export)
    assert (listed.verdict, len([each for each in listed.facts if each.name == "status"])) == (Outcome.GOOD, 2)


def test_two_codes_of_one_recipient_in_one_letter_are_good_by_the_list_and_undecided_without(
    small: SmallExchange,
) -> None:
    export = small.export(small.submit(letter(to=(WARD, OLD_WARD))).document_pk, OFFICE)
    assert wrong(small.audit(export)) == {(RECIPIENTS, UNDECIDED)}
    assert believing_the_list(small, export).verdict is Outcome.GOOD


def an_old_code_more(name: str, evidence: Evidence) -> Evidence:
    more = DOCUMENT in name or CONSIGNMENT in name
    return replace(evidence, recipients=(*evidence.recipients, Party(OLD_WARD, "x"))) if more else evidence


def test_an_agency_under_two_codes_is_counted_once_and_handed_to_once_by_the_list(
    small: SmallExchange, files: Files
) -> None:
    retold_files = unpacked(retold(files, small, an_old_code_more))
    name = name_of(retold_files, HANDOVER)
    listed = believing_the_list(small, packed(retold_files, small))
    assert listed.verdict is Outcome.GOOD
    assert "the document was consigned to all 2 recipients" in {each.reason for each in listed.checks}
    evidence, _, _ = read_evidence(parse_evidence(retold_files[name]))
    again = replace(evidence, identifier=UUID(int=7), recipients=(Party(OLD_WARD, "x"),))
    retold_files[layout.evidence_name(9, HANDOVER, OLD_WARD)] = small.exchange.issuer.seal(again).body
    assert wrong(believing_the_list(small, packed(retold_files, small))) == {(LINK, BAD)}


def test_a_handover_under_the_old_code_of_whom_it_was_consigned_to_is_good_by_the_list(
    small: SmallExchange, files: Files
) -> None:
    export = retold(files, small, telling(HANDOVER, recipients=(Party(OLD_WARD, "x"),)))
    assert believing_the_list(small, export).verdict is Outcome.GOOD
    assert wrong(small.audit(export)) == {(RECIPIENTS, BAD), (LINK, BAD)}


def test_the_recipients_of_a_letter_are_counted_by_agencies_as_far_as_the_list_tells(small: SmallExchange) -> None:
    message = small.sealed(letter(to=(WARD, OLD_WARD, OTHER_WARD)))
    counted = [
        [fact.value for fact in report.facts if fact.name == "recipients"]
        for report in (small.audit_with_crls(message), believing_the_list(small, message))
    ]
    assert counted == [["3"], ["2"]]


def test_who_gave_a_list_that_lacks_a_code_is_told_so_and_not_sent_for_a_list(small: SmallExchange) -> None:
    strange = small.pki.certificate("Strange", issuer=small.pki.issuing, agency_code="H30.1")
    message = b"".join(seal_message(letter(), strange, small.clock()).encoded_chunks())
    (listed,) = (each for each in believing_the_list(small, message).checks if each.outcome is UNDECIDED)
    assert listed.reason.endswith("and your list of agencies does not know H30.1")
    assert (listed.rule, "--directory" in str(listed.remedy)) == (UNLISTED_AGENCY, False)
    (without,) = (each for each in small.audit_with_crls(message).checks if each.outcome is UNDECIDED)
    assert (without.rule, "--directory" in str(without.remedy)) == (UNCONFIRMED_AGENCY, True)


@pytest.mark.parametrize("retell", [telling("00", sender=Party("H30.1", "x")), telling("00", document_id=None)])
def test_the_parties_that_a_list_lacks_are_told(small: SmallExchange, retell: Retell) -> None:
    pk = small.submit(letter(to=(WARD, OTHER_WARD))).document_pk
    export = retold(unpacked(small.export(pk, OFFICE)), small, retell)
    rules = {each.rule for each in believing_the_list(small, export).checks if each.outcome is UNDECIDED}
    assert rules == ({UNLISTED_AGENCY} if b"H30.1" in export else set())


def test_of_a_seal_that_names_no_agency_only_the_exchange_says_whose_it_is(small: SmallExchange) -> None:
    unnamed = small.pki.certificate("Văn phòng", issuer=small.pki.issuing)
    small.seals[OFFICE] = unnamed
    message = small.sealed(letter())
    for report in (small.audit_with_crls(message), believing_the_list(small, message)):
        (check,) = (each for each in report.checks if each.outcome is not Outcome.GOOD)
        assert (check.name, check.outcome, check.rule) == (CheckName.MESSAGE_SENDER, UNDECIDED, UNNAMED_AGENCY)
        assert "names no agency; only the exchange says that it is H29.1's" in check.reason
        assert report.facts == ()


@pytest.mark.parametrize("role", [CertificateRole.OFFICER, CertificateRole.TRUST_LIST])
@pytest.mark.parametrize("code", [None, OFFICE])
def test_a_certificate_that_is_no_seal_of_an_agency_is_never_believed(
    small: SmallExchange, role: CertificateRole, code: str | None
) -> None:
    policy = [(role_policy(role), False)]
    small.seals[OFFICE] = small.pki.certificate("x", issuer=small.pki.issuing, agency_code=code, extensions=policy)
    message = small.sealed(letter())
    bound = AuditTrust(small.pki.anchors(), tuple(small.pki.crls()), bound_to=lambda *_: OFFICE)
    report = verify_file(MemorySource(message), "x", bound, AuditTime(small.clock(), given=False))
    assert wrong(report) == {(CheckName.MESSAGE_SENDER, BAD)}


def test_a_seal_that_names_an_agency_is_not_anothers_by_a_binding(small: SmallExchange) -> None:
    bound = AuditTrust(small.pki.anchors(), tuple(small.pki.crls()), aliases=LISTED, bound_to=lambda *_: OFFICE)
    message = small.sealed(letter(), sealer=WARD)
    report = verify_file(MemorySource(message), "x", bound, AuditTime(small.clock(), given=False))
    assert wrong(report) == {(CheckName.MESSAGE_SENDER, BAD)}


def test_a_lone_letter_under_an_old_code_is_good_only_by_the_readers_own_list(small: SmallExchange) -> None:
    message = small.sealed(letter(sender=OLD_OFFICE))
    report = small.audit_with_crls(message)
    assert (wrong(report), report.facts) == ({(CheckName.MESSAGE_SENDER, UNDECIDED)}, ())
    assert believing_the_list(small, message).verdict is Outcome.GOOD


def test_a_lone_letter_that_another_agency_sealed_is_undecided_without_a_list_and_bad_with_one(
    small: SmallExchange,
) -> None:
    message = small.sealed(letter(), sealer=WARD)
    assert wrong(small.audit_with_crls(message)) == {(CheckName.MESSAGE_SENDER, UNDECIDED)}
    listed = believing_the_list(small, message)
    assert (wrong(listed), listed.facts) == ({(CheckName.MESSAGE_SENDER, BAD)}, ())


def test_codes_are_compared_whatever_their_case_and_spaces(small: SmallExchange) -> None:
    codes = AgencyCodes(LISTED)
    assert codes.compare(" h29.1", "H29.1 ") is Likeness.ONE
    assert codes.compare("000.00.01.h29", OFFICE) is Likeness.ONE
    assert codes.compare(OFFICE, WARD) is Likeness.TWO
    assert codes.compare(OFFICE, "H30.1") is Likeness.UNKNOWN
    assert AgencyCodes().compare(OLD_OFFICE, OFFICE) is Likeness.UNKNOWN
    assert dict(aliases_of_agencies(small.exchange.directory.current().agencies.values())) == dict(LISTED)


@pytest.mark.parametrize(
    ("named", "stated", "likeness"),
    [
        ([WARD, OTHER_WARD], [OTHER_WARD, WARD], Likeness.ONE),
        ([WARD, WARD.lower()], [WARD], Likeness.ONE),
        ([WARD, OTHER_WARD], [WARD], Likeness.TWO),
        ([WARD], [WARD, OTHER_WARD], Likeness.TWO),
        ([OLD_WARD], [WARD, OTHER_WARD], Likeness.TWO),
        ([WARD], [OTHER_WARD], Likeness.UNKNOWN),
        ([WARD, OLD_WARD], [WARD], Likeness.UNKNOWN),
        ([OLD_WARD, OTHER_WARD], [WARD, OTHER_WARD], Likeness.UNKNOWN),
        ([], [WARD], Likeness.TWO),
        ([WARD], [], Likeness.TWO),
    ],
)
def test_lists_of_recipients_are_one_two_or_undecided_without_a_list_of_agencies(
    named: list[str], stated: list[str], likeness: Likeness
) -> None:
    assert AgencyCodes().match(named, stated).likeness is likeness


def test_a_code_that_the_list_knows_as_anothers_is_no_alias() -> None:
    codes = AgencyCodes(LISTED)
    assert codes.match([OLD_WARD, OTHER_WARD], [WARD, OTHER_WARD]).likeness is Likeness.ONE
    assert codes.match([WARD], [OTHER_WARD]).likeness is Likeness.TWO
    assert codes.match([WARD], ["H30.1"]).likeness is Likeness.UNKNOWN
