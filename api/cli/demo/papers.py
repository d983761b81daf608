"""The two documents of the story: a letter of the city's office, and an invitation with its meeting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final

from api.cli.demo.stage import HOME_AFFAIRS, OFFICE, Actor
from api.cli.drafts import Letter
from api.cli.files import write_new
from api.demonstration.agencies import bulletin_paragraphs
from api.demonstration.letters import Letterhead, Signer, bulletin_letter_pdf, invitation_pdf
from api.demonstration.meetings import Meeting, Participant, meeting_ics
from edoc.vietnam import VIETNAM, vietnam_date

_CITY: Final = "Ủy ban nhân dân Thành phố Hồ Chí Minh"
_PLACE: Final = "Thành phố Hồ Chí Minh"
_LETTER_SUBJECT: Final = "Tình hình công tác cải cách hành chính quý II năm 2018"
_MEETING_SUBJECT: Final = "Họp triển khai trao đổi văn bản điện tử có chữ ký số"


@dataclass(frozen=True)
class Paper:
    """A document and who it is from."""

    sender: str
    letter: Letter


def write_letter(folder: Path, recipients: tuple[Actor, ...], now: datetime) -> Paper:
    """The office's letter: a PDF of several pages."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "thong-bao-123.pdf"
    letterhead = Letterhead(
        governing_agency=_CITY,
        issuing_agency="Văn phòng",
        number="123/TB-VP",
        place=_PLACE,
        issued=vietnam_date(now),
        type_name="Thông báo",
        abstract=_LETTER_SUBJECT,
        recipients=("Các sở, ban, ngành", "Ủy ban nhân dân các quận, huyện", "Lưu: VT"),
        signer=Signer("Phó Chánh Văn phòng", "Nguyễn Văn Ví Dụ", "KT. Chánh Văn phòng"),
    )
    write_new(path, bulletin_letter_pdf(letterhead, bulletin_paragraphs(), created=now.replace(microsecond=0)))
    letter = Letter(
        recipients=tuple(each.code for each in recipients),
        number="123",
        notation="TB-VP",
        type_name="Thông báo",
        subject=_LETTER_SUBJECT,
        signer="Nguyễn Văn Ví Dụ",
        position="Phó Chánh Văn phòng",
        place=_PLACE,
        files=(path,),
    )
    return Paper(OFFICE, letter)


def write_invitation(folder: Path, wards: tuple[Actor, ...], now: datetime) -> Paper:
    """The department's invitation: a PDF, and the meeting for the calendars."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    starts = datetime.combine(vietnam_date(now) + timedelta(days=7), time(8, 0), VIETNAM)
    meeting = Meeting(
        subject=_MEETING_SUBJECT,
        invitees=(f"Chủ tịch Ủy ban nhân dân các phường, xã, thị trấn ({len(wards)} đơn vị)",),
        chair="Bà Trần Thị Minh Họa, Giám đốc Sở Nội vụ",
        starts=starts,
        ends=starts + timedelta(hours=3, minutes=30),
        venue="Hội trường Ví Dụ, số 0 đường Minh Họa",
        notes=("Đề nghị các đơn vị xác nhận tham dự trên trục liên thông văn bản.",),
    )
    letterhead = Letterhead(
        governing_agency=_CITY,
        issuing_agency="Sở Nội vụ",
        number="15/GM-SNV",
        place=_PLACE,
        issued=vietnam_date(now),
        type_name="Giấy mời",
        abstract=_MEETING_SUBJECT,
        recipients=("Như trên", "Lưu: VT"),
        signer=Signer("Giám đốc", "Trần Thị Minh Họa"),
    )
    paper, calendar = folder / "giay-moi-15.pdf", folder / "cuoc-hop.ics"
    stamped = now.replace(microsecond=0)
    write_new(paper, invitation_pdf(letterhead, meeting, created=stamped))
    organizer = Participant("Sở Nội vụ", "snv@example.vn")
    attendees = [Participant(ward.name, f"{ward.code.lower()}@example.vn") for ward in wards]
    uid = f"15-GM-SNV-{vietnam_date(now):%Y%m%d}@example.vn"
    write_new(calendar, meeting_ics(meeting, uid=uid, stamped=stamped, organizer=organizer, attendees=attendees))
    letter = Letter(
        recipients=tuple(each.code for each in wards),
        number="15",
        notation="GM-SNV",
        type_name="Giấy mời",
        subject=_MEETING_SUBJECT,
        signer="Trần Thị Minh Họa",
        position="Giám đốc",
        place=_PLACE,
        files=(paper, calendar),
        priority=1,
    )
    return Paper(HOME_AFFAIRS, letter)
