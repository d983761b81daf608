"""``edoc doctor``: is everything there that the exchange stands on, and what to do where it is not."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from api.cli.command import EdocCommand
from api.cli.comparisons import compare_deeply
from api.cli.diagnosis import Finding
from api.cli.errors import ExitCode
from api.cli.language import Text
from api.cli.moments import shown
from api.cli.options import home_option, settings_of
from api.cli.output import Mark, Output

if TYPE_CHECKING:
    from api.bootstrap import Program
    from api.config import Settings

LEAST_FREE_BYTES: Final = 2 << 30
CRL_WARNING: Final = timedelta(days=3)
SEAL_WARNING: Final = timedelta(days=30)
EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock is before the program was written."""
_TRUST_LIST_TITLE: Final = Text("Danh sách tin cậy", "Trust list")


@click.command(cls=EdocCommand)
@home_option
@click.option(
    "--deep",
    is_flag=True,
    help="Also read the whole archive through, compare its digests, and hold every row against what is sealed in it.",
)
def doctor(output: Output, home: Path | None, *, deep: bool) -> ExitCode:
    """Check database, archive, trust anchors, CRLs, seal, disk, clock and port. Changes nothing but a probe object.

    Exit code 0: all is well; 1: something is wrong.
    """
    settings = settings_of(home)
    findings = []
    for finding in examine(settings, output if deep else None):
        findings.append(finding)
        _say(output, finding)
    bad = [each for each in findings if each.good is False]
    output.document(
        {
            "home": str(settings.home),
            "ok": not bad,
            "checks": [
                {
                    "name": each.name,
                    "outcome": {True: "good", False: "bad", None: "warning"}[each.good],
                    "detail": each.detail,
                    "remedy": each.remedy.en if each.remedy else None,
                }
                for each in findings
            ],
        }
    )
    return ExitCode.BAD if bad else ExitCode.GOOD


def examine(settings: Settings, deep_output: Output | None = None) -> Iterator[Finding]:
    """Look at one thing after the other; what depends on something that is broken is left out."""
    from api.bootstrap import build_program

    yield _clock()
    yield _sqlite()
    yield from _disk(settings)
    yield _port(settings)
    try:
        program = build_program(settings)
    except Exception as error:  # noqa: BLE001 -- whatever keeps the exchange from starting is what the doctor is for
        yield _broken("program", Text("Khởi động", "Start"), error)
        return
    try:
        yield from _parts(program)
        if deep_output is not None:
            yield _archive_deep(program, deep_output)
            yield from _rows_deep(program, deep_output)
    finally:
        program.close()


def _parts(program: Program) -> Iterator[Finding]:
    from edoc.database.migrate import latest_revision

    yield Finding("database", Text("Cơ sở dữ liệu", "Database"), good=True, detail=f"revision {latest_revision()}")
    yield _attempt("archive", Text("Kho lưu trữ", "Archive"), lambda: _archive(program))
    yield _attempt("trust", Text("Chứng thư gốc", "Trust anchors"), lambda: _anchors(program))
    yield _attempt("crls", Text("Danh sách thu hồi", "CRLs"), lambda: _crls(program))
    yield _attempt("trust_list", _TRUST_LIST_TITLE, lambda: _trust_list(program))
    yield _attempt("seal", Text("Con dấu của trục", "The exchange's seal"), lambda: _seal(program))
    yield _attempt("agencies", Text("Danh bạ cơ quan", "Directory"), lambda: _directory(program))
    yield _attempt("outbox", Text("Việc chờ làm", "Outbox"), lambda: _outbox(program))


def _attempt(name: str, title: Text, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 -- one broken part must not hide the others
        return _broken(name, title, error)


def _broken(name: str, title: Text, error: Exception) -> Finding:
    from api.cli.problems import describe

    problem = describe(error)
    if problem is None:
        return Finding(name, title, good=False, detail=f"{type(error).__name__}: {error}")
    return Finding(name, title, good=False, detail=problem.what.en, remedy=_own_remedy(error) or problem.remedy)


def _own_remedy(error: Exception) -> Text | None:
    """What helps where other commands would send people here."""
    from edoc.database.errors import DatabaseError, RetryableError, SchemaVersionError, UnsafeDatabaseError
    from edoc.errors import ArchiveError, ObjectCorruptError, ObjectNotFoundError

    if isinstance(error, UnsafeDatabaseError):
        return Text("đặt lại cơ sở dữ liệu như lý do đã nêu", "set the database up as the reason says")
    if isinstance(error, DatabaseError) and not isinstance(error, RetryableError | SchemaVersionError):
        return Text(
            "xem cơ sở dữ liệu có chạy, còn chỗ và cho trục ghi không (EDOC_DATABASE_URL)",
            "see that the database runs, has space left and lets the exchange write (EDOC_DATABASE_URL)",
        )
    if isinstance(error, ArchiveError) and not isinstance(error, ObjectCorruptError | ObjectNotFoundError):
        return Text(
            "thêm dung lượng, cho người dùng của trục quyền ghi kho lưu trữ; với S3: xem địa chỉ, bucket, khóa",
            "free space for the archive, and let the exchange's user write to it; of S3: see address, bucket, keys",
        )
    return None


def _clock() -> Finding:
    now = datetime.now(UTC)
    good = now >= EARLIEST
    remedy = Text("đặt lại đồng hồ (timedatectl set-ntp true)", "set the clock (timedatectl set-ntp true)")
    return Finding("clock", Text("Đồng hồ", "Clock"), good, f"{shown(now)} (+07)", None if good else remedy)


def _sqlite() -> Finding:
    from pysqlite3 import dbapi2

    from edoc.database.engine import OLDEST_SQLITE

    good = dbapi2.sqlite_version_info >= OLDEST_SQLITE
    detail = f"{dbapi2.sqlite_version} (pysqlite3; the interpreter's own is {sqlite3.sqlite_version} and is not used)"
    remedy = Text("cài pysqlite3 mới hơn", "install a newer pysqlite3")
    return Finding("sqlite", Text("SQLite", "SQLite"), good, detail, None if good else remedy)


def _disk(settings: Settings) -> Iterator[Finding]:
    from api.observability import READY_FREE_BYTES

    place = next(each for each in (settings.archive_folder, *settings.archive_folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    good = None if free >= READY_FREE_BYTES else False  # with less, the service says that it is not ready
    good = True if free >= LEAST_FREE_BYTES else good
    remedy = Text("giải phóng hoặc thêm dung lượng", "free or add space")
    detail = f"{free / (1 << 30):.1f} GiB free at {place}"
    yield Finding("disk", Text("Dung lượng đĩa", "Disk space"), good, detail, None if good else remedy)
    if settings.home.exists():
        mode = settings.home.stat().st_mode & 0o777
        writable = os.access(settings.home, os.W_OK)
        closed = not mode & 0o077
        remedy = Text(f"chmod 700 {settings.home}", f"chmod 700 {settings.home}")
        good = False if not writable else (True if closed else None)
        yield Finding(
            "home", Text("Thư mục", "Home folder"), good, f"{settings.home}, mode {mode:04o}", None if good else remedy
        )


def _port(settings: Settings) -> Finding:
    title = Text("Cổng", "Port")
    where = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if _is_exchange(settings):
                # What answers names nobody, so that it may be the exchange of another home.
                detail = f"{where}: something answers there as an exchange; whether it is this one is not known"
                remedy = Text(
                    "nếu trục này chưa chạy, đặt EDOC_PORT khác", "if this exchange does not run, set another EDOC_PORT"
                )
                return Finding("port", title, good=None, detail=detail, remedy=remedy)
            remedy = Text("đặt EDOC_PORT khác, hoặc dừng chương trình kia", "set another EDOC_PORT, or stop the other")
            return Finding("port", title, good=False, detail=f"{where}: {error.strerror}", remedy=remedy)
    return Finding("port", title, good=True, detail=f"{where} is free")


def _is_exchange(settings: Settings) -> bool:
    from api.client import Client

    with Client(f"http://{settings.host}:{settings.port}") as client:
        return client.is_ready()


def _archive(program: Program) -> Finding:
    """A probe object: written, read back, compared."""
    store = program.exchange.store
    stat = store.put_bytes(b"edoc doctor was here\n")
    store.verify(stat.sha256)
    where = str(program.settings.archive_folder)
    return Finding("archive", Text("Kho lưu trữ", "Archive"), good=True, detail=f"writes and reads back: {where}")


def _archive_deep(program: Program, output: Output) -> Finding:
    from edoc.reconciliation import ObjectState, count_objects, reconcile

    title = Text("Toàn bộ kho lưu trữ", "The whole archive")
    total = count_objects(program.exchange)
    wrong = []
    with output.progress(output.say(title), total) as advance:
        for each in reconcile(program.exchange):
            advance(1)
            if each.state is not ObjectState.INTACT:
                wrong.append(each)
    if not wrong:
        return Finding("archive_objects", title, good=True, detail=f"{total} objects, each with its digest")
    first = wrong[0]
    detail = (
        f"{len(wrong)} of {total} objects are not intact; first: {first.owner} {first.sha256} is {first.state.value}"
    )
    remedy = Text("khôi phục các tệp này từ bản sao lưu", "restore these objects from the backup")
    return Finding("archive_objects", title, good=False, detail=detail, remedy=remedy)


def _rows_deep(program: Program, output: Output) -> Iterator[Finding]:
    try:
        yield from compare_deeply(program, output)
    except Exception as error:  # noqa: BLE001 -- rows that cannot even be read are what this looks for
        yield _broken("rows", Text("So dữ liệu với kho lưu trữ", "Rows against the archive"), error)


def _anchors(program: Program) -> Finding:
    from keys.certificates import is_demonstration

    anchors, now = program.trust.material.anchors.certificates, program.exchange.clock()
    ended = [each for each in anchors if now > each.not_valid_after_utc]
    demonstration = any(is_demonstration(each) for each in anchors)
    detail = f"{len(anchors)}" + ("; a demonstration authority is among them: no legal effect" if demonstration else "")
    title = Text("Chứng thư gốc", "Trust anchors")
    if not ended:
        return Finding("trust", title, good=True, detail=detail)
    latest = max(each.not_valid_after_utc for each in ended)
    detail = f"{detail}; {len(ended)} good for what is old only, the last of them since {shown(latest)}"
    remedy = Text(
        "nếu tổ chức cấp có chứng thư gốc mới, thêm vào anchors/ và giữ lại cái cũ",
        "where an authority has a new certificate, add it to anchors/ and keep the old one",
    )
    return Finding("trust", title, None if len(ended) < len(anchors) else False, detail, remedy)


def _crls(program: Program) -> Finding:
    title, now = Text("Danh sách thu hồi", "CRLs"), program.exchange.clock()
    crls = program.trust.material.revocation.crls
    ends = [each.next_update_utc for each in crls if each.next_update_utc is not None and each.next_update_utc > now]
    remedy = Text("lấy CRL mới (dùng thử: edoc keys crl)", "fetch new CRLs (demonstration: edoc keys crl)")
    if not ends:
        return Finding("crls", title, good=False, detail=f"{len(crls)}, none of them fresh", remedy=remedy)
    good = True if min(ends) - now > CRL_WARNING else None
    detail = f"{len(ends)} fresh, the first until {shown(min(ends))}"
    return Finding("crls", title, good, detail, None if good else remedy)


def _trust_list(program: Program) -> Finding:
    """Whether there is a list that holds, is the newest that was made here, and names the exchange's own seal."""
    from signing.trust_list import Listed, TrustedAs

    now, own = program.exchange.clock(), program.exchange.issuer.key.certificate
    signed, made = program.trust.material.trust_list, _lists_made(program.settings)
    renew = Text("công bố danh sách mới (edoc keys trust-list)", "publish one (demonstration: edoc keys trust-list)")
    if signed is None:
        detail = "none: a certificate that says so itself is believed to be an exchange's seal"
        good, remedy = (True, None) if made is None else (None, renew)
        return Finding("trust_list", _TRUST_LIST_TITLE, good, detail, remedy)
    found = signed.read(program.trust(), [now])
    detail = f"number {found.sequence}, fresh until {shown(found.next_update)}"
    if made is not None and found.sequence < made:
        detail = f"{detail}; but number {made} was made here, so that an old one was put in its place"
    elif found.listed(own, TrustedAs.EXCHANGE_SEAL, now) is not Listed.HOLDS:
        detail = f"{detail}; but it does not name the exchange's own seal, so that nobody believes its evidence"
    else:
        good = True if found.next_update - now > CRL_WARNING else None
        return Finding("trust_list", _TRUST_LIST_TITLE, good, detail, None if good else renew)
    return Finding("trust_list", _TRUST_LIST_TITLE, good=False, detail=detail, remedy=renew)


def _lists_made(settings: Settings) -> int | None:
    """The number of the newest list that the demonstration authority of this home has made; None where it has none."""
    from api.cli.authority import FOLDER, open_authority

    if not (settings.home / FOLDER / "root.p12").exists():
        return None
    return open_authority(settings).newest_trust_list


def _seal(program: Program) -> Finding:
    from keys.certificates import subject_text
    from keys.trust import KeyPurpose

    key, now = program.exchange.issuer.key, program.exchange.clock()
    program.trust().validate(key.certificate, intermediates=key.chain, at=now, usage=KeyPurpose.SEAL)
    until = key.certificate.not_valid_after_utc
    good = True if until - now > SEAL_WARNING else None
    remedy = Text("xin cấp con dấu mới", "have a new seal issued")
    detail = f"{subject_text(key.certificate)}, until {shown(until)}"
    return Finding("seal", Text("Con dấu của trục", "The exchange's seal"), good, detail, None if good else remedy)


def _directory(program: Program) -> Finding:
    known = program.exchange.directory.current()
    title, sealing = Text("Danh bạ cơ quan", "Directory"), {each.agency_id for each in known.bindings.values()}
    detail = f"{len(known.agencies)} agencies, {len(sealing)} with a seal"
    remedy = Text("edoc directory load, edoc directory bind", "edoc directory load, edoc directory bind")
    good = True if known.agencies else None
    return Finding("agencies", title, good, detail, None if good else remedy)


def _outbox(program: Program) -> Finding:
    from edoc.database.engine import read
    from edoc.delivery.outbox import backlog

    with read(program.exchange.engine) as connection:
        waiting, oldest = backlog(connection)
    late = oldest is not None and program.exchange.clock() - oldest > timedelta(minutes=5)
    remedy = Text("xem edoc worker có chạy không", "check that edoc worker runs")
    detail = f"{waiting} tasks wait" + (f", the oldest since {shown(oldest)}" if oldest else "")
    return Finding("outbox", Text("Việc chờ làm", "Outbox"), None if late else True, detail, remedy if late else None)


def _say(output: Output, finding: Finding) -> None:
    mark = {True: Mark.GOOD, False: Mark.BAD, None: Mark.UNKNOWN}[finding.good]
    output.line(f"{output.say(finding.title)}: {finding.detail}", mark=mark)
    if finding.remedy is not None:
        output.line(f"→ {output.say(finding.remedy)}", indent=4)
