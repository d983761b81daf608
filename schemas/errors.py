"""The error tree of ``schemas``."""

from __future__ import annotations


class SchemaError(Exception):
    """Base of all errors raised by ``schemas``."""


class SchemaUnavailableError(SchemaError):
    """A schema or code list of the package cannot be loaded: the installation is damaged or incomplete."""
