"""``edoc send`` and ``edoc status``: what an agency says to others, under its seal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from api.cli.choices import DocumentIdentifier, DocumentTypeName, StatusCode
from api.cli.command import EdocCommand
from api.cli.errors import CliError, usage_error
from api.cli.language import Text
from api.cli.moments import shown
from api.cli.options import key_options, open_client, open_key, server_options
from api.cli.output import Mark, Output

if TYPE_CHECKING:
    from api.cli.drafts import Contact, Letter
    from api.client import Client, SubmissionReceipt
    from keys.memory import MemoryKey

_LEAST_DIGITS: Final = 2
"""Numbers below ten are written 01 to 09 (Decree 30/2020 Appendix I, II.3)."""
_NEEDED: Final = {
    "recipients": "--to",
    "number": "--number",
    "notation": "--notation",
    "subject": "--subject",
    "signer": "--signer",
    "files": "--file",
}
"""What a letter cannot be built without."""
_DAY: Final = click.DateTime(["%Y-%m-%d", "%d/%m/%Y"])


@click.command(cls=EdocCommand)
@server_options
@key_options
@click.argument("message", type=click.Path(path_type=Path), required=False)
@click.option("--to", "recipients", multiple=True, help="Code of a receiving agency; may be repeated.")
@click.option("--number", help="Number of the document, such as 15.")
@click.option("--notation", help="Notation of the document, such as CV-SNV.")
@click.option(
    "--type", "type_name", type=DocumentTypeName(), default="Công văn", show_default=True, help="The document's type."
)
@click.option("--subject", help="What it is about (trích yếu).")
@click.option("--signer", help="Who signed it.")
@click.option("--position", help="The signer's position.")
@click.option("--place", default="TP. Hồ Chí Minh", show_default=True, help="Where it was issued.")
@click.option("--date", "issued", type=_DAY, help="Day of issue; else today.")
@click.option("--due", type=_DAY, help="Day by which an answer is due.")
@click.option("--priority", type=click.IntRange(0, 3), default=0, show_default=True, help="0 normal to 3 express.")
@click.option("--file", "files", type=click.Path(path_type=Path), multiple=True, help="A file; may be repeated.")
@click.option("--receipt", type=click.Path(path_type=Path), help="A new file for the exchange's sealed receipt.")
@click.option("--save", type=click.Path(path_type=Path), help="A new file for the sealed message that is sent (--key).")
def send(output: Output, **given: Any) -> None:
    """Send MESSAGE, a sealed .edxml file; or build a document from the options and send that.

    With --key it is sealed here, with the agency's own seal, and the key never leaves this machine. Without, the
    exchange seals it with the agency's seal, if it holds that and the token allows it.
    """
    from api.cli.files import check_readable
    from api.cli.outgoing import LOOK_FIRST, check_new_files, explained, forget_kept, send_command, until_receipt

    _check_ways(given)
    check_new_files(given["receipt"], given["save"])
    for path in given["files"] if given["message"] is None else [given["message"]]:
        check_readable(path)
    letter = _letter(given) if given["message"] is None else None
    with open_client(given["url"], given["token_file"], given["ca_file"]) as client:
        if letter is None or given["key"] is not None:
            message = given["message"] if letter is None else _sealed_letter(client, letter, given)
            ours = letter is not None and given["save"] is None
            with until_receipt(message, send_command(message, given), ours=ours):
                receipt = _keep(output, client.submit(message), given["receipt"])
            if letter is None:  # a refusal now would not tell what became of it before, but a receipt does
                forget_kept(message)
        else:
            with explained(LOOK_FIRST):
                receipt = _keep(output, _have_sealed(client, letter), given["receipt"])
    if given["receipt"] is not None:
        _show_receipt(output, receipt, given["receipt"])


@click.command(cls=EdocCommand)
@server_options
@key_options
@click.argument("document", type=DocumentIdentifier())
@click.argument("code", type=StatusCode())
@click.option("--description", help="Why; a refusal (02) must say it.")
@click.option("--recipient", help="Which recipient is meant, where the sender of the document reports (13).")
@click.option("--receipt", type=click.Path(path_type=Path), help="A new file for the exchange's sealed receipt.")
@click.option("--save", type=click.Path(path_type=Path), help="A new file for the sealed report that is sent (--key).")
def status(output: Output, document: str, code: str, **given: Any) -> None:
    """Report the state CODE of DOCUMENT: 03 accepted, 02 refused, 04 assigned, 05 in handling, 06 finished, ...

    With --key the report is sealed here; without, by the exchange with the agency's seal that it holds.
    """
    from api.cli.outgoing import LOOK_AT_STATES, check_new_files, explained, send_command, until_receipt

    _check_save(given)
    _check_reason(code, given["description"])
    check_new_files(given["receipt"], given["save"])
    description, recipient = given["description"], given["recipient"]
    with open_client(given["url"], given["token_file"], given["ca_file"]) as client:
        if given["key"] is not None:
            message = _sealed_status(client, document, code, given)
            with until_receipt(message, send_command(message, given), ours=given["save"] is None):
                receipt = _keep(output, client.submit_status(message), given["receipt"])
        else:
            with explained(LOOK_AT_STATES):
                receipt = _keep(output, client.report_status(document, code, description, recipient), given["receipt"])
    if given["receipt"] is not None:
        _show_receipt(output, receipt, given["receipt"])


def _check_ways(given: Mapping[str, Any]) -> None:
    """No option may be passed over in silence because another way was chosen."""
    if given["message"] is None:
        _check_save(given)
        return
    fixed = [option for name, option in {**_NEEDED, "key": "--key", "save": "--save"}.items() if given[name]]
    if fixed:
        options = ", ".join(fixed)
        raise usage_error(
            "contradiction",
            Text("một thông điệp đã ký thì gửi nguyên như thế", "a message that is sealed is sent as it is"),
            Text(f"bỏ {options}, hoặc bỏ tên tệp thông điệp", f"leave out {options}, or the message's file"),
        )


def _check_save(given: Mapping[str, Any]) -> None:
    if given["save"] is not None and given["key"] is None:
        raise usage_error(
            "contradiction",
            Text("chỉ lưu được thông điệp ký tại máy này", "only a message that is sealed here can be saved"),
            Text("thêm --key, hoặc bỏ --save", "add --key, or leave out --save"),
        )


def _check_reason(code: str, description: str | None) -> None:
    from edoc.envelope.rules import needs_description
    from edoc.plain_text import has_visible_text

    if needs_description(code) and not has_visible_text(description or ""):
        raise usage_error(
            "missing_option",
            Text(f"trạng thái {code} phải nêu lý do", f"the state {code} must give its reason"),
            Text("thêm --description", "add --description"),
        )


def _sealed_letter(client: Client, letter: Letter, given: Mapping[str, Any]) -> Path:
    """The letter, sealed here, and on the disk before anything is sent."""
    from api.cli.drafts import document_message, sealed
    from api.cli.outgoing import keep_sealed

    key = open_key(given["key"], given["password_file"])
    now = datetime.now(UTC)
    message = document_message(letter, _code_of(key), _contacts(client), now)
    return keep_sealed(sealed(message, key, now), given["save"], f"{letter.number}-{letter.notation}", now)


def _have_sealed(client: Client, letter: Letter) -> SubmissionReceipt:
    from api.cli.drafts import media_types
    from api.client import FileUpload

    files = zip(letter.files, media_types(letter.files), strict=True)
    return client.submit_files(letter.metadata(), [FileUpload(path.name, kind, path) for path, kind in files])


def _sealed_status(client: Client, document: str, code: str, given: Mapping[str, Any]) -> Path:
    """The report, sealed here and on the disk before anything is sent."""
    from api.cli.drafts import sealed, status_message
    from api.cli.outgoing import keep_sealed

    key = open_key(given["key"], given["password_file"])
    known, own = client.document(document), _code_of(key)
    addressee = known["senderCode"]
    if str(addressee).upper() == own.upper():
        codes = [each["recipientCode"] for each in known["deliveries"]]
        addressee = given["recipient"] or (codes[0] if len(codes) == 1 else None)
        if addressee is None:
            raise _missing("--recipient")
    contact = _contacts(client).get(own.upper())
    name = contact.name if contact is not None else own
    now = datetime.now(UTC)
    message = status_message(known, code, (own, name), str(addressee), now, given["description"])
    return keep_sealed(sealed(message, key, now), given["save"], f"status-{code}", now)


def _letter(given: Mapping[str, Any]) -> Letter:
    from api.cli.drafts import Letter

    missing = [option for name, option in _NEEDED.items() if not given[name]]
    if missing:
        raise _missing(", ".join(missing))
    names = ("recipients", "notation", "type_name", "subject", "signer", "position", "place", "files")
    return Letter(
        **{name: given[name] for name in (*names, "priority")},
        number=str(given["number"]).zfill(_LEAST_DIGITS),
        promulgation_date=given["issued"].date() if given["issued"] else None,
        due_date=given["due"].date() if given["due"] else None,
    )


def _missing(options: str) -> CliError:
    return usage_error(
        "missing_option",
        Text("còn thiếu", "something is missing"),
        Text("thêm các tùy chọn đã nêu, hoặc chỉ một tệp .edxml", "add what is named, or name a sealed .edxml file"),
        options,
    )


def _code_of(key: MemoryKey) -> str:
    from keys.certificates import agency_code, subject_text

    code = agency_code(key.certificate)
    if code is None:
        raise usage_error(
            "no_agency",
            Text("chứng thư số không ghi mã cơ quan", "the certificate names no agency"),
            Text("dùng con dấu số của cơ quan", "use the seal of an agency"),
            subject_text(key.certificate),
        )
    return code


def _contacts(client: Client) -> Mapping[str, Contact]:
    """All agencies by their codes, old ones too, in upper case."""
    from api.cli.drafts import Contact

    contacts: dict[str, Contact] = {}
    cursor: str | None = None
    while True:
        page = client.agencies(limit=1000, cursor=cursor)
        for each in page.items:
            contact = Contact(str(each["code"]), str(each["name"]), each["parent"])
            contacts.update((str(code).upper(), contact) for code in (*each["aliases"], each["code"]))
        cursor = page.next
        if cursor is None:
            return contacts


def _keep(output: Output, receipt: SubmissionReceipt, path: Path | None) -> SubmissionReceipt:
    """Put the receipt where it was asked for; else what is printed is all that the user has of it."""
    from api.cli.files import write_new

    if path is not None:
        write_new(path, receipt.evidence)
    else:
        _show_receipt(output, receipt, None)
    return receipt


def _show_receipt(output: Output, receipt: SubmissionReceipt, path: Path | None) -> None:
    output.document(
        {
            "kind": receipt.kind,
            "document": receipt.document,
            "document_id": receipt.document_id,
            "message_sha256": receipt.message_sha256,
            "accepted_at": receipt.accepted_at,
            "recipients": list(receipt.recipients),
            "replayed": receipt.replayed,
            "receipt": str(path) if path else None,
        }
    )
    taken = Text("Trục đã tiếp nhận lúc {at}", "Taken on by the exchange at {at}")
    again = Text("Đã tiếp nhận từ trước, lúc {at}: biên nhận như cũ", "Taken on before, at {at}: the same receipt")
    output.line(output.say(again if receipt.replayed else taken, at=shown(receipt.accepted_at)), mark=Mark.GOOD)
    output.facts(
        [
            (output.say(Text("Mã văn bản", "DocumentId")), receipt.document_id),
            (output.say(Text("Trên trục", "In the exchange")), receipt.document),
            (output.say(Text("Nơi nhận", "Deliveries")), str(len(receipt.recipients))),
            ("SHA-256", receipt.message_sha256),
        ]
    )
