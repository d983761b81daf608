"""Reading elements: groups of children in one pass, and their texts as values.

Every function notes what is wrong and goes on with a neutral value, so that one reading finds all there is to say.
Nothing is ever searched among descendants: an element is read at its place or not at all, which leaves an attacker
no second place to put one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from unicodedata import normalize

from lxml import etree

from edoc.envelope.codes import is_code, normalize_code
from edoc.envelope.findings import Findings
from edoc.envelope.limits import MessageLimits
from edoc.envelope.scalars import (
    MAX_LENGTH,
    MAX_SCALAR_LENGTH,
    max_length,
    normalize_text,
    parse_date,
    parse_integer,
    parse_timestamp,
)
from edoc.envelope.vocabulary import Names, Vocabulary
from edoc.vietnam import VIETNAM
from signing.xml import ParsedXml

_NEVER: Final = datetime.min.replace(tzinfo=VIETNAM)
"""Stands in for a time that was refused."""
_DATE_REMEDY: Final = "write a day that exists as yyyy/MM/dd"
_TIMESTAMP_REMEDY: Final = "write a time that exists as yyyy/MM/dd HH:mm:ss"


@dataclass(frozen=True, slots=True)
class Group:
    """An element and its known children by name, in document order."""

    element: etree._Element
    path: str
    members: dict[str, list[etree._Element]]


class ElementReader:
    """Reads the elements of one document."""

    def __init__(self, document: ParsedXml, vocabulary: Vocabulary, limits: MessageLimits, findings: Findings) -> None:
        self.document = document
        self.vocabulary = vocabulary
        self.limits = limits
        self.findings = findings
        self._markers = document.markers
        self._other_namespace = f"{{{vocabulary.other_namespace}}}"

    def group(self, element: etree._Element, names: Names, path: str) -> Group:
        """The children of ``element``. Unknown ones are left out with a warning; markup that could make two readers
        see two texts (processing instructions, elements of the other edXML namespace) is refused.
        """
        members: dict[str, list[etree._Element]] = {}
        for child in element:
            name = names.get(child.tag)
            if name is None:
                self._unknown(child, path)
            elif name in members:
                members[name].append(child)
            else:
                members[name] = [child]
        return Group(element, path, members)

    def _unknown(self, child: etree._Element, path: str) -> None:
        tag: object = child.tag
        if not isinstance(tag, str):
            self.findings.refuse(
                "M", path, "a processing instruction stands in the message", "remove every <?...?> in it", child
            )
        elif tag.startswith(self._other_namespace):
            self.findings.refuse(
                "M",
                f"{path}/{etree.QName(tag).localname}",
                f"the element is in the namespace {self.vocabulary.other_namespace}, the message in another",
                f"write the whole message in the namespace {self.vocabulary.namespace}",
                child,
            )
        else:
            self.findings.warn("M", f"{path}/{etree.QName(tag).localname}", "unknown element, not read")

    def one(self, group: Group, name: str, *, required: bool = False) -> etree._Element | None:
        """The only child of that name; more than one is refused, as is none where it is ``required``."""
        found = group.members.get(name)
        if found is None:
            if required:
                self.missing(group, name)
            return None
        if len(found) > 1:
            self.findings.refuse(
                "M",
                f"{group.path}/{name}",
                f"the element stands {len(found)} times where one is expected",
                "write it once",
                found[1],
            )
        return found[0]

    def missing(self, group: Group, name: str) -> None:
        """Note that a required element is absent or empty."""
        self.findings.refuse(
            "N", f"{group.path}/{name}", "the element is missing or empty", f"write {name}", group.element
        )

    def optional(self, group: Group, name: str, length_of: str | None = None) -> str | None:
        """The text of the only child of that name; ``None`` when absent, empty or refused."""
        found = group.members.get(name)
        if found is None:
            return None
        child = found[0]
        longest = MAX_LENGTH.get(length_of or name, MAX_SCALAR_LENGTH)
        if len(found) == 1 and not len(child):
            # Almost every field of almost every letter: one element, a text of a fitting length.
            raw = child.text
            if raw is None:
                return None
            raw = raw.strip()
            if len(raw) <= longest and raw not in self._markers:
                return (raw if raw.isascii() else normalize("NFC", raw)) or None
        self.one(group, name)
        return self.text(child, f"{group.path}/{name}", longest)

    def required(self, group: Group, name: str, length_of: str | None = None) -> str:
        """The text of the only child of that name; absent and empty are refused."""
        before = len(self.findings.violations)
        text = self.optional(group, name, length_of)
        if text is None:
            if len(self.findings.violations) == before:
                self.missing(group, name)
            return ""
        return text

    def expected(self, group: Group, name: str, length_of: str | None = None) -> str:
        """As :meth:`required`, but a message without it is let pass with a warning."""
        text = self.optional(group, name, length_of)
        if text is None:
            self.findings.warn("N", f"{group.path}/{name}", "the element is missing or empty")
            return ""
        return text

    def text(self, element: etree._Element, path: str, longest: int) -> str | None:
        """The direct text of ``element``, trimmed and in NFC; ``None`` when empty or refused."""
        if len(element):
            self.findings.refuse(
                "T", path, "other markup stands where a text is expected", "write the text alone", element
            )
            return None
        raw = element.text
        if raw is None:
            return None
        raw = raw.strip()
        if len(raw) > longest and not self._let_pass(element, raw, path, longest):
            return None
        if raw in self._markers:
            self._too_long(element, path, longest)
            return None
        return normalize_text(raw) or None

    def _let_pass(self, element: etree._Element, raw: str, path: str, longest: int) -> bool:
        if len(raw) > longest * self.limits.length_tolerance:
            self._too_long(element, path, longest)
            return False
        if raw not in self._markers:
            self.findings.warn("R", path, f"the text has {len(raw)} characters, more than {longest}")
        return True

    def _too_long(self, element: etree._Element, path: str, longest: int) -> None:
        self.findings.refuse(
            "R",
            path,
            f"the text is longer than {longest * self.limits.length_tolerance} characters",
            f"shorten it to {longest} characters",
            element,
        )

    def texts(self, group: Group, name: str, length_of: str | None = None) -> Iterator[str]:
        """The texts of all children of that name that are not empty."""
        longest = max_length(length_of or name)
        for position, child in enumerate(group.members.get(name, ()), 1):
            text = self.text(child, f"{group.path}/{name}[{position}]", longest)
            if text is not None:
                yield text

    def agency_code(self, group: Group, name: str = "OrganId") -> str | None:
        """The agency code in the child of that name, normalized; ``None`` when absent or refused."""
        text = self.optional(group, name)
        if text is None:
            return None
        if not is_code(text):
            self.findings.refuse(
                "T",
                f"{group.path}/{name}",
                "an agency code has 1 to 35 letters, digits, dots and hyphens",
                "write the code that the directory gives the agency",
                group.members[name][0],
            )
            return None
        return normalize_code(text)

    def required_agency_code(self, group: Group) -> str:
        """The agency code in ``OrganId``; absent and empty are refused."""
        before = len(self.findings.violations)
        code = self.agency_code(group)
        if code is None and len(self.findings.violations) == before:
            self.missing(group, "OrganId")
        return code or ""

    def optional_date(self, group: Group, name: str) -> date | None:
        """The day in the child of that name; ``None`` when absent, empty or refused."""
        text = self.optional(group, name, "date")
        if text is None:
            return None
        day = parse_date(text)
        if day is None:
            self._not_a_time(group, name, text, _DATE_REMEDY)
        return day

    def required_date(self, group: Group, name: str) -> date:
        """The day in the child of that name; absent and empty are refused."""
        before = len(self.findings.violations)
        day = self.optional_date(group, name)
        if day is None and len(self.findings.violations) == before:
            self.missing(group, name)
        return day or date.min

    def timestamp(self, group: Group, name: str) -> datetime | None:
        """The moment in the child of that name, in Vietnam time; a mere day is its midnight, with a warning."""
        text = self.optional(group, name, "date")
        if text is None or text == "null":
            return None
        moment = parse_timestamp(text)
        if moment is None:
            self._not_a_time(group, name, text, _TIMESTAMP_REMEDY)
            return None
        if not moment[1]:
            self.findings.warn("T", f"{group.path}/{name}", "a day without a time; read as its midnight")
        return moment[0]

    def required_timestamp(self, group: Group, name: str) -> datetime:
        """The moment in the child of that name; absent and empty are refused."""
        before = len(self.findings.violations)
        moment = self.timestamp(group, name)
        if moment is None and len(self.findings.violations) == before:
            self.missing(group, name)
        return moment or _NEVER

    def _not_a_time(self, group: Group, name: str, text: str, remedy: str) -> None:
        self.findings.refuse(
            "T", f"{group.path}/{name}", f"{text!r} is no date that exists", remedy, group.members[name][0]
        )

    def integer(self, group: Group, name: str, otherwise: int) -> int | None:
        """The number in the child of that name; ``otherwise``, with a warning, when it is none."""
        text = self.optional(group, name)
        if text is None:
            return None
        number = parse_integer(text)
        if number is None:
            self.findings.warn("T", f"{group.path}/{name}", f"{text!r} is no number; read as {otherwise}")
            return otherwise
        return number
