"""``edoc token``: bearer tokens of agencies. A token is shown once, into a file; only its digest is kept."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from api.cli.choices import TextLine
from api.cli.command import EdocGroup
from api.cli.directory import database
from api.cli.language import Text
from api.cli.moments import shown
from api.cli.options import home_option
from api.cli.output import Output

_SCOPES: Final = ("send", "receive", "seal", "audit")


@click.group(cls=EdocGroup)
def token() -> None:
    """Tokens with which agencies' programs call the exchange."""


@token.command("create")
@home_option
@click.argument("code")
@click.option("--scope", "scopes", type=click.Choice(_SCOPES), multiple=True, help="A right; else send, receive.")
@click.option("--label", type=TextLine(), default="", help="What it is for, to know it again in the list.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="Days of validity.")
@click.option("--out", type=click.Path(path_type=Path), help="A new file (mode 0600) for it; else standard output.")
def create(
    output: Output, home: Path | None, code: str, scopes: tuple[str, ...], label: str, days: int, out: Path | None
) -> None:
    """Make a token for the agency CODE. It can never be read again."""
    from api.cli.files import check_new
    from edoc.access.tokens import NewToken, issue_tokens, read_scopes
    from edoc.database.engine import write
    from edoc.directory.repository import read_directory
    from edoc.vietnam import vietnam_date
    from keys.pkcs12 import write_private_file

    now = datetime.now(UTC)
    expires = now + timedelta(days=days)
    wanted = read_scopes(scopes or ("send", "receive"))
    if out is not None:
        check_new(out)
    with database(home) as engine, write(engine) as connection:
        agency = read_directory(connection).resolve(code, vietnam_date(now))
        made = issue_tokens(connection, [NewToken(agency.id, wanted, label, expires)], now, os.urandom)[0]
        # Before the commit: what cannot be written leaves no token that nobody has.
        if out is not None:
            write_private_file(out, made.token.encode() + b"\n")
        names = sorted(each.value for each in wanted)
        output.document(
            {
                "id": str(made.id),
                "agency": agency.code,
                "scopes": names,
                "expires_at": expires.isoformat(),
                "file": str(out) if out else None,
                "token": None if out else made.token,
            }
        )
        if out is None:
            output.line(made.token)
    output.note(
        output.say(
            Text(
                "Mã của {code} ({scopes}), hết hạn {expires}; thu hồi: edoc token revoke {id}",
                "Token of {code} ({scopes}), expires {expires}; to revoke it: edoc token revoke {id}",
            ),
            code=agency.code,
            scopes=", ".join(names),
            expires=shown(expires),
            id=made.id,
        )
    )


@token.command("list")
@home_option
@click.option("--agency", help="Only tokens of this agency's code.")
def list_(output: Output, home: Path | None, agency: str | None) -> None:
    """List the tokens ever made; never the tokens themselves."""
    from edoc.access.tokens import list_tokens
    from edoc.database.engine import read

    with database(home) as engine, read(engine) as connection:
        tokens = [
            each for each in list_tokens(connection) if agency is None or each.agency_code.upper() == agency.upper()
        ]
    output.document(
        {
            "tokens": [
                {
                    "id": str(each.id),
                    "agency": each.agency_code,
                    "scopes": sorted(scope.value for scope in each.scopes),
                    "label": each.label,
                    "created_at": each.created_at.isoformat(),
                    "expires_at": each.expires_at.isoformat(),
                    "revoked_at": each.revoked_at.isoformat() if each.revoked_at else None,
                }
                for each in tokens
            ]
        }
    )
    columns = (
        Text("Mã số", "Id"),
        Text("Cơ quan", "Agency"),
        Text("Quyền", "Scopes"),
        Text("Ghi chú", "Label"),
        Text("Hết hạn", "Expires"),
        Text("Thu hồi", "Revoked"),
    )
    output.table(
        [output.say(each) for each in columns],
        [
            (
                str(each.id),
                each.agency_code,
                " ".join(sorted(scope.value for scope in each.scopes)),
                each.label,
                shown(each.expires_at),
                shown(each.revoked_at),
            )
            for each in tokens
        ],
    )


@token.command("revoke")
@home_option
@click.argument("identifier", type=click.UUID)
def revoke(output: Output, home: Path | None, identifier: object) -> None:
    """Revoke the token of that IDENTIFIER (see edoc token list) at once."""
    from uuid import UUID

    from edoc.access.tokens import revoke_token
    from edoc.database.engine import write

    token_id = UUID(str(identifier))
    now = datetime.now(UTC)
    with database(home) as engine, write(engine) as connection:
        revoke_token(connection, token_id, now)
    output.document({"id": str(token_id), "revoked_at": now.isoformat()})
    output.line(output.say(Text("Đã thu hồi {id}", "Revoked {id}"), id=token_id))
