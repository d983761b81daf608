"""The tolerant reader: what it reads, what it lets pass with a warning, and what it refuses."""

from __future__ import annotations

import re
from datetime import date, datetime

import pytest

from edoc.envelope.limits import MessageLimits
from edoc.envelope.model import (
    BussinessDocType,
    Code,
    DocumentMessage,
    DocumentType,
    Priority,
    ReaderWarning,
    ResponseFor,
    StaffInfo,
    StatusMessage,
    SteeringType,
    TraceHeader,
)
from edoc.errors import MessageError, Violation
from edoc.vietnam import VIETNAM
from signing.parts import Base64Part, ElementPart
from tests.support.messages import (
    DOCUMENT_XML,
    LIMITS,
    RECALL_XML,
    REPLACE_XML,
    STATUS_XML,
    UPDATE_XML,
    changed,
    parsed,
    read,
)

CURRENT = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
OLD = "http://www.e-doc.vn/Schema/"
DS = 'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
BUSSINESS = DOCUMENT_XML[
    DOCUMENT_XML.index("<edXML:Bussiness>") : DOCUMENT_XML.index("</edXML:Bussiness>") + len("</edXML:Bussiness>")
]
FROM = DOCUMENT_XML[DOCUMENT_XML.index("<edXML:From>") : DOCUMENT_XML.index("</edXML:From>") + len("</edXML:From>")]
HEADER = DOCUMENT_XML[
    DOCUMENT_XML.index("<edXML:MessageHeader>") : DOCUMENT_XML.index("</edXML:MessageHeader>")
    + len("</edXML:MessageHeader>")
]


def document(text: str = DOCUMENT_XML, limits: MessageLimits = LIMITS) -> DocumentMessage:
    message = read(text, limits).message
    assert isinstance(message, DocumentMessage)
    return message


def status(text: str = STATUS_XML) -> StatusMessage:
    message = read(text).message
    assert isinstance(message, StatusMessage)
    return message


def document_with(old: str, new: str) -> DocumentMessage:
    return document(changed(DOCUMENT_XML, old, new))


def warnings_of(text: str) -> list[tuple[str, str]]:
    return [(warning.code, warning.field) for warning in read(text).warnings]


def violations_of(text: str, limits: MessageLimits = LIMITS) -> list[tuple[str, str]]:
    with pytest.raises(MessageError) as caught:
        read(text, limits)
    assert all(each.reason and each.remedy for each in caught.value.violations)
    return [(violation.code, violation.field) for violation in caught.value.violations]


# The examples


def test_the_document_of_the_reference_is_read_whole() -> None:
    message = document()
    assert (message.sender.organ_id, message.sender.organ_name) == ("H29.900", "Sở Ví dụ")
    assert message.sender.organization_in_charge == "Ủy ban nhân dân Thành phố Hồ Chí Minh"
    assert [each.organ_id for each in message.recipients] == ["H29.901"]
    assert message.recipients[0].organ_add == "Thành phố Hồ Chí Minh"
    assert message.document_id == "H29.900,2026/03/02,15/GM-SVD"
    assert message.code == Code("15", "GM-SVD")
    assert (message.place, message.promulgation_date) == ("Thành phố Hồ Chí Minh", date(2026, 3, 2))
    assert message.document_type == DocumentType("Giấy mời", 2, 0)
    assert message.subject == message.content == "Họp rà soát danh mục mã định danh"
    assert (message.signer_info.full_name, message.signer_info.competence) == ("Nguyễn Văn A", "KT. GIÁM ĐỐC")
    assert message.signer_info.position == "PHÓ GIÁM ĐỐC"
    assert message.due_date == date(2026, 3, 5)
    assert (message.other_info.priority, message.other_info.direction) == (Priority.URGENT, False)
    assert (message.other_info.promulgation_amount, message.other_info.page_amount) == (1, 1)
    assert message.steering_type is SteeringType.NOT_STEERING
    assert message.to_places == ("Như trên", "Lưu: VT")
    assert message.trace_headers == (TraceHeader("H29.900", datetime(2026, 3, 2, 8, 15, tzinfo=VIETNAM)),)
    assert message.bussiness.doc_type is BussinessDocType.NEW
    assert message.bussiness.staff_info == (StaffInfo(department="Văn thư", staff="Trần Thị B"),)
    assert [each.attachment_name for each in message.attachments] == ["giay-moi.txt"]
    assert b"".join(message.attachments[0].content.chunks()) == b"hello\n"
    assert read(DOCUMENT_XML).warnings == ()


def test_the_status_of_the_reference_is_read_whole() -> None:
    assert status() == StatusMessage(
        sender=status().sender,
        response_for=ResponseFor("H29.900", "15/GM-SVD", "H29.900,2026/03/02,15/GM-SVD", date(2026, 3, 2)),
        status_code="02",
        timestamp=datetime(2026, 3, 2, 9, 0, tzinfo=VIETNAM),
        description="Chữ ký số của cơ quan không hợp lệ",
        staff_info=StaffInfo(department="Văn thư", staff="Lê Văn C"),
    )
    assert status().sender.organ_id == "H29.901"


@pytest.mark.parametrize(
    ("bussiness", "kind", "earlier"),
    [
        (RECALL_XML, BussinessDocType.RECALL, "H29.900,2026/03/01,14/GM-SVD"),
        (UPDATE_XML, BussinessDocType.UPDATE, "H29.900,2026/03/01,14/GM-SVD"),
        (REPLACE_XML, BussinessDocType.REPLACE, None),
    ],
)
def test_other_kinds_of_documents_are_read_as_far_as_they_are_alike(
    bussiness: str, kind: BussinessDocType, earlier: str | None
) -> None:
    message = document_with(BUSSINESS, bussiness)
    assert (message.bussiness.doc_type, message.bussiness.document_id) == (kind, earlier)
    assert message.bussiness.reason


# Namespaces, prefixes, order


def test_prefixes_carry_no_meaning() -> None:
    assert document(DOCUMENT_XML.replace("edXML:", "x:").replace(":edXML=", ":x=")).subject == document().subject
    bare = re.sub(r" xmlns:edXML=\"[^\"]*\"", "", DOCUMENT_XML).replace("edXML:", "")
    assert document(bare).subject == document().subject


def test_the_old_namespace_is_read_too() -> None:
    assert document(DOCUMENT_XML.replace(CURRENT, OLD)).subject == document().subject
    assert status(STATUS_XML.replace(CURRENT, OLD)) == status()


def test_the_order_of_elements_carries_no_meaning() -> None:
    text = changed(DOCUMENT_XML, FROM, "")
    assert (
        document(changed(text, "</edXML:MessageHeader>", f"{FROM}</edXML:MessageHeader>")).sender.organ_id == "H29.900"
    )


def test_bussiness_may_stand_behind_the_trace_headers() -> None:
    text = changed(DOCUMENT_XML, BUSSINESS, "")
    text = changed(text, "</edXML:TraceHeaderList>", f"{BUSSINESS}</edXML:TraceHeaderList>")
    assert document(text).bussiness == document().bussiness


def test_other_spellings_are_read() -> None:
    text = DOCUMENT_XML.replace("Bussiness", "Business").replace("OrganizationInCharge", "OrganInCharge")
    assert document(text).bussiness == document().bussiness
    assert document(text).sender == document().sender


def test_both_spellings_at_once_are_refused() -> None:
    text = changed(DOCUMENT_XML, BUSSINESS, BUSSINESS + BUSSINESS.replace("Bussiness", "Business"))
    assert violations_of(text) == [("M.Bussiness", "TraceHeaderList/Bussiness")]


def test_an_unknown_element_is_let_pass_with_a_warning() -> None:
    text = changed(DOCUMENT_XML, "<edXML:Subject>", "<edXML:New>1</edXML:New><x xmlns='urn:x'>1</x><edXML:Subject>")
    assert warnings_of(text) == [("M.MessageHeader.New", "MessageHeader/New"), ("M.MessageHeader.x", "MessageHeader/x")]


def test_an_element_of_the_other_namespace_is_refused() -> None:
    text = changed(DOCUMENT_XML, "<edXML:Subject>", f'<Subject xmlns="{OLD}">Khác</Subject><edXML:Subject>')
    assert violations_of(text) == [("M.MessageHeader.Subject", "MessageHeader/Subject")]


def test_texts_are_trimmed_and_composed() -> None:
    assert document_with("<edXML:Subject>", "<edXML:Subject>\n  Gia\u0302\u0301y ").subject.startswith("Giấy Họp")


def test_comments_and_cdata_are_part_of_the_text_as_signed() -> None:
    assert document_with("<edXML:Subject>Họp", "<edXML:Subject>H<!-- x -->ọp<![CDATA[ & ]]>").subject.startswith(
        "Họp &"
    )


# Documents: missing, doubled, wrong


@pytest.mark.parametrize(
    ("element", "code"),
    [
        ("From/OrganId", "N.MessageHeader.From.OrganId"),
        ("From/OrganName", "N.MessageHeader.From.OrganName"),
        ("To[1]/OrganId", "N.MessageHeader.To.OrganId"),
        ("To[1]/OrganName", "N.MessageHeader.To.OrganName"),
        ("DocumentId", "N.MessageHeader.DocumentId"),
        ("Code/CodeNumber", "N.MessageHeader.Code.CodeNumber"),
        ("Code/CodeNotation", "N.MessageHeader.Code.CodeNotation"),
        ("PromulgationInfo/PromulgationDate", "N.MessageHeader.PromulgationInfo.PromulgationDate"),
        ("DocumentType/TypeName", "N.MessageHeader.DocumentType.TypeName"),
        ("Subject", "N.MessageHeader.Subject"),
        ("Content", "N.MessageHeader.Content"),
    ],
)
@pytest.mark.parametrize("emptied", [True, False])
def test_what_a_document_must_have_is_missed(element: str, code: str, *, emptied: bool) -> None:
    parent, _, name = element.rpartition("/")
    start = DOCUMENT_XML.index(f"<edXML:{parent.partition('[')[0]}>") if parent else 0
    head, tail = DOCUMENT_XML[:start], DOCUMENT_XML[start:]
    pattern = rf"<edXML:{name}>[^<]*</edXML:{name}>"
    text = head + re.sub(pattern, f"<edXML:{name}> </edXML:{name}>" if emptied else "", tail, count=1)
    assert violations_of(text) == [(code, f"MessageHeader/{element}")]


def test_a_document_without_recipients_is_refused() -> None:
    text = re.sub(r"<edXML:To>.*?</edXML:To>", "", DOCUMENT_XML, flags=re.DOTALL)
    assert violations_of(text) == [("N.MessageHeader.To", "MessageHeader/To")]


@pytest.mark.parametrize(
    ("element", "code", "field"),
    [
        ("Subject", "M.MessageHeader.Subject", "MessageHeader/Subject"),
        ("DocumentId", "M.MessageHeader.DocumentId", "MessageHeader/DocumentId"),
        ("CodeNumber", "M.MessageHeader.Code.CodeNumber", "MessageHeader/Code/CodeNumber"),
        (
            "PromulgationDate",
            "M.MessageHeader.PromulgationInfo.PromulgationDate",
            "MessageHeader/PromulgationInfo/PromulgationDate",
        ),
        ("From", "M.MessageHeader.From", "MessageHeader/From"),
        ("DocumentType", "M.MessageHeader.DocumentType", "MessageHeader/DocumentType"),
        ("MessageHeader", "M.MessageHeader", "MessageHeader"),
        ("TraceHeaderList", "M.TraceHeaderList", "TraceHeaderList"),
        ("Bussiness", "M.Bussiness", "TraceHeaderList/Bussiness"),
        ("BussinessDocType", "M.Bussiness.BussinessDocType", "TraceHeaderList/Bussiness/BussinessDocType"),
        ("edXMLManifest", "M.edXMLManifest", "edXMLBody/edXMLManifest"),
        ("edXMLBody", "M.edXMLBody", "edXMLEnvelope/edXMLBody"),
        ("edXMLHeader", "M.edXMLHeader", "edXMLEnvelope/edXMLHeader"),
    ],
)
def test_an_element_that_stands_twice_is_refused(element: str, code: str, field: str) -> None:
    found = re.search(rf"<edXML:{element}[ >].*?</edXML:{element}>", DOCUMENT_XML, re.DOTALL)
    assert found is not None
    text = DOCUMENT_XML[: found.end()] + found[0] + DOCUMENT_XML[found.end() :]
    assert (code, field) in [(each[0], each[1].replace("edXMLHeader/", "")) for each in violations_of(text)]


def test_all_violations_are_told_at_once() -> None:
    text = changed(DOCUMENT_XML, "<edXML:CodeNumber>15</edXML:CodeNumber>", "")
    text = changed(text, "2026/03/05", "2026/02/30")
    text = changed(text, "aGVsbG8K", "!!!!")
    assert [code for code, _ in violations_of(text)] == [
        "T.ContentTransferEncoded",
        "N.MessageHeader.Code.CodeNumber",
        "T.MessageHeader.DueDate",
    ]


def test_a_violation_names_the_line() -> None:
    text = changed(DOCUMENT_XML, "2026/03/05", "2026/02/30")
    with pytest.raises(MessageError) as caught:
        read(text)
    line = text[: text.index("2026/02/30")].count("\n") + 1
    assert f"(line {line})" in caught.value.violations[0].reason


def test_a_recipient_named_twice_is_refused_whatever_its_spelling() -> None:
    found = re.search(r"<edXML:To>.*?</edXML:To>", DOCUMENT_XML, re.DOTALL)
    assert found is not None
    text = changed(DOCUMENT_XML, found[0], found[0] + found[0].replace("H29.901", " h29.901 "))
    assert violations_of(text) == [("M.MessageHeader.To.OrganId", "MessageHeader/To[2]/OrganId")]


def test_more_recipients_than_the_limit_are_refused_unread() -> None:
    recipients = "".join(f"<edXML:To><edXML:OrganId>H{number}</edXML:OrganId></edXML:To>" for number in range(1001))
    text = re.sub(r"<edXML:To>.*?</edXML:To>", recipients, DOCUMENT_XML, flags=re.DOTALL)
    assert violations_of(text) == [("R.MessageHeader.To", "MessageHeader/To")]


@pytest.mark.parametrize("code", ["H29/1", "H 29", "Đ29", "X" * 36])
def test_a_text_that_is_no_agency_code_is_refused(code: str) -> None:
    text = changed(DOCUMENT_XML, "<edXML:OrganId>H29.901", f"<edXML:OrganId>{code}")
    assert violations_of(text) == [("T.MessageHeader.To.OrganId", "MessageHeader/To[1]/OrganId")]


def test_codes_of_any_form_are_read_and_normalized() -> None:
    assert document_with("H29.901", " vxp.saas.03 ").recipients[0].organ_id == "VXP.SAAS.03"


# Lengths


def test_a_text_up_to_four_times_too_long_is_read_with_a_warning() -> None:
    text = changed(DOCUMENT_XML, "<edXML:Subject>Họp rà soát danh mục mã định danh", f"<edXML:Subject>{'ộ' * 2000}")
    assert document(text).subject == "ộ" * 2000
    assert warnings_of(text) == [("R.MessageHeader.Subject", "MessageHeader/Subject")]


def test_a_longer_text_is_refused() -> None:
    text = changed(DOCUMENT_XML, "<edXML:Subject>Họp rà soát danh mục mã định danh", f"<edXML:Subject>{'ộ' * 2001}")
    assert violations_of(text) == [("R.MessageHeader.Subject", "MessageHeader/Subject")]


def test_a_text_so_long_that_it_was_cut_out_of_the_tree_is_refused_too() -> None:
    text = changed(DOCUMENT_XML, "<edXML:Subject>Họp rà soát danh mục mã định danh", f"<edXML:Subject>{'x' * 40_000}")
    assert violations_of(text) == [("R.MessageHeader.Subject", "MessageHeader/Subject")]


def test_all_places_together_have_a_limit() -> None:
    place = f"<edXML:Place>{'x' * 150}</edXML:Place>"
    long = changed(DOCUMENT_XML, "<edXML:ToPlaces>", "<edXML:ToPlaces>" + place * 7)
    assert warnings_of(long) == [("R.MessageHeader.ToPlaces", "MessageHeader/ToPlaces")]
    longer = changed(DOCUMENT_XML, "<edXML:ToPlaces>", "<edXML:ToPlaces>" + place * 27)
    assert violations_of(longer) == [("R.MessageHeader.ToPlaces", "MessageHeader/ToPlaces")]


# Scalars


@pytest.mark.parametrize(
    "text", ["2026/03/02", "2026-03-02", "02/03/2026", "2026/03/02 07:00:00", "2026-03-02T07:00:00"]
)
def test_dates_are_read_in_every_form_in_use(text: str) -> None:
    changed_text = changed(DOCUMENT_XML, "<edXML:PromulgationDate>2026/03/02", f"<edXML:PromulgationDate>{text}")
    assert document(changed_text).promulgation_date == date(2026, 3, 2)


@pytest.mark.parametrize("text", ["2026/02/30", "30/02/2026", "2026-13-01", "soon", "2026/03/02 99:00"])
def test_impossible_dates_are_refused(text: str) -> None:
    changed_text = changed(DOCUMENT_XML, "<edXML:PromulgationDate>2026/03/02", f"<edXML:PromulgationDate>{text}")
    code = "T.MessageHeader.PromulgationInfo.PromulgationDate"
    assert violations_of(changed_text) == [(code, "MessageHeader/PromulgationInfo/PromulgationDate")]


def test_an_impossible_date_inside_an_identifier_is_opaque() -> None:
    assert document_with("H29.900,2026/03/02", "H29.900,2026/02/30").document_id == "H29.900,2026/02/30,15/GM-SVD"


@pytest.mark.parametrize(
    ("text", "priority", "warned"),
    [
        ("0", 0, False),
        ("3", 3, False),
        ("4", 4, False),
        ("5", 0, True),
        ("9", 0, True),
        ("khẩn", 0, True),
        ("", 0, False),
    ],
)
def test_priorities(text: str, priority: int, *, warned: bool) -> None:
    changed_text = changed(DOCUMENT_XML, "<edXML:Priority>1", f"<edXML:Priority>{text}")
    assert document(changed_text).other_info.priority == priority
    assert [field for _, field in warnings_of(changed_text)] == ["MessageHeader/OtherInfo/Priority"] * warned


@pytest.mark.parametrize(
    ("text", "steering", "warned"),
    [("1", 1, False), ("2", 2, False), ("3", 2, True), ("7", 0, True), ("x", 0, True), ("", 0, False)],
)
def test_steering_types(text: str, steering: int, *, warned: bool) -> None:
    changed_text = changed(DOCUMENT_XML, "<edXML:SteeringType>0", f"<edXML:SteeringType>{text}")
    assert document(changed_text).steering_type == steering
    assert [field for _, field in warnings_of(changed_text)] == ["MessageHeader/SteeringType"] * warned


@pytest.mark.parametrize(
    ("element", "old", "attribute"),
    [("PromulgationAmount", "1", "promulgation_amount"), ("PageAmount", "1", "page_amount")],
)
@pytest.mark.parametrize("text", ["many", "1000", "-1"])
def test_amounts_fall_back_to_one(element: str, old: str, attribute: str, text: str) -> None:
    changed_text = changed(DOCUMENT_XML, f"<edXML:{element}>{old}", f"<edXML:{element}>{text}")
    assert getattr(document(changed_text).other_info, attribute) == 1
    assert [field for _, field in warnings_of(changed_text)] == [f"MessageHeader/OtherInfo/{element}"]


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("71", 71), ("x", 2), ("", 2)])
def test_the_number_of_the_type_is_kept_or_falls_back(text: str, number: int) -> None:
    assert document_with("<edXML:Type>2", f"<edXML:Type>{text}").document_type.type == number


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("x", -1), ("", None)])
def test_the_detail_of_the_type_is_kept_or_falls_back(text: str, number: int | None) -> None:
    assert document_with("<edXML:TypeDetail>0", f"<edXML:TypeDetail>{text}").document_type.type_detail == number


@pytest.mark.parametrize(
    ("text", "direction"), [("true", True), ("TRUE", True), ("1", True), ("0", False), ("maybe", False), ("", None)]
)
def test_direction(text: str, direction: bool | None) -> None:  # noqa: FBT001 - the value under test
    assert document_with("<edXML:Direction>false", f"<edXML:Direction>{text}").other_info.direction is direction


def test_appendixes_and_circulation_are_read() -> None:
    info = document_with(
        "<edXML:PromulgationAmount>",
        "<edXML:SphereOfPromulgation>LƯU HÀNH NỘI BỘ</edXML:SphereOfPromulgation><edXML:TyperNotation>TB"
        "</edXML:TyperNotation><edXML:ReplyFors/><edXML:ReferenceCodes/><edXML:Appendixes><edXML:Appendix>Phụ lục I"
        "</edXML:Appendix><edXML:Appendix/></edXML:Appendixes><edXML:PromulgationAmount>",
    ).other_info
    assert (info.sphere_of_promulgation, info.typer_notation) == ("LƯU HÀNH NỘI BỘ", "TB")
    assert info.appendixes == ("Phụ lục I",)


def test_answered_documents_are_read_and_empty_ones_mean_nothing() -> None:
    answers = (
        "<edXML:ResponseFor/><edXML:ResponseFor><edXML:OrganId>g12</edXML:OrganId><edXML:Code>7/CV</edXML:Code>"
        "<edXML:PromulgationDate>01/03/2026</edXML:PromulgationDate></edXML:ResponseFor>"
    )
    message = document_with("<edXML:SteeringType>", f"{answers}<edXML:SteeringType>")
    assert message.response_for == (ResponseFor("G12", "7/CV", None, date(2026, 3, 1)),)


def test_elements_that_no_system_uses_are_passed_over_silently() -> None:
    extra = "<edXML:ResponseForTask><edXML:TaskCode>1</edXML:TaskCode></edXML:ResponseForTask><edXML:ApplicationType/>"
    assert warnings_of(changed(DOCUMENT_XML, "<edXML:SteeringType>", f"{extra}<edXML:SteeringType>")) == []


def test_a_signer_or_place_that_is_missing_is_let_pass_with_a_warning() -> None:
    text = re.sub(r"<edXML:SignerInfo>.*?</edXML:SignerInfo>", "", DOCUMENT_XML, flags=re.DOTALL)
    text = changed(
        text, "<edXML:PromulgationInfo><edXML:Place>Thành phố Hồ Chí Minh", "<edXML:PromulgationInfo><edXML:Place>"
    )
    assert [code for code, _ in warnings_of(text)] == [
        "N.MessageHeader.PromulgationInfo.Place",
        "N.MessageHeader.SignerInfo.FullName",
    ]


# Bussiness and traces


def test_no_bussiness_means_a_new_document() -> None:
    text = changed(DOCUMENT_XML, BUSSINESS, "")
    assert document(text).bussiness.doc_type is BussinessDocType.NEW
    assert "Bussiness" not in [part.label for part in read(text).parts]


@pytest.mark.parametrize(("text", "code"), [("4", "M"), ("-1", "M"), ("new", "T"), ("", "N")])
def test_an_unknown_kind_of_document_is_refused(text: str, code: str) -> None:
    changed_text = changed(DOCUMENT_XML, "<edXML:BussinessDocType>0", f"<edXML:BussinessDocType>{text}")
    expected = (f"{code}.Bussiness.BussinessDocType", "TraceHeaderList/Bussiness/BussinessDocType")
    assert violations_of(changed_text) == [expected]


@pytest.mark.parametrize(("text", "paper", "warned"), [("1", True, False), ("0", False, False), ("3", False, True)])
def test_paper(text: str, *, paper: bool, warned: bool) -> None:
    changed_text = changed(DOCUMENT_XML, "<edXML:Paper>0", f"<edXML:Paper>{text}")
    assert document(changed_text).bussiness.paper is paper
    assert bool(warnings_of(changed_text)) is warned


def test_the_earlier_document_of_a_new_one_means_nothing() -> None:
    text = changed(
        DOCUMENT_XML, "<edXML:BussinessDocType>", "<edXML:DocumentId>X</edXML:DocumentId><edXML:BussinessDocType>"
    )
    assert document(text).bussiness.document_id is None


def test_a_recall_without_a_reason_is_let_pass_with_a_warning() -> None:
    recall = re.sub(r"<edXML:BussinessDocReason>.*?</edXML:BussinessDocReason>", "", RECALL_XML)
    assert warnings_of(changed(DOCUMENT_XML, BUSSINESS, recall)) == [
        ("N.Bussiness.BussinessDocReason", "TraceHeaderList/Bussiness/BussinessDocReason")
    ]


def test_hops_without_a_code_and_with_a_literal_null_are_read() -> None:
    hops = (
        "<edXML:TraceHeader><edXML:Timestamp>02/03/2026 08:20:00</edXML:Timestamp></edXML:TraceHeader>"
        "<edXML:TraceHeader><edXML:OrganId>null</edXML:OrganId><edXML:Timestamp>null</edXML:Timestamp>"
        "</edXML:TraceHeader><edXML:TraceHeader/>"
    )
    message = document_with("</edXML:TraceHeaderList>", f"{hops}</edXML:TraceHeaderList>")
    assert message.trace_headers[1:] == (
        TraceHeader(None, datetime(2026, 3, 2, 8, 20, tzinfo=VIETNAM)),
        TraceHeader(None, None),
        TraceHeader(None, None),
    )


def test_an_impossible_time_of_a_hop_is_refused() -> None:
    text = changed(DOCUMENT_XML, "2026/03/02 08:15:00", "2026/02/30 08:15:00")
    assert violations_of(text) == [
        ("T.TraceHeaderList.TraceHeader.Timestamp", "TraceHeaderList/TraceHeader[1]/Timestamp")
    ]


# Status messages


def test_the_container_may_be_called_status() -> None:
    text = STATUS_XML.replace("edXML:MessageHeader>", "edXML:Status>")
    assert status(text) == status()


def test_both_containers_at_once_are_refused() -> None:
    text = changed(DOCUMENT_XML, "</edXML:MessageHeader>", "</edXML:MessageHeader><edXML:Status/>")
    assert ("M.MessageHeader", "MessageHeader") in violations_of(text)


@pytest.mark.parametrize(("text", "code"), [("1", "01"), ("05", "05"), ("07", "07"), ("99", "99")])
def test_status_codes_are_kept_known_or_not(text: str, code: str) -> None:
    assert status(changed(STATUS_XML, "<edXML:StatusCode>02", f"<edXML:StatusCode>{text}")).status_code == code


@pytest.mark.parametrize("text", ["001", "x", "-1", "٠١"])
def test_anything_but_two_digits_is_no_status_code(text: str) -> None:
    changed_text = changed(STATUS_XML, "<edXML:StatusCode>02", f"<edXML:StatusCode>{text}")
    assert violations_of(changed_text) == [("T.MessageHeader.StatusCode", "MessageHeader/StatusCode")]


def test_a_status_that_says_nothing_is_refused() -> None:
    text = changed(STATUS_XML, "<edXML:StatusCode>02", "<edXML:StatusCode>")
    assert violations_of(text) == [("N.MessageHeader.StatusCode", "MessageHeader/StatusCode")]


def test_a_message_that_is_document_and_status_at_once_is_refused() -> None:
    text = changed(DOCUMENT_XML, "<edXML:Subject>", "<edXML:StatusCode>06</edXML:StatusCode><edXML:Subject>")
    assert violations_of(text) == [("M.MessageHeader.StatusCode", "MessageHeader/StatusCode")]


@pytest.mark.parametrize(
    ("removed", "code", "field"),
    [
        (
            "<edXML:OrganId>H29.900</edXML:OrganId>",
            "N.MessageHeader.ResponseFor.OrganId",
            "MessageHeader/ResponseFor/OrganId",
        ),
        (
            "<edXML:Timestamp>2026/03/02 09:00:00</edXML:Timestamp>",
            "N.MessageHeader.Timestamp",
            "MessageHeader/Timestamp",
        ),
        ("<edXML:OrganId>H29.901</edXML:OrganId>", "N.MessageHeader.From.OrganId", "MessageHeader/From/OrganId"),
    ],
)
def test_what_a_status_must_have_is_missed(removed: str, code: str, field: str) -> None:
    assert violations_of(changed(STATUS_XML, removed, "")) == [(code, field)]


def test_a_status_must_name_its_document_in_one_of_two_ways() -> None:
    by_code = changed(STATUS_XML, "<edXML:DocumentId>H29.900,2026/03/02,15/GM-SVD</edXML:DocumentId>", "")
    assert status(by_code).response_for.document_id is None
    by_nothing = changed(by_code, "<edXML:Code>15/GM-SVD</edXML:Code>", "")
    assert violations_of(by_nothing) == [
        ("N.MessageHeader.ResponseFor.DocumentId", "MessageHeader/ResponseFor/DocumentId")
    ]


@pytest.mark.parametrize("reason", ["", "<edXML:Description>\u202e\u200b</edXML:Description>"])
def test_a_refusal_without_a_reason_is_let_pass_with_a_warning(reason: str) -> None:
    text = changed(STATUS_XML, "<edXML:Description>Chữ ký số của cơ quan không hợp lệ</edXML:Description>", reason)
    assert warnings_of(text) == [("N.MessageHeader.Description", "MessageHeader/Description")]


def test_a_day_without_a_time_is_its_midnight() -> None:
    text = changed(STATUS_XML, "2026/03/02 09:00:00", "2026/03/02")
    assert status(text).timestamp == datetime(2026, 3, 2, tzinfo=VIETNAM)
    assert warnings_of(text) == [("T.MessageHeader.Timestamp", "MessageHeader/Timestamp")]


def test_files_of_a_status_are_not_read() -> None:
    text = changed(STATUS_XML, "</edXML>", "<AttachmentEncoded><Attachment/></AttachmentEncoded></edXML>")
    assert isinstance(read(text).message, StatusMessage)
    assert warnings_of(text) == [("M.AttachmentEncoded", "AttachmentEncoded")]


# Signatures, and what they must cover


def test_the_parts_are_the_elements_that_were_read() -> None:
    source = parsed(DOCUMENT_XML)
    header, body = source.root[0]
    decoded = read(DOCUMENT_XML)
    assert [(type(part), part.label) for part in decoded.parts] == [
        (ElementPart, "MessageHeader"),
        (ElementPart, "Bussiness"),
        (ElementPart, "edXMLManifest"),
        (Base64Part, "att-1"),
    ]
    assert [each.element.tag for each in decoded.parts if isinstance(each, ElementPart)] == [
        header[0].tag,
        header[1][0].tag,
        body[0].tag,
    ]


def test_a_header_elsewhere_in_the_file_is_never_read() -> None:
    forged = HEADER.replace("Họp rà soát", "Giả mạo")
    wrapped = f'<w:Object xmlns:w="urn:w" xmlns:edXML="{CURRENT}">{forged}</w:Object>'
    for place in ("<edXML:edXMLHeader>", "<edXML:edXMLBody>", "<AttachmentEncoded>"):
        assert document(changed(DOCUMENT_XML, place, place + wrapped)).subject == document().subject


def test_the_header_is_not_searched_for_where_it_belongs_not() -> None:
    text = changed(changed(DOCUMENT_XML, HEADER, ""), "<edXML:edXMLBody>", f"<edXML:edXMLBody>{HEADER}")
    assert violations_of(text) == [("N.MessageHeader", "edXMLHeader/MessageHeader")]


@pytest.mark.parametrize(
    ("markup", "count"),
    [
        ("<edXML:Signature/>", 1),
        ("<edXML:DigitalSignature/>", 1),
        (f"<ds:Signature {DS}/><ds:Signature {DS}/>", 2),
        (f"<edXML:Signature><ds:Signature {DS}/><ds:Signature {DS}/></edXML:Signature>", 2),
    ],
)
def test_signatures_are_found_at_their_place(markup: str, count: int) -> None:
    assert len(read(changed(DOCUMENT_XML, "</edXML:edXMLHeader>", f"{markup}</edXML:edXMLHeader>")).signatures) == count


def test_signatures_elsewhere_are_not_found() -> None:
    text = changed(DOCUMENT_XML, "<edXML:edXMLBody>", f"<edXML:edXMLBody><ds:Signature {DS}/>")
    assert read(text).signatures == ()


def test_too_many_signatures_are_refused() -> None:
    text = changed(DOCUMENT_XML, "</edXML:edXMLHeader>", f"<ds:Signature {DS}/>" * 17 + "</edXML:edXMLHeader>")
    assert violations_of(text) == [("R.Signature", "edXMLHeader/Signature")]


def test_the_header_is_handed_back_for_a_further_signature() -> None:
    assert read(DOCUMENT_XML).header.tag == f"{{{CURRENT}}}edXMLHeader"


# Findings


def test_findings_are_values() -> None:
    warning = read(changed(DOCUMENT_XML, "<edXML:Priority>1", "<edXML:Priority>5")).warnings[0]
    assert warning == ReaderWarning(
        "R.MessageHeader.OtherInfo.Priority", "MessageHeader/OtherInfo/Priority", "5 is no code of the list; read as 0"
    )
    with pytest.raises(MessageError) as caught:
        read(changed(DOCUMENT_XML, "2026/03/05", "never"))
    assert isinstance(caught.value.violations[0], Violation)
    assert "T.MessageHeader.DueDate" in str(caught.value)
