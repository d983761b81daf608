"""The database: tables, migrations, and the engine that opens SQLite or PostgreSQL with the promises we rely on.

For the services of ``edoc`` and for ``api/bootstrap.py``; nothing above this folder writes SQL.
"""
