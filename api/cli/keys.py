"""``edoc keys``: the demonstration authority. Everything it issues says that it has no legal effect.

It also signs the exchange's trust list, which names the seals that are the exchange's; whatever changes them, or what
was revoked, publishes a new one.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from api.cli.command import EdocGroup
from api.cli.errors import usage_error
from api.cli.files import check_new
from api.cli.language import Text
from api.cli.moments import Moment, shown
from api.cli.options import home_option, password_of, settings_of
from api.cli.output import Mark, Output

if TYPE_CHECKING:
    from keys.authority import IssuedCertificate
    from signing.trust_list import TrustList

TRUST_LIST: Final = "trust-list.xml"
T = TypeVar("T")
_ALGORITHMS: Final = ("P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096")
_REASONS: Final = {
    "unspecified": "unspecified",
    "key-compromise": "keyCompromise",
    "affiliation-changed": "affiliationChanged",
    "superseded": "superseded",
    "cessation": "cessationOfOperation",
}
"""What may be told on the command line, and its name in RFC 5280 section 5.3.1."""


@click.group(cls=EdocGroup)
def keys() -> None:
    """The demonstration authority: root, issuing CA, seals, officers' certificates, CRLs, the trust list."""


@keys.command("init")
@home_option
@click.option("--algorithm", type=click.Choice(_ALGORITHMS), default="P-256", show_default=True, help="Kind of key.")
def init(output: Output, home: Path | None, algorithm: str) -> None:
    """Make a demonstration authority in the home folder and trust it there."""
    from api.cli.authority import FOLDER, making_keys, new_authority, publish_trust_list
    from keys.authority import KeyAlgorithm
    from keys.certificates import fingerprint

    settings = settings_of(home)
    now = datetime.now(UTC)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with making_keys(settings.home), new_authority(settings, now, KeyAlgorithm(algorithm)) as (authority, unfinished):
        trust_list = publish_trust_list(authority, settings, now, folder=unfinished)
    folder = settings.home / FOLDER
    output.document(
        {
            "folder": str(folder),
            "root_sha256": fingerprint(authority.root),
            "algorithm": algorithm,
            "trust_list": _trust_list_document(settings.trust_folder / TRUST_LIST, trust_list),
        }
    )
    made = Text("Đã lập cơ quan chứng thực dùng thử: {folder}", "Demonstration authority made: {folder}")
    output.line(output.say(made, folder=folder))
    output.line(f"SHA-256 {fingerprint(authority.root)}", indent=2)


@keys.command("issue")
@home_option
@click.argument("code")
@click.argument("name")
@click.option("--officer", help="Issue a person's certificate: the person's name.")
@click.option("--exchange", "for_exchange", is_flag=True, help="Issue a seal for an exchange instead of an agency.")
@click.option("--algorithm", type=click.Choice(_ALGORITHMS), default="P-256", show_default=True, help="Kind of key.")
@click.option("--days", type=click.IntRange(1, 3650), default=1095, show_default=True, help="Days of validity.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The new PKCS#12 file.")
@click.option("--password-file", type=click.Path(path_type=Path), help="A file with its password; else it is asked.")
def issue(
    output: Output,
    home: Path | None,
    code: str,
    name: str,
    officer: str | None,
    algorithm: str,
    days: int,
    out: Path,
    password_file: Path | None,
    *,
    for_exchange: bool,
) -> None:
    """Issue a seal for the agency CODE called NAME, into a new PKCS#12 file (mode 0600).

    An exchange's seal is entered in the trust list, of which a new one is published.
    """
    from api.cli.authority import open_authority, publish_trust_list
    from keys.authority import KeyAlgorithm
    from keys.certificates import fingerprint, subject_text
    from keys.pkcs12 import write_pkcs12

    if officer and for_exchange:
        raise usage_error(
            "contradiction",
            Text("--officer và --exchange không đi cùng nhau", "--officer and --exchange exclude each other"),
            Text("chọn một", "choose one"),
        )
    settings = settings_of(home)
    authority = open_authority(settings)
    password = password_of(password_file, str(out), confirm=True)
    check_new(out)  # before anything is entered in the register, from which it never goes
    now, lifetime, kind = datetime.now(UTC), timedelta(days=days), KeyAlgorithm(algorithm)
    if officer:
        key = authority.issue_officer(officer, code, name, at=now, lifetime=lifetime, algorithm=kind)
    elif for_exchange:
        key = authority.issue_exchange_seal(name, at=now, code=code, lifetime=lifetime, algorithm=kind)
    else:
        key = authority.issue_seal(code, name, at=now, lifetime=lifetime, algorithm=kind)
    write_pkcs12(out, key, password)
    if for_exchange:
        publish_trust_list(authority, settings, now)
    certificate = key.certificate
    output.document(
        {
            "file": str(out),
            "subject": subject_text(certificate),
            "serial": f"{certificate.serial_number:x}",
            "sha256": fingerprint(certificate),
            "not_after": certificate.not_valid_after_utc.isoformat(),
        }
    )
    output.line(f"{out}: {subject_text(certificate)}")
    output.line(f"serial {certificate.serial_number:x}, SHA-256 {fingerprint(certificate)}", indent=2)


@keys.command("revoke")
@home_option
@click.argument("serial")
@click.option("--reason", type=click.Choice(tuple(_REASONS)), default="unspecified", show_default=True, help="Why.")
@click.option("--at", type=Moment(), help="From when it counts as revoked; else now.")
def revoke(output: Output, home: Path | None, serial: str, reason: str, at: datetime | None) -> None:
    """Revoke the certificate of SERIAL (hexadecimal) for good; publish a new CRL and a new trust list.

    What is revoked can be revoked again as of an earlier time, or because its key turned out to be compromised.
    """
    from cryptography import x509

    from api.cli.authority import open_authority, publish_crls, publish_trust_list

    now = datetime.now(UTC)
    if at is not None and at > now:
        raise usage_error(
            "future",
            Text("không thu hồi được từ một thời điểm trong tương lai", "nothing is revoked as of a time to come"),
            Text("bỏ --at, hoặc chạy lại lệnh khi đến lúc đó", "leave --at out, or run the command when it is time"),
            shown(at),
        )
    settings = settings_of(home)
    authority = open_authority(settings)
    revoked = authority.revoke(_serial(serial), at=at or now, reason=x509.ReasonFlags(_REASONS[reason]))
    publish_crls(authority, settings.trust_folder, now)
    publish_trust_list(authority, settings, now)
    output.document(_certificate_document(revoked))
    output.line(
        output.say(
            Text("Đã thu hồi {subject}; CRL mới đã công bố", "Revoked {subject}; a new CRL is published"),
            subject=revoked.subject,
        )
    )


@keys.command("crl")
@home_option
def crl(output: Output, home: Path | None) -> None:
    """Publish new CRLs and a new trust list into the trust folder (they are fresh for 30 days)."""
    from api.cli.authority import CRL_LIFETIME, open_authority, publish_crls, publish_trust_list

    settings = settings_of(home)
    now = datetime.now(UTC)
    authority = open_authority(settings)
    paths = publish_crls(authority, settings.trust_folder, now)
    list_path = settings.trust_folder / TRUST_LIST
    trust_list = publish_trust_list(authority, settings, now)
    until = now + CRL_LIFETIME
    output.document(
        {
            "files": [str(path) for path in paths],
            "next_update": until.isoformat(),
            "trust_list": _trust_list_document(list_path, trust_list),
        }
    )
    for path in (*paths, list_path):
        output.line(str(path))
    output.line(output.say(Text("Có hiệu lực đến {until}", "Fresh until {until}"), until=shown(until)))


@keys.command("trust-list")
@home_option
def trust_list(output: Output, home: Path | None) -> None:
    """Publish a new signed trust list: which seals are the exchange's (it is fresh for 30 days).

    Whoever judges a file with the trust folder then believes the exchange's seal only where the list names it.
    """
    from api.cli.authority import open_authority, publish_trust_list

    settings = settings_of(home)
    published = publish_trust_list(open_authority(settings), settings, datetime.now(UTC))
    document = _trust_list_document(settings.trust_folder / TRUST_LIST, published)
    output.document(document)
    _say_trust_list(output, document)


@keys.command("list")
@home_option
@click.option("--agency", help="Only certificates of this agency's code.")
def list_(output: Output, home: Path | None, agency: str | None) -> None:
    """List the certificates that were issued."""
    from api.cli.authority import open_authority

    issued = [
        each
        for each in open_authority(settings_of(home)).issued()
        if agency is None or (each.agency_code or "").upper() == agency.upper()
    ]
    output.document({"certificates": [_certificate_document(each) for each in issued]})
    columns = (
        Text("Số sê-ri", "Serial"),
        Text("Mã", "Code"),
        Text("Hết hạn", "Until"),
        Text("Thu hồi", "Revoked"),
        Text("Chủ thể", "Subject"),
    )
    output.table(
        [output.say(each) for each in columns],
        [
            (
                f"{each.serial:x}",
                each.agency_code or "",
                shown(each.not_after)[:10],
                shown(each.revoked_at),
                each.subject,
            )
            for each in issued
        ],
    )


@keys.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--password-file", type=click.Path(path_type=Path), help="A file with its password; else it is asked.")
def show(output: Output, file: Path, password_file: Path | None) -> None:
    """Show what is in FILE: a PKCS#12 key, a certificate, a bundle of them, a CRL, or a trust list."""
    from keys.certificates import agency_code, fingerprint, is_demonstration, read_certificates, role_of, subject_text

    if file.suffix.lower() in (".p12", ".pfx"):
        from api.cli.options import open_key

        key = open_key(file, password_file)
        certificates = (key.certificate, *key.chain)
    elif file.suffix.lower() == ".crl":
        _show_crls(output, file)
        return
    elif file.suffix.lower() == ".xml":
        _show_trust_list(output, file)
        return
    else:
        certificates = _read(file, read_certificates)
    documents = [
        {
            "subject": subject_text(each),
            "issuer": each.issuer.rfc4514_string(),
            "serial": f"{each.serial_number:x}",
            "sha256": fingerprint(each),
            "not_before": each.not_valid_before_utc.isoformat(),
            "not_after": each.not_valid_after_utc.isoformat(),
            "agency_code": agency_code(each),
            "role": role.name.lower() if (role := role_of(each)) else None,
            "demonstration": is_demonstration(each),
        }
        for each in certificates
    ]
    output.document({"file": str(file), "certificates": documents})
    for each in documents:
        output.facts([(name, str(value)) for name, value in each.items() if value is not None])
        output.line()


def _read(file: Path, read: Callable[[bytes], tuple[T, ...]]) -> tuple[T, ...]:
    """What is in a file, which is named where that cannot be told."""
    from keys.errors import CertificateFormatError

    try:
        return read(file.read_bytes())
    except CertificateFormatError as error:
        what = Text(f"không hiện được tệp này: {error}", f"this file cannot be shown: {error}")
        remedy = Text(
            "hiện được: khóa (.p12), chứng thư số (PEM, DER), CRL (.crl), danh sách tin cậy (.xml)",
            "what can be shown: a key (.p12), certificates (PEM, DER), a CRL (.crl), a trust list (.xml)",
        )
        raise usage_error("certificate", what, remedy, str(file)) from error


def _show_crls(output: Output, file: Path) -> None:
    from keys.certificates import read_crls

    documents = [
        {
            "issuer": each.issuer.rfc4514_string(),
            "this_update": each.last_update_utc.isoformat(),
            "next_update": each.next_update_utc.isoformat() if each.next_update_utc else None,
            "revoked": [f"{entry.serial_number:x}" for entry in each],
        }
        for each in _read(file, read_crls)
    ]
    output.document({"file": str(file), "crls": documents})
    for each in documents:
        output.facts([(name, str(value)) for name, value in each.items() if value is not None])


def _show_trust_list(output: Output, file: Path) -> None:
    """A list that one of the authorities beside it signed; of another nothing is shown, since nobody vouches for it."""
    from api.trust import read_signed_trust_list

    now = datetime.now(UTC)
    signed = read_signed_trust_list(file.parent, file)
    if signed is None:
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(file))
    found = signed.show(now)
    document = {**_trust_list_document(file, found), "fresh": found.is_current(now)}
    output.document(document)
    _say_trust_list(output, document)
    if not found.is_current(now):
        stale = Text("KHÔNG CÒN HIỆU LỰC: lấy danh sách mới", "NOT CURRENT: get the present list")
        output.line(output.say(stale), mark=Mark.BAD)


def _say_trust_list(output: Output, document: Mapping[str, Any]) -> None:
    output.facts([(name, str(value)) for name, value in document.items() if name != "certificates"])
    for each in document["certificates"]:
        until = f", until {each['valid_until']}" if each["valid_until"] else ""
        output.line(f"{each['trusted_as']}: {each['subject']} (SHA-256 {each['sha256']}{until})", indent=2)


def _trust_list_document(file: Path, trust_list: TrustList) -> dict[str, Any]:
    from keys.certificates import fingerprint, subject_text

    return {
        "file": str(file),
        "operator": trust_list.operator,
        "sequence": trust_list.sequence,
        "issued_at": trust_list.issued_at.replace(microsecond=0).isoformat(),
        "next_update": trust_list.next_update.replace(microsecond=0).isoformat(),
        "certificates": [
            {
                "trusted_as": each.trusted_as.value,
                "subject": subject_text(each.certificate),
                "sha256": fingerprint(each.certificate),
                "valid_from": each.valid_from.isoformat(),
                "valid_until": each.valid_until.isoformat() if each.valid_until else None,
            }
            for each in trust_list.entries
        ],
    }


def _certificate_document(issued: IssuedCertificate) -> dict[str, object]:
    return {
        "serial": f"{issued.serial:x}",
        "subject": issued.subject,
        "role": issued.role.name.lower() if issued.role else None,
        "agency_code": issued.agency_code,
        "not_before": issued.not_before.isoformat(),
        "not_after": issued.not_after.isoformat(),
        "revoked_at": issued.revoked_at.isoformat() if issued.revoked_at else None,
        "reason": issued.reason.value if issued.reason else None,
        "sha256": issued.fingerprint,
    }


def _serial(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise usage_error(
            "serial",
            Text("số sê-ri phải ở dạng thập lục phân", "a serial number is hexadecimal"),
            Text("xem edoc keys list", "see edoc keys list"),
            text,
        ) from None
