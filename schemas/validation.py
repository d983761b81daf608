"""Loading and applying the XML schemas of the package and of the installed ``signxml``; never the network.

A compiled ``lxml`` schema keeps the errors of its last validation in itself, so one object must not validate in two
threads at once. :func:`validate` therefore lets one thread in at a time.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Final

from lxml import etree

from schemas.errors import SchemaUnavailableError

MAX_VIOLATIONS: Final = 20
"""A hostile document can break a schema at every element; more than this many are not reported."""

_SIGNXML: Final = {
    "signxml:xmldsig": "schemas/xmldsig-core-schema.xsd",
    "signxml:xades": "xades/schemas/XAdES01903v132-201601.xsd",
}
_COMPILE_ATTEMPTS: Final = 100
_COMPILE_PAUSE_SECONDS: Final = 0.001
_LOCK: Final = threading.RLock()
_COMPILED: Final[dict[SchemaName, etree.XMLSchema]] = {}


class SchemaName(Enum):
    """The schemas offered; the value says where each lies."""

    EDXML_DOCUMENT = "edxml/document.xsd"
    """Strict: a document message as this exchange writes it."""
    EDXML_STATUS = "edxml/status.xsd"
    """Strict: a status message as this exchange writes it."""
    EDXML_READ = "edxml/read.xsd"
    """Tolerant: any message in the current namespace."""
    EDXML_READ_OLD = "edxml/read-old.xsd"
    """Tolerant: any message in the old namespace."""
    EVIDENCE = "evidence/evidence.xsd"
    """The statements of the exchange itself."""
    XMLDSIG = "signxml:xmldsig"
    """XML Signature, from the installed ``signxml``."""
    XADES = "signxml:xades"
    """XAdES 1.3.2 (EN 319 132-1), from the installed ``signxml``."""


@dataclass(frozen=True)
class SchemaViolation:
    """One place where a document breaks a schema."""

    line: int
    path: str
    """The position of the element as an XPath."""
    element: str
    """The local name of the element."""
    message: str


class _PackageResolver(etree.Resolver):
    """Finds what a schema imports inside the two packages, and refuses everything else."""

    def resolve(  # type: ignore[no-untyped-def]  # noqa: ANN202 - only the type stubs of lxml name its result
        self, system_url: str | None, _public_id: str | None, context: object, /
    ):
        """The text of the schema at ``system_url``."""
        location = system_url or ""
        return self.resolve_string(_read(location), context, base_url=location)


def load_schema(name: SchemaName) -> etree.XMLSchema:
    """The compiled schema, compiled once. Use it for looking only: :func:`validate` is for validating.

    Raises:
        SchemaUnavailableError: the installation lacks it, or it does not compile.
    """
    with _LOCK:
        schema = _COMPILED.get(name)
        if schema is None:
            schema = _COMPILED[name] = _compile(name)
        return schema


def compile_all() -> None:
    """Compile every schema now. A program with threads calls this before it starts them.

    Raises:
        SchemaUnavailableError: the installation lacks one, or it does not compile.
    """
    for name in SchemaName:
        load_schema(name)


def validate(name: SchemaName, root: etree._Element) -> tuple[SchemaViolation, ...]:
    """Where the document under ``root`` breaks the schema, at most :data:`MAX_VIOLATIONS`; empty when valid.

    Safe in any thread. Nothing in the document can make it load another schema.

    Raises:
        SchemaUnavailableError: the installation lacks the schema.
    """
    schema = load_schema(name)
    with _LOCK:
        if schema.validate(root):
            return ()
        return tuple(
            SchemaViolation(entry.line, entry.path or "", _element_name(entry.message), entry.message)
            for entry, _ in zip(schema.error_log, range(MAX_VIOLATIONS), strict=False)
        )


def _element_name(message: str) -> str:
    """The local name out of a message such as ``Element '{uri}Subject': ...``."""
    quoted = message.partition("'")[2].partition("'")[0]
    return quoted.rpartition("}")[2]


def _compile(name: SchemaName) -> etree.XMLSchema:
    """Compile, again and again where another thread got in between.

    libxml2 has one loader of further documents for the whole process, and lxml swaps it around every parse: a parse
    that ends in another thread takes ours away. What then cannot be loaded is an error, never a laxer schema; but
    libxml2 has crashed over such a schema, which is why programs call :func:`compile_all` before they start threads.
    """
    for _ in range(_COMPILE_ATTEMPTS - 1):
        try:
            return _compile_once(name)
        except SchemaUnavailableError:
            time.sleep(_COMPILE_PAUSE_SECONDS)
    return _compile_once(name)


def _compile_once(name: SchemaName) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=True)
    parser.resolvers.add(_PackageResolver())
    try:
        return etree.XMLSchema(etree.fromstring(_read(name.value), parser, base_url=name.value))
    except etree.LxmlError as error:
        raise SchemaUnavailableError(f"schema {name.name} does not compile: {error}") from error


def _read(location: str) -> bytes:
    """The bytes of a schema of this package (a path inside it) or of ``signxml`` (``signxml:...``)."""
    try:
        if location in _SIGNXML:
            return (_signxml_folder() / _SIGNXML[location]).read_bytes()
        if location.endswith("xmldsig-core-schema.xsd"):
            return (_signxml_folder() / _SIGNXML["signxml:xmldsig"]).read_bytes()
        return resources.files("schemas").joinpath(location).read_bytes()
    except OSError as error:
        raise SchemaUnavailableError(f"the installation lacks the schema {location}") from error


def _signxml_folder() -> Path:
    """Where ``signxml`` is installed, found without importing it."""
    found = importlib.util.find_spec("signxml")
    if found is None or not found.submodule_search_locations:
        raise SchemaUnavailableError("the package signxml is not installed")
    return Path(found.submodule_search_locations[0])
