"""A letterhead and a meeting as the demonstration might have them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from api.demonstration.letters import Letterhead, Signer
from api.demonstration.meetings import Meeting

VIETNAM: Final = ZoneInfo("Asia/Ho_Chi_Minh")
CREATED: Final = datetime(2026, 3, 2, 8, 0, tzinfo=VIETNAM)

LETTERHEAD: Final = Letterhead(
    governing_agency="Ủy ban nhân dân Thành phố Hồ Chí Minh",
    issuing_agency="Văn phòng",
    number="123/TB-VP",
    place="Thành phố Hồ Chí Minh",
    issued=date(2026, 3, 2),
    type_name="Thông báo",
    abstract="Tình hình công tác cải cách hành chính quý II năm 2018",
    recipients=("Các sở, ban, ngành (21 đơn vị)", "Ủy ban nhân dân các quận, huyện (24 đơn vị)", "Lưu: VT"),
    signer=Signer(position="Phó Chánh Văn phòng", name="Nguyễn Văn Ví Dụ", capacity="KT. Chánh Văn phòng"),
)

MEETING: Final = Meeting(
    subject="Họp triển khai trao đổi văn bản điện tử có chữ ký số",
    invitees=("Chủ tịch Ủy ban nhân dân các phường, xã, thị trấn (322 đơn vị)",),
    chair="Ông Trần Văn Ví Dụ, Giám đốc Sở Nội vụ",
    starts=datetime(2026, 3, 5, 8, 0, tzinfo=VIETNAM),
    ends=datetime(2026, 3, 5, 11, 30, tzinfo=VIETNAM),
    venue="Hội trường Ví Dụ, số 0 đường Minh Họa",
    notes=("Đề nghị các đơn vị xác nhận tham dự trước ngày 04 tháng 3 năm 2026.",),
)
