"""Bringing the tables of a database to those of this version of the program.

The migrations are alembic's, in ``migrations/versions``, and are part of the package: no file beside it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, inspect, text

from edoc.database.engine import read, refuse_foreign, write
from edoc.database.errors import SchemaVersionError

_FOLDER: Final = Path(__file__).parent / "migrations"
_ADVISORY_LOCK: Final = 0x65646F63
"""The letters "edoc": any number will do, as long as all processes use the same."""


def upgrade(engine: Engine) -> None:
    """Run the migrations that the database lacks, all in one transaction. Processes that do so at once take turns.

    A crash leaves the database as it was.

    Raises:
        SchemaVersionError: the database was migrated by a newer version of the program.
        ForeignDatabaseError: it holds tables of another program.
        DatabaseError: the database fails.
    """
    with write(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        refuse_foreign(inspect(connection).get_table_names())
        try:
            command.upgrade(_config(connection), "head")
        except CommandError as error:
            raise SchemaVersionError(f"the database cannot be migrated: {error}") from error


def has_tables(engine: Engine) -> bool:
    """Whether the database was ever made: some version of the program has its tables there.

    Raises:
        DatabaseError: the database fails.
    """
    with read(engine) as connection:
        return bool(MigrationContext.configure(connection).get_current_heads())


def is_current(engine: Engine) -> bool:
    """Whether the database has exactly the tables of this version; False where it has none, or those of an older one.

    Raises:
        SchemaVersionError: the database was migrated by a newer version of the program.
        DatabaseError: the database fails.
    """
    with read(engine) as connection:
        present = MigrationContext.configure(connection).get_current_heads()
    if present == (latest_revision(),):
        return True
    newer = set(present) - {each.revision for each in ScriptDirectory(str(_FOLDER)).walk_revisions()}
    if newer:
        raise SchemaVersionError(
            f"this version of the program is older than the database and does not know its revision {min(newer)}"
        )
    return False


def latest_revision() -> str:
    """The revision that this version of the program works on."""
    head = ScriptDirectory(str(_FOLDER)).get_current_head()
    if head is None:
        raise SchemaVersionError("the migrations are not installed")
    return head


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
