"""``edoc directory``: which agencies exist, and with which certificates they may seal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from api.cli.command import EdocGroup
from api.cli.errors import usage_error
from api.cli.language import Text
from api.cli.moments import Moment, shown
from api.cli.options import home_option, settings_of
from api.cli.output import Output

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from edoc.directory.loader import AgencyEntry
    from edoc.directory.model import Agency, Directory

_KINDS: Final = ("city", "office", "department", "district", "ward")
MAX_LIST_BYTES: Final = 16 << 20
"""Of a list of agencies."""


_ISSUED_AS: Final = {
    "OFFICER": "an officer's certificate",
    "EXCHANGE_SEAL": "the seal of an exchange",
    "TRUST_LIST": "the signature of a trust list",
}
"""By the name of the certificate's role."""


@click.group(cls=EdocGroup)
def directory() -> None:
    """The directory of agencies in the exchange's database."""


@contextmanager
def database(home: Path | None) -> Iterator[Engine]:
    """The database of the exchange on this machine, its tables checked.

    Raises:
        NotInitializedError: there is none of this version.
        SchemaVersionError: it was migrated by a newer version.
        DatabaseError: it cannot be opened.
    """
    from api.bootstrap import open_database
    from api.errors import NotInitializedError
    from edoc.database.migrate import is_current

    engine = open_database(settings_of(home))
    try:
        if not is_current(engine):
            raise NotInitializedError("the database does not have the tables of this version", "run edoc init")
        yield engine
    finally:
        engine.dispose()


@directory.command("load")
@home_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--valid-from", type=Moment(), help="The day from which the new agencies exist; else today.")
def load(output: Output, home: Path | None, file: Path, valid_from: datetime | None) -> None:
    """Enter the agencies of a list that are not there yet (CSV: code,old_code,parent_code,kind,name,name_en)."""
    entries = read_agencies(file)
    read, added = len(entries), enter_agencies(home, entries, valid_from)
    output.document({"file": str(file), "read": read, "added": added})
    output.line(
        output.say(
            Text("{read} cơ quan trong tệp, {added} cơ quan mới", "{read} agencies in the file, {added} of them new"),
            read=read,
            added=added,
        )
    )


def read_agencies(file: Path) -> Sequence[AgencyEntry]:
    """The agencies of a list.

    Raises:
        DirectoryFileError: it is no file, too large, not in UTF-8, or no list.
        OSError: it cannot be read.
    """
    from edoc.directory.errors import DirectoryFileError
    from edoc.directory.loader import read_agency_list

    if file.exists() and not file.is_file():
        raise DirectoryFileError(f"{file} is no file")
    if file.exists() and file.stat().st_size > MAX_LIST_BYTES:
        raise DirectoryFileError(f"{file} has more than {MAX_LIST_BYTES} bytes, which no list of agencies has")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DirectoryFileError(f"{file} is not UTF-8: {error}") from error
    return read_agency_list(text.splitlines())


def enter_agencies(home: Path | None, entries: Sequence[AgencyEntry], valid_from: datetime | None) -> int:
    """Enter the agencies of a list that are not there yet; returns how many those were."""
    from edoc.database.engine import write
    from edoc.directory.repository import add_agencies
    from edoc.vietnam import vietnam_date

    with database(home) as engine, write(engine) as connection:
        return add_agencies(connection, entries, vietnam_date(valid_from or datetime.now(UTC)))


@directory.command("list")
@home_option
@click.option("--kind", type=click.Choice(_KINDS), help="Only agencies of this kind.")
@click.option("--find", help="Only codes and names that contain this text.")
def list_(output: Output, home: Path | None, kind: str | None, find: str | None) -> None:
    """List the agencies."""
    known = _read(home)
    agencies = [each for each in known.search(kind) if find is None or _contains(each, find)]
    output.document({"agencies": [_agency_document(known, each) for each in agencies]})
    columns = (Text("Mã", "Code"), Text("Loại", "Kind"), Text("Tên", "Name"), Text("Đến", "Until"))
    output.table(
        [output.say(each) for each in columns],
        [(each.code, each.kind, each.name, each.valid_to.isoformat() if each.valid_to else "") for each in agencies],
    )


@directory.command("show")
@home_option
@click.argument("code")
def show(output: Output, home: Path | None, code: str) -> None:
    """Show an agency: names, parent, validity, successors, seals."""
    known = _read(home)
    document = _agency_document(known, known.find(code), with_seals=True)
    output.document(document)
    names = {
        "code": Text("Mã", "Code"),
        "aliases": Text("Mã cũ", "Old codes"),
        "kind": Text("Loại", "Kind"),
        "name": Text("Tên", "Name"),
        "name_en": Text("Tên tiếng Anh", "English name"),
        "parent": Text("Cấp trên", "Parent"),
        "valid_from": Text("Từ", "From"),
        "valid_to": Text("Đến", "Until"),
        "successors": Text("Kế thừa", "Successors"),
        "seals": Text("Chứng thư số", "Seals"),
    }
    output.facts([(output.say(names[name]), _shown(value)) for name, value in document.items() if value])


@directory.command("bind")
@home_option
@click.argument("code")
@click.argument("certificate", type=click.Path(path_type=Path))
@click.option("--valid-from", type=Moment(), help="From when the agency may seal with it; else from its own beginning.")
def bind(output: Output, home: Path | None, code: str, certificate: Path, valid_from: datetime | None) -> None:
    """Let an agency seal with a CERTIFICATE (PEM or DER), which is that of a seal.

    If it names an agency, by its code or an old one, it must be this one. Of letters under one that names none,
    `edoc verify` says that only the exchange knows whose it is.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    from edoc.database.engine import write
    from edoc.directory.errors import SealBindingError
    from edoc.directory.model import SealBinding
    from edoc.directory.repository import bind_seals, read_directory
    from keys.certificates import CertificateRole, agency_code, fingerprint, read_certificates, role_of, subject_text

    seal = read_certificates(certificate.read_bytes())[0]
    role = role_of(seal)
    if role is not None and role is not CertificateRole.AGENCY_SEAL:
        raise SealBindingError(f"{certificate} is no agency's seal: its authority issued it as {_ISSUED_AS[role.name]}")
    with database(home) as engine, write(engine) as connection:
        agency = read_directory(connection).find(code)
        named = agency_code(seal)
        if named is not None and not agency.has_code(named):
            raise SealBindingError(f"{certificate} names the agency {named}, not {agency.code}")
        since = valid_from or seal.not_valid_before_utc
        der = seal.public_bytes(Encoding.DER)
        bind_seals(connection, [SealBinding(fingerprint(seal), agency.id, der, since, None)])
    output.document({"code": agency.code, "sha256": fingerprint(seal), "valid_from": since.isoformat()})
    output.line(f"{agency.code} ← {subject_text(seal)}")
    output.line(f"SHA-256 {fingerprint(seal)}", indent=2)


@directory.command("close")
@home_option
@click.argument("what")
@click.option("--at", type=Moment(), help="From when (for an agency: the first day on which it is no more); else now.")
@click.option("--successor", "successors", multiple=True, help="Code of an agency that takes over; may be repeated.")
def close(output: Output, home: Path | None, what: str, at: datetime | None, successors: tuple[str, ...]) -> None:
    """End an agency (WHAT is its code) or the binding of a certificate (WHAT is its SHA-256, 64 hex digits)."""
    from edoc.database.engine import write
    from edoc.directory.repository import close_agency, end_binding, read_directory
    from edoc.vietnam import vietnam_date

    moment = at or datetime.now(UTC)
    with database(home) as engine, write(engine) as connection:
        if _is_fingerprint(what):
            if successors:
                raise usage_error(
                    "contradiction",
                    Text("chứng thư số không có cơ quan kế thừa", "a certificate has no successors"),
                    Text("bỏ --successor", "leave out --successor"),
                )
            end_binding(connection, what.lower(), moment)
        else:
            known = read_directory(connection)
            close_agency(connection, known.find(what), vietnam_date(moment), [known.find(each) for each in successors])
    output.document({"closed": what, "at": moment.isoformat(), "successors": list(successors)})
    output.line(output.say(Text("Đã kết thúc {what} từ {at}", "Closed {what} from {at}"), what=what, at=shown(moment)))


def _read(home: Path | None) -> Directory:
    from edoc.database.engine import read
    from edoc.directory.repository import read_directory

    with database(home) as engine, read(engine) as connection:
        return read_directory(connection)


def _contains(agency: Agency, text: str) -> bool:
    return any(text.casefold() in each.casefold() for each in (agency.code, agency.name, agency.name_en or ""))


def _is_fingerprint(text: str) -> bool:
    return len(text) == 64 and all(each in "0123456789abcdefABCDEF" for each in text)  # noqa: PLR2004 -- SHA-256 in hex


def _agency_document(known: Directory, agency: Agency, *, with_seals: bool = False) -> dict[str, object]:
    document: dict[str, object] = {
        "code": agency.code,
        "aliases": list(agency.aliases),
        "kind": agency.kind,
        "name": agency.name,
        "name_en": agency.name_en,
        "parent": known.agencies[agency.parent_id].code if agency.parent_id is not None else None,
        "valid_from": agency.valid_from.isoformat(),
        "valid_to": agency.valid_to.isoformat() if agency.valid_to else None,
        "successors": list(known.successors(agency)),
    }
    if with_seals:
        document["seals"] = [
            {
                "sha256": each.sha256,
                "valid_from": each.valid_from.isoformat(),
                "valid_to": each.valid_to.isoformat() if each.valid_to else None,
            }
            for each in known.bindings.values()
            if each.agency_id == agency.id
        ]
    return document


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value)
    if isinstance(value, dict):
        return f"{value['sha256']} ({shown(str(value['valid_from']))} –{' ' + shown(str(value['valid_to'] or ''))})"
    return value.isoformat() if isinstance(value, date) else str(value)
