"""What a reader of another maker (poppler) finds in the demonstration's letters."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from api.demonstration.agencies import bulletin_paragraphs
from api.demonstration.letters import bulletin_letter_pdf, invitation_pdf
from tests.support.letters import CREATED, LETTERHEAD, MEETING

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed"),
]


def _text(folder: Path, pdf: bytes) -> list[str]:
    """The pages' text, runs of white space made one blank."""
    path = folder / "letter.pdf"
    path.write_bytes(pdf)
    read = subprocess.run(["pdftotext", "-layout", path, "-"], check=True, capture_output=True, text=True)
    return [re.sub(r"\s+", " ", page).strip() for page in read.stdout.rstrip("\f").split("\f")]


def test_pdftotext_reads_every_part_of_the_letter(tmp_path: Path) -> None:
    pages = _text(tmp_path, bulletin_letter_pdf(LETTERHEAD, bulletin_paragraphs(), created=CREATED))
    first, last = pages[0], pages[-1]
    for part in (
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "ỦY BAN NHÂN DÂN",
        "VĂN PHÒNG",
        "Số: 123/TB-VP",
        "Thành phố Hồ Chí Minh, ngày 02 tháng 3 năm 2026",
        "THÔNG BÁO Tình hình công tác cải cách hành chính quý II năm 2018",
    ):
        assert part in first
    for part in (
        "Nơi nhận:",
        "- Ủy ban nhân dân các quận, huyện (24 đơn vị);",
        "- Lưu: VT.",
        "KT. CHÁNH VĂN PHÒNG",
        "PHÓ CHÁNH VĂN PHÒNG",
        "Nguyễn Văn Ví Dụ",
    ):
        assert part in last


def test_pdftotext_reads_the_whole_bulletin_in_order(tmp_path: Path) -> None:
    pages = _text(tmp_path, bulletin_letter_pdf(LETTERHEAD, bulletin_paragraphs(), created=CREATED))
    notice = "VĂN BẢN MINH HỌA - KHÔNG CÓ GIÁ TRỊ PHÁP LÝ Demonstration document without legal effect"
    numbered = [page.removesuffix(notice).removeprefix(f"{number} ") for number, page in enumerate(pages, 1)]
    body = " ".join(page.strip() for page in numbered)
    assert " ".join(" ".join(bulletin_paragraphs()).split()) in body


def test_every_page_says_it_is_a_demonstration_and_all_but_the_first_are_numbered(tmp_path: Path) -> None:
    pages = _text(tmp_path, bulletin_letter_pdf(LETTERHEAD, bulletin_paragraphs(), created=CREATED))
    assert all("VĂN BẢN MINH HỌA - KHÔNG CÓ GIÁ TRỊ PHÁP LÝ" in page for page in pages)
    assert [page.startswith(f"{number} ") for number, page in enumerate(pages, 1)] == [False, True, True]


def test_pdftotext_reads_what_the_invitation_says(tmp_path: Path) -> None:
    letterhead = replace(LETTERHEAD, issuing_agency="Sở Nội vụ", type_name="Giấy mời", recipients=("Như trên",))
    (page,) = _text(tmp_path, invitation_pdf(letterhead, MEETING, created=CREATED))
    for part in (
        "GIẤY MỜI",
        "Sở Nội vụ trân trọng kính mời: Chủ tịch Ủy ban nhân dân các phường, xã, thị trấn (322 đơn vị).",
        "Chủ trì: Ông Trần Văn Ví Dụ, Giám đốc Sở Nội vụ.",
        "Thời gian: từ 08 giờ 00 đến 11 giờ 30, ngày 05 tháng 3 năm 2026.",
        "Địa điểm: Hội trường Ví Dụ, số 0 đường Minh Họa.",
        "- Như trên.",
    ):
        assert part in page
