"""What only the web side refuses, before or beside the services."""

from __future__ import annotations

from api.errors import ApiError
from edoc.acceptance.errors import ConflictError
from edoc.directory.errors import UnknownAgencyError
from edoc.errors import Violation


class InvalidRequestError(ApiError):
    """A part of the request cannot be what it has to be; says which and why."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.reason}" for each in violations))
        self.violations = violations


class MediaTypeError(ApiError):
    """The body is of a media type, or in a content coding, that this resource does not take."""

    def __init__(self, given: str, accepted: tuple[str, ...]) -> None:
        super().__init__(f"the body is {given or 'of no stated type'}; accepted are {', '.join(accepted)}")
        self.given, self.accepted = given, accepted


class MissingTokenError(ApiError):
    """The request carries no bearer token."""


class SealNotHeldError(ApiError):
    """The exchange does not hold the seal of the caller's agency."""

    def __init__(self, agency_code: str) -> None:
        super().__init__(f"the exchange does not hold the seal of {agency_code}")
        self.agency_code = agency_code


class OwnConflictError(ConflictError):
    """The DocumentId is taken by another document of the caller's own agency, which may hence be told which."""

    def __init__(self, document_id: str, link: str) -> None:
        super().__init__(document_id)
        self.link = link


class UnsatisfiableRangeError(ApiError):
    """The range asked for lies outside the content (RFC 9110 section 15.5.17)."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the content has {size} bytes, and none of those asked for")
        self.size = size


class UnknownAgencyParameterError(UnknownAgencyError):
    """A parameter of the request is the code of no agency; says which."""

    def __init__(self, field: str, code: str) -> None:
        super().__init__(code)
        self.violations = (Violation(f"M.{field}", field, str(self), "use a code that the directory holds", "known"),)


class ContentChangedError(ApiError):
    """The content is not that which ``If-Match`` names (RFC 9110 section 15.5.13)."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f'If-Match does not name the content\'s entity tag, which is "{sha256}"')
        self.sha256 = sha256


def invalid(field: str, reason: str, remedy: str, rule: str = "") -> InvalidRequestError:
    """One thing wrong with one field of a request."""
    return InvalidRequestError((Violation(f"M.{field}", field, reason, remedy, rule),))
