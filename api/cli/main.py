"""The command ``edoc``: finds its subcommands by name and imports the one that is called."""

from __future__ import annotations

import io
import sys
from typing import Final

import click

from api.cli.command import LazyGroup
from api.cli.language import Text

_COMMANDS: Final = {
    "demo": (
        "api.cli.demo.command:demo",
        Text("Chạy trọn câu chuyện một lần trên máy này.", "Play the whole story once on this machine."),
    ),
    "init": (
        "api.cli.service:init",
        Text("Tạo thư mục, cơ sở dữ liệu và con dấu của trục.", "Make a home: database, archive, keys, trust."),
    ),
    "run": (
        "api.cli.service:run",
        Text("Chạy dịch vụ và tiến trình nền cùng nhau.", "Run service and worker together."),
    ),
    "serve": ("api.cli.service:serve", Text("Chạy dịch vụ HTTP.", "Run the HTTP service.")),
    "worker": ("api.cli.service:worker", Text("Chạy tiến trình nền.", "Run the worker.")),
    "doctor": (
        "api.cli.doctor:doctor",
        Text("Kiểm tra mọi thứ mà trục cần.", "Check everything that the exchange stands on."),
    ),
    "send": ("api.cli.send:send", Text("Ký số và gửi văn bản.", "Seal and send a document.")),
    "inbox": ("api.cli.documents:inbox", Text("Liệt kê văn bản đến.", "List what has come in.")),
    "sent": ("api.cli.documents:sent", Text("Liệt kê văn bản đã gửi.", "List what was sent.")),
    "show": (
        "api.cli.documents:show",
        Text("Xem văn bản, lượt gửi, chứng cứ.", "Show a document, its deliveries and evidence."),
    ),
    "fetch": ("api.cli.documents:fetch", Text("Nhận văn bản và tệp đính kèm.", "Take a document over, into a folder.")),
    "status": (
        "api.cli.send:status",
        Text("Báo trạng thái xử lý (01, 02, 03, ...).", "Report a business state (01, 02, 03, ...)."),
    ),
    "export": (
        "api.cli.documents:export",
        Text("Xuất gói chứng cứ ASiC-E.", "Export a document with its evidence as ASiC-E."),
    ),
    "verify": (
        "api.cli.verify:verify",
        Text("Kiểm tra một tệp, không cần máy chủ.", "Verify a file offline, with no server."),
    ),
    "keys": ("api.cli.keys:keys", Text("Cơ quan chứng thực dùng thử.", "The demonstration authority.")),
    "directory": ("api.cli.directory:directory", Text("Danh bạ cơ quan.", "The directory of agencies.")),
    "token": ("api.cli.token:token", Text("Mã truy cập của cơ quan.", "Access tokens of agencies.")),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="edoc-exchange", prog_name="edoc")
def cli() -> None:
    """Registered exchange of signed official documents between the agencies of a city.

    Exit codes: 0 good, 1 bad verdict, 2 wrong use, 3 input or output failed, 4 indeterminate.
    """


def main() -> None:
    """Run the command line on the arguments of the process."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks must not end a command that has done its work.
        sys.stdout.reconfigure(errors="backslashreplace")
    cli(prog_name="edoc")
