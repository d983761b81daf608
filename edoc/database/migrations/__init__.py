"""The migrations, run by :mod:`edoc.database.migrate`. Small, and each runs while the version before still serves."""
