"""The command ``edoc demo``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from api.cli.command import EdocCommand
from api.cli.errors import ExitCode
from api.cli.language import Text
from api.cli.output import Mark, Output

if TYPE_CHECKING:
    from api.cli.demo.narrator import Narrator
    from api.cli.demo.service import RunningExchange
    from api.cli.demo.stage import Stage

DEFAULT_HOME: Final = Path("edoc-demo")
_PREFIX: Final = "EDOC_"


@click.command(cls=EdocCommand)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_HOME,
    show_default=True,
    help="A new folder for everything; one that an earlier demo made is made anew, any other is left alone.",
)
@click.option("--keep", is_flag=True, help="Leave the service running, and say how to look at it.")
@click.option("--small", is_flag=True, help="Fewer agencies take part: 3 departments, 3 districts, 8 wards.")
def demo(output: Output, home: Path, *, keep: bool, small: bool) -> ExitCode:
    """Play the whole story once on this machine: send, take over, answer, audit, tamper.

    Builds a demonstration authority and the city's 369 agencies, starts the real service on a free port, and plays
    everybody's part through it. Exit code 0 only if every step held. Settings in the environment are not heeded.
    """
    from api.cli.demo import stage as staging
    from api.cli.demo.narrator import Narrator
    from api.cli.demo.story import Story

    _forget_settings()
    root = home.absolute()
    narrator = Narrator(output)
    intro = Text("Trục liên thông văn bản: bản dùng thử", "The exchange of official documents: a demonstration")
    output.line(output.say(intro), strong=True)
    output.line(str(root), indent=3)
    staging.clear(root)
    stage = _set_the_stage(narrator, root, small=small)
    exchange = _start(narrator, stage)
    try:
        Story(stage, exchange, narrator).play()
        if not (keep and narrator.all_held):
            _stop(narrator, exchange)
        kept = exchange.is_running
        staging.mark(root, {"url": exchange.url, "pid": exchange.process.pid} if kept else {})
        _finish(narrator, stage, exchange if kept else None)
    except BaseException:
        exchange.stop()
        raise
    return ExitCode.GOOD if narrator.all_held else ExitCode.BAD


def _forget_settings() -> None:
    """A demonstration stands alone: it must never write into the database that an operator's environment names."""
    for name in [each for each in os.environ if each.upper().startswith(_PREFIX)]:
        del os.environ[name]


def _set_the_stage(narrator: Narrator, root: Path, *, small: bool) -> Stage:
    from datetime import UTC, datetime

    from api.cli.demo import stage as staging
    from api.config import load_settings

    title = Text("Cơ quan chứng thực, trục liên thông và danh bạ", "Authority, exchange and directory")
    with narrator.chapter("stage", title):
        stage = staging.build(root, load_settings(root / "exchange"), datetime.now(UTC), small=small)
        agencies, seals = len(stage.entries), len(stage.actors)
        narrator.check(
            Text(
                f"{agencies} cơ quan trong danh bạ, {seals} con dấu số, {seals + 1} mã truy cập",
                f"{agencies} agencies in the directory, {seals} seals, {seals + 1} tokens",
            ),
            held=agencies == 369,  # noqa: PLR2004 -- of the city in 2018: 1 + 1 + 21 + 24 + 322
        )
        secret = [path for path in root.rglob("*") if path.suffix in (".p12", ".password") or path.name == "token"]
        narrator.check(
            Text(
                f"{len(secret)} tệp bí mật, chỉ chủ sở hữu đọc được", f"{len(secret)} secret files, their owner's alone"
            ),
            held=bool(secret) and all(path.stat().st_mode & 0o077 == 0 for path in secret),
        )
    return stage


def _start(narrator: Narrator, stage: Stage) -> RunningExchange:
    from api.cli.demo.service import start

    with narrator.chapter("service", Text("Khởi động dịch vụ HTTP", "The HTTP service starts")):
        exchange = start(stage.settings.home, stage.root / "service.log")
        narrator.check(Text(f"Sẵn sàng tại {exchange.url}", f"Ready at {exchange.url}"), held=exchange.is_running)
    return exchange


def _stop(narrator: Narrator, exchange: RunningExchange) -> None:
    with narrator.chapter("stop", Text("Dừng dịch vụ", "The service stops")):
        code = exchange.stop()
        narrator.check(Text("Dừng êm, không mất gì", "It stops in order"), held=code == 0)


def _show_places(narrator: Narrator, stage: Stage) -> None:
    say = narrator.output.say
    root = stage.root
    rows = [
        (say(Text("Trục liên thông", "The exchange")), str(stage.settings.home)),
        (say(Text("Kho lưu trữ", "Its archive")), str(stage.settings.archive_folder)),
        (say(Text("Chứng thư gốc", "Trust anchors")), str(stage.settings.trust_folder)),
        (say(Text("Khóa, mã, thư của từng đơn vị", "Each agency's key, token, mail")), str(root / "agencies")),
        (say(Text("Gói chứng cứ", "Exports")), str(stage.auditor)),
        (say(Text("Nhật ký dịch vụ", "The service's log")), str(root / "service.log")),
    ]
    narrator.places(Text("Mọi thứ nằm ở đâu", "Where everything lies"), rows)


def _finish(narrator: Narrator, stage: Stage, exchange: RunningExchange | None) -> None:
    output = narrator.output
    _show_places(narrator, stage)
    held, total = sum(check.held for check in narrator.checks), len(narrator.checks)
    _show_looking(narrator, stage, exchange)
    summary = Text("{held}/{total} bước đạt, {seconds} giây", "{held} of {total} checks held, {seconds} s")
    output.line()
    mark = Mark.GOOD if narrator.all_held else Mark.BAD
    output.line(output.say(summary, held=held, total=total, seconds=f"{narrator.seconds:.1f}"), mark=mark, strong=True)
    output.document(
        {
            "ok": narrator.all_held,
            "seconds": round(narrator.seconds, 3),
            "home": str(stage.root),
            "url": exchange.url if exchange else None,
            "pid": exchange.process.pid if exchange else None,
            "chapters": [{"name": each.name, "seconds": round(each.seconds, 3)} for each in narrator.chapters],
            "checks": [
                {
                    "chapter": each.chapter,
                    "title": each.title.en,
                    "held": each.held,
                    "seconds": round(each.seconds, 3),
                    "detail": each.detail,
                }
                for each in narrator.checks
            ],
        }
    )


def _program() -> str:
    """How the user started this program, so that the commands printed work as they stand."""
    return sys.argv[0] if Path(sys.argv[0]).name == "edoc" else "edoc"


def _show_looking(narrator: Narrator, stage: Stage, exchange: RunningExchange | None) -> None:
    say, root = narrator.output.say, stage.root
    export = stage.auditor / "123-TB-VP.asice"
    rows = [
        (
            say(Text("Tự kiểm tra", "Check it yourself")),
            f"{_program()} verify {export} --trust {stage.settings.trust_folder}",
        )
    ]
    if exchange is not None:
        ward = stage.of_kind("ward")[0]
        token = root / "agencies" / ward.code / "token"
        rows += [
            (say(Text("Tài liệu API", "The API's pages")), f"{exchange.url}/api/docs"),
            (
                say(Text("Hộp thư một phường", "A ward's inbox")),
                f"{_program()} inbox --url {exchange.url} --token-file {token}",
            ),
            (say(Text("Dừng dịch vụ", "Stop the service")), f"kill {exchange.process.pid}"),
        ]
    narrator.places(Text("Xem tiếp", "Look further"), rows)
