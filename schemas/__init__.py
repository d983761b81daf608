"""Schemas and code lists as data, and the few lines that load them. For every folder above; imports none of them.

Each file names its source and version.
"""

from __future__ import annotations

from schemas.codelists import CodeList, CodeListEntry, CodeListName, code_list
from schemas.errors import SchemaError, SchemaUnavailableError
from schemas.validation import SchemaName, SchemaViolation, compile_all, load_schema, validate

__all__ = [
    "CodeList",
    "CodeListEntry",
    "CodeListName",
    "SchemaError",
    "SchemaName",
    "SchemaUnavailableError",
    "SchemaViolation",
    "code_list",
    "compile_all",
    "load_schema",
    "validate",
]
