"""Marks of secrecy, and the type of a document."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest

from edoc.envelope.document_id import document_key, make_document_id
from edoc.envelope.model import Code, DocumentMessage, DocumentType, OtherInfo
from edoc.envelope.rules import document_type, is_type_name, needs_description, secrecy_marks
from schemas import CodeListName, code_list
from tests.support.messages import SENT_AT, attachment, document


def with_subject(text: str) -> DocumentMessage:
    return document(subject=text)


@pytest.mark.parametrize(
    ("subject", "mark"),
    [
        ("(Mật) Kế hoạch phòng thủ", "Mật"),
        ("Kế hoạch phòng thủ [TỐI MẬT]", "Tối mật"),
        ("Kế hoạch phòng thủ (Độ mật: Tuyệt mật)", "Tuyệt mật"),
        ("MẬT: kế hoạch phòng thủ", "Mật"),
        ("Tối mật - Kế hoạch phòng thủ", "Tối mật"),
        ("TUYỆT MẬT Kế hoạch phòng thủ", "Tuyệt mật"),
        ("MẬT Kế hoạch phòng thủ", "Mật"),
        ("Kế hoạch phòng thủ, độ mật: Mật", "Mật"),
        ("MẬT", "Mật"),
        ("tối  mật.", "Tối mật"),
    ],
)
def test_a_mark_in_the_subject_is_found(subject: str, mark: str) -> None:
    assert secrecy_marks(with_subject(subject)) == (mark,)
    assert secrecy_marks(with_subject(unicodedata.normalize("NFD", subject))) == (mark,)


@pytest.mark.parametrize(
    "subject",
    [
        "Về bảo vệ bí mật nhà nước",
        "Tập huấn bảo mật thông tin",
        "Xử lý vi phạm bí mật kinh doanh",
        "BẢO MẬT THÔNG TIN TRÊN KHÔNG GIAN MẠNG",
        "Quy định về giải mật tài liệu",
        "Ban hành danh mục bí mật nhà nước độ Tối mật",
        "Mật độ dân số các phường năm 2026",
        "MẬT ĐỘ DÂN SỐ CÁC PHƯỜNG",
        "Mật ong rừng: tiêu chuẩn chất lượng",
        "Chế độ thông tin mật mã dân sự",
        "Đổi mật khẩu hệ thống (mật khẩu cũ hết hạn)",
        "Phối hợp chặt chẽ, mật thiết",
        "Họp về thơ mật",
        "Độ mật: Không",
        "Mat",
    ],
)
def test_words_that_hold_the_syllable_are_no_mark(subject: str) -> None:
    assert secrecy_marks(with_subject(subject)) == ()


@pytest.mark.parametrize(
    "sphere", ["MẬT", "Tối mật; lưu hành nội bộ", "XEM XONG TRẢ LẠI - TUYỆT MẬT", "Độ mật: Mật", "VĂN BẢN MẬT"]
)
def test_a_mark_among_the_limits_of_circulation_is_found(sphere: str) -> None:
    assert secrecy_marks(document(other_info=OtherInfo(sphere_of_promulgation=sphere)))


@pytest.mark.parametrize("sphere", ["LƯU HÀNH NỘI BỘ", "XEM XONG TRẢ LẠI", "Bảo mật", "Không mật"])
def test_other_limits_of_circulation_are_no_mark(sphere: str) -> None:
    assert secrecy_marks(document(other_info=OtherInfo(sphere_of_promulgation=sphere))) == ()


@pytest.mark.parametrize("name", ["Công văn mật", "Công văn (Mật)", "Báo cáo - tối mật", "Quyết định TUYỆT MẬT"])
def test_a_mark_after_the_type_is_found(name: str) -> None:
    assert secrecy_marks(document(document_type=DocumentType(name)))


def test_a_type_that_only_ends_alike_is_no_mark() -> None:
    assert secrecy_marks(document(document_type=DocumentType("Cam kết bảo mật"))) == ()


def test_marks_in_notation_content_files_and_places_are_found() -> None:
    plain = document()
    marked = (
        replace(plain, code=Code("15", "KH-UBND-MẬT")),
        replace(plain, content="(MẬT)"),
        replace(plain, to_places=("Lưu: VT (Mật)",)),
        replace(plain, other_info=OtherInfo(appendixes=("[TỐI MẬT] Phụ lục",))),
        replace(plain, attachments=(attachment("(MẬT) ke-hoach.pdf"),)),
        replace(plain, attachments=(replace(attachment(), description="Độ mật: Mật"),)),
    )
    assert all(secrecy_marks(message) for message in marked)
    assert secrecy_marks(plain) == ()


def test_each_mark_is_named_once() -> None:
    message = document(subject="(Mật) Kế hoạch", content="[MẬT] Kế hoạch (Tối mật)")
    assert secrecy_marks(message) == ("Mật", "Tối mật")


@pytest.mark.parametrize(
    ("name", "notation", "code"),
    [
        ("Giấy mời", "GM-SVD", "23"),
        ("giấy  MỜI", "X", "23"),
        ("Quyết định", "X", "2"),
        ("Quyết định (cá biệt)", "X", "2"),
        ("Văn bản", "TTr-UBND", "16"),
        ("Văn bản", "UBND-VX", None),
    ],
)
def test_the_type_is_told_by_name_then_by_notation(name: str, notation: str, code: str | None) -> None:
    found = document_type(document(document_type=DocumentType(name, type=71), code=Code("15", notation)))
    assert (found and found.code) == code


def test_type_names_are_those_of_the_list() -> None:
    assert all(is_type_name(entry.name_vi) for entry in code_list(CodeListName.DOCUMENT_TYPES).entries)
    assert is_type_name("Quyết định")
    assert not is_type_name("Thư mời")


def test_unknown_status_codes_need_no_description() -> None:
    assert needs_description("02")
    assert not needs_description("99")


def test_the_identifier_has_code_day_and_number() -> None:
    assert make_document_id("H29.900", SENT_AT.date(), Code("15", "GM-SVD")) == "H29.900,2026/03/02,15/GM-SVD"


def test_the_second_key_has_the_year() -> None:
    assert document_key(document()) == ("H29.900", 2026, "15", "GM-SVD")


@pytest.mark.parametrize("mark", ["M\u200bẬT", "TỐI\u00ad MẬT", "TUY\u2060ỆT MẬT"])
def test_a_mark_split_by_invisible_characters_is_still_a_mark(mark: str) -> None:
    assert secrecy_marks(document(other_info=OtherInfo(sphere_of_promulgation=mark)))
