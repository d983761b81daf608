"""Official letters as PDF, laid out as Decree 30/2020/NĐ-CP, appendix I, asks (A4, serif, its margins and places).

A font is embedded (as a subset), so a letter looks the same everywhere, and nothing depends on the clock or on
chance: the same arguments give the same bytes. Every page says that it is a demonstration. Signatures and seals are
no part of the layout.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from fpdf import FPDF

from api.demonstration.fonts import serif_faces
from api.demonstration.meetings import VIETNAM_TIME, Meeting

_COUNTRY: Final = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"
_MOTTO: Final = "Độc lập - Tự do - Hạnh phúc"
_NOTICE: Final = "VĂN BẢN MINH HỌA - KHÔNG CÓ GIÁ TRỊ PHÁP LÝ\nDemonstration document without legal effect"

# Measures in millimetres and points; the decree gives ranges (II.1 to II.9), these lie inside.
_FONT: Final = "serif"
_TEXT: Final = 13.0
_HEAD: Final = 12.0
_SMALL: Final = 11.0
_LEFT: Final = 30.0
_RIGHT: Final = 15.0
_TOP: Final = 20.0
_BOTTOM: Final = 24.0
_AGENCY_WIDTH: Final = 58.0
_INDENT: Final = 12.7
_SIGNATURE_HEIGHT: Final = 30.0
"""Left free between the title and the name for the signature and the seal."""
_LINE: Final = 1.3
_HEAD_LINE: Final = 1.15
_SENTENCE_ENDS: Final = (".", ":", ";", "!", "?", "”")
_WARNING_COLOUR: Final = (176, 0, 32)


@dataclass(frozen=True)
class Signer:
    """Who signs: ``capacity`` such as ``KT. GIÁM ĐỐC`` where somebody signs for another, else ``None``."""

    position: str
    name: str
    capacity: str | None = None


@dataclass(frozen=True)
class Letterhead:
    """What stands around the body of every official document."""

    governing_agency: str | None
    issuing_agency: str
    number: str
    """Number and notation, such as ``15/GM-SNV``."""
    place: str
    issued: date
    type_name: str
    abstract: str
    recipients: tuple[str, ...]
    """The lines of "Nơi nhận", the archive's last."""
    signer: Signer


def bulletin_letter_pdf(letterhead: Letterhead, paragraphs: Sequence[str], *, created: datetime) -> bytes:
    """A letter of several pages with the paragraphs as its body; one without final punctuation is a heading."""
    with serif_faces() as faces:
        page = _Page(letterhead, created, faces)
        page.opening()
        for paragraph in paragraphs:
            if paragraph.endswith(_SENTENCE_ENDS):
                page.paragraph(paragraph)
            else:
                page.heading(paragraph)
        page.closing()
        return page.finished()


def invitation_pdf(letterhead: Letterhead, meeting: Meeting, *, created: datetime) -> bytes:
    """A "Giấy mời" after template 1.7: who invites whom, to what, who is in the chair, when, where, and notes."""
    lines = (
        f"{letterhead.issuing_agency} trân trọng kính mời: {'; '.join(meeting.invitees)}.",
        f"Tới dự: {meeting.subject}.",
        f"Chủ trì: {meeting.chair}.",
        f"Thời gian: {_meeting_time(meeting)}.",
        f"Địa điểm: {meeting.venue}.",
        *meeting.notes,
    )
    with serif_faces() as faces:
        page = _Page(letterhead, created, faces)
        page.opening()
        for line in lines:
            page.paragraph(line)
        page.closing()
        return page.finished()


def _meeting_time(meeting: Meeting) -> str:
    """``từ 08 giờ 00 đến 11 giờ 30, ngày 05 tháng 3 năm 2026``, in Vietnam's time."""
    zone = ZoneInfo(VIETNAM_TIME)
    starts, ends = meeting.starts.astimezone(zone), meeting.ends.astimezone(zone)
    if starts.date() == ends.date():
        return f"từ {_clock(starts)} đến {_clock(ends)}, {_day(starts)}"
    return f"từ {_clock(starts)}, {_day(starts)} đến {_clock(ends)}, {_day(ends)}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H} giờ {moment:%M}"


def _day(day: date) -> str:
    """A date in words: days below 10 and the months 1 and 2 get a zero, so that none can be put before (II.4)."""
    month = f"{day.month:02d}" if day.month <= 2 else str(day.month)  # noqa: PLR2004 -- the rule of the decree
    return f"ngày {day.day:02d} tháng {month} năm {day.year}"


def _lines(words: Sequence[str], at: Sequence[int]) -> list[str]:
    """The words in lines, each of which begins at one of the places."""
    return [" ".join(words[start:stop]) for start, stop in itertools.pairwise((0, *at, len(words)))]


class _Page(FPDF):
    """The sheets of one document, from the national title to the recipients."""

    def __init__(self, letterhead: Letterhead, created: datetime, faces: Mapping[str, Path]) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self._letterhead = letterhead
        self.set_margins(_LEFT, _TOP, _RIGHT)
        self.set_auto_page_break(auto=True, margin=_BOTTOM)
        self.c_margin = 0
        for style, face in faces.items():
            self.add_font(_FONT, style, face)
        self.set_lang("vi")
        self.set_title(f"{letterhead.type_name} {letterhead.number}: {letterhead.abstract}")
        self.set_author(letterhead.issuing_agency)
        self.set_subject("Văn bản minh họa, không có giá trị pháp lý")
        self.set_creator("edoc-exchange")
        self.set_creation_date(created)

    def header(self) -> None:
        """The page number, in the middle of the top margin, from the second page on (II.1)."""
        if self.page_no() > 1:
            self.set_font(_FONT, "", _TEXT)
            self.set_xy(self.l_margin, 10)
            self.cell(self.epw, 6, str(self.page_no()), align="C")
            self.set_xy(self.l_margin, _TOP)

    def footer(self) -> None:
        """The notice that nobody may take this for a real document."""
        self.set_text_color(*_WARNING_COLOUR)
        self.set_font(_FONT, "", 8)
        self.set_xy(self.l_margin, -16)
        self.multi_cell(self.epw, 4, _NOTICE, align="C")
        self.set_text_color(0)

    def opening(self) -> None:
        """National title, agencies, number, place and date, type and abstract."""
        self.add_page()
        left, right = self._agencies(), self._national_title()
        below = self._number_and_date(max(left, right) + 4)
        self._type_and_abstract(below + 8)

    def _national_title(self) -> float:
        start, width = self._title_column()
        self.set_y(_TOP)
        bottom = self._block(start, width, ((_COUNTRY, "B", _HEAD), (_MOTTO, "B", _TEXT)))
        self._rule(start + width / 2, bottom + 0.8, self.get_string_width(_MOTTO))
        return bottom

    def _agencies(self) -> float:
        head = self._letterhead
        self.set_y(_TOP)
        lines = [(self._balanced(head.issuing_agency.upper(), "B"), "B", _HEAD)]
        if head.governing_agency is not None:
            lines.insert(0, (self._balanced(head.governing_agency.upper(), ""), "", _HEAD))
        bottom = self._block(self.l_margin, _AGENCY_WIDTH, lines)
        self._rule(self.l_margin + _AGENCY_WIDTH / 2, bottom + 0.8, _AGENCY_WIDTH * 0.4)
        return bottom

    def _balanced(self, name: str, style: str) -> str:
        """An agency's name in as few lines as fit, cut where they are most alike."""
        self.set_font(_FONT, style, _HEAD)
        words = name.split()
        for breaks in range(len(words)):
            cuts = (_lines(words, at) for at in itertools.combinations(range(1, len(words)), breaks))
            widest, lines = min((max(map(self.get_string_width, lines)), lines) for lines in cuts)
            if widest <= _AGENCY_WIDTH:
                return "\n".join(lines)
        return name

    def _number_and_date(self, top: float) -> float:
        head = self._letterhead
        self.set_y(top)
        self._block(self.l_margin, _AGENCY_WIDTH, ((f"Số: {head.number}", "", _TEXT),))
        self.set_y(top)
        start, width = self._title_column()
        return self._block(start, width, ((f"{head.place}, {_day(head.issued)}", "I", _TEXT),))

    def _type_and_abstract(self, top: float) -> None:
        head = self._letterhead
        self.set_y(top)
        lines = ((head.type_name.upper(), "B", _TEXT + 1), (head.abstract, "B", _TEXT))
        bottom = self._block(self.l_margin + 15, self.epw - 30, lines)
        self._rule(self.l_margin + self.epw / 2, bottom + 1, self.epw * 0.35)
        self.set_y(bottom + 6)

    def heading(self, text: str) -> None:
        """A heading inside the body, kept together with what follows it."""
        self._need(4 * self._line_height(_TEXT, _LINE))
        self._write(text, "B")

    def paragraph(self, text: str) -> None:
        """A paragraph: justified, its first line indented."""
        self._write(text, "")

    def _write(self, text: str, style: str) -> None:
        self.set_font(_FONT, style, _TEXT)
        with self.text_columns(text_align="J", line_height=_LINE) as column:  # noqa: SIM117 -- reads as it is nested
            with column.paragraph(first_line_indent=_INDENT, bottom_margin=2) as paragraph:
                paragraph.write(text)

    def closing(self) -> None:
        """Recipients on the left, capacity, title and name on the right, never torn apart."""
        head = self._letterhead
        height = self._line_height(_SMALL, _HEAD_LINE) * (len(head.recipients) + 3)
        self._need(max(height, 2 * self._line_height(_TEXT, _HEAD_LINE) + _SIGNATURE_HEIGHT + 10) + 4)
        top = self.get_y() + 4
        self._recipients(top)
        self._signer(top)

    def _recipients(self, top: float) -> None:
        self.set_y(top)
        lines = self._letterhead.recipients
        ends = [";"] * (len(lines) - 1) + ["."]
        width = self.epw * 0.5
        self._block(self.l_margin, width, (("Nơi nhận:", "BI", _HEAD),), align="L")
        listed = ((f"- {line}{end}", "", _SMALL) for line, end in zip(lines, ends, strict=True))
        self._block(self.l_margin, width, listed, align="L")

    def _signer(self, top: float) -> None:
        signer = self._letterhead.signer
        start, width = self.l_margin + self.epw * 0.5, self.epw * 0.5
        titles = tuple(text for text in (signer.capacity, signer.position) if text is not None)
        self.set_y(top)
        bottom = self._block(start, width, ((title.upper(), "B", _TEXT) for title in titles))
        self.set_y(bottom + _SIGNATURE_HEIGHT)
        self._block(start, width, ((signer.name, "B", _TEXT),))

    def finished(self) -> bytes:
        """The bytes of the document."""
        return bytes(self.output())

    def _title_column(self) -> tuple[float, float]:
        """Where the national title stands, and how wide."""
        return self.l_margin + _AGENCY_WIDTH, self.epw - _AGENCY_WIDTH

    def _block(self, x: float, width: float, lines: Iterable[tuple[str, str, float]], *, align: str = "C") -> float:
        """Set lines (text, style, size) one below the other from here, and return where they end."""
        for text, style, size in lines:
            self.set_font(_FONT, style, size)
            self.set_x(x)
            self.multi_cell(width, self._line_height(size, _HEAD_LINE), text, align=align, new_x="LEFT", new_y="NEXT")
        return self.get_y()

    def _rule(self, centre: float, y: float, width: float) -> None:
        self.set_line_width(0.25)
        self.line(centre - width / 2, y, centre + width / 2, y)

    def _need(self, height: float) -> None:
        if self.will_page_break(height):
            self.add_page()

    def _line_height(self, size: float, factor: float) -> float:
        return size * factor / self.k
