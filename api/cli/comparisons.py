"""The part of ``edoc doctor --deep`` that holds the rows against what is sealed in the archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from api.cli.diagnosis import Finding
from api.cli.language import Text
from api.cli.output import Advance, Output

if TYPE_CHECKING:
    from api.bootstrap import Program
    from edoc.exchange import Exchange
    from edoc.reconciliation import Compared, Difference, ExchangeSeals

_BACKUP: Final = Text(
    "có người đã sửa cơ sở dữ liệu: giữ nguyên hiện trạng, tìm xem ai sửa, rồi khôi phục cơ sở dữ liệu từ bản sao lưu",
    "somebody has changed the database: keep it as it is, find out who did, then restore the database from the backup",
)
_ROWS: Final = {
    "documents": Text("Văn bản so với thông điệp đã ký", "Letters against their sealed messages"),
    "deliveries": Text("Việc gửi so với nội dung đã ký", "Deliveries against what is sealed"),
    "statuses": Text("Trạng thái so với thông điệp đã ký", "Reported states against their sealed messages"),
    "evidence": Text("Chứng cứ so với nội dung đã ký", "Evidence against its sealed statements"),
    "events": Text("Số thứ tự sự kiện so với chứng cứ", "Numbered events against the evidence"),
    "tasks": Text("Chứng cứ chờ lưu so với việc chờ làm", "Evidence to be archived against the outbox"),
}
"""By the values of the themes."""
_LOST_TASKS: Final = Text(
    "có việc đã bị xóa khỏi bảng outbox: tìm xem ai xóa, rồi thêm lại (docs/operation.md, Lost tasks); không mất chứng"
    " cứ nào, đừng khôi phục bản sao lưu vì việc này",
    "tasks were removed from the table outbox: find out who did, then put them back (docs/operation.md, Lost tasks);"
    " no evidence is lost, so restore no backup for this",
)
_WARNINGS: Final = {
    "unjudged_seals": (
        Text("Con dấu không còn xét được", "Seals that cannot be judged any more"),
        Text(
            "chữ ký đúng, nhưng chứng thư gốc, chứng thư trung gian hoặc CRL dùng khi đó đã bị bỏ, thay, hoặc chứng thư"
            " bị thu hồi sau này: đặt lại chứng thư cũ của tổ chức cấp vào anchors/ hoặc intermediates/ bên cạnh cái"
            " mới; nếu con dấu bị thu hồi lùi ngày, hỏi cơ quan đó văn bản có phải của mình không",
            "the signatures are right, but the authority's certificate of that day was taken away or replaced, or the"
            " seal was revoked since: put the authority's old certificate back into anchors/ or intermediates/ beside"
            " the new one; where a seal was revoked for a time before, ask its agency whether the letter is its own",
        ),
    ),
    "unreported_arrivals": (
        Text("Văn bản đã đến mà chưa báo", "Arrivals that are not reported"),
        Text(
            "nếu khi đó EDOC_REPORT_ARRIVAL tắt, không phải làm gì; nếu không, có việc đã bị xóa khỏi bảng outbox: tìm"
            " xem ai xóa, rồi thêm lại (docs/operation.md, Lost tasks)",
            "if EDOC_REPORT_ARRIVAL was off then, nothing is to be done; else tasks were removed from the table outbox:"
            " find out who did, then put them back (docs/operation.md, Lost tasks)",
        ),
    ),
    "unknown_seals": (
        Text("Con dấu không rõ của ai", "Seals of which nothing tells whose they are"),
        Text(
            "nếu là con dấu trước đây của trục: lấy chứng thư từ tệp khóa cũ (openssl pkcs12 -in CŨ.p12 -nokeys"
            " -clcerts -out TÊN.cer), đặt vào exchange-seals/ trong thư mục của trục; nếu không phải, có người đã đóng"
            " dấu thay trục: giữ nguyên hiện trạng và tìm xem ai",
            "if it is a former seal of the exchange: take its certificate out of the old key file (openssl pkcs12 -in"
            " OLD.p12 -nokeys -clcerts -out NAME.cer) and put it into exchange-seals/ in the home folder; if it is not,"
            " somebody sealed in the exchange's place: keep all as it is, and find out who did",
        ),
    ),
}
"""By the values of the themes."""
_LOST: Final = Text("Chứng cứ mất dòng dữ liệu", "Evidence that lost its row")
_LOST_REMEDY: Final = Text(
    "các dòng đã bị xóa, hoặc cơ sở dữ liệu cũ hơn kho lưu trữ: khôi phục bản mới hơn của cơ sở dữ liệu (với SQLite,"
    " cùng tệp -wal); nếu không còn, nhờ nơi gửi gửi lại",
    "rows were deleted, or the database is older than the archive: restore a newer copy of the database (of SQLite,"
    " with its -wal); if there is none, let the senders send again",
)
_UNCLAIMED: Final = Text("Thông điệp không có dòng dữ liệu", "Messages without a row")
_UNCLAIMED_REMEDY: Final = Text(
    "phần còn lại khi trục dừng đột ngột hoặc từ chối lúc ghi mà nơi gửi không gửi lại; nếu không phải thế, các dòng đã"
    " bị xóa: hỏi nơi gửi có giấy nhận không",
    "what a crash or a refusal at the commit leaves where the sender did not send again; if it was neither, rows were"
    " deleted: ask the sender for a receipt",
)


@dataclass
class _Tally:
    """What was found, by the values of the themes: how much, and the first."""

    looked_at: int = 0
    unread: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, Difference] = field(default_factory=dict)

    def add(self, found: Iterable[Compared], advance: Advance) -> _Tally:
        """Take everything in; memory holds of each theme the first."""
        for each in found:
            advance(1)
            self.looked_at += 1
            self.unread += each.is_unread
            for difference in each.differences:
                self.counts[difference.theme.value] += 1
                self.first.setdefault(difference.theme.value, difference)
        return self

    def told(self, theme: str) -> str:
        """How much there is of a theme, and the first of it."""
        first = self.first[theme]
        return f"{self.counts[theme]}; first: {first.subject}: {first.what}"


def compare_deeply(program: Program, output: Output) -> Iterator[Finding]:
    """Hold rows and archive against each other: one finding a theme."""
    seals = _exchange_seals(program)
    yield from _rows(program.exchange, seals, output)
    yield from _objects(program.exchange, seals, output)


def _exchange_seals(program: Program) -> ExchangeSeals:
    """Which seals are the exchange's: those that it kept, and those of the trust list, where there is one that holds.

    Raises:
        CertificateFormatError: a certificate that was kept cannot be read.
    """
    from api.exchange_seals import kept_seals
    from edoc.audit.model import has_exchange_role
    from edoc.reconciliation import ExchangeSeals
    from signing.errors import TrustListError

    kept = kept_seals(program.settings)
    try:
        trust = program.trust.audit_trust(program.exchange.clock(), None, has_exchange_role)
    except TrustListError:  # the doctor tells of the list itself
        return ExchangeSeals(kept)
    return ExchangeSeals(kept, trust.trust_list)


def _rows(exchange: Exchange, seals: ExchangeSeals, output: Output) -> Iterator[Finding]:
    from edoc.reconciliation import compare_rows, count_rows

    title = Text("So dữ liệu với kho lưu trữ", "Rows against the archive")
    with output.progress(output.say(title), count_rows(exchange)) as advance:
        tally = _Tally().add(compare_rows(exchange, seals), advance)
    for theme, name in _ROWS.items():
        good = theme not in tally.first
        detail = "as sealed" if good else f"{tally.told(theme)}"
        if good and tally.unread:
            detail = f"as sealed, but {tally.unread} of {tally.looked_at} rows have nothing whole to be compared with"
        remedy = _LOST_TASKS if theme == "tasks" else _BACKUP
        yield Finding(f"rows_{theme}", name, good, detail, None if good else remedy)
    for theme, (name, remedy) in _WARNINGS.items():
        if theme in tally.first:
            yield Finding(theme, name, good=None, detail=tally.told(theme), remedy=remedy)
        else:
            yield Finding(theme, name, good=True, detail="none")


def _objects(exchange: Exchange, seals: ExchangeSeals, output: Output) -> Iterator[Finding]:
    from edoc.reconciliation import find_unclaimed

    title = Text("Tìm đối tượng không có dòng dữ liệu", "Objects without a row")
    with output.progress(output.say(title), 0) as advance:
        tally = _Tally().add(find_unclaimed(exchange, seals), advance)
    lost, unclaimed = "lost_evidence", "unclaimed_messages"
    none = f"none among {tally.looked_at} objects"
    if lost in tally.first:
        yield Finding(lost, _LOST, good=False, detail=tally.told(lost), remedy=_LOST_REMEDY)
    else:
        yield Finding(lost, _LOST, good=True, detail=none)
    if unclaimed in tally.first:
        yield Finding(unclaimed, _UNCLAIMED, good=None, detail=tally.told(unclaimed), remedy=_UNCLAIMED_REMEDY)
    else:
        yield Finding(unclaimed, _UNCLAIMED, good=True, detail=none)
