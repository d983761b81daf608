"""Gathering what is wrong with a message: every violation, not only the first, but never more than a page of them."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from lxml import etree

from edoc.envelope.model import ReaderWarning
from edoc.errors import MessageError, Violation

MAX_FINDINGS: Final = 100
"""A hostile message can break a rule at every element; no more than this many are kept of each sort."""

_POSITION: Final = re.compile(r"\[[0-9]+\]")
_UNNAMED_PARENTS: Final = re.compile(
    r"\A(?:(?:edXML|edXMLEnvelope|edXMLHeader|edXMLBody|edXMLManifest|AttachmentEncoded|edXMLAttachments)\.)+(?=.)"
    r"|\ATraceHeaderList\.(?=Bussiness)"
)
"""Containers that a code does not name: the axis speaks of ``MessageHeader.To`` and ``AttachmentName``."""


class Findings:
    """The violations and warnings found so far."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.warnings: list[ReaderWarning] = []

    def refuse(
        self, kind: str, field: str, reason: str, remedy: str, at: etree._Element | None = None, code: str | None = None
    ) -> None:
        """Note a violation of the class ``kind`` (``N``, ``R``, ``M``, ``T``), with the line of ``at``."""
        if len(self.violations) < MAX_FINDINGS:
            where = "" if at is None or at.sourceline is None else f" (line {at.sourceline})"
            self.violations.append(Violation(code or code_of(kind, field), field, f"{reason}{where}", remedy))

    def warn(self, kind: str, field: str, reason: str, code: str | None = None) -> None:
        """Note something that was let pass."""
        if len(self.warnings) < MAX_FINDINGS:
            self.warnings.append(ReaderWarning(code or code_of(kind, field), field, reason))

    def raise_violations(self) -> None:
        """End the work when a rule was broken.

        Raises:
            MessageError: with all violations.
        """
        if self.violations:
            raise MessageError(tuple(self.violations))

    def fail(self) -> NoReturn:
        """End the work where it cannot go on, after a violation was noted.

        Raises:
            MessageError: with all violations.
        """
        raise MessageError(tuple(self.violations))


def code_of(kind: str, field: str) -> str:
    """The code of a rule about ``field``: its path with dots, without positions and containers.

    ``MessageHeader/To[2]/OrganId`` gives ``N.MessageHeader.To.OrganId``, and a file's name ``R.AttachmentName``.
    """
    path = _UNNAMED_PARENTS.sub("", _POSITION.sub("", field).replace("/", "."))
    return f"{kind}.{path.removeprefix('Attachment.')}"
