"""What a schema says about a message, in the grammar of the message's own rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from lxml import etree

from edoc.envelope.findings import code_of
from edoc.envelope.vocabulary import EDXML
from edoc.errors import Violation
from schemas import SchemaViolation

_FRAME: Final = frozenset({"edXML", "edXMLEnvelope", "edXMLHeader", "edXMLBody"})
"""Left out of a field's path, which begins below them."""
_NAMESPACES: Final = re.compile(r"\{[^}]*\}")
_EXPECTED: Final = re.compile(r"Missing child element\(s\)\. Expected is[^(]*\( ([A-Za-z]+)")


def violations_of(broken: Iterable[SchemaViolation], root: etree._Element) -> tuple[Violation, ...]:
    """The violations of rules that only the schema has noticed, one for each field: a schema repeats itself."""
    found: dict[tuple[str, str], Violation] = {}
    for each in broken:
        violation = _violation(each, root)
        found.setdefault((violation.code, violation.field), violation)
    return tuple(found.values())


def _violation(broken: SchemaViolation, root: etree._Element) -> Violation:
    field = _field(broken, root)
    message = _NAMESPACES.sub("", broken.message)
    kind = "T"
    if missing := _EXPECTED.search(message):
        kind, field = "N", f"{field}/{missing[1]}"
    elif "maxLength" in message or "maxInclusive" in message:
        kind = "R"
    elif "not expected" in message or "key-sequence" in message or "Duplicate" in message:
        kind = "M"
    return Violation(
        code_of(kind, field),
        field,
        f"{message} (line {broken.line})",
        "write the element as the schema of the format says",
    )


def _field(broken: SchemaViolation, root: etree._Element) -> str:
    """The names from the message's part down to the element, with positions among elements of one name."""
    element = _find(broken.path, root)
    if element is None:
        return broken.element or "edXML"
    steps = [each for each in (element, *element.iterancestors()) if etree.QName(each).localname not in _FRAME]
    return "/".join(_step(each) for each in reversed(steps)) or etree.QName(element).localname


def _find(path: str, root: etree._Element) -> etree._Element | None:
    """The element at a path that libxml2 wrote, which uses the prefixes of the document."""
    try:
        found = root.getroottree().xpath(path, namespaces={"edXML": EDXML})
    except etree.XPathError:
        return None
    return next(iter(found), None) if isinstance(found, list) else None


def _step(element: etree._Element) -> str:
    name = etree.QName(element).localname
    before = len(list(element.itersiblings(f"{{*}}{name}", preceding=True)))
    alone = not before and next(element.itersiblings(f"{{*}}{name}"), None) is None
    return name if alone else f"{name}[{before + 1}]"
