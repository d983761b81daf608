"""``edoc inbox``, ``sent``, ``show``, ``fetch`` and ``export``: documents as the exchange gives them out."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from api.cli.choices import CONSIGNED, DocumentIdentifier, StatusCode, TextLine
from api.cli.command import EdocCommand
from api.cli.errors import CliError, ExitCode, Problem, usage_error
from api.cli.language import Text
from api.cli.moments import Moment, shown
from api.cli.options import open_client, server_options
from api.cli.output import Mark, Output

if TYPE_CHECKING:
    from api.client import Client, Page, Progress

_MAX_PAGE: Final = 200
_CLIP: Final = 70
_WRONG_QUERY: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})


@click.command(cls=EdocCommand)
@server_options
@click.option("--state", type=StatusCode(CONSIGNED), help="Only this state: consigned, or a code such as 03.")
@click.option("--since", type=Moment(), help="Only what came at this time or later.")
@click.option("--until", type=Moment(), help="Only what came before this time.")
@click.option("--type", type=TextLine(), help="Only this document type, such as Giấy mời.")
@click.option("--sender", type=TextLine(), help="Only from the agency of this code.")
@click.option("--priority", type=click.IntRange(0, 4), help="Only of this urgency: 0 normal to 3 express.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most lines.")
def inbox(
    output: Output, url: str | None, token_file: Path | None, ca_file: Path | None, limit: int, **given: Any
) -> None:
    """List what has come in, newest first. Looking hands nothing over."""
    from api.cli.choices import listed_type
    from api.cli.names import priority_name, state_name

    given["type"] = listed_type(given["type"] or "") or given["type"]
    filters = {name: each.isoformat() if isinstance(each, datetime) else each for name, each in given.items()}
    with open_client(url, token_file, ca_file) as client:
        items, more = _collect(lambda **page: client.inbox(**filters, **page), limit)
    output.document({"items": items, "more": more})
    columns = (
        Text("Văn bản", "Document"),
        Text("Đến lúc", "Came"),
        Text("Khẩn", "Urgency"),
        Text("Số, ký hiệu", "Number"),
        Text("Nơi gửi", "From"),
        Text("Trạng thái", "State"),
        Text("Trích yếu", "Subject"),
    )
    output.table(
        [output.say(each) for each in columns],
        [
            (
                str(each["document"]),
                shown(each["consignedAt"]),
                priority_name(each["priority"], output.language),
                str(each["code"]),
                str(each["senderName"]),
                state_name(str(each["state"]), output.language),
                _clipped(str(each["subject"])),
            )
            for each in items
        ],
    )
    _say_more(output, more=more)
    if not items and given["type"] is not None:
        _say_types(output, given["type"])


@click.command(cls=EdocCommand)
@server_options
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most lines.")
def sent(output: Output, url: str | None, token_file: Path | None, ca_file: Path | None, limit: int) -> None:
    """List what the agency sent, newest first."""
    with open_client(url, token_file, ca_file) as client:
        items, more = _collect(client.sent, limit)
    output.document({"items": items, "more": more})
    columns = (
        Text("Văn bản", "Document"),
        Text("Tiếp nhận", "Accepted"),
        Text("Số, ký hiệu", "Number"),
        Text("Loại", "Type"),
        Text("Trích yếu", "Subject"),
    )
    output.table(
        [output.say(each) for each in columns],
        [
            (
                str(each["document"]),
                shown(each["acceptedAt"]),
                str(each["code"]),
                str(each["typeName"]),
                _clipped(str(each["subject"])),
            )
            for each in items
        ],
    )
    _say_more(output, more=more)


@click.command(cls=EdocCommand)
@server_options
@click.argument("document", type=DocumentIdentifier())
def show(output: Output, url: str | None, token_file: Path | None, ca_file: Path | None, document: str) -> None:
    """Show DOCUMENT: what it says, its files, deliveries, evidence and reported states. Hands nothing over."""
    with open_client(url, token_file, ca_file) as client:
        known, evidence, statuses = client.document(document), client.evidence(document), client.statuses(document)
    output.document({"document": known, "evidence": list(evidence), "status_messages": list(statuses)})
    _show_document(output, known)
    _show_deliveries(output, known)
    _show_history(output, evidence, statuses)


@click.command(cls=EdocCommand)
@server_options
@click.argument("document", type=DocumentIdentifier())
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder to write into; else here."
)
@click.option("--message/--no-message", default=True, help="The sealed message itself.", show_default=True)
@click.option("--attachments/--no-attachments", default=True, help="The files.", show_default=True)
@click.option("--evidence", is_flag=True, help="Also the exchange's evidence.")
def fetch(
    output: Output,
    url: str | None,
    token_file: Path | None,
    ca_file: Path | None,
    document: str,
    folder: Path,
    *,
    message: bool,
    attachments: bool,
    evidence: bool,
) -> None:
    """Take DOCUMENT over: write its message and files into a folder. The exchange seals a ContentHandover first.

    Each file is checked against its digest and on the disk when the command ends. Nothing is overwritten.
    """
    from api.cli.files import check_new

    if not (message or attachments or evidence):
        raise _nothing_wanted()
    written: list[Mapping[str, object]] = []
    with open_client(url, token_file, ca_file) as client:
        known = client.document(document)
        wanted = _wanted(client, known, message=message, attachments=attachments)
        folder.mkdir(parents=True, exist_ok=True)
        for name, *_ in wanted:  # before the handover, which cannot be taken back
            check_new(folder / name)
        for name, size, sha256, load in wanted:
            written.append(_download(output, folder / name, size, sha256, load))
        if evidence:
            for each in client.evidence(document):
                name = f"{each['type']}-{str(each['sha256'])[:16]}.xml"
                load = _loader(client.fetch_evidence, document, str(each["sha256"]))
                written.append(_download(output, folder / name, 0, str(each["sha256"]), load))
    output.document({"document": document, "files": written})
    for file in written:
        output.line(f"{file['file']}  ({file['size']} B, SHA-256 {file['sha256']})", mark=Mark.GOOD)


@click.command(cls=EdocCommand)
@server_options
@click.argument("document", type=DocumentIdentifier())
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The new file; else <number>.asice here.")
def export(
    output: Output, url: str | None, token_file: Path | None, ca_file: Path | None, document: str, out: Path | None
) -> None:
    """Export DOCUMENT with all that proves it into one ASiC-E file, to be checked by edoc verify."""
    from api.cli.files import new_file, safe_name

    with open_client(url, token_file, ca_file) as client:
        known = client.document(document)
        path = out or Path(safe_name(f"{known['number']}-{known['notation']}.asice", "export"))
        with new_file(path) as file, output.progress(path.name, 0) as advance:
            client.export(document, file, advance)
    size = path.stat().st_size
    output.document({"document": document, "file": str(path), "size": size})
    output.line(f"{path}  ({size} B)", mark=Mark.GOOD)
    check = Text(
        "Kiểm tra: edoc verify {path} --trust FOLDER (FOLDER: thư mục chứng thư gốc và CRL mà người kiểm tra tin cậy)",
        "Check it: edoc verify {path} --trust FOLDER (FOLDER: the anchors and CRLs that whoever checks it trusts)",
    )
    output.note(output.say(check, path=shlex.quote(str(path))))


_Load = Callable[[BinaryIO, "Progress"], None]


def _nothing_wanted() -> CliError:
    return usage_error(
        "contradiction",
        Text("không còn gì để nhận", "nothing is left to be fetched"),
        Text("bỏ --no-message hoặc --no-attachments, hoặc thêm --evidence", "leave out a --no-..., or add --evidence"),
    )


def _wanted(
    client: Client, known: Mapping[str, Any], *, message: bool, attachments: bool
) -> list[tuple[str, int, str, _Load]]:
    """Name, size, digest and source of each file; a name that occurs twice is numbered."""
    from api.cli.files import safe_name

    document = str(known["document"])
    found: list[tuple[str, int, str, _Load]] = []
    if message:
        name = safe_name(f"{known['number']}-{known['notation']}.edxml", "message.edxml")
        load = _loader(client.fetch_message, document)
        found.append((name, int(known["messageSize"]), str(known["messageSha256"]), load))
    if attachments:
        for each in known["attachments"]:
            position = int(each["position"])
            name = safe_name(str(each["name"]), f"file-{position + 1}")
            taken = {other.casefold() for other, *_ in found}
            if name.casefold() in taken:
                name = f"{position + 1:02d}-{name}"
            load = _loader(client.fetch_attachment, document, position)
            found.append((name, int(each["size"]), str(each["sha256"]), load))
    return found


def _loader(method: Callable[..., None], *arguments: object) -> _Load:
    return lambda out, progress: method(*arguments, out, progress)


class _Hashing:
    """A file that knows the digest of what was written into it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write on."""
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)


def _download(output: Output, path: Path, size: int, sha256: str, load: _Load) -> Mapping[str, object]:
    from typing import cast

    from api.cli.files import new_file

    with new_file(path) as file, output.progress(path.name, size) as advance:
        hashing = _Hashing(file)
        load(cast("BinaryIO", hashing), advance)
        if hashing.digest.hexdigest() != sha256:
            what = Text("tệp nhận được không đúng mã băm", "what arrived does not have the digest that was announced")
            remedy = Text(
                "nhận lại; nếu vẫn sai, báo người vận hành", "fetch it again; if it stays so, tell the operator"
            )
            raise CliError(Problem("digest", what, str(path), remedy, ExitCode.BAD))
    return {"file": str(path), "size": hashing.size, "sha256": sha256}


def _collect(load: Callable[..., Page], limit: int) -> tuple[list[Mapping[str, Any]], bool]:
    """At most ``limit`` items over as many pages as it takes, and whether there are more.

    Raises:
        CliError: the exchange knows no such filter, which is wrong use and no verdict.
    """
    items: list[Mapping[str, Any]] = []
    cursor: str | None = None
    while True:
        page = _page(load, min(_MAX_PAGE, limit - len(items)), cursor)
        items.extend(page.items)
        cursor = page.next
        if cursor is None or len(items) >= limit:
            return items, cursor is not None


def _page(load: Callable[..., Page], limit: int, cursor: str | None) -> Page:
    from api.cli.problems import problem_of
    from api.client import RefusedByExchangeError

    try:
        return load(limit=limit, cursor=cursor)
    except RefusedByExchangeError as error:
        if error.status not in _WRONG_QUERY:
            raise
        raise CliError(replace(problem_of(error), exit_code=ExitCode.USAGE)) from error


def _say_more(output: Output, *, more: bool) -> None:
    if more:
        output.note(output.say(Text("Còn nữa: tăng --limit", "There is more: raise --limit")))


def _say_types(output: Output, name: str) -> None:
    """Say which names there are, where nothing came with one that is in no list; it could have come all the same."""
    from api.cli.choices import listed_type, type_names

    if listed_type(name) is None:
        text = Text("{name} không phải là loại văn bản nào trong: {names}", "{name} is no type of the list: {names}")
        output.note(output.say(text, name=name, names=", ".join(type_names())))


def _show_document(output: Output, known: Mapping[str, Any]) -> None:
    from api.cli.names import priority_name

    facts = (
        (Text("Loại", "Type"), known["typeName"]),
        (Text("Số, ký hiệu", "Number"), f"{known['number']}/{known['notation']}"),
        (Text("Trích yếu", "Subject"), known["subject"]),
        (Text("Cơ quan gửi", "Sender"), f"{known['senderName']} ({known['senderCode']})"),
        (Text("Ngày ban hành", "Issued"), known["promulgationDate"]),
        (Text("Người ký", "Signer"), known["signerName"]),
        (Text("Độ khẩn", "Urgency"), priority_name(known["priority"], output.language)),
        (Text("Hạn trả lời", "Due"), known["dueDate"]),
        (Text("Mã văn bản", "DocumentId"), known["documentId"]),
        (Text("Trục tiếp nhận", "Accepted"), shown(known["acceptedAt"])),
        (Text("SHA-256", "SHA-256"), known["messageSha256"]),
        *((Text("Tệp", "File"), f"{each['name']} ({each['size']} B)") for each in known["attachments"]),
    )
    output.facts([(output.say(name), str(value)) for name, value in facts if value])


def _show_deliveries(output: Output, known: Mapping[str, Any]) -> None:
    from api.cli.names import state_name

    output.line()
    columns = (
        Text("Mã", "Code"),
        Text("Nơi nhận", "Recipient"),
        Text("Nhận lúc", "Taken over"),
        Text("Trạng thái", "State"),
    )
    output.table(
        [output.say(each) for each in columns],
        [
            (
                str(each["recipientCode"]),
                str(each["recipientName"]),
                shown(each["handedOverAt"]),
                state_name(str(each["state"]), output.language),
            )
            for each in known["deliveries"]
        ],
    )


def _show_history(
    output: Output, evidence: tuple[Mapping[str, Any], ...], statuses: tuple[Mapping[str, Any], ...]
) -> None:
    from api.cli.names import state_name

    events = [(str(each["issuedAt"]), str(each["type"]), str(each["sha256"])[:16]) for each in evidence]
    events += [
        (str(each["receivedAt"]), state_name(str(each["code"]), output.language), str(each["reporterCode"]))
        for each in statuses
    ]
    output.line()
    columns = (Text("Lúc", "At"), Text("Sự kiện", "Event"), Text("Ai, hoặc mã băm", "Who, or digest"))
    output.table([output.say(each) for each in columns], [(shown(at), *rest) for at, *rest in sorted(events)])


def _clipped(text: str) -> str:
    return text if len(text) <= _CLIP else f"{text[: _CLIP - 1]}…"
