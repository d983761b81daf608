"""What alembic runs: the migrations, on the connection it is given, in one transaction."""

from __future__ import annotations

from alembic import context

from edoc.database.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,  # SQLite too: the engine begins the transaction, not the driver
    render_as_batch=True,  # SQLite alters a table by making a new one
    compare_type=True,
)
context.run_migrations()
