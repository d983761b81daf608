"""``edoc verify``: judge a file offline and say in plain words what was found."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from api.cli.command import EdocCommand
from api.cli.errors import ExitCode
from api.cli.findings import meaning, remedy
from api.cli.language import Language, Text
from api.cli.moments import Moment, shown
from api.cli.output import Branch, Mark, Output

if TYPE_CHECKING:
    from api.cli.recognition import Foreign
    from edoc.audit.model import AuditReport, AuditTrust, Check

MAX_LISTED: Final = 3
"""Checks of one kind and outcome that are listed singly; more of them are one line."""
MAX_REASON: Final = 200
"""Characters of a check in the tree; the seal over an export of a thousand files names them all. --all cuts nothing."""

_VERDICTS: Final = {
    "good": Text("TỐT: mọi kiểm tra đều đạt", "GOOD: everything that was checked holds"),
    "bad": Text("SAI: không được tin tệp này", "BAD: do not rely on this file"),
    "indeterminate": Text("CHƯA XÁC ĐỊNH: chưa đủ căn cứ", "INDETERMINATE: not enough is known to say that it holds"),
}
_MARKS: Final = {"good": Mark.GOOD, "bad": Mark.BAD, "indeterminate": Mark.UNKNOWN, "note": Mark.NOTE}
_EXIT_CODES: Final = {"good": ExitCode.GOOD, "bad": ExitCode.BAD, "indeterminate": ExitCode.INDETERMINATE}
_KINDS: Final = {
    "export": Text("gói chứng cứ (ASiC-E)", "export of a document (ASiC-E)"),
    "document": Text("văn bản (edXML)", "document message (edXML)"),
    "status": Text("thông điệp trạng thái (edXML)", "status message (edXML)"),
    "evidence": Text("chứng cứ của trục liên thông", "evidence of the exchange"),
    "signed_xml": Text("tệp XML khác", "another XML file"),
    "unknown": Text("không nhận ra", "not recognised"),
}
_CHECKS: Final = {
    "format": Text("Định dạng tệp", "Form of the file"),
    "presence": Text("Tệp bị thiếu trong gói", "Files missing from the export"),
    "container_seal": Text("Chữ ký của trục trên cả gói", "The exchange's seal over all files"),
    "message_seal": Text("Chữ ký số của cơ quan gửi", "The sending agency's seal"),
    "message_sender": Text("Chữ ký đúng là của cơ quan gửi", "The seal is that of the sender"),
    "attachment": Text("Tệp đính kèm", "Attachments"),
    "evidence_seal": Text("Chữ ký của trục trên chứng cứ", "The exchange's seal on its evidence"),
    "evidence_link": Text("Chuỗi chứng cứ", "The chain of evidence"),
    "status_seal": Text("Chữ ký trên thông điệp trạng thái", "Seals on status messages"),
    "status_link": Text("Trạng thái thuộc về văn bản này", "Statuses are about this document"),
    "evidence_message": Text("Chứng cứ nói đúng về thông điệp", "Evidence is about the message as it is"),
    "evidence_sender": Text("Cơ quan gửi ghi trong chứng cứ", "The sender that evidence names"),
    "evidence_recipients": Text("Cơ quan nhận ghi trong chứng cứ", "The recipients that evidence names"),
    "evidence_time": Text("Thời điểm ghi trong chứng cứ", "The times that evidence states"),
    "completeness": Text("Các tệp của gói", "The files of the export"),
    "omission": Text("Điều mà gói không cho thấy", "What an export cannot show"),
    "exchange_identity": Text("Dựa vào đâu để nhận ra trục", "What tells who the exchange is"),
    "time": Text("Thời điểm kiểm tra", "The time of the verdict"),
}
_FACTS: Final = {
    "document_id": Text("Mã văn bản", "DocumentId"),
    "code": Text("Số, ký hiệu", "Number"),
    "type": Text("Loại", "Type"),
    "subject": Text("Trích yếu", "Subject"),
    "sender": Text("Cơ quan gửi", "Sender"),
    "recipients": Text("Nơi nhận", "Recipients"),
    "accepted_at": Text("Trục tiếp nhận", "Accepted"),
    "promulgation_date": Text("Ngày ban hành", "Issued"),
    "attachments": Text("Tệp đính kèm", "Attachments"),
    "status": Text("Trạng thái", "Status"),
    "reported_at": Text("Báo lúc", "Reported"),
    "reported_by": Text("Bên báo", "Reported by"),
    "event": Text("Sự kiện", "Event"),
    "event_time": Text("Lúc", "At"),
    "message_sha256": Text("SHA-256 của thông điệp", "Message's SHA-256"),
}
_STATING: Final = frozenset({"export", "document", "status", "evidence"})
"""Kinds of files of which facts are listed, where a seal over them held."""
_TIMES: Final = frozenset({"accepted_at", "reported_at", "event_time", "handed_over_at"})
_MAX_FACT: Final = 160


@click.command(cls=EdocCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    envvar="EDOC_TRUST_FOLDER",
    help="Whom to believe: a folder with anchors/ and crls/, a folder of certificates, or a PEM bundle.",
)
@click.option("--at", type=Moment(), help="Judge as of this time instead of now (Vietnam time unless a zone is named).")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="A list of agencies that you trust (CSV: code,old_code,...): tells which codes are one agency's.",
)
@click.option("--all", "everything", is_flag=True, help="List every check, also where many are good.")
def verify(
    output: Output, file: Path, trust: Path | None, at: datetime | None, directory: Path | None, *, everything: bool
) -> ExitCode:
    """Judge an export (.asice), a message (.edxml), evidence or another signed XML file; - is standard input.

    Needs no server and no database: only the file and the certificates that you trust. Exit code 0: it holds;
    1: it does not; 4: not enough is known.
    """
    from api.cli.recognition import HEAD_BYTES, plain_file, recognise
    from api.cli.trusted import read_audit_trust
    from api.config import Settings
    from edoc.audit.files import verify_file
    from edoc.audit.model import AuditTime
    from signing.xml import FileSource

    now = datetime.now(UTC)
    believed = _with_agencies(read_audit_trust(trust, now, at), directory)
    time = AuditTime(at or now, given=at is not None)
    with plain_file(file, Settings.model_fields["max_verification_bytes"].default) as path:
        source = FileSource.of(path)
        foreign = recognise(source.read(0, HEAD_BYTES))
        if foreign is not None:
            return _show_foreign(output, file, foreign, time.at)
        with output.progress(file.name, total=0) as advance:
            report = verify_file(source, file.name, believed, time, progress=lambda _: advance(1))
    show_report(output, str(file), report, time.at, everything=everything)
    return _EXIT_CODES[report.verdict.value]


def _with_agencies(trust: AuditTrust, directory: Path | None) -> AuditTrust:
    """The reader's trust with the reader's own list of agencies, where there is one."""
    from api.cli.directory import read_agencies
    from edoc.audit.agencies import aliases_of_list

    return trust if directory is None else replace(trust, aliases=aliases_of_list(read_agencies(directory)))


def _show_foreign(output: Output, file: Path, foreign: Foreign, at: datetime) -> ExitCode:
    """Say what a file is that nothing could be a verdict on but that it is the wrong one."""
    from edoc.audit.model import AuditReport, Check, CheckName, FileKind, Outcome

    check = Check(CheckName.FORMAT, file.name, Outcome.BAD, f"this is {foreign.what.en}", foreign.advice.en)
    output.document(report_document(str(file), AuditReport(FileKind.UNKNOWN, (check,)), at))
    title = Text("SAI: không phải tệp kiểm tra được ở đây", "BAD: no file that can be verified here")
    output.line(output.say(title), mark=Mark.BAD, strong=True)
    output.line(f"{file}: {output.say(foreign.what)}", indent=2)
    output.line(f"→ {output.say(foreign.advice)}", indent=4)
    return ExitCode.BAD


def show_report(output: Output, file: str, report: AuditReport, at: datetime, *, everything: bool = False) -> None:
    """Print what an audit found."""
    output.document(report_document(file, report, at))
    verdict = report.verdict.value
    output.line(f"{output.say(_VERDICTS[verdict])}", mark=_MARKS[verdict], strong=True)
    output.line(f"{file}: {output.say(_KINDS[report.kind.value])}", indent=2)
    if verdict != "good":
        _show_reasons(output, report, everything=everything)
    _show_facts(output, report)
    output.line()
    title = Text("Đã kiểm tra", "What was checked")
    output.tree(Branch(output.say(title), None, tuple(_branches(output, report.checks, everything=everything))))


def report_document(file: str, report: AuditReport, at: datetime) -> Mapping[str, object]:
    """What an audit found as JSON knows it; the keys stay."""
    from signing.report import report_as_json

    return {
        "file": file,
        "kind": report.kind.value,
        "verdict": report.verdict.value,
        "at": at.isoformat(),
        "facts": [{"name": fact.name, "value": fact.value} for fact in report.facts],
        "checks": [
            {
                "name": check.name.value,
                "subject": check.subject,
                "outcome": check.outcome.value,
                "reason": check.reason,
                "remedy": check.remedy,
                "signature": report_as_json(check.report) if check.report else None,
            }
            for check in report.checks
        ],
    }


def _show_reasons(output: Output, report: AuditReport, *, everything: bool) -> None:
    """What is wrong, before all the rest: that is what the reader wants to know."""
    output.line()
    for outcome in ("bad", "indeterminate"):
        wrong = [check for check in report.checks if check.outcome.value == outcome]
        for name in dict.fromkeys(check.name for check in wrong):
            alike = [check for check in wrong if check.name is name]
            shown_now = alike if everything else alike[:MAX_LISTED]
            for check in shown_now:
                output.line(f"{check.subject}: {_reason(output, check)}", mark=_MARKS[outcome])
            remedies = dict.fromkeys(_remedy(output, check) for check in shown_now)
            if len(alike) > len(shown_now):
                more = Text(
                    "và {count} lỗi cùng loại (--all để xem hết)", "and {count} more of this kind (--all lists them)"
                )
                output.line(output.say(more, count=len(alike) - len(shown_now)), indent=4)
            for advice in filter(None, remedies):
                output.line(f"→ {advice}", indent=4)


def _show_facts(output: Output, report: AuditReport) -> None:
    output.line()
    if not report.facts and report.kind.value in _STATING:
        nothing = Text(
            "Không nêu nội dung của tệp: không có chữ ký nào đạt để chứng minh nội dung ấy.",
            "What the file states is not shown: no seal that held proves it.",
        )
        output.line(output.say(nothing), indent=2)
    rows = [(_fact_name(output, fact.name), _fact_value(fact.name, fact.value)) for fact in report.facts]
    states = [fact.value for fact in report.facts if fact.name == "status"]
    if len(states) > MAX_LISTED:
        tally = Counter(state.partition(" ")[0] for state in states)
        name = output.say(_FACTS["status"])
        rows = [row for row in rows if row[0] != name]
        rows.append((name, ", ".join(f"{_state(output, code)} × {count}" for code, count in sorted(tally.items()))))
    output.facts(rows)


def _state(output: Output, code: str) -> str:
    from api.cli.names import state_name

    return state_name(code, output.language)


def _fact_name(output: Output, name: str) -> str:
    text = _FACTS.get(name)
    return output.say(text) if text else name


def _fact_value(name: str, value: str) -> str:
    if name in _TIMES:
        return shown(value)
    return value if len(value) <= _MAX_FACT else f"{value[:_MAX_FACT]}…"


def _branches(output: Output, checks: tuple[Check, ...], *, everything: bool) -> list[Branch]:
    branches = []
    order = {name: number for number, name in enumerate(_CHECKS)}
    ordered = sorted(checks, key=lambda check: order[check.name.value])
    for name, group in groupby(ordered, key=lambda check: check.name):
        found = list(group)
        title = output.say(_CHECKS[name.value])
        below = tuple(_leaf(output, each, sys.maxsize) for each in found) if everything else _summary(output, found)
        branches.append(Branch(title, _worst(found), below))
    return branches


def _summary(output: Output, checks: list[Check]) -> tuple[Branch, ...]:
    """The checks of one kind: many of one outcome are one line."""
    texts = {
        "good": Text("{count} kiểm tra đạt", "{count} checks hold"),
        "bad": Text("{count} kiểm tra không đạt", "{count} checks do not hold"),
        "indeterminate": Text("{count} kiểm tra chưa xác định", "{count} checks are undecided"),
        "note": Text("{count} ghi chú", "{count} notes"),
    }
    below: list[Branch] = []
    for outcome, text in texts.items():
        alike = [check for check in checks if check.outcome.value == outcome]
        if len(alike) > MAX_LISTED:
            below.append(Branch(output.say(text, count=len(alike)), _MARKS[outcome]))
        else:
            below.extend(_leaf(output, check) for check in alike)
    return tuple(below)


def _worst(checks: list[Check]) -> Mark:
    outcomes = {check.outcome.value for check in checks}
    return next(_MARKS[each] for each in ("bad", "indeterminate", "good", "note") if each in outcomes)


def _leaf(output: Output, check: Check, most: int = MAX_REASON) -> Branch:
    text = f"{check.subject}: {_reason(output, check)}"
    return Branch(text if len(text) <= most else f"{text[:most]}…", _MARKS[check.outcome.value])


def _reason(output: Output, check: Check) -> str:
    said = meaning(check) if output.language is Language.VIETNAMESE else None
    return f"{said} ({check.reason})" if said else check.reason


def _remedy(output: Output, check: Check) -> str | None:
    return remedy(check) if output.language is Language.VIETNAMESE else check.remedy
