"""What can be wrong with an agency's code."""

from __future__ import annotations

from datetime import date

from edoc.errors import EdocError


class DirectoryError(EdocError):
    """Base: an agency cannot be used as asked."""


class UnknownAgencyError(DirectoryError):
    """No agency has this code or alias."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no agency has the code {code}")
        self.code = code


class AgencyExpiredError(DirectoryError):
    """The agency is no more; ``successors`` are the codes of those that took over."""

    def __init__(self, code: str, valid_to: date, successors: tuple[str, ...]) -> None:
        heirs = ", ".join(successors) or "none is known"
        super().__init__(f"agency {code} ended on {valid_to.isoformat()}; successors: {heirs}")
        self.code, self.valid_to, self.successors = code, valid_to, successors


class AgencyNotYetValidError(DirectoryError):
    """The agency begins later."""

    def __init__(self, code: str, valid_from: date) -> None:
        super().__init__(f"agency {code} begins on {valid_from.isoformat()}")
        self.code, self.valid_from = code, valid_from


class DirectoryFileError(DirectoryError):
    """A list of agencies cannot be loaded; names the line and the column."""


class SealBindingError(DirectoryError):
    """A certificate cannot be bound: it is another agency's, or names another one."""
